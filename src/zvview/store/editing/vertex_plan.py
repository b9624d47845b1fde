"""Which chunks of level 0 edits make anew, and of which only some values are set where they stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format import names
from zvview.format.cells import FARTHEST_CHUNK
from zvview.format.grid import locate_chunks, sort_chunks
from zvview.store.editing.edits import ChunkEdits, ChunkKey, Edits, VertexRefs
from zvview.store.reading.reader import LevelReader

__all__ = ["VertexPlan", "locate_all", "plan_vertices"]


@dataclass(frozen=True, slots=True, eq=False)
class VertexPlan:
    """What becomes of the chunks that are edited.

    Attributes
    ----------
    renewed : (n, sid) int64
        Chunks in numeric order in which vertices come, go, change their place among the others or their object, or
        which hold an end of a link that comes or goes.
    patched : tuple of ChunkKey
        Chunks of which only positions or attributes of some rows become others.
    """

    renewed: NDArray[np.int64]
    patched: tuple[ChunkKey, ...]


def plan_vertices(reader: LevelReader, edits: Edits) -> VertexPlan:
    """Sort the chunks that edits of a level of vertices name.

    A vertex that moves inside its chunk keeps its row, but where rows are ordered by bin. What its position is rounded
    to where it is stored decides on its chunk.

    Raises
    ------
    InvalidInputError
        A position that no chunk of the grid can hold.
    """
    dtype, metadata = reader.layout.vertex_dtype, reader.layout.metadata
    sid, chunk_shape = metadata.sid_ndim, metadata.chunk_shape
    are_moves_local = reader.kind != names.POINT_CLOUD or reader.objects is not None
    renewed, patched = [np.empty((0, sid), np.int64)], []
    for key, entry in edits.chunks.items():
        arrivals = _leave(key, entry, dtype, chunk_shape)
        goes = entry.is_deleted | entry.is_reassigned | (entry.is_moved & (not are_moves_local))
        if len(arrivals) or goes.any():
            renewed += [np.array([key], np.int64), arrivals]
        elif entry.is_moved.any() or any(is_set.any() for is_set, _ in entry.columns.values()):
            patched.append(key)
    if edits.added is not None:
        renewed.append(locate_all(_rounded(edits.added.positions, dtype), chunk_shape))
    if edits.links is not None:
        renewed += [_stored(edits.links.removed), _stored(edits.links.added)]
    chunks = sort_chunks(np.concatenate(renewed))
    among = set(map(tuple, chunks.tolist()))
    return VertexPlan(chunks, tuple(key for key in patched if key not in among))


def locate_all(positions: NDArray[np.floating], chunk_shape: NDArray[np.float64]) -> NDArray[np.int64]:
    """Chunk of each position, (n, D).

    Raises
    ------
    InvalidInputError
        A position that no chunk can hold.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        is_far = ~(np.abs(positions / chunk_shape) <= FARTHEST_CHUNK).all(axis=1)
    if is_far.any():
        raise InvalidInputError(f"position {positions[is_far][0].tolist()}: no chunk of the store can hold it")
    return locate_chunks(positions, chunk_shape)


def _leave(
    key: ChunkKey, entry: ChunkEdits, dtype: np.dtype[np.floating], chunk_shape: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Chunks that vertices of a chunk move to, (m, sid), its own left out."""
    moves = np.flatnonzero(entry.is_moved & ~entry.is_deleted)
    spatial = locate_all(_rounded(entry.positions[moves], dtype), chunk_shape)
    out = np.repeat(np.array([key], np.int64), len(moves), axis=0)
    out[:, out.shape[1] - spatial.shape[1] :] = spatial
    is_elsewhere = (out != np.array(key)).any(axis=1)
    return np.asarray(out[is_elsewhere])


def _rounded(positions: NDArray[np.float64], dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
    """As they are stored; what is too large for that is infinite."""
    with np.errstate(over="ignore"):
        return positions.astype(dtype)


def _stored(refs: VertexRefs) -> NDArray[np.int64]:
    return refs.chunks[refs.rows >= 0]
