from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvview.stream.portions import MOST_CHUNKS, Portions


@given(st.booleans(), st.lists(st.tuples(st.integers(1, 600), st.floats(0, 100)), max_size=30))
def test_a_read_is_never_empty_and_never_huge(is_local: bool, reads: list[tuple[int, float]]) -> None:
    portions = Portions(is_local)
    for chunks, seconds in reads:
        portions.learn(chunks, seconds)
        assert 1 <= portions.chunks <= MOST_CHUNKS


@given(st.floats(1e-4, 0.12), st.floats(0, 0.5), st.booleans())
def test_reads_come_to_take_about_as_long_as_pictures_may_come_apart(
    each_s: float, way_s: float, is_local: bool
) -> None:
    portions = Portions(is_local)
    portions.learn(1, way_s + each_s)
    for _ in range(30):
        portions.learn(portions.chunks, way_s + portions.chunks * each_s)
    took = way_s + portions.chunks * each_s
    assert took <= max(0.75, 1.5 * (way_s + each_s)) + 2 * each_s
    assert took >= 0.2 - 2 * each_s or portions.chunks == MOST_CHUNKS


def test_a_way_that_became_long_does_not_make_reads_small_for_ever() -> None:
    portions = Portions(False)
    for _ in range(20):
        portions.learn(portions.chunks, 0.1 + 0.01 * portions.chunks)
    for _ in range(40):
        portions.learn(portions.chunks, 0.4 + 0.01 * portions.chunks)
    assert portions.chunks >= 10


def test_the_first_reads_of_a_source_far_away_are_small() -> None:
    assert Portions(False).chunks == 8 < Portions(True).chunks


@pytest.mark.parametrize("seconds", [0.01, 0.2])
def test_a_read_of_a_few_chunks_says_nothing_about_many(seconds: float) -> None:
    portions = Portions(True)
    portions.learn(2, seconds)
    assert portions.chunks == 64
