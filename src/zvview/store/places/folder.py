"""Stores in folders: system calls in one thread, a store written aside and renamed into place.

Five hundred warm files of 20 kB are read in the time of the system calls alone; thread pools lose here, since each call
takes microseconds and the interpreter lock changes hands around it, and `pathlib` costs more than the read.

A commit that is final while its cells are not all in their place yet is read as if they were: each wave looks for its
log (one call, a microsecond), and what the log names is read from the files that wait.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from zvview.cancel import CancelToken
from zvview.errors import UnreachableError
from zvview.store.places.linked_files import list_files
from zvview.store.places.pending import PendingCommit, visible_keys, visible_names
from zvview.store.places.redo_log import RedoLog
from zvview.store.places.source import (
    MAX_OBJECT_BYTES,
    ROOT_KEY,
    Request,
    aget_in_thread,
    check_keys,
    clip_range,
    folder_prefix,
    refuse_oversized,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["FolderSource"]

# A fifo that lies in a store must not block the reader for ever, hence O_NONBLOCK; Windows would translate line ends.
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
_NO_SUCH_KEY = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP})


class FolderSource:
    """Reads a store from a folder.

    Parameters
    ----------
    path : str
        The folder; symbolic links inside it are followed, keys can not leave it otherwise.
    place : str, optional
        As shown in messages, where that is not the folder: what is read stands for a store elsewhere.
    """

    is_local = True
    can_list = True

    def __init__(self, path: str, place: str | None = None) -> None:
        self.place = path if place is None else place
        self._prefix = os.path.join(os.path.abspath(path), "")
        self._pending = PendingCommit(self.folder, self.place)

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.get_many`."""
        return self._wave(requests, cancel)

    async def aget_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Buffer | None]:
        """See :meth:`zvview.store.places.source.Source.aget_many`; one thread hop per wave."""
        return await aget_in_thread(self.get_many, requests, cancel)

    def get_versioned(
        self, requests: Sequence[Request], cancel: CancelToken | None = None
    ) -> tuple[list[Buffer | None], list[object]]:
        """Answers as of :meth:`get_many`, and of each the version of the very file that it was read from."""
        if os.name == "nt":  # where an open file may tell another device than its path does
            check_keys([key for key, _ in requests])
            before = self._versions([key for key, _ in requests])
            return self._wave(requests, cancel), before
        found: list[object] = [None] * len(requests)
        return self._wave(requests, cancel, found), found

    async def aget_versioned(
        self, requests: Sequence[Request], cancel: CancelToken | None = None
    ) -> tuple[list[Buffer | None], list[object]]:
        """As :meth:`get_versioned`."""
        return await aget_in_thread(self.get_versioned, requests, cancel)

    def list_names(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_names`."""
        log = self._pending.log()
        try:
            listed = os.listdir(self._prefix + folder_prefix(path))
        except OSError as error:
            if error.errno not in _NO_SUCH_KEY:
                raise self._unreachable(path, error) from error
            listed = []
        return visible_names(listed, path, log, self._list_files)

    def list_keys(self, path: str) -> list[str]:
        """See :meth:`zvview.store.places.source.Source.list_keys`; what lies behind links is listed, as it is read.

        Raises
        ------
        UnsupportedError
            A link to nothing, to a folder that it lies in, or more links to folders than a store can need.
        UnreachableError
            A folder that cannot be read.
        """
        log = self._pending.log()
        return visible_keys(list(self._list_files(path)), path, log)

    def stat_many(self, keys: Sequence[str]) -> list[int | None]:
        """See :meth:`zvview.store.places.source.Source.stat_many`."""
        check_keys(keys)
        log = self._pending.log()
        if log is None:
            return [self._size(key) for key in keys]
        return [
            None if key in log.removed else log.staged[key].size if key in log.staged else self._size(key)
            for key in keys
        ]

    def stamp(self) -> object:
        """Which file the root's document is, when it was written, and which commit is pending; None without root.

        A commit replaces the root's file last, before its log goes: looked at in this order, no two looks between
        which a commit began, or ended, are alike.
        """
        pending = self._pending.stamp()
        found = self._versions([ROOT_KEY])[0]
        return None if found is None else (found, pending)

    def versions(self, keys: Sequence[str]) -> list[object]:
        """Of each key what is another after its file was written again; None where there is none."""
        check_keys(keys)
        return self._versions(keys)

    def _versions(self, keys: Sequence[str]) -> list[object]:
        versions: list[object] = []
        for key in keys:
            try:
                found = os.stat(self._prefix + key)
            except OSError:
                versions.append(None)
            else:
                versions.append(_version_of(found))
        return versions

    @property
    def folder(self) -> str:
        """Absolute path of the folder; links in it are not resolved."""
        return os.path.dirname(self._prefix)

    def path_of(self, key: str) -> str:
        """Path of the file that holds `key`."""
        check_keys([key])
        return self._prefix + key

    def close(self) -> None:
        """Nothing is held open."""

    def _wave(
        self, requests: Sequence[Request], cancel: CancelToken | None, versions: list[object] | None = None
    ) -> list[Buffer | None]:
        """The answers to requests; the versions of what they hold go into `versions`, one for each."""
        check_keys([key for key, _ in requests])
        log = self._pending.log()
        answers: list[Buffer | None] = []
        for i, (key, span) in enumerate(requests):
            if cancel is not None and cancel.is_cancelled:
                cancel.raise_if_cancelled()
            if log is None:
                answers.append(self._get(key, span, i, versions))
            else:
                answers.append(self._get_committed(log, key, span, i, versions))
        return answers

    def _list_files(self, path: str) -> Iterator[str]:
        return list_files(self.folder, folder_prefix(path).rstrip("/"), self.place)

    def _get_committed(
        self, log: RedoLog, key: str, span: tuple[int, int] | None, index: int, versions: list[object] | None
    ) -> bytes | None:
        """An object as it is with a pending commit; a staged file that is gone is in its place already."""
        if key in log.removed:
            return None
        staged = log.staged.get(key)
        found = None if staged is None else self._get(staged.key, span, index, versions)
        return self._get(key, span, index, versions) if found is None else found

    def _size(self, key: str) -> int | None:
        try:
            found = os.stat(self._prefix + key)
        except OSError as error:
            if error.errno in _NO_SUCH_KEY:
                return None
            raise self._unreachable(key, error) from error
        return None if stat.S_ISDIR(found.st_mode) else found.st_size

    def _get(self, key: str, span: tuple[int, int] | None, index: int, versions: list[object] | None) -> bytes | None:
        try:
            handle = os.open(self._prefix + key, _READ_FLAGS)
        except OSError as error:
            if error.errno in _NO_SUCH_KEY or os.path.isdir(self._prefix + key):  # Windows does not open folders
                return None
            raise self._unreachable(key, error) from error
        try:
            found = os.fstat(handle)
            size = found.st_size
            if versions is not None:
                versions[index] = _version_of(found)
            if span is None and size <= MAX_OBJECT_BYTES:  # nearly all requests, and thousands in a wave: no more calls
                data = os.read(handle, size)
                if len(data) == size:
                    return data
                os.lseek(handle, 0, os.SEEK_SET)
            start, stop = clip_range(span, size)
            refuse_oversized(key, stop - start, index)
            return _read(handle, start, stop)
        except OSError as error:
            if error.errno in _NO_SUCH_KEY:
                return None
            raise self._unreachable(key, error) from error
        finally:
            os.close(handle)

    def _unreachable(self, key: str, error: OSError) -> UnreachableError:
        return UnreachableError(f"cannot read {key!r} of {self.place}: {error.strerror or error}")


def _version_of(found: os.stat_result) -> object:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _read(handle: int, start: int, stop: int) -> bytes:
    """Bytes `start` to `stop` of an open file; fewer only where it was cut since its size was asked."""
    if start:
        os.lseek(handle, start, os.SEEK_SET)  # pread is missing on Windows
    data = os.read(handle, stop - start)
    if len(data) == stop - start:
        return data
    pieces = [data]
    missing = stop - start - len(data)
    while missing and (data := os.read(handle, missing)):
        pieces.append(data)
        missing -= len(data)
    return b"".join(pieces)
