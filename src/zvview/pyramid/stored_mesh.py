"""What a stored level of a mesh holds in and around some of its chunks, with the rows at which it is stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable
from zvview.pyramid.mesh_pieces import corner_keys
from zvview.pyramid.surfaces import Surface
from zvview.store.level import Level
from zvview.store.reading.chunks import touches_chunks
from zvview.store.reading.links import decode_selection, select_links
from zvview.store.reading.piece_buffer import PieceBuffer, Surroundings
from zvview.store.reading.pieces import read_pieces
from zvview.store.reading.reader import ReadOptions

__all__ = ["NOWHERE", "SEVERAL", "StoredFaces", "StoredVertices", "find_alike", "read_faces", "read_vertices"]

NOWHERE, SEVERAL = -1, -2
"""Stand for a vertex that is not there, and for one that is there more than once."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredVertices:
    """All vertices of some chunks, in the order of chunks and rows.

    Attributes
    ----------
    surface : Surface
        Without triangles.
    chunks : (n, D) int64
        The chunk of each.
    rows : (n,) int64
        Its row there.
    buffer : PieceBuffer
        What was read.
    """

    surface: Surface
    chunks: NDArray[np.int64]
    rows: NDArray[np.int64]
    buffer: PieceBuffer


@dataclass(frozen=True, slots=True, eq=False)
class StoredFaces:
    """Triangles with a corner in some chunks; those of a cell in its order.

    Attributes
    ----------
    faces : (F, 3) int64
        Numbers of vertices that were read before, and behind these of the further ones.
    columns : mapping of str to (F,) or (F, C)
    positions : (m, D)
        Of all vertices of further chunks that a corner may lie in.
    chunks : (m, D) int64
    rows : (m,) int64
    """

    faces: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]
    positions: NDArray[np.floating]
    chunks: NDArray[np.int64]
    rows: NDArray[np.int64]


def read_vertices(level: Level, chunks: NDArray[np.int64]) -> StoredVertices | None:
    """The vertices of chunks, (C, D) in numeric order; None where fragments do not name each row once, in order."""
    reader, options = level._reader, ReadOptions()
    buffer, _ = read_pieces(reader.hierarchy, reader.families(options), chunks)
    if buffer.stored_rows is not None:
        return None
    owners = reader.owners(buffer, options)
    objects = None if owners is None else np.repeat(owners, np.diff(buffer.offsets))
    surface = Surface(buffer.positions, buffer.attributes, objects, np.empty((0, 3), np.int64), {})
    return StoredVertices(surface, *_places_in(buffer), buffer)


def read_faces(level: Level, vertices: StoredVertices, chunks: NDArray[np.int64]) -> StoredFaces | None:
    """The triangles with a corner in some of the chunks that `vertices` are of; None where there is no such corner."""
    reader = level._reader
    families = reader.families(ReadOptions(attributes=())).without_fragments()
    family = reader.links()
    if family is None:
        nothing = vertices.buffer.positions[:0]
        return StoredFaces(vertices.surface.faces, {}, nothing, vertices.chunks[:0], vertices.rows[:0])
    test = touches_chunks(ChunkTable.of(chunks), reader, None)
    selection = select_links(family, test, reader.link_attributes(None))
    ends = selection.endpoint_chunks().reshape(-1, chunks.shape[1])
    beyond = ends[vertices.buffer.chunks.find(ends) < 0]
    further, payloads = read_pieces(reader.hierarchy, families, beyond, extra=selection.asks)
    table = decode_selection(selection, payloads)
    faces = vertices.surface.faces
    if len(table):
        faces = Surroundings(vertices.buffer, further).find_rows(table.places, table.at, table.rows)
    if faces.min(initial=0) < 0:
        return None
    return StoredFaces(faces, table.attributes, further.positions, *_places_in(further))


def find_alike(surface: Surface, is_wanted: NDArray[np.bool_], others: Surface) -> NDArray[np.int64]:
    """For each vertex of `others` that wanted one of `surface` which has its position, object and attributes.

    Returns
    -------
    (m,) int64
        :data:`NOWHERE` and :data:`SEVERAL` where it is not one vertex.
    """
    keys = corner_keys(others.positions[:, None])
    mine = np.flatnonzero(is_wanted)
    mine = mine[np.isin(corner_keys(surface.positions[mine, None]), keys)]
    words = np.concatenate((_bits_of(surface, mine), _bits_of(others, np.arange(len(keys)))))
    _, group = np.unique(words.view(f"V{words.shape[1]}").ravel(), return_inverse=True)
    own, wanted = np.split(group.ravel(), [len(mine)])
    found = np.full(len(words), NOWHERE, np.int64)
    found[own] = mine
    counts = np.bincount(own, minlength=len(words))[wanted]
    return np.where(counts > 1, SEVERAL, found[wanted])


def _bits_of(surface: Surface, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """All that is known of some vertices but their faces, (n, bytes)."""
    columns = [surface.positions, *(surface.columns[name] for name in sorted(surface.columns))]
    columns += [] if surface.objects is None else [surface.objects]
    words = [np.ascontiguousarray(c[rows], c.dtype.newbyteorder("<")) for c in columns]
    widths = [w.dtype.itemsize * math.prod(w.shape[1:]) for w in words]
    split = [w.reshape(-1).view(np.uint8).reshape(len(rows), n) for w, n in zip(words, widths, strict=True)]
    return np.ascontiguousarray(np.concatenate(split, axis=1))


def _places_in(buffer: PieceBuffer) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Chunk and row of each vertex of a buffer."""
    counts = np.diff(buffer.stored_first)
    rows = np.arange(int(counts.sum())) - np.repeat(buffer.stored_first[:-1], counts)
    return np.repeat(buffer.chunks.coords, counts, axis=0), rows
