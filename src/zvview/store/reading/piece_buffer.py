"""Fragments of some chunks in one buffer, and finding vertices in it by their stored rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import Categories
from zvview.format.grid import ChunkTable
from zvview.format.sequences import offsets_of

__all__ = ["BEYOND", "PieceBuffer", "Surroundings", "outline_pieces"]

BEYOND = -2
"""Stands for a vertex that its chunk does not have."""


@dataclass(frozen=True, slots=True, eq=False)
class PieceBuffer:
    """Fragments of some chunks, one after the other: chunks in numeric order, fragments in the order of their chunk.

    Attributes
    ----------
    chunks : ChunkTable
    positions : (R, D) array
        As stored, without any offset.
    attributes : mapping of str to (R,) or (R, C) array
    offsets : (F + 1,) int64 array
        Rows of fragment f are ``offsets[f]:offsets[f + 1]``.
    first : (C + 1,) int64 array
        Fragments of chunk c are ``first[c]:first[c + 1]``.
    owners : (F,) int64 array or None
        What the fragment attribute says.
    stored_first : (C + 1,) int64 array
        Rows of the vertex buffers of the chunks before c.
    stored_rows : (R,) int64 array or None
        Row in the joined vertex buffers of each row here; None where the two are the same, or fragments were left out.
    faces : (M, 3) int64 array or None
        Rows here of the faces that the vertices came with, in Draco bitstreams.
    notes : tuple of str
        Damaged cells that were left out.
    """

    chunks: ChunkTable
    positions: NDArray[np.floating]
    attributes: Mapping[str, NDArray[Any]]
    categories: Mapping[str, Categories]
    offsets: NDArray[np.int64]
    first: NDArray[np.int64]
    owners: NDArray[np.int64] | None
    stored_first: NDArray[np.int64]
    stored_rows: NDArray[np.int64] | None
    faces: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()

    def find_rows(
        self, places: NDArray[np.int64], at: NDArray[np.integer], rows: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Row here of each vertex, named by its chunk ``places[at]``, (E, sid) and any shape, and its stored row.

        Returns -1 where the chunk was not read or no fragment names the row, the first one where several do, and -2
        where the buffer of the chunk has no such row.
        """
        if not len(self.chunks):
            return np.full(rows.shape, -1, np.int64)
        chunk = self.chunks.find(places)
        first = np.where(chunk >= 0, self.stored_first[:-1][chunk], -1)[at]
        limit = np.where(chunk >= 0, np.diff(self.stored_first)[chunk], np.iinfo(np.int64).max)[at]
        is_beyond = rows >= limit
        found: NDArray[np.int64] = first + rows
        if len(chunk) and chunk.min() < 0:
            found[first < 0] = -1
        if self.stored_rows is not None:
            place = np.full(int(self.stored_first[-1]) + 1, -1, np.int64)  # one more, for -1
            place[self.stored_rows[::-1]] = np.arange(len(self.stored_rows))[::-1]
            found = place[np.where(is_beyond, -1, found)]
        found[is_beyond] = BEYOND
        return found

    def first_copies(self) -> NDArray[np.int64] | None:
        """The first row here of the vertex that each row (R,) shows; None where no vertex is shown more than once."""
        if self.stored_rows is None:
            return None
        _, first, number = np.unique(self.stored_rows, return_index=True, return_inverse=True)
        return None if len(first) == len(number) else first[number]


def outline_pieces(coords: NDArray[np.int64], counts: NDArray[np.int64], per_chunk: NDArray[np.int64]) -> PieceBuffer:
    """The pieces of the chunks at `coords` without their vertices: how many rows each has, and where they would be."""
    offsets, first = (offsets_of(n) for n in (counts, per_chunk))
    none = np.empty((0, 0), np.float32)
    return PieceBuffer(ChunkTable.of(coords), none, {}, {}, offsets, first, None, offsets[first], None)


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """The pieces of some chunks, and the vertices of neighbouring ones that links lead to.

    Rows count through both: those of `others` come behind those of `own`.

    Attributes
    ----------
    own : PieceBuffer
    others : PieceBuffer or None
    """

    own: PieceBuffer
    others: PieceBuffer | None = None

    def find_rows(
        self, places: NDArray[np.int64], at: NDArray[np.integer], rows: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Row of each vertex named by chunk and stored row, as :meth:`PieceBuffer.find_rows`."""
        found = self.own.find_rows(places, at, rows)
        if self.others is None:
            return found
        rest = found == -1
        further = self.others.find_rows(places, at[rest], rows[rest])
        found[rest] = np.where(further >= 0, further + len(self.own.positions), further)
        return found
