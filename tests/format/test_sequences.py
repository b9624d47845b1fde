"""Offsets of ragged rows, and distinct numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zvview.format.sequences import distinct, offsets_of


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9)))
def test_offsets_are_the_sums_of_what_comes_before(counts: list[int]) -> None:
    offsets = offsets_of(counts)
    assert offsets.dtype == np.int64
    assert offsets.tolist() == [sum(counts[:i]) for i in range(len(counts) + 1)]
    assert np.array_equal(offsets_of(np.array(counts, np.uint8)), offsets)


def test_offsets_of_booleans_count_what_is_true() -> None:
    assert offsets_of(np.array([True, False, True])).tolist() == [0, 1, 1, 2]
    assert offsets_of(np.array([200, 100], np.uint8)).tolist() == [0, 200, 300]


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(hnp.integer_dtypes() | hnp.boolean_dtypes(), hnp.array_shapes(min_side=0, max_dims=2)))
def test_distinct_numbers_are_those_of_numpy(values: Any) -> None:
    found = distinct(values)
    expected = np.unique(values)
    assert found.dtype == expected.dtype
    assert found.tolist() == expected.tolist()
