from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stream.conftest import make_facts, make_limits, make_tree, make_view
from zvview.stream.in_view import visible_shares
from zvview.stream.plan import plan_view
from zvview.stream.samples import Samples

EDGES = [16.0, 64.0]


def crowd(seed: int, count: int = 20_000) -> np.ndarray:
    """Points of which most lie in the corner of each chunk."""
    rng = np.random.default_rng(seed)
    return (np.floor(rng.uniform(0, 4, (count, 2))) * 16 + 16 * rng.random((count, 2)) ** 4).astype(np.float32)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(1, 60))
def test_a_coarse_level_tells_how_much_of_finer_chunks_is_in_view(seed: int, side: float) -> None:
    facts, tree = make_tree(EDGES, vertices=[50_000, 5000])
    samples, points = Samples(facts), crowd(seed)
    samples.oversee(1, points[::4])
    view = make_view((0, 0), (side, side), 100.0)
    rows = np.arange(len(tree[0].chunk_lo))
    shares = visible_shares(tree[0], rows, view, samples, 0)
    for row, share in zip(rows, shares, strict=True):
        own = points[((points >= tree[0].chunk_lo[row]) & (points < tree[0].chunk_hi[row])).all(axis=1)]
        assert share == pytest.approx(float((own <= side).all(axis=1).mean()), abs=0.15)


def test_what_was_read_tells_more_than_an_overview_and_both_are_let_go() -> None:
    samples = Samples(make_facts(EDGES, vertices=[50_000, 5000]))
    assert samples.can_oversee(1) and not samples.can_oversee(0) and (0, 0) not in samples
    samples.oversee(1, crowd(0))
    assert not samples.can_oversee(1) and (0, 0) in samples and (1, 0) not in samples and len(samples) == 0
    samples.take((0, 0), np.ones((9000, 2), np.float32))
    samples.take((0, 1), np.ones((10, 2), np.float32))
    assert (samples[0, 0] == 1).all() and list(samples) == [(0, 0)]
    samples.clear()
    assert (0, 0) not in samples and samples.can_oversee(1)


def test_with_an_overview_no_level_is_chosen_that_turns_out_too_large() -> None:
    """Else its points were taken to be spread evenly, and the plan was made anew when some of them came."""
    facts, tree = make_tree(EDGES, vertices=[200_000, 20_000])
    view = make_view((0, 0), (8, 8), 100.0, budget_vertices=100_000)
    assert plan_view(tree, view, make_limits(facts, tree)).is_guessed
    samples = Samples(facts)
    samples.oversee(1, crowd(3))
    plan = plan_view(tree, view, make_limits(facts, tree, samples=samples))
    assert plan.cut.levels == (1,) and not plan.is_guessed
