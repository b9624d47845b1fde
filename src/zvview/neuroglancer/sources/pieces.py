"""Pieces of lines as annotations draw them: what lies in a chunk, and on to where the next piece begins.

Both chunks that a line crosses between know of the step from one to the other. It belongs to the one in which it
begins; so a line has no gaps where chunks meet, and no step is drawn twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.attributes import AttributeMetadata
from zvview.format.sequences import offsets_of
from zvview.stream.parts import ROW_BITS, ChunkPart

__all__ = [
    "MOST_CHUNKS",
    "UNOWNED",
    "Pieces",
    "as_steps",
    "join_pieces",
    "means_of",
    "name_rows",
    "pieces_of_lines",
    "steps_of_network",
]

UNOWNED = np.uint64(1 << 63)
"""The highest bit of an annotation's id, the next one being 0, tells that it names a chunk and a row of it."""

MOST_CHUNKS = 1 << 30
_ROWS = (1 << ROW_BITS) - 1
_OVERHEAD = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Lines, each of them one annotation.

    Attributes
    ----------
    positions : (V, D) array
        World coordinates.
    offsets : (n + 1,) int64 array
        Bounds of each line.
    ids : (n,) int64 array
        Objects; -1 for none.
    names : (n,) uint64 array
        Ids of the annotations.
    attributes : mapping of str to (n,) or (n, C) array
        One value for each: the mean of the vertices that lie in the chunk, of categories the first one.
    """

    positions: NDArray[Any]
    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    names: NDArray[np.uint64]
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Of all arrays, and what holds them."""
        arrays = (self.positions, self.offsets, self.ids, self.names, *self.attributes.values())
        return _OVERHEAD + sum(array.nbytes for array in arrays)

    def take(self, rows: NDArray[np.int64]) -> Pieces:
        """Some of them, in the order of `rows`."""
        sizes = np.diff(self.offsets)[rows]
        offsets = offsets_of(sizes)
        values = {name: held.take(rows, axis=0) for name, held in self.attributes.items()}
        at = np.repeat(self.offsets[rows] - offsets[:-1], sizes)
        at += np.arange(offsets[-1])
        return Pieces(self.positions.take(at, axis=0), offsets, self.ids[rows], self.names[rows], values)


def join_pieces(parts: list[Pieces]) -> Pieces:
    """Some one after the other; attributes that one of them lacks are left out."""
    if len(parts) == 1:
        return parts[0]
    shared = set.intersection(*(set(part.attributes) for part in parts))
    return Pieces(
        np.concatenate([part.positions for part in parts]),
        offsets_of(np.concatenate([np.diff(part.offsets) for part in parts])),
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.names for part in parts]),
        {n: np.concatenate([part.attributes[n] for part in parts]) for n in parts[0].attributes if n in shared},
    )


def as_steps(pieces: Pieces) -> Pieces:
    """Lines of two vertices each: longer ones cut into their steps, single vertices left out."""
    sizes = np.diff(pieces.offsets)
    if (sizes == 2).all():
        return pieces
    owner = np.repeat(np.arange(len(pieces)), np.maximum(sizes - 1, 0))
    is_last = np.zeros(len(pieces.positions), bool)
    is_last[pieces.offsets[1:][sizes > 0] - 1] = True
    starts = np.flatnonzero(~is_last)
    values = {name: held[owner] for name, held in pieces.attributes.items()}
    ends = np.stack((pieces.positions[starts], pieces.positions[starts + 1]), axis=1)
    return _pairs(ends, pieces.ids[owner], pieces.names[owner], values)


def name_rows(row: int, count: int) -> NDArray[np.uint64]:
    """Ids of annotations that belong to no object: what is told of the chunk at `row` of the level, in its order."""
    return np.arange(count, dtype=np.uint64) | (UNOWNED | np.uint64(row << ROW_BITS))


def pieces_of_lines(part: ChunkPart, row: int, kinds: Mapping[str, AttributeMetadata]) -> Pieces:
    """The lines of a chunk of lines, polylines or streamlines.

    A step that does not lead on from the end of a piece, which sound stores do not have, is a line of its own. A single
    vertex is left out when a step leads to it.

    Parameters
    ----------
    part : ChunkPart
    row : int
        Of the chunk among those of its level.
    kinds : mapping of str to AttributeMetadata
        The attributes that are wanted.
    """
    sizes = np.diff(part.offsets)
    ids = _ids_of(part)
    annotations = np.where(ids == names.OWNER_NONE, name_rows(row, len(ids)), ids.view(np.uint64))
    starts, ends, entered = _steps(part, row)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    piece, left = owner[starts], owner[entered]
    leading = np.flatnonzero(starts == part.offsets[piece + 1] - 1)
    leading = leading[np.unique(piece[leading], return_index=True)[1]]  # of several steps from one end the first
    further = np.full(len(sizes), -1, np.int64)
    further[piece[leading]] = len(part) + leading
    is_alone = sizes == 1
    is_alone[piece] = is_alone[left] = False
    kept = np.flatnonzero((sizes > 1) | (further >= 0) | is_alone)
    values = _means(part, kinds)
    positions, offsets = _gather(np.concatenate((part.positions, ends[:, 1])), part.offsets, kept, further[kept])
    lines = Pieces(positions, offsets, ids[kept], annotations[kept], {n: v[kept] for n, v in values.items()})
    aside = np.ones(len(starts), bool)
    aside[leading] = False
    if not aside.any():
        return lines
    of = piece[aside]
    return join_pieces([lines, _pairs(ends[aside], ids[of], annotations[of], {n: v[of] for n, v in values.items()})])


def steps_of_network(part: ChunkPart, row: int, kinds: Mapping[str, AttributeMetadata]) -> Pieces:
    """The edges that begin in a chunk of a graph or skeleton, each of two vertices; arguments as for lines.

    Each has the object of its first vertex, the mean of both vertices, of categories that of the first, and the
    attributes of the edge.
    """
    starts, ends, _ = _steps(part, row)
    owners = np.repeat(_ids_of(part), np.diff(part.offsets))
    crossing = part.crossing
    values: dict[str, NDArray[Any]] = {}
    for name, metadata in kinds.items():
        if name in part.link_attributes:
            found = [part.link_attributes[name]]
            if crossing is not None:
                found.append(crossing.attributes[name][_own(crossing.ends, row)])
            values[name] = np.concatenate(found)
        elif name in part.attributes:
            own = part.attributes[name]
            first, second = own.take(starts, axis=0), [own.take(part.links[:, 1], axis=0)]
            if crossing is not None:
                second.append(crossing.far_attributes[name][_far_rows(crossing.ends, crossing.far, row)])
            values[name] = _blend(first, np.concatenate(second), metadata)
    return _pairs(ends, owners[starts], name_rows(row, len(starts)), values)


def _ids_of(part: ChunkPart) -> NDArray[np.int64]:
    count = len(part.offsets) - 1
    return np.full(count, names.OWNER_NONE, np.int64) if part.object_ids is None else part.object_ids


def _steps(part: ChunkPart, row: int) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]:
    """Rows of the chunk where links begin, (S,), positions of their ends, (S, 2, D), and rows where links end."""
    starts, entered = part.links[:, 0], part.links[:, 1]
    ends = part.positions.take(part.links.reshape(-1), axis=0).reshape(-1, 2, part.positions.shape[1])
    if (crossing := part.crossing) is None:
        return starts, ends, entered
    leaving = crossing.ends[_own(crossing.ends, row), 0] & _ROWS
    far = crossing.far_positions.take(_far_rows(crossing.ends, crossing.far, row), axis=0)
    beyond = np.stack((part.positions.take(leaving, axis=0), far), axis=1)
    coming = crossing.ends[crossing.ends[:, 1] >> ROW_BITS == row, 1] & _ROWS
    return (np.concatenate((starts, leaving)), np.concatenate((ends, beyond)), np.concatenate((entered, coming)))


def _own(ends: NDArray[np.int64], row: int) -> NDArray[np.bool_]:
    """Links that begin in the chunk at `row`."""
    return np.asarray(ends[:, 0] >> ROW_BITS == row)


def _far_rows(ends: NDArray[np.int64], far: NDArray[np.int64], row: int) -> NDArray[np.int64]:
    """Where the other ends of those links stand among the far ones."""
    return np.asarray(np.searchsorted(far, ends[_own(ends, row), 1]))


def _gather(
    positions: NDArray[Any], offsets: NDArray[np.int64], kept: NDArray[np.int64], further: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Some pieces one after the other, each with the position at `further` behind it unless that is -1."""
    sizes = np.diff(offsets)[kept] + (further >= 0)
    bounds = offsets_of(sizes)
    at = np.repeat(offsets[kept] - bounds[:-1], sizes)
    at += np.arange(bounds[-1])
    goes_on = further >= 0
    at[bounds[1:][goes_on] - 1] = further[goes_on]
    return positions.take(at, axis=0), bounds


def _pairs(
    ends: NDArray[Any], ids: NDArray[np.int64], annotations: NDArray[np.uint64], values: Mapping[str, NDArray[Any]]
) -> Pieces:
    """Lines of two vertices, (n, 2, D)."""
    return Pieces(ends.reshape(-1, ends.shape[2]), np.arange(len(ids) + 1) * 2, ids, annotations, values)


def _is_first_told(metadata: AttributeMetadata) -> bool:
    return metadata.categories is not None or metadata.dtype.kind == "b"


def means_of(values: NDArray[Any], offsets: NDArray[np.int64], metadata: AttributeMetadata) -> NDArray[Any]:
    """One value for each piece, (n,) or (n, C): the mean of those that are numbers, of categories the first."""
    full = np.flatnonzero(np.diff(offsets))
    starts = offsets[:-1][full]
    if _is_first_told(metadata):
        out = np.zeros((len(offsets) - 1, *values.shape[1:]), values.dtype)
        out[full] = values[starts]
        return out
    wide = values.astype(np.float64)
    is_known = np.isfinite(wide)
    if not len(full):
        return np.zeros((len(offsets) - 1, *values.shape[1:]), metadata.dtype)
    counts = np.add.reduceat(is_known, starts, axis=0, dtype=np.float64)
    sums = np.add.reduceat(np.where(is_known, wide, 0), starts, axis=0)
    mean = np.full((len(offsets) - 1, *values.shape[1:]), np.nan)
    mean[full] = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return _rounded(mean, metadata)


def _means(part: ChunkPart, kinds: Mapping[str, AttributeMetadata]) -> dict[str, NDArray[Any]]:
    return {
        name: means_of(part.attributes[name], part.offsets, metadata)
        for name, metadata in kinds.items()
        if name in part.attributes
    }


def _blend(first: NDArray[Any], second: NDArray[Any], metadata: AttributeMetadata) -> NDArray[Any]:
    """Means of two values each."""
    if _is_first_told(metadata):
        return first
    return _rounded((first.astype(np.float64) + second) / 2, metadata)


def _rounded(values: NDArray[np.float64], metadata: AttributeMetadata) -> NDArray[Any]:
    """Means in the type in which they are told; colours are of bytes."""
    with np.errstate(over="ignore"):
        return np.rint(np.nan_to_num(values)).astype(np.uint8) if metadata.dtype == np.uint8 else values.astype("f4")
