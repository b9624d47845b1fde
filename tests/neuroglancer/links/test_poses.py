"""Poses survive the state, rotations their quaternions; values that are none are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zvview.errors import BadFileError
from zvview.neuroglancer.links.poses import Pose, quaternion_of, rotation_of

QUATERNIONS = arrays(np.float64, 4, elements=st.floats(-1, 1)).filter(lambda q: np.linalg.norm(q) > 0.1)
STATE: dict[str, Any] = {
    "dimensions": {"t": [1, "s"], "x": [1e-6, "m"], "y": [2e-6, "m"], "z": [1e-6, "m"]},
    "displayDimensions": ["x", "y", "z"],
    "position": [3, 10.5, 20, 30],
    "projectionScale": 250.0,
    "crossSectionScale": 0.5,
    "layout": {"type": "3d", "orthographicProjection": True},
}


@given(QUATERNIONS)
def test_a_rotation_comes_back_from_its_quaternion(quaternion: np.ndarray) -> None:
    rotation = rotation_of(quaternion)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)
    found = quaternion_of(rotation)
    assert found[3] >= 0
    np.testing.assert_allclose(rotation_of(found), rotation, atol=1e-9)


@pytest.mark.parametrize("axis", range(3))
def test_half_turns_have_a_quaternion(axis: int) -> None:
    quaternion = np.eye(4)[axis]
    np.testing.assert_allclose(np.abs(quaternion_of(rotation_of(quaternion))), quaternion, atol=1e-12)


def test_the_screen_is_turned_as_the_client_does_it() -> None:
    quarter = [0, np.sqrt(0.5), 0, np.sqrt(0.5)]  # about y: what was to the right is now before the eye, or behind
    np.testing.assert_allclose(rotation_of(quarter) @ [1, 0, 0], [0, 0, -1], atol=1e-12)


@given(QUATERNIONS, st.booleans())
def test_a_pose_comes_back_from_its_state(quaternion: np.ndarray, is_3d: bool) -> None:
    key = "projectionOrientation" if is_3d else "crossSectionOrientation"
    state = STATE | {key: quaternion.tolist(), "layout": STATE["layout"] if is_3d else "xy", "crossSectionDepth": 7}
    pose = Pose.of_state(state)
    again = Pose.of_state(pose.to_state())
    assert (pose.reach, again.reach, Pose.of_state(state | {"crossSectionDepth": -10}).reach) == (7, 7, None)
    assert (pose.is_3d, pose.is_orthographic) == (is_3d, is_3d)
    assert pose.unit_scale == 1e-6
    assert pose.position == again.position == {"t": 3, "x": 10.5, "y": 20, "z": 30}
    assert (pose.displayed, pose.units_high, pose.units_per_px) == (again.displayed, 250.0, 0.5)
    np.testing.assert_allclose(pose.rotation, again.rotation, atol=1e-9)


def test_planes_of_other_axes_are_turned() -> None:
    across = Pose.of_state(STATE | {"layout": "xz"}).rotation
    np.testing.assert_allclose(across[:, :2], [[1, 0], [0, 0], [0, 1]])
    side = Pose.of_state(STATE | {"layout": "yz"}).rotation
    np.testing.assert_allclose(side[:, :2], [[0, 0], [0, 1], [-1, 0]])


@pytest.mark.parametrize(
    "wrong",
    [
        {"dimensions": []},
        {"dimensions": {"x": 1}},
        {"dimensions": {"x": [0, "m"]}, "position": [0], "displayDimensions": ["x"]},
        {"position": [1]},
        {"position": [1, 2, 3, "4"]},
        {"position": [1, 2, 3, 1e400]},
        {"displayDimensions": ["q"]},
        {"projectionScale": 0},
        {"projectionScale": True},
        {"crossSectionDepth": "deep"},
        {"projectionOrientation": [0, 0, 1]},
    ],
)
def test_values_that_are_none_are_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadFileError, match="Neuroglancer"):
        Pose.of_state(STATE | wrong)


@given(st.dictionaries(st.sampled_from([*STATE, "projectionOrientation"]), st.none() | st.integers() | st.text()))
def test_any_json_is_read_or_told(wrong: dict[str, Any]) -> None:
    try:
        pose = Pose.of_state(STATE | wrong)
    except BadFileError:
        return
    assert np.isfinite(pose.rotation).all()
