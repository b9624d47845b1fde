"""Data files of packages: of installed ones, of wheels that pip fetches, and what happens without either."""

from __future__ import annotations

import sys
import textwrap
import threading
import time
import zipfile
from pathlib import Path

import pytest

from zvview.cancel import CancelToken
from zvview.errors import Cancelled, DamagedError, UnreachableError
from zvview.samples.packages import DIPY, NAVIS, DataPackage, data_folder

PACKAGE = DataPackage("zvview_absent_package", "1.2", "0" * 64, platform="manylinux_2_28_x86_64")


def fake_pip(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``python -m pip`` run `script`, which finds its arguments in `args`."""
    (folder / "pip").mkdir()
    (folder / "pip" / "__init__.py").write_text("")
    (folder / "pip" / "__main__.py").write_text("import sys\nargs = sys.argv[1:]\n" + textwrap.dedent(script))
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_installed_package_is_found_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / PACKAGE.name / "data").mkdir(parents=True)
    (tmp_path / PACKAGE.name / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with data_folder(PACKAGE) as data:
        assert data == tmp_path / PACKAGE.name / "data"
    assert PACKAGE.name not in sys.modules


def test_wheel_is_fetched_without_dependencies_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "made.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{PACKAGE.name}/data/a.txt", "content")
        archive.writestr(f"{PACKAGE.name}/code.py", "raise RuntimeError")
    said = tmp_path / "said.txt"
    fake_pip(
        tmp_path,
        f"""
        import shutil
        out = args[args.index("-d") + 1]
        wanted = open(args[args.index("-r") + 1]).read()
        open({str(said)!r}, "w").write(" ".join(args) + chr(10) + wanted)
        shutil.copy({str(wheel)!r}, out + "/x-1.2-py3-none-any.whl")
        """,
        monkeypatch,
    )
    told: list[str] = []
    with data_folder(PACKAGE, lambda done, total, text: told.append(text)) as data:
        assert (data / "a.txt").read_text() == "content"
        assert not (data.parent / "code.py").exists()
    assert not data.exists()
    assert told == ["fetching zvview_absent_package 1.2"]
    arguments, wanted = said.read_text().splitlines()
    for option in ("download", "--no-deps", "--only-binary=:all:", "--require-hashes", "--platform"):
        assert option in arguments.split()
    assert wanted == f"zvview_absent_package==1.2 --hash=sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("sys.exit('WARNING: slow\\nERROR: No matching distribution found')", "No matching distribution found"),
        ("sys.exit(1)", "could not be fetched with pip"),
        ("pass", "pip install --no-deps zvview_absent_package==1.2"),
    ],
)
def test_what_cannot_be_fetched_is_told(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pip(tmp_path, script, monkeypatch)
    with pytest.raises(UnreachableError, match=message), data_folder(PACKAGE):
        pass


@pytest.mark.parametrize("content", [b"no archive", None])
def test_wheels_without_data_are_refused(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "made.whl"
    if content is None:
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("other/data/a.txt", "content")
    else:
        wheel.write_bytes(content)
    script = f"import shutil; shutil.copy({str(wheel)!r}, args[args.index('-d') + 1])"
    fake_pip(tmp_path, script, monkeypatch)
    with pytest.raises(DamagedError, match="wheel"), data_folder(PACKAGE):
        pass


def test_fetching_ends_when_it_is_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pip(tmp_path, "import time; time.sleep(60)", monkeypatch)
    token = CancelToken()
    threading.Timer(0.5, token.cancel).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled), data_folder(PACKAGE, cancel=token):
        pass
    assert time.monotonic() - begun < 20


def test_packages_are_pinned_to_one_wheel() -> None:
    for package in (NAVIS, DIPY):
        assert len(package.sha256) == 64 and set(package.sha256) <= set("0123456789abcdef")
        assert package.version.count(".") == 2
