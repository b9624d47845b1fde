"""Spatial levels by rank, for points whose store has no levels that can serve: each a fair sample of what is left.

A point's rank is a hash of its name, so that nothing is stored of it and each point is in one level. The cells of the
first levels hold many chunks each, those of the last ones may be parts of a chunk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.neuroglancer.encoding.morton import decode_morton, encode_morton
from zvview.neuroglancer.sources.cells import LevelGrid, common_corner, finest_step, grid_of_level
from zvview.neuroglancer.sources.tiers import rank_names
from zvview.stream.facts import LevelFacts

__all__ = ["RankedLevel", "plan_ranks", "rank_names"]

LIMIT: Final = 8000
"""Points of a cell: smaller ones are more requests, larger ones come later."""

MOST_READ: Final = 100_000
"""Points that may be read for a cell each time that it is asked for; of more a sample is kept."""

_SLACK: Final = 2  # times as many as wished are no reason for a level more
_MOST_PARTS: Final = 3  # halvings of a chunk: beyond it the client asks for many cells that hold nothing
_ALL: Final = 1 << 32


@dataclass(frozen=True, slots=True, eq=False)
class RankedLevel:
    """The points of one spatial level: those whose rank is in ``[first, below)``.

    Attributes
    ----------
    grid : LevelGrid
        Of its cells, or, where these are parts of chunks, of the chunks.
    parts : (D,) int64 array
        Cells along each edge of a chunk; 1 where cells are chunks or hold several.
    first, below : int
    density : float
        Points of a cell in which a point of the level lies, on average.
    is_kept : bool
        Whether its cells come from samples that are kept, since they hold too many points to be read each time.
    """

    grid: LevelGrid
    parts: NDArray[np.int64]
    first: int
    below: int
    density: float
    is_kept: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of cells along each axis."""
        return tuple((self.grid.shape * self.parts).tolist())

    @property
    def cell_shape(self) -> NDArray[np.float64]:
        """Edges of a cell, (D,)."""
        return self.grid.cell_shape / self.parts

    def chunks_of(self, codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Codes in `grid` of what some cells, (n,), are parts of."""
        coords = decode_morton(codes, self.shape) // self.parts
        return encode_morton(coords, tuple(self.grid.shape.tolist()))

    def cells_of(self, code: int) -> NDArray[np.uint64]:
        """Codes, ascending, of the cells in one cell of `grid`."""
        shape = tuple(self.parts.tolist())
        inner = np.indices(shape).reshape(len(shape), -1).T
        chunk = self.grid.coords_of(np.array([code], np.uint64))
        return np.sort(encode_morton(chunk * self.parts + inner, self.shape))


def plan_ranks(
    level: LevelFacts, counts: NDArray[np.float64], is_spatial: NDArray[np.bool_], most_kept: int
) -> tuple[NDArray[np.float64], tuple[RankedLevel, ...]]:
    """The spatial levels of the points of a level of a store, the first drawn first.

    Parameters
    ----------
    level : LevelFacts
    counts : (C,) float64 array
        Points of each of its chunks, about.
    is_spatial : (D,) bool array
        Axes along which cells may hold several chunks.
    most_kept : int
        Points that all samples together may have.

    Returns
    -------
    corner : (D,) float64 array
        Stored coordinates at which all grids begin.
    levels : tuple of RankedLevel
        The last takes all that is left.

    Raises
    ------
    UnsupportedError
        The chunks are too far apart.
    """
    ndim, total = len(is_spatial), max(1.0, float(counts.sum()))
    finest = finest_step(level.chunks[:, -ndim:], is_spatial, -_MOST_PARTS)
    widest = max(_widest(level.chunks[:, -ndim:], is_spatial), finest)
    facts = [_wider(level, np.where(is_spatial, 1 << step, 1)) for step in range(widest + 1)]
    corner = common_corner(facts, ndim)
    out: list[RankedLevel] = []
    taken = kept = 0.0
    for step in range(widest, finest - 1, -1):
        parts = np.where(is_spatial, 1 << max(0, -step), 1)
        grid = grid_of_level(facts[max(step, 0)], corner)
        held = grid.mean_held(counts)
        is_kept = held > MOST_READ and step > max(finest, 0)
        in_cell = held / float(parts.prod())
        is_last = (1 - taken) * in_cell <= _SLACK * LIMIT and not is_kept
        share = 1 - taken if is_last or step == finest else LIMIT / in_cell
        if is_kept and kept + share * total > most_kept:
            continue
        kept += share * total * is_kept
        first, taken = taken, taken + share
        below = _ALL if taken >= 1 else int(taken * _ALL)
        out.append(RankedLevel(grid, parts, int(first * _ALL), below, share * in_cell, is_kept))
        if below == _ALL:
            break
    return corner, tuple(out)


def _widest(cells: NDArray[np.int64], is_spatial: NDArray[np.bool_]) -> int:
    """How often the edges of chunks must double until two along each axis hold all."""
    if not len(cells):
        return 0
    lo, hi = cells.min(axis=0)[is_spatial], cells.max(axis=0)[is_spatial]
    step = 0
    while len(lo) and ((hi >> step) - (lo >> step) > 1).any():
        step += 1
    return step


def _wider(level: LevelFacts, factors: NDArray[np.int64]) -> LevelFacts:
    chunks = level.chunks.copy()
    chunks[:, -len(factors) :] //= factors
    return replace(level, chunk_shape=level.chunk_shape * factors, chunks=chunks)
