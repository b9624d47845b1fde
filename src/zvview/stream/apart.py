"""Taking what one read gave apart into its chunks: the links inside each, and those that lead out of it.

Both chunks of a link hold it, with the far end beside it, so that it can be shown when only one of them is. All steps
look at the token of the read: taking a large read apart lasts as long as reading it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError
from zvview.format.attributes import AttributeMetadata, Categories
from zvview.format.grid import ChunkTable
from zvview.format.sequences import offsets_of
from zvview.store.reading.cell_rows import CellRows
from zvview.store.reading.piece_buffer import PieceBuffer
from zvview.stream.facts import StoreFacts
from zvview.stream.parts import ROW_BITS, ChunkPart, Crossing

__all__ = ["LevelFrame", "LinkedRead", "split_chunks"]

_FEW_CHUNKS = 1 << 15  # numbers of chunks are then sorted digit by digit, in a tenth of the time


@dataclass(frozen=True, slots=True, eq=False)
class LevelFrame:
    """Where parts stand: the store they are of, and all chunks of the level."""

    facts: StoreFacts
    table: ChunkTable

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


@dataclass(frozen=True, slots=True, eq=False)
class LinkedRead:
    """What one read gave.

    Attributes
    ----------
    own : PieceBuffer
        Of the chunks that were asked for.
    others : (PieceBuffer, CellRows) or None
        The neighbours that links lead into, and their vertices, of which only the ends of links are looked at.
    links : (M, L) int64 array
        Rows that are joined; those of `others` come behind those of `own`.
    link_values : mapping of str to (M,) or (M, C) array
    ids : (F,) int64 array or None
        Object of each piece of `own`.
    live : (F + G,) bool array or None
        Which pieces of `own` and `others` count; None for all. Their rows are left out.
    """

    own: PieceBuffer
    others: tuple[PieceBuffer, CellRows] | None
    links: NDArray[np.int64]
    link_values: Mapping[str, NDArray[Any]]
    ids: NDArray[np.int64] | None
    live: NDArray[np.bool_] | None


def split_chunks(
    frame: LevelFrame, read: LinkedRead, coords: NDArray[np.int64], cancel: CancelToken | None
) -> tuple[ChunkPart, ...]:
    """The chunks at `coords`; empty ones for those that could not be read.

    Raises
    ------
    Cancelled
    """
    split = _Split(frame, read, cancel)
    return tuple(split.part(at) for at in read.own.chunks.find(coords).tolist())


class _Ranks:
    """How vertices of a buffer are named: by their chunk and how many rows that count come before them in it."""

    def __init__(self, buffer: PieceBuffer, table: ChunkTable, live: NDArray[np.bool_] | None) -> None:
        self.bounds = buffer.offsets[buffer.first]
        self.is_kept = None if live is None else np.repeat(live, np.diff(buffer.offsets))
        self._before = None if self.is_kept is None else offsets_of(self.is_kept)
        self._numbers = table.find(buffer.chunks.coords)

    def within(self, rows: NDArray[np.int64], at: NDArray[np.integer] | int) -> NDArray[np.int64]:
        """Ranks of `rows` in the chunks `at` of the buffer."""
        if self._before is None:
            return np.asarray(rows - self.bounds[at])
        return np.asarray(self._before[rows] - self._before[self.bounds[at]])

    def keys(self, rows: NDArray[np.int64], at: NDArray[np.integer]) -> NDArray[np.int64]:
        """Names of `rows` among all of the level."""
        return np.asarray((self._numbers[at] << ROW_BITS) | self.within(rows, at))


class _Split:
    """A read of several chunks, taken apart; rows of pieces that do not count are left out."""

    def __init__(self, frame: LevelFrame, read: LinkedRead, cancel: CancelToken | None) -> None:
        own, live, links = read.own, read.live, read.links
        pieces = len(own.offsets) - 1
        self._frame, self._read, self._cancel = frame, read, cancel
        self._values = frame.values_of(own.attributes, own.categories)
        self._live = None if live is None else live[:pieces]
        self._ranks = _Ranks(own, frame.table, self._live)
        count, rows = len(own.chunks), len(own.positions)
        chunk_of_row = np.append(np.repeat(np.arange(count, dtype=np.int32), np.diff(self._ranks.bounds)), np.int32(-1))
        self._heed()
        chunks = chunk_of_row[np.minimum(links, rows)]
        self._heed()
        first = chunks[:, 0]
        is_inner = first >= 0
        for ends in chunks.T[1:]:
            is_inner &= ends == first
        self._heed()
        self._inner = _grouped(np.flatnonzero(is_inner), first[is_inner], count)
        self._heed()
        self._crossing_links = np.flatnonzero(~is_inner)
        self._chunks = chunks[self._crossing_links]
        self._crossing = _grouped(*_touched(self._chunks), count)
        self._heed()
        if len(self._crossing_links):
            self._look_at_ends(links[self._crossing_links], rows, None if live is None else live[pieces:])

    def _look_at_ends(self, links: NDArray[np.int64], rows: int, live: NDArray[np.bool_] | None) -> None:
        """The vertices that links (K, L) join, one after the other: what they are, and how far they lie apart."""
        own, others = self._read.own, self._read.others
        ends, at = links.ravel(), self._chunks.ravel()
        near = np.flatnonzero(at >= 0)
        self._keys = np.empty(links.shape, np.int64)
        self._keys.ravel()[near] = self._ranks.keys(ends[near], at[near])
        self._heed()
        self._positions = np.empty((len(ends), own.positions.shape[1]), own.positions.dtype)
        self._positions[near] = own.positions[ends[near]]
        values = {n: v[ends[near]] for n, v in self._values.items()}
        self._heed()
        if others is not None and len(near) < len(ends):
            far = np.flatnonzero(at < 0)
            buffer, cells = others
            there = ends[far] - rows
            ranks = _Ranks(buffer, self._frame.table, live)
            self._keys.ravel()[far] = ranks.keys(there, np.searchsorted(ranks.bounds, there, side="right") - 1)
            self._heed()
            self._positions[far], further = cells.take(there, self._cancel)
            further = self._frame.values_of(further, buffer.categories)
            values = {n: _merged(n, near, v, far, further[n]) for n, v in values.items()}
        self._end_values = values
        self._heed()
        spread = self._positions.reshape(*links.shape, -1)
        lo = hi = spread[:, 0].astype(np.float64)
        for end in range(1, links.shape[1]):
            lo, hi = np.minimum(lo, spread[:, end]), np.maximum(hi, spread[:, end])
        self._extents = hi - lo

    def part(self, at: int) -> ChunkPart:
        """The chunk at a place among those that were read; an empty one at -1: it could not be read."""
        self._heed()
        own, ranks = self._read.own, self._ranks
        if at < 0:
            return ChunkPart(np.empty((0, own.positions.shape[1]), own.positions.dtype))
        rows: slice | NDArray[np.int64] = slice(int(ranks.bounds[at]), int(ranks.bounds[at + 1]))
        pieces: slice | NDArray[np.int64] = slice(int(own.first[at]), int(own.first[at + 1]))
        sizes = np.diff(own.offsets)[pieces]
        if self._live is not None and ranks.is_kept is not None:
            sizes = sizes[self._live[pieces]]
            pieces = int(own.first[at]) + np.flatnonzero(self._live[pieces])
            rows = int(ranks.bounds[at]) + np.flatnonzero(ranks.is_kept[rows])
        inner, ids = self._inner[at], self._read.ids
        return ChunkPart(
            self._frame.to_world(own.positions[rows]),
            {n: v[rows].copy() for n, v in self._values.items()},
            None if ids is None else ids[pieces].copy(),
            offsets_of(sizes),
            ranks.within(self._read.links[inner], at),
            {n: v[inner] for n, v in self._read.link_values.items()},
            self._crossing_of(at),
        )

    def _crossing_of(self, at: int) -> Crossing | None:
        records = self._crossing[at]
        if not len(records):
            return None
        self._heed()
        keys = self._keys[records]
        is_away = self._chunks[records] != at
        far, first = np.unique(keys[is_away], return_index=True)
        width = keys.shape[1]
        ends = (records[:, None] * width + np.arange(width))[is_away][first]
        values = {n: v[ends] for n, v in self._end_values.items()}
        link_values = {n: v[self._crossing_links[records]] for n, v in self._read.link_values.items()}
        positions = self._frame.to_world(self._positions[ends])
        return Crossing(keys, link_values, far, positions, values, self._extents[records].max(axis=0))

    def _heed(self) -> None:
        if self._cancel is not None:
            self._cancel.raise_if_cancelled()


def _merged(
    name: str, near: NDArray[np.int64], own: NDArray[Any], far: NDArray[np.int64], further: NDArray[Any]
) -> NDArray[Any]:
    """Values at the places `near` and `far`, which together are all."""
    if further.shape[1:] != own.shape[1:]:
        raise DamagedError("attribute", found=f"several widths of {name!r}", expected="one width in all cells")
    out = np.empty((len(near) + len(far), *own.shape[1:]), np.result_type(own, further))
    out[near], out[far] = own, further
    return out


def _touched(chunks: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Pairs of record and chunk that was read, for the chunks (K, L) that each record touches, once each."""
    ends = np.sort(chunks, axis=1)
    fresh = ends >= 0
    fresh[:, 1:] &= ends[:, 1:] != ends[:, :-1]
    records, end = np.nonzero(fresh)
    return records, ends[records, end]


def _grouped(values: NDArray[np.int64], groups: NDArray[np.integer], count: int) -> list[NDArray[np.int64]]:
    """The values of each group, in their order."""
    order = np.argsort(groups.astype(np.int16) if count < _FEW_CHUNKS else groups, kind="stable")
    bounds = offsets_of(np.bincount(groups, minlength=count))
    return np.split(values[order], bounds[1:-1]) if count else []
