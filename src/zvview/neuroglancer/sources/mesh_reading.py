"""Triangles of a level as the client is to get them: of whole objects, or of parts of large ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.format.sequences import offsets_of
from zvview.geometry.batches import Mesh
from zvview.neuroglancer.encoding.space import ModelFrame
from zvview.neuroglancer.sources.mesh_parts import MeshPart
from zvview.store.store import Store
from zvview.stream.facts import LevelFacts, StoreFacts
from zvview.stream.loading import load_chunks
from zvview.stream.parts import ROW_BITS, ChunkPart

__all__ = ["Surface", "read_part", "read_surfaces"]

Surface = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Vertices (V, 3) as they are stored in models, not all of which are used, and triangles (F, 3)."""

_AT_ONCE: Final = 16  # chunks
_MARGIN: Final = 1e-6  # of a chunk: what lies on its border may be rounded to either side

TakeNotes = Callable[[tuple[str, ...]], None]


def read_surfaces(
    store: Store, number: int, ids: NDArray[np.int64] | None, frame: ModelFrame, take_notes: TakeNotes
) -> dict[int | None, Surface]:
    """Whole objects at one level, those that have triangles there; or all of a store without objects.

    Parameters
    ----------
    store : Store
    number : int
        Of the level.
    ids : (n,) int64 array or None
    frame : ModelFrame
    take_notes : callable
        Told what could not be read.
    """
    level = store.level(number)
    if ids is None:
        batch = level.read(attributes=[], on_damage="skip")
    else:
        there = level.object_ids
        wanted = ids[:0] if there is None else ids[np.isin(ids, there)]
        if not len(wanted):
            return {}
        batch = level.read_objects(wanted, [], on_damage="skip")
    assert isinstance(batch, Mesh)
    take_notes(batch.notes)
    places = frame.place(batch.positions)
    faces = _triangles(batch.faces, places)
    if ids is None:
        return {None: (places, faces)} if len(faces) else {}
    assert batch.object_ids is not None
    owner = np.searchsorted(batch.offsets, faces[:, 0], side="right") - 1
    order = np.argsort(owner, kind="stable")
    faces, bounds = faces[order], offsets_of(np.bincount(owner, minlength=len(batch.object_ids)))
    found: dict[int | None, Surface] = {}
    for piece in np.flatnonzero(np.diff(bounds)).tolist():
        start, end = batch.offsets[piece : piece + 2].tolist()
        own = faces[bounds[piece] : bounds[piece + 1]] - start
        found[int(batch.object_ids[piece])] = (places[start:end], own)
    return found


def read_part(
    store: Store,
    facts: StoreFacts,
    level: LevelFacts,
    part: MeshPart,
    frame: ModelFrame,
    take_notes: TakeNotes,
) -> Surface | None:
    """A part of an object at one level: the faces whose first corner lies in it. None where there are none.

    Parameters
    ----------
    store : Store
    facts : StoreFacts
        Without attributes.
    level : LevelFacts
    part : MeshPart
    frame : ModelFrame
    take_notes : callable
        Told what could not be read.

    Raises
    ------
    ConflictError
        The store is another one than when the facts were gathered.
    """
    edge = facts.levels[0].chunk_shape
    is_finest = level is facts.levels[0]
    lo, hi = part.lo * edge, part.hi * edge
    rows = part.chunks if is_finest else _chunks_near(level, lo, hi)
    vertices: list[NDArray[np.float32]] = []
    triangles: list[NDArray[np.int64]] = []
    count = 0
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        loaded = load_chunks(store, facts, level, some, ())
        take_notes(loaded.notes)
        for row, chunk in zip(some.tolist(), loaded.parts, strict=True):
            positions, faces = _own_faces(chunk, row, part.object_id)
            if not is_finest and len(faces):
                first = positions[faces[:, 0]] - facts.offset
                faces = faces[((first >= lo) & (first < hi)).all(axis=1)]
            if not len(faces):
                continue
            places = frame.place(positions)
            triangles.append(_triangles(faces, places) + count)
            vertices.append(places)
            count += len(places)
    if not sum(map(len, triangles)):
        return None
    return np.concatenate(vertices), np.concatenate(triangles)


def _chunks_near(level: LevelFacts, lo: NDArray[np.float64], hi: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of the chunks of a level that a box meets or nearly meets."""
    cells = level.chunks[:, -len(lo) :]
    margin = _MARGIN * level.chunk_shape
    starts, ends = cells * level.chunk_shape, (cells + 1) * level.chunk_shape
    return np.flatnonzero(((starts <= hi + margin) & (ends >= lo - margin)).all(axis=1))


def _own_faces(
    chunk: ChunkPart, row: int, object_id: int | None
) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64]]:
    """Faces of an object whose first corner is in a chunk, and the vertices of the chunk with those beyond it."""
    positions, faces = chunk.positions, chunk.links
    if (crossing := chunk.crossing) is not None and len(crossing.ends):
        ends = crossing.ends[crossing.ends[:, 0] >> ROW_BITS == row]
        if len(ends):
            is_far = ends >> ROW_BITS != row
            local = np.where(is_far, 0, ends & ((1 << ROW_BITS) - 1))
            local[is_far] = len(positions) + np.searchsorted(crossing.far, ends[is_far])
            positions = np.concatenate((positions, crossing.far_positions))
            faces = np.concatenate((faces, local)) if len(faces) else local
    if object_id is not None and len(faces):
        if chunk.object_ids is None:
            return positions, faces[:0]
        piece = np.searchsorted(chunk.offsets, faces[:, 0], side="right") - 1
        faces = faces[chunk.object_ids[piece] == object_id]
    return positions, faces


def _triangles(faces: NDArray[np.int64], places: NDArray[np.float32]) -> NDArray[np.int64]:
    """Faces of any number of corners as fans of triangles, without those that reach beyond all numbers."""
    fans = [faces[:, [0, i, i + 1]] for i in range(1, faces.shape[1] - 1)]
    found = np.concatenate(fans) if len(fans) > 1 else fans[0] if fans else np.empty((0, 3), np.int64)
    is_finite = np.asarray(np.isfinite(places).all(axis=1))
    if not is_finite.all():
        found = found[is_finite[found].all(axis=1)]
    return found
