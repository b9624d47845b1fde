"""Fragments of some chunks in one buffer, and finding vertices in it by their stored rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.attributes import Categories
from zvview.format.grid import ChunkTable

__all__ = ["PieceBuffer", "Surroundings"]


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

    def find_rows(self, chunks: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row here of each vertex named by chunk (M, sid) and row (M,) of the chunk's vertex buffer.

        Returns -1 where the chunk was not read or no fragment names the row; the first one where several do.

        Raises
        ------
        DamagedError
            A row beyond the end of its chunk's vertex buffer.
        """
        at = self.chunks.find(chunks)
        known = at >= 0
        limit = np.diff(self.stored_first)[at]
        if (bad := known & (rows >= limit)).any():
            i = int(np.flatnonzero(bad)[0])
            raise DamagedError(
                "link",
                found=f"row {rows[i]} of chunk {'.'.join(map(str, chunks[i].tolist()))}",
                expected=f"a row below {limit[i]}, the number of its vertices",
            )
        stored = np.where(known, self.stored_first[:-1][at] + rows, 0)
        if self.stored_rows is None:
            return np.where(known, stored, -1)
        place = np.full(int(self.stored_first[-1]) + 1, -1, np.int64)
        place[self.stored_rows[::-1]] = np.arange(len(self.stored_rows))[::-1]
        return np.where(known, place[stored], -1)


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

    def find_rows(self, chunks: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row of each vertex named by chunk and stored row, as :meth:`PieceBuffer.find_rows`."""
        found = self.own.find_rows(chunks, rows)
        if self.others is None:
            return found
        rest = np.flatnonzero(found < 0)
        further = self.others.find_rows(chunks[rest], rows[rest])
        found[rest] = np.where(further >= 0, further + len(self.own.positions), -1)
        return found
