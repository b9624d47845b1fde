"""Chunks grow to a good size; wished ones are multiples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.pyramid.chunk_choice import choose_multiples, count_parts


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.sampled_from([1e3, 1e5, 4e5, 3e6]))
def test_chunks_grow_until_they_hold_a_megabyte(seed: int, ndim: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    chunks = np.unique(rng.integers(-9, 9, (60, ndim)), axis=0)
    held = rng.uniform(0.1, 1, len(chunks)) * size
    edges = (5.0, 4.0, 7.0)[:ndim]
    is_space = (True, True, False)[:ndim]

    def mean(multiples: np.ndarray) -> float:
        _, of_each = np.unique(np.floor_divide(chunks, multiples), axis=0, return_inverse=True)
        of_each = np.bincount(of_each.ravel(), held)
        return float((of_each**2).sum() / of_each.sum())

    multiples = np.array(choose_multiples(chunks, held, edges, is_space))
    assert (multiples & (multiples - 1) == 0).all()
    assert ndim < 3 or multiples[2] == 1
    assert (multiples == 1).all() or mean(multiples) <= 1 << 20
    parents = np.floor_divide(chunks, multiples)
    spans = [set(parents[:, a].tolist()) for a in range(min(ndim, 2))]
    is_whole = all(len(s) == 1 or s == {-1, 0} for s in spans)
    doubled = [multiples * np.where(np.arange(ndim) == a, 2, 1) for a in range(min(ndim, 2))]
    assert is_whole or max(map(mean, doubled)) > 1 << 20


def test_chunks_on_both_sides_of_zero_or_none_at_all_end_the_growth() -> None:
    corners = np.array([[-1, 0], [0, -1], [0, 0]])
    assert choose_multiples(corners, np.ones(3), (1.0, 1.0), (True, True)) == (1, 1)
    assert choose_multiples(corners[:0], np.ones(0), (1.0, 1.0), (True, True)) == (1, 1)


def test_what_is_no_multiple_is_refused() -> None:
    for given_edge, unit in ((1.0, 2.0), (5.0, 2.0)):
        with pytest.raises(InvalidInputError, match="multiple"):
            count_parts(given_edge, unit, "chunk shape")
