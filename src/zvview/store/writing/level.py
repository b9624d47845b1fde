"""One level of a store: cells put through anything that takes them, documents and statistics returned.

The same function writes level 0 of a new store and any coarser level of an existing one; only the plan differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import InvalidInputError
from zvview.format import documents, names
from zvview.format.grid import grid_of_bounds
from zvview.store.index import IndexedLevel
from zvview.store.writing.choose import choose_shard_shape, largest_shard
from zvview.store.writing.grid_cells import GridCells, Putter
from zvview.store.writing.kept_columns import Columns
from zvview.store.writing.level_links import count_link_cells, write_links
from zvview.store.writing.level_vertices import VertexWriter
from zvview.store.writing.link_waves import LinkMerge
from zvview.store.writing.objects import (
    GroupContent,
    write_groups,
    write_object_attributes,
    write_object_index,
)
from zvview.store.writing.options import AttributeSpec, check_shards
from zvview.store.writing.partition import LINE_KINDS, Tiling, check_reach
from zvview.store.writing.runs import Run
from zvview.store.writing.vertex_waves import Merge

__all__ = ["LevelContent", "LevelPlan", "WrittenLevel", "describe_level", "write_level"]

_WAVE_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, eq=False)
class LevelPlan:
    """Where and how a level is written.

    Attributes
    ----------
    level : int
    tiling : Tiling
    lo, hi : (D,) float64
        Bounds of the store, which hold the vertices of all its levels; they size the grid.
    codecs : list of dict
        Compressors of cells.
    shards : None, bool, int or sid ints
        As in :class:`~zvview.store.writing.options.WriteOptions`.
    root_chunk_shape : D floats, optional
        Chunk edges of level 0 where this level's differ.
    parent_level, coarsening_method, object_sparsity, inherited_num_objects
        Of a coarser level, see :func:`zvview.format.documents.level_attributes`.
    more : mapping
        Further keys of ``zarr_vectors_level``.
    wave_bytes : int
        Rows that are merged at a time.
    """

    level: int
    tiling: Tiling
    lo: NDArray[np.float64]
    hi: NDArray[np.float64]
    codecs: Sequence[dict[str, Any]] = ()
    shards: bool | int | Sequence[int] | None = None
    root_chunk_shape: tuple[float, ...] | None = None
    parent_level: int | None = None
    coarsening_method: str = "none"
    object_sparsity: float = 1.0
    inherited_num_objects: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    wave_bytes: int = _WAVE_BYTES


@dataclass(frozen=True, slots=True, eq=False)
class LevelContent:
    """What is written.

    Attributes
    ----------
    runs : sequence of Run
    vertices, links : Columns
        Columns of the runs.
    ids : (n,) int64 or None
        Object rows, ascending. None: those that own fragments; no index at all where fragments have no owner.
    object_attributes : callable
        Gives the attributes (name to array) of the object rows it is called with.
    object_specs : mapping of str to AttributeSpec
    groups : GroupContent or None
    """

    runs: Sequence[Run]
    vertices: Columns
    links: Columns
    ids: NDArray[np.int64] | None = None
    object_attributes: Callable[[NDArray[np.int64]], Mapping[str, NDArray[Any]]] | None = None
    object_specs: Mapping[str, AttributeSpec] = field(default_factory=dict)
    groups: GroupContent | None = None


@dataclass(frozen=True, slots=True, eq=False)
class WrittenLevel:
    """What became of a level.

    Attributes
    ----------
    documents : dict
        Document of every node of the level by path, its own group's as well.
    indexed : IndexedLevel
    num_objects : int
    """

    documents: dict[str, dict[str, Any]]
    indexed: IndexedLevel
    num_objects: int


def write_level(
    putter: Putter,
    plan: LevelPlan,
    content: LevelContent,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancel: CancelToken | None = None,
) -> WrittenLevel:
    """Put all cells of a level.

    Parameters
    ----------
    putter : Putter
    plan : LevelPlan
    content : LevelContent
    progress : callable, optional
        Called with the vertices and link records done so far, and all there are.
    cancel : CancelToken, optional
        Looked at before each wave.

    Raises
    ------
    InvalidInputError
        Chunks too small for the extent of the positions.
    Cancelled
        `cancel` was set.
    """
    path = str(plan.level)
    merge = Merge(content.runs, len(plan.tiling.chunk_shape), plan.tiling.fragments_per_chunk)
    links = None if plan.tiling.kind == names.POINT_CLOUD else LinkMerge(merge)
    has_owners = any(run.objects is not None for run in content.runs) or content.ids is not None
    grid = _make_grid(putter, path, plan, content, merge, links, has_owners)
    steps = _Steps(progress, cancel, int(merge.counts.sum()) + (0 if links is None else links.total))

    dtype = next((r.positions.dtype for r in content.runs), np.dtype("<f4"))
    writer = VertexWriter(grid, merge, dtype, content.vertices, links, has_owners)
    row_bytes = content.vertices.row_bytes + _position_bytes(content.runs)
    for wave in merge.waves(grid.order(merge.chunks), row_bytes, plan.wave_bytes):
        steps.check()
        writer.put(wave)
        steps.advance(len(wave.positions))
    nodes = writer.finish()
    if links is not None and (links.total or plan.tiling.kind not in LINE_KINDS):
        nodes |= write_links(grid, links, content.links, plan.wave_bytes, check=steps.check, advance=steps.advance)
    nodes |= grid.documents
    num_objects = 0
    if has_owners:
        ids = writer.owners.ids() if content.ids is None else content.ids
        num_objects = len(ids)
        nodes |= write_object_index(putter, path, ids, writer.owners, merge.chunks)
        attributes = {} if content.object_attributes is None else content.object_attributes(ids)
        nodes |= write_object_attributes(putter, path, attributes, content.object_specs)
        if content.groups is not None:
            nodes |= write_groups(putter, path, content.groups, ids)
    elif content.groups is not None:
        raise InvalidInputError("groups need objects: give the points object_ids")
    nodes[path] = describe_level(plan, int(merge.counts.sum()), nodes)
    statistics = {name: entry.document() for name, entry in writer.statistics.items()}
    return WrittenLevel(nodes, IndexedLevel(plan.level, merge.chunks, merge.counts, statistics), num_objects)


def describe_level(plan: LevelPlan, vertex_count: int, nodes: Iterable[str]) -> dict[str, Any]:
    """The document of a level's group, given the paths of the nodes below it."""
    families = {path.split("/")[1] for path in nodes if "/" in path}
    own = documents.level_attributes(
        plan.level,
        vertex_count=vertex_count,
        arrays_present=[name for name in names.LEVEL_FAMILIES if name in families],
        parent_level=plan.parent_level,
        coarsening_method=plan.coarsening_method,
        object_sparsity=plan.object_sparsity,
        chunk_shape=_own_chunk_shape(plan),
        inherited_num_objects=plan.inherited_num_objects,
        more=plan.more,
    )
    return documents.group(own)


def _own_chunk_shape(plan: LevelPlan) -> tuple[float, ...] | None:
    is_own = plan.root_chunk_shape is not None and plan.root_chunk_shape != plan.tiling.chunk_shape
    return plan.tiling.chunk_shape if is_own else None


def _position_bytes(runs: Sequence[Run]) -> int:
    return next((r.positions.dtype.itemsize * r.positions.shape[1] for r in runs), 1)


def _make_grid(
    putter: Putter,
    path: str,
    plan: LevelPlan,
    content: LevelContent,
    merge: Merge,
    links: LinkMerge | None,
    has_owners: bool,
) -> GridCells:
    edges = np.array(plan.tiling.chunk_shape)
    check_reach(plan.lo, plan.hi, plan.tiling.chunk_shape)
    origin, shape = grid_of_bounds(plan.lo, plan.hi, edges)
    cells = len(merge.chunks) * (2 + len(content.vertices.names) + has_owners)
    cells += 0 if links is None else count_link_cells(links, len(content.links.names))
    return GridCells(putter, path, origin, shape, plan.codecs, _shard_shape(plan, merge.chunks - origin, cells))


def _shard_shape(plan: LevelPlan, index: NDArray[np.int64], cells: int) -> Sequence[int] | None:
    """Cells of a shard, None where there are to be none."""
    asked, ndim = plan.shards, index.shape[1]
    check_shards(asked, ndim)
    if asked is None:
        return choose_shard_shape(index, cells)
    if isinstance(asked, bool):
        return largest_shard(ndim) if asked else None
    return [asked] * ndim if isinstance(asked, int) else asked


class _Steps:
    """Tells the progress sink, and stops when the token is set."""

    def __init__(self, progress: Callable[[int, int], None] | None, cancel: CancelToken | None, total: int) -> None:
        self._progress, self._cancel, self._total, self._done = progress, cancel, total, 0

    def check(self) -> None:
        if self._cancel is not None:
            self._cancel.raise_if_cancelled()

    def advance(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)
