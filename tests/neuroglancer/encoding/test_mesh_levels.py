from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zvview.neuroglancer.encoding.mesh_levels import coarser_surfaces
from zvview.neuroglancer.encoding.meshes import encode_mesh


def sheet(n: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    x, y = (a.ravel() for a in np.meshgrid(*[np.arange(float(n))] * 2, indexing="ij"))
    i = np.arange(n * n).reshape(n, n)
    a, b, c, d = i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    return np.stack((x, y, 3 * np.sin(x / 9) + 1e6), 1), faces


def test_each_level_has_a_quarter_and_lies_on_the_surface() -> None:
    vertices, faces = sheet(120)
    levels = coarser_surfaces(vertices, faces)
    counts = [len(faces), *(len(f) for _, f in levels)]
    assert len(levels) == 3
    assert all(0.2 < b / a < 0.5 for a, b in pairwise(counts))  # the outline is kept
    for found, rows in levels:
        assert np.array_equal(np.unique(rows), np.arange(len(found)))
        assert np.abs(found[:, 2] - 1e6 - 3 * np.sin(found[:, 0] / 9)).max() < 0.5
    assert len(encode_mesh([(vertices, faces), *levels]).faces) == 4


def test_small_and_degenerate_surfaces_have_no_coarser_ones() -> None:
    vertices, faces = sheet(10)
    assert coarser_surfaces(vertices, faces) == []
    assert coarser_surfaces(*sheet(60), most=0) == []
    assert coarser_surfaces(np.zeros((3, 3)), np.tile([0, 1, 2], (2_000, 1))) == []
    assert coarser_surfaces(np.empty((0, 3)), np.empty((0, 3), np.int64)) == []
