"""From a view to the chunks that it needs, in the order in which to read them: pure, no file and no window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zvview.stream.cells import CellLevel
from zvview.stream.cut import Cut, Masks, Splitting, choose_cut, extend_cut, needed_cells
from zvview.stream.reach import Reach, reaching_in
from zvview.stream.seeing import distances, px_per_unit, see_chunks, seen_cells, slab_shares
from zvview.stream.view import ViewState, widened

__all__ = ["Limits", "Plan", "plan_ahead", "plan_view"]

Order = NDArray[np.int64]
"""(W, 2): index of the level and row of the chunk, in the order of reading."""


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
    """

    rule: Splitting
    vertices: Sequence[NDArray[np.float64]]
    bytes_per_vertex: NDArray[np.float64]
    most_bytes: float
    reach: Reach
    hysteresis: float = 0.25


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
        What to read, of the coarsest level first, then of the cut from the middle of the view outward.
    stand_ins : int
        How many of the first rows of `order` stand in until the others are there.
    notes : tuple of str
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


def plan_view(
    tree: Sequence[CellLevel],
    view: ViewState,
    limits: Limits,
    before: Plan | None = None,
    allowed: Masks | None = None,
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
    """
    chunks = see_chunks(tree, view, allowed)
    seen = seen_cells(tree, chunks)
    cut = _cut(tree, view, limits, chunks, seen, before)
    needed = _chunks_of(tree, chunks, needed_cells(tree, cut.cells))
    notes: list[str] = []
    if cut.predicted > view.budget_vertices or _bytes_of(needed, limits) > limits.most_bytes:
        needed, cut = _nearest(tree, view, limits, needed, cut, notes)
    top = len(tree) - 1
    first = np.zeros((0, 2), np.int64)
    if not needed[top].any() and len(cut.levels):
        spare = limits.vertices[top][chunks[top]].sum() <= view.budget_vertices / 2
        first = _ordered(tree, view, [k == top and spare for k in range(len(tree))], chunks)
    order = _ordered(tree, view, [True] * len(tree), needed)
    beyond = tuple(np.zeros_like(mask) for mask in needed)
    if limits.reach.is_any and not notes:
        beyond, after = _beyond(tree, view, limits, chunks, cut, allowed, notes)
        order = np.concatenate((order, after))
        needed = tuple(a | b for a, b in zip(needed, beyond, strict=True))
    return Plan(view, cut, chunks, seen, needed, beyond, np.concatenate((first, order)), len(first), tuple(notes))


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
    goal = replace(view, lo=tuple(np.add(plan.view.lo, motion)), hi=tuple(np.add(plan.view.hi, motion)))
    return _ordered(tree, goal, [True] * len(tree), fresh)


def _cut(
    tree: Sequence[CellLevel], view: ViewState, limits: Limits, chunks: Masks, seen: Masks, before: Plan | None
) -> Cut:
    share = [slab_shares(level, view) for level in tree]
    weights = [
        _per_cell(level, np.where(mask, counts * part, 0.0))
        for level, mask, counts, part in zip(tree, chunks, limits.vertices, share, strict=True)
    ]
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
    return _cut(tree, smaller, limits, chunks, seen, before)


def _chunks_of(tree: Sequence[CellLevel], chunks: Masks, cells: Masks) -> Masks:
    """The chunks in view that lie in some cells."""
    return tuple(mask & own[level.cell_of_chunk] for level, mask, own in zip(tree, chunks, cells, strict=True))


def _per_cell(level: CellLevel, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(level.cell_of_chunk, values, len(level)).astype(np.float64)


def _bytes_of(needed: Masks, limits: Limits) -> float:
    counts = [float(v[mask].sum()) for v, mask in zip(limits.vertices, needed, strict=True)]
    return float(np.dot(counts, limits.bytes_per_vertex))


def _ordered(tree: Sequence[CellLevel], view: ViewState, levels: Sequence[bool], chunks: Masks) -> Order:
    """Some chunks of some levels, from the middle outward."""
    parts, away = [], []
    for k, level in enumerate(tree):
        rows = np.flatnonzero(chunks[k]) if levels[k] else np.zeros(0, np.int64)
        parts.append(np.stack((np.full(len(rows), k), rows), axis=1))
        away.append(distances(level, rows, view))
    near = np.argsort(np.concatenate(away), kind="stable")
    return np.concatenate(parts).astype(np.int64)[near]


def _nearest(
    tree: Sequence[CellLevel], view: ViewState, limits: Limits, needed: Masks, cut: Cut, notes: list[str]
) -> tuple[Masks, Cut]:
    """What of a cut that is too large fits, from the middle outward, one chunk at least."""
    order = _ordered(tree, view, [True] * len(tree), needed)
    counts = np.array([limits.vertices[k][row] * 1.0 for k, row in order.tolist()])
    shares = np.array([slab_shares(level, view).mean() if len(level.chunk_lo) else 1.0 for level in tree])
    spent = np.cumsum(counts * shares[order[:, 0]])
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
    order = _ordered(tree, view, [True] * len(tree), tuple(found))
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
