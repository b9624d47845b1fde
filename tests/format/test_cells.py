"""Cells: taking apart and putting together are inverse, and no bytes whatever end in anything but DamagedError."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs.vlen import VLenBytes

from zvview.errors import DamagedError, InvalidInputError
from zvview.format.cells import Faults, anywhere, join_rows, split_rows, spread, unwrap_cells, vlen_header

rows_of_bytes = st.lists(st.binary(max_size=12), max_size=20)
equal_rows = st.integers(0, 9).flatmap(lambda n: st.lists(st.binary(min_size=n, max_size=n), max_size=20))


def join(rows: list[bytes]) -> np.ndarray:
    return join_rows(np.frombuffer(b"".join(rows), np.uint8), np.array([len(row) for row in rows], np.int64))


@settings(max_examples=80)
@given(rows_of_bytes | equal_rows)
def test_rows_come_back_and_are_what_the_codec_writes(rows: list[bytes]) -> None:
    cell = join(rows)
    assert cell.tobytes() == bytes(VLenBytes().encode(np.array([*rows, None], object)[:-1]))
    table = split_rows(cell, len(rows))
    found = [bytes(table.buffer[a : a + n]) for a, n in zip(table.starts, table.sizes, strict=True)]
    assert (found, len(table), table.starts.dtype, table.sizes.dtype) == (rows, len(rows), np.int64, np.int64)


@settings(max_examples=150)
@given(
    st.binary(max_size=40)
    | st.tuples(st.integers(0, 4), st.binary(max_size=30)).map(lambda t: struct.pack("<I", t[0]) + t[1])
)
def test_any_bytes_split_exactly_or_are_damaged(data: bytes) -> None:
    try:
        table = split_rows(data)
    except DamagedError:
        return
    assert join([data[a : a + n] for a, n in zip(table.starts, table.sizes, strict=True)]).tobytes() == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1\0",
        struct.pack("<I", 0xFFFFFFFF),
        struct.pack("<II", 1, 0xFFFFFFFF) + b"ab",
        struct.pack("<II", 1, 0x80000000),
        struct.pack("<III", 2, 0xFFFFFFFC, 0),
        struct.pack("<II", 1, 1) + b"abc",
        struct.pack("<I", 0) + b"x",
    ],
)
def test_hostile_row_cells_are_damaged(data: bytes) -> None:
    with pytest.raises(DamagedError):
        split_rows(data)


def test_another_number_of_rows_than_expected_is_damage() -> None:
    with pytest.raises(DamagedError, match="1 rows, expected 2"):
        split_rows(join([b"abc"]), 2)


@pytest.mark.parametrize("sizes", [[2], [4], [-1, 4], [(1 << 62), -(1 << 62) + 3]])
def test_sizes_that_do_not_describe_the_bytes_are_refused(sizes: list[int]) -> None:
    with pytest.raises(InvalidInputError):
        join_rows(np.zeros(3, np.uint8), np.array(sizes, np.int64))


@settings(max_examples=50)
@given(st.lists(st.none() | st.binary(max_size=20), max_size=8))
def test_one_item_cells_unwrap_to_views(payloads: list[bytes | None]) -> None:
    cells = [None if payload is None else vlen_header(len(payload)) + payload for payload in payloads]
    found = unwrap_cells(cells)
    assert [bytes(view) for view in found] == [payload or b"" for payload in payloads]
    assert all(view.base is not None for view, cell in zip(found, cells, strict=True) if cell is not None)


def test_a_pinned_vertex_cell_unwraps() -> None:
    cell = bytes.fromhex("01000000 0c000000 0000803f 00000040 00004040")
    assert unwrap_cells([cell])[0].view("<f4").tolist() == [1, 2, 3]
    assert vlen_header(12) == cell[:8]


def test_all_bad_cells_are_named() -> None:
    good = vlen_header(3) + b"abc"
    cells = [good, b"\1", good[:-1], good + b"x", None, struct.pack("<II", 2, 3) + b"abc", b"", good]
    with pytest.raises(DamagedError) as caught:
        unwrap_cells(cells)
    assert caught.value.cells == (1, 2, 3, 5)


@pytest.mark.parametrize("nbytes", [-1, 1 << 32])
def test_a_payload_beyond_the_length_field_is_refused(nbytes: int) -> None:
    with pytest.raises(InvalidInputError):
        vlen_header(nbytes)


@settings(max_examples=40)
@given(st.binary(max_size=20), st.sampled_from(["<u4", "<i8", "u1"]))
def test_any_offset_can_be_read(data: bytes, dtype: str) -> None:
    view = anywhere(np.frombuffer(data, np.uint8), dtype)
    width = np.dtype(dtype).itemsize
    expected = [int(np.frombuffer(data[k : k + width], dtype)[0]) for k in range(len(data) - width + 1)]
    assert view.tolist() == expected


@settings(max_examples=40)
@given(st.lists(st.integers(0, 5), max_size=8))
def test_spread_numbers_members(counts: list[int]) -> None:
    first, owner, local = spread(np.array(counts, np.int64))
    assert list(zip(owner.tolist(), local.tolist(), strict=True)) == [
        (g, k) for g, n in enumerate(counts) for k in range(n)
    ]
    assert first.tolist() == [sum(counts[:g]) for g in range(len(counts) + 1)]


def test_a_cell_keeps_its_first_fault() -> None:
    faults = Faults("thing", 3)
    faults.mark(np.array([False, True, False]), "one", "none")
    faults.mark(np.array([1, 2, 2]), "two", "none")
    with pytest.raises(DamagedError, match=r"found one \(and 1 more\), expected none") as caught:
        faults.check()
    assert caught.value.cells == (1, 2)
    assert faults.bad.tolist() == [False, True, True]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.floats(0.6, 1), size=st.sampled_from([25, 33, 41]), flip=st.booleans())
def test_many_counted_rows_are_found_as_a_walk_finds_them(seed: int, share: float, size: int, flip: bool) -> None:
    rng = np.random.default_rng(seed)
    records = np.where(rng.random(800) < share, 0, rng.integers(1, 5, 800))
    sizes = 4 + size * records
    rows = [
        np.concatenate((np.array([n], "<u4").view(np.uint8), rng.choice(9, size * n).astype(np.uint8)))
        for n in records.tolist()
    ]
    cell = join_rows(np.concatenate(rows), sizes)
    if flip:
        cell[int(rng.integers(0, len(cell)))] ^= 1 << int(rng.integers(0, 8))
    try:
        table = split_rows(cell)
    except DamagedError:
        assert flip
        return
    place = 4
    for start, length in zip(table.starts.tolist(), table.sizes.tolist(), strict=True):
        assert start == place + 4
        assert length == int(cell[place : place + 4].view("<u4")[0])
        place = start + length
    assert place == len(cell)
