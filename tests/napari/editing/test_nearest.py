"""The vertex that is nearest to a new one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvview.napari.editing.nearest import nearest_rows


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 40), st.sampled_from([np.float32, np.float64]))
def test_no_vertex_is_nearer(seed, n, m, dtype):
    rng = np.random.default_rng(seed)
    vertices, places = rng.normal(size=(n, 3)).astype(dtype), rng.normal(size=(m, 3)).astype(dtype)
    found = nearest_rows(vertices, places)
    distances = np.linalg.norm(places[:, None].astype(float) - vertices[None], axis=2)
    assert found.shape == (m,)
    assert distances[np.arange(m), found] == pytest.approx(distances.min(axis=1))


@pytest.mark.parametrize("count", [1, 100])
def test_what_is_no_number_is_near_to_nothing(count):
    vertices = np.array([[np.nan, 0, 0], [np.inf, 0, 0], [5, 5, 5], [9, 9, 9]])
    assert nearest_rows(vertices, np.full((count, 3), 8.0)).tolist() == [3] * count
    assert nearest_rows(vertices[:2], np.zeros((count, 3))).tolist() == [0] * count
    assert nearest_rows(vertices, np.full((count, 3), np.nan)).tolist() == [0] * count
