"""Runs of networks: every link once, inner nodes in a row, everything else an anchor."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.pyramid.unbranched import Runs, find_runs


@st.composite
def networks(draw: st.DrawFn) -> tuple[int, NDArray[np.int64], NDArray[np.bool_]]:
    """Paths, rings, loops, repeated links and branches, in any order."""
    count = draw(st.integers(1, 14))
    paths = draw(st.lists(st.lists(st.integers(0, count - 1), min_size=2, max_size=9), max_size=5))
    pairs = [pair for path in paths for pair in pairwise(path)]
    edges = np.array(draw(st.permutations(pairs)), np.int64).reshape(-1, 2)
    pinned = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    return count, edges, pinned & draw(st.booleans())


def check(runs: Runs, count: int, edges: NDArray[np.int64]) -> None:
    links = np.sort(np.concatenate((runs.links, runs.direct)))
    np.testing.assert_array_equal(links, np.arange(len(edges)))
    assert runs.offsets[0] == 0 and runs.offsets[-1] == len(runs.rows)
    assert (np.diff(runs.offsets) >= 2).all()
    inside = np.ones(len(runs.rows), bool)
    inside[runs.offsets[:-1]] = inside[runs.offsets[1:] - 1] = False
    np.testing.assert_array_equal(np.sort(runs.rows[inside]), np.flatnonzero(~runs.is_anchor))
    assert runs.is_anchor[runs.rows[~inside]].all()
    assert runs.is_anchor[edges[runs.direct]].all()
    run = runs.run_of_row
    for i in np.flatnonzero(run[1:] == run[:-1]):
        ends = edges[runs.links[i - run[i]]]
        assert sorted(ends.tolist()) == sorted(runs.rows[i : i + 2].tolist())
    assert len(runs.is_anchor) == count


@settings(max_examples=150, deadline=None)
@given(networks())
def test_runs_hold_each_link_once_and_each_inner_node_once(
    network: tuple[int, NDArray[np.int64], NDArray[np.bool_]],
) -> None:
    count, edges, pinned = network
    runs = find_runs(count, edges, pinned)
    check(runs, count, edges)
    degree = np.bincount(edges.ravel(), minlength=count)
    assert runs.is_anchor[(degree != 2) | pinned].all()


def test_a_ring_keeps_its_lowest_node() -> None:
    edges = np.array([[3, 1], [1, 4], [4, 2], [2, 3]])
    runs = find_runs(5, edges, np.zeros(5, bool))
    assert runs.is_anchor.tolist() == [True, True, False, False, False]
    assert runs.offsets.tolist() == [0, 5]
    assert runs.rows[0] == runs.rows[-1] == 1


def test_a_long_path_is_one_run_from_end_to_end() -> None:
    order = np.random.default_rng(1).permutation(5000)
    runs = find_runs(5000, np.stack((order[:-1], order[1:]), axis=1), np.zeros(5000, bool))
    assert runs.rows.tolist() in (order.tolist(), order[::-1].tolist())


def test_loops_and_repeated_links_stay() -> None:
    edges = np.array([[0, 0], [1, 2], [1, 2], [2, 3]])
    runs = find_runs(4, edges, np.zeros(4, bool))
    assert runs.is_anchor.tolist() == [True, False, True, True]
    assert runs.rows.tolist() == [2, 1, 2]
    assert runs.direct.tolist() == [0, 3]


def test_nothing_has_no_runs() -> None:
    runs = find_runs(0, np.empty((0, 2), np.int64), np.empty(0, bool))
    assert len(runs) == 0 and runs.offsets.tolist() == [0] and not len(runs.direct)
