"""Several windows at once: what happens in one of them must not reach what another one draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtGui import QOpenGLContext

from tests.napari.conftest import Window
from zvview.napari.private.contexts import keep_contexts_apart, make_current
from zvview.pyramid import build_pyramid
from zvview.testing import make_store

KINDS = ("point_cloud", "streamline", "mesh")
Lit = Callable[[np.ndarray], int]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Points, streamlines and meshes, with coarse levels; not to be changed."""
    folder = tmp_path_factory.mktemp("stores")
    for kind in KINDS:
        make_store(str(folder / f"{kind}.zv"), kind, size=9000, seed=3, chunk_shape=(250,) * 3).close()
        build_pyramid(str(folder / f"{kind}.zv"))
    return [folder / f"{kind}.zv" for kind in KINDS]


@pytest.fixture
def other(window: Window, make_napari_viewer: Any, qtbot: Any) -> Window:
    """A second window."""
    return Window(make_napari_viewer(show=True), qtbot)


def fill(opened: Window, places: list[Path], ndisplay: int = 3) -> None:
    """Open some stores in a window, and wait for them."""
    for place in places:
        opened.drop(place)
    opened.viewer.dims.ndisplay = ndisplay
    opened.viewer.reset_view()
    opened.settle()


def current_context() -> Any:
    return QOpenGLContext.currentContext()


def context_of(opened: Window) -> Any:
    return opened.viewer.window._qt_viewer.canvas.native.context()


def test_layers_that_are_removed_take_nothing_from_another_window(
    window: Window, other: Window, places: list[Path], pixels_lit: Lit
) -> None:
    for opened in (window, other):
        fill(opened, places)
    window.viewer.add_points(np.zeros((3, 3)), name="of napari")
    window.look()
    before = other.look()
    assert pixels_lit(before) > 500
    for name in ("of napari", "mesh", "streamline", "point_cloud"):
        assert current_context() == context_of(other), "it was painted last"
        window.viewer.layers.remove(name)
        np.testing.assert_array_equal(other.look(), before)
    fill(window, places)
    np.testing.assert_array_equal(other.look(), before)
    window.viewer.layers.clear()
    np.testing.assert_array_equal(other.look(), before)


def test_one_window_is_closed_while_another_one_streams(
    window: Window, places: list[Path], qtbot: Any, pixels_lit: Lit
) -> None:
    fill(window, places)
    for is_by_x in (False, True):
        closing = Window(napari.Viewer(show=True), qtbot)
        fill(closing, places, ndisplay=2)
        closing.turn_wheel(3)
        window.turn_wheel(3 if is_by_x else -3)
        canvas = closing.viewer.window._qt_viewer
        if is_by_x:
            closing.viewer.window._qt_window.close()
        else:
            closing.viewer.close()
        window.settle()
        assert pixels_lit(window.look("several_windows")) > 500
        for known in (closing.viewer, canvas):  # napari's fixtures count them
            type(known)._instances.discard(known)


def test_flat_in_one_window_and_deep_in_the_other(
    window: Window, other: Window, places: list[Path], pixels_lit: Lit
) -> None:
    fill(window, places, ndisplay=2)
    fill(other, places, ndisplay=3)
    flat, deep = window.look("several_flat"), other.look("several_deep")
    assert pixels_lit(flat) > 200 and pixels_lit(deep) > 500
    window.viewer.dims.ndisplay, other.viewer.dims.ndisplay = 3, 2
    for opened in (window, other):
        opened.viewer.reset_view()
        opened.settle()
    window.viewer.dims.ndisplay, other.viewer.dims.ndisplay = 2, 3
    for opened in (window, other):
        opened.viewer.reset_view()
        opened.settle()
    assert pixels_lit(window.look()) == pytest.approx(pixels_lit(flat), rel=0.05)
    assert pixels_lit(other.look()) == pytest.approx(pixels_lit(deep), rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_one_layer_in_two_windows_is_drawn_in_both_and_stays_in_one(
    window: Window, other: Window, places: list[Path], pixels_lit: Lit, kind: str
) -> None:
    fill(window, [places[KINDS.index(kind)]])
    (layer,) = window.viewer.layers
    other.viewer.add_layer(layer)
    other.viewer.dims.ndisplay = 3
    other.viewer.reset_view()
    for opened in (window, other):
        opened.turn_wheel(-2)
        window.settle(layer)
        assert pixels_lit(opened.look()) > 200
    window.viewer.layers.remove(layer)
    window.settle(layer)
    assert pixels_lit(other.look()) > 200 and pixels_lit(window.look()) == 0
    other.viewer.layers.clear()
    assert layer.stream.streamer is None


def test_viewers_without_a_window_are_let_be(window: Window) -> None:
    viewer = ViewerModel()
    before = current_context()
    make_current(viewer)
    assert current_context() == before
    keep_contexts_apart()
    keep_contexts_apart()
    window.viewer.add_points(np.zeros((3, 3)))
    window.viewer.layers.clear()
    assert current_context() == context_of(window)
