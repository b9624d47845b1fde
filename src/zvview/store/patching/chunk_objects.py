"""Which objects own the fragments of some chunks: told by the cells of these chunks where they tell it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format import names
from zvview.format.attributes import rows_of
from zvview.format.grid import ChunkTable
from zvview.format.sequences import distinct
from zvview.store.reading.reader import LevelReader
from zvview.store.waves import locate_error, read_cells
from zvview.store.writing.sorting import rows_of_one

__all__ = ["OwnedPieces", "find_pieces", "owners_of_difference"]


@dataclass(frozen=True, slots=True, eq=False)
class OwnedPieces:
    """Fragments that belong to objects.

    Attributes
    ----------
    objects : (n,) int64
        Ids.
    chunks : (n, sid) int64
    numbers : (n,) int64
        Of each fragment in its chunk.
    """

    objects: NDArray[np.int64]
    chunks: NDArray[np.int64]
    numbers: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> OwnedPieces:
        """Some of them."""
        return OwnedPieces(self.objects[rows], self.chunks[rows], self.numbers[rows])


def find_pieces(reader: LevelReader, chunks: NDArray[np.int64]) -> OwnedPieces:
    """The fragments of some chunks, (n, sid), and their owners; those of no object are left out.

    All manifests are read where the chunks do not tell, or tell of fragments of several objects.
    """
    assert reader.objects is not None
    told = _find_told(reader, chunks)
    if told is not None:
        return told
    manifests = reader.objects.manifests()
    wanted = np.flatnonzero(ChunkTable.of(chunks).find(manifests.chunks) >= 0)
    owners = reader.objects.known.at(reader.objects.piece_rows()[wanted])
    return OwnedPieces(owners, manifests.chunks[wanted], manifests.fragments[wanted])


def _find_told(reader: LevelReader, chunks: NDArray[np.int64]) -> OwnedPieces | None:
    found = reader.layout.cell_attribute(names.FRAGMENT_ATTRIBUTES, names.OBJECT_ID)
    if found is None or reader.layout.metadata.shared_fragments:
        return None
    array, metadata = found
    chunks = chunks[ChunkTable.of(reader.layout.vertices.chunks).find(chunks) >= 0]
    (cells,) = read_cells(reader.hierarchy, [(array, chunks)])
    sizes = np.array([len(cell) // metadata.dtype.itemsize for cell in cells], np.int64)
    if not sizes.all():
        return None
    try:
        values = rows_of(cells, sizes, metadata.dtype)
    except DamagedError as error:
        raise locate_error(error, array.path, chunks) from None
    owners = np.concatenate([np.empty(0, np.int64), *(value.astype(np.int64) for value in values)])
    if (owners == names.OWNER_SEVERAL).any():
        return None
    numbers = np.arange(len(owners)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    objects = reader.objects
    assert objects is not None
    is_owned = (owners != names.OWNER_NONE) | objects.has(names.OWNER_NONE)
    return OwnedPieces(owners[is_owned], np.repeat(chunks, sizes, axis=0)[is_owned], numbers[is_owned])


def owners_of_difference(before: OwnedPieces, after: OwnedPieces) -> NDArray[np.int64]:
    """Objects, ascending, that own a fragment of some chunks that they did not own, or no longer own one."""
    tables = [np.column_stack((pieces.chunks, pieces.numbers, pieces.objects)) for pieces in (before, after)]
    return distinct(rows_of_one(*tables)[:, -1])
