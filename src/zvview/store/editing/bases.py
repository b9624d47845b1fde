"""What a chunk held when it was first edited: whether it is still so, and which vertices are which."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.store.editing.digests import digest_chunks
from zvview.store.editing.edits import ChunkEdits, ChunkKey
from zvview.store.reading.pieces import read_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions

__all__ = ["ChunkBase", "match_marks", "read_bases", "vertex_marks"]


@dataclass(frozen=True, slots=True, eq=False)
class ChunkBase:
    """A chunk as it is stored.

    Attributes
    ----------
    digest : bytes
        Of all that it holds.
    positions : (n, D) array
        By row of its vertex buffer; rows that no fragment names, if any, are not a number.
    owners : (n,) int64 array or None
        Objects of the vertices, -1 for none or several; None where the store has none.
    """

    digest: bytes
    positions: NDArray[np.floating]
    owners: NDArray[np.int64] | None

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.positions.nbytes + (0 if self.owners is None else self.owners.nbytes)

    def apart(self) -> ChunkBase:
        """The same in arrays of its own: chunks that were read together share one, which lives as long as any."""
        return ChunkBase(self.digest, self.positions.copy(), None if self.owners is None else self.owners.copy())

    def with_origins(self, entry: ChunkEdits, key: ChunkKey) -> ChunkEdits:
        """Edits of the chunk, with the positions and objects that the vertices had.

        Raises
        ------
        InvalidInputError
            They name a row that the chunk does not have.
        """
        rows = entry.rows
        if len(rows) and rows[-1] >= len(self.positions):
            chunk = ".".join(map(str, key))
            raise InvalidInputError(f"chunk {chunk} has {len(self.positions)} vertices, and no row {rows[-1]}")
        return replace(entry, origins=self.positions[rows], owners=None if self.owners is None else self.owners[rows])


def read_bases(reader: LevelReader, coords: NDArray[np.int64]) -> list[ChunkBase]:
    """The chunks at `coords` (n, sid), distinct and in numeric order, of level 0.

    The digests come first: what changes before the rest is read is found out.
    """
    digests = digest_chunks(reader, coords)
    options = ReadOptions(attributes=())
    buffer, _ = read_pieces(reader.hierarchy, reader.families(options), coords)
    told = reader.owners(buffer, options)
    owners = None if told is None else np.repeat(told, np.diff(buffer.offsets))
    positions: NDArray[np.floating] = buffer.positions
    if (at := buffer.stored_rows) is not None:
        positions = np.full((int(buffer.stored_first[-1]), positions.shape[1]), np.nan, positions.dtype)
        positions[at] = buffer.positions
        if owners is not None:
            of_rows, owners = owners, np.full(len(positions), -1, np.int64)
            owners[at] = of_rows
    first, found = buffer.stored_first, buffer.chunks.find(coords)
    out = []
    for digest, chunk in zip(digests, found.tolist(), strict=True):
        rows = slice(first[chunk], first[chunk + 1]) if chunk >= 0 else slice(0, 0)
        out.append(ChunkBase(digest, positions[rows], None if owners is None else owners[rows]))
    return out


def vertex_marks(positions: NDArray[np.floating], owners: NDArray[np.int64] | None) -> NDArray[np.void]:
    """The bits of position and object of each vertex."""
    rows = [positions] if owners is None else [positions, owners[:, None]]
    parts = [np.ascontiguousarray(part).view(np.uint8) for part in rows]
    joined = np.ascontiguousarray(np.concatenate(parts, axis=1))
    return joined.view(f"V{joined.shape[1]}").reshape(len(positions))


def match_marks(wanted: NDArray[np.void], there: NDArray[np.void]) -> NDArray[np.int64]:
    """Index in `there` of each of `wanted`, or -1, each taken once: of several that are alike the n-th for the n-th."""
    out = np.full(len(wanted), -1, np.int64)
    if not len(wanted) or not len(there) or wanted.dtype != there.dtype:
        return out
    _, numbers = np.unique(np.concatenate((wanted, there)), return_inverse=True)
    own, theirs = numbers[: len(wanted)], numbers[len(wanted) :]
    order_own, order_theirs = np.argsort(own, kind="stable"), np.argsort(theirs, kind="stable")
    sorted_own, sorted_theirs = own[order_own], theirs[order_theirs]
    nth = np.arange(len(own)) - np.searchsorted(sorted_own, sorted_own)
    at = np.searchsorted(sorted_theirs, sorted_own) + nth
    is_there = at < np.searchsorted(sorted_theirs, sorted_own, side="right")
    out[order_own[is_there]] = order_theirs[at[is_there]]
    return out
