"""What an export remembers of its files: so that a second run writes what changed, and a broken-off one goes on.

``export.json`` is what the last whole run left; ``log.jsonl``, a line for each unit, is what a run has done so far. It
begins with all that was known when the run began, and stays where the run is killed: as long as it is there the export
is not whole. Only the process that exports writes either.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from hashlib import blake2b
from typing import IO, Any, Final

from zvview.errors import UnsupportedError

__all__ = [
    "FORMAT",
    "RECORD",
    "VERSION",
    "Entry",
    "Record",
    "digest_bytes",
    "digest_file",
    "find_same",
    "is_as_told",
    "read_index",
]

FORMAT: Final = "zvview-export"
VERSION: Final = 1
RECORD: Final = ".zvview-export"
"""Folder of an export that holds its record; nobody who looks at the export needs it."""

_INDEX, _LOG = "export.json", "log.jsonl"
_DIGEST_BYTES: Final = 16
_READ_BYTES: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it was written.

    Attributes
    ----------
    size : int
    mtime_ns : int
    digest : str
        Of its bytes.
    """

    size: int
    mtime_ns: int
    digest: str


def digest_bytes(content: bytes) -> str:
    """Digest of the bytes that a file is to have."""
    return blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()


def digest_file(path: str) -> str:
    """Digest of the bytes of a file."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    with open(path, "rb") as file:
        while data := file.read(_READ_BYTES):
            digest.update(data)
    return digest.hexdigest()


def is_as_told(path: str, entry: Entry) -> bool:
    """Whether a file is as it was written; one of another time, which a copy has, is read."""
    try:
        found = os.stat(path)
        if found.st_size != entry.size:
            return False
        return found.st_mtime_ns == entry.mtime_ns or digest_file(path) == entry.digest
    except OSError:
        return False


def find_same(path: str, size: int, digest: str, known: Entry | None) -> Entry | None:
    """The file at `path`, if it has these bytes; it is read where it is not known.

    Parameters
    ----------
    path : str
    size : int
    digest : str
    known : Entry or None
        The file as it was written; None also where a run was killed before it could note it.
    """
    try:
        found = os.stat(path)
        if found.st_size != size:
            return None
        is_known = known is not None and (known.size, known.mtime_ns) == (size, found.st_mtime_ns)
        there = known.digest if known is not None and is_known else digest_file(path)
    except OSError:
        return None
    return Entry(size, found.st_mtime_ns, digest) if there == digest else None


@dataclass(slots=True)
class Record:
    """The record in a folder.

    Attributes
    ----------
    folder : str
        Of the export.
    header : dict
        What the last whole run was about; empty where there was none.
    files : dict of str to Entry
        All files that are there for certain, by their paths in the export.
    done : dict of str to list of str
        Files of the units that a run which broke off had done.
    notes : dict of str to None
        What that run had found to be left out or not exact.
    goal : str or None
        What that run was about.
    """

    folder: str
    header: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Entry] = field(default_factory=dict)
    done: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    goal: str | None = None
    _log: IO[str] | None = None

    @classmethod
    def read(cls, folder: str) -> Record:
        """The record of an export; empty where there is none.

        Raises
        ------
        UnsupportedError
            A newer zvview wrote it.
        """
        record = cls(folder)
        document = read_index(folder)
        if document is not None:
            if document.get("version") != VERSION:
                raise UnsupportedError(
                    f"{folder} was written by another version of zvview: remove it, or update zvview"
                )
            record.header = {key: value for key, value in document.items() if key != "files"}
            record.files = _entries(document.get("files"))
        record._read_log()
        return record

    @property
    def is_whole(self) -> bool:
        """Whether the last run came to its end."""
        return bool(self.header) and not os.path.exists(self._path(_LOG))

    def begin(self, goal: str) -> None:
        """Start a run, or go on with one about the same `goal`."""
        os.makedirs(os.path.join(self.folder, RECORD), exist_ok=True)
        if self.goal != goal or not goal:  # without one nobody can tell whether it is the same
            self.goal, self.done, self.notes = goal, {}, {}
        lines = [json.dumps({"goal": goal, "files": _plain(self.files), "notes": list(self.notes)})]
        lines += [json.dumps({"unit": unit, "names": names}) for unit, names in self.done.items()]
        _replace(self._path(_LOG), "".join(f"{line}\n" for line in lines))
        self._log = open(self._path(_LOG), "a", encoding="utf-8")  # noqa: SIM115 - closed by finish, or close

    def note(self, unit: str, files: Mapping[str, Entry], notes: Iterable[str] = ()) -> None:
        """A unit is done: these are its files, and this was found on the way."""
        assert self._log is not None
        self.files.update(files)
        self.done[unit] = list(files)
        told = {"unit": unit, "names": list(files), "files": _plain(files)}
        if fresh := [note for note in notes if note not in self.notes]:
            self.notes.update(dict.fromkeys(fresh))
            told["notes"] = fresh
        self._log.write(json.dumps(told) + "\n")
        self._log.flush()

    def drop(self, name: str) -> None:
        """A file is there no longer."""
        self.files.pop(name, None)

    def finish(self, header: Mapping[str, Any]) -> None:
        """The run came to its end."""
        self.header = {"format": FORMAT, "version": VERSION, **header}
        _replace(self._path(_INDEX), json.dumps({**self.header, "files": _plain(self.files)}))
        self.close()
        os.remove(self._path(_LOG))

    def close(self) -> None:
        """Let go of the log, which stays."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, RECORD, name)

    def _read_log(self) -> None:
        """Take in what a run that broke off has done; a line that it did not write to its end is passed over."""
        with contextlib.suppress(FileNotFoundError), open(self._path(_LOG), encoding="utf-8", errors="replace") as log:
            for line in log:
                try:
                    told = json.loads(line)
                except ValueError:
                    break
                if "goal" in told:
                    self.goal, self.files = told["goal"], {}
                self.files.update(_entries(told.get("files")))
                self.notes.update(dict.fromkeys(map(str, told.get("notes") or ())))
                if "unit" in told:
                    self.done[told["unit"]] = told["names"]


def read_index(folder: str) -> dict[str, Any] | None:
    """What a whole run left in a folder; None where that is no export."""
    try:
        with open(os.path.join(folder, RECORD, _INDEX), encoding="utf-8") as file:
            document = json.load(file)
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and document.get("format") == FORMAT else None


def _entries(told: Any) -> dict[str, Entry]:
    try:
        return {name: Entry(*entry) for name, entry in (told or {}).items()}
    except (AttributeError, TypeError):
        return {}


def _plain(files: Mapping[str, Entry]) -> dict[str, Any]:
    return {name: astuple(entry) for name, entry in files.items()}


def _replace(path: str, text: str) -> None:
    """Put a text into a file at once."""
    part = f"{path}.part"
    with open(part, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
