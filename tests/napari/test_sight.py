"""What the viewer's public names say is what the canvas shows: checked against vispy's own transforms in a window."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from zvview.format.metadata import Axis
from zvview.napari.camera import read_placement, read_viewer
from zvview.napari.frame import Frame
from zvview.napari.layers import make_layer
from zvview.napari.sight import find_view
from zvview.stream import Filter, ViewState

AXES = tuple(Axis(name, "space", "micrometer") for name in "xyz")
LO, HI = np.zeros(3), np.array([1000.0, 500.0, 200.0])


def view_of(window: Any, layer: Any, frame: Frame, slab: float = 5.0) -> ViewState:
    return find_view(
        read_viewer(window.viewer),
        read_placement(layer, window.viewer),
        frame,
        np.full(frame.ndim, slab),
        filter=Filter(),
        budget_vertices=1000,
        target_error_px=4.0,
    )


def to_canvas(window: Any, world: np.ndarray) -> np.ndarray:
    """Canvas pixels (N, 2), as (x, y), of world points along the displayed axes, by vispy's transforms."""
    canvas = window.viewer.window._qt_viewer.canvas
    transform = canvas.view.scene.node_transform(canvas._scene_canvas.scene)
    points = np.concatenate((world[:, ::-1], np.zeros((len(world), 3 - world.shape[1])), np.ones((len(world), 1))), 1)
    mapped = transform.map(points)
    return np.asarray(mapped[:, :2] / mapped[:, 3:4])


@pytest.fixture
def frame() -> Frame:
    return Frame.of(AXES, (LO, HI), (1, 1, 1))


@pytest.fixture
def layer(window: Any, frame: Frame) -> Any:
    return window.viewer.add_layer(make_layer("point_cloud", frame))


def test_box_of_a_2d_view_is_the_canvas(window: Any, layer: Any, frame: Frame) -> None:
    for zoom in (0.1, 1.7, 40.0):
        window.viewer.scene.camera.center = (0, 240.0, 310.0)
        window.viewer.scene.camera.zoom = zoom
        window.live(0.05)
        view = view_of(window, layer, frame)
        height, width = window.viewer.canvas.size
        corners = to_canvas(window, np.array([[view.lo[1], view.lo[0]], [view.hi[1], view.hi[0]]]))
        np.testing.assert_allclose(corners, [[0, 0], [width, height]], atol=0.01)
        assert view.displayed == (1, 0) and view.projection is None
        assert view.zoom_px_per_unit == pytest.approx(zoom)
        middle = window.viewer.dims.point[0]
        assert (view.lo[2], view.hi[2]) == pytest.approx((middle - 5, middle + 5))


def test_margins_of_the_sliders_go_before_the_slab(window: Any, layer: Any, frame: Frame) -> None:
    window.viewer.dims.set_point(0, 70.0)
    window.viewer.dims.margin_left = (20.0, 0, 0)
    window.viewer.dims.margin_right = (10.0, 0, 0)
    view = view_of(window, layer, frame)
    assert (view.lo[2], view.hi[2]) == pytest.approx((50, 80))


def test_projection_is_the_camera(window: Any, layer: Any, frame: Frame) -> None:
    viewer, camera = window.viewer, window.viewer.scene.camera
    viewer.dims.ndisplay = 3
    stored = np.random.default_rng(0).uniform(LO, HI, (50, 3))
    turns = ((0, 0, 90), (10, 40, -20), (100, -30, 60))
    for shift, angles, perspective in itertools.product((0.0, 1e6), turns, (0.0, 30.0, 60.0)):
        layer.translate = (shift, 0, -shift)
        camera.center = (shift + 90, 260, -shift + 480)
        camera.angles, camera.perspective, camera.zoom = angles, perspective, 0.6
        window.live(0.02)
        projection = view_of(window, layer, frame).projection
        assert projection is not None
        mine, _ = projection.project(stored[:, list(projection.axes)])
        theirs = to_canvas(window, frame.to_layer(stored) + np.array([shift, 0, -shift]))
        is_ahead = np.isfinite(mine).all(axis=1)
        assert is_ahead.sum() > 25
        tolerance = 0.6 if shift else 0.01  # vispy's matrices are float32
        np.testing.assert_allclose(mine[is_ahead], theirs[is_ahead], atol=tolerance)


@pytest.mark.parametrize("perspective", [0.0, 60.0])
def test_box_of_a_3d_view_holds_all_that_is_on_the_canvas(
    window: Any, layer: Any, frame: Frame, perspective: float
) -> None:
    viewer = window.viewer
    viewer.dims.ndisplay = 3
    camera = viewer.scene.camera
    camera.angles, camera.perspective, camera.zoom = (25, -40, 70), perspective, 3.0
    window.live(0.05)
    view = view_of(window, layer, frame)
    assert view.projection is not None
    stored = np.random.default_rng(1).uniform(LO, HI, (4000, 3))
    pixels, scale = view.projection.project(stored[:, list(view.projection.axes)])
    height, width = viewer.canvas.size
    is_seen = (pixels >= 0).all(axis=1) & (pixels <= [width, height]).all(axis=1) & (scale < 60 * 3.0)
    inside = (stored >= np.array(view.lo) - 1e-6).all(axis=1) & (stored <= np.array(view.hi) + 1e-6).all(axis=1)
    assert 0 < is_seen.sum() < len(stored)
    assert (inside[is_seen]).all()
    assert inside.sum() < len(stored)


def test_view_that_looks_past_the_store_has_an_empty_place_for_a_box(window: Any, layer: Any, frame: Frame) -> None:
    window.viewer.dims.ndisplay = 3
    window.viewer.scene.camera.center = (1e6, 1e6, 1e6)
    window.viewer.scene.camera.zoom = 10
    view = view_of(window, layer, frame)
    assert all(lo <= hi for lo, hi in zip(view.lo, view.hi, strict=True))
    assert view.lo[0] > HI[0]


def test_units_of_another_layer_change_the_world_but_not_what_is_in_view(window: Any, layer: Any, frame: Frame) -> None:
    before = view_of(window, layer, frame)
    other = Frame.of([Axis(n, "space", "nanometer") for n in "xyz"], (LO, HI), (1, 1, 1))
    fine = window.viewer.add_layer(make_layer("streamline", other))
    window.viewer.scene.camera.center = (0, *(1000 * c for c in (250, 500)))  # the world is in nanometres now
    window.viewer.scene.camera.zoom = before.zoom_px_per_unit / 1000
    window.live(0.05)
    after = view_of(window, layer, frame)
    assert after.zoom_px_per_unit == pytest.approx(before.zoom_px_per_unit)
    height, width = window.viewer.canvas.size
    np.testing.assert_allclose(np.subtract(after.hi, after.lo)[:2] * after.zoom_px_per_unit, [width, height])
    seen = view_of(window, fine, other)
    np.testing.assert_allclose(np.array(seen.lo[:2]), 1000 * np.array(after.lo[:2]), rtol=1e-6)


def test_layer_of_two_axes_in_a_3d_view_goes_by_its_box(window: Any, layer: Any) -> None:
    flat = Frame.of(AXES[:2], (LO[:2], HI[:2]), (1, 1))
    plane = window.viewer.add_layer(make_layer("polyline", flat))
    window.viewer.dims.ndisplay = 3
    view = view_of(window, plane, flat)
    assert view.projection is None and view.displayed == (1, 0)
    assert np.isfinite(view.lo).all() and (np.subtract(view.hi, view.lo) > 0).all()


def test_layer_that_is_stretched_unevenly_goes_by_its_box(window: Any, layer: Any, frame: Frame) -> None:
    layer.scale = (4, 1, 1)
    window.viewer.dims.ndisplay = 3
    view = view_of(window, layer, frame)
    assert view.projection is None
    assert view.zoom_px_per_unit == pytest.approx(4 * window.viewer.scene.camera.zoom)
