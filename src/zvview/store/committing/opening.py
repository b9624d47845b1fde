"""The one entrance to commits: from a place, or the source of an open store, to its store, locked and ready."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, cast

from zvview.errors import NotZarrVectorsError
from zvview.store.committing.applied import Commit
from zvview.store.committing.finishing import settle
from zvview.store.committing.folder_commit import FolderCommit
from zvview.store.committing.member_commit import MemberCommit
from zvview.store.committing.memory_commit import MemoryCommit
from zvview.store.committing.remote_commit import RemoteCommit, settle_bucket
from zvview.store.committing.remote_lock import hold_bucket
from zvview.store.committing.zip_commit import ZipCommit
from zvview.store.locking import hold_store
from zvview.store.places.folder import FolderSource
from zvview.store.places.memory import MemorySource
from zvview.store.places.open import Place, open_source
from zvview.store.places.prefixed import PrefixedSource
from zvview.store.places.remote import RemoteSource
from zvview.store.places.source import ROOT_KEY, Source
from zvview.store.places.zarr_store import ZarrStoreSource
from zvview.store.places.zip_file import ZipSource
from zvview.store.remaking import open_remaking

__all__ = ["open_commit"]

_SOURCES = (FolderSource, ZipSource, MemorySource, RemoteSource, ZarrStoreSource)


@contextlib.contextmanager
def open_commit(
    place: Place | Source, doing: str, *, storage_options: Mapping[str, Any] | None = None
) -> Iterator[Commit]:
    """The store at a place, ready to be changed: its writer lock is held while the block runs.

    A commit that was interrupted before is finished first, or dropped if it had not become final.

    Parameters
    ----------
    place : str, path, mapping, zarr store or Source
        A source stands for the place that it reads; it stays open.
    doing : str
        What for; completes "another process has been ...", for those who find it locked.
    storage_options : mapping, optional

    Raises
    ------
    NotZarrVectorsError, ConflictError, DamagedError, UnreachableError
        As of :func:`zvview.store.remaking.open_remaking`.
    UnsupportedError
        The store lies where nothing can be changed.
    """
    if isinstance(place, PrefixedSource):
        with open_commit(place.whole, doing) as commit:
            yield MemberCommit(commit, place.prefix)
        return
    with contextlib.ExitStack() as stack:
        if isinstance(place, _SOURCES):
            source: Source = place
        else:
            opened = open_source(cast(Place, place), storage_options=storage_options)
            source = stack.enter_context(contextlib.closing(opened))
        if isinstance(source, ZipSource):
            yield ZipCommit(stack.enter_context(open_remaking(source.path, doing)))
            return
        if isinstance(source, RemoteSource):
            bucket = source.bucket()
            lock = stack.enter_context(hold_bucket(bucket, doing))
            if settle_bucket(bucket, lock):
                source.note_change()
            _refuse_nothing(source)
            yield RemoteCommit(source, bucket, lock)
            return
        stack.enter_context(hold_store(source, doing))
        _refuse_nothing(source)
        if isinstance(source, FolderSource):
            settle(source)
            yield FolderCommit(source)
        elif isinstance(source, MemorySource):
            yield MemoryCommit(source)


def _refuse_nothing(source: Source) -> None:
    if source.get_many([(ROOT_KEY, None)]) == [None]:
        raise NotZarrVectorsError(f"{source.place} holds no {ROOT_KEY}: there is no store")
