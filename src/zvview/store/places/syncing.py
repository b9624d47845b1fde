"""Bringing what was written to the disk: all of a file system in one call where there is one, else folder by folder.

Linux can write out a file system as a whole (``syncfs``). That costs one commit of its journal, where a call for each
folder costs one each: 0.2 ms on an idle disk and several on a busy one, so that a table of 200 columns, a few thousand
folders, waited longer for them than for its cells. It also brings the bytes of all files, which those calls do not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import cache

__all__ = ["sync_folders", "sync_path"]

_FEW = 32  # folders that are synced one by one: less than what others may have left to write on a shared disk
_FIRST_TO_TELL = (5, 8)  # the kernel from which on syncfs tells that bytes could not be written


def sync_folders(root: str, folders: Sequence[str]) -> None:
    """Bring the entries of folders to the disk.

    Parameters
    ----------
    root : str
        A folder of the file system that all of them are in.
    folders : sequence of str

    Raises
    ------
    OSError
        Something cannot be written.
    """
    sync_all = _find_syncfs() if len(folders) > _FEW else None
    if sync_all is not None and _call(sync_all, root):
        return
    for folder in folders:
        sync_path(folder)


def sync_path(path: str) -> None:
    """Bring a file or, where the system lets a folder be opened, a folder's entries to the disk.

    Raises
    ------
    OSError
    """
    if os.name == "nt" and os.path.isdir(path):
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _call(sync_all: Callable[[int], int], root: str) -> bool:
    """Whether the file system of `root` was synced; not where a sandbox forbids the call."""
    handle = os.open(root, os.O_RDONLY)
    try:
        return sync_all(handle) == 0
    finally:
        os.close(handle)


@cache
def _find_syncfs() -> Callable[[int], int] | None:
    """The call of the C library, None where the system has none that can be trusted."""
    if sys.platform != "linux" or _kernel() < _FIRST_TO_TELL:
        return None
    import ctypes

    try:
        call = ctypes.CDLL(None).syncfs
    except (AttributeError, OSError):
        return None
    call.argtypes, call.restype = [ctypes.c_int], ctypes.c_int
    found: Callable[[int], int] = call
    return found


def _kernel() -> tuple[int, ...]:
    parts = os.uname().release.split("-")[0].split(".")[:2]
    return tuple(int(part) for part in parts if part.isdecimal())
