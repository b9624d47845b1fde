"""Writing a store as a folder: aside first, then renamed into place as a whole.

The store grows in a hidden sibling ``.NAME.zvview-<random>`` on the same file system. A process that dies leaves that
folder, which never opens, since the root's ``zarr.json`` is written at :meth:`FolderSink.commit` only.

Overwriting renames the old store to ``.NAME.zvview-old-<random>``, the new one to ``NAME``, then deletes the old.
Between the two renames nothing is at ``NAME``; a process that dies exactly there leaves both stores complete under
their hidden names, and renaming one of them by hand brings it back. Nobody else can read the new
store while it grows; its folders get modes and owners of those they replace.

Before the renames the root's ``zarr.json`` and every folder are synced, and the parent folder after them. With the
folders on disk every key exists after a loss of power: a cell whose bytes had not arrived is then a short file, which
is reported as damage, and never a missing one, which would read as an empty chunk. Where the system can sync a file
system as a whole the bytes of all cells arrive as well (:mod:`zvview.store.places.syncing`); elsewhere that would cost
about a millisecond a cell.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from zvview.errors import ExistsError, InvalidInputError, UnreachableError
from zvview.store.places.folder import FolderSource
from zvview.store.places.folder_tree import refuse_mount
from zvview.store.places.replace import refuse_foreign
from zvview.store.places.siblings import name_replaced, name_stage
from zvview.store.places.source import ROOT_KEY, check_keys
from zvview.store.places.syncing import sync_folders, sync_path

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["FolderSink"]

_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_MOST_PIECES = 1000  # writev takes 1024


class FolderSink:
    """Writes a new store into a folder.

    Parameters
    ----------
    path : str
        Where the store is to be. Nothing, or an empty folder, may be there unless `overwrite`.
    overwrite : bool
        Replace the store that is there.

    Raises
    ------
    ExistsError
        Something is there and `overwrite` is not set, or it is not a Zarr Vectors store.
    UnsupportedError
        It is a mount point.
    UnreachableError
        The parent folder cannot be written.
    """

    is_local = True

    def __init__(self, path: str, *, overwrite: bool = False) -> None:
        self.place = path
        self._target = os.path.realpath(path)
        self._overwrite = overwrite
        self._refuse_occupied()
        refuse_mount(self._target)
        self._parent = os.path.dirname(self._target)
        self._folder = name_stage(self._target)
        self._made = {""}
        self._root: bytes | None = None
        self._open = True
        with self._reported():
            os.makedirs(self._folder, 0o700 if os.path.isdir(self._target) else 0o777)

    @property
    def target(self) -> str:
        """Where the store will be, links resolved."""
        return self._target

    @property
    def folder(self) -> str:
        """Where the store grows until :meth:`commit`."""
        return self._folder

    def put_many(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> None:
        """See :meth:`zvview.store.places.source.Sink.put_many`."""
        for key, pieces in items:
            check_keys([key])
            if key != ROOT_KEY:
                self._write(key, pieces)
            elif self._root is None:
                self._root = b"".join(pieces)
            else:
                raise InvalidInputError(f"key {key!r} is written twice")

    def link_many(self, items: Iterable[tuple[str, str]]) -> None:
        """Let keys be files that exist already, by hard links; by copies where the file system has none.

        Parameters
        ----------
        items : iterable of (key, path)
            The root's ``zarr.json`` may not be among them.
        """
        for key, path in items:
            check_keys([key])
            with self._reported(key):
                self._make_folder(key)
                target = os.path.join(self._folder, key)
                try:
                    os.link(path, target)
                except FileExistsError:
                    raise
                except OSError:
                    shutil.copy2(path, target)

    def make_folders(self, paths: Iterable[str]) -> None:
        """Make folders that may stay empty."""
        for path in paths:
            check_keys([path])
            with self._reported(path):
                self._make_folder(f"{path}/")

    def commit(self) -> None:
        """Sync and rename into place.

        Raises
        ------
        ExistsError
            Something appeared at the place since the sink was opened; what was written stays until :meth:`abort`.
        """
        if self._root is not None:
            self._write(ROOT_KEY, [self._root])
            self._root = None
        self._refuse_occupied()
        with self._reported():
            if os.path.exists(os.path.join(self._folder, ROOT_KEY)):
                sync_path(os.path.join(self._folder, ROOT_KEY))
            inner = sorted(self._made, reverse=True)
            if os.path.isdir(self._target):
                for name in inner:
                    _take_over(os.path.join(self._target, name), os.path.join(self._folder, name))
            sync_folders(self._folder, [os.path.join(self._folder, name) for name in inner])
            self._swap()
        self._open = False

    def abort(self) -> None:
        """Remove what was written."""
        if self._open:
            self._open = False
            shutil.rmtree(self._folder, ignore_errors=True)

    def _swap(self) -> None:
        aside = None
        if os.path.isdir(self._target):
            if os.listdir(self._target):
                aside = name_replaced(self._target)
                os.rename(self._target, aside)
            else:
                os.rmdir(self._target)  # Windows does not rename onto it
        try:
            os.rename(self._folder, self._target)
        except OSError:
            if aside is not None:
                os.rename(aside, self._target)
            raise
        sync_path(self._parent)
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)

    def _write(self, key: str, pieces: Sequence[Buffer]) -> None:
        with self._reported(key):
            self._make_folder(key)
            handle = os.open(f"{self._folder}/{key}", _WRITE_FLAGS, 0o666)
            try:
                _write_all(handle, pieces)
            finally:
                os.close(handle)

    def _make_folder(self, key: str) -> None:
        folder = key.rpartition("/")[0]
        if folder not in self._made:
            os.makedirs(os.path.join(self._folder, folder), exist_ok=True)
            while folder not in self._made:
                self._made.add(folder)
                folder = folder.rpartition("/")[0]

    def _refuse_occupied(self) -> None:
        if not os.path.lexists(self._target):
            return
        if not os.path.isdir(self._target):
            raise ExistsError(f"{self.place} is a file; a store would be a folder there. Choose another name.")
        with self._reported():
            names = os.listdir(self._target)
        if names and not self._overwrite:
            raise ExistsError(f'{self.place} already exists; mode="w" replaces a Zarr Vectors store')
        if names:
            refuse_foreign(FolderSource(self._target))

    @contextlib.contextmanager
    def _reported(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            if key:
                raise InvalidInputError(f"key {key!r} is written twice, or is a folder of others") from error
            raise ExistsError(f"{self.place} appeared while it was being written") from error
        except OSError as error:
            if key and error.errno in (errno.ENOTDIR, errno.EISDIR):
                raise InvalidInputError(f"key {key!r} lies under another key") from error
            if not key and error.errno == errno.ENOTEMPTY:
                raise ExistsError(f"{self.place} appeared while it was being written") from error
            raise UnreachableError(f"cannot write {key or self.place!r}: {error.strerror or error}") from error


def _write_all(handle: int, pieces: Sequence[Buffer]) -> None:
    rest = [view for piece in pieces if (view := memoryview(piece).cast("B")).nbytes]
    if not hasattr(os, "writev"):
        rest = [memoryview(b"".join(rest))] if rest else []
    while rest:
        done = os.writev(handle, rest[:_MOST_PIECES]) if hasattr(os, "writev") else os.write(handle, rest[0])
        while rest and done >= rest[0].nbytes:
            done -= rest.pop(0).nbytes
        if done:
            rest[0] = rest[0][done:]


def _take_over(old: str, new: str) -> None:
    """Give a folder the owner, as far as that is allowed, and the mode of the one it replaces, if there is one."""
    with contextlib.suppress(OSError):
        found = os.lstat(old)
        if stat.S_ISDIR(found.st_mode):
            if hasattr(os, "chown"):  # before the mode: it takes away the bit that hands down the group
                with contextlib.suppress(OSError):
                    os.chown(new, -1, found.st_gid)
                with contextlib.suppress(OSError):
                    os.chown(new, found.st_uid, -1)
            shutil.copystat(old, new)
