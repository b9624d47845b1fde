"""Where objects are, told by as little reading as serves: manifests first, then the finest level that is cheap."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import MissingError
from zvview.format.grid import ChunkTable
from zvview.store.level import Level
from zvview.store.store import Store

__all__ = ["find_objects"]

_MOST_VERTICES: Final = 200_000  # of the chunks that are read for a place; a tenth of a second
_FINEST_MARGIN: Final = 0.25  # bins: vertices are where the level says, but a single one has no size

Box = tuple[NDArray[np.float64], NDArray[np.float64]]


def find_objects(store: Store, ids: NDArray[np.int64], cancel: CancelToken | None = None) -> Box:
    """A box around some objects, with a margin of a bin or less, in world coordinates and the store's order of axes.

    It is that of their vertices in the finest level of which it is enough to read few chunks, and that holds all of
    them; where there is none, that of the chunks that they pass in the finest level, which is wider.

    Parameters
    ----------
    store : Store
    ids : (n,) int64 array
        Ids that the store does not have are passed over.
    cancel : CancelToken, optional

    Raises
    ------
    MissingError
        The store has no object index, or none of the objects.
    Cancelled
    """
    finest: Box | None = None
    most = 0
    for number in store.levels:
        level = store.level(number)
        present, chunks = _passes(store, level, ids, cancel)
        if not len(present) or len(present) < most:
            continue  # a coarser level that leaves some of them out
        most = len(present)
        finest = finest or _box_of_chunks(store, level, chunks)
        at = ChunkTable.of(level.chunks).find(chunks)
        if level.chunk_vertex_counts[at[at >= 0]].sum() > _MOST_VERTICES:
            continue
        positions = level.read_objects(present, [], on_damage="skip", cancel=cancel).positions
        positions = positions[np.isfinite(positions).all(axis=1)]
        if len(positions):
            margin = level.resolution * (_FINEST_MARGIN if number == store.levels[0] else 1.0)
            return positions.min(axis=0) - margin, positions.max(axis=0) + margin
    if finest is None:
        raise MissingError("object", int(ids[0]) if len(ids) else "none")
    return finest


def _passes(
    store: Store, level: Level, ids: NDArray[np.int64], cancel: CancelToken | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of some objects a level holds something of, (m,), and the chunks that they pass, (k, sid)."""

    def read() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        table = store.reader(level.number).objects
        if table is None:
            raise MissingError("object index in level", level.number)
        rows = np.flatnonzero(np.isin(table.ids, ids))
        manifests = table.manifests(rows, cancel)
        is_present = np.diff(manifests.offsets) > 0
        return table.ids[rows[is_present]], np.unique(manifests.chunks, axis=0)

    return store.retry(read)


def _box_of_chunks(store: Store, level: Level, chunks: NDArray[np.int64]) -> Box:
    """A box around chunks (k, sid), k > 0, no larger than the bounds of the store."""
    lo, hi = store.bounds
    axes = chunks[:, chunks.shape[1] - len(lo) :]  # a further component, before them, is no place
    edge, shift = level.chunk_shape, 0.0 if store.metadata.offset is None else store.metadata.offset
    is_open, edge = ~np.isfinite(edge), np.where(np.isfinite(edge), edge, 0.0)
    first, last = axes.min(axis=0) * edge + shift, (axes.max(axis=0) + 1) * edge + shift
    return np.clip(np.where(is_open, lo, first), lo, hi), np.clip(np.where(is_open, hi, last), lo, hi)
