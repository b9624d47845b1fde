"""Classes of length kept over edits are those of all objects, or are said to be unknown."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.pyramid.length_classes import NOT_SEEN, LengthClasses, class_of, sum_lengths
from zvview.pyramid.line_survey import Survey
from zvview.pyramid.object_choice import choose_objects, hash_objects

Ints = NDArray[np.int64]


def survey_of(ids: Ints, lengths: Ints) -> Survey:
    """Of one chunk."""
    order = np.argsort(ids)
    count = np.array([0, len(ids)])
    none = np.zeros(len(ids), np.int64)
    return Survey(np.zeros((1, 3), np.int64), count, ids[order], none, lengths[order], none > 0)


def same(a: LengthClasses, b: LengthClasses) -> bool:
    return a.document() == b.document()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.sampled_from([3, 40, 900]))
def test_kept_classes_are_those_of_all_objects(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.choice(10**6, count + 5, replace=False)
    lengths = (2.0 ** rng.uniform(0, 6, count + 5)).astype(np.int64)
    had = np.arange(count + 5) < count
    before = LengthClasses.of(survey_of(ids[had], lengths[had]), seed)
    has, after = had.copy(), lengths.copy()
    for i in rng.choice(count + 5, int(rng.integers(0, 6)), replace=False).tolist():
        has[i], after[i] = rng.random() < 0.6, int(rng.integers(0, 90))
    concerned = rng.random(count + 5) < 0.2
    concerned |= (has != had) | (after != lengths)
    classes = [np.where(there, class_of(some), NOT_SEEN)[concerned] for there, some in ((had, lengths), (has, after))]
    moved = before.moved(ids[concerned], *classes)
    expected = LengthClasses.of(survey_of(ids[has], after[has]), seed)
    assert moved is None or same(moved, expected)
    assert moved is not None or count == 900  # a class that lost half of what chance allows is asked again
    chosen = choose_objects(
        np.sort(ids[has]), hash_objects(np.sort(ids[has]), seed), survey_of(ids[has], after[has]), 0, []
    )
    assert expected.winners().tolist() == chosen.tolist()


def test_lists_are_short() -> None:
    ids = np.arange(200_000)
    classes = LengthClasses.of(survey_of(ids, np.full(len(ids), 5)), 0)
    assert classes.counts == {3: 200_000}
    assert 10 < len(classes.heads[3]) < 100


def test_documents_come_back_and_damage_is_found() -> None:
    classes = LengthClasses.of(survey_of(np.array([5, -2, 9]), np.array([0, 3, 900])), 7)
    document: Any = json.loads(json.dumps(classes.document()))
    assert same(LengthClasses.parse(document), classes)
    document["classes"][0][1] += 1
    for bad in (document, {}, [], 3):
        with pytest.raises(DamagedError):
            LengthClasses.parse(bad)


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
