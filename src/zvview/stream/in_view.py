"""What of chunks and batches a view sees, vertex by vertex: a chunk may be far larger than what is in view of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.batches import Batch, Graph, Mesh, Points
from zvview.geometry.select import clip_to_box, keep_rows
from zvview.stream.cache import Key
from zvview.stream.cells import CellLevel
from zvview.stream.view import ViewState, widened

__all__ = ["LARGE_CHUNK", "clip_to_view", "fit_to_budget", "sample_of", "see_points", "visible_shares"]

LARGE_CHUNK: Final = 4096
"""Vertices: of smaller chunks it matters little how much is in view."""

_SAMPLE = 256  # vertices that stand for a chunk: shares are then right to three hundredths
_LATTICE = 216
_RING = 0.25  # of the view: what is shown beyond it where the budget has room, so that a pan does not show an edge
_TOLERATED = 1.25  # times the budget: shares are estimates
_TOLD_BY = 4096  # vertices that tell of all how many are in view, right to a hundredth


def sample_of(positions: NDArray[np.floating]) -> NDArray[np.floating]:
    """A copy of some positions, spread over all."""
    return positions[:: max(1, len(positions) // _SAMPLE)].copy()


def see_points(view: ViewState, positions: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which positions (N, D) are in view, (N,)."""
    mask = np.ones(len(positions), bool)
    for axis in range(view.ndim):
        column = positions[:, axis]
        mask &= (column >= view.lo[axis]) & (column <= view.hi[axis])
    if view.projection is not None:
        rows = np.flatnonzero(mask)
        height, width = view.projection.canvas_px
        pixels = _pixels(view, positions[rows])
        mask[rows] = ((pixels >= 0) & (pixels <= (width, height))).all(axis=1)
    return mask


def visible_shares(
    level: CellLevel, rows: NDArray[np.int64], view: ViewState, samples: Mapping[Key, NDArray[np.floating]], k: int
) -> NDArray[np.float64]:
    """Part of the vertices of some chunks of level `k` that is in view, (n,): of a sample where there is one.

    Chunks without a sample are taken to be filled evenly.
    """
    lattice, edge = _lattice(view.ndim), level.facts.chunk_shape
    points = [samples.get((k, row), level.chunk_lo[row] + lattice * edge) for row in rows.tolist()]
    if not points:
        return np.zeros(0)
    seen = see_points(view, np.concatenate(points))
    sizes = np.array([len(some) for some in points])
    return np.asarray(np.add.reduceat(seen, np.cumsum(sizes) - sizes, dtype=np.float64) / sizes)


@cache
def _lattice(ndim: int) -> NDArray[np.float64]:
    """Points that fill the unit cube evenly, (n, D)."""
    side = max(2, round(_LATTICE ** (1 / ndim)))
    axes = np.meshgrid(*[(np.arange(side) + 0.5) / side] * ndim, indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)


def clip_to_view(batch: Batch, view: ViewState, budget: int) -> Batch:
    """What of `batch` touches the view, and a ring around it where that is no more than `budget`.

    Edges and faces that pass by a corner of the view may be kept as well.
    """
    wide = widened(view, _RING, np.zeros(view.ndim))
    if _estimate(batch, wide) > _TOLERATED * budget:  # cutting lines twice takes as long as reading them
        wide = view
    if isinstance(batch, Graph | Mesh):
        rows, links = _seen_links(batch, wide)
        if wide is not view and np.count_nonzero(rows) > budget:
            rows, links = _seen_links(batch, view)
        return keep_rows(batch, rows, links)
    around = _clipped(batch, wide)
    return around if wide is view or len(around) <= budget else _clipped(around, view)


def _estimate(batch: Batch, view: ViewState) -> float:
    """How many vertices are in view, about."""
    some = batch.positions[:: max(1, len(batch) // _TOLD_BY)]
    return len(batch) * float(see_points(view, some).mean()) if len(some) else 0.0


def fit_to_budget(batch: Batch, budget: int) -> Batch:
    """Some of the points, evenly chosen, where all are more than the budget; what is linked stays as it is."""
    if not isinstance(batch, Points) or len(batch) <= budget * _TOLERATED:
        return batch
    rows = np.zeros(len(batch), bool)
    rows[np.arange(budget) * len(batch) // budget] = True
    return keep_rows(batch, rows)


def _clipped(batch: Batch, view: ViewState) -> Batch:
    if isinstance(batch, Points):
        return keep_rows(batch, see_points(view, batch.positions))
    batch = clip_to_box(batch, *view.box)
    if view.projection is None:
        return batch
    height, width = view.projection.canvas_px
    rows = {"row": np.arange(len(batch))}
    flat = replace(batch, positions=_pixels(view, batch.positions), attributes=rows, categories={})
    kept = clip_to_box(flat, np.zeros(2), np.array([width, height]))
    at = kept.attributes["row"]
    values = {name: column[at] for name, column in batch.attributes.items()}
    changes: dict[str, Any] = {"positions": batch.positions[at], "attributes": values, "categories": batch.categories}
    return replace(kept, **changes)


def _seen_links(batch: Graph | Mesh, view: ViewState) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Vertices in view or at the end of such a link (N,), and links that do not lie beyond one side wholly (M,)."""
    beyond = _sides(view, batch.positions)
    ends = (batch.faces if isinstance(batch, Mesh) else batch.edges).T
    shared = beyond[ends[0]]
    for column in ends[1:]:
        shared &= beyond[column]
    touched = shared == 0
    rows = beyond == 0
    for column in ends:
        rows[column[touched]] = True
    return rows, touched


def _sides(view: ViewState, positions: NDArray[np.floating]) -> NDArray[np.uint32]:
    """Beyond which sides of the view positions (N, D) lie, (N,): a bit for each; what is no number is beyond all."""
    columns = [(positions[:, axis], view.lo[axis], view.hi[axis]) for axis in range(view.ndim)]
    if view.projection is not None:
        height, width = view.projection.canvas_px
        pixels = _pixels(view, positions)
        columns += [(pixels[:, 0], 0.0, width), (pixels[:, 1], 0.0, height)]
    out = np.zeros(len(positions), np.uint32)
    for at, (column, lo, hi) in enumerate(columns):
        out |= (~(column >= lo)).astype(np.uint32) << np.uint32(2 * at)
        out |= (~(column <= hi)).astype(np.uint32) << np.uint32(2 * at + 1)
    return out


def _pixels(view: ViewState, positions: NDArray[np.floating]) -> NDArray[np.float64]:
    """Where on the canvas positions (N, D) are drawn, (N, 2); those behind the eye as if they were close before it."""
    projection = view.projection
    assert projection is not None
    return projection.project(positions[:, list(projection.axes)], is_clamped=True)[0]
