"""Reading the cells of many arrays as one wave of requests, one batch of decompression and no copy beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError
from zvview.format.cells import unwrap_cells
from zvview.format.sequences import offsets_of
from zvview.store.cell_arrays import CellArray, CellPlan
from zvview.store.codecs import CodecChain, decode_wave
from zvview.store.hierarchy import Hierarchy
from zvview.store.places.source import Request

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["CellAsk", "UnreadableCells", "locate_error", "read_cells"]

CellAsk: TypeAlias = tuple[CellArray, NDArray[np.int64]]
"""An array and the (M, sid) coordinates of the chunks whose cells are wanted."""


class UnreadableCells(DamagedError):  # noqa: N818 - damage, said more closely
    """Cells of one ask of a wave that could not be decoded; ``ask`` is its index, ``cells`` count within it."""

    def __init__(self, error: DamagedError, ask: int) -> None:
        super().__init__(
            error.part,
            found=error.found,
            expected=error.expected,
            cells=error.cells,
            array=error.array,
            cell=error.cell,
        )
        self.ask = ask


def read_cells(
    hierarchy: Hierarchy, asks: Sequence[CellAsk], cancel: CancelToken | None = None
) -> list[list[NDArray[np.uint8]]]:
    """Payloads of the cells of each ask, in order; an absent cell is an empty array.

    Shard indexes that are not known yet take a wave of their own before; documents that were taken from the index are
    compared with the real ones in the same wave as the cells.

    Raises
    ------
    UnreadableCells
        Cells could not be decoded; ``array``, ``cell`` and ``cells`` (indices into the ask's coordinates) tell which.
    """
    _prepare(hierarchy, asks, cancel)
    plans = [_plan(ask, array, coords) for ask, (array, coords) in enumerate(asks)]
    paths, checks = hierarchy.unverified_requests()
    requests: list[Request] = [*checks, *chain.from_iterable(p.requests for p in plans)]
    answers = hierarchy.source.get_many(requests, cancel)
    if paths:
        hierarchy.settle(paths, answers[: len(paths)])
    cells: list[Buffer | None] = []
    first = len(paths)
    for plan in plans:
        cells += _place(plan, answers[first : first + len(plan.requests)])
        first += len(plan.requests)
    del answers
    if cancel is not None:
        cancel.raise_if_cancelled()
    present = [cell is not None for cell in cells] if any(plan.sizes for plan in plans) else []
    payloads = _decode(asks, cells, list(chain.from_iterable(p.chains for p in plans)))
    done = 0
    for ask, ((array, coords), plan, own) in enumerate(zip(asks, plans, payloads, strict=True)):
        if plan.sizes is not None:
            try:
                _fit(own, plan, present[done : done + len(own)])
            except DamagedError as error:
                raise UnreadableCells(locate_error(error, array.path, coords), ask) from None
        done += len(own)
    return payloads


def _place(plan: CellPlan, answers: Sequence[Buffer | None]) -> list[Buffer | None]:
    """The encoded cells of a plan."""
    cells: list[Buffer | None] = []
    for place in plan.places:
        if place is None or isinstance(place, np.ndarray):
            cells.append(None if place is None else place.data)
        else:
            cells.append(_cut(answers[place[0]], place[1], place[2]))
    return cells


def _fit(payloads: list[NDArray[np.uint8]], plan: CellPlan, present: Sequence[bool]) -> None:
    """Hold the payloads of a plan against the sizes that it tells, and put zeros where there is no object."""
    sizes = plan.sizes or []
    missing = [i for i, there in enumerate(present) if not there and plan.places[i] is not None]
    if sum(sizes[i] for i in missing) > _MOST_ZEROS:
        found = f"{sum(sizes[i] for i in missing)} bytes announced by cells without an object"
        raise DamagedError("cell", found=found, expected=f"at most {_MOST_ZEROS}", cells=missing)
    if lost := plan.nonzero.intersection(missing):
        raise DamagedError("cell", found="no object", expected="one, since it is not zeros", cells=sorted(lost))
    for i in missing:
        payloads[i] = np.zeros(sizes[i], np.uint8)
    if bad := [i for i, p in enumerate(payloads) if plan.places[i] is not None and len(p) != sizes[i]]:
        found = f"{len(payloads[bad[0]])} bytes"
        raise DamagedError("cell", found=found, expected=f"{sizes[bad[0]]}, the size of its array", cells=bad)


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


def _plan(ask: int, array: CellArray, coords: NDArray[np.int64]) -> CellPlan:
    try:
        return array.plan(coords)
    except DamagedError as error:  # the index of a shard: its cells are lost
        raise UnreadableCells(locate_error(error, array.path, coords), ask) from None


def _cut(data: Buffer | None, start: int, stop: int | None) -> Buffer | None:
    if data is None or (start == 0 and stop is None):
        return data
    return memoryview(data)[start:stop]


def _decode(
    asks: Sequence[CellAsk], cells: list[Buffer | None], chains: list[CodecChain]
) -> list[list[NDArray[np.uint8]]]:
    """Undo codecs and vlen headers of all cells; errors name the array and the chunk."""
    bounds = offsets_of([len(coords) for _, coords in asks]).tolist()
    try:
        raw = decode_wave(cells, chains)
        if all(array.is_vlen for array, _ in asks):  # one call for all: its cost is the calls, not the cells
            payloads = unwrap_cells([None if cell is None else memoryview(cell) for cell in raw])
        else:
            payloads = _unwrap_some(asks, raw, bounds)
    except DamagedError as error:
        raise _located(error, asks, bounds) from None
    return [payloads[start:stop] for start, stop in pairwise(bounds)]


def _unwrap_some(asks: Sequence[CellAsk], raw: list[Any], bounds: list[int]) -> list[NDArray[np.uint8]]:
    """Payloads where some arrays carry vlen headers and others do not."""
    out = [_EMPTY if cell is None else np.frombuffer(cell, np.uint8) for cell in raw]
    for (array, _), start, stop in zip(asks, bounds, bounds[1:], strict=False):
        if array.is_vlen:
            try:
                out[start:stop] = unwrap_cells(raw[start:stop])
            except DamagedError as error:
                error.cells = tuple(start + c for c in error.cells)
                raise
    return out


_EMPTY = np.empty(0, np.uint8)
_MOST_ZEROS = 256 << 20  # bytes of cells of one array and wave that are not stored because they are zero


def _located(error: DamagedError, asks: Sequence[CellAsk], bounds: list[int]) -> DamagedError:
    """The error with the array of its first cell, its cells counted within that array."""
    if not error.cells:
        return error
    which = int(np.searchsorted(bounds, error.cells[0], side="right")) - 1
    array, coords = asks[which]
    own = [c - bounds[which] for c in error.cells if bounds[which] <= c < bounds[which + 1]]
    return UnreadableCells(locate_error(error, array.path, coords, own), which)


def locate_error(
    error: DamagedError, path: str, coords: NDArray[np.int64], cells: Sequence[int] | None = None
) -> DamagedError:
    """`error` with the array's path and the chunk of its first cell; `cells` replaces its list of cells."""
    own = tuple(error.cells if cells is None else cells)
    named = ".".join(map(str, coords[own[0]].tolist())) if own and own[0] < len(coords) else None
    return DamagedError(
        error.part, found=error.found, expected=error.expected, cells=own, array=error.array or path, cell=named
    )
