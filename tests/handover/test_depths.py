"""What lies far in front of the middle of a view without perspective: the client's picture has it as well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from tests.handover.opening import opened
from tests.handover.test_poses import state_of
from tests.neuroglancer.browser.pages import Page
from zvview.handover.depths import Depth
from zvview.handover.poses import CameraWish
from zvview.handover.twins import Twin
from zvview.napari.camera import read_viewer

AT = np.array([[50.0, 50, 2], [40, 50, 20], [60, 50, 50], [50, 40, 80], [50, 60, 98]])


def wish_of(state: Any, **other: Any) -> CameraWish:
    wish = CameraWish(state.displayed, state.point.copy(), 1.0, state.view, state.up, True)
    return replace(wish, **other)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**16), st.lists(st.floats(-1e3, 1e3), max_size=5))
def test_no_depth_is_cut_off_and_the_step_is_as_small_as_can_be(seed: int, depths: list[float]) -> None:
    state = state_of(3, (0, 1, 2), seed)
    found = Depth.of(state, [np.array(depths), np.empty(0)])
    half = state.canvas_size[0] / state.zoom / 2
    nearest, farthest = min(depths, default=0.0), max(depths, default=0.0)
    assert found.step >= 0 and nearest + found.step >= -0.9 * half - 1e-9
    assert farthest + found.step <= found.half_heights * half + 1e-9
    assert (found.step == 0) == (nearest * 1.05 >= -0.9 * half)
    np.testing.assert_allclose(found.client.centre, state.centre - found.step * state.view)
    assert Depth.of(replace(state, perspective=30.0), [np.array([*depths, -1e6])]).step == 0


def test_the_step_is_taken_back_unless_the_user_chose_another_middle() -> None:
    state = state_of(3, (0, 1, 2), 3)
    depth = Depth.of(state, [np.array([-1e4])])
    assert depth.step > 0 and depth.is_far
    wish = wish_of(state)
    wish.point[:] = depth.client.centre + 5 * state.right  # shifted on the screen
    np.testing.assert_allclose(depth.undone(wish).point, state.centre + 5 * state.right)
    turned = wish_of(state, view=state.right, up=state.up)
    turned.point[:] = depth.client.centre
    np.testing.assert_allclose(depth.undone(turned).point, depth.client.centre + depth.step * state.right)
    chosen = wish_of(state)
    chosen.point[:] = state.centre
    assert depth.undone(chosen) is chosen
    assert depth.undone(replace(wish, is_orthographic=False)).point is wish.point
    assert Depth(state).undone(wish) is wish


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place, bounds = tmp_path / "deep.zarrvectors", ([0] * 3, [100] * 3)
    axes = [zvview.Axis(name, "space", "micrometer") for name in "xyz"]
    with zvview.create(place, kind="point_cloud", axes=axes, chunk_shape=(50.0,) * 3, bounds=bounds) as made:
        made.write(zvview.Points(AT))
    return place


def test_what_is_near_the_eye_is_seen_and_the_view_comes_back(window: Any, twin: Twin, page: Page, place: Path) -> None:
    window.drop(place)
    viewer = window.viewer
    viewer.dims.ndisplay = 3
    window.settle()
    layer, camera = viewer.layers[0], viewer.scene.camera
    layer.face_color, layer.size = "#40ff80", 1.0
    height = viewer.canvas.size[0]
    camera.center, camera.zoom = (50.0, 50.0, 50.0), height / 30
    camera.set_view_direction((1.0, 0.0, 0.0), (0.0, -1.0, 0.0))  # along z
    window.settle()
    asked = read_viewer(viewer)
    view = opened(window, twin)
    assert any("right click" in note for note in twin.notes)
    page.show(view.viewer)
    picture = page.look(view.viewer, "handover_depth")
    at, rows = picture.find(AT, "xyz")
    assert sorted(rows.tolist()) == [0, 1, 2, 3, 4]
    assert picture.share_found(at, np.tile([64, 255, 128], (5, 1)), reach=0) == 1
    camera.center = (1.0, 2.0, 3.0)
    twin.take_back()
    found = read_viewer(viewer)
    np.testing.assert_allclose(found.centre, asked.centre, atol=1e-3)
    assert found.zoom == pytest.approx(asked.zoom, rel=1e-4)
