"""Names of vertices as arrays: making them from what was read, joining, picking and finding them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable
from zvview.store.editing.edits import VertexRefs
from zvview.store.reading.piece_buffer import PieceBuffer

__all__ = ["RefTable", "find_refs", "join_refs", "pair_refs", "refs_of", "take_refs"]


def refs_of(buffer: PieceBuffer) -> VertexRefs:
    """Names of the vertices of a buffer, row by row."""
    first, joined = buffer.stored_first, buffer.stored_rows
    if joined is None:
        sizes = np.diff(first)
        rows = np.arange(len(buffer.positions)) - np.repeat(first[:-1], sizes)
        return VertexRefs(np.repeat(buffer.chunks.coords, sizes, axis=0), rows)
    chunk = np.searchsorted(first, joined, side="right") - 1
    return VertexRefs(buffer.chunks.coords[chunk], joined - first[chunk])


def take_refs(refs: VertexRefs, index: NDArray[np.generic]) -> VertexRefs:
    """The names at `index`, or where it is true."""
    return VertexRefs(refs.chunks[index], refs.rows[index], refs.epoch)


def join_refs(parts: Sequence[VertexRefs]) -> VertexRefs:
    """The names of all `parts`, of which there is one at least."""
    if len(parts) == 1:
        return parts[0]
    return VertexRefs(np.concatenate([p.chunks for p in parts]), np.concatenate([p.rows for p in parts]))


def pair_refs(one: VertexRefs, other: VertexRefs) -> VertexRefs:
    """The names of as many vertices in turn: the first of one, the first of the other, the second of one, ..."""
    return VertexRefs(
        np.stack((one.chunks, other.chunks), axis=1).reshape(-1, one.chunks.shape[1]),
        np.stack((one.rows, other.rows), axis=1).reshape(-1),
    )


def find_refs(among: VertexRefs, wanted: VertexRefs) -> NDArray[np.int64]:
    """Index in `among` of each of the `wanted`, (n,), or -1 where it is not there."""
    if len(among) <= len(wanted):
        return RefTable.of(among).find(wanted)
    rows = _as_rows(wanted)
    table = ChunkTable.of(rows)  # of the fewer: looking up is far cheaper than sorting
    at = table.find(_as_rows(among))
    place = np.full(len(table), -1, np.int64)
    hit = np.flatnonzero(at >= 0)
    place[at[hit]] = hit
    return place[table.find(rows)]


@dataclass(frozen=True, slots=True, eq=False)
class RefTable:
    """Names of vertices, with look-up of many at once.

    Attributes
    ----------
    table : ChunkTable
        Rows of chunk and row.
    order : (k,) int64
        Index of each row of the table in the names that it was made of; of the last one where several are the same.
    """

    table: ChunkTable
    order: NDArray[np.int64]

    @classmethod
    def of(cls, refs: VertexRefs) -> RefTable:
        """The table of some names."""
        rows = _as_rows(refs)
        table = ChunkTable.of(rows)
        order = np.empty(len(table), np.int64)
        order[table.find(rows)] = np.arange(len(rows))
        return cls(table, order)

    def find(self, refs: VertexRefs) -> NDArray[np.int64]:
        """Index of each of `refs`, (n,), or -1."""
        at = self.table.find(_as_rows(refs))
        if not len(self.order):
            return at
        return np.where(at < 0, -1, self.order[at])


def _as_rows(refs: VertexRefs) -> NDArray[np.int64]:
    """Chunk and row side by side, (n, sid + 1)."""
    return np.column_stack((refs.chunks, refs.rows))
