"""The fragment index of a chunk (``fragment_index_v1``): which rows of the chunk's buffer make up each fragment.

The same bytes describe ``vertex_fragments`` (rows of ``vertices``) and ``link_fragments`` (rows of the link cell). A
wave of cells is decoded into one :class:`FragmentTable` by gathers over the joined bytes, with no work per fragment
in Python. ::

    uint32 magic, uint16 version, uint16 flags, uint32 F fragments, uint32 R of them ranges
    bitmap of F bits (1 = range), padded to 8 bytes
    R x (int64 start, int64 count)
    (F - R + 1) x uint32 explicit offsets, then the int64 explicit rows, without padding between

F = 0 is the 16-byte header alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format.cells import Faults, anywhere, read_records, spread, write_records
from zvview.format.sequences import offsets_of

__all__ = ["FragmentTable", "decode_fragments", "encode_fragments", "encode_ranges"]

_MAGIC = 0x5A564647
_VERSION_AND_FLAGS = 1  # uint16 version 1, uint16 flags 0
_RANGE = np.dtype([("start", "<i8"), ("count", "<i8")])

# Sixteen bytes can claim a whole chunk of rows, so overlapping ranges are bounded. Objects that share rows repeat
# them a few times; 64 times is beyond any known writer. Small chunks may repeat theirs more often while the cost
# stays small.
_MAX_REPEATS = 64
_FREE_ROWS_PER_CELL = 1 << 20
_FREE_ROWS = 1 << 24


@dataclass(frozen=True, slots=True)
class FragmentTable:
    """Fragments of a sequence of cells (chunks).

    Attributes
    ----------
    first : (C + 1,) int64
        Fragments of cell c are ``first[c] : first[c + 1]``.
    counts : (F,) int64
        Rows in each fragment.
    starts : (F,) int64
        First row of a range; for an explicit fragment the index of its first entry in `explicit`.
    is_range : (F,) bool
        Whether the fragment is a run of consecutive rows.
    explicit : (T,) int64
        Rows of the explicit fragments. All rows are local to their cell.
    """

    first: NDArray[np.int64]
    counts: NDArray[np.int64]
    starts: NDArray[np.int64]
    is_range: NDArray[np.bool_]
    explicit: NDArray[np.int64]

    def cell_of(self) -> NDArray[np.int64]:
        """(F,) int64, the cell each fragment belongs to."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    def tiles(self, row_counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell the cells whose buffer is, row by row, the concatenation of their fragments.

        Parameters
        ----------
        row_counts : (C,) int64
            Rows in each cell's buffer.

        Returns
        -------
        (C,) bool
            True where all fragments are ranges, in order, without gap or overlap, from row 0 to the last.
        """
        before = offsets_of(self.counts)
        local = before[:-1] - np.repeat(before[self.first[:-1]], np.diff(self.first))
        astray = offsets_of(~(self.is_range & ((self.starts == local) | (self.counts == 0))))
        in_order = np.diff(astray[self.first]) == 0
        complete = np.diff(before[self.first]) == row_counts
        return np.asarray(in_order & complete)

    def rows(self, select: NDArray[np.int64] | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of fragments, one fragment after the other.

        Parameters
        ----------
        select : (f,) int64, optional
            Fragments wanted, in this order, repeats allowed; default all.

        Returns
        -------
        offsets : (f + 1,) int64
            Rows of the i-th selected fragment are ``rows[offsets[i] : offsets[i + 1]]``.
        rows : (t,) int64
            Rows local to the fragment's cell.
        """
        counts, starts, is_range = self.counts, self.starts, self.is_range
        if select is not None:
            counts, starts, is_range = counts[select], starts[select], is_range[select]
        offsets = offsets_of(counts)
        rows = np.repeat(starts - offsets[:-1], counts)
        rows += np.arange(len(rows))
        if not is_range.all():
            listed = np.repeat(~is_range, counts)
            rows[listed] = self.explicit[rows[listed]]
        return offsets, rows


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the sections of each cell lie in the joined bytes; all arrays (C,) int64."""

    fragments: NDArray[np.int64]
    ranges: NDArray[np.int64]
    listed: NDArray[np.int64]  # rows of the explicit fragments
    bitmap_at: NDArray[np.int64]
    ranges_at: NDArray[np.int64]
    offsets_at: NDArray[np.int64]
    explicit_at: NDArray[np.int64]


def decode_fragments(cells: Sequence[NDArray[np.uint8]], row_counts: NDArray[np.int64]) -> FragmentTable:
    """Decode the fragment indexes of a wave of chunks.

    Parameters
    ----------
    cells : sequence of C (nbytes,) uint8
        Payloads. An empty one beside a chunk with N > 0 rows stands for one range (0, N).
    row_counts : (C,) int64
        Rows in the buffer of each chunk.

    Raises
    ------
    DamagedError
        With all bad cells: header, sizes, bitmap or offsets contradict each other or the bytes, a row lies outside its
        buffer, or overlapping ranges name the rows of a chunk more than 64 times.
    """
    row_counts = np.asarray(row_counts, np.int64)
    faults = Faults("fragment index", len(cells))
    sizes = np.fromiter(map(len, cells), np.int64, len(cells))
    # 40 spare zeros: the fields of an absent or short last cell are then readable, if meaningless.
    buffer = np.concatenate([*cells, np.zeros(40, np.uint8)])
    is_whole = (sizes == 0) & (row_counts > 0)
    layout = _read_headers(buffer, sizes, is_whole, faults)
    first, cell, local, is_range = _read_bitmaps(buffer, layout, is_whole, faults)

    before = offsets_of(is_range)
    fragments = np.diff(first)
    rank = before[:-1] - np.repeat(before[first[:-1]], fragments)
    counts, starts = np.empty(len(cell), np.int64), np.empty(len(cell), np.int64)
    pairs = read_records(buffer, _RANGE, (np.repeat(layout.ranges_at, fragments) + 16 * rank)[is_range])
    starts[is_range], counts[is_range] = pairs["start"], pairs["count"]
    stand_in = first[:-1][is_whole & ~faults.bad]
    starts[stand_in], counts[stand_in] = 0, row_counts[is_whole & ~faults.bad]
    room = np.repeat(row_counts, fragments) - starts
    astray = is_range & ((starts < 0) | (counts < 0) | ((counts > 0) & (counts > room)))
    faults.mark(cell[astray], "a range outside the chunk's rows", "rows below the number of rows in the chunk")

    listed_before, listed_cell, listed_local = spread(layout.listed)
    explicit = anywhere(buffer, "<i8")[layout.explicit_at[listed_cell] + 8 * listed_local]
    astray = (explicit < 0) | (explicit >= row_counts[listed_cell])
    faults.mark(listed_cell[astray], "an explicit row outside the chunk's rows", "rows of the chunk")
    lists = np.flatnonzero(~is_range)
    if len(lists):
        owner = cell[lists]
        at = layout.offsets_at[owner] + 4 * (local - rank)[lists]
        uint32 = anywhere(buffer, "<u4")
        begin, end = uint32[at].astype(np.int64), uint32[at + 4].astype(np.int64)
        faults.mark(owner[end < begin], "explicit offsets that go back", "ascending offsets")
        starts[lists], counts[lists] = listed_before[owner] + begin, end - begin

    _check_repeats(cell, counts, row_counts, faults)
    faults.check()
    return FragmentTable(first, counts, starts, is_range, explicit)


def _read_headers(
    buffer: NDArray[np.uint8], sizes: NDArray[np.int64], is_whole: NDArray[np.bool_], faults: Faults
) -> _Layout:
    """Read and check what can be told per cell; a bad cell comes out as one without fragments."""
    uint32, uint64 = anywhere(buffer, "<u4"), anywhere(buffer, "<u8")
    at = np.cumsum(sizes) - sizes
    stored = sizes > 0
    head = [uint32[at + 4 * k].astype(np.int64) for k in range(4)]
    faults.mark(stored & (sizes < 16), "fewer than 16 bytes", "a header of 16 bytes")
    faults.mark(stored & (head[0] != _MAGIC), "another magic number", f"{_MAGIC:#x}")
    faults.mark(stored & (head[1] != _VERSION_AND_FLAGS), "another version or flags", "version 1, flags 0")
    faults.mark(stored & (head[3] > head[2]), "more ranges than fragments", "at most as many")
    readable = stored & ~faults.bad
    fragments, ranges = np.where(readable, head[2], is_whole), np.where(readable, head[3], is_whole)
    lists = fragments - ranges
    has_body = readable & (fragments > 0)

    bitmap_at = at + 16
    ranges_at = bitmap_at + np.where(has_body, (fragments + 63) // 64 * 8, 0)
    offsets_at = ranges_at + 16 * ranges
    explicit_at = offsets_at + 4 * (lists + 1)
    end = at + sizes
    short = has_body & (explicit_at > end)
    faults.mark(short, "fewer bytes than its fragments need", "the bytes the header asks for")
    has_body &= ~short
    listed = np.where(has_body, uint32[np.where(has_body, explicit_at - 4, 0)].astype(np.int64), 0)
    faults.mark(
        has_body & (explicit_at + 8 * listed != end), "another size than its sections sum to", "no byte more or less"
    )
    faults.mark(readable & (fragments == 0) & (sizes != 16), "bytes after an empty index", "16 bytes")
    faults.mark(has_body & (uint32[np.where(has_body, offsets_at, 0)] != 0), "explicit offsets not from 0", "0 first")
    partial = has_body & (fragments % 64 > 0)
    last_word = uint64[np.where(partial, ranges_at - 8, 0)] >> (fragments % 64).astype(np.uint64)
    faults.mark(partial & (last_word != 0), "bits set after the last fragment's", "a bitmap padded with zeros")

    good = ~faults.bad
    return _Layout(
        fragments=np.where(good, fragments, 0),
        ranges=np.where(good, ranges, 0),
        listed=np.where(good, listed, 0),
        bitmap_at=bitmap_at,
        ranges_at=ranges_at,
        offsets_at=offsets_at,
        explicit_at=explicit_at,
    )


def _read_bitmaps(
    buffer: NDArray[np.uint8], layout: _Layout, is_whole: NDArray[np.bool_], faults: Faults
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Number the fragments and tell the ranges among them; cells whose bitmap miscounts are marked and left out."""
    fragments, ranges = layout.fragments, layout.ranges
    while True:
        first, cell, local = spread(fragments)
        byte = buffer[np.repeat(layout.bitmap_at, fragments) + (local >> 3)]
        is_range = (byte >> (local & 7).astype(np.uint8) & 1).astype(np.bool_) | np.repeat(is_whole, fragments)
        wrong = np.diff(offsets_of(is_range)[first]) != ranges
        if not wrong.any():
            return first, cell, local, is_range
        faults.mark(wrong, "a bitmap with another number of ranges than the header", "as many bits as ranges")
        fragments, ranges = np.where(wrong, 0, fragments), np.where(wrong, 0, ranges)


def _check_repeats(
    cell: NDArray[np.int64], counts: NDArray[np.int64], row_counts: NDArray[np.int64], faults: Faults
) -> None:
    """Mark the cells whose fragments would need far more rows than there are; float sums cannot overflow."""
    named = np.bincount(cell, counts.astype(np.float64), len(row_counts))
    fair = _MAX_REPEATS * row_counts.astype(np.float64)
    is_free = np.sum(named) <= max(float(np.sum(fair)), _FREE_ROWS)
    allowed = np.maximum(fair, _FREE_ROWS_PER_CELL) if is_free else fair
    faults.mark(named > allowed, "fragments that repeat the chunk's rows too often", f"{_MAX_REPEATS} times at most")


def encode_ranges(counts: NDArray[np.int64], first: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
    """Encode fragments that tile their chunks.

    Parameters
    ----------
    counts : (F,) int64
        Rows of each fragment, in buffer order.
    first : (C + 1,) int64
        Fragments of chunk c are ``first[c] : first[c + 1]``.

    Returns
    -------
    list of C (nbytes,) uint8
        Payloads, views of one array.
    """
    counts, first = np.asarray(counts, np.int64), np.asarray(first, np.int64)
    before = offsets_of(counts)
    starts = before[:-1] - np.repeat(before[first[:-1]], np.diff(first))
    return encode_fragments(FragmentTable(first, counts, starts, np.ones(len(counts), np.bool_), np.empty(0, np.int64)))


def encode_fragments(table: FragmentTable) -> list[NDArray[np.uint8]]:
    """Encode a table; the inverse of :func:`decode_fragments`, byte for byte.

    Returns
    -------
    list of C (nbytes,) uint8
        Payloads, views of one array. A cell without fragments is its 16-byte header.

    Raises
    ------
    InvalidInputError
        Counts are negative, or a cell is beyond the format's 32-bit counters.
    """
    lists = np.flatnonzero(~table.is_range)
    fragments, cell = np.diff(table.first), table.cell_of()
    before_ranges, before_listed = offsets_of(table.is_range), offsets_of(np.where(table.is_range, 0, table.counts))
    ranges, listed = np.diff(before_ranges[table.first]), np.diff(before_listed[table.first])
    if len(cell) and (table.counts.min() < 0 or max(fragments.max(), listed.max()) >= 1 << 32):
        raise InvalidInputError(
            "a fragment index holds no negative counts and fewer than 2**32 fragments and explicit rows"
        )
    words = (fragments + 63) // 64
    has_body = fragments > 0
    sizes = 16 + np.where(has_body, 8 * words + 16 * ranges + 4 * (fragments - ranges + 1) + 8 * listed, 0)
    ends = np.cumsum(sizes)
    at = ends - sizes
    ranges_at = at + 16 + 8 * words
    offsets_at = ranges_at + 16 * ranges
    explicit_at = offsets_at + 4 * (fragments - ranges + 1)

    buffer = np.zeros(int(sizes.sum()), np.uint8)
    uint32 = anywhere(buffer, "<u4")
    uint32[at], uint32[at + 4], uint32[at + 8], uint32[at + 12] = _MAGIC, _VERSION_AND_FLAGS, fragments, ranges
    first_word, word_cell, word = spread(words)
    bits = np.zeros(64 * len(word), np.bool_)
    bits[64 * first_word[cell] + np.arange(len(cell)) - table.first[cell]] = table.is_range
    anywhere(buffer, "<u8")[at[word_cell] + 16 + 8 * word] = np.packbits(bits, bitorder="little").view("<u8")

    rank = before_ranges[:-1] - before_ranges[table.first[cell]]
    pairs = np.empty(len(cell) - len(lists), _RANGE)
    pairs["start"], pairs["count"] = table.starts[table.is_range], table.counts[table.is_range]
    write_records(buffer, (ranges_at[cell] + 16 * rank)[table.is_range], pairs)
    if len(lists):
        owner = cell[lists]
        begin = before_listed[lists] - before_listed[table.first[owner]]
        number = lists - table.first[owner] - rank[lists]
        uint32[offsets_at[owner] + 4 * (number + 1)] = begin + table.counts[lists]
        _, member, k = spread(table.counts[lists])
        values = table.explicit[table.starts[lists][member] + k]
        anywhere(buffer, "<i8")[explicit_at[owner][member] + 8 * (begin[member] + k)] = values
    return [buffer[a:b] for a, b in zip(at.tolist(), ends.tolist(), strict=True)]
