"""The choice of objects: nothing dies out."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.pyramid.line_survey import Survey
from zvview.pyramid.object_choice import ALL, choose_objects
from zvview.pyramid.object_ranks import rank_objects


def survey_of(ids: NDArray[np.int64], lengths: NDArray[np.int64], is_winner: NDArray[np.bool_]) -> Survey:
    """All that one chunk tells."""
    return Survey(np.zeros((1, 2), np.int64), np.array([0, len(ids)]), ids, np.ones_like(ids), lengths, is_winner)


def test_equal_hashes_are_ranked_by_id() -> None:
    assert rank_objects(np.array([7, 3, 7, 3, 0], np.uint32)).tolist() == [3, 1, 4, 2, 0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 200), st.integers(0, ALL))
def test_no_group_and_no_class_of_length_dies_out(seed: int, count: int, threshold: int) -> None:
    rng = np.random.default_rng(seed)
    ids = np.sort(rng.choice(10**12, count, replace=False)) - 10**11
    hashes = rng.integers(0, ALL, count).astype(np.uint32)
    seen = np.flatnonzero(rng.random(count) < 0.9)
    lengths = rng.integers(0, 2**20, len(seen))
    groups = [rng.choice(ids, rng.integers(0, count + 1), replace=False) for _ in range(3)] + [np.array([7], np.int64)]
    winners = rng.random(len(seen)) < 0.1
    kept = choose_objects(ids, hashes, survey_of(ids[seen], lengths, winners), threshold, groups)
    assert (np.diff(kept) > 0).all()
    assert np.isin(kept, ids[seen]).all()
    assert np.isin(ids[seen][hashes[seen] < threshold], kept).all()
    assert np.isin(ids[seen][winners], kept).all()
    for group in groups:
        present = np.intersect1d(group, ids[seen])
        assert not len(present) or np.isin(present, kept).any()
    for power in range(21):
        of_class = ids[seen][(lengths >= 2**power) & (lengths < 2 ** (power + 1))]
        assert not len(of_class) or np.isin(of_class, kept).any()


def test_lengths_sum_up_over_chunks() -> None:
    ids = np.array([-5, 2, 9])
    hashes = np.array([5, 6, 7], np.uint32)
    chunks, first = np.array([[0, 0], [0, 1]]), np.array([0, 2, 4])
    is_winner = np.array([False, False, False, True])
    survey = Survey(chunks, first, ids[[0, 1, 1, 2]], np.ones(4, int), np.array([4, 4, 4, 0]), is_winner)
    assert choose_objects(ids, hashes, survey, 0, []).tolist() == [-5, 2, 9]  # lengths 4, 8, 0: three classes
    alike = survey_of(ids, np.array([4, 4, 4]), np.zeros(3, bool))
    assert choose_objects(ids, hashes, alike, 0, []).tolist() == [-5]
