"""Rows moved in stretches against rows moved one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.store.patching.row_stretches import MovedRows, gather_rows


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), length=st.sampled_from([2, 40]), is_wide=st.booleans())
def test_rows_of_stretches(seed: int, length: int, is_wide: bool) -> None:
    rng = np.random.default_rng(seed)
    pieces, starts, counts, base = [], [], [], 0  # as pieces lie in sources, side by side
    for _ in range(int(rng.integers(1, 4))):
        sizes = rng.integers(0, length, int(rng.integers(0, 6)))
        starts += (base + np.cumsum(sizes) - sizes).tolist()
        counts += sizes.tolist()
        pieces.append(rng.random((int(sizes.sum()), 2) if is_wide else int(sizes.sum())))
        base += int(sizes.sum())
    chosen = np.flatnonzero(rng.random(len(starts)) < 0.8)
    if rng.random() < 0.5:
        rng.shuffle(chosen)
    first, many = np.array(starts, np.int64)[chosen], np.array(counts, np.int64)[chosen]
    rows = np.concatenate([np.empty(0, np.int64), *(np.arange(a, a + n) for a, n in zip(first, many, strict=True))])
    found = gather_rows(pieces, first, many)
    np.testing.assert_array_equal(found, np.concatenate(pieces)[rows])
    assert found.dtype == pieces[0].dtype

    now = rng.permutation(len(chosen))
    firsts = 1000 * now + (first if rng.random() < 0.5 else 0)
    if rng.random() < 0.5:
        firsts = first + 7  # all of them stay side by side
    expected = np.full(base + 1, -1, np.int64)
    for a, n, b in zip(first.tolist(), many.tolist(), firsts.tolist(), strict=True):
        expected[a : a + n] = np.arange(b, b + n)
    asked = rng.integers(-2, base + 1, (5, 2))
    moved = MovedRows.of(first, many, firsts)
    np.testing.assert_array_equal(moved.find(asked), np.where(asked < 0, -1, expected[np.maximum(asked, 0)]))


def test_stretches_that_stay_side_by_side_are_one() -> None:
    moved = MovedRows.of(np.array([6, 0, 4]), np.array([3, 4, 2]), np.array([16, 10, 14]))
    assert (moved.starts.tolist(), moved.counts.tolist(), moved.firsts.tolist()) == ([0], [9], [10])
