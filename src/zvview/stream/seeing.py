"""What a view sees of a tree of chunks: which are in view, how large, how much of them, how far from the middle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zvview.stream.cells import CellLevel
from zvview.stream.cut import Masks
from zvview.stream.view import ViewState

__all__ = ["distances", "is_inside", "px_per_unit", "see_boxes", "see_chunks", "seen_cells", "slab_shares"]


def see_boxes(view: ViewState, lo: NDArray[np.float64], hi: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which boxes, given by corners (N, D), are in view: (N,); as chunks, they do not hold their upper sides."""
    mask = np.ones(len(lo), bool)
    for axis in range(view.ndim):  # a column at a time: five times as fast as rows
        mask &= (lo[:, axis] <= view.hi[axis]) & (hi[:, axis] > view.lo[axis])
    if view.projection is not None:
        rows, axes = np.flatnonzero(mask), list(view.projection.axes)
        mask[rows] = view.projection.see_boxes(lo[rows][:, axes], hi[rows][:, axes])[0]
    return mask


def see_chunks(tree: Sequence[CellLevel], view: ViewState, allowed: Masks | None = None) -> Masks:
    """Which chunks of each level are in view, of those that are allowed."""
    seen = [see_boxes(view, level.chunk_lo, level.chunk_hi) for level in tree]
    return tuple(seen) if allowed is None else tuple(a & b for a, b in zip(seen, allowed, strict=True))


def is_inside(level: CellLevel, view: ViewState) -> NDArray[np.bool_]:
    """Which chunks of a level, (C,), are in view as a whole; through a camera that is not told of any."""
    if view.projection is not None:
        return np.zeros(len(level.chunk_lo), bool)
    lo, hi = view.box
    return np.asarray(((level.chunk_lo >= lo) & (level.chunk_hi <= hi)).all(axis=1))


def seen_cells(tree: Sequence[CellLevel], chunks: Masks) -> Masks:
    """Cells with a chunk in view, or above one of a finer level."""
    out: list[NDArray[np.bool_]] = []
    for k, level in enumerate(tree):
        mask = np.zeros(len(level), bool)
        mask[level.cell_of_chunk[chunks[k]]] = True
        if k:
            mask[tree[k - 1].parent[out[-1]]] = True
        out.append(mask)
    return tuple(out)


def px_per_unit(level: CellLevel, view: ViewState) -> NDArray[np.float64]:
    """Most pixels that a unit takes in each cell of a level, (K,)."""
    if view.projection is None:
        return np.full(len(level), float(view.zoom_px_per_unit))
    axes = list(view.projection.axes)
    lo, hi = view.box
    near_lo, near_hi = np.clip(level.lo, lo, hi)[:, axes], np.clip(level.hi, lo, hi)[:, axes]
    return view.projection.see_boxes(near_lo, near_hi)[1]


def slab_shares(level: CellLevel, view: ViewState) -> NDArray[np.float64]:
    """Part of each chunk that the slab on sliced axes holds."""
    out = np.ones(len(level.chunk_lo))
    slab = view.slab
    if slab is None:
        return out
    for axis in range(view.ndim):
        if axis not in view.axes:
            edge = level.facts.chunk_shape[axis]
            lo, hi = (np.clip(side[axis], level.chunk_lo[:, axis], level.chunk_hi[:, axis]) for side in slab)
            out *= np.clip((hi - lo) / edge, 0.01, 1)
    return out


def distances(
    level: CellLevel, rows: NDArray[np.int64], view: ViewState, centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance of the nearest point of some chunks from a place, (D,), in sizes of the view."""
    lo, hi = view.box
    size = np.where(np.isfinite(hi - lo) & (hi > lo), hi - lo, 1.0)
    chunk_lo, chunk_hi = level.chunk_lo[rows], level.chunk_hi[rows]
    away = np.maximum(np.maximum(chunk_lo - centre, centre - chunk_hi), 0)
    away += 1e-3 * np.abs((chunk_lo + chunk_hi) / 2 - centre)  # of those that touch it the one that is about it
    return np.asarray(np.linalg.norm(away / size, axis=1))
