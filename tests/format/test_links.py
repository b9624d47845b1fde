"""Links: names, permutations, filing and cells; whatever is filed comes back, and hostile bytes end in DamagedError."""

from __future__ import annotations

import itertools
import struct
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr_vectors.core import paths
from zarr_vectors.spatial import boundary

from zvview.errors import DamagedError, InvalidInputError, UnsupportedError
from zvview.format.links import (
    LinkSegment,
    anchor_chunks,
    decode_links,
    drop_copies,
    encode_links,
    file_links,
    format_delta,
    format_offsets,
    has_permutation,
    parse_delta,
    parse_offsets,
    permutation_codes,
    permutation_table,
)

Record = tuple[tuple[tuple[int, ...], int], ...]


@st.composite
def any_records(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    width, sid, count = draw(st.integers(2, 4)), draw(st.integers(1, 4)), draw(st.integers(0, 25))
    far = draw(st.sampled_from([0, 0, 0, 1 << 52]))
    number = st.integers(-2, 1)
    chunks = draw(st.lists(number, min_size=count * width * sid, max_size=count * width * sid))
    rows = draw(st.lists(st.integers(0, 3), min_size=count * width, max_size=count * width))
    array = np.array(chunks, np.int64).reshape(count, width, sid)
    return array + far * (array == 1), np.array(rows, np.int64).reshape(count, width)


def records(chunks: np.ndarray, rows: np.ndarray) -> list[Record]:
    pairs = zip(chunks.tolist(), rows.tolist(), strict=True)
    return [tuple((tuple(c), r) for c, r in zip(cs, rs, strict=True)) for cs, rs in pairs]


def read_segment(segment: LinkSegment, width: int, *, directed: bool) -> list[Record]:
    perm = has_permutation(segment.offsets, delta=0, directed=directed, store="canonical")
    cells = encode_links(segment)
    found = decode_links(cells, width=width, is_ragged=bool(segment.offsets.any()), has_perm=perm)
    assert found.counts.tolist() == segment.counts.tolist()
    return records(found.chunks(segment.coords, segment.offsets), found.rows)


@settings(max_examples=150, deadline=None)
@given(any_records(), st.booleans())
def test_what_is_filed_comes_back(given_records: tuple[np.ndarray, np.ndarray], directed: bool) -> None:
    chunks, rows = given_records
    expected = records(chunks, rows)
    segments = file_links(chunks, rows, directed=directed)
    assert [segment.name for segment in segments] == sorted({segment.name for segment in segments})
    order = []
    for segment in segments:
        found = read_segment(segment, chunks.shape[1], directed=directed)
        assert found == [expected[k] for k in segment.order]
        coords = list(map(tuple, segment.coords.tolist()))
        assert coords == sorted(set(coords))
        cells = np.split(segment.order, np.cumsum(segment.counts)[:-1])
        assert all((np.diff(cell) > 0).all() for cell in cells)
        order += segment.order.tolist()
    assert sorted(order) == list(range(len(expected)))


@settings(max_examples=60, deadline=None)
@given(any_records(), st.booleans())
def test_filing_agrees_with_the_reference_library(given_records: tuple[np.ndarray, np.ndarray], directed: bool) -> None:
    chunks, rows = given_records
    _, width, sid = chunks.shape
    theirs = boundary.partition_link_arrays(
        chunks, rows, link_width=width, sid_ndim=sid, scale_src=[1] * sid, scale_trg=[1] * sid, directed=directed
    )
    ours = {}
    for segment in file_links(chunks, rows, directed=directed):
        ends = np.cumsum(segment.counts)[:-1]
        for coord, cell, order in zip(
            segment.coords.tolist(), np.split(segment.rows, ends), np.split(segment.order, ends), strict=True
        ):
            ours[segment.name, tuple(coord)] = (cell.tolist(), order.tolist())
    assert ours == {key: (cell.tolist(), order.tolist()) for key, (cell, order) in theirs.items()}


@settings(max_examples=80, deadline=None)
@given(any_records(), st.data())
def test_one_copy_of_each_duplicated_record_is_kept(
    given_records: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    chunks, rows = given_records
    width = chunks.shape[1]
    copies: list[tuple[int, int]] = []  # record, endpoint that leads
    for k, record in enumerate(chunks.tolist()):
        copies += [(k, record.index(chunk)) for chunk in {tuple(c): c for c in record}.values()]
    copies = data.draw(st.permutations(copies))
    which = np.array([k for k, _ in copies], np.int64)
    leads = [[lead, *[j for j in range(width) if j != lead]] for _, lead in copies]
    slots = np.argsort(np.array(leads, np.int64).reshape(-1, width), axis=1)
    kept = drop_copies(chunks[which], slots)
    assert sorted(which[kept].tolist()) == list(range(len(chunks)))

    touched = {tuple(chunk) for chunk in chunks.reshape(-1, chunks.shape[2]).tolist()}
    read = {chunk for chunk in sorted(touched) if data.draw(st.booleans())}
    seen = [k for k, (record, lead) in enumerate(copies) if tuple(chunks[record, lead].tolist()) in read]
    kept = drop_copies(
        chunks[which[seen]], slots[seen], read=np.array(sorted(read), np.int64).reshape(-1, chunks.shape[2])
    )
    expected = [k for k, record in enumerate(chunks.tolist()) if read & {tuple(chunk) for chunk in record}]
    assert sorted(which[seen][kept].tolist()) == expected
    assert Counter(records(chunks, rows)[k] for k in which[seen][kept]) == Counter(
        records(chunks, rows)[k] for k in expected
    )


def test_the_worked_edge() -> None:
    blob = struct.pack("<qqqqq", 1, 0, 1, 7, 4)
    found = decode_links([np.frombuffer(blob, np.uint8)], width=2, is_ragged=True, has_perm=True)
    offsets = parse_offsets("0.0.+1", 3, 2)
    assert records(found.chunks(np.array([[2, 0, 0]]), offsets), found.rows) == [(((2, 0, 1), 4), ((2, 0, 0), 7))]
    (segment,) = file_links(np.array([[[2, 0, 1], [2, 0, 0]]]), np.array([[4, 7]]))
    assert (segment.name, segment.coords.tolist(), len(blob)) == ("0.0.+1", [[2, 0, 0]], 40)
    assert [cell.tobytes() for cell in encode_links(segment)] == [blob]


def test_the_worked_face() -> None:
    (segment,) = file_links(np.array([[[0, 1, 0], [1, 0, 0], [0, 0, 0]]]), np.zeros((1, 3), np.int64))
    assert (segment.name, segment.coords.tolist()) == ("0.+1.0_+1.0.0", [[0, 0, 0]])
    assert segment.rows.tolist() == [[4, 0, 0, 0]]
    assert permutation_table(3)[4].tolist() == [2, 0, 1]


def test_a_link_to_another_level_is_filed_by_its_anchor() -> None:
    fine, coarse = np.array([[3, -1, 0]]), np.array([[2, -1, 0]])
    anchors = anchor_chunks(fine, np.array([1, 1, 1]), np.array([2, 2, 2]))
    assert anchors.tolist() == [[1, -1, 0]]
    chunks = np.stack((fine, coarse), axis=1)
    (segment,) = file_links(chunks, np.array([[5, 6]]), anchors=anchors)
    assert (segment.name, segment.coords.tolist(), segment.rows.tolist()) == ("+1.0.0", fine.tolist(), [[5, 6]])
    found = decode_links(encode_links(segment, delta=1), width=2, is_ragged=True, has_perm=False)
    assert found.chunks(segment.coords, segment.offsets, anchors).tolist() == chunks.tolist()
    (same,) = file_links(np.stack((fine, anchors), axis=1), np.array([[5, 6]]), anchors=anchors)
    assert encode_links(same, delta=1)[0].tobytes() == struct.pack("<4q", 1, 0, 5, 6)


def test_single_references() -> None:
    (segment,) = file_links(np.array([[[1, 2]], [[0, 0]]]), np.array([[7], [8]]))
    assert (segment.name, segment.coords.tolist(), segment.rows.tolist()) == ("self", [[0, 0], [1, 2]], [[8], [7]])
    assert [cell.tobytes() for cell in encode_links(segment)] == [struct.pack("<q", 8), struct.pack("<q", 7)]


@pytest.mark.parametrize("width", range(1, 9))
def test_permutation_codes(width: int) -> None:
    table = permutation_table(width)
    assert len({tuple(row) for row in table.tolist()}) == len(table)
    assert permutation_codes(table).tolist() == list(range(len(table)))
    for code in {0, 1, len(table) // 3, len(table) - 1} & set(range(len(table))):
        rest, available, expected = code, list(range(width)), []
        for left in range(width - 1, -1, -1):
            digit, rest = divmod(rest, int(np.prod(np.arange(1, left + 1), dtype=np.int64)))
            expected.append(available.pop(digit))
        assert table[code].tolist() == expected
    assert not table.flags.writeable


def test_more_than_eight_permuted_endpoints_are_unsupported() -> None:
    for call in (
        lambda: permutation_table(9),
        lambda: permutation_codes(np.arange(9)[None]),
        lambda: decode_links([], width=10**9, is_ragged=True, has_perm=True),
    ):
        with pytest.raises(UnsupportedError):
            call()


@settings(max_examples=60)
@given(
    st.integers(1, 4).flatmap(
        lambda s: st.lists(st.lists(st.integers(-(1 << 53), 1 << 53), min_size=s, max_size=s), max_size=3)
    )
)
def test_names_round_trip(offsets: list[list[int]]) -> None:
    sid = len(offsets[0]) if offsets else 3
    array = np.array(offsets, np.int64).reshape(-1, sid)
    assert format_offsets(array) == paths.format_offsets(offsets)
    assert parse_offsets(format_offsets(array), sid, len(offsets) + 1).tolist() == offsets


@pytest.mark.parametrize(
    "name",
    [
        *["", "0", "self", "0.0", "0.0.1", "0.0.+0", "0.0.-0", "0.0.+01", "0.0.+1_0.0.0", "0.0.+1 ", "0.0.+1\n"],
        *["0.0.+\u0661", "0.0.+9007199254740993", "0.0.+" + "9" * 5000, "_", "..", "0.0.--1"],
    ],
)
def test_other_names_are_damaged(name: str) -> None:
    with pytest.raises(DamagedError):
        parse_offsets(name, 3, 2)
    with pytest.raises(DamagedError):
        parse_offsets("0.0.0", 3, 1)


@pytest.mark.parametrize(("delta", "text"), [(0, "0"), (1, "+1"), (-1, "-1"), (12, "+12")])
def test_deltas(delta: int, text: str) -> None:
    assert (format_delta(delta), parse_delta(text)) == (text, delta)
    for wrong in ("", "1", "+0", "-0", "+-1", " +1", "+1_0", "zero"):
        with pytest.raises(DamagedError):
            parse_delta(wrong)


@pytest.mark.parametrize(
    ("delta", "directed", "store"), list(itertools.product([0, 1, -1], [False, True], ["canonical", "duplicate"]))
)
def test_which_arrays_are_permuted(delta: int, directed: bool, store: str) -> None:
    crossing, inside = np.array([[0, 0, 1]]), np.zeros((1, 3), np.int64)
    assert not has_permutation(inside, delta=delta, directed=directed, store=store)
    expected = delta == 0 and (store == "duplicate" or not directed)
    assert has_permutation(crossing, delta=delta, directed=directed, store=store) == expected


@settings(max_examples=40)
@given(
    st.lists(st.tuples(*[st.integers(-(1 << 53), 1 << 53)] * 3), max_size=5),
    st.lists(st.integers(1, 99), min_size=4, max_size=4),
)
def test_anchors_are_exact(coords: list[tuple[int, ...]], ratios: list[int]) -> None:
    src = np.array(coords, np.int64).reshape(-1, 3)
    found = anchor_chunks(src, np.array(ratios[:2]), np.array(ratios[2:]))  # the first axis is an attribute
    assert found.tolist() == [[a, b * ratios[0] // ratios[2], c * ratios[1] // ratios[3]] for a, b, c in coords]


def test_anchors_that_cannot_be() -> None:
    one = np.ones(3, np.int64)
    with pytest.raises(DamagedError):
        anchor_chunks(np.array([[1 << 62, 0, 0]]), 2 * one, one)
    with pytest.raises(DamagedError):
        anchor_chunks(np.array([[1, 0, 0]]), one, 0 * one)
    with pytest.raises(InvalidInputError):
        anchor_chunks(np.array([[1, 0, 0]]), one[:1], one[:1])


def blob(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}q", *numbers)


HUGE = (1 << 63) - 1
GOOD = blob(2, 0, 24, 1, 7, 4, 0, 1, 2)
DAMAGED = {
    "short": GOOD[:7],
    "truncated": GOOD[:-1],
    "half a record": GOOD[:-8],
    "negative groups": blob(-1, 0, 0, 7, 4),
    "huge groups": blob(HUGE, 0, 0, 7, 4),
    "rows in no group": blob(0, 0, 7, 4),
    "first offset": blob(1, 24, 0, 7, 4),
    "offset back": blob(3, 0, 24, 0, 0, 7, 4),
    "offset beyond": blob(2, 0, 48, 0, 7, 4),
    "offset uneven": blob(2, 0, 8, 0, 7, 4),
    "offset lowest": blob(2, 0, -HUGE - 1, 0, 7, 4),
    "permutation 2": blob(1, 0, 2, 7, 4),
    "permutation -1": blob(1, 0, -1, 7, 4),
}


def test_grouped_cells_are_their_rows() -> None:
    cells = [np.frombuffer(cell, np.uint8) for cell in (GOOD, b"", blob(0), blob(1, 0), blob(1, 0, 1, -1, 5))]
    found = decode_links(cells, width=2, is_ragged=True, has_perm=True)
    assert found.counts.tolist() == [2, 0, 0, 0, 1]
    assert found.rows.tolist() == [[4, 7], [1, 2], [5, -1]]
    assert found.slots.tolist() == [[1, 0], [0, 1], [1, 0]]


def test_all_damaged_cells_are_named() -> None:
    for bad in ([*DAMAGED.values()], *([cell] for cell in DAMAGED.values())):
        cells = [np.frombuffer(cell, np.uint8) for damaged in bad for cell in (GOOD, damaged)]
        with pytest.raises(DamagedError) as caught:
            decode_links(cells, width=2, is_ragged=True, has_perm=True)
        assert caught.value.cells == tuple(range(1, len(cells), 2))
    with pytest.raises(DamagedError) as caught:
        decode_links([np.zeros(n, np.uint8) for n in (16, 15, 0, 8)], width=2, is_ragged=False, has_perm=False)
    assert caught.value.cells == (1, 3)


@pytest.mark.parametrize("dtype", ["<i4", "<u2", "<i8", "<u8"])
def test_other_whole_numbers(dtype: str) -> None:
    cell = np.array([[1, 2, 3], [4, 5, 6]], dtype).reshape(-1).view(np.uint8)
    found = decode_links([cell], width=3, dtype=np.dtype(dtype), is_ragged=False, has_perm=False)
    assert (found.rows.tolist(), found.rows.dtype) == ([[1, 2, 3], [4, 5, 6]], np.int64)


def test_rows_that_are_no_int64() -> None:
    cell = np.array([1, HUGE + 1], "<u8").view(np.uint8)
    with pytest.raises(DamagedError):
        decode_links([cell[:0], cell], width=2, dtype=np.dtype("<u8"), is_ragged=False, has_perm=False)
    with pytest.raises(UnsupportedError):
        decode_links([cell], width=2, dtype=np.dtype("<f8"), is_ragged=False, has_perm=False)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 3) | st.sampled_from([-1, 24, 48, HUGE, -HUGE]), max_size=12), st.integers(0, 7))
def test_any_numbers_are_damaged_or_read(numbers: list[int], tail: int) -> None:
    payload = blob(*numbers) + b"\0" * tail
    try:
        found = decode_links([np.frombuffer(payload, np.uint8)], width=2, is_ragged=True, has_perm=True)
    except DamagedError as error:
        damaged = error
    else:
        damaged = None
    if damaged is not None:
        assert damaged.cells == (0,)
        return
    assert tail == 0
    stored = np.array(numbers[1 + (numbers[0] if numbers else -1) :], np.int64).reshape(-1, 3)
    assert found.rows.tolist() == [[b, a] if code else [a, b] for code, a, b in stored.tolist()]


def test_chunks_of_no_world_are_not_filed() -> None:
    with pytest.raises(InvalidInputError):
        file_links(np.full((1, 2, 3), 1 << 54), np.zeros((1, 2), np.int64))
