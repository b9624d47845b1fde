"""Which chunks to show of those that are there: coarse ones stand in for what is on its way, without gap or double.

A cell above the cut gives way to finer ones only when all that are in view beneath it can be shown; until then it is
shown itself where its chunks are there. So a place is shown by one level at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.stream.cells import CellLevel
from zvview.stream.cut import Masks, needed_cells
from zvview.stream.plan import Plan

__all__ = ["Frame", "compose_frame"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What can be shown now.

    Attributes
    ----------
    chunks : masks of (C,) for each level
    ready, wanted : int
        Chunks of the plan that are there, and all that it needs.
    has_gaps : bool
        Whether some place that is in view is shown by no level.
    patches : masks of (C,) for each level, or None
        Those of `chunks` in whose place a coarser one stands in as well: there it must give way.
    """

    chunks: Masks
    ready: int
    wanted: int
    has_gaps: bool = False
    patches: Masks | None = None

    @property
    def is_complete(self) -> bool:
        """Whether all is there that the view needs."""
        return self.ready == self.wanted

    @property
    def levels(self) -> tuple[int, ...]:
        """Indices of the levels that are shown."""
        return tuple(k for k, mask in enumerate(self.chunks) if mask.any())

    def shows(self, other: Frame) -> bool:
        """Whether both show the same chunks."""
        return all(np.array_equal(a, b) for a, b in zip(self.chunks, other.chunks, strict=True))


def compose_frame(
    tree: Sequence[CellLevel], plan: Plan, is_there: Masks, *, with_finer: bool = True, with_patches: bool = False
) -> Frame:
    """The frame of a plan.

    Parameters
    ----------
    tree : sequence of CellLevel
        The finest level first.
    plan : Plan
    is_there : masks of (C,) for each level
        Chunks in memory, and those that are known to hold nothing.
    with_finer : bool
        Whether finer chunks than the plan asks for may stand in: after zooming out they are there already.
    with_patches : bool
        Whether what is there beneath cells that stand in is shown, too.
    """
    relevant = _relevant_chunks(tree, plan)
    missing = [
        np.bincount(level.cell_of_chunk[mask & ~there], minlength=len(level))
        for level, mask, there in zip(tree, relevant, is_there, strict=True)
    ]
    held = [
        np.bincount(level.cell_of_chunk[mask], minlength=len(level)) > 0
        for level, mask in zip(tree, relevant, strict=True)
    ]
    ready = _ready_cells(tree, missing)
    can_show = [a & b for a, b in zip(ready, held, strict=True)]
    shown, has_gaps = _shown_cells(tree, plan, ready, can_show, with_finer)
    cells = needed_cells(tree, shown)
    chunks = tuple(
        own[level.cell_of_chunk] & mask & there
        for level, own, mask, there in zip(tree, cells, relevant, is_there, strict=True)
    )
    wanted = sum(int(mask.sum()) for mask in plan.needed)
    there_now = sum(int((mask & there).sum()) for mask, there in zip(plan.needed, is_there, strict=True))
    if there_now == wanted:  # what lies out of view must not stand where coarser chunks stand in
        chunks = tuple(mask | more for mask, more in zip(chunks, plan.beyond, strict=True))
    if not with_patches or there_now == wanted:
        return Frame(chunks, there_now, wanted, has_gaps)
    patches = _patches(tree, plan, shown, relevant, is_there, with_finer=with_finer)
    chunks = tuple(mask | more for mask, more in zip(chunks, patches, strict=True))
    return Frame(chunks, there_now, wanted, has_gaps, patches if any(mask.any() for mask in patches) else None)


def _patches(
    tree: Sequence[CellLevel], plan: Plan, shown: Masks, relevant: Masks, is_there: Masks, *, with_finer: bool
) -> Masks:
    """Chunks that are there, beneath cells that stand in for the cut: down to the cut, or to what is there below it."""
    out = [np.zeros_like(mask) for mask in is_there]
    beneath = np.zeros(len(tree[-1]), bool)
    for k in range(len(tree) - 2, -1, -1):
        coarser, cut = tree[k + 1], plan.cut
        is_met = np.bincount(coarser.cell_of_chunk[out[k + 1]], minlength=len(coarser)) > 0
        beneath &= ~(cut.cells[k + 1] & (is_met if with_finer else True))
        beneath = (beneath | (shown[k + 1] & cut.split[k + 1]))[tree[k].parent]
        out[k] = relevant[k] & is_there[k] & beneath[tree[k].cell_of_chunk]
    return tuple(out)


def _relevant_chunks(tree: Sequence[CellLevel], plan: Plan) -> Masks:
    """What a cell shows: what the plan needs of it, or all in view where it would stand in."""
    needed = needed_cells(tree, plan.cut.cells)
    return tuple(
        np.where(own[level.cell_of_chunk], wanted & ~more, seen)
        for level, own, wanted, more, seen in zip(tree, needed, plan.needed, plan.beyond, plan.chunks, strict=True)
    )


def _ready_cells(tree: Sequence[CellLevel], missing: Sequence[NDArray[np.int64]]) -> list[NDArray[np.bool_]]:
    """Cells whose chunks are there, with those that they add to."""
    ready = [count == 0 for count in missing]
    for k in range(len(tree) - 2, -1, -1):
        if tree[k].facts.is_added:
            ready[k] &= ready[k + 1][tree[k].parent]
    return ready


def _shown_cells(
    tree: Sequence[CellLevel],
    plan: Plan,
    ready: Sequence[NDArray[np.bool_]],
    can_show: Sequence[NDArray[np.bool_]],
    with_finer: bool,
) -> tuple[Masks, bool]:
    cut = plan.cut
    finer_all: list[NDArray[np.bool_]] = []  # upward: can all in view beneath a cell be shown?
    below_all: list[NDArray[np.bool_]] = []
    reaches: list[NDArray[np.bool_]] = []
    for k in range(len(tree)):
        if k:
            is_lost = plan.seen[k - 1] & ~(can_show[k - 1] | finer_all[-1])
            finer_all.append((_beneath(tree, k, is_lost) == 0) & (_beneath(tree, k, plan.seen[k - 1]) > 0))
            below_all.append(_beneath(tree, k, plan.seen[k - 1] & ~reaches[-1]) == 0)
        else:
            finer_all.append(np.zeros(len(tree[0]), bool))
            below_all.append(np.ones(len(tree[0]), bool))
        on_cut = ready[k] | finer_all[k] if with_finer else ready[k]
        reaches.append(np.where(cut.cells[k], on_cut, below_all[k] | can_show[k]))
    has_gaps = bool((plan.seen[-1] & ~reaches[-1]).any())
    shown: list[NDArray[np.bool_]] = [np.zeros(0, bool)] * len(tree)
    go = plan.seen[-1]
    for k in range(len(tree) - 1, -1, -1):
        own = np.where(cut.split[k], can_show[k] & ~below_all[k], can_show[k])
        shown[k] = go & np.where(cut.cells[k], ready[k], own)
        onward = go & ~shown[k]
        if not with_finer:
            onward &= cut.split[k]
        if k:
            go = onward[tree[k - 1].parent] & plan.seen[k - 1]
    return tuple(shown), has_gaps


def _beneath(tree: Sequence[CellLevel], k: int, marked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many marked cells of the next finer level lie in each cell of level `k`."""
    return np.bincount(tree[k - 1].parent[marked], minlength=len(tree[k]))
