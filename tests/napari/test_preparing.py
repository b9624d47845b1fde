"""From batches to the arrays of a layer: rows stay together, nothing is shared with the engine."""

from __future__ import annotations

import numpy as np
import pytest

from zvview.format.metadata import Axis
from zvview.geometry.batches import Mesh
from zvview.napari.frame import Frame
from zvview.napari.preparing import prepare
from zvview.style import Colouring, colour_vertices
from zvview.testing import make_batch

FRAME = Frame.of([Axis(name) for name in "xyz"], (np.zeros(3), np.full(3, 1000.0)), np.ones(3))


@pytest.mark.parametrize("kind", ["point_cloud", "line", "polyline", "streamline", "graph", "skeleton", "mesh"])
def test_rows_of_all_arrays_belong_together(kind: str) -> None:
    batch = make_batch(kind, 600)
    by = Colouring("object")
    prepared = prepare(batch, FRAME, by)
    np.testing.assert_array_equal(prepared.positions, batch.positions[:, ::-1])
    np.testing.assert_array_equal(prepared.colours, colour_vertices(batch, by))
    assert {len(column) for column in prepared.features.values()} <= {len(batch)}
    assert not np.shares_memory(prepared.positions, batch.positions)  # tools write into it
    assert prepared.colours.flags.writeable
    assert prepared.nbytes >= prepared.positions.nbytes + prepared.colours.nbytes
    if kind == "point_cloud":
        assert prepared.elements is None
    else:
        assert prepared.elements is not None and prepared.elements.max() < len(batch)
        assert prepared.elements.dtype == np.uint32
        assert prepared.positions[:, ::-1].flags.c_contiguous  # as a vertex buffer takes them


def test_faces_of_more_corners_become_fans() -> None:
    square = Mesh(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]]), faces=np.array([[0, 1, 2, 3]]))
    prepared = prepare(square, FRAME, Colouring())
    np.testing.assert_array_equal(prepared.elements, [[0, 1, 2], [0, 2, 3]])


def test_channels_are_columns() -> None:
    mesh = Mesh(np.zeros((3, 3)), faces=np.array([[0, 1, 2]]), attributes={"n": np.arange(6.0).reshape(3, 2)})
    features = prepare(mesh, FRAME, Colouring()).features
    assert set(features) == {"n[0]", "n[1]"}
    np.testing.assert_array_equal(features["n[1]"], [1, 3, 5])
