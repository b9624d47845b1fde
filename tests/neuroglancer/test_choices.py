"""Which objects a filter chooses, and how they are told to the client."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import zvview
from zvview.neuroglancer.choices import MOST_CHOSEN, choice_layer, choose
from zvview.stream.filtering import Filter
from zvview.testing import make_store

COUNT = 2 * MOST_CHOSEN


@pytest.fixture(scope="module")
def store() -> zvview.Store:
    """Streamlines in one large group of several."""
    return make(most=np.arange(1, COUNT), one=np.array([0]))


def make(**groups: NDArray[np.int64]) -> zvview.Store:
    batch = zvview.Streamlines(
        np.random.default_rng(0).uniform(0, 99, (3 * COUNT, 3)).astype(np.float32),
        offsets=np.arange(0, 3 * COUNT + 1, 3),
        object_ids=np.arange(COUNT),
    )
    place: dict[str, bytes] = {}
    with zvview.create(place, kind="streamline", chunk_shape=(50.0,) * 3) as made:
        made.write(batch, groups=groups)
    return zvview.open(place)  # type: ignore[return-value]


def test_a_filter_of_attributes_chooses_no_objects(store: zvview.Store) -> None:
    found = choose(store, Filter(ranges={"a": (0, 1)}))
    assert (found.objects, found.groups, found.membership, found.notes) == (None, None, None, ())
    assert choose(store, Filter(), with_groups=True).membership is not None


def test_few_objects_are_chosen_one_by_one(store: zvview.Store) -> None:
    found = choose(store, Filter(object_ids=[3, 4, 10**6]))
    assert found.objects is not None and found.objects.tolist() == [3, 4, 10**6] and found.notes == ()
    layer = choice_layer("a", store, found.objects)
    assert layer["segments"] == ["4", "5"]  # object 0 makes segment n + 1 of object n
    both = choose(store, Filter(object_ids=[0, 3], groups=("one",)))
    assert both.objects is not None and both.objects.tolist() == [0]


def test_a_large_group_is_told_by_annotations_where_they_can(store: zvview.Store) -> None:
    asked = Filter(ranges={"a": (0, 1)}, groups=("most",))
    told = choose(store, asked, can_tell_groups=True)
    assert told.objects is None and told.groups == (0,) and "by group" in told.notes[0]
    assert told.of_annotations(asked) == Filter(ranges={"a": (0, 1)}, groups=(0,))
    untold = choose(store, asked)
    assert untold.objects is not None and len(untold.objects) == MOST_CHOSEN and "are shown" in untold.notes[0]


def test_groups_that_share_objects_are_not_told_by_annotations_which_know_one_group_of_each() -> None:
    found = choose(make(most=np.arange(1, COUNT), some=np.arange(9)), Filter(groups=("most",)), can_tell_groups=True)
    assert found.groups is None and found.objects is not None
    assert found.objects.tolist() == list(range(1, MOST_CHOSEN + 1))


def test_a_group_that_is_none_is_told(store: zvview.Store) -> None:
    found = choose(store, Filter(groups=("no such",)))
    assert found.objects is None and "all objects are shown" in found.notes[0]


def test_stores_without_objects_have_no_segments_to_choose() -> None:
    plain = make_store({}, "point_cloud", size=20, with_groups=False)
    assert choose(plain, Filter(object_ids=[1])).objects is not None
