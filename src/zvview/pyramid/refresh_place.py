"""A refresh of the store at a place: it is made anew beside itself from what it keeps, and takes its own place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from zvview.cancel import CancelToken
from zvview.pyramid.build import Progress
from zvview.pyramid.refresh import RefreshedLevel, compute_refresh
from zvview.store.places.open import Place
from zvview.store.places.source import ROOT_KEY
from zvview.store.remaking import carry, open_remaking

__all__ = ["RefreshReport", "refresh_pyramid"]


@dataclass(frozen=True, slots=True, eq=False)
class RefreshReport:
    """What a refresh did.

    Attributes
    ----------
    levels : tuple of RefreshedLevel
    written_bytes : int
        Of all objects that changed, documents and zvview's index included.
    written_keys, removed_keys : int
    """

    levels: tuple[RefreshedLevel, ...]
    written_bytes: int
    written_keys: int
    removed_keys: int


def refresh_pyramid(
    place: Place,
    chunks: ArrayLike,
    *,
    objects: ArrayLike | None = None,
    workers: int = 0,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> RefreshReport:
    """Make the coarse levels of the store at `place` fit its level 0 again, after some of its chunks were edited.

    The levels are then what a rebuild with their stored designs would make of them: thresholds, bins and tolerances
    stay. See :mod:`zvview.pyramid.refresh` for what that takes. All of it is seen at once, or nothing.

    Parameters
    ----------
    place : str, path, mapping or zarr store
        A local store of one kind in format 0.9 with levels that zvview made.
    chunks : (n, sid) ints
        All chunks of level 0 of which any cell was changed, added or removed, links that begin or end there included.
    objects : (m,) ints, optional
        Ids of all objects that were edited, added or removed, for those who know; see
        :func:`~zvview.pyramid.refresh.compute_refresh`.
    workers : int
        Processes that share the work where the store is a folder.
    storage_options : mapping, optional
    progress : callable, optional
    cancel : CancelToken, optional
        Looked at between tasks.

    Raises
    ------
    InvalidInputError
        Chunks of another number of components; chunks are missing among them.
    UnsupportedError
        A store at an address, of several kinds, in the layout of 0.7.0, or in a folder with links inside.
    DamagedError
        Levels that zvview did not make; damaged cells.
    ConflictError
        Another process is changing the store, or did so meanwhile; it is as that change left it.
    Cancelled
    """
    with open_remaking(place, "refreshing its levels", storage_options=storage_options) as remaking:
        source = remaking.source
        done = compute_refresh(source, chunks, objects=objects, workers=workers, progress=progress, cancel=cancel)
        written = {key: data for key, data in done.changes.items() if data is not None}
        if done.changes:
            with remaking.replace() as sink:
                kept = [key for key in remaking.keys if key not in done.changes and key != ROOT_KEY]
                carry(source, sink, [(key, key) for key in kept])
                sink.put_many((key, (data,)) for key, data in written.items() if key != ROOT_KEY)
                (root,) = source.get_many([(ROOT_KEY, None)])
                assert root is not None
                sink.put_many([(ROOT_KEY, (written.get(ROOT_KEY, root),))])
    sizes = sum(map(len, written.values()))
    return RefreshReport(done.levels, sizes, len(written), len(done.changes) - len(written))
