"""Coarser levels of skeletons and graphs, made simpler along their unbranched runs.

A task thins some chunks of the level that is made, whatever objects they hold parts of: nodes next to the border of a
chunk stay, so what a chunk holds is told from the finer chunks in it and the links that leave them. Links between
chunks are put together when all tasks are done. An object may be larger than memory; a refresh after an edit needs only
the chunks that were touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError, InvalidInputError
from zvview.format import names
from zvview.format.grid import ChunkTable, locate_chunks, sort_chunks
from zvview.geometry.batches import Graph
from zvview.pyramid.block_borders import Border, link_blocks
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.hashing import hash_ids
from zvview.pyramid.kind import Coarsened, Job, TaskContext
from zvview.pyramid.networks import Network, span_network, thin_runs
from zvview.pyramid.parts import chunk_blocks
from zvview.pyramid.trees_design import as_network, design_level, rules_of
from zvview.store.level import Level
from zvview.store.patching.link_runs import CrossingLinks, make_link_run
from zvview.store.writing.intake import Intake, in_depth_first_order
from zvview.store.writing.partition import partition
from zvview.store.writing.runs import Run
from zvview.store.writing.sorting import run_starts

__all__ = ["TreesKind", "thin_block", "threshold_of"]

METHOD = "unbranched_runs"

_PART_BYTES = 16 << 20
_NUMBERS = ""  # a column that no store has: where each node comes from
_ALL = 1 << 32


@dataclass(frozen=True, slots=True)
class TreesKind:
    """Coarser levels of skeletons and graphs.

    Roots, tips, branch points, isolated nodes and changes of label stay, so that trees stay trees with the same ends.
    Between them nodes are left out where the link in their place passes within half a bin. All objects are kept unless
    ``object_sparsity`` says otherwise.

    Attributes
    ----------
    part_bytes : int
        About how much of the finer level a task reads, beside the chunks around it; it takes about twelve times that
        memory. The levels do not depend on it.
    """

    methods: ClassVar[Sequence[str]] = (METHOD,)

    part_bytes: int = _PART_BYTES

    def design(self, fine: Level, previous: LevelDesign | None, options: PyramidOptions) -> LevelDesign:
        """The level that follows `fine`.

        Raises
        ------
        InvalidInputError
            A method that there is not, wished shapes that do not fit each other.
        """
        if options.method not in (None, *self.methods):
            raise InvalidInputError(f"method = {options.method!r}, expected {' or '.join(self.methods)}")
        return design_level(fine, previous, options, METHOD)

    def coarsen(self, job: Job) -> Coarsened:
        """Thin the finer level, one block of chunks after the other or side by side."""
        blocks = chunk_blocks(job.fine, job.design.chunk_shape, self.part_bytes)
        threshold = threshold_of(job.fine.object_ids, job.design)
        done = job.run_all(thin_block, [(i, block, threshold) for i, block in enumerate(blocks)])
        runs = [run for run, _ in done if run is not None]
        crossing = link_blocks([job.scratch.load(border) for _, border in done]) if runs else None
        if crossing is not None:
            between = make_link_run(crossing, job.scratch.load(runs[0]))
            runs.insert(0, job.scratch.save(f"trees-{job.design.level}-between", between))
        return Coarsened(runs)


def threshold_of(ids: NDArray[np.int64] | None, design: LevelDesign) -> int:
    """Objects stay whose id has a hash below it: the wished share of them, and one at least."""
    share = float(design.parameters["object_share"])
    if share >= 1 or ids is None or not len(ids):
        return _ALL
    return max(int(share * _ALL), int(hash_ids(ids, int(design.parameters["seed"])).min()) + 1)


def thin_block(context: TaskContext, part: tuple[int, NDArray[np.int64], int]) -> tuple[str | None, str]:
    """What the level keeps of some chunks of the finer one: names of a run, None where that is nothing, and a border.

    Parameters
    ----------
    context : TaskContext
    part : (int, (m, sid) int64, int)
        Number of the part, its chunks, and the threshold of objects.

    Raises
    ------
    DamagedError
        Trees that are none, positions that are not finite or not in their chunks.
    """
    number, chunks, threshold = part
    batch = context.fine.read_chunks(sort_chunks(chunks))
    assert isinstance(batch, Graph)
    run, border = _thin_batch(batch, chunks, context, threshold)
    name = f"trees-{context.design.level}-{number}"
    if run is not None:
        context.scratch.save(name, run)
    return None if run is None else name, context.scratch.save(f"{name}-border", border)


def _thin_batch(
    batch: Graph, chunks: NDArray[np.int64], context: TaskContext, threshold: int
) -> tuple[Run | None, Border]:
    """The run and the border of a block, from the batch of its `chunks`; nodes beyond its pieces belong to others."""
    network, rules = as_network(batch, context.fine), rules_of(context.design)
    thin = thin_runs(network, span_network(network, rules), rules)
    columns = thin.link_columns(network, batch.link_attributes)
    edges = thin.nodes[thin.edges]
    places = locate_chunks(network.positions, rules.chunk_shape)
    inner = int(batch.offsets[-1])
    ratio = np.rint(context.design.chunk / context.fine.chunk_shape).astype(np.int64)
    block = sort_chunks(np.floor_divide(chunks[:, -len(ratio) :], ratio))
    if (ChunkTable.of(block).find(places[:inner][run_starts(*places[:inner].T)]) < 0).any():
        raise _astray(network.positions[:inner], chunks[:, -len(ratio) :], context)

    own = thin.nodes[thin.nodes < inner]
    own = own[_are_kept(network.objects[own], context, threshold)]
    stays = np.zeros(len(network.positions), bool)
    stays[own] = True
    is_inside = stays[edges[:, 0]] & stays[edges[:, 1]]
    for column in places.T:
        is_inside &= column[edges[:, 0]] == column[edges[:, 1]]
    inside, others = np.flatnonzero(is_inside), np.flatnonzero(~is_inside)
    run, rows = None, np.full(len(stays), -1, np.int64)
    if len(own):
        intake = _take(network, batch, own, edges[inside], {n: v[inside] for n, v in columns.items()})
        run = partition(intake, context.tiling)
        numbers = run.columns[_NUMBERS]
        rows[numbers] = np.arange(len(numbers)) - np.repeat(run.rows[:-1], np.diff(run.rows))
        run = replace(run, columns={n: v for n, v in run.columns.items() if n != _NUMBERS})
    border = _border(network, inner, places, rows, edges[others], {n: v[others] for n, v in columns.items()})
    return run, replace(border, blocks=block)


def _astray(
    positions: NDArray[np.floating], chunks: NDArray[np.int64], context: TaskContext
) -> DamagedError | InvalidInputError:
    """What is wrong where a node of some chunks lies in none of those that they become."""
    if (ChunkTable.of(chunks).find(locate_chunks(positions, context.fine.chunk_shape)) >= 0).all():
        return InvalidInputError(
            f"chunk shape {list(context.design.chunk_shape)}: rounding puts a position on a border elsewhere than the "
            f"finer chunks of {context.fine.chunk_shape.tolist()} have it; a power of two as the multiple never does"
        )
    return DamagedError("vertices", found="a position outside its chunk", expected="positions inside their chunks")


def _are_kept(objects: NDArray[np.int64], context: TaskContext, threshold: int) -> NDArray[np.bool_]:
    ids = context.fine.object_ids
    if ids is None:
        return np.ones(len(objects), bool)
    kept = np.ones(len(objects), bool) if (ids == names.OWNER_NONE).any() else objects != names.OWNER_NONE
    if threshold < _ALL and len(objects):
        kept &= hash_ids(objects, int(context.design.parameters["seed"])) < threshold
    return kept


def _take(
    network: Network,
    batch: Graph,
    nodes: NDArray[np.int64],
    edges: NDArray[np.int64],
    link_columns: Mapping[str, NDArray[Any]],
) -> Intake:
    """Some nodes and the links among them, in the form that is written, with the column of their numbers."""
    place = np.empty(len(network.positions), np.int64)
    place[nodes] = np.arange(len(nodes))
    links = place[edges]
    positions = network.positions.take(nodes, axis=0)
    positions = positions.astype(positions.dtype.newbyteorder("<"), copy=False)
    columns = {name: values.take(nodes, axis=0) for name, values in network.columns.items()} | {_NUMBERS: nodes}
    objects = None if batch.object_ids is None else network.objects[nodes]
    if not network.is_tree:
        return Intake(positions, columns, objects, None, links, link_columns)
    if objects is None:  # the fragments of trees begin at roots, which only those with owners do
        objects = np.zeros(len(nodes), np.int64)
    try:
        return in_depth_first_order(positions, columns, objects, links)
    except InvalidInputError as error:
        raise DamagedError("skeleton", found=str(error), expected="a forest: one parent a node, no cycle") from error


def _border(
    network: Network,
    inner: int,
    places: NDArray[np.int64],
    rows: NDArray[np.int64],
    edges: NDArray[np.int64],
    columns: Mapping[str, NDArray[Any]],
) -> Border:
    """Links between chunks: of the block's own, and to nodes from row `inner` on."""
    is_own = (edges < inner).all(axis=1)
    own = np.flatnonzero(is_own & (rows[edges] >= 0).all(axis=1))
    out = np.flatnonzero(~is_own)
    ends = np.sort(edges[out], axis=1)
    near, near_at = np.unique(ends[:, 0], return_inverse=True)
    far, far_at = np.unique(ends[:, 1], return_inverse=True)
    return Border(
        blocks=places[:0],
        near=network.positions[near],
        far=network.positions[far],
        near_chunks=places[near],
        far_chunks=places[far],
        near_rows=rows[near],
        links=np.stack((near_at, far_at), axis=1),
        is_inward=edges[out, 0] >= inner,
        columns={name: values[out] for name, values in columns.items()},
        own=CrossingLinks(places[edges[own]], rows[edges[own]], {name: v[own] for name, v in columns.items()}),
    )
