from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stream.conftest import make_tree
from zvview.stream.cut import Cut, choose_cut, needed_cells, splitting_of

EDGES = [4.0, 8.0, 16.0, 32.0]


def cut_at(tree: Any, facts: Any, px: Any = 1.0, *, budget: float = 1e9, target: float = 4.0, **options: Any) -> Cut:
    seen = tuple(np.ones(len(level), bool) for level in tree)
    zooms = [np.full(len(level), float(px)) if np.isscalar(px) else px[k] for k, level in enumerate(tree)]
    weights = [np.asarray(level.counts, float) for level in facts.levels]
    rule = splitting_of(tree, range(facts.ndim), facts.is_spatial)
    return choose_cut(tree, seen, zooms, weights, rule, target_px=target, budget=budget, **options)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 100))
def test_one_zoom_gives_the_coarsest_level_whose_bins_are_small_enough(px: float) -> None:
    facts, tree = make_tree(EDGES)
    cut = cut_at(tree, facts, px)
    bins = np.array([0.0, 1.0, 2.0, 4.0])
    assert cut.levels == (int(np.flatnonzero(bins * px <= 4.0).max()),)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 100), st.floats(1, 50_000))
def test_the_budget_holds_unless_the_coarsest_level_is_above_it(px: float, budget: float) -> None:
    facts, tree = make_tree(EDGES)
    cut = cut_at(tree, facts, px, budget=budget)
    assert cut.predicted <= budget or cut.levels == (3,)
    finer = [k for k in range(cut.levels[0]) if 100 * len(tree[k]) <= budget]
    free = cut_at(tree, facts, px).levels[0]
    assert all(k < free for k in finer), "it is the finest that fits, down to what the error asks for"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.05, 20), min_size=2, max_size=12))
def test_cells_of_a_cut_lie_side_by_side(zooms: list[float]) -> None:
    facts, tree = make_tree(EDGES)
    rng = np.random.default_rng(len(zooms))
    px = [rng.choice(zooms, len(level)) for level in tree]
    cut = cut_at(tree, facts, px, budget=20_000)
    sizes = [np.prod(level.hi - level.lo, axis=1) for level in tree]
    area = sum(float(size[own].sum()) for size, own in zip(sizes, cut.cells, strict=True))
    assert area == pytest.approx(64.0**2)


@settings(max_examples=40)
@given(st.lists(st.floats(0.05, 20), min_size=2, max_size=12), st.floats(400, 30_000))
def test_the_cut_within_the_budget_is_the_finest_of_all_limits(zooms: list[float], budget: float) -> None:
    facts, tree = make_tree(EDGES)
    rng = np.random.default_rng(len(zooms))
    px = [rng.choice(zooms, len(level)) for level in tree]
    cut = cut_at(tree, facts, px, budget=budget)
    rule = splitting_of(tree, range(facts.ndim), facts.is_spatial)
    limits = {4.0} | {limit for k in range(1, 4) for limit in (rule.bins[k] * px[k]).tolist() if limit > 4}
    sizes = [cut_at(tree, facts, px, target=limit).predicted for limit in limits]
    assert cut.predicted == max([size for size in sizes if size <= budget], default=min(sizes))


@given(st.floats(0.1, 20), st.lists(st.floats(0.9, 1.1), min_size=1, max_size=10))
def test_a_trembling_zoom_changes_levels_once_at_most(px: float, trembles: list[float]) -> None:
    facts, tree = make_tree(EDGES)
    before, levels = None, []
    for factor in trembles:
        before = cut_at(tree, facts, px * factor, before=before)
        levels.append(before.levels)
    assert len(set(levels)) == 1


def test_a_zoom_beyond_the_slack_does_change_levels_both_ways() -> None:
    facts, tree = make_tree(EDGES)
    at = cut_at(tree, facts, 2.0)
    assert at.levels == (2,)
    assert cut_at(tree, facts, 2.0 * 1.3, before=at).levels == (1,)
    assert cut_at(tree, facts, 1.0 / 1.3, before=at).levels == (3,)
    assert cut_at(tree, facts, 1.0 / 1.2, before=at).levels == (2,)


def test_a_budget_on_the_edge_does_not_make_levels_flicker() -> None:
    facts, tree = make_tree(EDGES)
    coarse = cut_at(tree, facts, 100.0, budget=25_000)
    assert coarse.levels == (1,) and 100 * len(tree[0]) == 25_600
    assert cut_at(tree, facts, 100.0, budget=26_000, before=coarse).levels == (1,), "too little room to refine"
    fine = cut_at(tree, facts, 100.0, budget=33_000, before=coarse)
    assert fine.levels == (0,)
    assert cut_at(tree, facts, 100.0, budget=26_000, before=fine).levels == (0,), "enough to stay"


def test_level_0_is_exact_whatever_its_bins() -> None:
    facts, tree = make_tree([4.0, 8.0], bins=[1000.0, 1.0])
    assert cut_at(tree, facts, 100.0).levels == (0,)
    assert cut_at(tree, facts, 1.0).levels == (1,)


def test_levels_that_only_hold_less_give_way_to_the_finest_that_fits() -> None:
    facts, tree = make_tree([8.0, 8.0, 8.0], bins=[1.0] * 3, vertices=[400, 200, 100], sparsity=[1.0, 0.5, 0.25])
    chunks = len(tree[0])
    assert cut_at(tree, facts, 0.01).levels == (0,)
    assert cut_at(tree, facts, 0.01, budget=chunks * 300).levels == (1,)
    assert cut_at(tree, facts, 100.0, budget=chunks * 300).levels == (1,)
    assert cut_at(tree, facts, 100.0, budget=chunks * 10).levels == (2,)


def test_a_level_that_lacks_something_is_shown_only_when_the_budget_asks_for_it() -> None:
    facts, tree = make_tree([8.0, 16.0, 32.0], lacks=[(), (), ("intensity",)])
    assert cut_at(tree, facts, 0.01).levels == (1,)
    assert cut_at(tree, facts, 0.01, budget=500).levels == (2,)


def test_near_regions_are_finer_than_far_ones() -> None:
    facts, tree = make_tree(EDGES)
    px = [np.where(level.lo[:, 0] < 16, 8.0, 0.5) for level in tree]
    cut = cut_at(tree, facts, px)
    assert set(cut.levels) >= {0, 3}
    for k, level in enumerate(tree[:2]):
        assert (level.lo[cut.cells[k], 0] < 32).all()


def test_a_locked_level_is_shown_whatever_the_rule_says() -> None:
    facts, tree = make_tree(EDGES)
    assert [cut_at(tree, facts, 1.0, budget=1, locked=k).levels for k in range(4)] == [(0,), (1,), (2,), (3,)]


def test_a_level_that_adds_needs_what_it_adds_to() -> None:
    facts, tree = make_tree(EDGES, is_added=[True, True, False, False])
    cut = cut_at(tree, facts, 100.0)
    shown = needed_cells(tree, cut.cells)
    assert [bool(mask.any()) for mask in shown] == [True, True, True, False]
    assert cut.predicted == 100 * sum(len(tree[k]) for k in range(3))
