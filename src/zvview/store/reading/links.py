"""Choosing the link cells that matter for some chunks, and decoding them into one table of records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

__all__ = ["EndpointTest", "LinkSelection", "decode_selection", "select_links"]

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
        """What to read, in the order that :func:`decode_selection` takes the payloads: records, then their attributes."""
        out: list[CellAsk] = []
        for array, coords in self.picks:
            out.append((array.cells, coords))
            out += [(array.attributes[n][0], coords) for n in self.attributes if n in array.attributes]
        return out

    def endpoint_chunks(self) -> NDArray[np.int64]:
        """Distinct chunks that hold an endpoint of a wanted record, (K, sid), in the grids of the endpoints' levels."""
        sid = self.picks[0][1].shape[1] if self.picks else (self.table.chunks.shape[2] if self.table is not None else 1)
        parts = [self.family.endpoints(array, coords).reshape(-1, sid) for array, coords in self.picks]
        if self.table is not None:
            parts.append(self.table.chunks.reshape(-1, sid))
        return sort_chunks(np.concatenate(parts)) if parts else np.empty((0, sid), np.int64)


def select_links(family: LinkFamily, test: EndpointTest, attributes: Sequence[str] = ()) -> LinkSelection:
    """The cells of `family` whose records pass `test`; no cell is read."""
    picks = []
    for array in family.arrays:
        coords = array.cells.chunks
        if len(coords):
            chosen = coords[test(family.endpoints(array, coords))]
            if len(chosen):
                picks.append((array, chosen))
    table = family.table
    if table is not None:
        table = table.take(np.flatnonzero(test(table.chunks)))
    return LinkSelection(family, tuple(picks), table, tuple(n for n in attributes if n in family.attribute_names))


def decode_selection(selection: LinkSelection, payloads: Sequence[Sequence[NDArray[np.uint8]]]) -> LinkTable:
    """The records of a selection, from the payloads of its :attr:`LinkSelection.asks`; copies and marks are dropped.

    Raises
    ------
    DamagedError
        A cell does not hold whole records, or an attribute cell not as many values as there are records.
    """
    family, taken = selection.family, iter(payloads)
    chunks, rows, slots = [], [], []
    values: dict[str, list[NDArray[Any]]] = {n: [] for n in selection.attributes}
    for array, coords in selection.picks:
        records = _decode_array(family, array, coords, next(taken))
        anchors = family.endpoints(array, coords)
        chunks.append(anchors[records.cell_of()[:, None], records.slots])
        rows.append(records.rows)
        slots.append(records.slots)
        for name in selection.attributes:
            if name in array.attributes:
                cells, metadata = array.attributes[name]
                values[name].append(_attribute_rows(next(taken), records.counts, metadata.dtype, cells.path, coords))
            elif len(records.rows):
                raise DamagedError(
                    "link attribute",
                    found="no values",
                    expected=f"{len(records.rows)} rows of {name!r}",
                    array=array.cells.path,
                )
    if selection.table is not None:
        chunks.append(selection.table.chunks)
        rows.append(selection.table.rows)
        slots.append(np.zeros_like(selection.table.rows))
        for name in selection.attributes:
            values[name].append(selection.table.attributes[name])
    if not rows:
        none = np.empty((0, family.width), np.int64)
        return LinkTable(none.reshape(0, family.width, 1), none)
    used = {n: v for n, v in values.items() if v}
    table = LinkTable(np.concatenate(chunks), np.concatenate(rows), {n: _join(n, v, family) for n, v in used.items()})
    keep = (table.rows >= 0).all(axis=1)  # negative rows are marks of the documentation, never endpoints (9.6)
    if family.is_duplicated:
        copies = np.ones(len(table), bool)
        copies[drop_copies(table.chunks, np.concatenate(slots))] = False
        keep &= ~copies
    return table if keep.all() else table.take(np.flatnonzero(keep))


def _join(name: str, parts: list[NDArray[Any]], family: LinkFamily) -> NDArray[Any]:
    if len({p.shape[1:] for p in parts if len(p)}) > 1:
        raise DamagedError(
            "link attribute", found="several widths", expected=f"one width of {name!r}", array=family.path
        )
    parts = [p for p in parts if len(p)] or parts[:1]
    return np.concatenate(parts)


def _decode_array(
    family: LinkFamily, array: LinkArray, coords: NDArray[np.int64], cells: Sequence[NDArray[np.uint8]]
) -> LinkRecords:
    try:
        return decode_links(
            cells, width=family.width, dtype=array.dtype, is_ragged=array.is_ragged, has_perm=array.has_perm
        )
    except DamagedError as error:
        raise locate_error(error, array.cells.path, coords) from None


def _attribute_rows(
    cells: Sequence[NDArray[np.uint8]],
    counts: NDArray[np.int64],
    dtype: np.dtype[Any],
    path: str,
    coords: NDArray[np.int64],
) -> NDArray[Any]:
    try:
        return rows_of(cells, counts, dtype)
    except DamagedError as error:
        raise locate_error(error, path, coords) from None
