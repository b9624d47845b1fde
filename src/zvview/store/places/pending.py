"""What readers of a folder lay over its cells: a commit that is final and not yet, or not wholly, in its place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

from zvview.errors import UnreachableError
from zvview.store.places.redo_log import COMMIT_FOLDER, LOG_KEY, RedoLog
from zvview.store.places.source import folder_prefix

__all__ = ["PendingCommit", "read_log", "visible_keys", "visible_names"]

_HIDDEN = f"{COMMIT_FOLDER}/"
_OWN_NAME = COMMIT_FOLDER.rpartition("/")[2]


class PendingCommit:
    """The pending commit of the store in a folder, looked for at each call, read when it is another one.

    Parameters
    ----------
    folder : str
    place : str
        For messages.
    """

    def __init__(self, folder: str, place: str) -> None:
        self._path, self._folder, self._place = os.path.join(folder, LOG_KEY), folder, place
        self._known: tuple[object, RedoLog] | None = None

    def stamp(self) -> object:
        """What tells one pending commit from another; None where there is none."""
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def log(self) -> RedoLog | None:
        """Its log, None where there is none.

        Raises
        ------
        DamagedError
            The log is not as it was written.
        UnreachableError
            It cannot be read.
        """
        stamp = self.stamp()
        if stamp is None:
            return None
        known = self._known
        if known is not None and known[0] == stamp:
            return known[1]
        log = read_log(self._folder, self._place)
        self._known = None if log is None else (stamp, log)
        return log


def read_log(folder: str, place: str) -> RedoLog | None:
    """The log of the pending commit of the store in a folder.

    Raises
    ------
    DamagedError, UnreachableError
    """
    try:
        with open(os.path.join(folder, LOG_KEY), "rb") as file:
            return RedoLog.parse(file.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnreachableError(f"cannot read {LOG_KEY} of {place}: {error.strerror or error}") from error


def visible_names(
    listed: Sequence[str], path: str, log: RedoLog | None, list_keys: Callable[[str], Iterable[str]]
) -> list[str]:
    """Sorted names under `path` as they are with the commit, without its own folder.

    Parameters
    ----------
    listed : sequence of str
        What the folder has.
    path : str
    log : RedoLog or None
    list_keys : callable
        Keys of all files below a path; asked of folders in which something is removed, which may be empty then.
    """
    prefix = folder_prefix(path)
    names = set(listed)
    if f"{prefix}{_OWN_NAME}/" == _HIDDEN:
        names.discard(_OWN_NAME)
    if log is not None:
        for name in {key[len(prefix) :].split("/", 1)[0] for key in log.removed if key.startswith(prefix)} & names:
            if not visible_keys(list(list_keys(prefix + name)), prefix + name, log):
                names.discard(name)
        names |= {key[len(prefix) :].split("/", 1)[0] for key in log.staged if key.startswith(prefix)}
    return sorted(names)


def visible_keys(listed: Sequence[str], path: str, log: RedoLog | None) -> list[str]:
    """Sorted keys under `path` as they are with the commit, without its own files."""
    keys = {key for key in listed if not key.startswith(_HIDDEN)}
    if log is not None:
        prefix = folder_prefix(path)
        keys -= log.removed
        keys |= {key for key in log.staged if key.startswith(prefix)}
    return sorted(keys)
