"""A lock between processes: a file that one of them holds, and that the system lets go of when that one dies."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator

from zvview.errors import UnreachableError

__all__ = ["LockFile"]

_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_MOST_BYTES = 1 << 13
_LOCKED_BYTE = 1 << 30  # on Windows, where locked bytes cannot be read: far behind the note


class LockFile:
    """Holds the lock file at a path if nobody else does; it may carry a note for those who come meanwhile.

    The file is removed when the lock is let go of. A holder that dies leaves it; the next one takes it over, note and
    all. Nothing is decided by its being there, nor by what it says: only by the lock, which dies with its process.

    Parameters
    ----------
    path : str

    Attributes
    ----------
    is_held : bool
        False where another holds it.

    Raises
    ------
    UnreachableError
        By all methods but :meth:`release`: the file can be neither made nor opened, or the file system has no locks.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        with self._reported():
            self._handle, self.is_held = _take(path)

    @property
    def is_own(self) -> bool:
        """Whether the file is this user's, so that no other wrote its note."""
        if not hasattr(os, "geteuid"):
            return True
        found = os.fstat(self._handle)
        return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)

    def read(self) -> bytes:
        """The note of the holder; of the one that died before where this one holds it and has written none yet."""
        with self._reported():
            os.lseek(self._handle, 0, os.SEEK_SET)
            return os.read(self._handle, _MOST_BYTES)

    def write(self, note: bytes) -> None:
        """Put a note in place of the one that is there."""
        with self._reported():
            os.ftruncate(self._handle, 0)
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.write(self._handle, note)

    def release(self) -> None:
        """Let go of the lock, if it is held, and of the file."""
        if not self.is_held:
            os.close(self._handle)
        elif sys.platform != "win32":
            # while it is held: who opened it before finds out that it is another file by now
            with contextlib.suppress(OSError):
                if _is_at(self._handle, self._path):
                    os.remove(self._path)
            os.close(self._handle)
        else:
            os.close(self._handle)  # an open file cannot be removed there, nor one that another has opened since
            with contextlib.suppress(OSError):
                os.remove(self._path)

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnreachableError(f"cannot lock {self._path}: {error.strerror or error}") from error


def _take(path: str) -> tuple[int, bool]:
    """The file at `path`, opened, and whether its lock is held now."""
    while True:
        handle, is_ours = _open(path)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(None, "it is no plain file")
            if not _lock(handle):
                return handle, False
            if _is_at(handle, path):
                if is_ours:
                    return handle, True
                os.remove(path)  # nobody holds it, and it cannot be written: another user's, who died
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _open(path: str) -> tuple[int, bool]:
    """A handle, and whether it can be written through."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666), True
    except PermissionError:
        try:
            return os.open(path, os.O_RDONLY | _FLAGS), False
        except FileNotFoundError:
            pass
        raise


def _lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the second on Windows
        return False
    return True


def _is_at(handle: int, path: str) -> bool:
    """Whether an open file is still the one at `path`, not one that its last holder removed."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
