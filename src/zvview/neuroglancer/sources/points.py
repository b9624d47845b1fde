"""Points as annotations in spatial levels that add up, straight from the nested levels of a store.

A level of the store holds all points of the next coarser one; a spatial level holds what the coarser one lacks. So each
point is in one spatial level, and nothing is read but the chunk of a cell and the one over it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from zvview.errors import ConflictError, UnsupportedError
from zvview.format.sequences import distinct
from zvview.neuroglancer.encoding.annotations import (
    AnnotationSchema,
    SpatialLevel,
    annotation_info,
    encode_list,
    encode_records,
)
from zvview.neuroglancer.encoding.records import EncodedRecords, join_records
from zvview.neuroglancer.sources.cells import common_corner, grid_of_level, parents_of
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.contract import Block, Section
from zvview.neuroglancer.sources.differences import identify, lacking
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.properties import Properties
from zvview.stream.parts import ChunkPart

__all__ = ["NestedPoints"]

LEVEL_SHIFT, CHUNK_SHIFT = 58, 32
"""An annotation is named by level, chunk and row: ``level << 58 | chunk << 32 | row``."""

_MOST_LEVELS, _MOST_CHUNKS = 1 << (64 - LEVEL_SHIFT), 1 << (LEVEL_SHIFT - CHUNK_SHIFT)
_IDENTITY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, eq=False)
class _Own:
    """The points of a chunk that no coarser level holds, in the order in which they are drawn."""

    part: ChunkPart
    rows: NDArray[np.int64]
    ids: NDArray[np.uint64]


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
    """

    def __init__(self, chunks: Chunks, frame: SourceFrame, properties: Properties) -> None:
        levels, ndim = chunks.levels, chunks.facts.ndim
        if len(levels) > _MOST_LEVELS or max(len(level.chunks) for level in levels) > _MOST_CHUNKS:
            raise UnsupportedError(f"{chunks.store.place} has more than {_MOST_CHUNKS} chunks or {_MOST_LEVELS} levels")
        self._chunks, self.frame, self.properties = chunks, frame, properties
        self.schema = AnnotationSchema("point", frame.space.rank, properties.specs)
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
        self._identities: LRUCache[tuple[int, int], NDArray[np.uint64]] = LRUCache(_IDENTITY_BYTES, lambda a: a.nbytes)
        self._lock = threading.Lock()
        coarse_first = range(len(levels) - 1, -1, -1)
        self._level_of = {f"spatial{k}": level for k, level in enumerate(coarse_first)}
        self.sections = (
            *(
                Section(key, tuple(frame.widen(self._grids[level].shape, 1)), ("spatial", k))
                for k, (key, level) in enumerate(self._level_of.items())
            ),
            Section("by_id", None, ("by_id",)),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or not exact."""
        return (*self.frame.notes, *self.properties.notes, *self._chunks.notes)

    @property
    def info(self) -> Mapping[str, Any]:
        """The ``info`` document."""
        spatial = [
            SpatialLevel(
                key,
                tuple(self.frame.widen(self._grids[level].shape, 1)),
                tuple(self.frame.widen(self._grids[level].cell_shape, 1.0)),
                self._density(level),
            )
            for key, level in self._level_of.items()
        ]
        upper = self._lower + np.max([grid.shape * grid.cell_shape for grid in self._grids], axis=0)
        lower, upper = self.frame.space.bounds(self._lower, upper)
        return annotation_info(self.schema, self.frame.space.dimensions, lower, upper, spatial)

    def _density(self, level: int) -> int:
        """Points of a cell in which a point of the level lies, on average: what the client takes for its density."""
        counts = self._counts[level]
        held = np.add.reduceat(counts[self._grids[level].rows], self._grids[level].offsets[:-1])
        coarser = self._counts[level + 1].sum() if level + 1 < len(self._grids) else 0.0
        own = 1 - float(coarser) / max(float(counts.sum()), 1.0)
        return max(1, round(own * float((held**2).sum()) / max(float(held.sum()), 1.0)))

    def keys(self, section: Section) -> Iterator[NDArray[np.uint64]]:
        """Numbers of all contents, chunk by chunk below one coarser chunk."""
        if section.key in self._level_of:
            level = self._level_of[section.key]
            grid = self._grids[level]
            for start in range(0, len(grid.codes), 64):
                yield grid.codes[start : start + 64]
            return
        for level in range(len(self._grids) - 1, -1, -1):
            for row, count in enumerate(self._counts[level].tolist()):
                yield _name(level, row, np.arange(count))  # also of those that a coarser level holds: nothing is read

    @property
    def basis(self) -> str:
        """See :class:`~zvview.neuroglancer.exporting.stamps.Traced`; objects may change without their points."""
        levels = self._chunks.levels
        if any(self._chunks.store.reader(level.number).objects is not None for level in levels):
            return ""
        told = blake2b(repr((self.schema, self.properties.plans)).encode(), digest_size=16)
        grids = [array for grid in self._grids for array in (grid.shape, grid.cell_shape, grid.first)]
        for array in (self.frame.origin, self._lower, *grids):
            told.update(array.tobytes())
        for level in levels:  # annotations are named by the rows of chunks
            told.update(level.chunks.tobytes())
        return told.hexdigest()

    def relies_on(self, section: Section, keys: NDArray[np.uint64]) -> list[tuple[int, NDArray[np.int64]]]:
        """See :class:`~zvview.neuroglancer.exporting.stamps.Traced`."""
        if section.key in self._level_of:
            level = self._level_of[section.key]
            chunks = {level: [row for code in keys.tolist() for row in self._grids[level].rows_of(code)]}
        else:
            chunks = {}
            for name in distinct(keys >> np.uint64(CHUNK_SHIFT)).tolist():
                chunks.setdefault(name >> LEVEL_SHIFT - CHUNK_SHIFT, []).append(name % _MOST_CHUNKS)
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
        """Cells of a spatial level, or single annotations."""
        if section.key in self._level_of:
            return self._read_cells(self._level_of[section.key], keys)
        return self._read_single(keys)

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
        records = join_records([self._encode(part.part, part.rows) for part in parts])
        if len(parts) > 1:  # the client draws the first of a cell where it has room for some only
            order = np.random.default_rng(len(ids)).permutation(len(ids))
            ids, records = ids[order], records.take(order)
        return encode_list(records, ids)

    def _encode(self, part: ChunkPart, rows: NDArray[np.int64]) -> EncodedRecords:
        columns = self.properties.encode({name: values[rows] for name, values in part.attributes.items()}, len(rows))
        return encode_records(self.schema, self.frame.place(part.positions[rows]), columns)

    def _read_single(self, ids: NDArray[np.uint64]) -> Block:
        levels = (ids >> np.uint64(LEVEL_SHIFT)).astype(np.int64)
        chunks = ((ids >> np.uint64(CHUNK_SHIFT)) & np.uint64(_MOST_CHUNKS - 1)).astype(np.int64)
        rows = (ids & np.uint64(0xFFFFFFFF)).astype(np.int64)
        found, contents = [], []
        for level, chunk in sorted(set(zip(levels.tolist(), chunks.tolist(), strict=True))):
            if level >= len(self._grids) or chunk >= len(self._chunks.levels[level].chunks):
                continue
            (own,) = self._own(level, [chunk])
            wanted = rows[(levels == level) & (chunks == chunk)]
            wanted = wanted[np.isin(wanted, own.rows)]
            records = self._encode(own.part, wanted)
            found.append(_name(level, chunk, wanted))
            contents.append(records)
        if not found:
            return Block.of((), [])
        return Block(np.concatenate(found), join_records(contents))

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
                kept = kept[lacking(names[kept], self._identify(level + 1, [parent])[0])]
            out.append(_Own(part, kept, _name(level, row, kept)))
        return out

    def _identify(self, level: int, rows: list[int]) -> list[NDArray[np.uint64]]:
        """Names of the points of some chunks, each ascending."""
        with self._lock:
            known = {row: names for row in rows if (names := self._identities.get((level, row))) is not None}
        missing = [row for row in dict.fromkeys(rows) if row not in known]
        for row, part in zip(missing, self._chunks.read(level, missing) if missing else [], strict=True):
            names = np.sort(identify(part))
            known[row] = names
            with self._lock:
                if names.nbytes <= _IDENTITY_BYTES:
                    self._identities[level, row] = names
        return [known[row] for row in rows]


def _name(level: int, chunk: int, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Ids of annotations."""
    base = np.uint64(level << LEVEL_SHIFT | chunk << CHUNK_SHIFT)
    return rows.astype(np.uint64) | base


def _order(names: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Rows by their names, equal ones as they stand: without any equal ones a third of the time of a stable sort."""
    order = np.argsort(names)
    ordered = names[order]
    return np.argsort(names, kind="stable") if (ordered[1:] == ordered[:-1]).any() else order
