"""Which coarse vertex stands for each fine one: found block by block, when both levels are written.

The parent of a vertex is the nearest coarse vertex of its object, distances being counted in bins of the coarse level,
so that a vertex that the coarse level keeps is its own. Without objects it is the nearest of all; where frames of time
were thinned each for itself, the nearest of the frame. A block of chunks looks at what lies within a bin of it, and
farther only for what has found no parent so near: ends of long straight lines, say. What is found does not depend on
how the level was cut into blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable, chunks_in_box, sort_chunks
from zvview.pyramid.nearest import find_nearest
from zvview.pyramid.scratch import Scratch
from zvview.pyramid.stage import Stage
from zvview.pyramid.stored_vertices import StoredVertices, iterate_stored, join_stored
from zvview.store.reading.reader import LevelReader
from zvview.store.writing.sorting import rank_rows, run_starts

__all__ = ["LevelPair", "PairSetting", "ParentRun", "find_parents"]

_FARTHER = 4.0  # times as far is looked for what was not found
_ROUNDING = 1 + 1e-9  # boxes are a little larger than the distances that must lie inside


@dataclass(frozen=True, slots=True, eq=False)
class PairSetting:
    """Two neighbouring levels of a store in the making; kept in scratch, from where each process takes it once.

    Attributes
    ----------
    stage : Stage
    level : int
        The finer one.
    bin_shape : D floats
        Of the coarser one.
    frames : sequence of int
        Axes along which only equal coordinates stand for each other.
    """

    stage: Stage
    level: int
    bin_shape: tuple[float, ...]
    frames: tuple[int, ...]

    def open(self, scratch: Scratch) -> LevelPair:
        """What a task works with."""
        store = self.stage.open()
        ids = store.level(self.level + 1).present_object_ids
        has_objects = ids is not None and store.level(self.level).object_ids is not None
        fine, coarse = store.reader(self.level), store.reader(self.level + 1)
        return LevelPair(fine, coarse, ids if has_objects else None, np.array(self.bin_shape), self.frames, scratch)


@dataclass(frozen=True, slots=True, eq=False)
class LevelPair:
    """Two neighbouring levels, opened.

    Attributes
    ----------
    fine, coarse : LevelReader
    ids : (n,) int64 or None
        Objects of the coarser level, ascending; None where there are no objects.
    bin_shape : (D,) float64
    frames : sequence of int
    scratch : Scratch
    """

    fine: LevelReader
    coarse: LevelReader
    ids: NDArray[np.int64] | None
    bin_shape: NDArray[np.float64]
    frames: tuple[int, ...]
    scratch: Scratch


@dataclass(frozen=True, slots=True, eq=False)
class ParentRun:
    """Fine vertices and their parents, grouped by the two chunks; groups by fine chunk, then by coarse chunk.

    Attributes
    ----------
    fine, coarse : (G, sid) int64
        Chunks of each group.
    first : (G + 1,) int64
        Records of group g are ``first[g]:first[g + 1]``.
    rows : (m, 2) int64
        Fine and coarse row, by fine row in each group.
    """

    fine: NDArray[np.int64]
    coarse: NDArray[np.int64]
    first: NDArray[np.int64]
    rows: NDArray[np.int64]


def find_parents(pair: LevelPair, part: tuple[int, NDArray[np.int64]]) -> str:
    """Parents of the vertices of some chunks of the finer level, as a :class:`ParentRun` in scratch.

    Parameters
    ----------
    pair : LevelPair
    part : (int, (m, sid) int64)
        Number of the part, and its chunks.
    """
    number, coords = part
    fine = join_stored(list(iterate_stored(pair.fine, sort_chunks(coords), pair.ids)))
    chunks, rows = np.zeros((len(fine), coords.shape[1]), np.int64), np.full(len(fine), -1, np.int64)
    todo, reach = np.arange(len(fine)), 1.0
    while len(todo):
        points = fine.take(todo)
        near, is_all = _read_around(pair, points, reach)
        groups, near_groups = np.split(_number_groups(pair, points, near), [len(points)])
        index, distance = find_nearest(_count_bins(pair, points), groups, _count_bins(pair, near), near_groups)
        is_settled = (distance <= reach) | is_all
        found = np.flatnonzero(is_settled & (index >= 0))
        rows[todo[found]] = near.rows[index[found]]
        chunks[todo[found]] = near.chunks[near.slots[index[found]]]
        todo, reach = todo[~is_settled], reach * _FARTHER
    return pair.scratch.save(f"parents-{pair.fine.layout.path}-{number}", _group(fine, chunks, rows))


def _count_bins(pair: LevelPair, vertices: StoredVertices) -> NDArray[np.float64]:
    """Positions in edges of the coarse level's bins."""
    return np.asarray(vertices.positions.astype(np.float64) / pair.bin_shape)


def _read_around(pair: LevelPair, points: StoredVertices, reach: float) -> tuple[StoredVertices, bool]:
    """Coarse vertices that may be parents of `points` within so many bins, and whether there are no others at all."""
    layout = pair.coarse.layout
    margin = reach * _ROUNDING * pair.bin_shape
    lo = points.positions.min(axis=0).astype(np.float64) - margin
    hi = points.positions.max(axis=0).astype(np.float64) + margin
    coords = layout.vertices.chunks
    inside = chunks_in_box(coords, layout.metadata.chunk_shape, lo, hi)
    is_all = len(inside) == len(coords)
    wanted = None if points.owners is None else np.unique(points.owners)
    parts = [_empty(pair)]
    for vertices in iterate_stored(pair.coarse, coords[inside], wanted):
        if not is_all:
            is_near = ((vertices.positions >= lo) & (vertices.positions <= hi)).all(axis=1)
            vertices = vertices.take(np.flatnonzero(is_near))
        parts.append(vertices)
    return join_stored(parts), is_all


def _empty(pair: LevelPair) -> StoredVertices:
    layout, none = pair.coarse.layout, np.empty(0, np.int64)
    positions = np.empty((0, len(pair.bin_shape)), layout.vertex_dtype)
    return StoredVertices(layout.vertices.chunks[:0], none, none, positions, None if pair.ids is None else none)


def _number_groups(pair: LevelPair, points: StoredVertices, near: StoredVertices) -> NDArray[np.int64]:
    """Numbers from 0 of what points and candidates must have in common: the object, or the frame."""
    if points.owners is not None and near.owners is not None:
        keys = np.concatenate((points.owners, near.owners))
    elif pair.frames:
        positions = np.concatenate((points.positions, near.positions)).astype(np.float64)
        frames = np.ascontiguousarray(positions[:, pair.frames]) + 0.0  # zeros of both signs are one
        keys = rank_rows(frames.view(np.int64))[0]
    else:
        return np.zeros(len(points) + len(near), np.int64)
    return np.unique(keys, return_inverse=True)[1]


def _group(fine: StoredVertices, chunks: NDArray[np.int64], rows: NDArray[np.int64]) -> ParentRun:
    found = np.flatnonzero(rows >= 0)
    table = ChunkTable.of(chunks[found])
    slots, parents = fine.slots[found], table.find(chunks[found])
    order = np.lexsort((fine.rows[found], parents, slots))
    starts = run_starts(slots[order], parents[order])
    records = np.stack((fine.rows[found], rows[found]), axis=1)[order]
    heads = order[starts]
    first = np.append(starts, len(order))
    return ParentRun(fine.chunks[slots[heads]], table.coords[parents[heads]], first, records)
