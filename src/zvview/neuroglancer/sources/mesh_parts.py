"""Large surfaces divided into boxes of chunks, so that each part is read and encoded in bounded memory.

The client asks for all of a mesh's manifest before it draws any of it, and that is only known once each level is
encoded. So a large object is several segments, which its layer joins as equivalent: they are chosen, coloured and
hidden as one, and appear one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.sequences import distinct
from zvview.neuroglancer.sources.segments import Segments
from zvview.store.reading.counts import count_fragments
from zvview.store.reading.reader import LevelReader
from zvview.store.store import Store

__all__ = ["MOST_UNDIVIDED", "WHOLE", "MeshPart", "MeshParts", "divide"]

WHOLE: Final = 1
"""The segment of a store without objects."""

MOST_UNDIVIDED: Final = 500_000
"""Vertices of an object that is one segment."""

_PART: Final = 250_000  # about half a million triangles: a second and a half to encode
_MOST_WEIGHED: Final = 1_000_000  # objects whose pieces are looked at

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class MeshPart:
    """What of an object lies in a box, both as whole chunks of the finest level.

    Attributes
    ----------
    object_id : int or None
        None where a store has no objects.
    chunks : (n,) int64 array
        Rows in the table of the finest level.
    lo, hi : (D,) float64 arrays
        Coordinates of chunks: the box reaches from `lo` up to, not including, `hi`. Outermost ones are infinite, so
        that the boxes of an object fill all of space, and coarser surfaces have a place wherever they lie.
    """

    object_id: int | None
    chunks: Ints
    lo: NDArray[np.float64]
    hi: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MeshParts:
    """The parts of the objects of a store that are divided.

    Attributes
    ----------
    by_segment : mapping of int to MeshPart
        The first part of an object has the object's own segment, the others have numbers above all of those.
    equivalences : tuple of tuple of int
        Segments of each divided object, its own one first.
    """

    by_segment: Mapping[int, MeshPart] = field(default_factory=dict)
    equivalences: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, store: Store, number: int, segments: Segments | None) -> Self:
        """The parts of a store of meshes.

        Parameters
        ----------
        store : Store
        number : int
            Of its finest level.
        segments : Segments or None
            None where it has no objects.
        """
        reader = store.reader(number)
        if reader.layout.metadata.refinement == names.REFINEMENT_ADD:  # chunks of several levels make up each place
            return cls()
        counts = store.count_vertices(number)
        sizes: dict[int | None, tuple[Ints, Ints]] = {}
        if segments is None:
            if counts.sum() > MOST_UNDIVIDED:
                sizes[None] = np.arange(len(counts)), counts
        elif counts.sum() > MOST_UNDIVIDED:
            sizes.update(_sizes_of_large(reader, counts, segments))
        edge = reader.layout.metadata.chunk_shape
        coords = reader.layout.vertices.chunks[:, -len(edge) :]
        found: dict[int, MeshPart] = {}
        joined: list[tuple[int, ...]] = []
        free = WHOLE + 1 if segments is None else 1 + int(segments.of_objects(segments.ids[-1:]).max(initial=0))
        for object_id, (rows, weights) in sizes.items():
            parts = divide(object_id, coords, rows, weights, edge, _PART)
            if len(parts) < 2:
                continue
            own = WHOLE
            if segments is not None:
                own = int(segments.of_objects(np.array([object_id], np.int64))[0])
            given = (own, *range(free, free + len(parts) - 1))
            free += len(parts) - 1
            found.update(zip(given, parts, strict=True))
            joined.append(given)
        return cls(found, tuple(joined))


def divide(
    object_id: int | None, coords: Ints, rows: Ints, weights: Ints, edge: NDArray[np.float64], most: int
) -> list[MeshPart]:
    """Boxes of chunks that hold about as much each, halved along the longest side until none holds too much.

    Parameters
    ----------
    object_id : int or None
    coords : (C, D) int64 array
        All chunks of a level.
    rows : (n,) int64 array
        Those of the object.
    weights : (n,) int64 array
        What each of them holds of it.
    edge : (D,) float64 array
        Of a chunk.
    most : int
        That a box may hold, unless it is a single chunk.
    """
    ndim = coords.shape[1]
    waiting = [(np.arange(len(rows)), np.full(ndim, -np.inf), np.full(ndim, np.inf))]
    found = []
    while waiting:
        own, lo, hi = waiting.pop()
        places = coords[rows[own]]
        spans = (np.ptp(places, axis=0) if len(own) else np.zeros(ndim, np.int64)) * edge
        if weights[own].sum() <= most or not spans.any():
            found.append(MeshPart(object_id, np.sort(rows[own]), lo, hi))
            continue
        axis = int(np.argmax(spans))
        values = places[:, axis]
        planes = distinct(values)[1:]
        below = np.cumsum(np.bincount(np.searchsorted(planes, values, side="right"), weights[own]))[:-1]
        plane = planes[int(np.argmin(np.abs(below - weights[own].sum() / 2)))]
        is_low = values < plane
        middle_hi, middle_lo = hi.copy(), lo.copy()
        middle_hi[axis] = middle_lo[axis] = plane
        waiting += [(own[~is_low], middle_lo, hi), (own[is_low], lo, middle_hi)]
    return found


def _sizes_of_large(reader: LevelReader, counts: Ints, segments: Segments) -> dict[int | None, tuple[Ints, Ints]]:
    """Chunks of each large object and how many of its vertices each holds, by id."""
    objects = reader.objects
    assert objects is not None
    if len(objects) > _MOST_WEIGHED:
        return {}
    manifests, table = objects.manifests(), ChunkTable.of(reader.layout.vertices.chunks)
    owner, at = objects.piece_rows(), table.find(manifests.chunks)
    owner, at, fragment = owner[at >= 0], at[at >= 0], manifests.fragments[at >= 0]
    pairs = distinct(owner * len(counts) + at)
    most = np.bincount(pairs // len(counts), counts[pairs % len(counts)], minlength=len(objects))
    found: dict[int | None, tuple[Ints, Ints]] = {}
    for row in np.flatnonzero((most > MOST_UNDIVIDED) & segments.has(objects.ids)).tolist():
        is_own = owner == row
        sizes = _sizes_in_chunks(reader, int(objects.ids[row]), at[is_own], fragment[is_own])
        if sizes is not None and sizes[1].sum() > MOST_UNDIVIDED:
            found[int(objects.ids[row])] = sizes
    return found


def _sizes_in_chunks(reader: LevelReader, object_id: int, at: Ints, fragment: Ints) -> tuple[Ints, Ints] | None:
    """Chunks of an object and its vertices in each; None where other objects share any of its fragments."""
    rows = distinct(at)
    chunks = reader.layout.vertices.chunks[rows]
    first, counts = count_fragments(reader, chunks)
    objects = reader.objects
    assert objects is not None
    # as reads of chunks tell it: no object, where there are several
    owners = objects.owners_of(ChunkTable.of(sort_chunks(chunks)), first)
    local = np.searchsorted(rows, at)
    is_there = fragment < np.diff(first)[local]
    pieces = (first[local] + fragment)[is_there]
    if (owners[pieces] != object_id).any():
        return None
    sizes = np.bincount(local[is_there], counts[pieces], minlength=len(rows))
    return rows, sizes.astype(np.int64)
