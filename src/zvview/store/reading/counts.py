"""What the fragment indexes alone tell: how many vertices there are, and the values of fragment attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError, MissingError
from zvview.format import names
from zvview.format.attributes import rows_of
from zvview.format.fragments import FragmentTable, decode_fragments
from zvview.format.sequences import offsets_of
from zvview.store.draco import decode_draco
from zvview.store.reading.reader import LevelReader
from zvview.store.waves import locate_error, read_cells

__all__ = ["count_fragments", "count_rows", "read_fragment_attribute"]

_WAVE = 4096  # fragment indexes are small
_UNKNOWN_ROWS = 2**40  # stands for the size of a buffer that was not read


def count_rows(reader: LevelReader, chunks: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Vertices of each chunk of the level, or of each of `chunks`, (C,) int64: the rows that its fragments name."""
    return _join([_count_wave(reader, coords) for coords in _waves(reader, chunks)], np.dtype(np.int64))


def count_fragments(reader: LevelReader, chunks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bounds of the fragments of each of `chunks`, (C + 1,), and the vertices of each fragment, (F,); both int64."""
    tables = [_read_fragments(reader, coords) for coords in _waves(reader, chunks)]
    per_chunk = _join([np.diff(table.first) for table in tables], np.dtype(np.int64))
    return offsets_of(per_chunk), _join([table.counts for table in tables], np.dtype(np.int64))


def read_fragment_attribute(reader: LevelReader, name: str) -> NDArray[Any]:
    """Values of a fragment attribute, (F,) or (F, C), chunk after chunk in numeric order.

    Raises
    ------
    MissingError
        The level has no such attribute.
    """
    found = reader.layout.cell_attribute(names.FRAGMENT_ATTRIBUTES, name)
    if found is None:
        raise MissingError("fragment attribute", name, reader.layout.attribute_names(names.FRAGMENT_ATTRIBUTES))
    array, metadata = found
    parts = []
    for coords in _waves(reader):
        (cells,) = read_cells(reader.hierarchy, [(array, coords)])
        counts = np.diff(_read_fragments(reader, coords).first)
        try:
            parts += rows_of(cells, counts, metadata.dtype)
        except DamagedError as error:
            raise locate_error(error, array.path, coords) from None
    return _join([p for p in parts if len(p)], metadata.dtype)


def _waves(reader: LevelReader, chunks: NDArray[np.int64] | None = None) -> list[NDArray[np.int64]]:
    coords = reader.layout.vertices.chunks if chunks is None else chunks
    return [coords[at : at + _WAVE] for at in range(0, len(coords), _WAVE)]


def _join(parts: list[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _count_wave(reader: LevelReader, coords: NDArray[np.int64]) -> NDArray[np.int64]:
    if reader.is_draco:
        return _buffer_rows(reader, coords)
    table = _read_fragments(reader, coords)
    before = offsets_of(table.counts)
    return np.diff(before[table.first])


def _read_fragments(reader: LevelReader, coords: NDArray[np.int64]) -> FragmentTable:
    """Fragments of some chunks; one of all rows where a chunk with vertices has no index (6)."""
    cells = [np.empty(0, np.uint8)] * len(coords)
    fragments = reader.layout.fragments
    if fragments is not None:
        (cells,) = read_cells(reader.hierarchy, [(fragments, coords)])
    limits = np.full(len(coords), _UNKNOWN_ROWS, np.int64)
    bare = np.flatnonzero([len(c) == 0 for c in cells])
    limits[bare] = _buffer_rows(reader, coords[bare])
    try:
        return decode_fragments(cells, limits)
    except DamagedError as error:
        assert fragments is not None
        raise locate_error(error, fragments.path, coords) from None


def _buffer_rows(reader: LevelReader, coords: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(coords):
        return np.empty(0, np.int64)
    (cells,) = read_cells(reader.hierarchy, [(reader.layout.vertices, coords)])
    if reader.is_draco:
        try:
            return np.fromiter(map(len, decode_draco(cells)[0]), np.int64, len(cells))
        except DamagedError as error:
            raise locate_error(error, reader.layout.vertices.path, coords) from None
    row_bytes = reader.layout.vertex_dtype.itemsize * reader.root.ndim
    return np.fromiter((len(c) // row_bytes for c in cells), np.int64, len(cells))
