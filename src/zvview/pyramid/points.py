"""Point clouds: nested subsets of real points, with their attributes and objects.

Points of different times never stand for each other. Where the axis of time holds frames (values that several points
share) only points of the very same frame share a bin; where nearly each point has a time of its own, those of one bin
of level 0 along that axis count as simultaneous. Other axes that are not space are treated alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable, locate_chunks, sort_chunks
from zvview.format.metadata import space_axes
from zvview.geometry.batches import Points
from zvview.pyramid.bin_choice import choose_thinning, declare_bin, fit_bins, list_bins
from zvview.pyramid.chunk_choice import choose_multiples, count_parts
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.kind import Coarsened, Job, TaskContext
from zvview.pyramid.parts import PART_BYTES, chunk_blocks, row_bytes
from zvview.pyramid.point_sample import PointSample
from zvview.pyramid.point_waves import read_waves, sample_points
from zvview.pyramid.thinning import Thinning, select_points
from zvview.store.level import Level
from zvview.store.writing.intake import Intake, join_intakes
from zvview.store.writing.sorting import rank_rows, stable_order

__all__ = ["PointsKind", "rethin_part", "thin_part"]

METHOD = "nested_subset"

_FRAME_POINTS = 4  # points of a sample that share a time, on average, from which on times are frames
_HASHES = 1 << 32


class PointsKind:
    """Coarser levels of point clouds.

    Parameters
    ----------
    part_bytes : int
        About how much of the finer level a task reads. What the levels hold does not depend on it.
    """

    methods: ClassVar[Sequence[str]] = (METHOD,)

    def __init__(self, part_bytes: int = PART_BYTES) -> None:
        self._part_bytes = part_bytes

    def design(self, fine: Level, previous: LevelDesign | None, options: PyramidOptions) -> LevelDesign:
        """The level that follows `fine`: its threshold, the finest bins that stay fair, chunks of a good size.

        Raises
        ------
        InvalidInputError
            Wished shapes that do not nest or do not divide each other.
        """
        is_space = tuple(space_axes(fine.axes).tolist())
        sample = sample_points(fine, options.seed, is_space)
        thinning, kept = choose_thinning(sample, _list_candidates(fine, previous, options, sample, is_space))
        chunk = _choose_chunk(fine, kept, is_space, options)
        wished = _wished(options.bin_shapes, fine)
        if wished is None:
            finer = [0.0 if space else e for e, space in zip(fine.resolution.tolist(), is_space, strict=True)]
            bins = declare_bin(thinning, chunk, is_space, finer if previous is None else previous.bin_shape)
        else:
            bins = wished
            _check_bin(bins, chunk, thinning, is_space, previous)
        return LevelDesign(fine.number + 1, chunk, bins, METHOD, thinning.document())

    def coarsen(self, job: Job) -> Coarsened:
        """Thin the finer level, one part after the other or side by side."""
        blocks = chunk_blocks(job.fine, job.design.chunk_shape, self._part_bytes)
        runs = job.run_all(thin_part, list(enumerate(blocks)))
        return Coarsened([name for name in runs if name is not None])


def thin_part(context: TaskContext, part: tuple[int, NDArray[np.int64]]) -> str | None:
    """What the level keeps of some chunks of the finer one, as a run; None where that is nothing.

    Parameters
    ----------
    context : TaskContext
    part : (int, (m, sid) int64)
        Number of the part, and its chunks.
    """
    number, chunks = part
    return _save(context, number, _thin(context, chunks))


def rethin_part(context: TaskContext, part: tuple[int, NDArray[np.int64], NDArray[np.bool_]]) -> str | None:
    """The same after an edit that touched some of the chunks: what the others gave the level is in it already.

    Parameters
    ----------
    context : TaskContext
    part : (int, (m, sid) int64, (m,) bool)
        Number of the part, all chunks of the finer level in some of the level, and which of them were touched.
    """
    number, chunks, is_touched = part
    stay = None if is_touched.all() else _take_over(context, chunks[~is_touched])
    if stay is None:
        return thin_part(context, (number, chunks))
    return _save(context, number, [*_thin(context, chunks[is_touched]), stay], is_mixed=True)


def _thin(context: TaskContext, chunks: NDArray[np.int64]) -> list[Intake]:
    """What the level keeps of some chunks of the finer one, chunk by chunk in numeric order."""
    thinning = Thinning.parse(context.design.parameters)
    kept = []
    for points, slots, coords in read_waves(context.fine, sort_chunks(chunks)):
        kept.append(_pick(points, select_points(points.positions, points.object_ids, slots, coords, thinning)))
    return kept


def _take_over(context: TaskContext, chunks: NDArray[np.int64]) -> Intake | None:
    """What the level as it was holds of some chunks of the finer one; None where that cannot be told."""
    old, edges = context.old, context.fine.chunk_shape
    if old is None or chunks.shape[1] != len(edges):
        return None
    ratio = np.rint(context.design.chunk / edges).astype(np.int64)
    parents = sort_chunks(np.floor_divide(chunks, ratio))
    parents = parents[ChunkTable.of(old.chunks).find(parents) >= 0]
    table = ChunkTable.of(chunks)
    kept = [
        _pick(points, np.flatnonzero(table.find(locate_chunks(points.positions, edges)) >= 0))
        for points, _, _ in read_waves(old, parents)
    ]
    return join_intakes(kept) if kept else None


def _pick(points: Points, rows: NDArray[np.int64]) -> Intake:
    return Intake(
        points.positions.take(rows, axis=0),
        {name: values.take(rows, axis=0) for name, values in points.attributes.items()},
        None if points.object_ids is None else points.object_ids.take(rows),
    )


def _save(context: TaskContext, number: int, kept: Sequence[Intake], *, is_mixed: bool = False) -> str | None:
    """Leave all of some intakes as a run; brought into the order of the finer level's chunks where they are mixed."""
    if not any(len(intake.positions) for intake in kept):
        return None
    whole = join_intakes(kept)
    if is_mixed:
        order = stable_order(*rank_rows(locate_chunks(whole.positions, context.fine.chunk_shape)))
        columns = {name: values.take(order, axis=0) for name, values in whole.columns.items()}
        objects = None if whole.objects is None else whole.objects.take(order)
        whole = Intake(whole.positions.take(order, axis=0), columns, objects)
    return context.save_run(f"points-{context.design.level}-{number}", whole)


def _list_candidates(
    fine: Level,
    previous: LevelDesign | None,
    options: PyramidOptions,
    sample: PointSample,
    is_space: tuple[bool, ...],
) -> list[Thinning]:
    """The thinnings that may be, finest bins first; one only where the caller wishes a bin."""
    edges = fine.chunk_shape.tolist()
    before = None if previous is None else Thinning.parse(previous.parameters).recount(edges)
    is_exact = _find_frames(sample, is_space) if before is None else before.is_exact
    rest = _count_simultaneous(fine, is_space, is_exact) if before is None else before.bins
    grid = None if before is None else before.bins
    wished = _wished(options.bin_shapes, fine)
    if wished is None:
        choices = list_bins(edges, is_space, rest, grid)
    else:
        fitted = fit_bins(wished, edges, is_space, grid)
        choices = [tuple(n if space else r for n, r, space in zip(fitted, rest, is_space, strict=True))]
    threshold = min(int((_HASHES if before is None else before.threshold) / options.factor), _HASHES - 1)
    if before is None:
        return [Thinning.first(threshold, options.seed, edges, choice, is_exact) for choice in choices]
    return [replace(before.unite(choice), threshold=threshold) for choice in choices]


def _find_frames(sample: PointSample, is_space: Sequence[bool]) -> tuple[bool, ...]:
    """The axes other than space on which points come in frames, so that each coordinate is that of several."""
    most = len(sample.positions) / _FRAME_POINTS
    return tuple(not space and len(np.unique(sample.positions[:, axis])) <= most for axis, space in enumerate(is_space))


def _count_simultaneous(fine: Level, is_space: Sequence[bool], is_exact: Sequence[bool]) -> tuple[int, ...]:
    """Bins of level 0 along the axes of a chunk that are neither space nor frames; 1 along those that are."""
    counts = np.maximum(1, np.rint(fine.chunk_shape / fine.resolution)).astype(np.int64).tolist()
    return tuple(1 if space or exact else n for n, space, exact in zip(counts, is_space, is_exact, strict=True))


def _choose_chunk(fine: Level, kept: float, is_space: Sequence[bool], options: PyramidOptions) -> tuple[float, ...]:
    edges = fine.chunk_shape.tolist()
    wished = _wished(options.chunk_shapes, fine)
    if wished is not None:
        multiples = [count_parts(w, e, "chunk shape") for w, e in zip(wished, edges, strict=True)]
    else:
        coords = fine.chunks[:, fine.chunks.shape[1] - len(edges) :]
        counts = fine.chunk_vertex_counts
        held = counts.astype(np.float64) * (kept / max(1, int(counts.sum())) * row_bytes(fine))
        multiples = list(choose_multiples(coords, held, edges, is_space))
    return tuple(e * m for e, m in zip(edges, multiples, strict=True))


def _wished(shapes: Sequence[Sequence[float]] | None, fine: Level) -> tuple[float, ...] | None:
    """The caller's shape for the level that follows `fine`."""
    if shapes is None or fine.number >= len(shapes):
        return None
    return tuple(map(float, shapes[fine.number]))


def _check_bin(
    wished: Sequence[float],
    chunk: Sequence[float],
    thinning: Thinning,
    is_space: Sequence[bool],
    previous: LevelDesign | None,
) -> None:
    """Refuse a wished bin that does not divide the chunk, or is no union of finer bins."""
    what = f"bin shape {list(wished)}, with chunk shape {list(chunk)},"
    for axis, (edge, whole) in enumerate(zip(wished, chunk, strict=True)):
        count_parts(max(edge, whole), min(edge, whole), what)
        if previous is not None:
            count_parts(edge, previous.bin_shape[axis], what)
        elif not (is_space[axis] or thinning.is_exact[axis]):
            count_parts(edge, thinning.unit[axis], what)
