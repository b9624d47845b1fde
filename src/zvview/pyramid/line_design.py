"""What decides a level of lines: the bin, and with it how far geometry may move and how many objects may go.

The bin promises that nothing of level 0 is farther than its edge from the level, nor the other way round. Half of the
edge is for simplification and half for objects that are left out, each summed over the levels: with bins that double at
least, a level may always spend a quarter. Of the bins that can be, the least is taken with which vertices fall by the
wished factor: by simplification alone if that is enough, else with fewer objects, of which those that only keep bins
from being empty are at most half, so that the picture stays fair.

A wish for a share of the objects comes before all that: then it is kept to, whether bins become empty or not, and the
bin is one in which nine of ten are still passed; the promise holds for the objects that are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError, InvalidInputError
from zvview.format.metadata import space_axes
from zvview.pyramid.chunk_choice import choose_multiples, count_parts
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.line_sample import LineSample, sample_lines
from zvview.pyramid.object_choice import ALL
from zvview.pyramid.parts import row_bytes
from zvview.pyramid.passes import STEPS
from zvview.store.level import Level

__all__ = ["SIMPLIFY", "SPARSITY", "LineRules", "design_lines"]

SIMPLIFY, SPARSITY = "simplify", "sparsity"

_FINEST = 16  # halvings of a chunk down to the least bin that is looked at
_COARSEST = 4  # bins along the extent at least
_COARSEST_OF_WISH = 64  # the same where objects go in any case, and geometry must not go with them
_MOST_EXTRAS = 0.5  # of a level's vertices: those of objects that are kept for bins alone
_STILL_PASSED = 0.9  # of the bins, where the share of objects is wished
_EXACT = 1e-9
_UNITS = 64  # of length, in an edge of the bin


@dataclass(frozen=True, slots=True)
class LineRules:
    """How a level is made, as it is kept in :attr:`~zvview.pyramid.design.LevelDesign.parameters`.

    Attributes
    ----------
    seed : int
        Of the hashes.
    threshold : int
        Objects whose hash is below it stay; 2**32 keeps all.
    tolerance : float
        Of simplification, in coordinate units; 0 for none.
    selection : D floats or None
        Edges of the bins in each of which one object stays.
    is_space : D booleans
    instants : D floats
        Along axes that are not space, how near two moments are the same; 0 in space.
    unit : float
        Of lengths.
    moved, left_out : float
        By how much the levels up to this one may have moved lines, and left out lines, in sum.
    """

    seed: int
    threshold: int
    tolerance: float
    selection: tuple[float, ...] | None
    is_space: tuple[bool, ...]
    instants: tuple[float, ...]
    unit: float
    moved: float = 0.0
    left_out: float = 0.0

    def document(self) -> dict[str, Any]:
        """Fit for JSON."""
        names = tuple(LineRules.__dataclass_fields__)
        values = {name: getattr(self, name) for name in names}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    @classmethod
    def parse(cls, parameters: Mapping[str, Any]) -> LineRules:
        """From what :meth:`document` gave.

        Raises
        ------
        DamagedError
            Other keys than that has.
        """
        if set(parameters) != set(cls.__dataclass_fields__):
            odd = sorted(set(parameters) ^ set(cls.__dataclass_fields__), key=str)
            raise DamagedError(
                "parameters of a level of lines", found=f"{odd} too many or missing", expected="what zvview writes"
            )
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in parameters.items()}
        return cls(**values)


def design_lines(fine: Level, previous: LevelDesign | None, options: PyramidOptions, method: str) -> LevelDesign:
    """The level that follows `fine`.

    Raises
    ------
    InvalidInputError
        Wished shapes that do not divide each other.
    """
    is_space = space_axes(fine.axes)
    sample = sample_lines(fine, is_space, options.seed)
    if previous is None:
        instants = tuple(sample.find_instants(fine.resolution).tolist())
        before = LineRules(options.seed, ALL, 0.0, None, tuple(is_space.tolist()), instants, 1.0)
    else:
        before = replace(LineRules.parse(previous.parameters), tolerance=0.0, selection=None)
    wished_chunk, wished_bin = (
        options.shape_of(what, fine.number + 1, len(is_space)) for what in ("chunk_shapes", "bin_shapes")
    )
    parts = _COARSEST if options.object_sparsity is None else _COARSEST_OF_WISH
    candidates = _bins(fine, previous, is_space, parts) if wished_bin is None else [wished_bin]
    weigh = _Scales(sample, before, options, method)
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if weigh.is_enough(candidates[middle]) else (middle + 1, high)
    edges = candidates[low]
    rules, share = weigh.settle(edges)
    chunk = _choose_chunk(fine, share, is_space) if wished_chunk is None else wished_chunk
    for edge, unit in zip(chunk.tolist(), fine.chunk_shape.tolist(), strict=True):
        count_parts(edge, unit, "chunk")
    if wished_bin is None:
        edges = np.where(is_space, _fit(edges, chunk), edges)
    elif (np.abs(_fit(edges, chunk) - edges) > _EXACT * edges).any():
        raise InvalidInputError(f"a bin of {edges.tolist()} does not divide the chunk {chunk.tolist()}")
    return LevelDesign(fine.number + 1, tuple(chunk.tolist()), tuple(edges.tolist()), method, rules.document())


class _Scales:
    """Weighs bins: what a level would hold with each."""

    def __init__(self, sample: LineSample, before: LineRules, options: PyramidOptions, method: str) -> None:
        self._sample, self._before, self._wish = sample, before, options.object_sparsity
        self._goal = 1 / options.factor
        self._simplifies = method == SIMPLIFY and sample.can_simplify
        self._is_space = np.array(before.is_space)

    def is_enough(self, edges: NDArray[np.float64]) -> bool:
        """Whether vertices fall by the factor, or the wish is met."""
        selection, room = self._selection(edges), self._room_to_move(edges)
        if self._wish is not None:
            is_passed = self._sample.share_covered(self._threshold_of_wish(), selection) >= _STILL_PASSED
            return is_passed and self._tolerance_of_wish() <= room
        left = self._sample.share_of_vertices(room)
        return left <= self._goal or self._sample.share_needed(selection) * left <= self._goal * _MOST_EXTRAS

    def settle(self, edges: NDArray[np.float64]) -> tuple[LineRules, float]:
        """The rules that a bin leads to, and about the share of the vertices that stay."""
        room, rest = self._room_to_move(edges), self._room_to_leave_out(edges)
        least = self._tolerance_of_wish() if self._wish is not None else self._sample.tolerance_for(self._goal)
        tolerance = min(room, least) if self._simplifies else 0.0
        left = self._sample.share_of_vertices(tolerance)
        unit = float(edges[self._is_space].min()) / _UNITS
        rules = replace(self._before, tolerance=tolerance, unit=unit, moved=self._before.moved + tolerance)
        if self._wish is not None:
            return replace(rules, threshold=self._threshold_of_wish()), left * self._wish
        if left <= self._goal or rest <= 0:
            return replace(rules, threshold=ALL), left
        selection = self._selection(edges)
        threshold, kept = self._sample.fill(selection, self._goal / left)
        if threshold == ALL:
            return replace(rules, threshold=ALL), left
        left_out = self._before.left_out + rest
        return replace(rules, threshold=threshold, selection=tuple(selection.tolist()), left_out=left_out), kept * left

    def _threshold_of_wish(self) -> int:
        return ALL if self._wish is None else max(1, round(self._before.threshold * self._wish))

    def _tolerance_of_wish(self) -> float:
        """What simplification has to do where fewer objects are not enough."""
        return self._sample.tolerance_for(self._goal / (self._wish or 1.0)) if self._simplifies else 0.0

    def _room_to_move(self, edges: NDArray[np.float64]) -> float:
        edge = float(edges[self._is_space].min()) * (1 - _EXACT)
        return max(0.0, edge / 2 - self._before.moved) if self._simplifies else 0.0

    def _room_to_leave_out(self, edges: NDArray[np.float64]) -> float:
        edge = float(edges[self._is_space].min()) * (1 - _EXACT)
        return max(0.0, (edge / 2 if self._simplifies else edge - self._before.moved) - self._before.left_out)

    def _selection(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bins small enough: a point is near a sample of its segment, and that shares a bin with one that is kept."""
        room = max(self._room_to_leave_out(edges), float(edges[self._is_space].min()) * _EXACT)
        edge = room / (float(np.sqrt(self._is_space.sum())) + 0.5 / STEPS)
        return np.where(self._is_space, edge, self._before.instants)


def _bins(
    fine: Level, previous: LevelDesign | None, is_space: NDArray[np.bool_], parts: int
) -> list[NDArray[np.float64]]:
    """Bins that a level may have: each twice the one before in space, from twice that of the finer level on."""
    if previous is None:
        first = fine.chunk_shape / 2**_FINEST
    else:
        first = np.array(previous.bin_shape) * 2
    chunks = fine.chunks[:, fine.chunks.shape[1] - len(is_space) :]
    extent = (np.ptp(chunks, axis=0) + 1) * fine.chunk_shape if len(chunks) else fine.chunk_shape
    longest = float(extent[is_space].max())
    doublings = int(max(0, np.floor(np.log2(longest / parts / first[is_space].min()))))
    return [np.where(is_space, first * 2.0**i, fine.resolution) for i in range(doublings + 1)]


def _choose_chunk(fine: Level, share: float, is_space: NDArray[np.bool_]) -> NDArray[np.float64]:
    edges, chunks = fine.chunk_shape, fine.chunks
    held = fine.chunk_vertex_counts.astype(np.float64) * share * row_bytes(fine)
    spatial = chunks[:, chunks.shape[1] - len(edges) :]
    multiples = choose_multiples(spatial, held, edges.tolist(), is_space.tolist())
    return np.multiply(edges, multiples)


def _fit(edges: NDArray[np.float64], chunk: NDArray[np.float64]) -> NDArray[np.float64]:
    """The next larger bin that divides the chunk or is a multiple of it."""
    inside = chunk / np.maximum(1, np.floor(chunk / edges * (1 + _EXACT)))
    return np.where(edges <= chunk * (1 + _EXACT), inside, chunk * np.ceil(edges / chunk * (1 - _EXACT)))
