"""Classes of length: by powers of two, of lengths that are summed over chunks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.pyramid.length_classes import MOST_OF_CLASS, class_of, heads_of_classes, sum_lengths
from zvview.pyramid.line_survey import Survey
from zvview.pyramid.object_choice import choose_objects
from zvview.pyramid.object_ranks import hash_objects

Ints = NDArray[np.int64]


def survey_of(ids: Ints, lengths: Ints) -> Survey:
    """Of one chunk."""
    order = np.argsort(ids)
    count = np.array([0, len(ids)])
    none = np.zeros(len(ids), np.int64)
    return Survey(np.zeros((1, 3), np.int64), count, ids[order], none, lengths[order], none > 0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.sampled_from([3, 40, 900]))
def test_winners_are_those_that_are_chosen(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    ids = np.sort(rng.choice(10**6, count, replace=False))
    survey = survey_of(ids, (2.0 ** rng.uniform(0, 6, count)).astype(np.int64))
    heads = heads_of_classes(survey, seed)
    assert np.sort(heads.winners).tolist() == choose_objects(ids, hash_objects(ids, seed), survey, 0, []).tolist()
    assert heads.keys[:, 0].tolist() == np.unique(class_of(survey.lengths)).tolist()


def test_lists_are_short() -> None:
    ids = np.arange(200_000)
    heads = heads_of_classes(survey_of(ids, np.full(len(ids), 5)), 0)
    assert heads.keys.tolist() == [[3]]
    assert len(heads.ids) == MOST_OF_CLASS < 100
    assert not heads.is_all[0]


def test_lengths_are_summed_over_chunks() -> None:
    survey = Survey(
        np.array([[0, 0], [0, 1]]),
        np.array([0, 2, 3]),
        np.array([1, 4, 1]),
        np.zeros(3, int),
        np.array([2, 5, 3]),
        np.zeros(3, bool),
    )
    ids, lengths = sum_lengths(survey)
    assert (ids.tolist(), lengths.tolist()) == ([1, 4], [5, 5])
