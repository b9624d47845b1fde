"""Simplified lines stay within the tolerance of what they were, whatever their shape, dtype and number of axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.pyramid.line_geometry import measure_significance, simplify_lines

SHAPES = ("walk", "straight", "still", "closed", "comb")
Lines = tuple[NDArray[Any], NDArray[np.int64]]


@st.composite
def bundles(draw: st.DrawFn, ndim: int | None = None) -> Lines:
    """Lines of many shapes: walks, straight ones, with repeated vertices, closed, of one vertex or none, far away."""
    ndim = draw(st.integers(1, 4)) if ndim is None else ndim
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    lines = []
    for shape in draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=6)):
        count = draw(st.integers(0, 40))
        line = np.cumsum(rng.normal(0, 1, (count, ndim)), axis=0)
        if shape == "straight":
            line = np.outer(np.sort(rng.random(count)), rng.normal(0, 9, ndim))
        elif shape == "still":
            line = np.repeat(rng.normal(0, 9, (1, ndim)), count, axis=0)
        elif shape == "closed" and count:
            line[-1] = line[0]
        elif shape == "comb":
            line[:, 0] = np.arange(count)
            line[::2, -1] += 2
        lines.append(line + draw(st.sampled_from([0.0, -1e4])))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return np.concatenate(lines).astype(dtype), np.cumsum([0] + [len(line) for line in lines])


def distances(positions: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each vertex that went, from the segment between those that stayed around it."""
    gone = np.setdiff1d(np.arange(len(positions)), rows)
    after = np.searchsorted(rows, gone)
    p, a, b = (positions[i].astype(np.float64) for i in (gone, rows[after - 1], rows[after]))
    along = b - a
    share = (along * (p - a)).sum(axis=1) / np.maximum((along * along).sum(axis=1), 1e-300)
    return np.linalg.norm(p - a - np.clip(share, 0, 1)[:, None] * along, axis=1)


def all_space(positions: NDArray[Any]) -> NDArray[np.bool_]:
    return np.ones(positions.shape[1], bool)


@settings(max_examples=60, deadline=None)
@given(bundles(), st.floats(0.01, 20))
def test_ends_stay_and_nothing_is_left_beyond_the_tolerance(lines: Lines, tolerance: float) -> None:
    positions, offsets = lines
    rows = simplify_lines(positions, offsets, tolerance, all_space(positions))
    assert (np.diff(rows) > 0).all()
    full = np.diff(offsets) > 0
    assert np.isin(offsets[:-1][full], rows).all()
    assert np.isin(offsets[1:][full] - 1, rows).all()
    assert (distances(positions, rows) <= tolerance * (1 + 1e-9)).all()


@settings(max_examples=30, deadline=None)
@given(bundles(), st.floats(0.01, 5))
def test_a_line_does_not_depend_on_the_others(lines: Lines, tolerance: float) -> None:
    positions, offsets = lines
    together = simplify_lines(positions, offsets, tolerance, all_space(positions))
    for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        own = positions[first:last]
        alone = simplify_lines(own, np.array([0, len(own)]), tolerance, all_space(own))
        assert np.array_equal(alone + first, together[(together >= first) & (together < last)])


@settings(max_examples=30, deadline=None)
@given(bundles(), st.floats(0.01, 5), st.floats(1, 10))
def test_one_measure_tells_of_all_tolerances(lines: Lines, tolerance: float, more: float) -> None:
    positions, offsets = lines
    worth = measure_significance(positions, offsets, tolerance, all_space(positions))
    for given_one in (tolerance, tolerance * more):
        rows = simplify_lines(positions, offsets, given_one, all_space(positions))
        assert np.array_equal(np.flatnonzero(worth > given_one), rows)


@settings(max_examples=30, deadline=None)
@given(bundles(3), st.floats(0.05, 5), st.booleans())
def test_at_its_own_time_each_vertex_is_where_it_was(lines: Lines, tolerance: float, runs_back: bool) -> None:
    positions, offsets = lines
    counts = np.diff(offsets)
    time = (np.arange(len(positions)) - np.repeat(offsets[:-1], counts)) // 2
    if runs_back:
        time = time % 7
    positions = np.column_stack((positions, time)).astype(positions.dtype)
    rows = simplify_lines(positions, offsets, tolerance, np.array([True, True, True, False]))
    gone = np.setdiff1d(np.arange(len(positions)), rows)
    after = np.searchsorted(rows, gone)
    p, a, b = (positions[i].astype(np.float64) for i in (gone, rows[after - 1], rows[after]))
    pace = b[:, 3] - a[:, 3]
    moves = pace != 0
    share = (p[moves, 3] - a[moves, 3]) / pace[moves]
    assert ((share >= -1e-5) & (share <= 1 + 1e-5)).all()
    there = a[moves, :3] + share[:, None] * (b - a)[moves, :3]
    slack = tolerance * (1 + 1e-9) + 1e-5 * np.abs(b - a)[moves, :3].max(axis=1, initial=0)
    assert (np.linalg.norm(there - p[moves, :3], axis=1) <= slack).all()
    assert (p[~moves, 3] == a[~moves, 3]).all()


def test_a_closed_line_stays_a_line() -> None:
    turn = np.linspace(0, 2 * np.pi, 33)
    ring = np.column_stack((np.cos(turn), np.sin(turn))).astype(np.float32)
    ring[-1] = ring[0]
    assert simplify_lines(ring, np.array([0, 33]), 50.0, np.ones(2, bool)).tolist() == [0, 16, 32]
    assert simplify_lines(np.zeros((9, 2)), np.array([0, 9]), 1.0, np.ones(2, bool)).tolist() == [0, 8]


def test_a_comb_of_many_teeth_takes_few_rounds() -> None:
    comb = np.zeros((60_000, 3), np.float32)
    comb[:, 0] = np.arange(len(comb))
    comb[::2, 1] = 1 + np.arange(len(comb) // 2) * 1e-3
    rows = simplify_lines(comb, np.array([0, len(comb)]), 0.1, np.ones(3, bool))
    assert len(rows) == len(comb)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_squares_neither_overflow_nor_vanish(size: float) -> None:
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(0, 1, (200, 3)), axis=0)
    expected = simplify_lines(walk.astype(np.float32), np.array([0, 200]), 1.5, np.ones(3, bool))
    scaled = simplify_lines((walk * size).astype(np.float32), np.array([0, 200]), 1.5 * size, np.ones(3, bool))
    assert np.array_equal(scaled, expected)


def test_no_tolerance_keeps_all_and_no_lines_are_fine() -> None:
    assert len(simplify_lines(np.zeros((5, 3)), np.array([0, 5]), 0.0, np.ones(3, bool))) == 5
    assert len(simplify_lines(np.zeros((0, 3)), np.array([0]), 1.0, np.ones(3, bool))) == 0
    assert simplify_lines(np.zeros((3, 3)), np.array([0, 0, 1, 3]), 1.0, np.ones(3, bool)).tolist() == [0, 1, 2]
