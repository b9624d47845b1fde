"""A store made anew with most of its objects as they were: the one way in which all that replaces a store does it.

The store is locked, looked at, made anew beside itself, looked at again, and replaced as a whole: by a folder of links
to the very same files, or by copies in a zip and memory. A reader sees the old store or the new.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zvview.errors import ConflictError, NotZarrVectorsError, UnsupportedError
from zvview.format import names
from zvview.store.committing.finishing import settle
from zvview.store.hierarchy import document_key, fingerprint, parse_document
from zvview.store.index_view import IndexView, read_index
from zvview.store.locking import StoreLock, hold_store, locked_path
from zvview.store.places.folder import FolderSource
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.folder_tree import survey_folder
from zvview.store.places.open import Place, open_sink, open_source
from zvview.store.places.source import ROOT_KEY, Sink, Source, Stamped
from zvview.store.places.zip_file import ZipSource

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Remaking", "carry", "open_remaking", "read_documents", "true_index"]

_WAVE_KEYS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Remaking:
    """A store that is locked, to be replaced by what is made of it; :func:`open_remaking` gives it.

    Attributes
    ----------
    source : Source
        The store as it is.
    keys : tuple of str
        All its keys.
    empty_folders : tuple of str
        Folders in it that hold nothing.
    state : object
        Equal as long as nobody changes it.
    """

    source: Source
    keys: tuple[str, ...]
    empty_folders: tuple[str, ...]
    state: object
    _place: Place
    _lock: StoreLock
    _storage_options: Mapping[str, Any] | None

    @property
    def path(self) -> str | None:
        """The folder or zip that will be replaced; None in memory."""
        return locked_path(self.source)

    @contextlib.contextmanager
    def replace(self, keeps_folder: Callable[[str], bool] = lambda path: True) -> Iterator[Sink]:
        """A sink for all that the store shall hold, which takes its place when the block ends well.

        Parameters
        ----------
        keeps_folder : callable, optional
            Tells of each empty folder whether it goes along.

        Raises
        ------
        ConflictError
            The store was changed meanwhile; it is as that change left it.
        UnsupportedError
            A mount point.
        UnreachableError
            The folder in which the store lies cannot be written, or its disk is full.
        """
        target = self._place if self.path is None else self.path
        sink = open_sink(target, overwrite=True, storage_options=self._storage_options)
        try:
            if isinstance(sink, FolderSink):
                self._lock.note_stage(sink.folder)
                sink.make_folders(filter(keeps_folder, self.empty_folders))
            yield sink
            if _state_of(self.source)[0] != self.state:
                raise ConflictError(f"{self.source.place} was changed while it was made anew; do it again")
            sink.commit()
        except BaseException:
            sink.abort()
            raise


@contextlib.contextmanager
def open_remaking(place: Place, doing: str, *, storage_options: Mapping[str, Any] | None = None) -> Iterator[Remaking]:
    """Lock the store at a place, for as long as the block runs, so that it can be replaced.

    A commit that was interrupted in it is finished first, or dropped if it had not become final.

    Parameters
    ----------
    place : str, path, mapping or zarr store
    doing : str
        What for; completes "another process has been ...", for those who find it locked.
    storage_options : mapping, optional

    Raises
    ------
    NotZarrVectorsError
        There is no store.
    UnsupportedError
        It lies where it could be replaced only in pieces, or has links inside, which point out of what is replaced.
    ConflictError
        Another holds the lock; tells who, and since when.
    DamagedError
        A commit was interrupted, and what is to be finished is not as it was written.
    UnreachableError
        It cannot be read, or where it lies cannot be written.
    """
    source = open_source(place, storage_options=storage_options)
    try:
        if not source.is_local or not source.can_list:
            raise UnsupportedError(
                f"{source.place}: a store is changed as a whole in a folder, a zip or memory; change it there and copy "
                "it to its address then"
            )
        with hold_store(source, doing) as lock:
            if isinstance(source, FolderSource):
                settle(source)
            state, files, empty_folders = _state_of(source)
            keys = tuple(source.list_keys("")) if files is None else files
            if ROOT_KEY not in keys:
                raise NotZarrVectorsError(f"{source.place} holds no zarr.json: there is no store")
            yield Remaking(source, keys, empty_folders, state, place, lock, storage_options)
    finally:
        source.close()


def _state_of(source: Source) -> tuple[object, tuple[str, ...] | None, tuple[str, ...]]:
    """What tells that a store was changed; and of a folder its files and empty folders.

    Of a folder it is a digest of which files and empty folders there are, how large the files are and when they were
    written.
    """
    if isinstance(source, ZipSource):
        found = os.stat(source.place)
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns), None, ()
    if not isinstance(source, FolderSource):
        return (source.stamp() if isinstance(source, Stamped) else None), None, ()
    tree = survey_folder(source)
    digest = hashlib.sha256("\n".join(tree.empty_folders).encode(errors="surrogateescape"))
    for key in tree.files:
        try:
            found = os.lstat(os.path.join(source.folder, key))
            line = f"{key} {found.st_size} {found.st_mtime_ns} {found.st_ino}\n"
        except FileNotFoundError:
            line = f"{key} is gone\n"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest(), tree.files, tree.empty_folders


def read_documents(source: Source, keys: Sequence[str]) -> tuple[dict[str, dict[str, Any]], dict[str, bytes]]:
    """Every document of a store by path, and its bytes; those of zvview's own index are left out.

    Parameters
    ----------
    source : Source
    keys : sequence of str
        All keys of the store.
    """
    paths = [k.removesuffix(names.ZARR_JSON).rstrip("/") for k in keys if k.rpartition("/")[2] == names.ZARR_JSON]
    paths = [p for p in paths if p.split("/", 1)[0] != names.INDEX]
    answers = source.get_many([(document_key(p), None) for p in paths])
    encoded = {p: bytes(data) for p, data in zip(paths, answers, strict=True) if data is not None}
    return {p: parse_document(data, p) for p, data in encoded.items()}, encoded


def true_index(source: Source, encoded: Mapping[str, bytes]) -> IndexView | None:
    """The index of a store, if it is still that of the store whose documents have these bytes."""
    index = read_index(source)
    if index is None:
        return None
    found = {path: fingerprint(data) for path, data in encoded.items() if path}
    return index if found == dict(index.fingerprints) else None


def carry(source: Source, sink: Sink, moves: Sequence[tuple[str, str]]) -> None:
    """Let objects of `source` stand in `sink`: links to the files of a folder, copies elsewhere.

    Parameters
    ----------
    source : Source
        A folder has no links inside.
    sink : Sink
    moves : sequence of (old key, new key)
    """
    if isinstance(source, FolderSource) and isinstance(sink, FolderSink):
        sink.link_many((new, source.path_of(old)) for old, new in moves)
        return
    for start in range(0, len(moves), _WAVE_KEYS):
        wave = moves[start : start + _WAVE_KEYS]
        answers = source.get_many([(old, None) for old, _ in wave])
        sink.put_many(_pairs(wave, answers))


def _pairs(
    wave: Sequence[tuple[str, str]], answers: Sequence[Buffer | None]
) -> Iterable[tuple[str, tuple[Buffer, ...]]]:
    return [(new, (data,)) for (_, new), data in zip(wave, answers, strict=True) if data is not None]
