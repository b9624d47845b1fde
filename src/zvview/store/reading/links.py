"""Choosing the link cells that matter for some chunks, and decoding them into one table of records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError
from zvview.format.attributes import rows_of
from zvview.format.grid import sort_chunks
from zvview.format.links import LinkRecords, decode_links, drop_copies
from zvview.format.sequences import distinct, offsets_of
from zvview.store.layout import LinkArray, LinkFamily, LinkTable
from zvview.store.waves import CellAsk, locate_error

__all__ = ["EndpointTest", "LinkSelection", "decode_selection", "decode_sound", "select_links"]

_BATCH_BYTES = 1 << 20
_NOTHING = np.empty(0, np.uint8)

EndpointTest: TypeAlias = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Tells of (K, L, sid) endpoint chunks which of the K records, or cells of records, are wanted."""


@dataclass(frozen=True, slots=True, eq=False)
class LinkSelection:
    """The cells of a family that hold wanted records.

    Attributes
    ----------
    family : LinkFamily
    picks : tuple of (LinkArray, (K, sid) int64 array)
    table : LinkTable or None
        Wanted records that are in memory already.
    attributes : tuple of str
        Link attributes to read with them.
    """

    family: LinkFamily
    picks: tuple[tuple[LinkArray, NDArray[np.int64]], ...]
    table: LinkTable | None
    attributes: tuple[str, ...]

    @property
    def asks(self) -> list[CellAsk]:
        """What to read, in the order in which :func:`decode_selection` takes it: records, then their attributes."""
        out: list[CellAsk] = []
        for array, coords in self.picks:
            out.append((array.cells, coords))
            out += [(array.attributes[n][0], coords) for n in self.attributes if n in array.attributes]
        return out

    def endpoint_chunks(self) -> NDArray[np.int64]:
        """Distinct chunks that hold an endpoint of a wanted record, (K, sid), in the grids of the endpoints' levels."""
        sid = self.picks[0][1].shape[1] if self.picks else (self.table.places.shape[1] if self.table is not None else 1)
        parts = [self.family.endpoints(array, coords).reshape(-1, sid) for array, coords in self.picks]
        if self.table is not None:
            parts.append(self.table.places[distinct(self.table.at)])
        return sort_chunks(np.concatenate(parts)) if parts else np.empty((0, sid), np.int64)


def select_links(family: LinkFamily, test: EndpointTest, attributes: Sequence[str] = ()) -> LinkSelection:
    """The cells of `family` whose records pass `test`; no cell is read."""
    arrays = [array for array in family.arrays if len(array.cells.chunks)]
    picks = []
    if arrays:
        coords = [array.cells.chunks for array in arrays]
        ends = [family.endpoints(array, chunks) for array, chunks in zip(arrays, coords, strict=True)]
        passed = test(np.concatenate(ends))
        bounds = np.cumsum([len(c) for c in coords])[:-1]
        for array, chunks, kept in zip(arrays, coords, np.split(passed, bounds), strict=True):
            if kept.any():
                picks.append((array, chunks[kept]))
    table = family.table
    if table is not None:
        table = table.take(np.flatnonzero(test(table.chunks)))
    return LinkSelection(family, tuple(picks), table, tuple(n for n in attributes if n in family.attribute_names))


def decode_sound(
    selection: LinkSelection,
    payloads: Sequence[list[NDArray[np.uint8]]],
    notes: list[str] | None,
    cancel: CancelToken | None = None,
) -> LinkTable:
    """As :func:`decode_selection`; given `notes`, cells that cannot be decoded are noted there and count as absent."""
    if notes is None:
        return decode_selection(selection, payloads, cancel)
    cells = [list(of_ask) for of_ask in payloads]
    groups: list[tuple[list[str], list[list[NDArray[np.uint8]]]]] = []  # records of a pick, then their attributes
    for array, _ in selection.picks:
        own = [array.cells, *(array.attributes[n][0] for n in selection.attributes if n in array.attributes)]
        start = sum(len(g[1]) for g in groups)
        groups.append(([a.path for a in own], cells[start : start + len(own)]))
    for _, (records, *values) in groups:  # what could not be decompressed came as absent
        for at in (i for i, cell in enumerate(records) if not len(cell)):
            _blank(values, [at])
    while True:
        try:
            return decode_selection(selection, [list(of_ask) for of_ask in cells], cancel)
        except DamagedError as error:
            group = next((of_pick for paths, of_pick in groups if error.array in paths), None)
            if group is None or not error.cells:
                raise
            notes.append(str(error))
            _blank(group, error.cells)


def _blank(of_asks: Sequence[list[NDArray[np.uint8]]], cells: Iterable[int]) -> None:
    for cell in cells:
        for payloads in of_asks:
            payloads[cell] = np.empty(0, np.uint8)


def decode_selection(
    selection: LinkSelection, payloads: Sequence[list[NDArray[np.uint8]]], cancel: CancelToken | None = None
) -> LinkTable:
    """The records of a selection, from the payloads of its :attr:`LinkSelection.asks`; copies and marks are dropped.

    The lists of payloads are emptied on the way, so that no more than a part of them is held beside the records.

    Raises
    ------
    DamagedError
        A cell does not hold whole records, or an attribute cell not as many values as there are records.
    Cancelled
    """
    family, taken = selection.family, iter(payloads)
    picked: list[_Picked] = []
    for array, coords in selection.picks:
        cells = next(taken)
        values = {n: next(taken) for n in selection.attributes if n in array.attributes}
        picked.append(_Picked(array, coords, cells, values))
    known = 0 if selection.table is None else len(selection.table)
    bound = known + sum(p.most_records(family.width) for p in picked)
    rows, at = np.empty((bound, family.width), np.int64), np.empty((bound, family.width), np.int32)
    places, slots, count, first = [], [], 0, 0
    attributes: dict[str, list[NDArray[Any]]] = {n: [] for n in selection.attributes}
    for alike in _batches(picked):
        if cancel is not None:
            cancel.raise_if_cancelled()
        records = _decode_alike(family, alike)
        if cancel is not None:
            cancel.raise_if_cancelled()
        ends = np.concatenate([family.endpoints(p.array, p.coords) for p in alike])
        filled = slice(count, count + len(records.rows))
        rows[filled] = records.rows
        at[filled] = records.slots + (first + family.width * records.cell_of())[:, None]
        places.append(ends.reshape(-1, ends.shape[2]))
        count, first = filled.stop, first + len(places[-1])
        if family.is_duplicated:
            slots.append(records.slots)
        for name, of_name in attributes.items():
            of_name.append(_attribute_values(name, alike, records.counts))
    if selection.table is not None:
        rows[count : count + known], at[count : count + known] = selection.table.rows, selection.table.at + first
        places.append(selection.table.places)
        slots.append(np.zeros_like(selection.table.rows))
        count += known
        for name, of_name in attributes.items():
            of_name.append(selection.table.attributes[name])
    if not count:
        none = np.empty((0, family.width), np.int64)
        return LinkTable(np.empty((0, 1), np.int64), none, none)
    joined = {n: _join(n, parts, family) for n, parts in attributes.items()}
    table = LinkTable(np.concatenate(places), at[:count], rows[:count], joined)
    if family.is_duplicated:
        kept = drop_copies(table.chunks, np.concatenate(slots))
        table = table.take(kept) if len(kept) < len(table) else table
    if table.rows.min(initial=0) < 0:  # marks of the documentation, never endpoints (9.6)
        table = table.take(np.flatnonzero((table.rows >= 0).all(axis=1)))
    return table


@dataclass(frozen=True, slots=True, eq=False)
class _Picked:
    """Cells of one array of a family, with those of its attributes."""

    array: LinkArray
    coords: NDArray[np.int64]
    cells: list[NDArray[np.uint8]]
    values: Mapping[str, Sequence[NDArray[np.uint8]]]

    @property
    def encoding(self) -> object:
        """What must be the same for cells to be decoded at once."""
        return self.array.is_ragged, self.array.has_perm, self.array.dtype

    def most_records(self, width: int) -> int:
        """Records that the bytes of the cells have room for."""
        return sum(map(len, self.cells)) // (self.array.dtype.itemsize * width)

    def release(self, stop: int) -> None:
        """Let go of the bytes of the cells before `stop`: they are decoded, and as large as what came of them."""
        self.cells[:stop] = [_NOTHING] * stop

    def part(self, start: int, stop: int) -> _Picked:
        """The cells from `start` to `stop`."""
        values = {n: v[start:stop] for n, v in self.values.items()}
        return _Picked(self.array, self.coords[start:stop], self.cells[start:stop], values)


def _batches(picked: Sequence[_Picked]) -> Iterator[list[_Picked]]:
    """Cells that are encoded alike, about a megabyte at a time: decoding then costs calls neither many nor large."""
    groups: dict[object, list[_Picked]] = {}
    for pick in picked:
        groups.setdefault(pick.encoding, []).append(pick)
    for group in groups.values():
        batch, spent = [], 0
        for pick in group:
            ends = np.cumsum([len(c) for c in pick.cells])
            start = 0
            while start < len(pick.cells):
                before = int(ends[start - 1]) if start else 0
                stop = max(start + 1, int(np.searchsorted(ends, before + _BATCH_BYTES - spent, side="right")))
                batch.append(pick.part(start, stop))
                spent += int(ends[stop - 1]) - before
                start = stop
                if spent >= _BATCH_BYTES or start < len(pick.cells):
                    yield batch
                    pick.release(stop)
                    batch, spent = [], 0
        if batch:
            yield batch
            _release(group)


def _release(picked: Sequence[_Picked]) -> None:
    for pick in picked:
        pick.release(len(pick.cells))


def _decode_alike(family: LinkFamily, picked: Sequence[_Picked]) -> LinkRecords:
    array = picked[0].array
    try:
        return decode_links(
            [cell for p in picked for cell in p.cells],
            width=family.width,
            dtype=array.dtype,
            is_ragged=array.is_ragged,
            has_perm=array.has_perm,
        )
    except DamagedError as error:
        first = offsets_of([len(p.cells) for p in picked])
        which = int(np.searchsorted(first, error.cells[0], side="right")) - 1 if error.cells else 0
        own = [c - int(first[which]) for c in error.cells if first[which] <= c < first[which + 1]]
        raise locate_error(error, picked[which].array.cells.path, picked[which].coords, own) from None


def _attribute_values(name: str, picked: Sequence[_Picked], counts: NDArray[np.int64]) -> NDArray[Any]:
    """Values of a link attribute, aligned with the records of some cells, of which each has `counts`."""
    out: list[NDArray[Any]] = []
    bounds = np.cumsum([len(p.cells) for p in picked])[:-1]
    for pick, own in zip(picked, np.split(counts, bounds), strict=True):
        if name in pick.array.attributes:
            stored, metadata = pick.array.attributes[name]
            try:
                out += [v for v in rows_of(pick.values[name], own, metadata.dtype) if len(v)]
            except DamagedError as error:
                raise locate_error(error, stored.path, pick.coords) from None
        elif own.any():
            expected = f"{int(own.sum())} rows of {name!r}"
            raise DamagedError("link attribute", found="no values", expected=expected, array=pick.array.cells.path)
    if len({v.shape[1:] for v in out}) > 1:
        raise DamagedError("link attribute", found="several widths", expected=f"one width of {name!r}")
    return np.concatenate(out) if out else np.empty(0)


def _join(name: str, parts: list[NDArray[Any]], family: LinkFamily) -> NDArray[Any]:
    if len({p.shape[1:] for p in parts if len(p)}) > 1:
        raise DamagedError(
            "link attribute", found="several widths", expected=f"one width of {name!r}", array=family.path
        )
    parts = [p for p in parts if len(p)] or parts[:1]
    return np.concatenate(parts)
