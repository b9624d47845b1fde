"""Scales and affine maps: exact for what they are, lengths and winding carried along, nonsense refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.convert.frames import frame_of
from zvview.errors import InvalidInputError
from zvview.format.metadata import Axis
from zvview.geometry.batches import Mesh, Points

XYZ = tuple(Axis(name) for name in "xyz")
XYT = (Axis("x"), Axis("t", "time"), Axis("y"))
NUMBERS = st.floats(-100, 100)


@settings(max_examples=50, deadline=None)
@given(st.lists(NUMBERS, min_size=12, max_size=12), st.lists(NUMBERS, min_size=3, max_size=3))
def test_an_affine_map_is_what_it_says(values: list[float], point: list[float]) -> None:
    matrix = np.reshape(values, (3, 4))
    if abs(np.linalg.det(matrix[:, :3])) < 1e-3:
        return
    frame: Any = frame_of(XYZ, affine=np.vstack((matrix, [0, 0, 0, 1])))
    moved = frame.apply(Points(np.array([point]))).positions[0]
    assert np.allclose(moved, matrix[:, :3] @ point + matrix[:, 3], rtol=1e-12, atol=1e-9)


def test_time_is_not_scaled_and_lengths_are() -> None:
    points = Points(np.array([[1, 2, 3]], "f4"), attributes={"radius": np.array([2], "i4"), "other": [5.0]})
    frame: Any = frame_of(XYT, scale=[8], lengths=("radius",))
    moved = frame.apply(points)
    assert moved.positions.tolist() == [[8, 2, 24]] and moved.positions.dtype == np.float32
    assert moved.attributes["radius"].tolist() == [16] and moved.attributes["other"].tolist() == [5]
    assert frame.document()["length_factor"] == 8
    assert frame_of(XYZ, scale=[1, 8, 27], lengths=("radius",)).length_factor == pytest.approx(6)  # type: ignore[union-attr]


def test_a_reflection_turns_faces_round() -> None:
    mesh = Mesh(np.eye(3, dtype="f4"), faces=[[0, 1, 2]])
    mirrored: Any = frame_of(XYZ, scale=[-1, 1, 1])
    assert mirrored.apply(mesh).faces.tolist() == [[2, 1, 0]]
    turned: Any = frame_of(XYZ, scale=[-1, -1, 1])
    assert turned.apply(mesh).faces.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    "stated",
    [
        *({"scale": scale} for scale in ([1, 2], [0], [np.nan], [], ["a"])),
        *({"affine": affine} for affine in (np.eye(3), np.zeros((3, 4)), np.ones((4, 4)))),
        {"scale": [1], "affine": np.eye(4)},
    ],
)
def test_what_is_no_map_is_refused(stated: Any) -> None:
    with pytest.raises(InvalidInputError):
        frame_of(XYZ, **stated)


def test_nothing_stated_is_no_frame() -> None:
    assert frame_of(XYZ) is None
