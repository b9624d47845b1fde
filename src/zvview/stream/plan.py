"""From a view to the chunks that it needs, in the order in which to read them: pure, no file and no window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from zvview.stream.cache import Key
from zvview.stream.cells import CellLevel
from zvview.stream.cut import Cut, Masks, Splitting, choose_cut, extend_cut, needed_cells
from zvview.stream.in_view import LARGE_CHUNK, visible_shares
from zvview.stream.reach import Reach, reaching_in
from zvview.stream.seeing import distances, is_inside, px_per_unit, see_chunks, seen_cells, slab_shares
from zvview.stream.view import ViewState, widened

__all__ = ["Limits", "Plan", "plan_ahead", "plan_view"]

Order = NDArray[np.int64]
"""(W, 2): index of the level and row of the chunk, in the order of reading."""

_MOST_SAMPLED = 128  # chunks of a level of which is told how much is in view; the largest that are partly out of it


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """What bounds a plan beside the view.

    Attributes
    ----------
    rule : Splitting
    vertices : (C,) float64 arrays, one for each level
        Expected number of each chunk.
    bytes_per_vertex : (L,) float64 array
    most_bytes : float
        Of all chunks of the cut together.
    reach : Reach
        How far links lead out of chunks.
    hysteresis : float
    samples : mapping of (index of the level, row) to (n, D) array
        Positions of some vertices of large chunks, as far as they are known.
    """

    rule: Splitting
    vertices: Sequence[NDArray[np.float64]]
    bytes_per_vertex: NDArray[np.float64]
    most_bytes: float
    reach: Reach
    hysteresis: float = 0.25
    samples: Mapping[Key, NDArray[np.floating]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The chunks for one view.

    Attributes
    ----------
    view : ViewState
    cut : Cut
    chunks : masks of (C,) for each level
        Chunks in view, whatever level is shown.
    seen : masks of (K,) for each level
        Cells with such a chunk, or above one.
    needed : masks of (C,) for each level
        Those that the cut shows, and `beyond`.
    beyond : masks of (C,) for each level
        Chunks out of view with links that may lead through it; they are shown when all else is there.
    order : (W, 2) int64 array
        What to read, of the coarsest level first, then of the cut from the middle of the view outward, or from where
        the middle is about to be.
    stand_ins : int
        How many of the first rows of `order` stand in until the others are there.
    notes : tuple of str
    is_guessed : bool
        Whether it counts on large chunks that were not read to be filled evenly: what they hold may change it.
    """

    view: ViewState
    cut: Cut
    chunks: Masks
    seen: Masks
    needed: Masks
    beyond: Masks
    order: Order
    stand_ins: int
    notes: tuple[str, ...] = ()
    is_guessed: bool = False

    @property
    def is_limited(self) -> bool:
        """Whether the budget, or the cache, keeps finer levels out that the view has pixels for."""
        return self.view.locked_level is None and (self.cut.limit_px > self.view.target_error_px or self.cut.floor > 0)


def plan_view(
    tree: Sequence[CellLevel],
    view: ViewState,
    limits: Limits,
    before: Plan | None = None,
    allowed: Masks | None = None,
    motion: NDArray[np.float64] | None = None,
) -> Plan:
    """The plan for `view`.

    Parameters
    ----------
    tree : sequence of CellLevel
        The finest level first.
    view : ViewState
    limits : Limits
    before : Plan, optional
        The one that is shown now.
    allowed : masks of (C,) for each level, optional
        The only chunks that can hold what the view's filter lets pass.
    motion : (D,) float64, optional
        How far the view goes before what is read is shown: it is read from there outward, at most from the edge.
    """
    lo, hi = view.box
    goal = view.centre if motion is None else view.centre + np.clip(motion, (lo - hi) / 2, (hi - lo) / 2)
    chunks = see_chunks(tree, view, allowed)
    seen = seen_cells(tree, chunks)
    expected, is_guessed = _expected(tree, view, limits, chunks)
    cut = _cut(tree, view, limits, chunks, seen, expected, before)
    needed = _chunks_of(tree, chunks, needed_cells(tree, cut.cells))
    notes: list[str] = []
    if cut.predicted > view.budget_vertices or _bytes_of(needed, limits) > limits.most_bytes:
        needed, cut = _nearest(tree, view, limits, needed, expected, cut, notes)
    top = len(tree) - 1
    first = np.zeros((0, 2), np.int64)
    if not needed[top].any() and len(cut.levels):
        spare = limits.vertices[top][chunks[top]].sum() <= view.budget_vertices / 2
        first = _ordered(tree, view, goal, chunks, [k == top and spare for k in range(len(tree))])
    order = _ordered(tree, view, goal, needed)
    beyond = tuple(np.zeros_like(mask) for mask in needed)
    if limits.reach.is_any and not notes:
        beyond, after = _beyond(tree, view, limits, chunks, cut, allowed, notes)
        order = np.concatenate((order, after))
        needed = tuple(a | b for a, b in zip(needed, beyond, strict=True))
    order = np.concatenate((first, order))
    return Plan(view, cut, chunks, seen, needed, beyond, order, len(first), tuple(notes), is_guessed)


def plan_ahead(
    tree: Sequence[CellLevel],
    plan: Plan,
    limits: Limits,
    margin: float,
    motion: NDArray[np.float64],
    allowed: Masks | None = None,
) -> Order:
    """What lies around a view and along its motion, nearest to where it goes first: to be read when nothing else is.

    It is of the levels that the view shows, on sliced axes too.
    """
    view = widened(plan.view, margin, motion)
    chunks = see_chunks(tree, view, allowed)
    px = [px_per_unit(level, view) for level in tree]
    cut = extend_cut(tree, seen_cells(tree, chunks), px, limits.rule, plan.cut, limits.hysteresis)
    around = _chunks_of(tree, chunks, needed_cells(tree, cut.cells))
    fresh = tuple(mask & ~own for mask, own in zip(around, plan.needed, strict=True))
    return _ordered(tree, plan.view, plan.view.centre + motion, fresh)


def _expected(
    tree: Sequence[CellLevel], view: ViewState, limits: Limits, chunks: Masks
) -> tuple[list[NDArray[np.float64]], bool]:
    """Vertices expected in view of each chunk, by level, and whether some are a guess.

    Where whole chunks are more than the budget it matters how much of the largest is in view.
    """
    out, is_guessed = [], False
    for k, level in enumerate(tree):
        counts = np.where(chunks[k], limits.vertices[k] * slab_shares(level, view), 0.0)
        if counts.sum() > view.budget_vertices:
            rows = np.flatnonzero(chunks[k] & (limits.vertices[k] >= LARGE_CHUNK) & ~is_inside(level, view))
            rows = rows[np.argsort(-counts[rows], kind="stable")[:_MOST_SAMPLED]]
            counts[rows] = limits.vertices[k][rows] * visible_shares(level, rows, view, limits.samples, k)
            is_guessed |= any((k, row) not in limits.samples for row in rows.tolist())
        out.append(counts)
    return out, is_guessed


def _cut(
    tree: Sequence[CellLevel],
    view: ViewState,
    limits: Limits,
    chunks: Masks,
    seen: Masks,
    expected: Sequence[NDArray[np.float64]],
    before: Plan | None,
) -> Cut:
    weights = [_per_cell(level, counts) for level, counts in zip(tree, expected, strict=True)]
    numbers = [level.facts.number for level in tree]
    cut = choose_cut(
        tree,
        seen,
        [px_per_unit(level, view) for level in tree],
        weights,
        limits.rule,
        target_px=view.target_error_px,
        budget=view.budget_vertices,
        before=None if before is None else before.cut,
        hysteresis=limits.hysteresis,
        locked=numbers.index(view.locked_level) if view.locked_level in numbers else None,
    )
    needed = _chunks_of(tree, chunks, needed_cells(tree, cut.cells))
    spent = _bytes_of(needed, limits)
    if spent <= limits.most_bytes or view.locked_level in numbers or len(cut.levels) == 0:
        return cut
    smaller = replace(view, budget_vertices=max(1, int(cut.predicted * 0.8)))
    if cut.levels[0] == len(tree) - 1 or cut.predicted <= 1:
        return cut
    return _cut(tree, smaller, limits, chunks, seen, expected, before)


def _chunks_of(tree: Sequence[CellLevel], chunks: Masks, cells: Masks) -> Masks:
    """The chunks in view that lie in some cells."""
    return tuple(mask & own[level.cell_of_chunk] for level, mask, own in zip(tree, chunks, cells, strict=True))


def _per_cell(level: CellLevel, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(level.cell_of_chunk, values, len(level)).astype(np.float64)


def _bytes_of(needed: Masks, limits: Limits) -> float:
    counts = [float(v[mask].sum()) for v, mask in zip(limits.vertices, needed, strict=True)]
    return float(np.dot(counts, limits.bytes_per_vertex))


def _ordered(
    tree: Sequence[CellLevel],
    view: ViewState,
    centre: NDArray[np.float64],
    chunks: Masks,
    levels: Sequence[bool] | None = None,
) -> Order:
    """Some chunks, of all levels or some, from a place outward."""
    parts, away = [], []
    for k, level in enumerate(tree):
        rows = np.flatnonzero(chunks[k]) if levels is None or levels[k] else np.zeros(0, np.int64)
        parts.append(np.stack((np.full(len(rows), k), rows), axis=1))
        away.append(distances(level, rows, view, centre))
    near = np.argsort(np.concatenate(away), kind="stable")
    return np.concatenate(parts).astype(np.int64)[near]


def _nearest(
    tree: Sequence[CellLevel],
    view: ViewState,
    limits: Limits,
    needed: Masks,
    expected: Sequence[NDArray[np.float64]],
    cut: Cut,
    notes: list[str],
) -> tuple[Masks, Cut]:
    """What of a cut that is too large fits, from the middle outward, one chunk at least."""
    order = _ordered(tree, view, view.centre, needed)
    counts = np.array([limits.vertices[k][row] for k, row in order.tolist()])
    spent = np.cumsum([expected[k][row] for k, row in order.tolist()])
    size = np.cumsum(counts * limits.bytes_per_vertex[order[:, 0]])
    fits = (spent <= view.budget_vertices) & (size <= limits.most_bytes)
    fits[:1] = True
    kept = [np.zeros(len(mask), bool) for mask in needed]
    for k in range(len(tree)):
        kept[k][order[fits & (order[:, 0] == k), 1]] = True
    if not fits.all():
        notes.append(
            f"{int(fits.sum())} of {len(order)} chunks in view are shown, from the middle outward: "
            "all would be more than the budget allows, and there is no coarser level"
        )
    return tuple(kept), replace(cut, predicted=float(spent[fits].max(initial=0)))


def _beyond(
    tree: Sequence[CellLevel],
    view: ViewState,
    limits: Limits,
    chunks: Masks,
    cut: Cut,
    allowed: Masks | None,
    notes: list[str],
) -> tuple[Masks, Order]:
    """Chunks out of view whose links may lead through it, as many as the budget leaves room for, the nearest first."""
    errors = limits.rule.bins * view.zoom_px_per_unit
    fine = np.flatnonzero(errors <= view.target_error_px).max(initial=0)  # where no chunk is in view there is no cut
    found = []
    for k, level in enumerate(tree):
        mask = np.zeros(len(level.chunk_lo), bool)
        if k in (cut.levels or (fine,)):
            mask = reaching_in(level, limits.reach, k, view, chunks[k])
            mask &= True if allowed is None else allowed[k]
            mask &= ~_is_covered(tree, cut, k)[level.cell_of_chunk]
        found.append(mask)
    order = _ordered(tree, view, view.centre, tuple(found))
    counts = np.array([limits.vertices[k][row] for k, row in order.tolist()])
    fits = np.cumsum(counts) <= view.budget_vertices - cut.predicted
    if not fits.all():
        notes.append(
            f"links that only pass through may be missing: the budget has no room for {int((~fits).sum())} more chunks"
        )
    kept = [np.zeros_like(mask) for mask in found]
    for k in range(len(tree)):
        kept[k][order[fits & (order[:, 0] == k), 1]] = True
    return tuple(kept), order[fits]


def _is_covered(tree: Sequence[CellLevel], cut: Cut, k: int) -> NDArray[np.bool_]:
    """Cells of a level whose place is shown by a coarser one."""
    above = cut.cells[-1]
    for j in range(len(tree) - 2, k - 1, -1):
        above = above[tree[j].parent]
        if j > k:
            above |= cut.cells[j]
    return above if k < len(tree) - 1 else np.zeros(len(tree[k]), bool)
