"""Cutting a level into parts of work: blocks of whole output chunks, and slices of objects that lie near each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable
from zvview.store.level import Level

__all__ = ["PART_BYTES", "chunk_blocks", "object_slices", "row_bytes"]

PART_BYTES = 48 << 20
"""About how much of the finer level a task reads."""


def chunk_blocks(
    fine: Level, chunk_shape: Sequence[float], part_bytes: int = PART_BYTES, chunks: NDArray[np.int64] | None = None
) -> list[NDArray[np.int64]]:
    """Chunks of `fine`, in blocks (m, D) that cover whole chunks of edges `chunk_shape`, multiples of its own.

    A block has one output chunk at least, and as many as its bytes allow. With `chunks`, some of those of `fine`, only
    these are dealt out.
    """
    counts = fine.chunk_vertex_counts
    if chunks is None:
        chunks = fine.chunks
    else:
        counts = counts[ChunkTable.of(fine.chunks).find(chunks)]
    ratio = np.rint(np.array(chunk_shape) / fine.chunk_shape).astype(np.int64)
    parents = np.floor_divide(chunks[:, chunks.shape[1] - len(ratio) :], ratio)
    order = np.lexsort(parents.T[::-1])
    parents = parents[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (parents[1:] != parents[:-1]).any(axis=1)
    starts = np.append(np.flatnonzero(is_first), len(order))
    if not len(order):
        return []
    sizes = np.add.reduceat(counts[order], starts[:-1]) * row_bytes(fine)
    return [chunks[order[starts[a] : starts[b]]] for a, b in pairwise(_cuts(sizes, part_bytes))]


def object_slices(fine: Level, ids: NDArray[np.int64], part_bytes: int = PART_BYTES) -> list[NDArray[np.int64]]:
    """The objects `ids`, ascending, in slices whose members begin in neighbouring chunks.

    Each slice is ascending. With few slices reading them touches each chunk about once.
    """
    total = fine.vertex_count * row_bytes(fine)
    slices = int(min(max(1, -(-total // part_bytes)), max(1, len(ids))))
    if slices == 1:
        return [ids] if len(ids) else []
    order = np.argsort(_morton(fine.first_chunks(ids)), kind="stable")
    return [np.sort(part) for part in np.array_split(ids[order], slices)]


def row_bytes(level: Level) -> int:
    """Bytes of one vertex of a level with all its attributes."""
    attributes = sum(a.dtype.itemsize * int(np.prod(a.row_shape, dtype=int)) for a in level.attributes.values())
    return level.dtype.itemsize * len(level.chunk_shape) + attributes


def _morton(chunks: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Place of each chunk on the Z-order curve through them all, (n,): bits of the coordinates in turn."""
    low = chunks - chunks.min(axis=0, initial=2**62)
    bits = 63 // chunks.shape[1]
    out = np.zeros(len(chunks), np.uint64)
    for axis, column in enumerate(np.minimum(low, (1 << bits) - 1).T.astype(np.uint64)):
        for bit in range(min(bits, int(column.max(initial=0)).bit_length())):
            out |= ((column >> np.uint64(bit)) & np.uint64(1)) << np.uint64(bit * chunks.shape[1] + axis)
    return out


def _cuts(sizes: NDArray[np.int64], most: int) -> list[int]:
    """Where to cut so that neighbouring sizes sum to at most `most`, or stand alone."""
    ends, cuts = np.cumsum(sizes), [0]
    while cuts[-1] < len(ends):
        before = int(ends[cuts[-1] - 1]) if cuts[-1] else 0
        cuts.append(max(cuts[-1] + 1, int(np.searchsorted(ends, before + most, side="right"))))
    return cuts
