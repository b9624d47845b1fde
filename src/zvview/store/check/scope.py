"""What the checks of one level share, and what they find out about it for each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.format import names
from zvview.format.fragments import FragmentTable
from zvview.format.grid import ChunkTable
from zvview.format.metadata import RootMetadata
from zvview.store.check.report import Report
from zvview.store.hierarchy import Hierarchy
from zvview.store.layout import Layout
from zvview.store.reading.reader import LevelReader

__all__ = ["WAVE_BYTES", "LevelFacts", "LevelScope"]

WAVE_BYTES = 4 << 20
"""About as much is read at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class LevelScope:
    """One level under check.

    Attributes
    ----------
    number : int
    reader : LevelReader
    report : Report
    cancel : CancelToken or None
    advance : callable
        Takes a number of cells that were looked at.
    """

    number: int
    reader: LevelReader
    report: Report
    cancel: CancelToken | None
    advance: Callable[[int], None]

    @property
    def layout(self) -> Layout:
        """The level's arrays."""
        return self.reader.layout

    @property
    def root(self) -> RootMetadata:
        """The root's metadata."""
        return self.reader.root

    @property
    def hierarchy(self) -> Hierarchy:
        """The store's nodes."""
        return self.reader.hierarchy

    @property
    def kind(self) -> str:
        """The kind of batch that reads give."""
        return self.reader.kind

    def path(self, *parts: str) -> str:
        """Path of a node of the level."""
        return "/".join((self.layout.path, *parts))


@dataclass(frozen=True, slots=True, eq=False)
class LevelFacts:
    """What the walk over the cells of a level brought to light.

    Attributes
    ----------
    chunks : ChunkTable
    first_row : (C + 1,) int64 array
        Rows of the vertex buffers of the chunks before each.
    fragments : FragmentTable
        Of all chunks; rows are local to their chunk.
    is_damaged : (C,) bool array
        Chunks with a damaged cell of vertices or fragments, of which nothing can be told.
    owners : (F,) int64 array or None
        What the fragment attribute ``object_id`` says.
    has_owner : (F,) bool array or None
        Where that attribute could be read.
    """

    chunks: ChunkTable
    first_row: NDArray[np.int64]
    fragments: FragmentTable
    is_damaged: NDArray[np.bool_]
    owners: NDArray[np.int64] | None = None
    has_owner: NDArray[np.bool_] | None = None

    @property
    def vertex_count(self) -> int:
        """Vertices that the fragments name."""
        return int(self.fragments.counts.sum())

    @property
    def row_counts(self) -> NDArray[np.int64]:
        """Rows of each chunk's vertex buffer, (C,)."""
        return np.diff(self.first_row)

    def locate(self, chunks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Index of each chunk (M, sid), -1 where it is not there or damaged; and whether it is not there."""
        at = self.chunks.find(chunks)
        is_absent = at < 0
        if len(self.is_damaged):
            at[self.is_damaged[at]] = -1  # those that are absent read the last entry and stay what they are
        return at, is_absent

    def rows_of_fragments(self, select: NDArray[np.int64] | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Offsets (f + 1,) and numbers (t,) of the rows of fragments, counted over all chunks."""
        offsets, rows = self.fragments.rows(select)
        cell = self.fragments.cell_of()
        base = self.first_row[cell if select is None else cell[select]]
        return offsets, rows + np.repeat(base, np.diff(offsets))

    def owner_of_rows(self, owner_of_fragment: NDArray[np.int64]) -> NDArray[np.int64]:
        """Owner of each row, -1 where its fragment has none or no fragment names it."""
        out = np.full(int(self.first_row[-1]), names.OWNER_NONE, np.int64)
        offsets, rows = self.rows_of_fragments()
        out[rows] = np.repeat(owner_of_fragment, np.diff(offsets))
        return out

    def row_name(self, row: int) -> str:
        """Chunk and row of a vertex that is numbered over all chunks, for messages."""
        chunk = int(np.searchsorted(self.first_row, row, side="right")) - 1
        return f"row {row - int(self.first_row[chunk])} of chunk {'.'.join(map(str, self.chunks.coords[chunk]))}"
