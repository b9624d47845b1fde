"""Reading the cells of many arrays as one wave of requests, one batch of decompression and no copy beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError
from zvview.format.cells import unwrap_cells
from zvview.store.cell_arrays import CellArray
from zvview.store.hierarchy import Hierarchy
from zvview.store.places.source import Request
from zvview.store.codecs import decode_wave

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["CellAsk", "read_cells"]

CellAsk: TypeAlias = tuple[CellArray, NDArray[np.int64]]
"""An array and the (M, sid) coordinates of the chunks whose cells are wanted."""


def read_cells(
    hierarchy: Hierarchy, asks: Sequence[CellAsk], cancel: CancelToken | None = None
) -> list[list[NDArray[np.uint8]]]:
    """Payloads of the cells of each ask, in order; an absent cell is an empty array.

    Shard indexes that are not known yet take a wave of their own before; documents that were taken from the index are
    compared with the real ones in the same wave as the cells.

    Raises
    ------
    DamagedError
        A cell could not be decoded; ``array``, ``cell`` and ``cells`` (indices into the ask's coordinates) tell which.
    """
    _prepare(hierarchy, asks, cancel)
    plans = [array.plan(coords) for array, coords in asks]
    paths, checks = hierarchy.unverified_requests()
    requests: list[Request] = [*checks, *chain.from_iterable(p.requests for p in plans)]
    answers = hierarchy.source.get_many(requests, cancel)
    if paths:
        hierarchy.settle(paths, answers[: len(paths)])
    cells: list[Buffer | None] = []
    first = len(paths)
    for plan in plans:
        for place in plan.places:
            cells.append(None if place is None else _cut(answers[first + place[0]], place[1], place[2]))
        first += len(plan.requests)
    del answers
    if cancel is not None:
        cancel.raise_if_cancelled()
    return _decode(asks, cells, list(chain.from_iterable(p.chains for p in plans)))


def _prepare(hierarchy: Hierarchy, asks: Sequence[CellAsk], cancel: CancelToken | None) -> None:
    """Read what the arrays need to know before they can tell where cells lie."""
    wanted = [array.preparation(coords) for array, coords in asks]
    flat = list(chain.from_iterable(wanted))
    if not flat:
        return
    answers = hierarchy.source.get_many(flat, cancel)
    first = 0
    for (array, _), requests in zip(asks, wanted, strict=True):
        if requests:
            array.prepare(requests, answers[first : first + len(requests)])
            first += len(requests)


def _cut(data: Buffer | None, start: int, stop: int | None) -> Buffer | None:
    if data is None or (start == 0 and stop is None):
        return data
    return memoryview(data)[start:stop]


def _decode(asks: Sequence[CellAsk], cells: list[Buffer | None], chains: list[object]) -> list[list[NDArray[np.uint8]]]:
    """Undo codecs and vlen headers of all cells; errors name the array and the chunk."""
    bounds = np.cumsum([0] + [len(coords) for _, coords in asks]).tolist()
    try:
        raw = decode_wave(cells, chains)  # type: ignore[arg-type]
        out = []
        for (array, _), start, stop in zip(asks, bounds, bounds[1:], strict=False):
            if array.is_vlen:
                try:
                    out.append(unwrap_cells(raw[start:stop]))
                except DamagedError as error:
                    error.cells = tuple(start + c for c in error.cells)
                    raise
            else:
                out.append([np.frombuffer(c, np.uint8) if c is not None else _EMPTY for c in raw[start:stop]])
    except DamagedError as error:
        raise _located(error, asks, bounds) from None
    return out


_EMPTY = np.empty(0, np.uint8)


def _located(error: DamagedError, asks: Sequence[CellAsk], bounds: list[int]) -> DamagedError:
    """The error with the array of its first cell, its cells counted within that array."""
    if not error.cells:
        return error
    which = int(np.searchsorted(bounds, error.cells[0], side="right")) - 1
    array, coords = asks[which]
    own = [c - bounds[which] for c in error.cells if bounds[which] <= c < bounds[which + 1]]
    return locate_error(error, array.path, coords, own)


def locate_error(
    error: DamagedError, path: str, coords: NDArray[np.int64], cells: Sequence[int] | None = None
) -> DamagedError:
    """`error` with the array's path and the chunk of its first cell; `cells` replaces its list of cells."""
    own = tuple(error.cells if cells is None else cells)
    named = ".".join(map(str, coords[own[0]].tolist())) if own and own[0] < len(coords) else None
    return DamagedError(
        error.part, found=error.found, expected=error.expected, cells=own, array=error.array or path, cell=named
    )
