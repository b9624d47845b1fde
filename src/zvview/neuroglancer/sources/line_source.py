"""Lines as annotations in spatial levels that add up: whole objects thinned out, cell by cell without gaps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from zvview.errors import UnsupportedError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata
from zvview.format.sequences import distinct, is_among
from zvview.geometry.batches import Polylines
from zvview.neuroglancer.encoding.annotations import (
    AnnotationSchema,
    encode_list,
    encode_records,
)
from zvview.neuroglancer.encoding.records import EncodedRecords
from zvview.neuroglancer.sources.cells import common_corner, grid_of_level
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.contract import Block, Section
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.line_columns import LineColumns
from zvview.neuroglancer.sources.pieces import MOST_CHUNKS, UNOWNED, Pieces, as_steps, join_pieces, means_of
from zvview.neuroglancer.sources.related import RELATIONSHIP, Owned, relate
from zvview.neuroglancer.sources.segment_order import count_at_once
from zvview.neuroglancer.sources.spatial_levels import SpatialLevels
from zvview.neuroglancer.sources.tiers import Tier, TierTable, rank_names
from zvview.store.level import Level
from zvview.stream.parts import ROW_BITS, ChunkPart

__all__ = ["Collect", "LineSource"]

Collect = Callable[[ChunkPart, int, Mapping[str, AttributeMetadata]], Pieces]
"""From a chunk, its row among those of its level, and the attributes that are wanted, to the lines in it."""

_TAG: Final = UNOWNED >> np.uint64(62)
_AT_ONCE: Final = 32  # chunks whose lines are held at a time
_BUDGET_BYTES: Final = 48 << 20  # of lines that are kept because they may be asked for again


class LineSource:
    """Lines of a store; a :class:`~zvview.neuroglancer.sources.contract.Source`.

    Each object is in one spatial level (:mod:`~zvview.neuroglancer.sources.tiers`). Its annotation there is as many
    lines as it has pieces, all of the object's id; by its id it is found whole and as it is stored. Lines that belong
    to no object, or to several, have ids of their own.

    Parameters
    ----------
    chunks : Chunks
    frame : SourceFrame
    columns : LineColumns
        What annotations tell.
    tiers : TierTable
    kind : "polyline" or "line"
        The latter where all lines are of two vertices.
    collect : callable
    has_objects : bool
        Whether objects are lines, so that their ids are those of annotations.
    notes : tuple of str
        What else is to be told.

    Raises
    ------
    UnsupportedError
        More chunks than annotations can be named by; grids that do not share a corner.
    """

    def __init__(
        self,
        chunks: Chunks,
        frame: SourceFrame,
        columns: LineColumns,
        tiers: TierTable,
        kind: Literal["polyline", "line"],
        collect: Collect,
        *,
        has_objects: bool = True,
        notes: tuple[str, ...] = (),
    ) -> None:
        if max(len(level.chunks) for level in chunks.levels) > MOST_CHUNKS:
            raise UnsupportedError(f"{chunks.store.place} has more than {MOST_CHUNKS} chunks")
        self._chunks, self.frame, self.properties, self._tiers = chunks, frame, columns, tiers
        self._collect, self._has_objects, self._notes = collect, has_objects, notes
        self._held: LRUCache[tuple[int, int], Pieces] = LRUCache(_BUDGET_BYTES, lambda pieces: pieces.nbytes)
        self._lock = threading.Lock()
        self._related = relate(chunks)
        relationships = () if self._related is None else (RELATIONSHIP,)
        self.schema = AnnotationSchema(kind, frame.space.rank, columns.specs, relationships)
        facts = [tiers.facts(number) for number in range(len(tiers))]
        corner = common_corner(facts[::-1], chunks.facts.ndim)
        self._grids = [grid_of_level(level, corner) for level in facts]
        lower = corner + chunks.facts.offset - frame.origin
        edges = tuple(grid.cell_shape for grid in self._grids)
        self._spatial = SpatialLevels(frame, lower, tuple(grid.shape for grid in self._grids), edges)
        self._tier_of = {name: number for number, name in enumerate(self._spatial.names)}
        self.sections = self._spatial.sections(self._related)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or not exact."""
        own = list(self._notes)
        coarse = [tier.level for tier in self.tiers if tier.level]
        if coarse:
            bins = self._chunks.levels[max(coarse)].bin_shape.tolist()
            own.append(f"lines that are shown first are simplified, within half a bin of {bins} at most")
        elif len(self.tiers) > 1 and not own:
            own.append("no coarse levels serve: the first view reads all of the store (zvview pyramid makes levels)")
        return (*self.frame.notes, *self.properties.notes, *own, *self._chunks.notes)

    @property
    def info(self) -> Mapping[str, Any]:
        """The ``info`` document."""
        return self._spatial.info(self.schema, [self._density(number) for number in self._tier_of.values()])

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """What is in each spatial level."""
        return self._tiers.tiers

    def _density(self, number: int) -> float:
        """Vertices of a cell in which a vertex of the tier lies, on average."""
        tier = self.tiers[number]
        counts = self._chunks.store.count_vertices(self._chunks.levels[tier.level].number).astype(np.float64)
        return tier.share * self._grids[number].mean_held(counts)

    def cell(self, section: Section, key: int) -> NDArray[np.int64]:
        """Coordinates of a spatial cell by its number, (D,)."""
        cells = self._grids[self._tier_of[section.key]].coords_of(np.array([key], np.uint64))
        return np.asarray(cells[0])

    def keys(self, section: Section) -> Iterator[NDArray[np.uint64]]:
        """Numbers of all contents: of cells, of objects that begin near each other, of lines without an object."""
        if section.key in self._tier_of:
            codes = self._grids[self._tier_of[section.key]].codes
            for start in range(0, len(codes), _AT_ONCE):
                yield codes[start : start + _AT_ONCE]
            return
        if self._related is not None and section == self._related.section:
            yield from self._related.keys()
            return
        yield from self._object_keys()
        for pieces in self._all_pieces(range(len(self._chunks.levels[0].chunks))):
            yield pieces.names[(pieces.names >> np.uint64(62)) == _TAG]

    def _object_keys(self) -> Iterator[NDArray[np.uint64]]:
        told = np.empty(0, np.int64)
        for level in self._finest() if self._has_objects else ():
            present = level.present_object_ids
            if present is None:
                continue
            ids = present[~is_among(present, told)]
            order = np.lexsort((ids, *level.first_chunks(ids).T[::-1]))
            step = count_at_once(self._chunks.store, level.number, len(ids))
            for start in range(0, len(ids), step):
                yield ids[order[start : start + step]].view(np.uint64)
            told = distinct(np.concatenate((told, ids)))

    def _finest(self) -> Iterator[Level]:
        """The finest level of the store, and those that it only adds to."""
        for facts in self._chunks.levels:
            yield self._chunks.store.level(facts.number)
            if not facts.is_added:
                return

    def read(self, section: Section, keys: NDArray[np.uint64]) -> Block:
        """Cells of a spatial level, whole lines by their ids, or all of an object."""
        if section.key in self._tier_of:
            return self._read_cells(self._tier_of[section.key], keys)
        if self._related is not None and section == self._related.section:
            return self._related.list(keys, self._owned(self._related.segments.objects(keys)))
        is_named = (keys >> np.uint64(62)) == _TAG
        found = [*self._read_named(keys[is_named])]
        if self._has_objects:
            whole = self._read_objects(keys[~is_named].view(np.int64))
            is_steps = self.schema.annotation_type == "line"
            found += [_take_named(pieces, pieces.names) if is_steps else pieces for pieces in whole]
        if not found:
            return Block.of((), [])
        pieces = join_pieces(found)
        records = self._encode(pieces)
        return Block(pieces.names, records if self._related is None else self._related.tell(records, pieces.ids))

    def _owned(self, objects: NDArray[np.int64]) -> Iterator[Owned]:
        """All lines of some objects, as they are found by their ids."""
        assert self._related is not None
        if self._has_objects:
            found = self._read_objects(objects)
        else:
            found = self._all_pieces(self._related.rows_of(0, objects))
        for pieces in found:
            yield Owned(pieces.ids, pieces.names, partial(self._encode_rows, pieces))

    def _encode_rows(self, pieces: Pieces, rows: NDArray[np.int64]) -> EncodedRecords:
        return self._encode(pieces.take(rows))

    def _read_cells(self, number: int, codes: NDArray[np.uint64]) -> Block:
        found, contents = [], []
        grid, level = self._grids[number], self.tiers[number].level
        cells = [self._tiers.rows_with_any(number, grid.rows_of(code)) for code in codes.tolist()]
        together = [row for rows in cells for row in rows] if sum(map(len, cells)) <= _AT_ONCE else []
        parts = dict(zip(together, self._chunks.read(level, together), strict=True)) if together else {}
        for code, rows in zip(codes.tolist(), cells, strict=True):
            pieces = [piece for piece in self._own(number, rows, parts) if len(piece)]
            if pieces:
                joined = join_pieces(pieces)
                order = _order_of(rank_names(joined.names))
                found.append(code)
                contents.append(encode_list(self._encode(joined).take(order), joined.names[order]))
        return Block.of(found, contents)

    def _own(self, number: int, rows: list[int], parts: Mapping[int, ChunkPart]) -> Iterator[Pieces]:
        """The lines of a tier in some chunks, of which some were read."""
        level = self.tiers[number].level
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            held = [parts[row] for row in some] if parts else self._chunks.read(level, some)
            for row, part in zip(some, held, strict=True):
                pieces = self._pieces(level, row, part)
                is_own = self._tiers.choose(number, pieces.ids, pieces.names)
                yield pieces if is_own.all() else pieces.take(np.flatnonzero(is_own))

    def _pieces(self, level: int, row: int, part: ChunkPart) -> Pieces:
        """All lines of a chunk, as the annotations of this source are."""
        with self._lock:
            held = self._held.get((level, row))
        if held is not None:
            return held
        pieces = self._collect(part, row, self.properties.kinds)
        pieces = as_steps(pieces) if self.schema.annotation_type == "line" else pieces
        if level and (pieces.ids == names.OWNER_NONE).any():  # only the finest level tells them apart
            pieces = pieces.take(np.flatnonzero(pieces.ids != names.OWNER_NONE))
        with self._lock:
            if pieces.nbytes <= self._held.maxsize:
                self._held[level, row] = pieces
        return pieces

    def _all_pieces(self, rows: Sequence[int]) -> Iterator[Pieces]:
        """All lines of some chunks of the finest level, one chunk after the other."""
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            for row, part in zip(some, self._chunks.read(0, some), strict=True):
                yield self._pieces(0, row, part)

    def _encode(self, pieces: Pieces) -> EncodedRecords:
        places = self.frame.place(pieces.positions)
        columns = self.properties.encode(pieces)
        if self.schema.annotation_type == "polyline":
            return encode_records(self.schema, (places, pieces.offsets), columns)
        return encode_records(self.schema, places.reshape(-1, 2, places.shape[1]), columns)

    def _read_named(self, wanted: NDArray[np.uint64]) -> Iterator[Pieces]:
        """Lines that are named by chunk and row."""
        rows = ((wanted & ~UNOWNED) >> np.uint64(ROW_BITS)).astype(np.int64)
        for row in np.unique(rows[rows < len(self._chunks.levels[0].chunks)]).tolist():
            pieces = self._pieces(0, row, self._chunks.read(0, [row])[0])
            yield _take_named(pieces, wanted[rows == row])

    def _read_objects(self, ids: NDArray[np.int64]) -> Iterator[Pieces]:
        """Whole objects as they are stored."""
        is_known = np.zeros(len(ids), bool)
        for level in self._finest():
            objects = self._chunks.store.reader(level.number).objects
            is_known |= False if objects is None else objects.find_rows(ids) >= 0
        ids = ids[is_known]
        if not len(ids):
            return
        batch = next(self._finest()).read_objects(ids, tuple(self._chunks.facts.attributes), on_damage="skip")
        assert isinstance(batch, Polylines) and batch.object_ids is not None
        kinds = self.properties.kinds
        values = {
            name: means_of(held, batch.offsets, kinds[name]) for name, held in batch.attributes.items() if name in kinds
        }
        own = batch.object_ids.astype(np.int64)
        pieces = Pieces(batch.positions, batch.offsets, own, own.view(np.uint64), values)
        yield as_steps(pieces) if self.schema.annotation_type == "line" else pieces


def _order_of(ranks: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Rows by their ranks; of equal ones the first comes first. Sorting the two as one number takes a third."""
    keys = ranks.astype(np.uint64) << np.uint64(32)
    keys |= np.arange(len(ranks), dtype=np.uint64)
    keys.sort()
    return (keys & np.uint64(0xFFFFFFFF)).view(np.int64)


def _take_named(pieces: Pieces, wanted: NDArray[np.uint64]) -> Pieces:
    """The first of each name that is wanted, of those that there are."""
    found, first = np.unique(pieces.names, return_index=True)
    return pieces.take(first[np.isin(found, wanted)])
