"""What an edit of some chunks changes in the next coarser level of a mesh.

The first pass changes in the blocks that were touched, and the second one in the moved blocks that overlap these. To do
them again takes the first pass of all blocks around. The rest of the chunks that they lie in is taken from the level as
it was: no vertex leaves its moved block, so where it lies tells whether it stays; and triangles between what is made
again and what stays end in vertices that were held, and are known by their positions, objects and attributes.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.grid import ChunkTable, locate_chunks, sort_chunks
from zvview.pyramid.design import LevelDesign
from zvview.pyramid.kind import Job
from zvview.pyramid.mesh_design import KEEPS_BLOCKS
from zvview.pyramid.mesh_passes import blocks_of, is_one_block, moved_blocks, thin_pieces, thin_seams
from zvview.pyramid.mesh_pieces import drop_unowned, join_some_pieces
from zvview.pyramid.mesh_splice import Renewal, splice
from zvview.pyramid.meshes import PART_BYTES
from zvview.pyramid.stored_mesh import NOWHERE, SEVERAL, find_alike, read_vertices
from zvview.pyramid.surfaces import Surface
from zvview.store.level import Level
from zvview.store.writing.runs import Run

__all__ = ["redo_mesh"]

_MOST_SHARE = 0.7  # of the finer level that is read: with more there is nothing to gain


def redo_mesh(
    job: Job, old: Level, touched: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[Run], Run | None] | None:
    """Make those chunks of a level again that an edit of `touched` chunks of the finer one changes.

    Parameters
    ----------
    job : Job
    old : Level
        The level as it was.
    touched : (n, sid) int64

    Returns
    -------
    chunks, runs, between
        As :class:`~zvview.store.patching.replacement.Replacement` has them; or None where the level must be made as
        a whole, or might as well be.
    """
    fine, design = job.fine, job.design
    if not design.parameters.get(KEEPS_BLOCKS):
        return None
    if not len(touched):
        return old.chunks[:0], [], None
    spared = fine.chunks[ChunkTable.of(touched).find(fine.chunks) < 0]
    if is_one_block(spared, fine, design):  # before the edit or after it there may be no second pass
        return None
    if _has_nobody(fine) != _has_nobody(old):  # what belongs to no object was left out, or is now
        return None
    wanted = ChunkTable.of(_around(blocks_of(touched, fine, design), design, (0, 1)))
    needed = ChunkTable.of(_around(wanted.coords, design, (-1, 0)))
    while _share_of(needed, fine, design) <= _MOST_SHARE:
        made, is_complete = _make(job, wanted, needed)
        if not is_complete:
            if _share_of(needed, fine, design) == 1:  # triangles lead nowhere: a build tells of that
                return None
            needed = ChunkTable.of(_around(needed.coords, design, (-1, 0, 1)))
            continue
        renewal = _find_ends(made, old, wanted, job)
        if renewal is None or NOWHERE in renewal.twins:
            return None
        unclear = renewal.made.positions[renewal.twins == SEVERAL]
        if not len(unclear):
            return splice(job, old, renewal)
        wanted = ChunkTable.of(np.concatenate((wanted.coords, moved_blocks(unclear, design))))
        needed = ChunkTable.of(np.concatenate((needed.coords, _around(wanted.coords, design, (-1, 0)))))
    return None


def _make(job: Job, wanted: ChunkTable, needed: ChunkTable) -> tuple[Surface | None, bool]:
    """The wanted moved blocks with all triangles that have a corner there, from the needed blocks of the first pass.

    Returns
    -------
    surface : Surface or None
        None where there is nothing.
    is_complete : bool
        Whether no triangle leads to a block that is not among the needed ones.
    """
    fine, design = job.fine, job.design
    chunks = fine.chunks[needed.find(blocks_of(fine.chunks, fine, design)) >= 0]
    pieces = thin_pieces(job, PART_BYTES, chunks) if len(chunks) else []
    if not pieces:
        return None, True
    surface, ends = join_some_pieces(pieces)
    is_new = _are_in(wanted, surface, design)
    if is_new[ends].any():
        return None, False
    surface = thin_seams(job, PART_BYTES, _keep_around(surface.with_faces_once(), is_new), wanted)
    if surface.objects is not None:
        surface = drop_unowned(surface, fine.object_ids)
    return _keep_around(surface, _are_in(wanted, surface, design)), True


def _find_ends(made: Surface | None, old: Level, wanted: ChunkTable, job: Job) -> Renewal | None:
    """The stored vertices in and around the wanted blocks; None where the level is not what its design makes."""
    design = job.design
    homes = old.chunks[:0] if made is None else sort_chunks(locate_chunks(made.positions, design.chunk))
    near = np.concatenate((_chunks_at(wanted, old, job), homes[ChunkTable.of(old.chunks).find(homes) >= 0]))
    stored = read_vertices(old, sort_chunks(near))
    if stored is None:
        return None
    is_stale = _are_in(wanted, stored.surface, design)
    if made is None:
        made = stored.surface.take_vertices(np.empty(0, np.int64), stored.surface.faces)
    is_new = _are_in(wanted, made, design)
    twins = np.zeros(len(is_new), np.int64)
    outside = np.flatnonzero(~is_new)
    if len(made.positions) and len(stored.rows) and not _are_alike(made, stored.surface):
        return None
    if len(outside):
        ends = made.take_vertices(outside, stored.surface.faces)
        twins[outside] = find_alike(stored.surface, ~is_stale, ends) if len(stored.rows) else NOWHERE
    return Renewal(stored, is_stale, made, is_new, twins)


def _are_alike(one: Surface, other: Surface) -> bool:
    forms = [{n: (v.dtype.newbyteorder("="), v.shape[1:]) for n, v in s.columns.items()} for s in (one, other)]
    return forms[0] == forms[1] and (one.objects is None) == (other.objects is None)


def _keep_around(surface: Surface, is_in: NDArray[np.bool_]) -> Surface:
    """Some vertices, all triangles at any of them, and the corners of these."""
    kept = surface.take_faces(np.flatnonzero(is_in[surface.faces].any(axis=1)))
    is_kept = is_in.copy()
    is_kept[kept.faces] = True
    rows = np.flatnonzero(is_kept)
    place = np.full(len(is_kept), -1, np.int64)
    place[rows] = np.arange(len(rows))
    return kept.take_vertices(rows, place[kept.faces])


def _are_in(wanted: ChunkTable, surface: Surface, design: LevelDesign) -> NDArray[np.bool_]:
    """Which vertices lie in wanted moved blocks, (N,)."""
    if not len(surface.positions):
        return np.zeros(0, bool)
    return np.asarray(wanted.find(moved_blocks(surface.positions, design)) >= 0)


def _chunks_at(wanted: ChunkTable, old: Level, job: Job) -> NDArray[np.int64]:
    """Chunks of the coarser level that some of the wanted moved blocks overlap or touch."""
    block = np.array(job.design.parameters["block_shape"])
    edges = job.fine.chunk_shape
    size, chunk = (2 * np.rint(shape / edges).astype(np.int64) for shape in (block, job.design.chunk))
    shift = np.zeros(len(size), np.int64)
    own = job.design.parameters["space_axes"]
    shift[own] = size[own] // 2
    chunks = old.chunks
    is_near = np.zeros(len(chunks), bool)
    for block_at in wanted.coords:  # in halves of chunks of the finer level
        lo = block_at * size - shift
        is_near |= ((chunks * chunk <= lo + size) & ((chunks + 1) * chunk >= lo)).all(axis=1)
    return chunks[is_near]


def _around(blocks: NDArray[np.int64], design: LevelDesign, steps: tuple[int, ...]) -> NDArray[np.int64]:
    """Blocks so many steps away along each axis in which blocks of the second pass are moved, (n, D)."""
    space = design.parameters["space_axes"]
    offsets = np.array(list(product(*(steps if axis in space else (0,) for axis in range(blocks.shape[1])))))
    return np.asarray((blocks[:, None] + offsets).reshape(-1, blocks.shape[1]))


def _share_of(needed: ChunkTable, fine: Level, design: LevelDesign) -> float:
    """The share of the vertices of the finer level that some blocks hold."""
    counts = fine.chunk_vertex_counts
    is_needed = needed.find(blocks_of(fine.chunks, fine, design)) >= 0
    return float(counts[is_needed].sum() / max(1, counts.sum()))


def _has_nobody(level: Level) -> bool:
    """Whether the level has an object with the id that elsewhere stands for none."""
    ids = level.object_ids
    return ids is not None and bool((ids == names.OWNER_NONE).any())
