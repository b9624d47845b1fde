"""How far links lead out of chunks: a line may cross the view although none of its vertices lies in a chunk in view.

Links between neighbouring chunks are as long as those that were read so far show; those that span more than that are
told by the chunks that they join, which is metadata, or stands in the manifests.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.format.grid import ChunkTable
from zvview.store.reading.reader import LevelReader
from zvview.store.store import Store
from zvview.stream.cells import CellLevel
from zvview.stream.facts import LevelFacts, StoreFacts, check_same
from zvview.stream.seeing import see_boxes
from zvview.stream.view import ViewState

__all__ = ["Reach", "find_spans", "reaching_in"]


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """How far the links of each level reach.

    Attributes
    ----------
    margins : (D,) float64 arrays, one for each level
        By how much chunks reach out on all sides.
    spans : (M, L) int64 arrays, one for each level
        Rows of chunks that are joined by links although they are no neighbours; -1 fills up.
    """

    margins: tuple[NDArray[np.float64], ...]
    spans: tuple[NDArray[np.int64], ...]

    @property
    def is_any(self) -> bool:
        """Whether any link leads out of its chunk."""
        return any(margin.any() for margin in self.margins) or any(len(rows) for rows in self.spans)


def reaching_in(
    level: CellLevel, reach: Reach, k: int, view: ViewState, in_view: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Chunks out of view, (C,), with links that may lead through the view: one for each link that spans chunks.

    Parameters
    ----------
    level : CellLevel
    reach : Reach
    k : int
        Index of the level.
    view : ViewState
    in_view : (C,) bool array
    """
    spans, margin = reach.spans[k], reach.margins[k]
    out = np.zeros(len(level.chunk_lo), bool)
    if margin.any():
        out = see_boxes(view, level.chunk_lo - margin, level.chunk_hi + margin) & ~in_view
    if len(spans):
        is_end = spans >= 0
        lo = np.where(is_end[:, :, None], level.chunk_lo[spans], np.inf).min(axis=1)
        hi = np.where(is_end[:, :, None], level.chunk_hi[spans], -np.inf).max(axis=1)
        known = ((in_view | out)[spans] & is_end).any(axis=1)
        out[spans[see_boxes(view, lo, hi) & ~known].max(axis=1)] = True
    return out


def find_spans(store: Store, facts: StoreFacts, cancel: CancelToken | None = None) -> tuple[NDArray[np.int64], ...]:
    """The spans of each level; reads manifests where only they tell, and no vertex.

    Raises
    ------
    ConflictError
        The store is another one than when the facts were gathered.
    UnreachableError
    Cancelled
    """
    return tuple(_spans_of(store, facts, level, cancel) for level in facts.levels)


def _spans_of(store: Store, facts: StoreFacts, level: LevelFacts, cancel: CancelToken | None) -> NDArray[np.int64]:
    def read() -> NDArray[np.int64]:
        reader = store.reader(level.number)
        check_same(store, facts, reader)
        found = [_long(ends, facts.ndim) for ends in _joined_chunks(reader, cancel)]
        found = [ends for ends in found if len(ends)]
        if not found:
            return np.empty((0, 2), np.int64)
        table = ChunkTable.of(level.chunks)
        parts = [table.find(ends.reshape(-1, ends.shape[2])).reshape(ends.shape[:2]) for ends in found]
        return np.asarray(np.unique(np.sort(np.concatenate(parts), axis=1), axis=0))

    return store.retry(read)


def _joined_chunks(reader: LevelReader, cancel: CancelToken | None) -> Iterable[NDArray[np.int64]]:
    """Chunks that links join, as (K, L, sid) arrays."""
    family = reader.links() if reader.is_linked or reader.has_true_bridges else None
    if family is not None:
        for array in family.arrays:
            yield family.endpoints(array, array.cells.chunks)
        if family.table is not None:
            yield family.table.chunks
    elif reader.is_sequence and reader.objects is not None:
        manifests = reader.objects.manifests(cancel=cancel)
        joined = np.ones(max(len(manifests.fragments) - 1, 0), bool)
        inner = manifests.offsets[1:-1]
        joined[inner[(inner > 0) & (inner <= len(joined))] - 1] = False
        at = np.flatnonzero(joined)
        yield np.stack((manifests.chunks[at], manifests.chunks[at + 1]), axis=1)


def _long(ends: NDArray[np.int64], ndim: int) -> NDArray[np.int64]:
    """Those of (K, L, sid) links that join chunks which do not touch each other."""
    spatial = ends[:, :, ends.shape[2] - ndim :]
    return np.asarray(ends[np.ptp(spatial, axis=1).max(axis=1, initial=0) > 1])
