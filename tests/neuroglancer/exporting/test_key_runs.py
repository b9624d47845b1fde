"""Numbers as runs: the same numbers come back, in order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zvview.neuroglancer.exporting.key_runs import KeyRuns

KEYS = st.lists(st.integers(0, 40) | st.integers(2**64 - 20, 2**64 - 1), max_size=60)


@given(KEYS)
def test_the_numbers_come_back_once_and_in_order(keys: list[int]) -> None:
    runs = KeyRuns.of(np.array(keys, np.uint64))
    expected = sorted(set(keys))
    assert runs.keys().tolist() == expected
    assert len(runs) == len(expected)
    if expected:
        assert (runs.first, runs.last) == (expected[0], expected[-1])
        assert runs.take(np.arange(len(expected))).tolist() == expected
        steps = np.diff(np.array(expected, np.uint64))
        assert len(runs.starts) == 1 + np.count_nonzero(steps != 1)


@given(KEYS.filter(bool), st.integers(1, 80))
def test_a_spread_goes_from_the_first_to_the_last(keys: list[int], most: int) -> None:
    runs = KeyRuns.of(np.array(keys, np.uint64))
    some = runs.spread(most).tolist()
    assert set(some) <= set(keys) and some == sorted(set(some))
    assert len(some) == min(most, len(runs))
    assert some[0] == runs.first and (most == 1 or some[-1] == runs.last)


def test_hundreds_of_millions_take_little_room() -> None:
    runs = KeyRuns(np.array([5, 2**40], np.uint64), np.array([10**8, 10**8]))
    assert len(runs) == 2 * 10**8 and runs.last == 2**40 + 10**8 - 1
    assert runs.take(np.array([0, 10**8])).tolist() == [5, 2**40]
