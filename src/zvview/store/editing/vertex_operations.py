"""Operations on vertices, of any kind but lines: edits and what is wished give new edits.

All arrays come checked and in the store's dtypes (:mod:`zvview.store.editing.session` sees to it). Of a vertex that is
named twice the last word counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import MissingError
from zvview.format.grid import ChunkTable
from zvview.store.editing.edits import AddedVertices, ChunkEdits, ChunkKey, Edits, VertexRefs
from zvview.store.editing.object_operations import forget_objects

__all__ = [
    "add_vertices",
    "delete_vertices",
    "forget_emptied",
    "move_vertices",
    "reassign_vertices",
    "rows_by_chunk",
    "set_column",
]


def move_vertices(edits: Edits, refs: VertexRefs, positions: NDArray[np.float64]) -> Edits:
    """The vertices at new `positions`, (n, D), in stored coordinates."""
    chunks = dict(edits.chunks)
    for key, index in rows_by_chunk(refs):
        entry, at = _with_rows(chunks.get(key), refs.rows[index], positions.shape[1])
        moved, where = entry.is_moved.copy(), entry.positions.copy()
        moved[at], where[at] = True, positions[index]
        chunks[key] = replace(entry, is_moved=moved, positions=where)
    added, at, index = _among_added(edits, refs)
    if added is not None:
        where = added.positions.copy()
        where[at] = positions[index]
        added = replace(added, positions=where)
    return replace(edits, chunks=chunks, added=added)


def delete_vertices(edits: Edits, refs: VertexRefs, ndim: int) -> Edits:
    """Without the vertices; `ndim` is the number of axes, D."""
    chunks = dict(edits.chunks)
    for key, index in rows_by_chunk(refs):
        entry, at = _with_rows(chunks.get(key), refs.rows[index], ndim)
        deleted = entry.is_deleted.copy()
        deleted[at] = True
        chunks[key] = replace(entry, is_deleted=deleted)
    added, at, _ = _among_added(edits, refs)
    if added is not None:
        kept = np.ones(len(added.numbers), bool)
        kept[at] = False
        added = _take_added(added, kept) if kept.any() else None
    return replace(edits, chunks=chunks, added=added)


def set_column(edits: Edits, refs: VertexRefs, name: str, values: NDArray[Any], ndim: int) -> Edits:
    """The vertices with other values, (n,) or (n, C), of attribute `name`."""
    chunks = dict(edits.chunks)
    for key, index in rows_by_chunk(refs):
        entry, at = _with_rows(chunks.get(key), refs.rows[index], ndim)
        known = entry.columns.get(name)
        count = len(entry.rows)
        is_set = np.zeros(count, bool) if known is None else known[0].copy()
        column = np.zeros((count, *values.shape[1:]), values.dtype) if known is None else known[1].copy()
        is_set[at], column[at] = True, values[index]
        chunks[key] = replace(entry, columns={**entry.columns, name: (is_set, column)})
    added, at, index = _among_added(edits, refs)
    if added is not None:
        column = added.columns[name].copy()
        column[at] = values[index]
        added = replace(added, columns={**added.columns, name: column})
    return replace(edits, chunks=chunks, added=added)


def reassign_vertices(edits: Edits, refs: VertexRefs, objects: NDArray[np.int64], ndim: int) -> Edits:
    """The vertices as parts of other `objects`, (n,)."""
    chunks = dict(edits.chunks)
    for key, index in rows_by_chunk(refs):
        entry, at = _with_rows(chunks.get(key), refs.rows[index], ndim)
        reassigned, owners = entry.is_reassigned.copy(), entry.objects.copy()
        reassigned[at], owners[at] = True, objects[index]
        chunks[key] = replace(entry, is_reassigned=reassigned, objects=owners)
    added, at, index = _among_added(edits, refs)
    if added is not None and added.objects is not None:
        owners = added.objects.copy()
        owners[at] = objects[index]
        added = replace(added, objects=owners)
    return replace(edits, chunks=chunks, added=added)


def add_vertices(
    edits: Edits,
    positions: NDArray[np.float64],
    columns: Mapping[str, NDArray[Any]],
    objects: NDArray[np.int64] | None,
    sid_ndim: int,
    first: int = 0,
) -> tuple[Edits, VertexRefs]:
    """With new vertices, and their names.

    Parameters
    ----------
    edits : Edits
    positions : (m, D) float64 array
        In stored coordinates.
    columns : mapping of str to (m,) or (m, C) array
        All vertex attributes of the store.
    objects : (m,) int64 array or None
        None where the store's vertices have no objects.
    sid_ndim : int
    first : int
        Least number of the first one; it is greater than those that there are in any case.
    """
    known = edits.added
    if known is not None:
        first = max(first, int(known.numbers[-1]) + 1)
    numbers = np.arange(first, first + len(positions), dtype=np.int64)
    fresh = AddedVertices(numbers, positions, dict(columns), objects)
    refs = VertexRefs(np.zeros((len(numbers), sid_ndim), np.int64), -1 - numbers)
    if not len(numbers):
        return edits, refs
    return replace(edits, added=fresh if known is None else _join_added(known, fresh)), refs


def forget_emptied(edits: Edits, ids: frozenset[int]) -> Edits:
    """Without any word on those new objects among `ids` to which no vertex belongs: they are as if never made."""
    left = np.array(sorted(edits.new_objects & ids), np.int64)
    if len(left) and edits.added is not None and edits.added.objects is not None:
        left = np.setdiff1d(left, edits.added.objects)
    for entry in edits.chunks.values():
        if not len(left):
            break
        left = np.setdiff1d(left, entry.objects[entry.is_reassigned & ~entry.is_deleted])
    return forget_objects(edits, frozenset(left.tolist()))


def rows_by_chunk(refs: VertexRefs) -> Iterator[tuple[ChunkKey, NDArray[np.int64]]]:
    """Each chunk of stored vertices, with the indices into `refs` of its vertices; new ones are left out."""
    stored = np.flatnonzero(refs.rows >= 0)
    if not len(stored):
        return
    chunks = refs.chunks[stored]
    if (chunks == chunks[0]).all():
        yield tuple(chunks[0].tolist()), stored
        return
    table = ChunkTable.of(chunks)
    number = table.find(chunks)
    order = np.argsort(number, kind="stable")
    bounds = np.searchsorted(number[order], np.arange(len(table) + 1))
    for i, key in enumerate(table.coords.tolist()):
        yield tuple(key), stored[order[bounds[i] : bounds[i + 1]]]


def _with_rows(entry: ChunkEdits | None, rows: NDArray[np.int64], ndim: int) -> tuple[ChunkEdits, NDArray[np.int64]]:
    """The edits of a chunk with room for `rows`, and where these are in it."""
    entry = _blank(np.empty(0, np.int64), ndim) if entry is None else entry
    known = entry.rows
    at = np.searchsorted(known, rows)
    if len(known) and (known[np.minimum(at, len(known) - 1)] == rows).all():
        return entry, at
    union = np.union1d(known, rows)
    if not len(known):
        return _blank(union, ndim), np.searchsorted(union, rows)
    old = np.searchsorted(union, known)

    def spread(values: NDArray[Any]) -> NDArray[Any]:
        out = np.zeros((len(union), *values.shape[1:]), values.dtype)
        out[old] = values
        return out

    wider = ChunkEdits(
        union,
        spread(entry.is_deleted),
        spread(entry.is_moved),
        spread(entry.positions),
        spread(entry.is_reassigned),
        spread(entry.objects),
        {name: (spread(is_set), spread(values)) for name, (is_set, values) in entry.columns.items()},
    )
    return wider, np.searchsorted(union, rows)


def _blank(rows: NDArray[np.int64], ndim: int) -> ChunkEdits:
    """Edits of `rows` that say nothing yet."""
    n = len(rows)
    flags = np.zeros(n, bool)  # shared: whoever sets one copies it before
    return ChunkEdits(rows, flags, flags, np.zeros((n, ndim)), flags, np.zeros(n, np.int64))


def _among_added(edits: Edits, refs: VertexRefs) -> tuple[AddedVertices | None, NDArray[np.int64], NDArray[np.int64]]:
    """The new vertices, where those among `refs` are in them, and their indices in `refs`.

    Raises
    ------
    MissingError
        One of them was deleted again, or never made.
    """
    index = np.flatnonzero(refs.rows < 0)
    if not len(index):
        return edits.added, index, index
    wanted = -1 - refs.rows[index]
    known = np.empty(0, np.int64) if edits.added is None else edits.added.numbers
    at = np.searchsorted(known, wanted)
    found = at < len(known)
    found[found] = known[at[found]] == wanted[found]
    if not found.all():
        raise MissingError("new vertex", int(wanted[~found][0]), known[:21].tolist())
    return edits.added, at, index


def _take_added(added: AddedVertices, kept: NDArray[np.bool_]) -> AddedVertices:
    return AddedVertices(
        added.numbers[kept],
        added.positions[kept],
        {name: values[kept] for name, values in added.columns.items()},
        None if added.objects is None else added.objects[kept],
    )


def _join_added(one: AddedVertices, other: AddedVertices) -> AddedVertices:
    return AddedVertices(
        np.concatenate((one.numbers, other.numbers)),
        np.concatenate((one.positions, other.positions)),
        {name: np.concatenate((values, other.columns[name])) for name, values in one.columns.items()},
        None if one.objects is None or other.objects is None else np.concatenate((one.objects, other.objects)),
    )
