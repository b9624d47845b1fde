"""Edits that are not saved, written to the user's own disk while one edits.

Every record of a journal tells what changed since the one before (:mod:`zvview.store.editing.journal_records`). It
belongs to one session, whose process holds a lock beside it: what nobody holds was left behind
(:mod:`zvview.store.editing.saved_journals`).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import uuid
from datetime import UTC, datetime
from typing import IO

from zvview.errors import UnreachableError, ZvviewError
from zvview.store.editing.edits import Edits
from zvview.store.editing.journal_records import (
    COMMIT,
    ENDING,
    FRESH_ENDING,
    HEAD,
    LOCK_ENDING,
    TAKEN_UP,
    key_of,
    seal_record,
)
from zvview.store.editing.packing import pack
from zvview.store.editing.recording import record_changes
from zvview.store.editing.review import is_empty
from zvview.store.editing.state_folder import journal_folder
from zvview.store.places.lock_file import LockFile
from zvview.store.places.syncing import sync_path

__all__ = ["JournalFile"]

_PAUSE_S = 0.3  # between a change and its writing, so that many changes make one record
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
    since : str
        When the session began: ISO 8601, UTC.
    taken_up : tuple of str
        Names of the journals of which this one holds what could be kept; to be set before the first edits.
    problem : str
        Why the edits cannot be kept on the disk; empty where all is well.
    """

    def __init__(self, place: str) -> None:
        self.since, self.problem = datetime.now(UTC).isoformat(timespec="seconds"), ""
        self.taken_up: tuple[str, ...] = ()
        self._place = place
        self._path = os.path.join(journal_folder(), f"{key_of(place)}-{uuid.uuid4().hex[:12]}{ENDING}")
        self._lock: LockFile | None = None
        self._written = Edits()
        self._latest = Edits()
        self._tried: tuple[str, Edits] | None = None  # commit of which nobody knows yet whether it was made
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
                self._size = 0  # the next is written as a whole: nobody knows what became of the file
                self.problem = f"unsaved edits cannot be kept in {self._path}: {error}"

    def note_commit(self, name: str | None) -> None:
        """Write what is not written yet, and that it is about to be saved by the commit of that name.

        None takes that back: it was not saved.
        """
        self.flush()
        with self._writing:
            self._tried = None if name is None else (name, self._latest)
            if not self._size or self._is_closed:
                return
            try:
                self._append(seal_record(pack({COMMIT: name})))
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
            self._lock = LockFile(self._path + LOCK_ENDING)
            if not self._lock.is_held:
                raise UnreachableError(f"{self._path} is in use by another process")
        record = seal_record(pack(record_changes(self._written, edits)))
        if not self._size or self._size + len(record) > 4 * self._whole_size + _MOST_WASTE:
            self._write_whole(edits)
            return
        try:
            self._append(record)
        except FileNotFoundError:  # someone removed it
            self._write_whole(edits)

    def _append(self, record: bytes) -> None:
        with open(self._path, "r+b") as file:
            file.seek(self._size)
            file.write(record)
            file.truncate()
            _sync(file)
        self._size += len(record)

    def _write_whole(self, edits: Edits) -> None:
        """All edits in one record, or in those before and after a commit, in a file in the place of the one before."""
        told = {"place": self._place, "pid": os.getpid(), "since": self.since, TAKEN_UP: list(self.taken_up)}
        records: list[object] = [told]
        before = Edits()
        if self._tried is not None:
            name, before = self._tried
            records += [record_changes(Edits(), before), {COMMIT: name}]
        records.append(record_changes(before, edits))
        data = b"".join((HEAD, *(seal_record(pack(record)) for record in records)))
        fresh = self._path + FRESH_ENDING
        with open(fresh, "wb", opener=_open_private) as file:
            file.write(data)
            _sync(file)
        os.replace(fresh, self._path)
        sync_path(os.path.dirname(self._path))  # or a loss of power would take the file's name away
        self._size = self._whole_size = len(data)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
