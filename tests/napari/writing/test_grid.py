"""Grids along time: bins are moments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.format.metadata import Axis
from zvview.geometry.batches import Points
from zvview.napari.writing.grid import choose_grid, step_of

AXES = (Axis("x"), Axis("y"), Axis("t", "time"))


@given(st.sampled_from([0.1, 0.5, 1.0, 7.0]), st.lists(st.integers(0, 500), min_size=2, max_size=40, unique=True))
@settings(max_examples=50, deadline=None)
def test_moments_lie_a_number_of_steps_apart(step: float, frames: list[int]) -> None:
    found = step_of(np.array(frames) * step)
    distances = np.diff(np.sort(frames))
    if (distances % distances.min() == 0).all():
        assert found == pytest.approx(step * distances.min())
    else:
        assert found is None


def test_single_and_uneven_moments() -> None:
    assert step_of(np.array([3.0, 3.0])) == 1 and step_of(np.empty(0)) is None
    assert step_of(np.array([0, 1, 2.5])) is None
    assert step_of(np.array([0, 1e-12, 1e6])) is None


def test_stores_have_bins_of_one_moment() -> None:
    rng = np.random.default_rng(0)
    positions = np.column_stack((rng.uniform(0, 100, (5000, 2)), rng.integers(0, 3000, 5000) * 0.25))
    batch = Points(positions.astype(np.float32))
    grid = choose_grid(batch, AXES)
    assert grid["bin_shape"][2] == 0.25 and grid["chunk_shape"][2] % 0.25 == 0
    assert grid["chunk_shape"][2] <= 0.25 * 1024
    store = zvview.create({}, kind="point_cloud", axes=AXES, **grid)
    store.write(batch)
    assert store.level(0).resolution[2] == 0.25


def test_without_even_moments_the_writer_chooses() -> None:
    assert choose_grid(Points(np.random.default_rng(0).random((50, 3))), AXES) == {}
    assert choose_grid(Points(np.zeros((5, 2))), AXES[:2]) == {}
    assert choose_grid(Points(np.empty((0, 3))), AXES) == {}
