"""Directions at vertices: of length 1, or none."""

from __future__ import annotations

import numpy as np
import pytest

from zvview.style.directions import colour_directions, vertex_directions


@pytest.mark.parametrize("far", [1e20, 1e200, np.inf, np.nan])
def test_vertices_beyond_all_numbers_have_no_direction_and_no_warning(far: float) -> None:
    positions = np.array([[0, 0, 0], [far, 0, 0], [1, 1, 1], [1, 4, 5], [1, 4, 5]])
    found = vertex_directions(positions, np.array([[0, 1], [2, 3], [3, 4]]), (0, 1, 2))
    assert np.isfinite(found).all()
    assert np.allclose(found[2:4], [[0, 0.6, 0.8]] * 2) and not found[4].any()
    assert colour_directions(found)[4].tolist() == [0.5, 0.5, 0.5, 1]
