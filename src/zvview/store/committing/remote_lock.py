"""The writer lock of a store at an address: an object that only one can create, and that has to be renewed.

No system lets go of it when its holder dies. A lock that was not renewed for a quarter of an hour, or whose process is
known to be dead since it ran on this very machine, is taken over; so a holder renews it before every step that counts,
and learns by that if it was taken for dead.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from zvview.errors import ConflictError, ZvviewError
from zvview.store.locking import Holder, conflict
from zvview.store.places.bucket import Bucket, Stored, no_conditions
from zvview.store.places.redo_log import LOCK_KEY

__all__ = ["RemoteLock", "hold_bucket"]

_DEAD_S = 900.0
_RENEW_S = 60.0
_given_up: set[str] = set()  # of this process, which could not remove them when it was done


class RemoteLock:
    """A lock; :func:`hold_bucket` gives it while it is held."""

    def __init__(self, bucket: Bucket, doing: str) -> None:
        self._bucket, self._token, self._count = bucket, secrets.token_hex(8), 0
        self._since, self._doing = datetime.now(UTC).isoformat(timespec="seconds"), doing
        self._version, self._renewed = "", 0.0

    def renew(self, at_most_every_s: float = 0.0) -> None:
        """Tell that the holder is alive.

        Raises
        ------
        ConflictError
            It was taken for dead, and another holds the lock.
        """
        if 0 <= _now_s() - self._renewed < at_most_every_s:
            return
        self._count += 1
        version = self._bucket.replace(LOCK_KEY, self._note(), self._version) or self._find_own()
        if version is None:
            raise ConflictError(
                f"{self._bucket.place}: this process gave no sign for so long that another has taken over its lock; "
                "open the store again and repeat the edits that still apply"
            )
        self._remember(version)

    def renew_now_and_then(self) -> None:
        """Renew where the last time is a minute ago; for the many steps after a commit became final."""
        self.renew(_RENEW_S)

    def release(self) -> None:
        """Let go of the lock; where that fails it dies of age, and this process may take it at once."""
        try:
            if self._find_own() is not None:
                self._bucket.remove_many([LOCK_KEY])
        except ZvviewError:
            _given_up.add(self._token)

    def take(self) -> None:
        """Begin to hold it; see :func:`hold_bucket` for what is raised."""
        note = self._note()
        for _ in range(2):
            version = self._bucket.create(LOCK_KEY, note) or self._find_own()
            if version is not None:
                if self._bucket.create(LOCK_KEY, note) is not None:  # which nobody can who keeps to conditions
                    self._bucket.remove_many([LOCK_KEY])
                    raise no_conditions(self._bucket.place)
                return self._remember(version)
            found = self._bucket.get(LOCK_KEY)
            if found is None:
                continue  # let go of at this moment
            version = self._bucket.replace(LOCK_KEY, note, found.version) if _is_dead(found) else None
            if version is None:
                raise conflict(self._bucket.place, Holder.parse(found.data), _age_of(found))
            return self._remember(version)
        raise conflict(self._bucket.place, None)

    def _note(self) -> bytes:
        stage = f"{self._token}-{self._count}"  # so that each renewal has a version of its own
        return Holder(os.getpid(), socket.gethostname(), self._since, self._doing, stage).encode()

    def _find_own(self) -> str | None:
        """Version of the lock if it is this one, whatever became of the answer to its writing."""
        found = self._bucket.get(LOCK_KEY)
        holder = None if found is None else Holder.parse(found.data)
        return found.version if found is not None and holder is not None and _token_of(holder) == self._token else None

    def _remember(self, version: str) -> None:
        self._version, self._renewed = version, _now_s()


@contextlib.contextmanager
def hold_bucket(bucket: Bucket, doing: str) -> Iterator[RemoteLock]:
    """Hold the writer lock of the store at an address while the block runs.

    Raises
    ------
    ConflictError
        Another holds it; tells who, since when, and when it last gave a sign.
    UnsupportedError
        The server knows no conditional writes.
    UnreachableError
        It does not answer, or refuses.
    """
    lock = RemoteLock(bucket, doing)
    try:
        lock.take()
        yield lock
    finally:
        lock.release()


def _now_s() -> float:
    """Seconds since some moment, with those in which the machine slept: ``time.monotonic`` mostly leaves them out."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    return time.time() if clock is None else time.clock_gettime(clock)


def _token_of(holder: Holder) -> str:
    return holder.stage.partition("-")[0]


def _age_of(found: Stored) -> float:
    return (datetime.now(UTC) - found.since).total_seconds()


def _is_dead(found: Stored) -> bool:
    if _age_of(found) > _DEAD_S:
        return True
    holder = Holder.parse(found.data)
    if holder is None or holder.host != socket.gethostname() or os.name == "nt":
        return False
    if holder.pid == os.getpid():
        return _token_of(holder) in _given_up
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
