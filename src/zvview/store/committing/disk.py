"""Every step by which a commit changes a folder: one small object, so that tests can fail and stop between any two."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zvview.store.places.syncing import sync_folders

__all__ = ["Disk", "Owner"]

_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_TRIES, _PAUSE_S, _MOST_PAUSE_S = 12, 0.01, 0.5  # three seconds in all


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a file is, and who may read it.

    Attributes
    ----------
    mode : int or None
        Permission bits.
    user, group : int or None
        None, as for the mode: as it comes.
    """

    mode: int | None = None
    user: int | None = None
    group: int | None = None

    @classmethod
    def of(cls, path: str) -> Owner | None:
        """That of what lies at a path; None where nothing does, and on Windows, where files inherit theirs."""
        if os.name == "nt":
            return None
        try:
            found = os.stat(path)
        except OSError:
            return None
        return cls(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)


class Disk:
    """The steps themselves, each of which raises OSError where it cannot be done.

    Attributes
    ----------
    is_shared_strictly : bool
        Whether a file that someone reads can be neither replaced nor removed, as on Windows; it is tried for three
        seconds then.
    """

    is_shared_strictly = os.name == "nt"

    def make_folder(self, path: str, owner: Owner | None = None) -> None:
        """Make a folder in one that exists; one that is there already stays as it is."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
            if owner is not None:
                _give(path, owner)

    def write(self, path: str, data: bytes, owner: Owner | None = None) -> None:
        """Write a new file, not yet to the disk."""
        handle = os.open(path, _WRITE_FLAGS, 0o666)
        try:
            view = memoryview(data)
            while view.nbytes:
                view = view[os.write(handle, view) :]
            if owner is not None:
                _give(handle if os.chmod in os.supports_fd else path, owner)
        finally:
            os.close(handle)

    def sync(self, root: str, paths: Sequence[str]) -> None:
        """Bring files and the entries of folders to the disk; `root` is a folder of their file system."""
        sync_folders(root, paths)

    def rename(self, old: str, new: str) -> None:
        """Put a file in the place of another, or where there is none."""
        self._insist(lambda: os.replace(old, new))

    def remove(self, path: str) -> None:
        """Remove a file; none there is as well."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._insist(lambda: os.remove(path))

    def remove_folder(self, path: str) -> bool:
        """Remove a folder if it is empty; whether it is gone."""
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def _insist(self, step: Callable[[], None]) -> None:
        """Try a step again while another program has the file open, where that is in its way."""
        pause = _PAUSE_S
        for _ in range(_TRIES - 1 if self.is_shared_strictly else 0):
            try:
                return step()
            except PermissionError:
                time.sleep(pause)
                pause = min(2 * pause, _MOST_PAUSE_S)
        return step()

    def free_bytes(self, path: str) -> int:
        """Space for new files in a folder."""
        return shutil.disk_usage(path).free


def _give(target: int | str, owner: Owner) -> None:
    """Give a file its owner, as far as that is allowed, and its mode, as far as the file system has one."""
    found = os.stat(target)
    user = -1 if owner.user in (None, found.st_uid) else owner.user
    group = -1 if owner.group in (None, found.st_gid) else owner.group
    if hasattr(os, "chown") and (user, group) != (-1, -1):
        for pair in ((-1, group), (user, -1)):
            with contextlib.suppress(OSError):
                os.chown(target, *pair)
    if owner.mode is not None and (stat.S_IMODE(found.st_mode) != owner.mode or (user, group) != (-1, -1)):
        with contextlib.suppress(OSError):
            os.chmod(target, owner.mode)
