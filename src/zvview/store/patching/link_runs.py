"""Links between chunks, found apart from the vertices of these, as a run of a level that holds nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.links import file_links
from zvview.format.sequences import offsets_of
from zvview.store.patching.row_stretches import MovedRows
from zvview.store.reading.links import decode_selection, select_links
from zvview.store.reading.piece_buffer import BEYOND, PieceBuffer
from zvview.store.reading.reader import LevelReader
from zvview.store.waves import read_cells
from zvview.store.writing.runs import LinkRun, Run
from zvview.store.writing.sorting import rank_rows

__all__ = ["CrossingLinks", "carry_links", "make_link_run"]


@dataclass(frozen=True, slots=True, eq=False)
class CrossingLinks:
    """Links between chunks of a level.

    Attributes
    ----------
    chunks : (n, L, D) int64
        Of all their ends, as coordinates.
    rows : (n, L) int64
        Of these in their chunks.
    columns : mapping of str to (n,) or (n, C)
    """

    chunks: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]

    def followed_by(self, others: CrossingLinks) -> CrossingLinks:
        """These and others, which have no columns either."""
        return CrossingLinks(np.concatenate((self.chunks, others.chunks)), np.concatenate((self.rows, others.rows)), {})

    def by_row(self) -> CrossingLinks:
        """The same in an order that tells nothing of how they were found; links without columns."""
        order = np.argsort(rank_rows(self.rows)[0], kind="stable")
        return CrossingLinks(self.chunks[order], self.rows[order], {})


def carry_links(reader: LevelReader, chunks: ChunkTable, buffer: PieceBuffer, moved: MovedRows) -> CrossingLinks:
    """The links between different chunks, one at least of `chunks`, that stay when vertices of these move or go.

    Parameters
    ----------
    reader : LevelReader
        Of a level of lines, as it was.
    chunks : ChunkTable
    buffer : PieceBuffer
        Those of the chunks of which some vertices stay.
    moved : MovedRows
        Where rows of the buffer stand in their chunks now. Of other chunks nothing moves.

    Raises
    ------
    DamagedError
        A record names a row that its chunk does not have.
    """
    family, sid = reader.layout.links(0), chunks.coords.shape[1]
    if family is None:
        return CrossingLinks(np.empty((0, 2, sid), np.int64), np.empty((0, 2), np.int64), {})

    def is_wanted(ends: NDArray[np.int64]) -> NDArray[np.bool_]:
        is_here = chunks.find(ends.reshape(-1, sid)).reshape(ends.shape[:2]) >= 0
        crosses: NDArray[np.bool_] = (ends[:, 1:] != ends[:, :1]).any(axis=(1, 2))
        return crosses & is_here.any(axis=1)

    selection = select_links(family, is_wanted)
    found = decode_selection(selection, read_cells(reader.hierarchy, selection.asks))
    is_here = (chunks.find(found.places) >= 0)[found.at] if len(found) else found.rows < 0
    at = buffer.find_rows(found.places, found.at, found.rows) if len(found) else found.rows
    if (beyond := is_here & (at == BEYOND)).any():
        text = f"row {found.rows[beyond][0]} ({beyond.any(axis=1).sum()} such records)"
        raise DamagedError("link", found=text, expected="a row of its vertices", array=family.path)
    now = np.where(is_here, moved.find(at), found.rows)
    kept = np.flatnonzero((now >= 0).all(axis=1))
    return CrossingLinks(found.chunks[kept].reshape(-1, 2, sid), now[kept], {})


def make_link_run(links: CrossingLinks, like: Run) -> Run:
    """Links as a run of a level, without vertices; it must come before all other runs, each chunk being in one of them.

    Parameters
    ----------
    links : CrossingLinks
    like : Run
        Another run of the level, for the columns that it has.
    """
    segments = file_links(links.chunks, links.rows)
    counts = np.concatenate([s.counts for s in segments])
    order = np.concatenate([s.order for s in segments])
    filed = LinkRun(
        offsets=np.stack([s.offsets for s in segments]),
        cells=offsets_of([len(s.coords) for s in segments]),
        sources=np.concatenate([s.coords for s in segments]),
        first=offsets_of(counts),
        loose=np.zeros(len(counts), np.int64),
        records=np.concatenate([s.rows for s in segments]),
        columns={name: values.take(order, axis=0) for name, values in links.columns.items()},
    )
    chunks = sort_chunks(np.concatenate([s.coords + offset for s in segments for offset in (0, *s.offsets)]))
    nothing = np.zeros(len(chunks) + 1, np.int64)
    none = np.empty(0, np.int64)
    return Run(
        chunks=chunks,
        rows=nothing,
        fragments=nothing,
        counts=none,
        positions=np.array(like.positions[:0]),
        columns={name: np.array(values[:0]) for name, values in like.columns.items()},
        objects=None if like.objects is None else none,
        fragment_links=none,
        links=filed,
    )
