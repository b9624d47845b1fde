"""The two passes that make a level of a mesh: over the blocks of a grid, then over those of one moved by half a block.

No vertex leaves its block in either pass. So the second one needs nothing but the first one's blocks around each of its
own, and where a vertex of a level lies tells the block that made it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable
from zvview.geometry.batches import Mesh
from zvview.pyramid.decimation import Decimated, decimate
from zvview.pyramid.design import LevelDesign
from zvview.pyramid.kind import Job, TaskContext
from zvview.pyramid.mesh_design import frame_of
from zvview.pyramid.mesh_pieces import Piece, cut, join_cut, piece_of
from zvview.pyramid.parts import chunk_blocks
from zvview.pyramid.surfaces import Surface, face_areas
from zvview.store.level import Level

__all__ = ["blocks_of", "is_one_block", "moved_blocks", "thin_pieces", "thin_seams"]

_PASSES = 2


@dataclass(frozen=True, slots=True, eq=False)
class _Blocks:
    """Part of the first pass: chunks of whole blocks."""

    number: int
    chunks: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Moved:
    """Part of the second pass: some blocks of the cut surface."""

    number: int
    blocks: NDArray[np.int64]


def blocks_of(chunks: NDArray[np.int64], fine: Level, design: LevelDesign) -> NDArray[np.int64]:
    """The block of the first pass, (n, D), that each of some chunks of the finer level lies in."""
    ratio = np.rint(np.array(design.parameters["block_shape"]) / fine.chunk_shape).astype(np.int64)
    blocks: NDArray[np.int64] = np.floor_divide(chunks[:, chunks.shape[1] - len(ratio) :], ratio)
    return blocks


def is_one_block(chunks: NDArray[np.int64], fine: Level, design: LevelDesign) -> bool:
    """Whether some chunks lie in one block: there are no seams then, and no second pass."""
    blocks = blocks_of(chunks, fine, design)
    return bool((blocks == blocks[:1]).all())


def moved_blocks(positions: NDArray[np.floating], design: LevelDesign) -> NDArray[np.int64]:
    """The block of the second pass, (n, D), that each of some positions lies in."""
    block = np.array(design.parameters["block_shape"])
    moved = np.zeros(len(block))
    moved[design.parameters["space_axes"]] = 0.5
    return np.asarray(np.floor(positions / block + moved), np.int64)


def thin_pieces(job: Job, part_bytes: int, chunks: NDArray[np.int64] | None = None) -> list[Piece]:
    """First pass: the blocks of the finer level in numeric order, or of some chunks that make up whole blocks.

    Blocks without triangles give no piece.
    """
    blocks = chunk_blocks(job.fine, job.design.parameters["block_shape"], part_bytes, chunks)
    names = job.run_all(_thin_blocks, [_Blocks(i, chunks) for i, chunks in enumerate(blocks)])
    pieces = (piece for name in names for piece in job.scratch.load(name))
    return [piece for piece in pieces if len(piece.surface.positions)]


def thin_seams(job: Job, part_bytes: int, surface: Surface, wanted: ChunkTable | None = None) -> Surface:
    """Second pass: the joined pieces of the first one, or of these some moved blocks, all others being left alone."""
    whole = cut(surface, moved_blocks(surface.positions, job.design))
    job.scratch.save(_cut_name(job.design), whole)
    sizes = np.diff(whole.vertices)
    numbers = np.arange(len(sizes))
    if wanted is not None:
        first = whole.surface.positions[whole.vertices[:-1]]
        numbers = np.flatnonzero(wanted.find(moved_blocks(first, job.design)) >= 0)
    row_bytes = surface.positions.nbytes // max(1, len(surface.positions))
    shares = np.cumsum(sizes[numbers] * row_bytes) // part_bytes
    starts = np.flatnonzero(np.diff(shares, prepend=-1))
    parts = [_Moved(i, own) for i, own in enumerate(np.split(numbers, starts[1:])) if len(own)]
    names = job.run_all(_thin_moved, parts)
    thinned = iter([piece for name in names for piece in job.scratch.load(name)])
    is_wanted = np.zeros(len(sizes), bool)
    is_wanted[numbers] = True
    done = [next(thinned) if own else _left_alone(whole.block(i)[0]) for i, own in enumerate(is_wanted.tolist())]
    return join_cut(whole, done)


def _thin_blocks(context: TaskContext, part: _Blocks) -> str:
    """The blocks of a part as a list of :class:`Piece`, left in scratch under the name that is given."""
    parents = blocks_of(part.chunks, context.fine, context.design)
    has_objects = context.fine.object_ids is not None
    share = _PASSES if is_one_block(context.fine.chunks, context.fine, context.design) else 1
    pieces: list[Piece] = []
    starts = np.flatnonzero(np.append(True, (parents[1:] != parents[:-1]).any(axis=1)))
    for chunks in np.split(part.chunks, starts[1:]):
        batch = context.fine.read_chunks(chunks, object_ids=has_objects)
        assert isinstance(batch, Mesh)
        piece = piece_of(batch, has_objects)
        pieces.append(piece.with_surface(_thin(context, share, piece.surface, piece.is_held)))
    return context.scratch.save(f"mesh-blocks-{context.design.level}-{part.number}", pieces)


def _thin_moved(context: TaskContext, part: _Moved) -> str:
    """Some blocks of the cut surface as a list of :class:`Decimated`, left in scratch."""
    whole = context.scratch.load(_cut_name(context.design))
    done = [_thin(context, 1, *whole.block(number)) for number in part.blocks.tolist()]
    return context.scratch.save(f"mesh-seams-{context.design.level}-{part.number}", done)


def _thin(context: TaskContext, share: int, surface: Surface, is_held: NDArray[np.bool_]) -> Decimated:
    """A piece with as many triangles as its area is worth, moved by no more than the share of so many passes."""
    frame = frame_of(context.design)
    places, _ = frame.place(surface.positions)
    own = context.design.parameters
    target = math.ceil(float(face_areas(places, surface.faces).sum()) * own["density"])
    return decimate(surface, is_held, target, share * own["tolerance"], frame)


def _left_alone(surface: Surface) -> Decimated:
    return Decimated(surface, np.arange(len(surface.positions)))


def _cut_name(design: LevelDesign) -> str:
    return f"mesh-cut-{design.level}"
