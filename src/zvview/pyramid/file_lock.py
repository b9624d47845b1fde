"""A lock between processes: a file that one of them holds, and that is let go of by the system when it dies."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from zvview.errors import UnreachableError

__all__ = ["hold_file"]

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


@contextlib.contextmanager
def hold_file(path: str) -> Iterator[bool]:
    """Hold a lock file while the block runs, and remove it then.

    Yields
    ------
    bool
        False where another process holds it.

    Raises
    ------
    UnreachableError
        The file can be neither made nor opened, or the file system has no locks.
    """
    handle = _open(path)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            if sys.platform != "win32":
                _remove(path)  # while it is held: who opened it before finds out that it is another file by now
                os.close(handle)
            else:
                os.close(handle)  # an open file cannot be removed there, nor one that another process has opened since
                _remove(path)


def _open(path: str) -> int | None:
    while True:
        try:
            handle = os.open(path, _FLAGS, 0o666)
            try:
                if not _lock(handle):
                    os.close(handle)
                    return None
                if _is_at(handle, path):
                    return handle
            except OSError:
                os.close(handle)
                raise
            os.close(handle)
        except OSError as error:
            raise UnreachableError(f"cannot lock {path}: {error.strerror or error}") from error


def _lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

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


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.remove(path)
