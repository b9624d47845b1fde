"""Positions and attributes of some stored rows set where they stand; nothing else of their chunks changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zvview.errors import ConflictError, DamagedError
from zvview.format import names
from zvview.format.attributes import rows_of
from zvview.format.grid import ChunkTable, format_chunk_keys, sort_chunks
from zvview.store.cell_arrays import CellArray
from zvview.store.editing.edits import ChunkKey, Edits
from zvview.store.patching.cell_patch import PatchedCells
from zvview.store.patching.overlay import Overlay
from zvview.store.reading.reader import LevelReader
from zvview.store.waves import locate_error, read_cells

__all__ = ["set_rows"]

_Change: TypeAlias = tuple[NDArray[np.bool_], NDArray[Any]]


def set_rows(
    overlay: Overlay,
    reader: LevelReader,
    nodes: Mapping[str, Mapping[str, Any]],
    edits: Edits,
    keys: Sequence[ChunkKey],
) -> NDArray[np.int64]:
    """Put the cells of the arrays that edits of the chunks `keys` name; gives the chunks that hold something else now.

    Parameters
    ----------
    overlay : Overlay
    reader : LevelReader
    nodes : mapping
        Documents of the level by path.
    edits : Edits
    keys : sequence of ChunkKey
        Chunks in which no vertex comes or goes.

    Raises
    ------
    ConflictError
        A row that its chunk does not have.
    DamagedError
    """
    changed = [np.empty((0, reader.layout.metadata.sid_ndim), np.int64)]
    made = []  # all before any is put: shards that are put are others than the reader knows
    for array, dtype, changes in _changes(reader, edits, keys):
        coords = sort_chunks(np.array(list(changes), np.int64))
        made.append((array.path, coords, _set_in(reader, array, dtype, coords, edits, changes)))
    for path, coords, payloads in made:
        cells = PatchedCells(overlay, reader.layout.path, {path: nodes[path]}, _Among(ChunkTable.of(coords)))
        name = path[len(reader.layout.path) + 1 :]
        cells.put(name, coords, payloads)
        cells.finish(name, {})
        changed += [chunks for _, chunks in cells.changed]
    return sort_chunks(np.concatenate(changed))


class _Among:
    """Takes the cells of some chunks for stale."""

    def __init__(self, table: ChunkTable) -> None:
        self._table = table

    def __call__(self, array: str, coords: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray(self._table.find(coords) >= 0, np.bool_)


def _changes(
    reader: LevelReader, edits: Edits, keys: Sequence[ChunkKey]
) -> Iterator[tuple[CellArray, np.dtype[Any], dict[ChunkKey, _Change]]]:
    """Arrays that the edits change, the dtype of their rows, and by chunk which of the edited rows are set to what."""
    entries = {key: edits.chunks[key] for key in keys}
    moves = {key: (e.is_moved & ~e.is_deleted, e.positions) for key, e in entries.items() if e.is_moved.any()}
    if moves:
        yield reader.layout.vertices, reader.layout.vertex_dtype, moves
    for name in sorted({name for entry in entries.values() for name in entry.columns}):
        found = reader.layout.cell_attribute(names.VERTEX_ATTRIBUTES, name)
        if found is None:
            raise ConflictError(f"level {reader.layout.path} has no attribute {name!r} any more; reload the edits")
        given = {key: entry.columns[name] for key, entry in entries.items() if name in entry.columns}
        if given := {key: change for key, change in given.items() if change[0].any()}:
            yield found[0], found[1].dtype, given


def _set_in(
    reader: LevelReader,
    array: CellArray,
    dtype: np.dtype[Any],
    coords: NDArray[np.int64],
    edits: Edits,
    changes: Mapping[ChunkKey, _Change],
) -> list[NDArray[np.uint8]]:
    """Payloads of the cells with the rows set."""
    vertices = reader.layout.vertices
    cells, buffers = read_cells(reader.hierarchy, [(array, coords), (vertices, coords)])
    row_bytes = reader.layout.vertex_dtype.itemsize * reader.root.ndim
    counts = np.fromiter((len(buffer) // row_bytes for buffer in buffers), np.int64, len(buffers))
    if array is vertices:
        stored = [
            cell[: n * row_bytes].view(dtype).reshape(n, -1) for cell, n in zip(cells, counts.tolist(), strict=True)
        ]
    else:
        try:
            stored = rows_of(cells, counts, dtype)
        except DamagedError as error:
            raise locate_error(error, array.path, coords) from None
    out = []
    for chunk, values in zip(map(tuple, coords.tolist()), stored, strict=True):
        (is_set, new), rows = changes[chunk], edits.chunks[chunk].rows
        if rows[is_set][-1] >= len(values):
            (text,) = format_chunk_keys(np.array([chunk]))
            raise ConflictError(f"chunk {text} has no row {rows[is_set][-1]} any more; reload the edits")
        fresh = np.array(values)
        fresh[rows[is_set]] = new[is_set].reshape(int(is_set.sum()), *fresh.shape[1:])
        out.append(fresh.reshape(-1).view(np.uint8))
    return out
