"""Points as annotations in spatial levels that add up, by rank: of stores whose own levels are no parts of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import ConflictError
from zvview.format.sequences import distinct
from zvview.neuroglancer.encoding.morton import decode_morton, encode_morton
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.contract import Block, Section
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.point_records import PointRecords, name_points, split_names
from zvview.neuroglancer.sources.properties import Properties
from zvview.neuroglancer.sources.ranks import RankedLevel, plan_ranks, rank_names
from zvview.neuroglancer.sources.related import Owned
from zvview.neuroglancer.sources.samples import Drawn, Samples, encode_drawn
from zvview.neuroglancer.sources.spatial_levels import SpatialLevels
from zvview.stream.parts import ChunkPart

__all__ = ["RankedPoints"]

KEPT_BYTES: Final = 96 << 20
"""Of the points of the first levels, which come from all chunks."""

_DRAWN_BYTES: Final = 20  # of a point, its id, rank and place among the records
_AT_ONCE: Final = 32  # chunks that are read together for a cell
_CELLS_AT_ONCE: Final = 64


class RankedPoints:
    """Points of the finest level of a store; a :class:`~zvview.neuroglancer.sources.contract.Source`.

    Parameters
    ----------
    chunks : Chunks
        Other levels than the finest are not looked at.
    frame : SourceFrame
    properties : Properties

    Raises
    ------
    UnsupportedError
        More chunks than annotations can be named by.
    ConflictError
        The store is being replaced.
    """

    def __init__(self, chunks: Chunks, frame: SourceFrame, properties: Properties) -> None:
        self._chunks, self.frame, self.properties = chunks, frame, properties
        self._records = PointRecords(chunks, frame, properties)
        self.schema, self._related = self._records.schema, self._records.related
        level = chunks.levels[0]
        counts = chunks.store.count_vertices(level.number).astype(np.float64)
        if len(counts) != len(level.chunks):
            raise ConflictError(f"{chunks.store.place} is not what it was")
        each = self.schema.record_dtype.itemsize + _DRAWN_BYTES
        corner, self.levels = plan_ranks(level, counts, chunks.facts.is_spatial, KEPT_BYTES // each)
        self._lower = corner + chunks.facts.offset - frame.origin
        self._corner = corner + chunks.facts.offset
        self._kept_below = max([level.below for level in self.levels if level.is_kept], default=0)
        widest = self.levels[0].grid
        groups = np.empty(len(counts), np.int64)
        groups[widest.rows] = np.repeat(np.arange(len(widest.codes)), np.diff(widest.offsets))
        self._samples = Samples(chunks, self._draw_sample, groups, 2 * KEPT_BYTES)
        shapes = tuple(np.array(level.shape) for level in self.levels)
        self._spatial = SpatialLevels(frame, self._lower, shapes, tuple(level.cell_shape for level in self.levels))
        self._number_of = {name: number for number, name in enumerate(self._spatial.names)}
        self.sections = self._spatial.sections(self._related)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or not exact."""
        told = ("no coarse levels serve: the first view reads all of the store (zvview pyramid makes levels)",)
        own = told if self._kept_below else ()
        return (*self.frame.notes, *self.properties.notes, *own, *self._chunks.notes)

    @property
    def info(self) -> Mapping[str, Any]:
        """The ``info`` document."""
        return self._spatial.info(self.schema, [level.density for level in self.levels])

    def cell(self, section: Section, key: int) -> NDArray[np.int64]:
        """Coordinates of a spatial cell by its number, (D,)."""
        level = self.levels[self._number_of[section.key]]
        return np.asarray(decode_morton(np.array([key], np.uint64), level.shape)[0])

    def keys(self, section: Section) -> Iterator[NDArray[np.uint64]]:
        """Numbers of all contents: of cells, of points chunk by chunk, of objects."""
        if section.key in self._number_of:
            level = self.levels[self._number_of[section.key]]
            if (level.parts > 1).any():
                yield from (level.cells_of(code) for code in level.grid.codes.tolist())
                return
            for start in range(0, len(level.grid.codes), _CELLS_AT_ONCE):
                yield level.grid.codes[start : start + _CELLS_AT_ONCE]
        elif self._related is not None and section == self._related.section:
            yield from self._related.keys()
        else:
            yield from self._records.keys(0)

    @property
    def basis(self) -> str:
        """See :class:`~zvview.neuroglancer.exporting.stamps.Traced`."""
        bounds = np.array([(level.first, level.below) for level in self.levels])
        shapes = [array for level in self.levels for array in (np.array(level.shape), level.cell_shape)]
        return self._records.basis((self._lower, bounds, *shapes))

    def relies_on(self, section: Section, keys: NDArray[np.uint64]) -> list[tuple[int, NDArray[np.int64]]]:
        """See :class:`~zvview.neuroglancer.exporting.stamps.Traced`."""
        if section.key in self._number_of:
            level = self.levels[self._number_of[section.key]]
            above = distinct(level.chunks_of(keys))
            rows = np.array([row for code in above.tolist() for row in level.grid.rows_of(code)], np.int64)
        else:
            rows = split_names(keys)[1]
        return [(self._chunks.levels[0].number, distinct(rows))]

    def read(self, section: Section, keys: NDArray[np.uint64]) -> Block:
        """Cells of a spatial level, single annotations, or all of an object."""
        if section.key in self._number_of:
            return self._read_cells(self.levels[self._number_of[section.key]], keys)
        if self._related is not None and section == self._related.section:
            return self._related.list(keys, self._owned(self._related.segments.objects(keys)))
        return self._records.read_single(keys, self._find)

    def _read_cells(self, level: RankedLevel, codes: NDArray[np.uint64]) -> Block:
        found, contents = [], []
        is_in_parts = bool((level.parts > 1).any())
        above = level.chunks_of(codes) if is_in_parts else codes
        for code in distinct(above).tolist():
            rows = level.grid.rows_of(code)
            if is_in_parts:
                cells = self._read_parts(level, code, rows, codes[above == code])
            else:
                drawn = self._samples.read(rows) if level.is_kept else self._draw_now(level, rows)
                cells = [(code, [some.between(level.first, level.below) for some in drawn])]
            for cell, parts in cells:
                if filled := [part for part in parts if len(part)]:
                    found.append(cell)
                    contents.append(encode_drawn(filled))
        return Block.of(found, contents)

    def _read_parts(
        self, level: RankedLevel, code: int, rows: list[int], wanted: NDArray[np.uint64]
    ) -> list[tuple[int, list[Drawn]]]:
        """Cells that are parts of the chunks at `rows`."""
        found: dict[int, list[Drawn]] = {cell: [] for cell in wanted.tolist()}
        ndim, first = len(level.parts), level.grid.coords_of(np.array([code], np.uint64))[0] * level.parts
        for row in rows:
            (part,) = self._chunks.read(0, [row])
            kept = _rows_between(row, part, level.first, level.below)
            with np.errstate(invalid="ignore"):
                inside = np.floor((part.positions[kept] - self._corner) / level.cell_shape).astype(np.int64)
            inside = np.clip(inside, first, first + level.parts - 1).reshape(-1, ndim)
            cells = encode_morton(inside, level.shape)
            own = np.flatnonzero(np.isin(cells, wanted))
            own = own[np.argsort(cells[own], kind="stable")]
            drawn, cells = self._draw(row, part, kept[own]), cells[own]
            starts, stops = (np.searchsorted(cells, wanted, side=side).tolist() for side in ("left", "right"))
            for cell, start, stop in zip(wanted.tolist(), starts, stops, strict=True):
                if stop > start:
                    found[cell].append(drawn.take(np.arange(start, stop)))
        return list(found.items())

    def _draw_now(self, level: RankedLevel, rows: list[int]) -> Iterator[Drawn]:
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            for row, part in zip(some, self._chunks.read(0, some), strict=True):
                yield self._draw(row, part, _rows_between(row, part, level.first, level.below))

    def _draw_sample(self, row: int, part: ChunkPart) -> Drawn:
        return self._draw(row, part, _rows_between(row, part, 0, self._kept_below))

    def _draw(self, row: int, part: ChunkPart, rows: NDArray[np.int64]) -> Drawn:
        ids = name_points(0, row, rows)
        return Drawn(ids, rank_names(ids), self._records.encode(part, rows))

    def _find(self, level: int, chunk: int) -> tuple[ChunkPart, NDArray[np.int64]] | None:
        if level:
            return None
        (part,) = self._chunks.read(0, [chunk])
        return part, np.arange(len(part))

    def _owned(self, objects: NDArray[np.int64]) -> Iterator[Owned]:
        """The points of all chunks in which any of some objects is."""
        assert self._related is not None
        for row in self._related.rows_of(0, objects):
            (part,) = self._chunks.read(0, [row])
            rows = np.arange(len(part))
            yield self._records.owned(part, rows, name_points(0, row, rows))


def _rows_between(row: int, part: ChunkPart, first: int, below: int) -> NDArray[np.int64]:
    """Rows of the points of a chunk of ranks in ``[first, below)``, those of lowest rank first."""
    ranks = rank_names(name_points(0, row, np.arange(len(part)))).astype(np.int64)
    kept = np.flatnonzero((ranks >= first) & (ranks < below))
    ordered: NDArray[np.int64] = kept[np.argsort(ranks[kept], kind="stable")]
    return ordered
