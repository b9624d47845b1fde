"""A new store in place of the one that is there, which nobody else is changing while it is replaced.

What is there already need not be looked at, so that the lock is held only while the new store takes its place. It is
tried for when writing begins as well: whoever finds the store locked learns of it before the work, not after it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zvview.errors import NotZarrVectorsError, UnreachableError
from zvview.store.locking import has_lock, hold_store
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.open import Place, open_sink, open_source
from zvview.store.places.source import ROOT_KEY, Sink, Source
from zvview.store.places.zip_sink import ZipSink

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["open_new_sink"]

_DOING = "replacing it by another store"


def open_new_sink(place: Place, *, overwrite: bool = False, storage_options: Mapping[str, Any] | None = None) -> Sink:
    """The sink that writes a new store to `place`, as :func:`~zvview.store.places.open.open_sink` gives it.

    Its commit holds the writer lock of the store that it replaces, where the place has one, and raises ConflictError
    where another holds it; the store is as it was then.

    Raises
    ------
    ConflictError
        Another process is changing the store that would be replaced.
    ExistsError, InvalidInputError, UnreachableError, UnsupportedError
        As :func:`~zvview.store.places.open.open_sink`.
    """
    if not overwrite:
        return open_sink(place, storage_options=storage_options)
    with _hold(place, storage_options):
        sink = open_sink(place, overwrite=True, storage_options=storage_options)
    return _ReplacingSink(sink, sink.target if isinstance(sink, FolderSink | ZipSink) else place, storage_options)


class _ReplacingSink:
    """Writes with another sink, whose commit it locks out others from.

    Parameters
    ----------
    sink : Sink
    target : str, path, mapping or zarr store
        What it replaces; of a path links resolved, since the process may be in another folder by then.
    storage_options : mapping or None
    """

    def __init__(self, sink: Sink, target: Place, storage_options: Mapping[str, Any] | None) -> None:
        self._sink, self._target, self._storage_options = sink, target, storage_options
        self.place, self.is_local = sink.place, sink.is_local

    def put_many(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> None:
        """See :meth:`zvview.store.places.source.Sink.put_many`."""
        self._sink.put_many(items)

    def commit(self) -> None:
        """See :meth:`zvview.store.places.source.Sink.commit`."""
        with _hold(self._target, self._storage_options):
            self._sink.commit()

    def abort(self) -> None:
        """See :meth:`zvview.store.places.source.Sink.abort`."""
        self._sink.abort()


@contextlib.contextmanager
def _hold(place: Place, storage_options: Mapping[str, Any] | None) -> Iterator[None]:
    """Hold the lock of the store at a place, if there is one; what else is there is for the sink to refuse."""
    with contextlib.ExitStack() as stack:
        source = _find_store(place, storage_options)
        if source is not None:
            with contextlib.closing(source):  # not kept open: Windows does not rename onto an open zip
                stack.enter_context(hold_store(source, _DOING))
        yield


def _find_store(place: Place, storage_options: Mapping[str, Any] | None) -> Source | None:
    """The store at a place, where it has a lock; whoever gets it closes it."""
    try:
        source = open_source(place, storage_options=storage_options)
    except (UnreachableError, NotZarrVectorsError):
        return None
    if has_lock(source) and source.get_many([(ROOT_KEY, None)]) != [None]:
        return source
    source.close()
    return None
