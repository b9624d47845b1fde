"""The writer lock of a store: whoever replaces it, or a part of it, holds the lock from first look to last word.

Readers need none. The lock is a file beside the store, ``.NAME.zvview.lock``, since the store's own folder is replaced
as a whole; of a store in memory it is an entry of this process. It is the system that keeps it, so that it dies with
its holder; what the file says, in JSON, is for people, and for the next holder to clean up after one that died.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime

from zvview.errors import ConflictError, UnsupportedError
from zvview.store.places.folder import FolderSource
from zvview.store.places.lock_file import LockFile
from zvview.store.places.memory import MemorySource
from zvview.store.places.siblings import remove_stage, sweep_replaced
from zvview.store.places.source import Source
from zvview.store.places.zip_file import ZipSource

__all__ = ["Holder", "StoreLock", "conflict", "has_lock", "hold_store", "locked_path"]

_LOOKS, _PAUSE_S = 5, 0.02  # for a holder that has taken the lock and not yet said who it is


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a store.

    Attributes
    ----------
    pid : int
    host : str
    since : str
        ISO 8601, UTC.
    doing : str
        Completes "another process has been ...".
    stage : str
        Name of the folder beside the store in which its next state grows; empty where there is none.
    """

    pid: int
    host: str
    since: str
    doing: str
    stage: str = ""

    @classmethod
    def parse(cls, note: bytes) -> Holder | None:
        """What a lock file says; None where that is nothing, or no such thing."""
        try:
            found = json.loads(note)
            told = cls(**{field.name: found[field.name] for field in fields(cls)})
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        texts = (told.host, told.since, told.doing, told.stage)
        return told if type(told.pid) is int and all(isinstance(text, str) for text in texts) else None

    def encode(self) -> bytes:
        """What a lock file says."""
        return json.dumps(asdict(self)).encode() + b"\n"


class StoreLock:
    """A lock that is held; :func:`hold_store` gives it."""

    def __init__(self, file: LockFile | None, holder: Holder) -> None:
        self._file, self.holder = file, holder

    def note_stage(self, folder: str) -> None:
        """Tell in which folder beside the store its next state grows, for whoever cleans up if this process dies."""
        self.holder = replace(self.holder, stage=os.path.basename(folder))
        if self._file is not None:
            self._file.write(self.holder.encode())


@contextlib.contextmanager
def hold_store(source: Source, doing: str) -> Iterator[StoreLock]:
    """Hold the writer lock of a store while the block runs.

    It does not wait, and is not held twice, by the same thread neither: what is done in several steps holds it around
    them all. Of a store in a folder, what a dead holder left beside it is removed first.

    Parameters
    ----------
    source : Source
        A folder, a zip or memory.
    doing : str
        What for; completes "another process has been ...", for those who find it held.

    Raises
    ------
    ConflictError
        Another holds it; tells who, and since when.
    UnsupportedError
        A place that has no lock: an address, or behind a zarr store object.
    UnreachableError
        The folder in which the store lies cannot be written, or its file system has no locks.
    """
    holder = Holder(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"), doing)
    path = locked_path(source)
    if path is not None:
        with _hold_file(path, source.place, holder) as lock:
            yield lock
    elif isinstance(source, MemorySource):
        with _hold_memory(source, holder):
            yield StoreLock(None, holder)
    else:
        raise UnsupportedError(
            f"{source.place} has no writer lock: only a store in a folder, a zip or memory is changed; "
            "change it there and copy it"
        )


def has_lock(source: Source) -> bool:
    """Whether the store is in a folder, a zip or memory, so that :func:`hold_store` can hold it."""
    return isinstance(source, FolderSource | ZipSource | MemorySource)


def locked_path(source: Source) -> str | None:
    """The folder or the zip, links resolved, that is replaced when a store is; None where it has no path."""
    if isinstance(source, FolderSource):
        return os.path.realpath(source.folder)
    return os.path.realpath(source.place) if isinstance(source, ZipSource) else None


@contextlib.contextmanager
def _hold_file(target: str, place: str, holder: Holder) -> Iterator[StoreLock]:
    parent, name = os.path.split(target)
    file = LockFile(os.path.join(parent, f".{name}.zvview.lock"))
    try:
        if not file.is_held:
            raise conflict(place, _who_holds(file))
        dead = Holder.parse(file.read())
        if dead is not None and file.is_own:
            remove_stage(target, dead.stage)
        sweep_replaced(target)
        file.write(holder.encode())
        yield StoreLock(file, holder)
    finally:
        file.release()


def _who_holds(file: LockFile) -> Holder | None:
    for look in range(_LOOKS):
        if look:
            time.sleep(_PAUSE_S)
        found = Holder.parse(file.read())
        if found is not None:
            return found
    return None


_in_memory: dict[int, Holder] = {}  # by identity of the mapping, which lives as long as it is held here
_in_memory_lock = threading.Lock()


@contextlib.contextmanager
def _hold_memory(source: MemorySource, holder: Holder) -> Iterator[None]:
    key = id(source.mapping)
    with _in_memory_lock:
        other = _in_memory.setdefault(key, holder)
    if other is not holder:
        raise conflict(source.place, other)
    try:
        yield
    finally:
        with _in_memory_lock:
            del _in_memory[key]


def conflict(place: str, other: Holder | None, silent_s: float | None = None) -> ConflictError:
    """The error for a store that another holds.

    Parameters
    ----------
    place : str
    other : Holder or None
        None where it has not said who it is.
    silent_s : float, optional
        Seconds since its last sign, where nothing else tells that it is alive.
    """
    if other is None:
        return ConflictError(f"another process is changing {place}; wait for it or end it")
    is_self = (other.pid, other.host) == (os.getpid(), socket.gethostname())
    who = "this process itself" if is_self else f"process {other.pid} on {other.host}"
    sign = "" if silent_s is None else f", and gave its last sign {silent_s:.0f} s ago"
    return ConflictError(
        f"{place} is locked: {who} has been {other.doing} since {other.since}{sign}; wait for it or end it"
    )
