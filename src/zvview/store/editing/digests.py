"""What tells whether a chunk is still what it was when an edit relied on it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.store.cell_arrays import CellArray
from zvview.store.reading.reader import LevelReader
from zvview.store.waves import read_cells

__all__ = ["digest_chunks"]

_DIGEST_BYTES = 16
_WAVE_CHUNKS = 256


def digest_chunks(reader: LevelReader, chunks: NDArray[np.int64]) -> list[bytes]:
    """Digest of all that a level stores under each of some chunks: vertices, fragments, attributes and links.

    Parameters
    ----------
    reader : LevelReader
        Level 0 of the store.
    chunks : (n, sid) int64 array
        Absolute coordinates; one that holds nothing has a digest as well.

    Returns
    -------
    list of n bytes objects
        Of 16 bytes. Cells count by what they hold, not by how they are compressed or put into shards. Links to other
        levels do not count: they follow from this one.

    Raises
    ------
    DamagedError
        A cell cannot be decoded.
    """
    arrays = list(_arrays(reader))
    out: list[bytes] = []
    for start in range(0, len(chunks), _WAVE_CHUNKS):
        coords = chunks[start : start + _WAVE_CHUNKS]
        payloads = read_cells(reader.hierarchy, [(array, coords) for array in arrays])
        out += [_digest(arrays, [cells[i] for cells in payloads]) for i in range(len(coords))]
    return out


def _arrays(reader: LevelReader) -> Iterator[CellArray]:
    """Every array of which a chunk of the level has a cell."""
    layout = reader.layout
    yield layout.vertices
    if layout.fragments is not None:
        yield layout.fragments
    for family in (names.VERTEX_ATTRIBUTES, names.FRAGMENT_ATTRIBUTES):
        for name in layout.attribute_names(family):
            attribute = layout.cell_attribute(family, name)
            if attribute is not None:
                yield attribute[0]
    links = layout.links(0)
    for array in () if links is None else links.arrays:
        yield array.cells
        yield from (cells for cells, _ in array.attributes.values())


def _digest(arrays: list[CellArray], cells: list[NDArray[np.uint8]]) -> bytes:
    """Of the cells that hold something, each with its array's path and its size."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for array, cell in zip(arrays, cells, strict=True):
        if len(cell):
            digest.update(f"{array.path}\0{len(cell)}\0".encode())
            digest.update(np.ascontiguousarray(cell).data)
    return digest.digest()
