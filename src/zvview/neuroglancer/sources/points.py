"""Points as annotations in spatial levels that add up, straight from the nested levels of a store.

A level of the store holds all points of the next coarser one; a spatial level holds what the coarser one lacks. So each
point is in one spatial level, and nothing is read but the chunk of a cell and the one over it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from zvview.errors import ConflictError
from zvview.format.sequences import distinct
from zvview.neuroglancer.encoding.annotations import encode_list
from zvview.neuroglancer.encoding.records import join_records
from zvview.neuroglancer.sources.cells import common_corner, finest_step, grid_of_level, parents_of
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.contract import Block, Section, StaleLevelsError
from zvview.neuroglancer.sources.differences import identify, lacking
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.point_records import (
    CHUNK_SHIFT,
    LEVEL_SHIFT,
    MOST_CHUNKS,
    PointRecords,
    name_points,
)
from zvview.neuroglancer.sources.properties import Properties
from zvview.neuroglancer.sources.related import Owned
from zvview.neuroglancer.sources.spatial_levels import SpatialLevels
from zvview.store.store import Store
from zvview.stream.parts import ChunkPart

__all__ = ["STALE", "NestedPoints", "has_nested_levels"]

STALE: Final = (
    "coarse levels hold other points than the finest, so that they are not used (zvview pyramid makes them anew)"
)

_IDENTITY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, eq=False)
class _Own:
    """The points of a chunk that no coarser level holds, in the order in which they are drawn."""

    part: ChunkPart
    rows: NDArray[np.int64]
    ids: NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class _Above:
    """What is known of a chunk of a coarse level: names of its points, ascending, and how many each finer chunk has.

    Row -1 is that of finer chunks that are not there.
    """

    names: NDArray[np.uint64]
    below: Mapping[int, int]

    @property
    def nbytes(self) -> int:
        return self.names.nbytes + 100 * len(self.below)


class NestedPoints:
    """Points of a store whose levels are nested; a :class:`~zvview.neuroglancer.sources.contract.Source`.

    Parameters
    ----------
    chunks : Chunks
    frame : SourceFrame
        The coordinate space.
    properties : Properties
        What of the attributes is told.

    Raises
    ------
    UnsupportedError
        More chunks or levels than annotations can be named by; grids that do not share a corner.
    ConflictError
        The store is being replaced.
    StaleLevelsError
        A level holds points that the next finer one lacks, as far as chunks tell; of single points it is raised by what
        reads them. Another program may have edited the finest level alone.
    """

    def __init__(self, chunks: Chunks, frame: SourceFrame, properties: Properties) -> None:
        levels, ndim = chunks.levels, chunks.facts.ndim
        self._chunks, self.frame, self.properties = chunks, frame, properties
        self._records = PointRecords(chunks, frame, properties)
        self.schema, self._related = self._records.schema, self._records.related
        self._counts = [chunks.store.count_vertices(level.number).astype(np.float64) for level in levels]
        if any(len(counts) != len(level.chunks) for counts, level in zip(self._counts, levels, strict=True)):
            raise ConflictError(f"{chunks.store.place} is not what it was")
        corner = common_corner(levels, ndim)
        self._grids = [grid_of_level(level, corner) for level in levels]
        self._lower = corner + chunks.facts.offset - frame.origin
        self._parents = [
            parents_of(fine, coarse, table, np.arange(len(fine.chunks)), ndim)
            for fine, coarse, table in zip(levels, levels[1:], chunks.tables[1:], strict=False)
        ]
        for counts, parents in zip(self._counts[1:], self._parents, strict=False):
            if (counts[~np.isin(np.arange(len(counts)), parents)] > 0).any():
                raise StaleLevelsError(f"{chunks.store.place}: {STALE}")
        self._identities: LRUCache[tuple[int, int], _Above] = LRUCache(_IDENTITY_BYTES, lambda above: above.nbytes)
        self._checked: set[tuple[int, int]] = set()
        self._lock = threading.Lock()
        coarse_first = self._grids[::-1]
        edges = tuple(grid.cell_shape for grid in coarse_first)
        self._spatial = SpatialLevels(frame, self._lower, tuple(grid.shape for grid in coarse_first), edges)
        self._level_of = dict(zip(self._spatial.names, range(len(levels) - 1, -1, -1), strict=True))
        self.sections = self._spatial.sections(self._related)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or not exact."""
        return (*self.frame.notes, *self.properties.notes, *self._chunks.notes)

    @property
    def info(self) -> Mapping[str, Any]:
        """The ``info`` document."""
        return self._spatial.info(self.schema, [self._density(level) for level in self._level_of.values()])

    def _density(self, level: int) -> float:
        """Points of a cell in which a point of the level lies, on average, without those that a coarser level holds."""
        counts = self._counts[level]
        coarser = self._counts[level + 1].sum() if level + 1 < len(self._grids) else 0.0
        own = 1 - float(coarser) / max(float(counts.sum()), 1.0)
        return own * self._grids[level].mean_held(counts)

    def keys(self, section: Section) -> Iterator[NDArray[np.uint64]]:
        """Numbers of all contents, chunk by chunk below one coarser chunk."""
        if section.key in self._level_of:
            level = self._level_of[section.key]
            grid = self._grids[level]
            for start in range(0, len(grid.codes), 64):
                yield grid.codes[start : start + 64]
            return
        if self._related is not None and section == self._related.section:
            yield from self._related.keys()
            return
        for level in range(len(self._grids) - 1, -1, -1):
            yield from self._records.keys(level)  # also of those that a coarser level holds

    @property
    def basis(self) -> str:
        """See :class:`~zvview.neuroglancer.exporting.stamps.Traced`."""
        return self._records.basis(
            (self._lower, *(array for grid in self._grids for array in (grid.shape, grid.cell_shape, grid.first)))
        )

    def relies_on(self, section: Section, keys: NDArray[np.uint64]) -> list[tuple[int, NDArray[np.int64]]]:
        """See :class:`~zvview.neuroglancer.exporting.stamps.Traced`."""
        if section.key in self._level_of:
            level = self._level_of[section.key]
            chunks = {level: [row for code in keys.tolist() for row in self._grids[level].rows_of(code)]}
        else:
            chunks = {}
            for name in distinct(keys >> np.uint64(CHUNK_SHIFT)).tolist():
                chunks.setdefault(name >> LEVEL_SHIFT - CHUNK_SHIFT, []).append(name % MOST_CHUNKS)
        out = []
        for level, rows in chunks.items():
            own = distinct(np.array(rows, np.int64))
            out.append((self._chunks.levels[level].number, own))
            if level + 1 < len(self._grids):
                above = distinct(self._parents[level][own])
                out.append((self._chunks.levels[level + 1].number, above[above >= 0]))
        return out

    def cell(self, section: Section, key: int) -> NDArray[np.int64]:
        """Coordinates of a spatial cell by its number, (D,)."""
        (found,) = self._grids[self._level_of[section.key]].coords_of(np.array([key], np.uint64))
        return np.asarray(found)

    def read(self, section: Section, keys: NDArray[np.uint64]) -> Block:
        """Cells of a spatial level, single annotations, or all of an object."""
        if section.key in self._level_of:
            return self._read_cells(self._level_of[section.key], keys)
        if self._related is not None and section == self._related.section:
            return self._related.list(keys, self._owned(self._related.segments.objects(keys)))
        return self._records.read_single(keys, self._find)

    def _read_cells(self, level: int, codes: NDArray[np.uint64]) -> Block:
        grid = self._grids[level]
        rows = [grid.rows_of(code) for code in codes.tolist()]
        own = iter(self._own(level, [row for cell in rows for row in cell]))
        found, contents = [], []
        for code, cell in zip(codes.tolist(), rows, strict=True):
            parts = [next(own) for _ in cell]
            if any(len(part.rows) for part in parts):
                found.append(code)
                contents.append(self._encode_cell(parts))
        return Block.of(found, contents)

    def _encode_cell(self, parts: Sequence[_Own]) -> bytes:
        ids = np.concatenate([part.ids for part in parts])
        records = join_records([self._records.encode(part.part, part.rows) for part in parts])
        if len(parts) > 1:  # the client draws the first of a cell where it has room for some only
            order = np.random.default_rng(len(ids)).permutation(len(ids))
            ids, records = ids[order], records.take(order)
        return encode_list(records, ids)

    def _find(self, level: int, chunk: int) -> tuple[ChunkPart, NDArray[np.int64]]:
        (own,) = self._own(level, [chunk])
        return own.part, own.rows

    def _owned(self, objects: NDArray[np.int64]) -> Iterator[Owned]:
        """The points of all chunks in which any of some objects is."""
        assert self._related is not None
        for level in range(len(self._grids) - 1, -1, -1):
            for row in self._related.rows_of(level, objects):
                (own,) = self._own(level, [row])
                yield self._records.owned(own.part, own.rows, own.ids)

    def _own(self, level: int, rows: list[int]) -> list[_Own]:
        """What no coarser level holds of some chunks."""
        parts = self._chunks.read(level, rows)
        is_coarsest = level + 1 == len(self._grids)
        parents = [-1] * len(rows) if is_coarsest else self._parents[level][rows].tolist()
        self._identify(level + 1, [parent for parent in parents if parent >= 0])
        out = []
        for part, row, parent in zip(parts, rows, parents, strict=True):
            names = identify(part)
            kept = _order(names)
            if parent >= 0:  # names in order are found in a fraction of the time
                above = self._identify(level + 1, [parent])[0]
                fresh = lacking(names[kept], above.names)
                if len(names) - len(fresh) != above.below.get(row, 0) or -1 in above.below:
                    self._check(level, parent)
                kept = kept[fresh]
            out.append(_Own(part, kept, name_points(level, row, kept)))
        return out

    def _check(self, level: int, parent: int) -> None:
        """Compare all points of a chunk of the next coarser level with those below it.

        Where offsets were added, a point that lies between two chunks may seem to be in the other one.

        Raises
        ------
        StaleLevelsError
        """
        with self._lock:
            if (level, parent) in self._checked:
                return
        above, found = self._identify(level + 1, [parent])[0].names, 0
        for row in np.flatnonzero(self._parents[level] == parent).tolist():
            names = np.sort(identify(self._chunks.read(level, [row])[0]))
            found += len(names) - len(lacking(names, above))
            if not len(names) and self._counts[level][row]:  # a damaged chunk, of which the coarser one tells
                found = len(above)
                break
        if found != len(above):
            raise StaleLevelsError(f"{self._chunks.store.place}: {STALE}")
        with self._lock:
            self._checked.add((level, parent))

    def _identify(self, level: int, rows: list[int]) -> list[_Above]:
        """What is known of some chunks of a coarse level."""
        with self._lock:
            known = {row: above for row in rows if (above := self._identities.get((level, row))) is not None}
        missing = [row for row in dict.fromkeys(rows) if row not in known]
        for row, part in zip(missing, self._chunks.read(level, missing) if missing else [], strict=True):
            known[row] = _Above(np.sort(identify(part)), self._count_below(level, row, part))
            with self._lock:
                if known[row].nbytes <= _IDENTITY_BYTES:
                    self._identities[level, row] = known[row]
        return [known[row] for row in rows]

    def _count_below(self, level: int, row: int, part: ChunkPart) -> dict[int, int]:
        """In which chunks of the next finer level the points of a chunk are, and how many in each."""
        finer, facts = self._chunks.levels[level - 1], self._chunks.facts
        stored = part.positions if not facts.offset.any() else part.positions - facts.offset
        with np.errstate(invalid="ignore"):
            cells = np.floor(stored / finer.chunk_shape).astype(np.int64)
        lead = np.repeat(self._chunks.levels[level].chunks[row : row + 1, : -facts.ndim], len(cells), axis=0)
        found, counts = np.unique(self._chunks.tables[level - 1].find(np.hstack((lead, cells))), return_counts=True)
        return dict(zip(found.tolist(), counts.tolist(), strict=True))


def has_nested_levels(store: Store, method: str) -> bool:
    """Whether each level of a store tells that it is a part of the next finer one, and its chunks can be numbered.

    Parameters
    ----------
    store : Store
    method : str
        By which such levels are made.
    """
    coarse = [store.reader(number).layout.metadata.coarsening_method for number in store.levels[1:]]
    chunks = store.reader(store.levels[0]).layout.vertices.chunks[:, -len(store.axes) :]
    return bool(coarse) and all(m == method for m in coarse) and not finest_step(chunks, np.ones(chunks.shape[1], bool))


def _order(names: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Rows by their names, equal ones as they stand: without any equal ones a third of the time of a stable sort."""
    order = np.argsort(names)
    ordered = names[order]
    return np.argsort(names, kind="stable") if (ordered[1:] == ordered[:-1]).any() else order
