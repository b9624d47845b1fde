"""Fragment indexes: against a plain reading of the layout, the reference library's bytes, and hostile bytes."""

from __future__ import annotations

import struct
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr_vectors.encoding import fragments as reference

from zvview.errors import DamagedError, InvalidInputError
from zvview.format.fragments import FragmentTable, decode_fragments, encode_fragments, encode_ranges

Fragment = tuple[int, int] | list[int]  # a range (start, count), or explicit rows
Cell = tuple[int, list[Fragment]]  # rows in the buffer, fragments

EXAMPLE = bytes.fromhex(
    "4746565a010000000300000002000000 05000000000000000000000000000000"
    "04000000000000000400000000000000 02000000000000000000000003000000"
    "03000000000000000500000000000000 0400000000000000"
)


@st.composite
def any_cell(draw: st.DrawFn) -> Cell:
    rows = draw(st.integers(0, 12))
    start = st.integers(0, rows)
    ranges = start.flatmap(lambda a: st.tuples(st.just(a), st.integers(0, rows - a)))
    lists = st.lists(st.integers(0, rows - 1), max_size=5) if rows else st.just([])
    many = st.lists(ranges | lists, max_size=draw(st.sampled_from([3, 140])))
    return rows, draw(many)


def write(fragments: list[Fragment]) -> bytes:
    """The layout, word by word."""
    ranges = [f for f in fragments if isinstance(f, tuple)]
    lists = [f for f in fragments if isinstance(f, list)]
    head = struct.pack("<IHHII", 0x5A564647, 1, 0, len(fragments), len(ranges))
    if not fragments:
        return head
    bitmap = sum(1 << k for k, f in enumerate(fragments) if isinstance(f, tuple))
    ends = np.cumsum([0, *map(len, lists)]).tolist()
    return b"".join(
        [
            head,
            bitmap.to_bytes(-(-len(fragments) // 64) * 8, "little"),
            *[struct.pack("<qq", *f) for f in ranges],
            struct.pack(f"<{len(ends)}I", *ends),
            *[struct.pack(f"<{len(f)}q", *f) for f in lists],
        ]
    )


def payloads(cells: list[bytes]) -> list[np.ndarray]:
    return [np.frombuffer(cell, np.uint8) for cell in cells]


def decode(cells: list[bytes], rows: list[int]) -> FragmentTable:
    return decode_fragments(payloads(cells), np.array(rows, np.int64))


def listed(fragment: Fragment) -> list[int]:
    return list(range(fragment[0], sum(fragment))) if isinstance(fragment, tuple) else fragment


@settings(max_examples=120, deadline=None)
@given(st.lists(any_cell(), max_size=5))
def test_decoding_gives_the_rows_and_encoding_the_bytes(cells: list[Cell]) -> None:
    blobs = [write(fragments) for _, fragments in cells]
    table = decode(blobs, [rows for rows, _ in cells])
    flat = [(c, f) for c, (_, fragments) in enumerate(cells) for f in fragments]
    offsets, rows = table.rows()
    assert [rows[a:b].tolist() for a, b in pairwise(offsets)] == [listed(f) for _, f in flat]
    assert table.cell_of().tolist() == [c for c, _ in flat]
    assert table.is_range.tolist() == [isinstance(f, tuple) for _, f in flat]
    assert [blob.tobytes() for blob in encode_fragments(table)] == blobs
    if flat:
        picked = np.arange(len(flat))[::-2]
        offsets, rows = table.rows(picked)
        found = [rows[a:b].tolist() for a, b in pairwise(offsets)]
        assert found == [listed(flat[k][1]) for k in picked]


@settings(max_examples=80, deadline=None)
@given(st.lists(any_cell(), min_size=1, max_size=4))
def test_tiling_is_told_cell_by_cell(cells: list[Cell]) -> None:
    table = decode([write(fragments) for _, fragments in cells], [rows for rows, _ in cells])
    expected = [
        all(isinstance(f, tuple) for f in fragments)
        and list(chain.from_iterable(map(listed, fragments))) == list(range(rows))
        for rows, fragments in cells
    ]
    assert table.tiles(np.array([rows for rows, _ in cells])).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=80), max_size=5))
def test_encoded_ranges_tile(counts: list[list[int]]) -> None:
    first = np.cumsum([0, *map(len, counts)])
    blobs = encode_ranges(np.array([*chain(*counts)], np.int64), first)
    expected = [write([(sum(c[:k]), n) for k, n in enumerate(c)]) for c in counts]
    assert [blob.tobytes() for blob in blobs] == expected
    rows = np.array([sum(c) for c in counts], np.int64)
    table = decode_fragments(blobs, rows)
    assert table.tiles(rows).all()
    assert table.counts.tolist() == [*chain(*counts)]


def test_the_worked_example() -> None:
    table = decode([EXAMPLE], [6])
    assert [array.tolist() for array in table.rows()] == [[0, 4, 7, 9], [0, 1, 2, 3, 3, 5, 4, 4, 5]]
    assert encode_fragments(table)[0].tobytes() == EXAMPLE
    assert len(EXAMPLE) == 88


@pytest.mark.parametrize("fragments", [[], [(0, 5)], [(0, 2), [4, 1], (2, 3)], [[3, 3], [0, 4]], [(0, 1)] * 70])
def test_the_reference_library_writes_and_reads_the_same_bytes(fragments: list[Fragment]) -> None:
    blob = reference.encode_fragments([f if isinstance(f, tuple) else np.array(f, np.int64) for f in fragments])
    assert encode_fragments(decode([blob], [5]))[0].tobytes() == blob == write(fragments)


def test_an_absent_index_is_one_range_where_there_are_rows() -> None:
    table = decode([b"", write([[1]]), b"", b""], [3, 2, 0, 7])
    assert table.first.tolist() == [0, 1, 2, 2, 3]
    assert table.rows()[1].tolist() == [0, 1, 2, 1, 0, 1, 2, 3, 4, 5, 6]
    assert table.tiles(np.array([3, 2, 0, 7])).tolist() == [True, False, True, True]


def test_no_cells_are_no_fragments() -> None:
    table = decode([], [])
    assert (table.first.tolist(), len(table.rows()[1]), encode_fragments(table)) == ([0], 0, [])


HUGE = (1 << 63) - 1
DAMAGED = {
    "short": EXAMPLE[:15],
    "magic": b"\0" + EXAMPLE[1:],
    "version": EXAMPLE[:4] + b"\2" + EXAMPLE[5:],
    "flags": EXAMPLE[:6] + b"\1" + EXAMPLE[7:],
    "truncated": EXAMPLE[:-1],
    "trailing": EXAMPLE + b"\0",
    "trailing after none": write([]) + b"\0",
    "all ones": b"\x47\x46\x56\x5a\1\0\0\0" + b"\xff" * 80,
    "more ranges than fragments": EXAMPLE[:12] + b"\4" + EXAMPLE[13:],
    "bitmap miscounts": EXAMPLE[:16] + b"\7" + EXAMPLE[17:],
    "bit after the last": EXAMPLE[:16] + b"\x0c" + EXAMPLE[17:],
    "padding": EXAMPLE[:23] + b"\1" + EXAMPLE[24:],
    "offsets not from 0": EXAMPLE[:56] + b"\1" + EXAMPLE[57:],
    "row beyond": write([(0, 4), [6]]),
    "row negative": write([[-1]]),
    "range beyond": write([(3, 4)]),
    "range negative": write([(-1, 2)]),
    "count negative": write([(2, -1)]),
    "range overflows": write([(2, HUGE)]),
    "range wraps": write([(HUGE, HUGE)]),
    "start lowest": write([(-HUGE - 1, 3)]),
    "offsets go back": write([[1, 2], [3], []])[:-40] + struct.pack("<4I", 0, 3, 2, 3) + struct.pack("<3q", 1, 2, 3),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_found(name: str) -> None:
    with pytest.raises(DamagedError):
        decode([DAMAGED[name]], [6])


def test_all_damaged_cells_are_named() -> None:
    cells = [cell for bad in DAMAGED.values() for cell in (bad, EXAMPLE, b"")]
    with pytest.raises(DamagedError) as caught:
        decode(cells, [6] * len(cells))
    assert caught.value.cells == tuple(range(0, len(cells), 3))


@settings(max_examples=200, deadline=None)
@given(any_cell(), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3), st.integers(-3, 3))
def test_altered_bytes_are_damaged_or_read_as_they_are(cell: Cell, changes: list[tuple[int, int]], cut: int) -> None:
    rows, fragments = cell
    blob = bytearray(write(fragments))
    for at, value in changes:
        blob[at % len(blob)] = value
    altered = bytes(blob) + b"\0" * cut if cut >= 0 else bytes(blob[:cut])
    try:
        table = decode([EXAMPLE, altered, EXAMPLE], [6, rows, 6])
    except DamagedError as error:
        damaged = error
    else:
        damaged = None
    if damaged is not None:
        assert damaged.cells == (1,)
        return
    assert encode_fragments(table)[1].tobytes() == altered
    assert ((table.rows(np.arange(table.first[1], table.first[2]))[1] >= 0).all()) and (
        table.rows()[1] < max(rows, 6)
    ).all()


def test_overlapping_ranges_are_bounded() -> None:
    crowded = encode_fragments(FragmentTable(*whole_ranges(rows=20_000, times=65)))[0]
    fair = encode_fragments(FragmentTable(*whole_ranges(rows=20_000, times=64)))[0]
    small = encode_fragments(FragmentTable(*whole_ranges(rows=10, times=5_000)))[0]
    with pytest.raises(DamagedError, match="too often") as caught:
        decode_fragments([fair, crowded, small], np.array([20_000, 20_000, 10]))
    assert caught.value.cells == (1,)
    below = encode_fragments(FragmentTable(*whole_ranges(rows=1_000, times=1_000)))[0]
    assert len(decode_fragments([below], np.array([1_000])).rows()[1]) == 1_000_000
    with pytest.raises(DamagedError) as caught:  # each alone would pass
        decode_fragments([*[below] * 20, fair], np.array([*[1_000] * 20, 20_000]))
    assert caught.value.cells == tuple(range(20))


def whole_ranges(rows: int, times: int) -> tuple[np.ndarray, ...]:
    zeros = np.zeros(times, np.int64)
    return np.array([0, times]), zeros + rows, zeros, np.ones(times, np.bool_), zeros[:0]


def test_negative_counts_are_not_written() -> None:
    with pytest.raises(InvalidInputError):
        encode_ranges(np.array([2, -1]), np.array([0, 2]))
