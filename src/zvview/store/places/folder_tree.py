"""What lies in a store's folder, before the folder is replaced as a whole by one that is made of links to its files."""

from __future__ import annotations

import os
from dataclasses import dataclass

from zvview.errors import UnreachableError, UnsupportedError
from zvview.store.places.folder import FolderSource

__all__ = ["FolderTree", "refuse_mount", "survey_folder"]


@dataclass(frozen=True, slots=True)
class FolderTree:
    """What a store's folder holds.

    Attributes
    ----------
    files : tuple of str
        Keys of all files, sorted.
    empty_folders : tuple of str
        Paths of the folders in which there is nothing, sorted.
    """

    files: tuple[str, ...]
    empty_folders: tuple[str, ...]


def survey_folder(source: FolderSource) -> FolderTree:
    """All that lies in the folder of a store; what would not outlive a replacement of the folder is refused.

    Listing keys does not look behind links to folders though reading does, and leaves out what cannot be read: a
    store made anew from such a list would lack that data.

    Raises
    ------
    UnsupportedError
        A symbolic link or a mount point in the folder, or the folder itself is a mount point.
    UnreachableError
        A folder inside cannot be read.
    """
    top = os.path.realpath(source.folder)
    refuse_mount(top)
    files: list[str] = []
    empty: list[str] = []
    waiting = [""]
    try:
        device = os.stat(top).st_dev
        while waiting:
            inner = waiting.pop()
            with os.scandir(os.path.join(top, inner)) as entries:
                here = list(entries)
            if inner and not here:
                empty.append(inner)
            for entry in here:
                key = f"{inner}/{entry.name}" if inner else entry.name
                if entry.is_symlink() or getattr(entry, "is_junction", bool)():
                    raise UnsupportedError(
                        f"{source.place}: {key} is a link inside the store, which is replaced as a whole; put what it "
                        "points to in its place first"
                    )
                if not entry.is_dir(follow_symlinks=False):
                    files.append(key)
                elif os.name != "nt" and entry.stat(follow_symlinks=False).st_dev != device:
                    raise UnsupportedError(f"{source.place}: {key} is a mount point inside the store; unmount it first")
                else:
                    waiting.append(key)
    except OSError as error:
        raise UnreachableError(f"cannot read {source.place}: {error.strerror or error}") from error
    return FolderTree(tuple(sorted(files)), tuple(sorted(empty)))


def refuse_mount(folder: str) -> None:
    """Raise UnsupportedError if a folder is a mount point, which can not be renamed."""
    if os.path.ismount(folder):
        raise UnsupportedError(
            f"{folder} is a mount point and can not be replaced by another folder; move the store into a folder in it"
        )
