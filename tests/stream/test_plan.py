from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stream.conftest import any_edges, make_limits, make_tree, make_view
from zvview.stream import Projection
from zvview.stream.plan import plan_ahead, plan_view

corners = st.tuples(st.floats(0, 60), st.floats(0, 60), st.floats(0.1, 30), st.floats(0.1, 30))


@settings(max_examples=60)
@given(any_edges, corners, st.floats(0.05, 20), st.integers(50, 20_000))
def test_a_plan_reads_each_needed_chunk_in_view_once(
    edges: list[float], corner: tuple[float, ...], zoom: float, budget: int
) -> None:
    facts, tree = make_tree(edges)
    x, y, w, h = corner
    view = make_view((x, y), (x + w, y + h), zoom, budget_vertices=budget)
    plan = plan_view(tree, view, make_limits(facts, tree))
    keys = [tuple(key) for key in plan.order.tolist()]
    assert len(set(keys)) == len(keys)
    target = keys[plan.stand_ins :]
    assert sorted(target) == [(k, row) for k, mask in enumerate(plan.needed) for row in np.flatnonzero(mask).tolist()]
    for k, row in keys:
        assert (tree[k].chunk_lo[row] <= view.hi).all() and (tree[k].chunk_hi[row] > view.lo).all()
    assert all(k == len(tree) - 1 for k, _ in keys[: plan.stand_ins])
    assert target, "something is shown of every view that holds chunks"
    assert 100 * len(target) <= budget or len(target) == 1 or not plan.notes


def test_the_middle_of_the_view_comes_first() -> None:
    facts, tree = make_tree([4.0])
    plan = plan_view(tree, make_view((0, 0), (64, 64)), make_limits(facts, tree))
    middles = (tree[0].chunk_lo + tree[0].chunk_hi)[plan.order[:, 1]] / 2
    away = np.linalg.norm(middles - 32, axis=1)
    assert away[:4].max() <= away.min() + 1e-9
    assert np.mean(away[:64]) < np.mean(away[-64:])


def test_a_moving_view_reads_first_where_it_goes() -> None:
    facts, tree = make_tree([4.0])
    plan = plan_view(tree, make_view((16, 16), (48, 48)), make_limits(facts, tree), motion=np.array([16.0, 0.0]))
    middles = (tree[0].chunk_lo + tree[0].chunk_hi)[plan.order[:, 1]] / 2
    assert np.linalg.norm(middles[:2] - (48, 32), axis=1).max() < 4
    assert (middles[-9:, 0] < 24).all(), "what it leaves is read last"
    rest = plan_view(tree, plan.view, make_limits(facts, tree))
    assert sorted(plan.order.tolist()) == sorted(rest.order.tolist())
    far = plan_view(tree, plan.view, make_limits(facts, tree), motion=np.array([1e9, 0.0]))
    assert np.array_equal(far.order, plan.order), "at most from the edge"


def test_what_no_budget_allows_is_cut_off_from_the_middle_outward_and_said() -> None:
    facts, tree = make_tree([4.0])
    plan = plan_view(tree, make_view((0, 0), (64, 64), budget_vertices=2000), make_limits(facts, tree))
    assert len(plan.order) == 20 and plan.cut.predicted == 2000
    assert "20 of 256 chunks" in plan.notes[0]
    tiny = plan_view(tree, make_view((0, 0), (64, 64), budget_vertices=1), make_limits(facts, tree))
    assert len(tiny.order) == 1


def test_a_small_cache_makes_the_plan_coarser() -> None:
    facts, tree = make_tree([4.0, 8.0, 16.0])
    view = make_view((0, 0), (64, 64), 100.0)
    assert plan_view(tree, view, make_limits(facts, tree)).cut.levels == (0,)
    assert plan_view(tree, view, make_limits(facts, tree, most_bytes=64 * 100 * 24.0)).cut.levels == (1,)


def test_only_chunks_that_may_match_are_read() -> None:
    facts, tree = make_tree([4.0, 8.0])
    allowed = tuple(np.arange(len(level)) % 3 == 0 for level in tree)
    plan = plan_view(tree, make_view((0, 0), (64, 64), 100.0), make_limits(facts, tree), allowed=allowed)
    assert len(plan.order) and all(allowed[k][row] for k, row in plan.order.tolist())


def test_a_thin_slab_counts_for_what_it_shows() -> None:
    facts, tree = make_tree([4.0, 8.0], ndim=3, extent=32.0)
    whole = make_view((0, 0, 0), (32, 32, 32), 100.0, budget_vertices=5000)
    slab = make_view((0, 0, 3), (32, 32, 3.4), 100.0, displayed=(0, 1), budget_vertices=5000)
    assert plan_view(tree, whole, make_limits(facts, tree)).cut.levels == (1,)
    plan = plan_view(tree, slab, make_limits(facts, tree))
    assert plan.cut.levels == (0,) and len(plan.order) - plan.stand_ins == 64


def test_what_lies_along_the_motion_is_read_ahead_first() -> None:
    facts, tree = make_tree([4.0])
    limits = make_limits(facts, tree)
    plan = plan_view(tree, make_view((16, 16), (31, 31)), limits)
    ahead = plan_ahead(tree, plan, limits, 0.25, np.array([6.0, 0.0]))
    rows = set(ahead[:, 1].tolist())
    assert rows and not rows & set(plan.order[:, 1].tolist())
    places = tree[0].chunk_lo[ahead[:, 1]]
    assert (places[:4, 0] >= 32).all(), "to where it goes"
    assert places[:, 0].max() > 40 and places[:, 0].min() >= 12, "further ahead than behind"


def test_a_slider_reads_ahead_along_its_axis() -> None:
    facts, tree = make_tree([4.0], ndim=3, extent=32.0)
    limits = make_limits(facts, tree)
    view = make_view((0, 0, 9.5), (32, 32, 10.5), displayed=(0, 1))
    ahead = plan_ahead(tree, plan_view(tree, view, limits), limits, 0.25, np.array([0, 0, 2.0]))
    assert set(tree[0].chunk_lo[ahead[:, 1], 2].tolist()) == {12.0}


def test_a_perspective_view_is_finer_near_the_eye_and_leaves_out_what_it_does_not_see() -> None:
    facts, tree = make_tree([4.0, 8.0, 16.0], ndim=3, extent=64.0)
    projection = Projection.from_camera((0, 1, 2), (32, 32, 32), (0, 0, 1), (0, 1, 0), 4.0, (200, 200), 60)
    view = make_view((0, 0, 0), (64, 64, 64), 4.0, projection=projection, target_error_px=4.0)
    plan = plan_view(tree, view, make_limits(facts, tree))
    assert len(plan.cut.levels) > 1
    depth = [tree[k].chunk_lo[row, 2] for k, row in plan.order[plan.stand_ins :].tolist()]
    level = plan.order[plan.stand_ins :, 0]
    assert np.mean(np.array(depth)[level == level.min()]) < np.mean(np.array(depth)[level == level.max()])
    assert sum(int(mask.sum()) for mask in plan.chunks) < sum(len(t.chunk_lo) for t in tree)
