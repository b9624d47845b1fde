"""The pieces of some lines of a level as they stand in the store, and where lines made again differ from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.cells import spread
from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.sequences import distinct, is_among, offsets_of
from zvview.store.level import Level
from zvview.store.reading.joints import piece_rows
from zvview.store.reading.piece_buffer import PieceBuffer, outline_pieces
from zvview.store.reading.pieces import read_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions
from zvview.store.writing.runs import Run
from zvview.store.writing.sorting import invert, rank_rows

__all__ = ["Difference", "LinePieces", "fragment_chunks"]

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """Where lines that were made again differ from the old ones.

    Attributes
    ----------
    chunks : (n, D) int64
        That hold a piece that is no more, is new, or became another one.
    objects : (m,) int64
        To which these pieces belong, ascending.
    """

    chunks: Ints
    objects: Ints


@dataclass(frozen=True, slots=True, eq=False)
class LinePieces:
    """All pieces of some lines of a level, object after object.

    Attributes
    ----------
    reader : LevelReader
    owners, ranks : (n,) int64
        Object of each piece, and its place in it.
    chunks : (n, D) int64
    fragments : (n,) int64
        In its chunk.
    """

    reader: LevelReader
    owners: Ints
    ranks: Ints
    chunks: Ints
    fragments: Ints

    @classmethod
    def of(cls, level: Level, ids: Ints) -> LinePieces:
        """The pieces of those of the objects `ids`, ascending, that a level has."""
        return cls.known_to(level._reader, ids)

    @classmethod
    def known_to(cls, reader: LevelReader, ids: Ints) -> LinePieces:
        """The same, given the reader of the level."""
        assert reader.objects is not None
        rows = reader.objects.find_rows(ids)
        manifests = reader.objects.manifests(rows[rows >= 0])
        counts = np.diff(manifests.offsets)
        ranks = np.arange(len(manifests.fragments)) - np.repeat(manifests.offsets[:-1], counts)
        return cls(reader, np.repeat(ids[rows >= 0], counts), ranks, manifests.chunks, manifests.fragments)

    @property
    def path(self) -> str:
        """Of the manifests."""
        return f"{self.reader.layout.path}/{names.OBJECT_INDEX}/{names.MANIFESTS}"

    def joints_at(self, chunks: Ints) -> Ints:
        """Pieces that are followed by another one of their line, if one of both lies in some chunks, (n, D): (m,)."""
        is_here = ChunkTable.of(chunks).find(self.chunks) >= 0
        joints = np.flatnonzero(is_here[1:] | is_here[:-1])
        followed: Ints = joints[self.owners[joints] == self.owners[joints + 1]]
        return followed

    def read(self, coords: Ints) -> PieceBuffer:
        """What some chunks, distinct and in numeric order, hold."""
        if not len(coords):
            return outline_pieces(coords, np.empty(0, np.int64), np.empty(0, np.int64))
        families = self.reader.families(ReadOptions(object_ids=False))
        return read_pieces(self.reader.hierarchy, families, coords)[0]

    def find_rows(self, buffer: PieceBuffer, pieces: Ints) -> tuple[Ints, Ints]:
        """First row in a buffer, and number of rows, of some pieces, all in chunks that it has."""
        return self.locate(buffer, self.chunks[pieces], self.fragments[pieces])

    def locate(self, buffer: PieceBuffer, chunks: Ints, fragments: Ints) -> tuple[Ints, Ints]:
        """The same of any pieces of the level, named by chunk, (n, D), and fragment, (n,)."""
        return piece_rows(buffer, chunks, fragments, self.path)

    def read_around(self, runs: Sequence[Run]) -> PieceBuffer:
        """What all chunks hold that these pieces lie in, or the lines of some runs."""
        coords = sort_chunks(np.concatenate((self.chunks, *(run.chunks for run in runs))))
        there = ChunkTable.of(self.reader.layout.vertices.chunks).find(coords) >= 0
        return self.read(coords[there])

    def compare(self, run: Run, buffer: PieceBuffer) -> Difference:
        """Where the lines of a run differ from those of the same ids here.

        Parameters
        ----------
        run : Run
            Whole lines. Those that are not here are new.
        buffer : PieceBuffer
            What the chunks of the pieces hold.
        """
        assert run.objects is not None and run.ranks is not None
        new_chunks = fragment_chunks(run)
        mine = np.flatnonzero(is_among(self.owners, distinct(run.objects)))
        starts, counts = self.find_rows(buffer, mine)
        twins = self.find_twins(run.objects, run.ranks, new_chunks)
        b = np.flatnonzero(twins >= 0)
        a = np.searchsorted(mine, twins[b])
        alike = counts[a] == run.counts[b]
        a, b = a[alike], b[alike]
        is_same = _are_equal(buffer, starts[a], run, offsets_of(run.counts)[:-1][b], counts[a])
        old_dirty, new_dirty = np.ones(len(mine), bool), np.ones(len(new_chunks), bool)
        a, b = a[is_same], b[is_same]
        old_dirty[a] = new_dirty[b] = False
        in_order = np.lexsort((run.ranks, run.objects))
        parted, placed = _find_parted(a, invert(in_order)[b], len(mine), len(new_chunks))
        old_dirty[parted] = new_dirty[in_order[placed]] = True
        chunks = np.concatenate((self.chunks[mine][old_dirty], new_chunks[new_dirty]))
        return Difference(
            sort_chunks(chunks), distinct(np.concatenate((self.owners[mine][old_dirty], run.objects[new_dirty])))
        )

    def find_twins(self, owners: Ints, ranks: Ints, chunks: Ints) -> Ints:
        """For each of other pieces, (n,), the one here of the same line that has the same place among those in a chunk.

        -1 where the line has fewer pieces in the chunk.
        """
        table = ChunkTable.of(chunks)
        here = np.flatnonzero(table.find(self.chunks) >= 0)
        old = _sorted_keys(table.find(self.chunks[here]), self.owners[here], self.ranks[here])
        new = _sorted_keys(table.find(chunks), owners, ranks)
        keys, _ = rank_rows(np.concatenate((old.table, new.table)))
        _, a, b = np.intersect1d(keys[: len(here)], keys[len(here) :], assume_unique=True, return_indices=True)
        out = np.full(len(owners), -1, np.int64)
        out[new.order[b]] = here[old.order[a]]
        return out


def _find_parted(a: Ints, b: Ints, old: int, new: int) -> tuple[Ints, Ints]:
    """Pieces that are followed by another one than before, where both stayed as they are: old ones, and new ones.

    Parameters
    ----------
    a, b : (n,) int64
        Numbers of the pieces that stayed, among the old and the new ones, line by line and in their order.
    old, new : int
        How many pieces there are.
    """
    return _find_jumps(a, b, old), _find_jumps(b, a, new)


def _find_jumps(first: Ints, second: Ints, count: int) -> Ints:
    twin = np.full(count, -1, np.int64)
    twin[first] = second
    stayed = (twin[:-1] >= 0) & (twin[1:] >= 0)
    return np.flatnonzero(stayed & (twin[1:] != twin[:-1] + 1))


@dataclass(frozen=True, slots=True, eq=False)
class _Keyed:
    """Pieces by chunk, object and place: their order, and chunk, object and number in both of each, (n, 3)."""

    order: Ints
    table: Ints


def _sorted_keys(chunk: Ints, owner: Ints, place: Ints) -> _Keyed:
    order = np.lexsort((place, owner, chunk))
    chunk, owner = chunk[order], owner[order]
    return _Keyed(order, np.stack((chunk, owner, _number_in_groups(chunk, owner)), axis=1))


def _number_in_groups(*columns: Ints) -> Ints:
    """Number of each row among its neighbours that agree in all columns, (n,)."""
    count = len(columns[0])
    is_first = np.ones(count, bool)
    is_first[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    starts = np.flatnonzero(is_first)
    return np.arange(count) - np.repeat(starts, np.diff(np.append(starts, count)))


def fragment_chunks(run: Run) -> Ints:
    """Chunk of each fragment of a run, (F, D)."""
    return np.repeat(run.chunks, np.diff(run.fragments), axis=0)


def _are_equal(buffer: PieceBuffer, a: Ints, run: Run, b: Ints, counts: Ints) -> Flags:
    """Whether stretches of rows from rows `a` of the buffer and `b` of the run on are the same bytes, (m,)."""
    _, owner, local = spread(counts)
    differs = np.zeros(len(owner), bool)
    old, new = a[owner] + local, b[owner] + local
    if not len(old):
        return np.ones(len(counts), bool)
    pairs: list[tuple[NDArray[Any], NDArray[Any]]] = [(buffer.positions, run.positions)]
    pairs += [(buffer.attributes[name], column) for name, column in run.columns.items()]
    for mine, theirs in pairs:
        if mine.dtype != theirs.dtype or mine.shape[1:] != theirs.shape[1:]:
            return np.zeros(len(counts), bool)
        differs |= (_as_bytes(mine.take(old, axis=0)) != _as_bytes(theirs.take(new, axis=0))).any(axis=1)
    same: Flags = np.bincount(owner[differs], minlength=len(counts)) == 0
    return same


def _as_bytes(rows: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
