"""Vertices of some chunks of a level as links name them: by the row of the chunk's vertex buffer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.store.reading.piece_buffer import PieceBuffer
from zvview.store.reading.pieces import iterate_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions

__all__ = ["StoredVertices", "iterate_stored", "join_stored"]


@dataclass(frozen=True, slots=True, eq=False)
class StoredVertices:
    """Vertices that a fragment names, each once: chunk by chunk in numeric order, rows ascending in each.

    Attributes
    ----------
    chunks : (C, sid) int64
    slots : (N,) int64
        Row in `chunks` of the chunk of each vertex.
    rows : (N,) int64
        Row in that chunk's vertex buffer.
    positions : (N, D)
    owners : (N,) int64 or None
        Id of the object of each.
    """

    chunks: NDArray[np.int64]
    slots: NDArray[np.int64]
    rows: NDArray[np.int64]
    positions: NDArray[np.floating]
    owners: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: NDArray[np.int64]) -> StoredVertices:
        """Some of the vertices; all chunks stay."""
        owners = None if self.owners is None else self.owners.take(index)
        places = self.slots.take(index), self.rows.take(index), self.positions.take(index, axis=0)
        return StoredVertices(self.chunks, *places, owners)


def iterate_stored(
    reader: LevelReader, coords: NDArray[np.int64], members: NDArray[np.int64] | None
) -> Iterator[StoredVertices]:
    """The vertices of the chunks at `coords`, some chunks at a time.

    Parameters
    ----------
    reader : LevelReader
    coords : (C, sid) int64
        In numeric order.
    members : (n,) int64, optional
        Ids, ascending, of the objects whose vertices are wanted; those of others are left out. By default vertices
        have no owner.

    Raises
    ------
    DamagedError
    """
    options = ReadOptions(attributes=(), object_ids=members is not None, members=members)
    for buffer in iterate_pieces(reader.hierarchy, reader.families(options), coords):
        yield _name_rows(buffer, None if members is None else _own(reader, buffer, options, members))


def join_stored(parts: Sequence[StoredVertices]) -> StoredVertices:
    """Parts, one at least, one behind the other."""
    before = np.cumsum([0, *(len(part.chunks) for part in parts)])
    owners = [part.owners for part in parts if part.owners is not None]
    return StoredVertices(
        np.concatenate([part.chunks for part in parts]),
        np.concatenate([part.slots + b for part, b in zip(parts, before.tolist(), strict=False)]),
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.positions for part in parts]),
        np.concatenate(owners) if owners else None,
    )


def _own(
    reader: LevelReader, buffer: PieceBuffer, options: ReadOptions, members: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Owner of each fragment, and whether it is one of the members."""
    owners = reader.owners(buffer, options)
    if owners is None or not len(members):
        none = np.zeros(len(buffer.offsets) - 1, np.int64)
        return none, none != 0
    at = np.minimum(np.searchsorted(members, owners), len(members) - 1)
    return owners, np.asarray(members[at] == owners)


def _name_rows(buffer: PieceBuffer, own: tuple[NDArray[np.int64], NDArray[np.bool_]] | None) -> StoredVertices:
    sizes = np.diff(buffer.offsets)
    chunks = buffer.chunks.coords
    slots = np.repeat(np.arange(len(chunks)), np.diff(buffer.offsets[buffer.first]))
    stored = buffer.stored_rows
    rows = (np.arange(len(slots)) if stored is None else stored) - buffer.stored_first[slots]
    owners = None if own is None else np.repeat(own[0], sizes)
    out = StoredVertices(chunks, slots, rows, buffer.positions, owners)
    if own is not None and not own[1].all():
        out = out.take(np.flatnonzero(np.repeat(own[1], sizes)))
    if stored is None:
        return out
    _, first = np.unique(out.rows + buffer.stored_first[out.slots], return_index=True)
    return out.take(first)
