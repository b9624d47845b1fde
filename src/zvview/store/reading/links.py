"""Choosing the link cells that matter for some chunks, and decoding them into one table of records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.attributes import rows_of
from zvview.format.grid import sort_chunks
from zvview.format.links import LinkRecords, decode_links, drop_copies
from zvview.store.layout import LinkArray, LinkFamily, LinkTable
from zvview.store.waves import CellAsk, locate_error

__all__ = ["EndpointTest", "LinkSelection", "decode_selection", "decode_sound", "select_links"]

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
            parts.append(self.table.places[np.unique(self.table.at)])
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
    selection: LinkSelection, payloads: Sequence[Sequence[NDArray[np.uint8]]], notes: list[str] | None
) -> LinkTable:
    """As :func:`decode_selection`; given `notes`, cells that cannot be decoded are noted there and count as absent."""
    if notes is None:
        return decode_selection(selection, payloads)
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
            return decode_selection(selection, cells)
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


def decode_selection(selection: LinkSelection, payloads: Sequence[Sequence[NDArray[np.uint8]]]) -> LinkTable:
    """The records of a selection, from the payloads of its :attr:`LinkSelection.asks`; copies and marks are dropped.

    Raises
    ------
    DamagedError
        A cell does not hold whole records, or an attribute cell not as many values as there are records.
    """
    family, taken = selection.family, iter(payloads)
    cells: list[Sequence[NDArray[np.uint8]]] = []
    values: list[dict[str, Sequence[NDArray[np.uint8]]]] = []
    for array, _ in selection.picks:
        cells.append(next(taken))
        values.append({n: next(taken) for n in selection.attributes if n in array.attributes})
    parts, slots = [], []
    for same in _alike(selection.picks):
        records = _decode_alike(family, [selection.picks[i] for i in same], [cells[i] for i in same])
        places = np.concatenate([family.endpoints(*selection.picks[i]) for i in same])
        at = records.slots + family.width * records.cell_of()[:, None]
        of_pick = np.split(records.counts, np.cumsum([len(cells[i]) for i in same])[:-1])
        attributes = {
            n: _attribute_values(n, [(selection.picks[i], values[i], c) for i, c in zip(same, of_pick, strict=True)])
            for n in selection.attributes
        }
        parts.append(LinkTable(places.reshape(-1, places.shape[2]), at, records.rows, attributes))
        slots.append(records.slots)
    if selection.table is not None:
        parts.append(selection.table)
        slots.append(np.zeros_like(selection.table.rows))
    if not parts:
        none = np.empty((0, family.width), np.int64)
        return LinkTable(np.empty((0, 1), np.int64), none, none)
    shifts = np.cumsum([0] + [len(p.places) for p in parts]).tolist()
    table = LinkTable(
        np.concatenate([p.places for p in parts]),
        np.concatenate([p.at + shift if shift else p.at for p, shift in zip(parts, shifts, strict=False)]),
        np.concatenate([p.rows for p in parts]),
        {n: _join(n, [p.attributes[n] for p in parts if n in p.attributes], family) for n in selection.attributes},
    )
    if family.is_duplicated:
        kept = drop_copies(table.chunks, np.concatenate(slots))
        table = table.take(kept) if len(kept) < len(table) else table
    if table.rows.min(initial=0) < 0:  # marks of the documentation, never endpoints (9.6)
        table = table.take(np.flatnonzero((table.rows >= 0).all(axis=1)))
    return table


Pick: TypeAlias = tuple[LinkArray, NDArray[np.int64]]


def _alike(picks: Sequence[Pick]) -> list[list[int]]:
    """Indices of picks whose cells are encoded alike, so that they can be decoded at once."""
    groups: dict[object, list[int]] = {}
    for i, (array, _) in enumerate(picks):
        groups.setdefault((array.is_ragged, array.has_perm, array.dtype), []).append(i)
    return list(groups.values())


def _decode_alike(
    family: LinkFamily, picks: Sequence[Pick], cells: Sequence[Sequence[NDArray[np.uint8]]]
) -> LinkRecords:
    array = picks[0][0]
    try:
        return decode_links(
            [cell for of_pick in cells for cell in of_pick],
            width=family.width,
            dtype=array.dtype,
            is_ragged=array.is_ragged,
            has_perm=array.has_perm,
        )
    except DamagedError as error:
        first = np.cumsum([0] + [len(c) for c in cells])
        which = int(np.searchsorted(first, error.cells[0], side="right")) - 1 if error.cells else 0
        own = [c - int(first[which]) for c in error.cells if first[which] <= c < first[which + 1]]
        raise locate_error(error, picks[which][0].cells.path, picks[which][1], own) from None


def _attribute_values(
    name: str, parts: Sequence[tuple[Pick, dict[str, Sequence[NDArray[np.uint8]]], NDArray[np.int64]]]
) -> NDArray[Any]:
    """Values of a link attribute, aligned with the records of some picks."""
    out: list[NDArray[Any]] = []
    for (array, coords), payloads, counts in parts:
        if name in array.attributes:
            stored, metadata = array.attributes[name]
            try:
                out += [v for v in rows_of(payloads[name], counts, metadata.dtype) if len(v)]
            except DamagedError as error:
                raise locate_error(error, stored.path, coords) from None
        elif counts.any():
            expected = f"{int(counts.sum())} rows of {name!r}"
            raise DamagedError("link attribute", found="no values", expected=expected, array=array.cells.path)
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
