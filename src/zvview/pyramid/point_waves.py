"""Points of a level, read some chunks at a time, each with its chunk; all of them, or a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format import names
from zvview.format.grid import ChunkTable, locate_chunks
from zvview.geometry.batches import Points
from zvview.pyramid.hashing import hash_points
from zvview.pyramid.parts import row_bytes
from zvview.pyramid.point_sample import PointSample, share_evenly
from zvview.pyramid.thinning import Thinning, number_bins
from zvview.store.level import Level

__all__ = ["read_waves", "sample_points"]

_WAVE_BYTES = 16 << 20  # read at a time; with 8 or 48 MB reading takes 5 to 15 % longer
_STRATA, _STRATUM_ROWS, _STRATUM_CHUNKS = 6, 1 << 14, 512  # of a sample
_FULL_ROWS, _BLOCKS = 1 << 17, 8  # points of a chunk of which blocks are looked at; blocks along each axis


def read_waves(
    fine: Level, chunks: NDArray[np.int64], attributes: Sequence[str] | None = None
) -> Iterator[tuple[Points, NDArray[np.int64], NDArray[np.int64]]]:
    """The points of `chunks`, which are in numeric order, some chunks at a time.

    Points that belong to no object, in a level that has objects, are what edits left behind; they are left out.

    Yields
    ------
    points : Points
    slots : (N,) int64
        Row in `chunks` of the chunk of each point.
    chunks : (C, D) int64
    """
    counts = fine.chunk_vertex_counts[ChunkTable.of(fine.chunks).find(chunks)]
    objects = fine._reader.objects
    has_objects = objects is not None and len(objects) > 0
    may_lack_owner = objects is not None and not objects.has(names.OWNER_NONE)
    wave = np.cumsum(counts * row_bytes(fine)) // _WAVE_BYTES
    starts = np.flatnonzero(np.diff(wave, prepend=-1))
    for here in np.split(np.arange(len(chunks)), starts[1:]):
        points = fine.read_chunks(chunks[here], attributes, object_ids=has_objects)
        assert isinstance(points, Points)
        coords = chunks[here, chunks.shape[1] - points.ndim :]
        slots = _find_slots(points.positions, coords, counts[here], fine.chunk_shape)
        if has_objects and may_lack_owner and points.object_ids is not None:
            points, slots = _owned(points, slots)
        yield points, slots, coords


def _find_slots(
    positions: NDArray[np.floating], chunks: NDArray[np.int64], counts: NDArray[np.int64], edges: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Row in `chunks` of the chunk of each position, (N,).

    Counts come from an index that other writers leave stale: they are believed where the first and the last position
    of each chunk lie in it, which a single wrong count would belie. Else each position is looked at.

    Raises
    ------
    DamagedError
        A position outside of all chunks that were read.
    """
    ends = np.cumsum(counts)
    if len(ends) and ends[-1] == len(positions) and counts.min() > 0:
        outermost = np.concatenate((positions[ends - counts], positions[ends - 1]))
        if (locate_chunks(outermost, edges) == np.concatenate((chunks, chunks))).all():
            return np.repeat(np.arange(len(chunks)), counts)
    table = ChunkTable.of(chunks)
    coords = locate_chunks(positions, edges)
    found_at = table.find(coords)
    if (found_at < 0).any():
        row = int(np.argmin(found_at))
        found = f"a position in chunk {coords[row].tolist()}: {positions[row].tolist()}"
        raise DamagedError("vertices", found=found, expected="positions in the chunks that they are stored in")
    return np.unique(table.find(chunks), return_index=True)[1][found_at]


def _owned(points: Points, slots: NDArray[np.int64]) -> tuple[Points, NDArray[np.int64]]:
    assert points.object_ids is not None
    rows = np.flatnonzero(points.object_ids != names.OWNER_NONE)
    if len(rows) == len(points):
        return points, slots
    values = {name: v[rows] for name, v in points.attributes.items()}
    return replace(
        points, positions=points.positions[rows], object_ids=points.object_ids[rows], attributes=values
    ), slots[rows]


def sample_points(fine: Level, seed: int, is_space: Sequence[bool]) -> PointSample:
    """Some chunks of the level, dense and sparse ones alike; of very full ones some blocks of space only."""
    picked, of_chunk = share_evenly(fine.chunk_vertex_counts, _STRATA, _STRATUM_ROWS, _STRATUM_CHUNKS)
    chunks = fine.chunks[picked][:, fine.chunks.shape[1] - len(fine.chunk_shape) :]
    cuts = [_BLOCKS if space else 1 for space in is_space]
    blocks = Thinning.first(0, 0, fine.chunk_shape.tolist(), cuts, (False,) * len(cuts))
    positions, hashes = [np.empty((0, chunks.shape[1]), fine.dtype)], [np.empty(0, np.uint32)]
    slots, weights, before = [np.empty(0, np.int64)], [np.empty(0)], 0
    for points, slot, coords in read_waves(fine, fine.chunks[picked], ()):
        weight = of_chunk[before + slot]
        _pick_blocks(weight, points.positions, slot, coords, blocks)
        rows = np.flatnonzero(weight)
        positions.append(points.positions[rows])
        hashes.append(hash_points(positions[-1], None if points.object_ids is None else points.object_ids[rows], seed))
        slots.append(slot[rows] + before)
        weights.append(weight[rows])
        before += len(coords)
    columns = (np.concatenate(hashes), np.concatenate(slots), np.concatenate(weights))
    return PointSample(np.concatenate(positions), *columns, chunks)


def _pick_blocks(
    weights: NDArray[np.float64],
    positions: NDArray[np.floating],
    slots: NDArray[np.int64],
    chunks: NDArray[np.int64],
    blocks: Thinning,
) -> None:
    """Weight each point of very full chunks, in place: 0 outside of the blocks that are looked at.

    Blocks may cut the bins that are tried: of so many points few are at such a cut.
    """
    counts = np.bincount(slots, minlength=len(chunks))
    for chunk in np.flatnonzero(counts > _FULL_ROWS).tolist():
        rows = np.flatnonzero(slots == chunk)
        keys, limit = number_bins(positions[rows], np.zeros(len(rows), np.int64), chunks[chunk : chunk + 1], blocks)
        picked, of_picked = share_evenly(np.bincount(keys), _STRATA, _FULL_ROWS // _STRATA, _STRATUM_CHUNKS)
        of_block = np.zeros(limit)
        of_block[picked] = of_picked
        weights[rows] *= of_block[keys]
