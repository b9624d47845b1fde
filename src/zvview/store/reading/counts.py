"""Counting the vertices of a level without reading them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.fragments import decode_fragments
from zvview.store.reading.reader import LevelReader
from zvview.store.waves import locate_error, read_cells

__all__ = ["count_rows"]

_WAVE = 4096  # fragment indexes are small
_UNKNOWN_ROWS = 2**40  # stands for the size of a buffer that was not read


def count_rows(reader: LevelReader) -> NDArray[np.int64]:
    """Vertices of each chunk of the level, (C,) int64: the rows that its fragments name."""
    coords = reader.layout.vertices.chunks
    parts = [_count_wave(reader, coords[at : at + _WAVE]) for at in range(0, len(coords), _WAVE)]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _count_wave(reader: LevelReader, coords: NDArray[np.int64]) -> NDArray[np.int64]:
    fragments = reader.layout.fragments
    if fragments is None:
        return _buffer_rows(reader, coords)
    (cells,) = read_cells(reader.hierarchy, [(fragments, coords)])
    bare = np.flatnonzero([len(c) == 0 for c in cells])  # no index beside vertices: one fragment of all rows (6)
    limits = np.full(len(coords), _UNKNOWN_ROWS, np.int64)
    limits[bare] = _buffer_rows(reader, coords[bare])
    try:
        table = decode_fragments(cells, limits)
    except DamagedError as error:
        raise locate_error(error, fragments.path, coords) from None
    before = np.append(0, np.cumsum(table.counts))
    return np.diff(before[table.first])


def _buffer_rows(reader: LevelReader, coords: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(coords):
        return np.empty(0, np.int64)
    (cells,) = read_cells(reader.hierarchy, [(reader.layout.vertices, coords)])
    row_bytes = reader.layout.vertex_dtype.itemsize * reader.root.ndim
    return np.fromiter((len(c) // row_bytes for c in cells), np.int64, len(cells))
