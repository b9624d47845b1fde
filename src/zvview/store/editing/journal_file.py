"""Edits that are not saved, on the user's own disk: written while one edits, offered again after a crash.

A journal is a file of records, each with its size and checksum; every record tells what changed since the one before.
It belongs to one session, whose process holds a lock beside it: what nobody holds was left behind. A last record that
was torn is dropped, and so is all behind the first that is not as it was written.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from zvview.errors import DamagedError, UnreachableError, ZvviewError
from zvview.store.editing.edits import Edits
from zvview.store.editing.packing import pack, unpack
from zvview.store.editing.recording import record_changes, replay_changes
from zvview.store.editing.review import is_empty
from zvview.store.editing.state_folder import journal_folder
from zvview.store.places.lock_file import LockFile

__all__ = ["JournalFile", "SavedJournal", "find_journals"]

_HEAD = b"zvview journal 1\n"
_ENDING, _LOCK_ENDING = ".journal", ".lock"
_DIGEST_BYTES = 16
_SIZE_BYTES = 8
_PAUSE_S = 0.3  # between a change and its writing, so that many changes make one record
_WITNESS = "witness"
_MOST_WASTE = 4 << 20  # bytes of a journal beyond four times what it says, before it is written anew


class JournalFile:
    """The journal of one session. Nothing is written before the first change.

    Writing, which waits for the disk, is done by a thread of its own: a change is on the disk within a second.

    Parameters
    ----------
    place : str
        Of the store, as messages name it.

    Attributes
    ----------
    problem : str
        Why the edits cannot be kept on the disk; empty where all is well.
    """

    def __init__(self, place: str) -> None:
        self.problem = ""
        self._place = place
        self._path = os.path.join(journal_folder(), f"{_key_of(place)}-{uuid.uuid4().hex[:12]}{_ENDING}")
        self._lock: LockFile | None = None
        self._written = Edits()
        self._latest = Edits()
        self._size = self._whole_size = 0
        self._wake = threading.Condition()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @property
    def path(self) -> str:
        """Where it is, or would be."""
        return self._path

    def keep(self, edits: Edits) -> None:
        """Have the edits written soon; returns at once."""
        with self._wake:
            if self._is_closed or (self._thread is None and is_empty(edits)):
                return
            self._latest = edits
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="zvview journal", daemon=True)
                self._thread.start()
                atexit.register(self.flush)
            self._wake.notify()

    def flush(self) -> None:
        """Write what is not written yet, and wait for the disk."""
        with self._writing:
            latest = self._latest
            if latest is self._written or self._is_closed:
                return
            try:
                self._write(latest)
                self._written, self.problem = latest, ""
            except (OSError, ZvviewError) as error:
                self.problem = f"unsaved edits cannot be kept in {self._path}: {error}"

    def note_commit(self, witness: str) -> None:
        """Write what is not written yet, and that it is about to be saved to the store as `witness` tells it."""
        self.flush()
        with self._writing:
            if not self._size or self._is_closed:
                return
            try:
                self._append(_sealed(pack({_WITNESS: witness})))
            except OSError as error:
                self.problem = f"unsaved edits cannot be kept in {self._path}: {error}"

    def remove(self) -> None:
        """Throw the journal away: its edits were saved, or are not wanted."""
        self._close(keep_file=False)

    def close(self) -> None:
        """Leave the journal behind, to be offered again; one without edits is removed."""
        self.flush()
        self._close(keep_file=not is_empty(self._latest))

    def _close(self, *, keep_file: bool) -> None:
        with self._writing:
            with self._wake:
                self._is_closed = True
                self._wake.notify()
            atexit.unregister(self.flush)
            if not keep_file:
                with contextlib.suppress(OSError):
                    os.remove(self._path)
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def _run(self) -> None:
        while True:
            with self._wake:
                while self._latest is self._written and not self._is_closed:
                    self._wake.wait()
                if self._is_closed:
                    return
                self._wake.wait(_PAUSE_S)
            self.flush()
            if self.problem:
                with self._wake:
                    self._wake.wait()  # for the next change, to try again then

    def _write(self, edits: Edits) -> None:
        if self._lock is None:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            self._lock = LockFile(self._path + _LOCK_ENDING)
            if not self._lock.is_held:
                raise UnreachableError(f"{self._path} is in use by another process")
        record = _sealed(pack(record_changes(self._written, edits)))
        if not self._size or self._size + len(record) > 4 * self._whole_size + _MOST_WASTE:
            self._write_whole(edits)
            return
        self._append(record)

    def _append(self, record: bytes) -> None:
        with open(self._path, "r+b") as file:
            file.seek(self._size)
            file.write(record)
            file.truncate()
            _sync(file)
        self._size += len(record)

    def _write_whole(self, edits: Edits) -> None:
        """All edits in one record, in a file that takes the place of the one before."""
        told = {"place": self._place, "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        data = b"".join((_HEAD, _sealed(pack(told)), _sealed(pack(record_changes(Edits(), edits)))))
        fresh = self._path + ".new"
        with open(fresh, "wb", opener=_open_private) as file:
            file.write(data)
            _sync(file)
        os.replace(fresh, self._path)
        self._size = self._whole_size = len(data)


@dataclass(frozen=True, slots=True)
class SavedJournal:
    """Edits that were left behind.

    Attributes
    ----------
    path : str
    place : str
        Of the store.
    since : str
        When the session began to keep them: ISO 8601, UTC.
    edits : Edits
    witness : str or None
        What told the store just before a commit of these edits was tried; None where none was.
    """

    path: str
    place: str
    since: str
    edits: Edits
    witness: str | None = None

    def remove(self) -> None:
        """Throw it away."""
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.path)


def find_journals(place: str) -> tuple[SavedJournal, ...]:
    """The journals of a store that sessions left behind, the latest first; those of running sessions are left out.

    Files that cannot be read, or that hold nothing, are passed over.
    """
    start = f"{_key_of(place)}-"
    try:
        found = sorted(entry.path for entry in os.scandir(journal_folder()) if entry.name.startswith(start))
    except OSError:
        return ()
    journals = []
    for path in found:
        if not path.endswith(_ENDING) or _is_in_use(path):
            continue
        try:
            told = _read(path)
        except (OSError, DamagedError):
            continue
        if told is not None and not is_empty(told.edits):
            journals.append((os.path.getmtime(path), told))
    return tuple(journal for _, journal in sorted(journals, key=lambda pair: pair[0], reverse=True))


def _read(path: str) -> SavedJournal | None:
    """A journal, as far as it is as it was written; None where that is not even its beginning."""
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(_HEAD):
        return None
    told: Any = None
    edits, witness = Edits(), None
    for record in _records(data):
        tree = unpack(record)
        if told is None:
            told = tree
        elif isinstance(tree, dict) and isinstance(tree.get(_WITNESS), str):
            witness = tree[_WITNESS]
        else:
            edits, witness = replay_changes(edits, tree), None
    if not isinstance(told, dict) or not isinstance(told.get("place"), str) or not isinstance(told.get("since"), str):
        return None
    return SavedJournal(path, told["place"], told["since"], edits, witness)


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a journal, up to the first that is torn or changed."""
    at = len(_HEAD)
    while at + _SIZE_BYTES + _DIGEST_BYTES <= len(data):
        size = int.from_bytes(data[at : at + _SIZE_BYTES], "little")
        start = at + _SIZE_BYTES + _DIGEST_BYTES
        record = data[start : start + size]
        if len(record) < size or _digest(record) != data[at + _SIZE_BYTES : start]:
            return
        yield record
        at = start + size


def _sealed(record: bytes) -> bytes:
    return len(record).to_bytes(_SIZE_BYTES, "little") + _digest(record) + record


def _digest(record: bytes) -> bytes:
    return blake2b(record, digest_size=_DIGEST_BYTES).digest()


def _is_in_use(path: str) -> bool:
    """Whether a running session holds the journal."""
    if not os.path.exists(path + _LOCK_ENDING):
        return False
    try:
        lock = LockFile(path + _LOCK_ENDING)
    except UnreachableError:
        return True
    in_use = not lock.is_held
    lock.release()
    return in_use


def _key_of(place: str) -> str:
    """What the names of the journals of a store begin with: told from its place, links resolved."""
    text = place if "://" in place else os.path.realpath(place)
    return blake2b(text.encode(errors="surrogateescape"), digest_size=12).hexdigest()


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
