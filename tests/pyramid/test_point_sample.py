"""Chunks that are looked at: few, and they stand for all."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.pyramid.point_sample import share_evenly


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 5_000), max_size=200), st.integers(1, 8), st.integers(1, 3_000), st.integers(1, 9))
def test_what_is_looked_at_stands_for_all(counts: list[int], strata: int, rows: int, most: int) -> None:
    picked, weights = share_evenly(np.array(counts, np.int64), strata, rows, most)
    assert (np.diff(picked) > 0).all()
    assert len(picked) <= strata * most
    assert np.isclose((np.array(counts)[picked] * weights).sum(), sum(counts))


def test_sparse_chunks_are_looked_at_as_dense_ones_are() -> None:
    counts = np.array([100_000, 90_000, *[20] * 9_500])
    picked, weights = share_evenly(counts, 4, 10_000, 600)
    assert {0, 1} <= set(picked.tolist())
    assert (counts[picked] == 20).sum() >= 500
    assert weights.max() < 20
