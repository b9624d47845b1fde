"""All foreign formats by name and by suffix; the module of one is loaded when it is first asked for.

Importing this module imports no format and no third party, so that the command line starts as fast as without them.
"""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import islice
from pathlib import Path

from zvview.convert.contract import Format
from zvview.errors import BadFileError, MissingError, UnreachableError, UnsupportedError

__all__ = ["ENTRIES", "Entry", "explain_missing_packages", "find_entry", "find_format", "load_format"]

_EXTRA = frozenset({"nibabel", "pyarrow"})  # what the extra "convert" brings
_MOST_FILES = 20_000  # of a folder that are looked at to tell what it holds


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a format before its module is loaded.

    Attributes
    ----------
    name : str
        As in ``--format``.
    module : str
        Of :mod:`zvview.convert`; its ``FORMATS`` hold the format.
    suffixes : tuple of str
        Of its files, lower case, with the dot.
    """

    name: str
    module: str
    suffixes: tuple[str, ...]


ENTRIES: tuple[Entry, ...] = (
    Entry("swc", "swc", (".swc",)),
    Entry("trk", "trk", (".trk",)),
    Entry("tck", "tck", (".tck",)),
    Entry("csv", "table", (".csv", ".csv.gz")),
    Entry("tsv", "table", (".tsv", ".tsv.gz", ".tab")),
    Entry("parquet", "table", (".parquet", ".pq")),
    Entry("ply", "ply", (".ply",)),
    Entry("obj", "obj", (".obj",)),
)
"""All formats, in the order in which they are told."""


def find_entry(path: str | os.PathLike[str]) -> Entry | None:
    """The entry of the format that the suffix of `path` names, None where it names none; nothing needs to be there."""
    name = os.path.basename(os.fspath(path).rstrip("/\\")).lower()
    found = [(len(suffix), entry) for entry in ENTRIES for suffix in entry.suffixes if name.endswith(suffix)]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def find_format(path: str | os.PathLike[str], name: str | None = None) -> Format:
    """The format of a file, or of the files of a folder.

    Parameters
    ----------
    path : str or path
        A file is told by its suffix, a folder or a zip archive by the suffix that most files in it have.
    name : str, optional
        Of the format, whatever the suffix says.

    Raises
    ------
    MissingError
        No format has that name.
    UnsupportedError
        No format has that suffix, or the package that reads it is not installed.
    UnreachableError, BadFileError
        A folder or an archive that cannot be listed, or that holds no file of a known format.
    """
    if name is not None:
        return load_format(name)
    place = Path(path)
    if place.is_dir():
        return load_format(_entry_of_names(place, _names_below(place)).name)
    entry = find_entry(place)
    if entry is None and place.is_file() and zipfile.is_zipfile(place):
        entry = _entry_of_names(place, _names_in(place))
    if entry is None:
        raise UnsupportedError(f"{path}: no format has this suffix; name one of {_told()}")
    return load_format(entry.name)


@cache
def load_format(name: str) -> Format:
    """The format called `name`.

    Raises
    ------
    MissingError
        There is none.
    UnsupportedError
        The package that reads it is not installed.
    """
    entry = next((entry for entry in ENTRIES if entry.name == name), None)
    if entry is None:
        raise MissingError("format", name, [entry.name for entry in ENTRIES])
    with explain_missing_packages():
        formats: tuple[Format, ...] = import_module(f"zvview.convert.{entry.module}").FORMATS
    return next(found for found in formats if found.name == name)


@contextmanager
def explain_missing_packages() -> Iterator[None]:
    """Tell how to install what an import inside of this context did not find.

    Raises
    ------
    UnsupportedError
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        raise UnsupportedError(f'this format needs {package}: pip install "zvview[convert]"') from error


def _entry_of_names(path: Path, names: Iterable[str]) -> Entry:
    """What most files of a folder or an archive are; hidden ones do not count."""
    counts: Counter[Entry] = Counter()
    for name in islice(names, _MOST_FILES):
        entry = find_entry(name)
        if entry is not None and not os.path.basename(name).startswith("."):
            counts[entry] += 1
    if not counts:
        raise BadFileError(path, f"it holds no file of a known format: {_told()}")
    return counts.most_common(1)[0][0]


def _names_below(folder: Path) -> Iterator[str]:
    """Names of all files below a folder."""

    def refuse(error: OSError) -> None:
        raise UnreachableError(f"{error.filename}: {error.strerror}") from error

    for _, _, names in os.walk(folder, onerror=refuse):
        yield from names


def _names_in(archive: Path) -> Iterator[str]:
    """Names of all files in a zip archive, without those that systems put beside them."""
    try:
        with zipfile.ZipFile(archive) as opened:
            yield from (name for name in opened.namelist() if "__MACOSX" not in name and not name.endswith("/"))
    except (OSError, zipfile.BadZipFile) as error:
        raise BadFileError(archive, f"the archive cannot be read: {error}") from error


def _told() -> str:
    return ", ".join(f"{entry.name} ({' '.join(entry.suffixes)})" for entry in ENTRIES)
