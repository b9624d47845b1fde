"""Links: the bytes of a cell, and where a record is filed. Names and permutations are in ``link_addresses``.

A record is L endpoints, each a chunk and a row of that chunk's vertex buffer. It lies in the cell of its source
chunk, as its L rows. Undirected records that cross chunks are stored sorted, behind the code of the permutation that
gives back the original order, and with it edge direction and face winding. The rows of the array of delta 0 with all
offsets zero fill their cells; those of every other array are a ragged blob: ``int64 K``, K x int64 byte offsets of
row groups, the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError, UnsupportedError
from zvview.format.cells import FARTHEST_CHUNK, Faults, spread
from zvview.format.link_addresses import (
    anchor_chunks,
    check_permuted_width,
    format_delta,
    format_offsets,
    has_permutation,
    parse_delta,
    parse_offsets,
    permutation_codes,
    permutation_table,
    slot_table,
)

__all__ = [
    "LinkRecords",
    "LinkSegment",
    "anchor_chunks",
    "decode_links",
    "drop_copies",
    "encode_links",
    "file_links",
    "format_delta",
    "format_offsets",
    "has_permutation",
    "parse_delta",
    "parse_offsets",
    "permutation_codes",
    "permutation_table",
]


@dataclass(frozen=True, slots=True)
class LinkRecords:
    """Records of a sequence of cells, endpoints in original order.

    Attributes
    ----------
    counts : (C,) int64
        Records in each cell.
    rows : (M, L) int64
        Row of each endpoint in its chunk's vertex buffer. Negative rows are kept; nothing here knows the buffers.
    slots : (M, L) int64
        Storage slot of each endpoint: 0 lies in the source chunk, k in ``anchor(source) + offset_k``.
    """

    counts: NDArray[np.int64]
    rows: NDArray[np.int64]
    slots: NDArray[np.int64]

    def cell_of(self) -> NDArray[np.int64]:
        """(M,) int64, the cell each record lies in."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def chunks(
        self, sources: NDArray[np.int64], offsets: NDArray[np.int64], anchors: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Chunk of every endpoint.

        Parameters
        ----------
        sources : (C, sid) int64
            Source chunk of each cell.
        offsets : (L - 1, sid) int64
            Offsets of the array.
        anchors : (C, sid) int64, optional
            The sources in the grid of the other level (:func:`anchor_chunks`); default the sources (delta 0).

        Returns
        -------
        (M, L, sid) int64
        """
        others = (sources if anchors is None else anchors)[:, None] + offsets
        stored = np.concatenate((sources[:, None], others), axis=1)
        return stored[self.cell_of()[:, None], self.slots]


@dataclass(frozen=True, slots=True)
class LinkSegment:
    """Records that share an array, cell by cell, as they are stored.

    Attributes
    ----------
    offsets : (L - 1, sid) int64
        Offsets of the array; :func:`format_offsets` names it.
    coords : (K, sid) int64
        Source chunks, unique, sorted as numbers.
    counts : (K,) int64
        Records in each cell.
    rows : (m, W) int64
        Stored rows, led by the permutation code where the array has one (W = L + 1).
    order : (m,) int64
        Index of each among the records that were filed, to align link attributes.
    """

    offsets: NDArray[np.int64]
    coords: NDArray[np.int64]
    counts: NDArray[np.int64]
    rows: NDArray[np.int64]
    order: NDArray[np.int64]

    @property
    def name(self) -> str:
        """Name of the array."""
        return format_offsets(self.offsets)


def decode_links(
    cells: Sequence[NDArray[np.uint8]],
    *,
    width: int,
    dtype: np.dtype[np.generic] | None = None,
    is_ragged: bool,
    has_perm: bool,
) -> LinkRecords:
    """Decode the cells of one link array.

    Parameters
    ----------
    cells : sequence of C (nbytes,) uint8
        Payloads; an empty one holds no record.
    width : int
        Endpoints L of a record.
    dtype : dtype
        The array's ``dtype`` attribute; default little-endian int64.
    is_ragged : bool
        Every array but that of delta 0 with all offsets zero: rows follow a header of K and K byte offsets.
    has_perm : bool
        Whether rows start with a permutation code (:func:`has_permutation`).

    Raises
    ------
    DamagedError
        With all bad cells: sizes or offsets that do not fit, or a permutation code that is none.
    UnsupportedError
        A dtype that is not of whole numbers, or permuted records of more than 8 endpoints.
    """
    dtype = np.dtype("<i8") if dtype is None else np.dtype(dtype)
    if dtype.kind not in "iu":
        raise UnsupportedError(f"links of dtype {dtype}; row indices are whole numbers")
    if has_perm:
        check_permuted_width(width)
    columns = width + has_perm
    faults = Faults("link cell", len(cells))
    sizes = np.fromiter(map(len, cells), np.int64, len(cells))
    heads = _ragged_headers(cells, sizes, columns * dtype.itemsize, faults) if is_ragged else np.zeros_like(sizes)
    counts, rest = np.divmod(sizes - heads, columns * dtype.itemsize)
    faults.mark(rest != 0, "bytes that are no whole number of records", f"records of {columns} x {dtype}")
    counts[faults.bad] = 0

    data = [cells[i][heads[i] :] for i in np.flatnonzero(~faults.bad).tolist()]
    joined = np.concatenate([np.empty(0, np.uint8), *data])
    stored = joined.view(dtype).reshape(-1, columns).astype(np.int64)
    cell = np.repeat(np.arange(len(cells)), counts)
    if dtype.kind == "u":
        faults.mark(cell[(stored < 0).any(axis=1)], "rows beyond int64", "row indices")
    if not has_perm:
        faults.check()
        return LinkRecords(counts, stored, np.broadcast_to(np.arange(width), stored.shape))
    codes = stored[:, 0]
    faults.mark(
        cell[(codes < 0) | (codes >= factorial(width))], "a permutation code that is none", f"0 to {width}! - 1"
    )
    faults.check()
    slots = slot_table(width)[codes]
    return LinkRecords(counts, np.take_along_axis(stored[:, 1:], slots, axis=1), slots)


def _ragged_headers(
    cells: Sequence[NDArray[np.uint8]], sizes: NDArray[np.int64], row_bytes: int, faults: Faults
) -> NDArray[np.int64]:
    """(C,) bytes before the rows of each cell. Groups are contiguous, so their offsets are checked and not needed."""
    stored = sizes > 0
    faults.mark(stored & (sizes < 8), "fewer than 8 bytes", "a number of row groups")
    readable = np.flatnonzero(sizes >= 8)
    groups = np.zeros(len(cells), np.int64)
    if len(readable):
        groups[readable] = np.concatenate([cells[i][:8] for i in readable.tolist()]).view("<i8")
    bad = (groups < 0) | (groups > np.maximum(sizes - 8, 0) // 8)
    faults.mark(bad, "a number of row groups that cannot be", "groups whose offsets fit")
    groups[bad] = 0
    heads = np.where(sizes >= 8, 8 + 8 * groups, sizes)
    faults.mark(stored & ~bad & (groups == 0) & (sizes > heads), "rows in no group", "at least one group")

    first, cell, local = spread(groups)
    if len(cell):
        grouped = np.flatnonzero(groups)
        offsets = np.concatenate([cells[i][8 : heads[i]] for i in grouped.tolist()]).view("<i8")
        before = np.concatenate(([0], offsets[:-1]))
        before[local == 0] = 0
        leads = np.zeros(len(cell), np.bool_)
        leads[first[grouped]] = True
        astray = (offsets < before) | (offsets > (sizes - heads)[cell]) | (offsets % row_bytes != 0)
        faults.mark(
            cell[astray | (leads & (offsets != 0))], "row group offsets that do not fit", "contiguous whole rows"
        )
    return heads


def file_links(
    chunks: NDArray[np.int64],
    rows: NDArray[np.int64],
    *,
    directed: bool = False,
    anchors: NDArray[np.int64] | None = None,
) -> list[LinkSegment]:
    """Decide where records are stored (``store = canonical``) and in which order of endpoints.

    Parameters
    ----------
    chunks : (M, L, sid) int64
        Chunk of every endpoint.
    rows : (M, L) int64
        Its row in that chunk's vertex buffer.
    directed : bool
        Keep the order of endpoints; no permutation is stored.
    anchors : (M, sid) int64, optional
        For links to another level: endpoint 0's chunk in that level's grid (:func:`anchor_chunks`). Order is then kept.

    Returns
    -------
    list of LinkSegment
        By name. Records of one cell stay in the order given.
    """
    chunks, rows = np.asarray(chunks, np.int64), np.asarray(rows, np.int64)
    if chunks.size and max(-int(chunks.min()), int(chunks.max())) > FARTHEST_CHUNK:
        raise InvalidInputError(
            "chunk coordinates beyond 2**53; the positions are not of this world or the chunks too small"
        )
    count, width, sid_ndim = chunks.shape
    # (L, sid, M): long columns sort and compare fastest. A copy in any case, for it is changed.
    stored = np.array(chunks.transpose(1, 2, 0), order="C")
    codes = np.zeros(count, np.int64)
    if not directed and anchors is None and width == 2:  # nearly all links: no sort is needed to order two
        turned = np.flatnonzero(_is_before(stored[1], stored[0]))
        codes[turned] = permutation_codes(np.array([[1, 0]]))
        stored[:, :, turned] = stored[::-1][:, :, turned]
        rows = rows.copy()
        rows[turned] = rows[turned, ::-1]
    elif not directed and anchors is None and width > 1:
        crossing = np.flatnonzero((stored[1:] != stored[0]).any(axis=(0, 1)))
        keys = (rows[crossing], *np.moveaxis(chunks[crossing], 2, 0)[::-1])
        perms = np.lexsort(keys, axis=-1)
        codes[crossing] = permutation_codes(perms)
        ordered = np.take_along_axis(chunks[crossing], perms[:, :, None], axis=1)
        stored[:, :, crossing] = ordered.transpose(1, 2, 0)
        rows = rows.copy()
        rows[crossing] = np.take_along_axis(rows[crossing], perms, axis=1)
    stored[1:] -= stored[0] if anchors is None else np.asarray(anchors, np.int64).T
    sources, offsets = stored[0], stored[1:]
    order = _sort_columns([*offsets.reshape((width - 1) * sid_ndim, count), *sources])
    keeps_order = directed or anchors is not None
    return _cut_segments(sources[:, order], offsets[:, :, order], order, codes[order], rows[order], keeps_order)


def _is_before(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether columns of one (sid, M) table come before those of another, the first component leading, (M,)."""
    out = np.zeros(first.shape[1], np.bool_)
    for a, b in zip(first[::-1], second[::-1], strict=True):
        out &= a == b
        out |= a < b
    return out


def _cut_segments(
    sources: NDArray[np.int64],
    offsets: NDArray[np.int64],
    order: NDArray[np.int64],
    codes: NDArray[np.int64],
    rows: NDArray[np.int64],
    keeps_order: bool,
) -> list[LinkSegment]:
    """Cut sorted records where their (L - 1, sid, M) offsets change, and those where their (sid, M) sources do."""
    count = len(order)
    if count == 0:
        return []
    new_array = np.ones(count, np.bool_)
    new_array[1:] = (offsets[:, :, 1:] != offsets[:, :, :-1]).any(axis=(0, 1))
    new_cell = new_array.copy()
    new_cell[1:] |= (sources[:, 1:] != sources[:, :-1]).any(axis=0)
    starts, cell_starts = np.flatnonzero(new_array), np.flatnonzero(new_cell)
    segments = []
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), count], strict=True):
        cells = cell_starts[np.searchsorted(cell_starts, start) : np.searchsorted(cell_starts, stop)]
        shared = offsets[:, :, start].copy()
        stored = rows[start:stop]
        if not keeps_order and shared.any():
            stored = np.concatenate((codes[start:stop, None], stored), axis=1)
        coords = np.ascontiguousarray(sources[:, cells].T)
        segments.append(LinkSegment(shared, coords, np.diff(np.append(cells, stop)), stored, order[start:stop]))
    return sorted(segments, key=lambda segment: segment.name)


def _sort_columns(columns: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Stable order of rows given as columns, the first column leading."""
    if len(columns[0]) == 0:
        return np.empty(0, np.int64)
    lows = [int(column.min()) for column in columns]
    spans = [int(column.max()) - low + 1 for column, low in zip(columns, lows, strict=True)]
    size = prod(spans)
    if size >= 1 << 63:
        return np.lexsort(columns[::-1])
    key = np.zeros(len(columns[0]), np.int64)  # one key per row: several times faster than one sort per column
    for column, low, span in zip(columns, lows, spans, strict=True):
        if span > 1:
            key *= span
            key += column
            key -= low
    return np.argsort(key.astype(np.uint16) if size <= 1 << 16 else key, kind="stable")  # 16 bits: a radix sort


def encode_links(segment: LinkSegment, *, delta: int = 0) -> list[NDArray[np.uint8]]:
    """Payload of each source chunk: flat rows where delta and all offsets are zero, else one group after a header."""
    data = np.ascontiguousarray(segment.rows, "<i8").reshape(-1).view(np.uint8)
    ends = (np.cumsum(segment.counts) * segment.rows.shape[1] * 8).tolist()
    cells = [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    if delta == 0 and not segment.offsets.any():
        return cells
    header = np.array([1, 0], "<i8").view(np.uint8)  # one group, at byte 0 of the rows
    return [np.concatenate((header, cell)) for cell in cells]


def drop_copies(
    chunks: NDArray[np.int64], slots: NDArray[np.int64], *, read: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Keep one of the copies that a ``store = duplicate`` family holds of each record.

    A record is stored once in each distinct chunk it touches. Kept are the copies that lie in the smallest (as numbers,
    axis by axis) touched chunk whose cells were read: each record has exactly one there, so that records which are
    equal by themselves, such as a double edge, keep their multiplicity. Comparing contents could not tell them from
    copies.

    Parameters
    ----------
    chunks : (M, L, sid) int64
        Chunk of every endpoint, original order.
    slots : (M, L) int64
        Their storage slots (:class:`LinkRecords`); the endpoint of slot 0 tells where the copy lies.
    read : (R, sid) int64, optional
        Chunks whose cells were read in all arrays of the family; default all that there are.

    Returns
    -------
    (m,) int64
        Indices of the records to keep, ascending.
    """
    count, width, sid_ndim = chunks.shape
    known = np.empty((0, sid_ndim), np.int64) if read is None else np.asarray(read, np.int64)
    everything = np.concatenate((known, chunks.reshape(-1, sid_ndim)))
    order = _sort_columns(list(everything.T))
    ranks = np.zeros(len(everything), np.int64)
    ranks[order[1:]] = np.cumsum((everything[order[1:]] != everything[order[:-1]]).any(axis=1))
    touched = ranks[len(known) :].reshape(count, width)
    source = np.where(slots == 0, touched, 0).sum(axis=1)
    if read is not None:
        is_read = np.zeros(len(ranks) + 1, np.bool_)
        is_read[ranks[: len(known)]] = True
        touched = np.where(is_read[touched], touched, len(ranks))
    return np.flatnonzero(source == touched.min(axis=1))
