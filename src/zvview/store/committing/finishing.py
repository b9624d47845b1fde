"""The second half of a commit in a folder, which anyone with the lock may do: put what is final in its place.

Every step may have been taken already by someone who was interrupted, and is harmless then. What is not final is
dropped.
"""

from __future__ import annotations

import contextlib
import errno
import os
import zlib
from collections.abc import Iterator
from typing import Final

from zvview.errors import UnreachableError
from zvview.format import documents, names
from zvview.store.committing.disk import Disk
from zvview.store.committing.keys import ancestors, refuse_elsewhere, refuse_read_only
from zvview.store.places.folder import FolderSource
from zvview.store.places.pending import read_log
from zvview.store.places.redo_log import COMMIT_FOLDER, LOG_KEY, RedoLog, damaged_log

__all__ = ["GROUP", "GROUP_KEY", "drop", "finish", "settle", "tell_why"]

GROUP_KEY: Final = f"{names.INDEX}/{names.ZARR_JSON}"
GROUP: Final = documents.encode_document(documents.group({"zvview_commit": True}))
"""Document of the group around the files of a commit in a store without an index; it goes with them."""

_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


def settle(folder: FolderSource, disk: Disk | None = None) -> bool:
    """Finish the commit that was interrupted in a folder, if it is final, and drop what else one left.

    The caller holds the writer lock.

    Returns
    -------
    bool
        Whether a commit was finished.

    Raises
    ------
    DamagedError
        Its log, or a staged file, is not as it was written; nothing was touched.
    UnreachableError
        The store cannot be written, or its disk is full.
    """
    disk = Disk() if disk is None else disk
    top = os.path.realpath(folder.folder)
    log = read_log(top, folder.place)
    try:
        if log is None:
            drop(top, disk)
            return False
        keys = [*log.staged, *log.removed]
        refuse_elsewhere(top, folder.place, keys)
        refuse_read_only(top, folder.place, keys)
        _refuse_damaged(top, log)
        finish(top, log, disk)
    except OSError as error:
        if isinstance(error, UnreachableError):
            raise
        raise UnreachableError(
            f"a commit to {folder.place} was interrupted and cannot be finished: {tell_why(error)}. zvview reads it "
            "as if it were; it is finished when the store is next written"
        ) from error
    return True


def finish(top: str, log: RedoLog, disk: Disk) -> None:
    """Bring everything to its place, as often as it takes: each step may have been taken already."""
    disk.sync(top, [os.path.join(top, path) for path in (COMMIT_FOLDER, log.folder)])  # final for good, then only
    for key in log.removed:
        disk.remove(os.path.join(top, key))
    for key, entry in log.staged.items():
        _replace(top, entry.key, key, disk)
    folders = {folder for key in (*log.staged, *log.removed) for folder in (*ancestors(key), "")}
    emptied = {folder for key in log.removed for folder in ancestors(key)}
    gone = {folder for folder in sorted(emptied, reverse=True) if disk.remove_folder(os.path.join(top, folder))}
    disk.sync(top, [os.path.join(top, folder) for folder in sorted(folders - gone)])
    disk.remove(os.path.join(top, LOG_KEY))
    drop(top, disk)
    disk.sync(top, [_nearest(top, names.INDEX)])


def _replace(top: str, staged: str, key: str, disk: Disk) -> None:
    source, target = os.path.join(top, staged), os.path.join(top, key)
    try:
        disk.rename(source, target)
    except FileNotFoundError:
        if not os.path.lexists(source):
            return  # by someone who was interrupted later
        for folder in reversed(ancestors(key)):
            disk.make_folder(os.path.join(top, folder))
        disk.rename(source, target)


def drop(top: str, disk: Disk) -> None:
    """Remove all that commits left in their folder, and the group around it if it was made for them."""
    folder, group = os.path.join(top, COMMIT_FOLDER), os.path.join(top, names.INDEX)
    if os.path.lexists(folder):
        for path, folders, files in _walk_up(folder):
            for name in files:
                disk.remove(os.path.join(path, name))
            for name in folders:
                disk.remove_folder(os.path.join(path, name))
        disk.remove_folder(folder)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found = os.listdir(group)
        if found == [names.ZARR_JSON] and _is_placeholder(os.path.join(top, GROUP_KEY)):
            disk.remove(os.path.join(top, GROUP_KEY))
            found = []
        if not found and not os.path.islink(group):
            disk.remove_folder(group)


def _is_placeholder(path: str) -> bool:
    """Whether a document is the group that commits make, or what a loss of power left of it."""
    with open(path, "rb") as file:
        data = file.read(len(GROUP) + 1)
    return GROUP.startswith(data) or not data.strip(b"\0")


def _walk_up(folder: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Folders, deepest first, each with the folders and all else in it; links are not followed."""
    if os.path.islink(folder):
        raise OSError(errno.ELOOP, "it is a link", folder)
    for path, folders, files in os.walk(folder, topdown=False):
        links = [name for name in folders if os.path.islink(os.path.join(path, name))]
        yield path, [name for name in folders if name not in links], files + links


def _refuse_damaged(top: str, log: RedoLog) -> None:
    for key, entry in log.staged.items():
        try:
            with open(os.path.join(top, entry.key), "rb") as file:
                data = file.read(entry.size + 1)
        except FileNotFoundError:
            if not os.path.exists(os.path.join(top, key)):
                raise damaged_log(f"neither a staged file for {key!r} nor that object") from None
            continue
        if (len(data), zlib.crc32(data)) != (entry.size, entry.crc32):
            raise damaged_log(f"a staged file for {key!r} that is not as it was written")


def _nearest(top: str, folder: str) -> str:
    path = os.path.join(top, folder)
    return path if os.path.isdir(path) else top


def tell_why(error: OSError) -> str:
    """The reason in plain words."""
    return "disk full" if error.errno in _FULL else str(error.strerror or error)
