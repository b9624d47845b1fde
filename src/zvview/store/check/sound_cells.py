"""Reading cells past damage: what cannot be decoded is reported and left out, the rest comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError, UnsupportedError
from zvview.format.fragments import FragmentTable, decode_fragments
from zvview.format.links import LinkRecords, decode_links
from zvview.store.cell_arrays import CellArray
from zvview.store.check.report import Report
from zvview.store.hierarchy import Hierarchy
from zvview.store.layout import LinkArray, LinkFamily
from zvview.store.waves import CellAsk, UnreadableCells, read_cells

__all__ = ["Payloads", "decode_fragments_soundly", "decode_links_soundly", "read_soundly", "sound_manifest_rows"]

Payloads = list["NDArray[np.uint8] | None"]
"""Payload of each cell; None for those that could not be decoded, empty for absent ones."""

T = TypeVar("T")
_EMPTY = np.empty(0, np.uint8)


def read_soundly(
    hierarchy: Hierarchy, asks: Sequence[CellAsk], report: Report, cancel: CancelToken | None
) -> list[Payloads]:
    """Payloads of the cells of each ask; every cell that cannot be decoded is a finding."""
    try:
        return [list(cells) for cells in read_cells(hierarchy, asks, cancel)]
    except (DamagedError, UnsupportedError):
        return [_read_array(hierarchy, array, coords, report, cancel) for array, coords in asks]


def _read_array(
    hierarchy: Hierarchy, array: CellArray, coords: NDArray[np.int64], report: Report, cancel: CancelToken | None
) -> Payloads:
    """The cells of one array. Where an error does not tell its cells, they are halved until it does."""
    out: Payloads = [None] * len(coords)
    parts = [np.arange(len(coords))]
    while parts:
        index = parts.pop()
        try:
            (cells,) = read_cells(hierarchy, [(array, coords[index])], cancel)
        except UnsupportedError as error:
            report.add_damage(error, array.path)
            return out
        except DamagedError as error:
            bad = np.zeros(len(index), bool)
            if isinstance(error, UnreadableCells):
                bad[list(error.cells)] = True
            elif len(index) == 1:
                bad[:] = True
            if bad.any():
                _report_cells(report, error, array.path, coords[index[bad]])
                parts.append(index[~bad])
            else:
                parts += [index[: len(index) // 2], index[len(index) // 2 :]]
        else:
            for i, cell in zip(index.tolist(), cells, strict=True):
                out[i] = cell
    return out


def _report_cells(report: Report, error: DamagedError, array: str, coords: NDArray[np.int64]) -> None:
    message = f"{error.part}: found {error.found}, expected {error.expected}"
    report.add_chunks("damaged-cell", array, coords, np.arange(len(coords)), lambda i: message)


def _decode_rest(
    decode: Callable[[list[NDArray[np.uint8]]], T], cells: Payloads, whose: Callable[[DamagedError, list[int]], None]
) -> tuple[T, NDArray[np.bool_]]:
    """Decode what can be, bad cells counting as empty, and the mask of sound cells; `whose` is told of each error."""
    work = [_EMPTY if c is None else c for c in cells]
    sound = np.array([c is not None for c in cells], bool)
    while True:
        try:
            return decode(work), sound
        except DamagedError as error:
            bad = [c for c in error.cells if sound[c]]
            if not bad:
                raise
            whose(error, bad)
            for c in bad:
                work[c], sound[c] = _EMPTY, False


def decode_fragments_soundly(
    cells: Payloads, rows: NDArray[np.int64], array: str, coords: NDArray[np.int64], report: Report
) -> tuple[FragmentTable, NDArray[np.bool_]]:
    """Fragments of a wave and which cells are sound; the others have one fragment of all rows, to go on with."""
    return _decode_rest(
        lambda work: decode_fragments(work, rows),
        cells,
        lambda error, bad: _report_cells(report, error, array, coords[bad]),
    )


def decode_links_soundly(
    family: LinkFamily, array: LinkArray, cells: Payloads, coords: NDArray[np.int64], report: Report
) -> tuple[LinkRecords, NDArray[np.bool_]]:
    """Records of the cells of one array of links, and which cells are sound; the others hold none."""
    options: dict[str, Any] = {"is_ragged": array.is_ragged, "has_perm": array.has_perm}
    return _decode_rest(
        lambda work: decode_links(work, width=family.width, dtype=array.dtype, **options),
        cells,
        lambda error, bad: _report_cells(report, error, array.cells.path, coords[bad]),
    )


def sound_manifest_rows(count: int, read: Callable[[NDArray[np.int64]], T], report: Report, array: str) -> T:
    """What `read` gives of those of `count` rows that it can read; each of the others is a finding."""
    rows = np.arange(count)
    while True:
        try:
            return read(rows)
        except DamagedError as error:
            bad = [c for c in error.cells if c < len(rows)]
            if not bad or (error.cell is not None and not error.cell.startswith("row ")):
                raise
            message = f"{error.part}: found {error.found}, expected {error.expected}"
            for row in rows[bad].tolist():
                report.add("damaged-cell", array, message, cell=f"row {row}")
            rows = np.delete(rows, bad)
