"""Which level to show where: a cut through the tree of cells, by screen error and by budget.

From the coarsest cells down, a cell is split while the bin of its level takes more pixels than wanted. Where that is
more than the budget allows, first the splits that no bin asks for are given up (levels that differ in how much they
leave out only), then the wanted error is raised until the cut fits. One zoom for all gives one level for all; under a
perspective near regions are split further than far ones.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zvview.stream.cells import CellLevel

__all__ = ["Cut", "Splitting", "choose_cut", "extend_cut", "needed_cells", "splitting_of"]

Masks = tuple[NDArray[np.bool_], ...]

_NUDGE = 1 + 1e-4  # parts levels with the same bins, so that a budget can fall between them


@dataclass(frozen=True, slots=True, eq=False)
class Splitting:
    """When a cell of each level gives way to finer ones.

    Attributes
    ----------
    bins : (L,) float64 array
        Longest edge, among the axes that count, of the bins of each level.
    is_free : (L,) bool array
        Levels that are left for the next finer one whenever the budget allows: those with the same bins, which only
        hold less, and those that lack attributes or links.
    """

    bins: NDArray[np.float64]
    is_free: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """What is to be shown where.

    Attributes
    ----------
    cells : masks of (K,) for each level
        The cells that are to be shown.
    reached, split : masks of (K,) for each level
        Cells in view on the way down, and those of them that were split.
    predicted : float
        Vertices.
    is_uniform : bool
        One level for all.
    limit_px : float
        The error, in pixels, that splits a cell.
    floor : int
        Free splits were made at levels from here on.
    """

    cells: Masks
    reached: Masks
    split: Masks
    predicted: float
    is_uniform: bool = True
    limit_px: float = 0.0
    floor: int = 0

    @property
    def levels(self) -> tuple[int, ...]:
        """Indices of the levels that have a part in it."""
        return tuple(k for k, cells in enumerate(self.cells) if cells.any())


def splitting_of(tree: Sequence[CellLevel], axes: Sequence[int], is_spatial: NDArray[np.bool_]) -> Splitting:
    """The rule for a tree of levels on a canvas that shows `axes`; level 0 is exact, whatever its bins."""
    counted = [axis for axis in axes if is_spatial[axis]] or list(axes)
    bins = np.array([level.facts.bin_shape[counted].max() for level in tree])
    is_free = np.zeros(len(tree), bool)
    for k in range(1, len(tree)):
        lacks_more = len(tree[k].facts.lacks) > len(tree[k - 1].facts.lacks)
        is_sparser = tree[k].facts.sparsity < tree[k - 1].facts.sparsity
        is_alike = bool(np.isclose(bins[k], bins[k - 1], rtol=1e-3))
        is_free[k] = lacks_more or (is_sparser and is_alike)
        if is_alike and k > 1:
            bins[k] = bins[k - 1] * _NUDGE
    return Splitting(bins, is_free)


def choose_cut(
    tree: Sequence[CellLevel],
    seen: Masks,
    px_per_unit: Sequence[NDArray[np.float64]],
    weights: Sequence[NDArray[np.float64]],
    rule: Splitting,
    *,
    target_px: float,
    budget: float,
    before: Cut | None = None,
    hysteresis: float = 0.25,
    locked: int | None = None,
) -> Cut:
    """The cut for one view.

    Parameters
    ----------
    tree : sequence of CellLevel
        The finest level first.
    seen : masks of (K,) for each level
        Cells in view; the parent of one that is in view must be as well.
    px_per_unit : (K,) arrays, one for each level
        Most pixels that a unit takes in each cell.
    weights : (K,) arrays, one for each level
        Vertices that are expected in the part of each cell that is in view.
    rule : Splitting
    target_px, budget : float
    before : Cut, optional
        The one that was shown; what it split is joined again, and the other way round, only when the error is beyond
        the target by the part `hysteresis`, so that a trembling zoom does not change levels.
    locked : int, optional
        Index of the level to show whatever the rule says.
    """
    is_uniform = all(len(px) == 0 or px.min() == px.max() for px in px_per_unit)
    search = _Search(tree, seen, px_per_unit, weights, rule, before, 1 + hysteresis, is_uniform, locked)
    if locked is not None:
        return search.cut(target_px, 0)
    free = [0, *(np.flatnonzero(rule.is_free) + 1).tolist()]
    for floor in free:
        cut = search.cut(target_px, floor)
        if search.fits(cut, budget):
            return cut
    none = len(tree)
    limits = search.limits_above(target_px)
    at = bisect_left(limits, True, key=lambda limit: search.fits(search.cut(limit, none), budget))
    return search.cut(limits[min(at, len(limits) - 1)], none)


def extend_cut(
    tree: Sequence[CellLevel],
    seen: Masks,
    px_per_unit: Sequence[NDArray[np.float64]],
    rule: Splitting,
    cut: Cut,
    hysteresis: float = 0.25,
) -> Cut:
    """A cut by the same limits for more cells in view; those that it knows stay as they are."""
    weights = [np.zeros(len(level)) for level in tree]
    search = _Search(tree, seen, px_per_unit, weights, rule, cut, 1 + hysteresis, cut.is_uniform, None)
    return search.cut(cut.limit_px, cut.floor)


def needed_cells(tree: Sequence[CellLevel], cells: Masks) -> Masks:
    """The cells of a cut with those that they add to, up to the level that stands for itself."""
    needed = [mask.copy() for mask in cells]
    for k, level in enumerate(tree[:-1]):
        if level.facts.is_added:
            needed[k + 1][level.parent[needed[k]]] = True
    return tuple(needed)


@dataclass(slots=True)
class _Search:
    """Cuts of one view for different limits."""

    tree: Sequence[CellLevel]
    seen: Masks
    px_per_unit: Sequence[NDArray[np.float64]]
    weights: Sequence[NDArray[np.float64]]
    rule: Splitting
    before: Cut | None
    slack: float
    is_uniform: bool
    locked: int | None
    _errors: list[NDArray[np.float64]] = field(init=False)

    def __post_init__(self) -> None:
        pairs = zip(self.rule.bins.tolist(), self.px_per_unit, strict=True)
        self._errors = [edge * px / self._scale(k) for k, (edge, px) in enumerate(pairs)]

    def limits_above(self, target_px: float) -> list[float]:
        """All limits from the target on that make a difference, ascending: the errors of the cells in view."""
        errors = [error[seen] for error, seen in zip(self._errors[1:], self.seen[1:], strict=True)]
        found = np.unique(np.concatenate([[target_px], *errors]))
        return [float(limit) for limit in found[found >= target_px]]

    def cut(self, limit_px: float, floor: int) -> Cut:
        """The cut whose cells have no greater error; free splits are made at levels from `floor` on."""
        count = len(self.tree)
        cells, reached, split = ([np.zeros(len(level), bool) for level in self.tree] for _ in range(3))
        reached[-1] = self.seen[-1].copy()
        for k in range(count - 1, -1, -1):
            if k == 0 or (self.locked is not None and k <= self.locked):
                cells[k] = reached[k]
                break
            if self.locked is not None or (self.rule.is_free[k] and k >= floor):
                split[k] = reached[k].copy()
            else:
                split[k] = reached[k] & (self._errors[k] > limit_px)
            cells[k] = reached[k] & ~split[k]
            parent = self.tree[k - 1].parent
            reached[k - 1] = split[k][parent] & self.seen[k - 1]
        shown = needed_cells(self.tree, tuple(cells))
        predicted = sum(float(w[mask].sum()) for w, mask in zip(self.weights, shown, strict=True))
        masks = (tuple(cells), tuple(reached), tuple(split))
        return Cut(*masks, predicted, self.is_uniform, limit_px, floor)

    def _scale(self, k: int) -> NDArray[np.float64] | float:
        """How much more, or less, error than wanted lets a cell stay as it was."""
        if self.before is None:
            return 1.0
        if self.is_uniform and self.before.is_uniform:
            return 1 / self.slack if self.before.split[k].any() else self.slack
        kept = np.where(self.before.split[k], 1 / self.slack, self.slack)
        return np.where(self.before.reached[k], kept, 1.0)

    def fits(self, cut: Cut, budget: float) -> bool:
        """Whether a cut is within the budget; one that is finer than before must leave room."""
        if self.before is not None and cut.predicted > budget / self.slack:
            pairs = zip(cut.split, self.before.split, self.before.reached, strict=True)
            if self.is_uniform and self.before.is_uniform:
                is_finer = any(now.any() and not then.any() for now, then, _ in pairs)
            else:
                is_finer = any((now & ~then & known).any() for now, then, known in pairs)
            return not is_finer and cut.predicted <= budget
        return cut.predicted <= budget
