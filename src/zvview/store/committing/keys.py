"""Which keys a commit may change: plain ones, and in a folder those that a rename within the store can reach."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Mapping

from zvview.errors import InvalidInputError, UnreachableError, UnsupportedError
from zvview.format import names
from zvview.store.places.redo_log import COMMIT_FOLDER
from zvview.store.places.source import ROOT_KEY, check_keys

__all__ = ["ancestors", "check_changes", "refuse_elsewhere", "refuse_read_only"]


def check_changes(changes: Mapping[str, bytes | None]) -> None:
    """Refuse keys that are none or that cannot be beside each other, and those in which commits are kept.

    Raises
    ------
    InvalidInputError
        The root's document may not be removed either.
    """
    check_keys(list(changes))
    if changes.get(ROOT_KEY, b"") is None:
        raise InvalidInputError(f"without its {ROOT_KEY} it would be no store")
    written = {key for key, data in changes.items() if data is not None}
    for key in changes:
        if f"{key}/".startswith(f"{COMMIT_FOLDER}/"):
            raise InvalidInputError(f"{key!r} lies where commits are kept")
        if not written.isdisjoint(ancestors(key)):
            raise InvalidInputError(f"key {key!r} lies under another key")


def refuse_elsewhere(top: str, place: str, keys: Iterable[str]) -> None:
    """Raise if a key cannot be given another file by a rename within the folder of its store.

    Raises
    ------
    InvalidInputError
        A key that is a folder, or lies under a file.
    UnsupportedError
        A key behind a link, of which others may be readers too, or in another file system.
    """
    keys = list(keys)
    device = os.stat(top).st_dev
    for folder in sorted({folder for key in keys for folder in (*ancestors(key), COMMIT_FOLDER, names.INDEX)}):
        path = os.path.join(top, folder)
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISLNK(found.st_mode) or _is_junction(path):
            raise UnsupportedError(
                f"{place}: {folder} is a link, and what lies behind it may be others' too; put what it points to in "
                "its place first"
            )
        if not stat.S_ISDIR(found.st_mode):
            raise InvalidInputError(f"keys lie under {folder!r}, which is a file in {place}")
        if found.st_dev != device:
            raise UnsupportedError(f"{place}: {folder} is a mount point inside the store; unmount it first")
    for key in keys:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if stat.S_ISDIR(os.lstat(os.path.join(top, key)).st_mode):
                raise InvalidInputError(f"key {key!r} is a folder in {place}")


def refuse_read_only(top: str, place: str, keys: Iterable[str]) -> None:
    """Raise UnreachableError if a folder in which keys change, or the one of commits, cannot be written."""
    folders = {key.rpartition("/")[0] for key in keys} | {COMMIT_FOLDER, ""}
    known: set[str] = set()
    for folder in sorted(folders):
        path = os.path.join(top, folder)
        while not os.path.lexists(path):
            path = os.path.dirname(path)
        if path not in known and not os.access(path, os.W_OK | os.X_OK):
            inner = os.path.relpath(path, top)
            where = place if inner == os.curdir else f"{inner} of {place}"
            raise UnreachableError(f"{where} is read-only for this user: it cannot be changed, only copied")
        known.add(path)


def ancestors(key: str) -> list[str]:
    """Folders that a key lies in, the nearest first, without the root."""
    found = []
    while key := key.rpartition("/")[0]:
        found.append(key)
    return found


def _is_junction(path: str) -> bool:
    """Whether a folder of Windows stands for another one; Python before 3.12 cannot tell."""
    ask = getattr(os.path, "isjunction", None)
    return ask is not None and bool(ask(path))
