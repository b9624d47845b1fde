"""Poses: what goes over comes back, whatever the axes, units, placements and turns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.format.metadata import Axis
from zvview.handover.poses import find_camera, find_pose
from zvview.napari.camera import LayerPlacement, ViewerState
from zvview.napari.frame import Frame
from zvview.neuroglancer.encoding.space import Space, space_of
from zvview.neuroglancer.links.poses import Pose, rotation_of

AXES = {
    "xyz": [Axis(n, "space", "micrometer") for n in "xyz"],
    "zyx": [Axis(n, "space", "nanometer") for n in "zyx"],
    "txyz": [Axis("t", "time", "second"), *(Axis(n, "space", "micrometer") for n in "xyz")],
    "xy": [Axis(n, "space", None) for n in "xy"],
    "uvw": [Axis(n, "space", "pixel") for n in "uvw"],
}


def frame_of(name: str, far: float = 0.0) -> tuple[Frame, Space]:
    axes = AXES[name]
    return Frame.of(axes, ([far] * len(axes), [far + 100] * len(axes)), [1.0] * len(axes)), space_of(axes)


def state_of(ndim: int, displayed: tuple[int, ...], seed: int, *, mirrored: bool = False) -> ViewerState:
    rng = np.random.default_rng(seed)
    turn = rotation_of(rng.normal(size=4)) if len(displayed) == 3 else np.zeros((3, 3))
    right, up, view = turn.T
    return ViewerState(
        displayed=displayed,
        point=rng.uniform(0, 100, ndim),
        margin_left=np.zeros(ndim),
        margin_right=np.zeros(ndim),
        centre=rng.uniform(0, 100, len(displayed)),
        zoom=float(rng.uniform(0.1, 10)),
        canvas_size=(400.0, 600.0),
        view=view,
        up=up,
        right=-right if mirrored else right,
        perspective=0.0,
    )


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(AXES)),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**16),
    st.sampled_from([0.0, 1e6]),
    st.integers(0, 1),
)
def test_a_view_comes_back(name: str, is_3d: bool, mirrored: bool, seed: int, far: float, more: int) -> None:
    frame, space = frame_of(name, far)
    rng = np.random.default_rng(seed)
    placement = LayerPlacement(np.eye(frame.ndim) * rng.uniform(0.1, 10), rng.normal(size=frame.ndim), more)
    ndim = frame.ndim + more
    if ndim < 3 and is_3d:
        is_3d = False
    displayed = tuple(range(ndim))[-3 if is_3d else -2 :]
    state = state_of(ndim, displayed, seed, mirrored=mirrored)
    pose = Pose.of_state(find_pose(state, placement, frame, space).to_state())
    assert pose.is_3d == is_3d
    found = find_camera(pose, state, placement, frame, space)
    world = state.point.copy()
    world[list(displayed)] = state.centre
    own = np.arange(ndim) >= more
    np.testing.assert_allclose(found.point[own], world[own], rtol=1e-6, atol=1e-6 * (1 + far))
    assert found.zoom == pytest.approx(state.zoom, rel=1e-6)
    assert found.displayed == displayed
    if is_3d and min(displayed) >= more:
        np.testing.assert_allclose(found.view, state.view, atol=1e-6)
        np.testing.assert_allclose(found.up, state.up, atol=1e-6)


def test_image_order_is_seen_with_x_to_the_right_and_y_down() -> None:
    frame, space = frame_of("xyz")
    placement = LayerPlacement(np.eye(3), np.zeros(3), 0)
    state = replace(
        state_of(3, (0, 1, 2), 1), view=np.array([1.0, 0, 0]), up=np.array([0, -1.0, 0]), right=np.array([0, 0, 1.0])
    )
    pose = find_pose(state, placement, frame, space)
    assert pose.displayed == ("x", "y", "z")
    np.testing.assert_allclose(pose.rotation, np.eye(3), atol=1e-12)
    assert [pose.position[n] for n in "zyx"] == pytest.approx(state.centre.tolist())
    assert pose.units_high == pytest.approx(400 / state.zoom)


@pytest.mark.parametrize(
    ("name", "displayed", "expected"), [("xyz", (1, 2), 3), ("zyx", (0, 2), 2), ("txyz", (2, 3), 4)]
)
def test_a_plane_reaches_as_far_as_the_slab(name: str, displayed: tuple[int, int], expected: float) -> None:
    frame, space = frame_of(name)
    state = state_of(frame.ndim, displayed, 5)
    placement = LayerPlacement(np.eye(frame.ndim), np.zeros(frame.ndim), 0)
    reach = np.arange(1.0, frame.ndim + 1)  # the store's order of axes: 1, 2, 3 along x, y, z
    pose = find_pose(state, placement, frame, space, reach)
    assert (pose.reach, pose.to_state()["crossSectionDepth"]) == (expected, expected)
    assert find_pose(state_of(frame.ndim, (0, 1, 2), 5), placement, frame, space, reach).reach is None


def test_a_plane_without_depth_reaches_nowhere() -> None:
    frame, space = frame_of("xy")
    pose = find_pose(state_of(2, (0, 1), 5), LayerPlacement(np.eye(2), np.zeros(2), 0), frame, space, np.ones(2))
    assert pose.reach is None and "crossSectionDepth" not in pose.to_state()


def test_a_change_of_units_in_the_client_is_followed() -> None:
    frame, space = frame_of("xyz")
    placement = LayerPlacement(np.eye(3), np.zeros(3), 0)
    state = state_of(3, (0, 1, 2), 3)
    pose = find_pose(state, placement, frame, space)
    told: dict[str, Any] = {
        "dimensions": dict.fromkeys("xyz", (1e-09, "m")),
        "position": {name: value * 1000 for name, value in pose.position.items()},
        "units_high": (pose.units_high or 0) * 1000,
    }
    found = find_camera(replace(pose, **told), state, placement, frame, space)
    np.testing.assert_allclose(found.point, state.centre)
    assert found.zoom == pytest.approx(state.zoom)
