"""Normals of vertices: as vispy's, of length one, and zero where there is no area."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from vispy.geometry import MeshData

from zvview.napari.normals import vertex_normals


@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(1, 80))
@settings(max_examples=40, deadline=None)
def test_they_are_those_of_vispy(seed: int, vertices: int, faces: int) -> None:
    rng = np.random.default_rng(seed)
    positions = rng.random((vertices, 3), dtype=np.float32)
    rows = np.array([rng.choice(vertices, 3, replace=False) for _ in range(faces)], np.uint32)
    first, second, third = (positions[rows[:, corner]] for corner in range(3))
    is_down = np.cross(second - first, third - first)[:, 2] < 0
    rows[is_down] = rows[is_down][:, ::-1]  # those that look up and down could cancel
    normals = vertex_normals(positions, rows)
    theirs = MeshData(positions, rows).get_vertex_normals()
    theirs /= np.maximum(np.linalg.norm(theirs, axis=1, keepdims=True), 1e-30)
    assert normals.dtype == np.float32 and normals.shape == positions.shape
    used = np.unique(rows)
    np.testing.assert_allclose(normals[used], theirs[used], atol=1e-3)
    assert not normals[np.setdiff1d(np.arange(vertices), used)].any()


def test_faces_without_area_have_none() -> None:
    assert not vertex_normals(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]])).any()
