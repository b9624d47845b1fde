"""Links between neighbouring levels: ``links/+1`` from each fine vertex to its parent, ``links/-1`` back.

The records of both are the same, their columns exchanged. The cell of a record is told by the pair of its chunks, in
either direction; so what tasks found is only laid in order here, never sorted or joined (format reference 9, 10.3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import UnsupportedError
from zvview.format import documents, names
from zvview.format.grid import ChunkTable
from zvview.format.links import LinkSegment, anchor_chunks, encode_links, format_delta, format_offsets
from zvview.pyramid.design import LevelDesign
from zvview.pyramid.nearest import load_trees
from zvview.pyramid.parents import PairSetting, ParentRun, find_parents
from zvview.pyramid.parts import chunk_blocks
from zvview.pyramid.scratch import Scratch
from zvview.pyramid.stage import Stage
from zvview.store.patching.cell_patch import compressors_of
from zvview.store.store import Store
from zvview.store.writing.choose import choose_shard_shape
from zvview.store.writing.grid_cells import GridCells, Putter

__all__ = ["are_levels_linked", "check_linkable", "link_levels", "set_pair"]

_PART_BYTES = 16 << 20  # of the finer level; a search takes several times as much
_WAVE_RECORDS = 1 << 20
_OPEN_RUNS = 64  # each is a map of a file


def are_levels_linked(root: Mapping[str, Any]) -> bool:
    """Whether a root's document says that neighbouring levels are linked to each other."""
    own = root["attributes"].get(names.ROOT)
    return isinstance(own, dict) and own.get("cross_level_storage", "none") != "none"


def check_linkable(store: Store) -> None:
    """Refuse a store whose levels cannot be linked to each other.

    Raises
    ------
    UnsupportedError
        Chunks that are split by an attribute as well, which those of coarser levels are not; scipy is not installed.
    """
    load_trees()
    if store.level(0).chunks.shape[1] != store.metadata.ndim:
        raise UnsupportedError(
            "chunks of level 0 are split by an attribute, those of coarser levels are not: links between such levels "
            "cannot be written; build the levels without"
        )


def set_pair(stage: Stage, design: LevelDesign) -> PairSetting:
    """What tasks need to find the parents that the level of `design` has for the next finer one."""
    exact = design.parameters.get("exact_axes", ())
    frames = tuple(axis for axis, is_exact in enumerate(exact) if is_exact)
    return PairSetting(stage, design.level - 1, tuple(design.bin_shape), frames)


def link_levels(
    putter: Putter,
    scratch: Scratch,
    store: Store,
    design: LevelDesign,
    nodes: Mapping[str, Mapping[str, Any]],
    run_all: Callable[[Callable[..., Any], Sequence[Any]], list[Any]],
    *,
    check: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, Any]]:
    """Link a level and the next finer one, both of which are written; gives new and changed documents by path.

    Parameters
    ----------
    putter : Putter
    scratch : Scratch
    store : Store
    design : LevelDesign
        Of the coarser level.
    nodes : mapping of str to dict
        Documents of the store. The links have the grids and compressors of the vertices.
    run_all : callable
        Calls a task with each part, given what :func:`set_pair` opens.
    check : callable
        Called before each wave of cells; may raise.
    """
    fine, coarse = store.level(design.level - 1), store.level(design.level)
    blocks = chunk_blocks(fine, design.chunk_shape, _PART_BYTES)
    found = _Found.of(scratch, run_all(find_parents, list(enumerate(blocks))))
    root = store.metadata.chunk_shape
    ratios = [np.rint(level.chunk_shape / root).astype(np.int64) for level in (fine, coarse)]
    out: dict[str, dict[str, Any]] = {}
    for own, delta in enumerate((1, -1)):
        ends = (found.fine, found.coarse)[::delta]
        offsets = ends[1] - anchor_chunks(ends[0], *ratios[::delta])
        number = (fine, coarse)[own].number
        grid = _open_grid(putter, number, nodes[f"{number}/{names.VERTICES}"], ends[0])
        out |= _write_family(grid, delta, ends[0], offsets, found, check)
        out |= _announce(number, nodes)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """All parents, group by group of records that share both chunks.

    Attributes
    ----------
    fine, coarse : (G, sid) int64
        Chunks of each group.
    counts : (G,) int64
        Records of each.
    run, first : (G,) int64
        The run that has them, and the first there.
    open_rows : callable
        Records of a run, (m, 2).
    """

    fine: NDArray[np.int64]
    coarse: NDArray[np.int64]
    counts: NDArray[np.int64]
    run: NDArray[np.int64]
    first: NDArray[np.int64]
    open_rows: Callable[[int], NDArray[np.int64]]

    @classmethod
    def of(cls, scratch: Scratch, runs: Sequence[str]) -> _Found:
        """The runs of these names, one at least."""

        @lru_cache(_OPEN_RUNS)
        def load(number: int) -> ParentRun:
            run: ParentRun = scratch.load(runs[number])
            return run

        fine, coarse, counts, first = [], [], [], []
        for number in range(len(runs)):
            run = load(number)
            fine.append(np.array(run.fine))  # copies: what is mapped need not stay so
            coarse.append(np.array(run.coarse))
            counts.append(np.diff(run.first))
            first.append(np.array(run.first[:-1]))
        return cls(
            np.concatenate(fine),
            np.concatenate(coarse),
            np.concatenate(counts),
            np.repeat(np.arange(len(runs)), [len(chunks) for chunks in fine]),
            np.concatenate(first),
            lambda number: load(number).rows,
        )

    def records(self, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """The records of some groups one behind the other, (m, 2): fine row, coarse row."""
        stops = self.first[groups] + self.counts[groups]
        spans = zip(self.run[groups].tolist(), self.first[groups].tolist(), stops.tolist(), strict=True)
        return np.concatenate([self.open_rows(run)[first:stop] for run, first, stop in spans])


def _open_grid(putter: Putter, level: int, vertices: Mapping[str, Any], chunks: NDArray[np.int64]) -> GridCells:
    """Arrays like that of the vertices, for cells at `chunks`; in shards if those are, or if there are many."""
    shape = np.array(vertices["shape"], np.int64)
    origin = np.array(vertices["attributes"].get(names.CHUNK_GRID_ORIGIN) or [0] * len(shape), np.int64)
    if vertices["codecs"] and vertices["codecs"][0].get("name") == "sharding_indexed":
        shards = vertices["chunk_grid"]["configuration"]["chunk_shape"]
    else:
        shards = choose_shard_shape(chunks - origin, len(chunks))
    return GridCells(putter, str(level), origin, shape, compressors_of(vertices), shards)


def _write_family(
    grid: GridCells,
    delta: int,
    sources: NDArray[np.int64],
    offsets: NDArray[np.int64],
    found: _Found,
    check: Callable[[], None],
) -> dict[str, dict[str, Any]]:
    family = f"{names.LINKS}/{format_delta(delta)}"
    total, sid = int(found.counts.sum()), sources.shape[1]
    common: dict[str, Any] = {"link_width": 2, "level_delta": delta}
    own = {names.ZV_ARRAY: "links_family", **common, "directed": True, "store": names.CANONICAL, "sid_ndim": sid}
    own |= {"num_links": total, "num_physical_records": total}
    table = ChunkTable.of(offsets)
    arrays = table.find(offsets)
    for number, offset in sorted(enumerate(table.coords), key=lambda item: format_offsets(item[1][None])):
        groups = np.flatnonzero(arrays == number)
        groups = groups[np.lexsort(sources[groups].T[::-1])]
        groups = groups[grid.order(sources[groups])]
        path = f"{family}/{format_offsets(offset[None])}"
        waves = np.flatnonzero(np.diff(np.cumsum(found.counts[groups]) // _WAVE_RECORDS, prepend=-1))
        for start, stop in pairwise([*waves.tolist(), len(groups)]):
            check()
            here = groups[start:stop]
            rows = found.records(here)[:, ::delta]
            segment = LinkSegment(offset[None], sources[here], found.counts[here], rows, np.arange(len(rows)))
            grid.put(path, segment.coords, encode_links(segment, delta=delta))
        about = {"offsets": [offset.tolist()], "dtype": "int64", **common, "has_perm": False}
        grid.finish(path, {names.ZV_ARRAY: names.LINKS, **about})
    return grid.documents | {f"{grid.level_path}/{family}": documents.group(own)}


def _announce(level: int, nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Documents of a level and of its links that say that there are some."""
    path = f"{level}/{names.LINKS}"
    out = {} if path in nodes else {path: documents.group()}
    document = nodes[str(level)]
    own = document["attributes"].get(names.LEVEL)
    present = own.get("arrays_present") if isinstance(own, dict) else None
    if isinstance(present, list) and names.LINKS not in present:
        own = {**own, "arrays_present": [*present, names.LINKS]}
        out[str(level)] = {**document, "attributes": {**document["attributes"], names.LEVEL: own}}
    return out
