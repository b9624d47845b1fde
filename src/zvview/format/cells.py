"""The ``vlen-bytes`` cell: the outermost shape of every payload, and the array tools its decoders share.

A cell is ``uint32 count`` followed by ``count`` items, each ``uint32 nbytes`` and its bytes. Grid arrays hold one item
a cell, the rows of manifests and groups many. This module takes cells apart and puts them together; what the payloads
mean is the business of :mod:`~zvview.format.fragments`, :mod:`~zvview.format.manifests` and
:mod:`~zvview.format.links`.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from zvview.errors import DamagedError, InvalidInputError
from zvview.format.sequences import offsets_of

__all__ = [
    "FARTHEST_CHUNK",
    "Buffer",
    "Faults",
    "RowTable",
    "anywhere",
    "join_rows",
    "read_records",
    "split_rows",
    "spread",
    "unwrap_cells",
    "vlen_header",
    "write_records",
]

Buffer: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]

FARTHEST_CHUNK = 1 << 53
"""Largest magnitude of a chunk coordinate or offset: beyond it float64 positions no longer tell whole numbers apart,
and sums of a few coordinates below it cannot overflow int64."""

_UINT32_MAX = (1 << 32) - 1
_HEADER = struct.Struct("<II")
_UINT32 = struct.Struct("<I")
_MANY_ROWS, _SPARSE_ROW = 512, 24  # fewer rows are walked, and such of more bytes each
_LONG_ROW = 1024  # bytes of a row from which copying rows one by one is faster than all at once by a mask
_MOST_SIFTINGS = 5  # of places that may begin a row: a chunk coordinate of 4 looks like a row of no records


class Faults:
    """Which of the cells given to a decoder are bad, and why; ends in one error that names them all.

    Parameters
    ----------
    part : str
        What is being decoded, for the message.
    count : int
        Number of cells.
    """

    __slots__ = ("_reason", "_reasons", "part")

    def __init__(self, part: str, count: int) -> None:
        self.part = part
        self._reason = np.zeros(count, np.uint8)
        self._reasons: list[tuple[str, str]] = []

    @property
    def bad(self) -> NDArray[np.bool_]:
        """(C,) bool, the cells marked so far."""
        return self._reason > 0

    def mark(self, where: NDArray[np.bool_] | NDArray[np.int64], found: str, expected: str) -> None:
        """Mark cells, given as a (C,) mask or as indices; a cell keeps the first reason it got."""
        cells = np.flatnonzero(where) if where.dtype == np.bool_ else where
        if len(cells):
            self._reasons.append((found, expected))
            self._reason[cells[self._reason[cells] == 0]] = len(self._reasons)

    def check(self) -> None:
        """Raise :class:`~zvview.errors.DamagedError` if any cell is marked."""
        cells = np.flatnonzero(self._reason)
        if len(cells):
            found, expected = self._reasons[self._reason[cells[0]] - 1]
            more = f" (and {len(cells) - 1} more)" if len(cells) > 1 else ""
            raise DamagedError(self.part, found=found + more, expected=expected, cells=cells.tolist())


@dataclass(frozen=True, slots=True)
class RowTable:
    """Where the items of a many-item cell lie.

    Attributes
    ----------
    buffer : (B,) uint8
        The whole cell, not copied.
    starts, sizes : (n,) int64
        Row i is ``buffer[starts[i] : starts[i] + sizes[i]]``.
    """

    buffer: NDArray[np.uint8]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def nbytes(self) -> int:
        """Bytes of all three arrays."""
        return self.buffer.nbytes + self.starts.nbytes + self.sizes.nbytes


def anywhere(buffer: NDArray[np.uint8], dtype: npt.DTypeLike) -> NDArray[Any]:
    """View of the bytes in which element i is the `dtype` value that starts at byte i, aligned or not.

    It has ``len(buffer) - itemsize + 1`` elements, none for a shorter buffer. A gather through it reads scattered
    fields of any record layout at once, a scatter through the view of a writable buffer writes them.
    """
    kind = np.dtype(dtype)
    return np.ndarray((max(0, len(buffer) - kind.itemsize + 1),), kind, buffer.data, strides=(1,))


def read_records(buffer: NDArray[np.uint8], dtype: np.dtype[np.void], at: NDArray[np.int64]) -> NDArray[np.void]:
    """Packed records of `dtype` that start at the bytes `at`.

    They are gathered as opaque bytes, a third of the time that numpy takes field by field.
    """
    return anywhere(buffer, f"V{dtype.itemsize}")[at].view(dtype)


def write_records(buffer: NDArray[np.uint8], at: NDArray[np.int64], records: NDArray[np.void]) -> None:
    """Put packed records at the bytes `at`; the inverse of :func:`read_records`."""
    opaque = f"V{records.dtype.itemsize}"
    anywhere(buffer, opaque)[at] = records.view(opaque)


def spread(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Number the members of consecutive groups.

    Parameters
    ----------
    counts : (n,) int64
        Members of each group, none negative.

    Returns
    -------
    first : (n + 1,) int64
        Members of group g are ``first[g] : first[g + 1]``.
    owner, local : (first[n],) int64
        Group of each member and its number inside the group.
    """
    first = offsets_of(counts)
    owner = np.repeat(np.arange(len(counts)), counts)
    return first, owner, np.arange(first[-1]) - np.repeat(first[:-1], counts)


def vlen_header(nbytes: int) -> bytes:
    """The 8 bytes before the payload of a one-item cell."""
    if not 0 <= nbytes <= _UINT32_MAX:
        raise InvalidInputError(f"a cell payload holds 0 to {_UINT32_MAX} bytes, not {nbytes}; use smaller chunks")
    return _HEADER.pack(1, nbytes)


def unwrap_cells(cells: Sequence[Buffer | None]) -> list[NDArray[np.uint8]]:
    """Payloads of one-item cells as views; an absent cell (None or no bytes) gives an empty payload.

    Raises
    ------
    DamagedError
        Cells that do not hold exactly one item and nothing after it.
    """
    raw = [np.frombuffer(cell, np.uint8) if cell is not None else np.empty(0, np.uint8) for cell in cells]
    sizes = np.fromiter(map(len, raw), np.int64, len(raw))
    faults = Faults("cell", len(raw))
    faults.mark((sizes > 0) & (sizes < 8), "fewer than 8 bytes", "a header of 8 bytes")
    full = np.flatnonzero(sizes >= 8)
    if len(full):
        heads = np.concatenate([raw[i][:8] for i in full]).view("<u4").reshape(-1, 2)
        faults.mark(full[heads[:, 0] != 1], "a number of items other than 1", "one item")
        faults.mark(full[heads[:, 1] != sizes[full] - 8], "an item length that is not that of the cell", "all bytes")
    faults.check()
    return [cell[8:] for cell in raw]


def split_rows(cell: Buffer, expected_rows: int | None = None) -> RowTable:
    """Find the rows of a many-item cell.

    Parameters
    ----------
    cell : buffer
        The cell, decompressed. (An absent cell holds rows of no bytes; that is for the caller to know.)
    expected_rows : int, optional
        Number of rows it must have.

    Raises
    ------
    DamagedError
        The number of rows is another, the lengths run past the end, or bytes are left over.
    """
    buffer = np.frombuffer(cell, np.uint8)
    if len(buffer) < 4:
        raise DamagedError("row cell", found=f"{len(buffer)} bytes", expected="at least 4", cells=(0,))
    count = int(buffer[:4].view("<u4")[0])
    if expected_rows is not None and count != expected_rows:
        raise DamagedError("row cell", found=f"{count} rows", expected=f"{expected_rows}", cells=(0,))
    if 4 * count > len(buffer) - 4:
        raise DamagedError(
            "row cell", found=f"{count} rows in {len(buffer)} bytes", expected="room for them", cells=(0,)
        )
    places = _row_places(buffer, count)
    if places[-1] != len(buffer):
        raise DamagedError("row cell", found="bytes after the last row", expected="none", cells=(0,))
    return RowTable(buffer, places[:-1] + 4, places[1:] - places[:-1] - 4)


def _row_places(buffer: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """Where each of `count` rows starts with its length, and where the last ends; `count` is known to be possible."""
    if count == 0:
        return np.array([4], np.int64)
    stride = 4 + int(buffer[4:8].view("<u4")[0])
    if len(buffer) == 4 + count * stride:
        # If every length found at a fixed stride is the stride's own, each tells where the next one is: an induction.
        lengths = anywhere(buffer, "<u4")[4::stride][:count]
        if bool((lengths == stride - 4).all()):
            return 4 + stride * np.arange(count + 1)
    if count >= _MANY_ROWS and len(buffer) < _SPARSE_ROW * count:
        counted = _find_counted(buffer, count)
        if counted is not None:
            return counted
    # Other lengths are a chain, each telling where the next one lies. This walk takes 75 ns a row; numcodecs' one in C
    # takes longer, because it makes an object of every row.
    read_uint32, data, place, places = _UINT32.unpack_from, buffer.data, 4, [4]
    append = places.append
    try:
        for _ in repeat(None, count):
            place += 4 + read_uint32(data, place)[0]
            append(place)
    except struct.error as error:
        raise DamagedError(
            "row cell", found="a row that runs past the end", expected="whole rows", cells=(0,)
        ) from error
    return np.array(places, np.int64)


def _find_counted(buffer: NDArray[np.uint8], count: int) -> NDArray[np.int64] | None:
    """As :func:`_row_places` where each row is uint32 n and n records of one size: manifests. None where some are not.

    Where the two first numbers fit each other a row may begin, if one may begin behind it. Nearly all such places are
    rows; the chain is followed from one stretch of them to the next. That takes half to a fifth of a walk.
    """
    bare = buffer[4 : 4 + (len(buffer) - 4) // 8 * 8].view("<u8") != 4  # rows of no records
    start = 4 + 8 * int(np.argmax(bare))
    length, number = (int(n) for n in buffer[start : start + 8].view("<u4"))
    if not number or length <= 4 or (length - 4) % number:
        return None
    size = (length - 4) // number
    last = len(buffer) - 8
    low, high = buffer[4 : last + 1], buffer[8 : last + 5]
    fits = low == high * np.uint8(size & 0xFF) + np.uint8(4)
    for byte in (2, 3, 6, 7):
        fits &= buffer[4 + byte : last + 1 + byte] == 0
    at = np.flatnonzero(fits) + 4
    words = anywhere(buffer, "<u4")
    lengths = words[at].astype(np.int64)
    is_exact = lengths == 4 + size * words[at + 4].astype(np.int64)
    at, after = at[is_exact], (at + 4 + lengths)[is_exact]
    is_place = np.zeros(len(buffer) + 1, np.bool_)
    for _ in range(_MOST_SIFTINGS):
        is_place[:] = False
        is_place[at] = is_place[len(buffer)] = True
        leads_on = (after <= len(buffer)) & is_place[np.minimum(after, len(buffer))]
        if leads_on.all():
            break
        at, after = at[leads_on], after[leads_on]
    breaks = np.flatnonzero(after[:-1] != at[1:]).tolist()
    if not len(at) or at[0] != 4 or len(breaks) > len(at) // 8:
        return None
    breaks.append(len(at) - 1)
    parts, row = [], 0
    while True:
        stop = breaks[bisect_left(breaks, row)]
        parts.append(at[row : stop + 1])
        place = int(after[stop])
        row = int(np.searchsorted(at, place))
        if row == len(at) or at[row] != place:
            break
    places = np.append(np.concatenate(parts), place)
    return places if len(places) == count + 1 else None


def join_rows(buffer: NDArray[np.uint8], sizes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Make the many-item cell of rows that lie one after the other.

    Parameters
    ----------
    buffer : (B,) uint8
        Bytes of all rows.
    sizes : (n,) int64
        Bytes of each row; they sum to B.

    Raises
    ------
    InvalidInputError
        The sizes are negative, too large for the format, or do not sum to B.
    """
    sizes = np.asarray(sizes, np.int64)
    if len(sizes) > _UINT32_MAX or (
        len(sizes) and not (sizes.min() >= 0 and sizes.max() <= min(_UINT32_MAX, len(buffer)))
    ):
        raise InvalidInputError("row sizes must lie between 0 and the bytes given")
    if int(sizes.sum()) != len(buffer):
        raise InvalidInputError(f"row sizes sum to {int(sizes.sum())}, but {len(buffer)} bytes were given")
    cell = np.empty(4 + 4 * len(sizes) + len(buffer), np.uint8)
    heads = np.concatenate(([0], 4 + np.cumsum(sizes + 4) - (sizes + 4)))
    anywhere(cell, "<u4")[heads] = np.concatenate(([len(sizes)], sizes))
    if len(buffer) > _LONG_ROW * len(sizes):
        ends = np.cumsum(sizes)
        for head, start, stop in zip(heads[1:].tolist(), (ends - sizes).tolist(), ends.tolist(), strict=True):
            cell[head + 4 : head + 4 + stop - start] = buffer[start:stop]
        return cell
    is_payload = np.ones(len(cell), np.bool_)
    is_payload[heads[:, None] + np.arange(4)] = False
    cell[is_payload] = buffer
    return cell
