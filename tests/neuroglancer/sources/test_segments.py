from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zvview.neuroglancer.sources.segments import Segments

IDS = hnp.arrays(
    np.int64, st.integers(0, 20), elements=st.one_of(st.integers(-3, 5), st.integers(-(2**63), 2**63 - 1)), unique=True
)


@given(IDS)
def test_every_object_that_is_not_negative_is_a_segment_of_its_own_that_leads_back(ids: np.ndarray) -> None:
    found = Segments.of(ids)
    objects = np.sort(ids[ids >= 0])
    numbers = found.of_objects(objects)
    assert np.array_equal(found.ids, objects)
    assert 0 not in numbers
    assert len(np.unique(numbers)) == len(objects)
    assert np.array_equal(found.objects(numbers), objects)
    assert any("negative" in note for note in found.notes) == bool((ids < 0).any())


@given(IDS, hnp.arrays(np.uint64, st.integers(0, 20), elements=st.one_of(st.integers(0, 6), st.integers(0, 2**64 - 1))))
def test_numbers_that_are_no_segments_lead_to_nothing(ids: np.ndarray, numbers: np.ndarray) -> None:
    found = Segments.of(ids)
    known = found.of_objects(found.ids)
    assert np.array_equal(found.of_objects(found.objects(numbers)), numbers[np.isin(numbers, known)])


def test_numbers_stay_as_they_are_unless_there_is_an_object_0() -> None:
    assert Segments.of(np.array([7, 3])).of_objects(np.array([3])).tolist() == [3]
    with_none = Segments.of(np.array([7, 0]))
    assert with_none.of_objects(np.array([0, 7])).tolist() == [1, 8]
    assert len(with_none.notes) == 1
