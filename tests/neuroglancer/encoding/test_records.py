from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.format.sequences import offsets_of
from zvview.neuroglancer.encoding.records import EncodedRecords, interleave, words_of


def joined(contents: list[bytes]) -> EncodedRecords:
    return EncodedRecords(np.frombuffer(b"".join(contents), np.uint8), offsets_of([len(c) for c in contents]))


@settings(max_examples=80)
@given(st.data(), st.sampled_from([1, 4]), st.booleans())
def test_contents_are_taken_in_any_order(data: st.DataObject, unit: int, is_even: bool) -> None:
    sizes = st.just(3) if is_even else st.integers(0, 5)
    lengths = data.draw(st.lists(sizes, max_size=6))
    contents = [bytes([i + 1]) * (n * unit) for i, n in enumerate(lengths)]
    records = joined(contents)
    assert [records.content(i) for i in range(len(records))] == contents
    rows = data.draw(st.lists(st.integers(0, len(contents) - 1), max_size=9)) if contents else []
    found = records.take(np.array(rows, np.int64))
    assert [found.content(i) for i in range(len(found))] == [contents[row] for row in rows]
    assert found.nbytes == found.sizes.sum() == sum(len(contents[row]) for row in rows)


@settings(max_examples=80)
@given(st.data(), st.integers(0, 6), st.sampled_from([np.uint8, np.uint32]))
def test_pieces_are_put_together_row_by_row(data: st.DataObject, rows: int, dtype: type) -> None:
    parts, expected = [], [b""] * rows
    for number in range(data.draw(st.integers(1, 4))):
        counts = data.draw(st.one_of(st.integers(1, 3), st.lists(st.integers(0, 4), min_size=rows, max_size=rows)))
        each = [counts] * rows if isinstance(counts, int) else counts
        flat = np.arange(sum(each), dtype=dtype) + dtype(50 * number)
        bounds = offsets_of(each)
        expected = [old + flat[bounds[i] : bounds[i + 1]].tobytes() for i, old in enumerate(expected)]
        parts.append((flat, counts if isinstance(counts, int) else np.array(counts, np.int64)))
    found = interleave(parts)
    assert [found.content(i) for i in range(len(found))] == expected


def test_parts_that_do_not_fit_are_refused() -> None:
    for parts in (
        [(np.zeros(3, np.uint8), np.array([1, 1]))],
        [(np.zeros(2, np.uint8), np.array([1, 1])), (np.zeros(3, np.uint8), 1)],
        [(np.zeros(2, np.uint8), np.array([1, 1])), (np.zeros(2, np.uint32), 1)],
    ):
        with pytest.raises(InvalidInputError):
            interleave(parts)


def test_numbers_are_little_endian_words() -> None:
    assert words_of(np.array([1, 2**40]), "<u8").tolist() == [1, 0, 0, 256]
    assert words_of(np.array([[1.0]]), "<f4").tolist() == [0x3F800000]
