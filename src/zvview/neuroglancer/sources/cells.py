"""The grids of spatial levels: chunks of a store's levels on grids that share one corner.

Neuroglancer's levels all begin at the lower bound of a source. The chunks of a coarse level are multiples of finer
ones, so that a corner of the coarsest grid is one of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zvview.errors import UnsupportedError
from zvview.format.grid import ChunkTable
from zvview.format.sequences import offsets_of
from zvview.neuroglancer.encoding.morton import decode_morton, encode_morton
from zvview.stream.facts import LevelFacts

__all__ = ["LevelGrid", "common_corner", "finest_step", "grid_of_level", "parents_of"]

_NEARLY = 1e-9
_MOST_BITS = 64  # of the numbers of cells


@dataclass(frozen=True, slots=True, eq=False)
class LevelGrid:
    """Cells of one spatial level, and the chunks of a level of the store in each.

    Attributes
    ----------
    shape : (D,) int64 array
        Number of cells along each axis.
    cell_shape : (D,) float64 array
    first : (D,) int64 array
        Coordinates of the chunk in the first cell.
    codes : (n,) uint64 array
        Compressed Morton codes, ascending, of the cells that hold anything.
    offsets : (n + 1,) int64 array
        Bounds in `rows`.
    rows : (C,) int64 array
        Chunks of each cell: rows of the level's table.
    """

    shape: NDArray[np.int64]
    cell_shape: NDArray[np.float64]
    first: NDArray[np.int64]
    codes: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]

    def rows_of(self, code: int) -> list[int]:
        """The chunks of one cell; none where it holds nothing."""
        at = int(np.searchsorted(self.codes, np.uint64(code)))
        if at == len(self.codes) or int(self.codes[at]) != code:
            return []
        found: list[int] = self.rows[self.offsets[at] : self.offsets[at + 1]].tolist()
        return found

    def mean_held(self, counts: NDArray[np.float64]) -> float:
        """What a cell holds in which a vertex lies, on average, given the vertices of each chunk, (C,)."""
        held = np.add.reduceat(counts[self.rows], self.offsets[:-1])
        return float((held**2).sum() / max(1.0, float(held.sum())))

    def coords_of(self, codes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Cells by their codes, (n, D)."""
        return decode_morton(codes, tuple(self.shape.tolist()))


def common_corner(levels: Sequence[LevelFacts], ndim: int) -> NDArray[np.float64]:
    """The greatest corner of the coarsest grid that lies below all chunks of all levels, (D,), in stored coordinates.

    Raises
    ------
    UnsupportedError
        Chunks of a level are no multiples of those of the finer one.
    """
    edges = [level.chunk_shape for level in levels]
    for finer, coarser in pairwise(edges):
        ratio = coarser / finer
        if (np.abs(ratio - np.rint(ratio)) > _NEARLY * ratio).any() or (ratio < 0.5).any():
            raise UnsupportedError(f"chunks of {coarser.tolist()} are no multiples of chunks of {finer.tolist()}")
    least = [
        level.chunks[:, -ndim:].min(axis=0) * edge
        for level, edge in zip(levels, edges, strict=True)
        if len(level.chunks)  # all may have been deleted
    ]
    corner: NDArray[np.float64] = np.floor(np.min(least or [np.zeros(ndim)], axis=0) / edges[-1] + _NEARLY) * edges[-1]
    return corner


def finest_step(chunks: NDArray[np.int64], is_spatial: NDArray[np.bool_], least: int = 0) -> int:
    """How often the edges of chunks must double at least, so that a grid of such cells has numbers of 64 bits.

    One stray vertex far from all others makes the grid of a store's chunks larger than that.

    Parameters
    ----------
    chunks : (n, D) int64 array
    is_spatial : (D,) bool array
        Axes along which they double.
    least : int
        What is enough where the grid is small; negative where parts of chunks are cells.
    """
    if not len(chunks):
        return least
    spans = list(zip(chunks.min(axis=0).tolist(), chunks.max(axis=0).tolist(), is_spatial.tolist(), strict=True))
    for step in range(least, _MOST_BITS):
        wide, fine = max(step, 0), max(-step, 0)
        bits = [  # a corner that the grids of coarser levels share may lie as far away again
            ((hi >> wide) - (lo >> wide) + 1).bit_length() + fine + 1 if doubles else (hi - lo + 1).bit_length()
            for lo, hi, doubles in spans
        ]
        if sum(bits) <= _MOST_BITS:
            return step
    raise UnsupportedError("chunks lie further apart than their grid can be numbered")


def grid_of_level(level: LevelFacts, corner: NDArray[np.float64]) -> LevelGrid:
    """The cells of a level on a grid that begins at `corner`.

    Chunks that differ in leading coordinates alone, which attributes give, share a cell. A level without chunks has one
    cell, which holds nothing.
    """
    ndim = len(corner)
    first = np.rint(corner / level.chunk_shape).astype(np.int64)
    cells = level.chunks[:, -ndim:] - first
    shape = cells.max(axis=0, initial=0) + 1
    codes = encode_morton(cells, tuple(shape.tolist()))
    order = np.argsort(codes, kind="stable")
    distinct, starts = np.unique(codes[order], return_index=True)
    sizes = np.diff(np.append(starts, len(codes)))
    return LevelGrid(shape, level.chunk_shape, first, distinct, offsets_of(sizes), order)


def parents_of(
    level: LevelFacts, coarser: LevelFacts, table: ChunkTable, rows: NDArray[np.int64], ndim: int
) -> NDArray[np.int64]:
    """Row in `table`, that of the coarser level, of the chunk over each of some chunks; -1 where there is none."""
    ratio = np.rint(coarser.chunk_shape / level.chunk_shape).astype(np.int64)
    coords = level.chunks[rows].copy()
    coords[:, -ndim:] //= ratio
    return table.find(coords)
