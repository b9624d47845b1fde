"""Coarser levels of meshes: quadric decimation block by block, then once more on a grid moved by half a block.

In the first pass triangles that cross blocks stay as they are, and hold their corners: nothing can crack, but the seams
stay dense. The second pass finds most of each seam inside its blocks. What is between the passes, the level itself and
its seams, is held in memory by the driver; of the finer level each task reads one block at a time. Blocks and what is
done to each are the design's: neither the number of workers nor the size of parts changes a byte.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.batches import Mesh
from zvview.pyramid.decimation import Decimated, decimate
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.kind import Coarsened, Job, TaskContext
from zvview.pyramid.mesh_design import design_level, frame_of
from zvview.pyramid.mesh_pieces import Piece, cut, drop_unowned, join_cut, join_pieces, piece_of
from zvview.pyramid.parts import chunk_blocks
from zvview.pyramid.quadrics import load_library
from zvview.pyramid.surfaces import Surface, face_areas
from zvview.store.level import Level
from zvview.store.writing.intake import Intake
from zvview.store.writing.partition import partition

__all__ = ["METHOD", "MeshesKind"]

METHOD = "quadrics"

_PASSES = 2
_PART_BYTES = 2 << 20  # of vertices of the finer level; their faces take four times as much


@dataclass(frozen=True, slots=True, eq=False)
class _Blocks:
    """Part of the first pass: chunks of whole blocks."""

    number: int
    chunks: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Shifted:
    """Part of the second pass: blocks of the cut surface."""

    number: int
    first: int
    last: int


class MeshesKind:
    """See :class:`zvview.pyramid.kind.Kind`.

    Parameters
    ----------
    part_bytes : int
        About how many bytes of vertices a task reads; a block at least.
    """

    methods: ClassVar[Sequence[str]] = (METHOD,)

    def __init__(self, part_bytes: int = _PART_BYTES) -> None:
        self._part_bytes = part_bytes

    def design(self, fine: Level, previous: LevelDesign | None, options: PyramidOptions) -> LevelDesign:
        """The level that follows `fine`.

        Raises
        ------
        InvalidInputError
            Wished shapes that are no multiples, or do not divide each other.
        UnsupportedError
            Meshes of more than three space axes; fast-simplification is not installed.
        """
        load_library()
        return design_level(fine, previous, options, METHOD)

    def coarsen(self, job: Job) -> Coarsened:
        """Decimate the finer level; the faces of the new one are triangles, whatever they were before."""
        blocks = chunk_blocks(job.fine, job.design.parameters["block_shape"], self._part_bytes)
        names = job.run_all(thin_blocks, [_Blocks(i, chunks) for i, chunks in enumerate(blocks)])
        pieces = [piece for name in names for piece in job.scratch.load(name)]
        if not pieces:
            return Coarsened([])
        surface, is_crossing = join_pieces(pieces)
        del pieces
        surface = surface.with_faces_once()
        if is_crossing.any():
            surface = self._thin_seams(job, surface)
        if surface.objects is not None:
            surface = drop_unowned(surface, job.fine.object_ids)
        intake = Intake(
            np.ascontiguousarray(surface.positions, surface.positions.dtype.newbyteorder("<")),
            surface.columns,
            surface.objects,
            links=surface.faces,
            link_columns=surface.face_columns,
        )
        run = job.scratch.save(f"mesh-run-{job.design.level}", partition(intake, job.tiling))
        return Coarsened([run], None if surface.objects is None else np.unique(surface.objects))

    def _thin_seams(self, job: Job, surface: Surface) -> Surface:
        block = np.array(job.design.parameters["block_shape"])
        moved = np.zeros(len(block))
        moved[job.design.parameters["space_axes"]] = 0.5
        whole = cut(surface, np.floor(surface.positions / block + moved).astype(np.int64))
        job.scratch.save(_cut_name(job.design), whole)
        row_bytes = surface.positions.nbytes // max(1, len(surface.positions))
        sizes = np.cumsum(np.diff(whole.vertices) * row_bytes) // self._part_bytes
        starts = np.flatnonzero(np.diff(sizes, prepend=-1)).tolist()
        parts = [_Shifted(i, a, b) for i, (a, b) in enumerate(zip(starts, [*starts[1:], len(sizes)], strict=True))]
        names = job.run_all(thin_seams, parts)
        return join_cut(whole, [piece for part in names for piece in job.scratch.load(part)])


def thin_blocks(context: TaskContext, part: _Blocks) -> str:
    """First pass: the blocks of a part as a list of :class:`Piece`, left in scratch under the name that is given."""
    block = np.array(context.design.parameters["block_shape"])
    ratio = np.rint(block / context.fine.chunk_shape).astype(np.int64)
    parents = np.floor_divide(part.chunks[:, part.chunks.shape[1] - len(ratio) :], ratio)
    has_objects = context.fine.object_ids is not None
    share = _PASSES if _is_one_block(context.fine, ratio) else 1
    pieces: list[Piece] = []
    starts = np.flatnonzero(np.append(True, (parents[1:] != parents[:-1]).any(axis=1)))
    for chunks in np.split(part.chunks, starts[1:]):
        batch = context.fine.read_chunks(chunks, object_ids=has_objects)
        assert isinstance(batch, Mesh)
        piece = piece_of(batch, has_objects)
        pieces.append(piece.with_surface(_thin(context, share, piece.surface, piece.is_held)))
    return context.scratch.save(f"mesh-blocks-{context.design.level}-{part.number}", pieces)


def thin_seams(context: TaskContext, part: _Shifted) -> str:
    """Second pass: some blocks of the cut surface as a list of :class:`Decimated`, left in scratch."""
    whole = context.scratch.load(_cut_name(context.design))
    done = [_thin(context, 1, *whole.block(number)) for number in range(part.first, part.last)]
    return context.scratch.save(f"mesh-seams-{context.design.level}-{part.number}", done)


def _thin(context: TaskContext, share: int, surface: Surface, is_held: NDArray[np.bool_]) -> Decimated:
    """A piece with as many triangles as its area is worth, moved by no more than the share of so many passes."""
    frame = frame_of(context.fine, context.design)
    places, _ = frame.place(surface.positions)
    own = context.design.parameters
    target = math.ceil(float(face_areas(places, surface.faces).sum()) * own["density"])
    return decimate(surface, is_held, target, share * own["tolerance"], frame)


def _is_one_block(fine: Level, ratio: NDArray[np.int64]) -> bool:
    """Whether all chunks lie in one block: there are no seams then, and no second pass."""
    blocks = np.floor_divide(fine.chunks[:, fine.chunks.shape[1] - len(ratio) :], ratio)
    return bool((blocks == blocks[:1]).all())


def _cut_name(design: LevelDesign) -> str:
    return f"mesh-cut-{design.level}"
