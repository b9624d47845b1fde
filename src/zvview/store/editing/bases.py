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

__all__ = ["ChunkBase", "read_bases"]


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
