"""What an edit of some chunks changes in the next coarser level, for the kinds of which chunks are thinned apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.grid import ChunkTable, sort_chunks
from zvview.pyramid.block_borders import Border, link_blocks
from zvview.pyramid.kind import Job
from zvview.pyramid.mesh_changes import redo_mesh
from zvview.pyramid.parts import chunk_blocks
from zvview.pyramid.points import rethin_part
from zvview.pyramid.trees import thin_block, threshold_of
from zvview.store.level import Level
from zvview.store.patching.link_runs import CrossingLinks, make_link_run
from zvview.store.patching.replacement import Replacement
from zvview.store.writing.runs import Run

__all__ = ["redo_chunks"]

_POINT_BYTES, _TREE_BYTES = 48 << 20, 16 << 20  # of the finer level that a task reads


def redo_chunks(kind: str, job: Job, old: Level, touched: NDArray[np.int64]) -> Replacement | None:
    """Make those chunks of a coarser level again that an edit of `touched` chunks of the finer one may change.

    Parameters
    ----------
    kind : str
    job : Job
        Whose ``fine`` is the finer level after the edit.
    old : Level
        The coarser level as it was.
    touched : (n, sid) int64

    Returns
    -------
    Replacement or None
        None where the level cannot be told chunk by chunk, and must be made again as a whole.
    """
    redo = _REDO.get(kind)
    return None if redo is None else redo(job, old, touched)


def _redo_points(job: Job, old: Level, touched: NDArray[np.int64]) -> Replacement:
    """A chunk alone tells which of its points go on: those of chunks that were not touched are in the level already."""
    chunks = _parents(job, touched)
    blocks = chunk_blocks(job.fine, job.design.chunk_shape, _POINT_BYTES, _below(job, chunks))
    table = ChunkTable.of(touched)
    done = job.run_all(rethin_part, [(i, block, table.find(block) >= 0) for i, block in enumerate(blocks)])
    return Replacement(chunks, [job.scratch.load(name) for name in done if name is not None])


def _redo_trees(job: Job, old: Level, touched: NDArray[np.int64]) -> Replacement | None:
    """Chunks of trees and graphs depend on the links that leave them, and so on who their neighbours are.

    Neighbours that an edit took away are known from the links of the level as it was: nodes next to a chunk's border
    stay, and so do the links between them. Links to neighbours that did not change have to be numbered again all the
    same: these are thinned once more for the rows of their nodes.
    """
    threshold = threshold_of(job.fine.object_ids, job.design)
    if threshold != threshold_of(old.object_ids, job.design):
        return None
    ratio = _ratio(job)
    before, after = _link_pairs(old), _link_pairs(job.fine)
    after = np.floor_divide(after[:, :, after.shape[2] - len(ratio) :], ratio)
    chunks = _parents(job, touched)
    chunks = sort_chunks(np.concatenate((chunks, _neighbours(chunks, before), _neighbours(chunks, after))))
    around = _neighbours(chunks, after)
    around = around[ChunkTable.of(chunks).find(around) < 0]
    shape = job.design.chunk_shape
    inner = chunk_blocks(job.fine, shape, _TREE_BYTES, _below(job, chunks))
    outer = chunk_blocks(job.fine, shape, _TREE_BYTES, _below(job, around))
    done = job.run_all(thin_block, [(i, block, threshold) for i, block in enumerate([*inner, *outer])])
    runs: list[Run] = [job.scratch.load(run) for run, _ in done[: len(inner)] if run is not None]
    seen = ChunkTable.of(np.concatenate((chunks, around)))
    links = link_blocks([_restrict(job.scratch.load(border), seen) for _, border in done]) if done else None
    links = None if links is None else _touching(links, ChunkTable.of(chunks))
    return Replacement(chunks, runs, None if links is None else make_link_run(links, runs[0]))


def _redo_mesh(job: Job, old: Level, touched: NDArray[np.int64]) -> Replacement | None:
    redone = redo_mesh(job, old, touched)
    return None if redone is None else Replacement(*redone)


_REDO: Mapping[str, Callable[[Job, Level, NDArray[np.int64]], Replacement | None]] = {
    names.POINT_CLOUD: _redo_points,
    names.SKELETON: _redo_trees,
    names.GRAPH: _redo_trees,
    names.MESH: _redo_mesh,
}


def _ratio(job: Job) -> NDArray[np.int64]:
    return np.rint(job.design.chunk / job.fine.chunk_shape).astype(np.int64)


def _parents(job: Job, chunks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Chunks of the coarser level that hold some of the finer one."""
    ratio = _ratio(job)
    return sort_chunks(np.floor_divide(chunks[:, chunks.shape[1] - len(ratio) :], ratio))


def _below(job: Job, parents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Chunks of the finer level in some of the coarser one."""
    ratio, chunks = _ratio(job), job.fine.chunks
    here = np.floor_divide(chunks[:, chunks.shape[1] - len(ratio) :], ratio)
    return chunks[ChunkTable.of(parents).find(here) >= 0]


def _link_pairs(level: Level) -> NDArray[np.int64]:
    """Pairs of chunks between which there are links, (n, 2, sid), told from documents alone."""
    sid = level.chunks.shape[1]
    family = level._reader.layout.links(0)
    pairs = [np.empty((0, 2, sid), np.int64)]
    for array in () if family is None else family.arrays:
        ends = family.endpoints(array, array.cells.chunks) if family is not None else pairs[0]
        pairs += [ends[:, [0, k]] for k in range(1, ends.shape[1]) if array.offsets[k - 1].any()]
    return np.concatenate(pairs)


def _neighbours(chunks: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Other ends of the pairs with one of the `chunks`, in numeric order."""
    table = ChunkTable.of(chunks)
    ends = [pairs[table.find(pairs[:, a]) >= 0, 1 - a] for a in (0, 1)]
    return sort_chunks(np.concatenate(ends))


def _restrict(border: Border, seen: ChunkTable) -> Border:
    """A border without the links to chunks that were not looked at."""
    is_seen = seen.find(border.far_chunks) >= 0
    place = np.cumsum(is_seen) - 1
    kept = np.flatnonzero(is_seen[border.links[:, 1]])
    near, far = border.links[kept].T
    return replace(
        border,
        far=border.far[is_seen],
        far_chunks=border.far_chunks[is_seen],
        links=np.stack((near, place[far]), axis=1),
        is_inward=border.is_inward[kept],
        columns={name: values[kept] for name, values in border.columns.items()},
    )


def _touching(links: CrossingLinks, chunks: ChunkTable) -> CrossingLinks | None:
    """The links with an end in some chunks."""
    found = [chunks.find(links.chunks[:, end]) >= 0 for end in (0, 1)]
    kept = np.flatnonzero(found[0] | found[1])
    if not len(kept):
        return None
    return CrossingLinks(links.chunks[kept], links.rows[kept], {n: v[kept] for n, v in links.columns.items()})
