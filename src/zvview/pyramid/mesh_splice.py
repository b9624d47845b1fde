"""A level of a mesh as it was, and some of its blocks made again, put together in the chunks that these lie in.

Rows of a chunk stand by object, then by moved block; triangles inside a moved block stand by block, and those between
such blocks come last, ordered by where they are. Each block is either old or new. So the order in which a build writes
all of this can be told without making anything else again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable, locate_chunks, sort_chunks
from zvview.pyramid.kind import Job
from zvview.pyramid.mesh_passes import moved_blocks
from zvview.pyramid.mesh_pieces import corner_keys
from zvview.pyramid.stored_mesh import StoredFaces, StoredVertices, read_faces
from zvview.pyramid.surfaces import Surface
from zvview.store.level import Level
from zvview.store.patching.link_runs import CrossingLinks, make_link_run
from zvview.store.writing.intake import Intake
from zvview.store.writing.partition import partition
from zvview.store.writing.runs import Run
from zvview.store.writing.sorting import rank_rows, run_starts

__all__ = ["Renewal", "splice"]


@dataclass(frozen=True, slots=True, eq=False)
class Renewal:
    """Old vertices of some chunks, and what was made again.

    Attributes
    ----------
    stored : StoredVertices
    is_stale : (n,) bool
        Those in blocks that were made again: they are no more.
    made : Surface
        Blocks that were made again, and all triangles that have a corner in them.
    is_new : (k,) bool
        Vertices of these blocks; the others are corners in blocks that stay.
    twins : (k,) int64
        The stored vertex that each of these is; anything for new ones.
    """

    stored: StoredVertices
    is_stale: NDArray[np.bool_]
    made: Surface
    is_new: NDArray[np.bool_]
    twins: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Vertices:
    """Vertices that triangles may have for corners: stored ones, those of further chunks, and those that were made.

    Attributes
    ----------
    positions : (n, D)
    chunks : (n, D) int64
    rows : (n,) int64
        Row of each in its chunk as it will be.
    places : (n,) int64
        Place among the vertices of the chunks that are put, -1 for all others.
    """

    positions: NDArray[np.floating]
    chunks: NDArray[np.int64]
    rows: NDArray[np.int64]
    places: NDArray[np.int64]


def splice(job: Job, old: Level, renewal: Renewal) -> tuple[NDArray[np.int64], list[Run], Run | None] | None:
    """The chunks in which vertices come or go, and all that they hold then.

    Returns
    -------
    chunks, runs, between
        As :class:`~zvview.store.patching.replacement.Replacement` has them; None where the level is not what its
        design makes.
    """
    stored, made = renewal.stored, renewal.made
    fresh = np.flatnonzero(renewal.is_new)
    homes = locate_chunks(made.positions, job.design.chunk)
    chunks = sort_chunks(np.concatenate((stored.chunks[renewal.is_stale], homes[fresh])))
    held = read_faces(old, stored, chunks)
    if held is None:
        return None
    stays = np.flatnonzero(~renewal.is_stale & (ChunkTable.of(chunks).find(stored.chunks) >= 0))
    if not len(stays) + len(fresh):
        return chunks, [], None
    before = len(stored.rows) + len(held.rows)
    joined = _join_faces(renewal, held, np.where(renewal.is_new, before + np.arange(len(homes)), renewal.twins))
    if joined is None:
        return None
    put = _join(stored.surface, stays, made, fresh)
    own = np.concatenate((stored.chunks[stays], homes[fresh]))
    order, local = _sort_vertices(put, own, job)
    numbers = np.concatenate((stays, before + fresh))[order]
    rows = np.concatenate((stored.rows, held.rows, np.full(len(homes), -1)))
    rows[numbers] = local
    places = np.full(len(rows), -1, np.int64)
    places[numbers] = np.arange(len(numbers))
    vertices = _Vertices(
        _append(stored.surface.positions, _append(held.positions, made.positions)),
        np.concatenate((stored.chunks, held.chunks, homes)),
        rows,
        places,
    )
    faces = _sort_faces(*joined, vertices, job)
    return chunks, *_make_runs(put.take_vertices(order, put.faces), vertices, *faces, job)


def _join_faces(
    renewal: Renewal, held: StoredFaces, ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Mapping[str, NDArray[Any]]] | None:
    """Old triangles that stay, and new ones, whose corners are `ends`; None where their attributes are not alike."""
    is_stale = np.concatenate((renewal.is_stale, np.zeros(len(held.rows), bool)))
    stay = np.flatnonzero(~is_stale[held.faces].any(axis=1))
    faces, columns = ends[renewal.made.faces], renewal.made.face_columns
    if not len(stay):
        return faces, columns
    kept = {name: values[stay] for name, values in held.columns.items()}
    if not len(faces):
        return held.faces[stay], kept
    if {n: (v.dtype, v.shape[1:]) for n, v in kept.items()} != {n: (v.dtype, v.shape[1:]) for n, v in columns.items()}:
        return None
    joined = {name: np.concatenate((values, columns[name])) for name, values in kept.items()}
    return np.concatenate((held.faces[stay], faces)), joined


def _join(old: Surface, stays: NDArray[np.int64], made: Surface, fresh: NDArray[np.int64]) -> Surface:
    """Some vertices of both, without triangles."""
    none = np.empty((0, 3), np.int64)
    if not len(stays) or not len(fresh):
        return made.take_vertices(fresh, none) if len(fresh) else old.take_vertices(stays, none)
    objects = None
    if old.objects is not None and made.objects is not None:
        objects = np.concatenate((old.objects[stays], made.objects[fresh]))
    columns = {name: np.concatenate((values[stays], made.columns[name][fresh])) for name, values in old.columns.items()}
    return Surface(np.concatenate((old.positions[stays], made.positions[fresh])), columns, objects, none, {})


def _append(some: NDArray[np.floating], more: NDArray[np.floating]) -> NDArray[np.floating]:
    """Both; where one is empty it does not even have a width."""
    return np.concatenate((some, more)) if len(some) and len(more) else some if len(some) else more


def _sort_vertices(
    surface: Surface, chunks: NDArray[np.int64], job: Job
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Vertices in the order in which they are stored, and the row that each of these then has in its chunk."""
    blocks, _ = rank_rows(moved_blocks(surface.positions, job.design))
    number, _ = rank_rows(chunks)
    order = np.lexsort((blocks, *([] if surface.objects is None else [surface.objects]), number))
    starts = run_starts(number[order])
    return order, np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))


def _sort_faces(
    faces: NDArray[np.int64], columns: Mapping[str, NDArray[Any]], vertices: _Vertices, job: Job
) -> tuple[NDArray[np.int64], Mapping[str, NDArray[Any]]]:
    """Triangles in the order in which a build comes to them."""
    block = rank_rows(moved_blocks(vertices.positions, job.design))[0][faces]
    crosses = (block != block[:, :1]).any(axis=1)
    keys = np.where(crosses, corner_keys(vertices.positions[faces]), block[:, 0].astype(np.uint64))
    order = np.lexsort((keys, crosses))
    return faces[order], {name: values[order] for name, values in columns.items()}


def _make_runs(
    put: Surface, vertices: _Vertices, faces: NDArray[np.int64], columns: Mapping[str, NDArray[Any]], job: Job
) -> tuple[list[Run], Run | None]:
    """Vertices in their order with the triangles inside of chunks, and the triangles between chunks."""
    number = rank_rows(vertices.chunks)[0][faces]
    is_inner = (number == number[:, :1]).all(axis=1)
    inner, outer = np.flatnonzero(is_inner), np.flatnonzero(~is_inner)
    intake = Intake(
        np.ascontiguousarray(put.positions, put.positions.dtype.newbyteorder("<")),
        put.columns,
        put.objects,
        links=vertices.places[faces[inner]],
        link_columns={name: values[inner] for name, values in columns.items()},
    )
    run = partition(intake, job.tiling)
    if not len(outer):
        return [run], None
    ends = faces[outer]
    links = CrossingLinks(vertices.chunks[ends], vertices.rows[ends], {n: v[outer] for n, v in columns.items()})
    return [run], make_link_run(links, run)
