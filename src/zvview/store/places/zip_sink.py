"""Writing a store as a zip file: stored entries in a hidden sibling, renamed onto its place as a whole.

Entries are not deflated: cells are compressed by their own codecs or not at all, and stored ones can be read by range.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from zvview.errors import ExistsError, InvalidInputError, NotZarrVectorsError, UnreachableError
from zvview.store.places.replace import refuse_foreign
from zvview.store.places.source import ROOT_KEY, check_keys
from zvview.store.places.zip_file import ZipSource

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ZipSink"]

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content gives the same file


class ZipSink:
    """Writes a new store as a zip file of stored entries, beside its place and then renamed onto it.

    Parameters
    ----------
    path : str
        The file to be.
    overwrite : bool
        Replace the zip of a Zarr Vectors store that is there.

    Raises
    ------
    ExistsError
        Something is there and `overwrite` is not set, or it is not a zip of a Zarr Vectors store.
    UnreachableError
        The folder cannot be written.
    """

    is_local = True

    def __init__(self, path: str, *, overwrite: bool = False) -> None:
        self.place = path
        self._target = os.path.realpath(path)
        self._overwrite = overwrite
        self._refuse_occupied()
        parent, name = os.path.split(self._target)
        self._partial = os.path.join(parent, f".{name}.zvview-{secrets.token_hex(4)}")
        self._names: set[str] = set()
        self._root: bytes | None = None
        self._open = True
        with self._reported():
            os.makedirs(parent, exist_ok=True)
            self._archive = zipfile.ZipFile(self._partial, "x", zipfile.ZIP_STORED, allowZip64=True)

    @property
    def target(self) -> str:
        """Where the store will be, links resolved."""
        return self._target

    def put_many(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> None:
        """See :meth:`zvview.store.places.source.Sink.put_many`."""
        for key, pieces in items:
            check_keys([key])
            if key in self._names:
                raise InvalidInputError(f"key {key!r} is written twice")
            self._names.add(key)
            if key == ROOT_KEY:
                self._root = b"".join(pieces)
            else:
                self._write(key, pieces)

    def commit(self) -> None:
        """Close, sync and rename into place."""
        if self._root is not None:
            self._write(ROOT_KEY, [self._root])
        with self._reported():
            self._archive.close()
            with open(self._partial, "rb+") as written:
                os.fsync(written.fileno())
            self._refuse_occupied()
            os.replace(self._partial, self._target)
        self._open = False

    def abort(self) -> None:
        """Remove what was written."""
        if self._open:
            self._open = False
            with contextlib.suppress(OSError):
                self._archive.close()
            with contextlib.suppress(OSError):
                os.remove(self._partial)

    def _write(self, key: str, pieces: Sequence[Buffer]) -> None:
        info = zipfile.ZipInfo(key, _EPOCH)
        info.external_attr = (stat.S_IFREG | 0o644) << 16
        views = [memoryview(piece).cast("B") for piece in pieces]
        info.file_size = sum(view.nbytes for view in views)
        with self._reported(), self._archive.open(info, "w") as entry:
            for view in views:
                entry.write(view)

    def _refuse_occupied(self) -> None:
        if not os.path.lexists(self._target):
            return
        if not self._overwrite:
            raise ExistsError(f'{self.place} already exists; mode="w" replaces a Zarr Vectors store')
        if os.path.isdir(self._target):
            raise ExistsError(f"{self.place} is a folder; a zip file does not replace it. Choose another name.")
        try:
            there = ZipSource(self._target)
        except NotZarrVectorsError as error:
            raise ExistsError(
                f'{self.place} is not a Zarr Vectors store, so that mode="w" does not replace it'
            ) from error
        try:
            refuse_foreign(there)
        finally:
            there.close()

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except ExistsError:
            raise
        except OSError as error:
            raise UnreachableError(f"cannot write {self.place}: {error.strerror or error}") from error
