"""Reading some chunks of a level in one wave, and taking them apart into what each of them holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import ConflictError, DamagedError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata, Categories
from zvview.format.grid import ChunkTable
from zvview.format.sequences import offsets_of
from zvview.store.reading.batches import connect
from zvview.store.reading.chunks import chunks_beyond, touches_chunks
from zvview.store.reading.joints import ManifestJoints
from zvview.store.reading.links import decode_sound, select_links
from zvview.store.reading.piece_buffer import PieceBuffer, Surroundings
from zvview.store.reading.pieces import decode_pieces, read_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions
from zvview.store.store import Store
from zvview.stream.facts import LevelFacts, StoreFacts
from zvview.stream.parts import ROW_BITS, ChunkPart, Crossing

__all__ = ["LoadedChunks", "load_chunks"]


@dataclass(frozen=True, slots=True, eq=False)
class LoadedChunks:
    """What one read gave.

    Attributes
    ----------
    parts : tuple of ChunkPart
        One for each chunk that was asked for; empty ones for those that are damaged.
    notes : tuple of str
        Cells that were left out.
    """

    parts: tuple[ChunkPart, ...]
    notes: tuple[str, ...]


def load_chunks(
    store: Store,
    facts: StoreFacts,
    level: LevelFacts,
    rows: NDArray[np.int64],
    attributes: tuple[str, ...] | None = None,
    cancel: CancelToken | None = None,
) -> LoadedChunks:
    """The chunks of a level at `rows` of its table, distinct and ascending.

    Raises
    ------
    ConflictError
        The store is another one, or has other chunks, than when the facts were gathered.
    DamagedError
        What all chunks need cannot be read.
    UnreachableError
    Cancelled
    """

    def read() -> LoadedChunks:
        reader = store.reader(level.number)
        wanted = None
        if attributes is not None:
            known = {*reader.attributes, *reader.layout.attribute_names(names.LINK_ATTRIBUTES)}
            wanted = tuple(n for n in attributes if n in known)
        options = ReadOptions(wanted, skip_damage=True, cancel=cancel)
        chunks = reader.layout.vertices.chunks
        if reader.hierarchy is not facts.origin or not np.array_equal(chunks, level.chunks):
            raise ConflictError(f"{store.place}: level {level.number} is not what it was")
        coords = chunks[rows]
        is_points = reader.kind == names.POINT_CLOUD
        read_parts = _read_points if is_points else _read_pieces
        return read_parts(reader, coords, options, _Frame(facts, ChunkTable.of(chunks), rows))

    return store.retry(read)


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """Where parts stand: the store they are of, all chunks of the level, and the rows of those that are wanted."""

    facts: StoreFacts
    table: ChunkTable
    rows: NDArray[np.int64]

    def to_world(self, positions: NDArray[np.floating]) -> NDArray[np.floating]:
        """A copy of `positions` in world coordinates."""
        offset = self.facts.offset
        return positions + offset if offset.any() else positions.copy()

    def values_of(
        self, attributes: Mapping[str, NDArray[Any]], categories: Mapping[str, Categories]
    ) -> dict[str, NDArray[Any]]:
        """The attributes of the store, codes counted as on its finest level."""
        known = self.facts.attributes
        return {n: _recoded(v, categories.get(n), known[n]) for n, v in attributes.items() if n in known}


def _recoded(values: NDArray[Any], own: Categories | None, wanted: AttributeMetadata) -> NDArray[Any]:
    """Codes of labels as the finest level counts them, where this level does otherwise."""
    if own is None or wanted.categories is None or own == wanted.categories:
        return values
    numbers = {label: i for i, label in enumerate(wanted.categories.labels)}
    missing = -1 if wanted.categories.missing is None else wanted.categories.missing
    table = np.array([numbers.get(label, missing) for label in own.labels] + [missing], np.int64)
    codes = values.astype(np.int64)
    is_code = (codes >= 0) & (codes < len(own.labels))
    return table[np.where(is_code, codes, len(own.labels))].astype(wanted.dtype if missing >= 0 else np.int64)


def _read_points(reader: LevelReader, coords: NDArray[np.int64], options: ReadOptions, frame: _Frame) -> LoadedChunks:
    families = reader.families(options)
    is_local = reader.hierarchy.source.is_local  # elsewhere the look at the first chunk is a round trip of its own
    if is_local and reader.objects is None and reader.are_buffers_whole:
        families = families.without_fragments()
    buffer, _ = read_pieces(reader.hierarchy, families, coords, skip_damage=True, cancel=options.cancel)
    owners = reader.owners(buffer, options)
    ids = None if owners is None else np.repeat(owners, np.diff(buffer.offsets))
    values = frame.values_of(buffer.attributes, buffer.categories)
    bounds = buffer.offsets[buffer.first]
    parts = []
    for at in buffer.chunks.find(coords).tolist():
        _heed(options)
        span = slice(int(bounds[at]), int(bounds[at + 1])) if at >= 0 else slice(0, 0)
        own = {n: v[span].copy() for n, v in values.items()}
        own_ids = None if ids is None else ids[span].copy()
        parts.append(ChunkPart(frame.to_world(buffer.positions[span]), own, own_ids))
    return LoadedChunks(tuple(parts), buffer.notes)


def _read_pieces(reader: LevelReader, coords: NDArray[np.int64], options: ReadOptions, frame: _Frame) -> LoadedChunks:
    wanted = ChunkTable.of(coords)
    test = touches_chunks(wanted, reader, None)
    family = reader.links() if reader.is_linked or reader.has_true_bridges else None
    selection = None if family is None else select_links(family, test, reader.link_attributes(options.attributes))
    joints = None
    if reader.is_sequence and family is None and reader.objects is not None:
        joints = ManifestJoints.of(reader.objects, test)
    families, others = reader.families(options), chunks_beyond(wanted, selection, joints)
    # of neighbours the vertices do, unless their pieces matter or their rows may be dead
    are_rows_enough = joints is None and reader.layout.metadata.fragments_tile
    further = families.without_fragments() if are_rows_enough else families
    extra = further.asks(others) if len(others) else []
    asks = [] if selection is None else selection.asks
    own, payloads = read_pieces(
        reader.hierarchy, families, wanted.coords, extra=[*extra, *asks], skip_damage=True, cancel=options.cancel
    )
    around = Surroundings(own)
    _heed(options)
    if len(others):
        around = Surroundings(own, decode_pieces(further, others, payloads[: len(extra)], skip_damage=True))
    notes: list[str] = []
    table = None if selection is None else decode_sound(selection, payloads[len(extra) :], notes)
    _heed(options)
    links, values = connect(reader, around, family, table, joints, notes)
    ids = reader.owners(own, options)
    live = _live_pieces(reader, around) if joints is not None else None
    notes = [*own.notes, *(around.others.notes if around.others is not None else ()), *notes]
    _heed(options)
    split = _Split(frame, around, links, values, ids, live)
    parts = []
    for at in own.chunks.find(coords).tolist():
        _heed(options)
        parts.append(split.part(at))
    return LoadedChunks(tuple(parts), tuple(notes))


def _heed(options: ReadOptions) -> None:
    """Stop here if told to: taking apart what was read may last as long as reading it."""
    if options.cancel is not None:
        options.cancel.raise_if_cancelled()


def _live_pieces(reader: LevelReader, around: Surroundings) -> NDArray[np.bool_] | None:
    """Pieces, of neighbours too, that a manifest names; None where all do, or none does. Edits leave others behind."""
    objects = reader.objects
    if objects is None or not len(objects.manifests().fragments):
        return None
    live = np.concatenate([objects.are_owned(b.chunks, b.first) for b in (around.own, around.others) if b is not None])
    return None if live.all() else live


class _Split:
    """A read of several chunks, taken apart; rows of pieces that no object owns are left out."""

    def __init__(
        self,
        frame: _Frame,
        around: Surroundings,
        links: NDArray[np.int64],
        link_values: Mapping[str, NDArray[Any]],
        ids: NDArray[np.int64] | None,
        live: NDArray[np.bool_] | None,
    ) -> None:
        own, others = around.own, around.others
        self._frame, self._own, self._ids = frame, own, ids
        self._link_values, self._live = link_values, live
        rows = len(own.positions)
        # of neighbours, often many times as many rows as are wanted, nothing is looked at but the ends of links
        is_far = links >= rows
        far, at = np.unique(links[is_far] - rows, return_inverse=True)
        links = self._links = links.copy()
        links[is_far] = rows + at
        self._positions = own.positions
        self._values = frame.values_of(own.attributes, own.categories)
        kept = None if live is None else live[: len(own.offsets) - 1]
        self._ranks, chunks, self._is_kept = _ranks(own, frame.table, kept)
        if others is not None and len(far):
            self._positions = np.concatenate((own.positions, others.positions[far]))
            further = frame.values_of({n: v[far] for n, v in others.attributes.items()}, others.categories)
            self._values = {n: _with_far(n, v, further[n]) for n, v in self._values.items()}
            kept = None if live is None else live[len(own.offsets) - 1 :]
            far_ranks, far_chunks, _ = _ranks(others, frame.table, kept, far)
            self._ranks, chunks = np.concatenate((self._ranks, far_ranks)), np.concatenate((chunks, far_chunks))
        self._keys = (chunks << ROW_BITS) | self._ranks
        self._bounds = own.offsets[own.first]
        count = len(own.chunks)
        owner = np.repeat(np.arange(count), np.diff(self._bounds))
        owner = np.append(owner, np.full(len(far), -1))
        self._end_chunks = owner[links]
        first = self._end_chunks[:, 0]
        is_inner = first >= 0
        for ends in self._end_chunks.T[1:]:
            is_inner &= ends == first
        self._inner = _grouped(np.flatnonzero(is_inner), first[is_inner], count)
        crossing = np.flatnonzero(~is_inner)
        self._crossing = _grouped(*_touched(self._end_chunks, crossing), count)
        self._extents = np.zeros((len(links), own.positions.shape[1]))
        self._extents[crossing] = self._extents_of(links[crossing])

    def part(self, at: int) -> ChunkPart:
        """The chunk at a place among those that were read; an empty one at -1: it could not be read."""
        if at < 0:
            return ChunkPart(np.empty((0, self._own.positions.shape[1]), self._own.positions.dtype))
        own = self._own
        rows: slice | NDArray[np.int64] = slice(int(self._bounds[at]), int(self._bounds[at + 1]))
        pieces: slice | NDArray[np.int64] = slice(int(own.first[at]), int(own.first[at + 1]))
        sizes = np.diff(own.offsets)[pieces]
        if self._live is not None and self._is_kept is not None:
            sizes = sizes[self._live[pieces]]
            pieces = int(own.first[at]) + np.flatnonzero(self._live[pieces])
            rows = int(self._bounds[at]) + np.flatnonzero(self._is_kept[rows])
        inner = self._inner[at]
        return ChunkPart(
            self._frame.to_world(own.positions[rows]),
            {n: v[rows].copy() for n, v in self._values.items()},
            None if self._ids is None else self._ids[pieces].copy(),
            offsets_of(sizes),
            self._ranks[self._links[inner]],
            {n: v[inner] for n, v in self._link_values.items()},
            self._crossing_of(at),
        )

    def _crossing_of(self, at: int) -> Crossing | None:
        records = self._crossing[at]
        if not len(records):
            return None
        rows = self._links[records]
        away = rows[self._end_chunks[records] != at]
        keys, first = np.unique(self._keys[away], return_index=True)
        away = away[first]
        values = {n: v[away] for n, v in self._values.items()}
        link_values = {n: v[records] for n, v in self._link_values.items()}
        far = self._frame.to_world(self._positions[away])
        return Crossing(self._keys[rows], link_values, keys, far, values, self._extents[records].max(axis=0))

    def _extents_of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The extent on each axis of links (M, L) given by rows that count through chunks and far ends, (M, D)."""
        lo = hi = self._positions[rows[:, 0]].astype(np.float64)
        for end in rows.T[1:]:
            at = self._positions[end]
            lo, hi = np.minimum(lo, at), np.maximum(hi, at)
        return np.asarray(hi - lo)


def _with_far(name: str, own: NDArray[Any], far: NDArray[Any]) -> NDArray[Any]:
    """Values of an attribute of the chunks, with those of far ends behind them."""
    if far.shape[1:] != own.shape[1:]:
        raise DamagedError("attribute", found=f"several widths of {name!r}", expected="one width in all cells")
    return np.concatenate((own, far))


def _ranks(
    buffer: PieceBuffer,
    table: ChunkTable,
    live: NDArray[np.bool_] | None,
    rows: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_] | None]:
    """Of some rows of a buffer, all by default: how many kept rows of its chunk come before each, and its chunk.

    The third is which rows of the buffer belong to pieces that are `live`; None where all do.
    """
    bounds = buffer.offsets[buffer.first]
    if rows is None:
        rows, at = np.arange(bounds[-1]), np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    else:
        at = np.searchsorted(bounds, rows, side="right") - 1
    chunks = table.find(buffer.chunks.coords)[at]
    if live is None:
        return rows - bounds[at], chunks, None
    is_kept = np.repeat(live, np.diff(buffer.offsets))
    before = offsets_of(is_kept)
    return before[rows] - before[bounds[at]], chunks, is_kept


def _touched(end_chunks: NDArray[np.int64], records: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of record and chunk that was read, for the chunks that each record touches, once each."""
    ends = np.sort(end_chunks[records], axis=1)
    fresh = ends >= 0
    fresh[:, 1:] &= ends[:, 1:] != ends[:, :-1]
    at, end = np.nonzero(fresh)
    return records[at], ends[at, end]


def _grouped(values: NDArray[np.int64], groups: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    """The values of each group, in their order."""
    order = np.argsort(groups, kind="stable")
    bounds = offsets_of(np.bincount(groups, minlength=count))
    return np.split(values[order], bounds[1:-1]) if count else []
