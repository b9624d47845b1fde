"""The files of an input: one, those of a folder or of a zip archive; and names of the files of an output."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from zvview.errors import BadFileError, UnreachableError

__all__ = ["FileSet", "FoundFile", "find_files", "safe_names"]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of an input.

    Attributes
    ----------
    path : Path
        Where it can be read.
    place : str
        How messages name it: its path, or that of the archive and its name in it.
    name : str
        Without suffix; with the folders above it where files of several folders share names.
    """

    path: Path
    place: str
    name: str


class Unpacked:
    """A temporary folder that goes with this object."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="zvview-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files of an input, in the order of their names.

    Attributes
    ----------
    place : str
    files : tuple of FoundFile
    is_single : bool
        Whether one file was named, not a folder or an archive.
    unpacked : Unpacked or None
        Holds the files of an archive for as long as this object lives.
    """

    place: str
    files: tuple[FoundFile, ...]
    is_single: bool
    unpacked: Unpacked | None = field(default=None, repr=False)


def find_files(path: Path, suffixes: Sequence[str]) -> FileSet:
    """The file `path`, or the files below the folder or in the zip archive `path` that have one of the suffixes.

    Hidden files do not count, and neither does what systems put beside them (``__MACOSX``).

    Raises
    ------
    UnreachableError
        Nothing is there, or it cannot be read.
    BadFileError
        A folder or archive without such a file; an archive that is damaged or encrypted.
    """
    if path.is_dir():
        found = sorted(_below(path, suffixes), key=lambda pair: pair[0].parts)
        return FileSet(str(path), _named([(p, str(f), f) for p, f in found], path, suffixes), False)
    if not path.is_file():
        raise UnreachableError(f"{path}: there is no such file")
    if zipfile.is_zipfile(path) and not path.name.lower().endswith(tuple(suffixes)):
        return _unpack(path, suffixes)
    return FileSet(str(path), (FoundFile(path, str(path), _stem(path.name, suffixes)),), True)


def _below(folder: Path, suffixes: Sequence[str]) -> Iterator[tuple[PurePosixPath, Path]]:
    """Name below `folder` and path of each file."""

    def refuse(error: OSError) -> None:
        raise UnreachableError(f"{error.filename}: {error.strerror}") from error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        for name in names:
            if name.lower().endswith(tuple(suffixes)) and not _is_hidden(name):
                found = Path(parent, name)
                yield PurePosixPath(found.relative_to(folder).as_posix()), found


def _is_hidden(name: str) -> bool:
    return (name.startswith(".") and name != "..") or name == "__MACOSX"


def _unpack(path: Path, suffixes: Sequence[str]) -> FileSet:
    """The files of an archive, under numbers of our own, so that no name in it can lead elsewhere."""
    folder = Unpacked()
    found = []
    try:
        with zipfile.ZipFile(path) as archive:
            for number, member in enumerate(archive.infolist()):
                name = PurePosixPath(member.filename.replace("\\", "/"))
                is_wanted = name.name.lower().endswith(tuple(suffixes)) and not any(map(_is_hidden, name.parts))
                if is_wanted and not member.is_dir():
                    target = folder.path / str(number)
                    with archive.open(member) as source, target.open("xb") as sink:
                        shutil.copyfileobj(source, sink, 1 << 20)
                    found.append((name, f"{path}, {member.filename}", target))
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise BadFileError(path, f"the archive cannot be read: {error}") from error
    found.sort(key=lambda entry: entry[0].parts)
    return FileSet(str(path), _named(found, path, suffixes), False, folder)


def _named(
    found: Sequence[tuple[PurePosixPath, str, Path]], path: Path, suffixes: Sequence[str]
) -> tuple[FoundFile, ...]:
    if not found:
        raise BadFileError(path, f"holds no file that ends in {' or '.join(suffixes)}")
    stems = [_stem(name.name, suffixes) for name, _, _ in found]
    if len(set(stems)) < len(stems):
        stems = [str(name.with_name(_stem(name.name, suffixes))) for name, _, _ in found]
    return tuple(FoundFile(file, place, stem) for (_, place, file), stem in zip(found, stems, strict=True))


def _stem(name: str, suffixes: Sequence[str]) -> str:
    suffix = next((s for s in suffixes if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)] or name


def safe_names(wanted: Sequence[str], suffix: str, *, can_nest: bool = False) -> list[str]:
    """A name of a file for each of `wanted`, unique also where case does not count, and none that leads elsewhere.

    Parameters
    ----------
    wanted : sequence of str
    suffix : str
        Put behind each.
    can_nest : bool
        Whether a slash may stand for a folder.
    """
    taken: set[str] = set()
    names = []
    for text in wanted:
        parts = text.split("/") if can_nest else [text]
        clean = "/".join(_safe(part) for part in parts)
        name, number = clean, 2
        while name.lower() in taken:
            name, number = f"{clean}_{number}", number + 1
        taken.add(name.lower())
        names.append(name + suffix)
    return names


def _safe(part: str) -> str:
    kept = "".join("_" if c in '/\\:*?"<>|' or ord(c) < 32 else c for c in part)[:200].strip()
    return f"_{kept}" if kept in ("", ".", "..") or kept.startswith(".") else kept.rstrip(".")
