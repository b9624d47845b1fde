"""Chunks of all levels as one tree of nested cells, so that one level can stand in for another place by place.

Chunk grids of neighbouring levels need not fit into each other: chunks of 200 lie across chunks of 300. A cell is the
smallest box, anchored as all chunks are, that is a whole number of chunks of its own level and of all finer cells;
where grids nest, a cell is a chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable
from zvview.stream.facts import LevelFacts, StoreFacts

__all__ = ["CellLevel", "build_cells", "common_edges"]

_MOST_MULTIPLE = 64  # chunks along the edge of a cell before the whole level is taken as one


@dataclass(frozen=True, slots=True, eq=False)
class CellLevel:
    """The cells of one level; the coarsest level comes last.

    Attributes
    ----------
    facts : LevelFacts
    cell_of_chunk : (C,) int64 array
    parent : (K,) int64 array
        Cell of the next coarser level that holds each cell; -1 in the coarsest.
    lo, hi : (K, D) float64 arrays
        Corners of the cells in world coordinates.
    chunk_lo, chunk_hi : (C, D) float64 arrays
        Corners of the chunks in world coordinates.
    """

    facts: LevelFacts
    cell_of_chunk: NDArray[np.int64]
    parent: NDArray[np.int64]
    lo: NDArray[np.float64]
    hi: NDArray[np.float64]
    chunk_lo: NDArray[np.float64]
    chunk_hi: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.parent)


def common_edges(finer: NDArray[np.float64], coarser: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smallest edges, (D,), that are whole multiples of both; infinite where none is found among small multiples."""
    out = np.full(len(finer), np.inf)
    multiples = np.arange(1, _MOST_MULTIPLE + 1) * coarser[:, None]
    ratio = multiples / finer[:, None]
    fits = np.isfinite(ratio) & (np.abs(ratio - np.rint(ratio)) < 1e-6 * np.maximum(ratio, 1)) & (ratio > 0.5)
    axes = np.flatnonzero(fits.any(axis=1))
    out[axes] = multiples[axes, fits[axes].argmax(axis=1)]
    return out


def build_cells(facts: StoreFacts) -> tuple[CellLevel, ...]:
    """The tree of a store's levels, the finest level first."""
    edges: list[NDArray[np.float64]] = []
    for level in facts.levels:
        edges.append(common_edges(edges[-1], level.chunk_shape) if edges else level.chunk_shape)
    boxes = [_chunk_boxes(level, facts) for level in facts.levels]
    lows, highs = (np.concatenate([box[side] for box in boxes]) for side in (0, 1))
    zero = np.zeros(facts.ndim)
    extent = (lows.min(axis=0), highs.max(axis=0)) if len(lows) else (zero, zero)
    tables: list[ChunkTable] = []
    found: list[NDArray[np.int64]] = []
    for at, (level, edge) in enumerate(zip(facts.levels, edges, strict=True)):
        own = _spatial(level.chunks, facts.ndim)
        if not np.array_equal(edge, level.chunk_shape):
            own = _cells_at((own + 0.5) * level.chunk_shape, edge)
        beneath = [_cells_at((tables[-1].coords + 0.5) * _finite(edges[at - 1]), edge)] if at else []
        tables.append(ChunkTable.of(np.concatenate((own, *beneath))))
        found.append(tables[-1].find(own))
    return tuple(_cell_levels(facts, edges, tables, found, boxes, extent))


def _cell_levels(
    facts: StoreFacts,
    edges: Sequence[NDArray[np.float64]],
    tables: Sequence[ChunkTable],
    found: Sequence[NDArray[np.int64]],
    boxes: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    extent: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> list[CellLevel]:
    out = []
    for at, (level, edge, table) in enumerate(zip(facts.levels, edges, tables, strict=True)):
        if at + 1 < len(tables):
            parent = tables[at + 1].find(_cells_at((table.coords + 0.5) * _finite(edge), edges[at + 1]))
        else:
            parent = np.full(len(table), -1, np.int64)
        is_open = ~np.isfinite(edge)
        lo = np.where(is_open, extent[0], table.coords * _finite(edge) + facts.offset)
        hi = np.where(is_open, extent[1], (table.coords + 1) * _finite(edge) + facts.offset)
        out.append(CellLevel(level, found[at], parent, lo, hi, *boxes[at]))
    return out


def _spatial(chunks: NDArray[np.int64], ndim: int) -> NDArray[np.int64]:
    return chunks[:, chunks.shape[1] - ndim :]


def _chunk_boxes(level: LevelFacts, facts: StoreFacts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lo = _spatial(level.chunks, facts.ndim) * level.chunk_shape + facts.offset
    return lo, lo + level.chunk_shape


def _finite(edge: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(edge), edge, 0.0)


def _cells_at(middles: NDArray[np.float64], edge: NDArray[np.float64]) -> NDArray[np.int64]:
    """Coordinate of the cell at each place; 0 along an axis that one cell spans."""
    return np.floor(middles / edge).astype(np.int64)
