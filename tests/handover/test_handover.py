"""A real window, opened in a real browser, and its view taken back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from selenium.webdriver import ActionChains, Keys

from tests.handover.opening import opened
from tests.neuroglancer.browser.pages import Page
from zvview.handover import commands
from zvview.handover.drawings import add_drawing
from zvview.handover.twins import Twin
from zvview.napari.camera import read_viewer
from zvview.neuroglancer.links.drawn import Drawn
from zvview.stream import Filter
from zvview.style import colour_vertices


def test_the_view_goes_over_and_comes_back(window: Any, layer: Any, twin: Twin, page: Page) -> None:
    camera = window.viewer.scene.camera
    camera.center, camera.zoom, camera.angles = (400.0, 450.0, 520.0), 0.8, (20.0, -35.0, 60.0)
    window.settle()
    asked = read_viewer(window.viewer)
    view = opened(window, twin)
    page.show(view.viewer)
    picture = page.look(view.viewer, "handover_3d")
    assert picture.is_lit.mean() > 0.005
    camera.center, camera.zoom, camera.angles = (1.0, 2.0, 3.0), 0.1, (0.0, 0.0, 90.0)
    window.viewer.dims.ndisplay = 2
    twin.take_back()
    found = read_viewer(window.viewer)
    assert found.displayed == asked.displayed
    np.testing.assert_allclose(found.centre, asked.centre, rtol=1e-4)
    assert found.zoom == pytest.approx(asked.zoom, rel=1e-4)
    for name in ("view", "up", "right"):
        np.testing.assert_allclose(getattr(found, name), getattr(asked, name), atol=1e-4)


def test_what_a_user_turns_in_the_client_is_taken_back(window: Any, layer: Any, twin: Twin, page: Page) -> None:
    view = opened(window, twin)
    page.show(view.viewer)
    page.look(view.viewer, "handover_turned")
    state = view.viewer.state.to_json()
    names = list(state["dimensions"])
    state["position"] = [{"x": 100.0, "y": 200.0, "z": 300.0}[name] for name in names]
    state["displayDimensions"] = ["x", "y", "z"]
    state["projectionOrientation"] = [0, np.sqrt(0.5), 0, np.sqrt(0.5)]
    view.viewer.set_state(state)
    twin.take_back()
    found = read_viewer(window.viewer)
    np.testing.assert_allclose(found.centre, [300, 200, 100], rtol=1e-5)
    np.testing.assert_allclose(found.view, [0, 0, 1], atol=1e-5)  # the client looks along x, which is last here


def test_a_view_without_perspective_is_taken_back_without_it(window: Any, layer: Any, twin: Twin) -> None:
    camera = window.viewer.scene.camera
    camera.perspective = 45.0
    window.settle()
    view = opened(window, twin)
    assert view.state()["layout"] == {"type": "3d", "orthographicProjection": False}
    twin.take_back()
    assert camera.perspective == 45.0
    view.viewer.set_state({**view.state(), "layout": {"type": "3d", "orthographicProjection": True}})
    twin.take_back()
    assert camera.perspective == 0.0


def test_pixels_are_where_and_as_the_window_has_them(window: Any, layer: Any, twin: Twin, page: Page) -> None:
    window.viewer.reset_view()
    window.settle()
    view = opened(window, twin)
    page.show(view.viewer)
    picture = page.look(view.viewer, "handover_colours")
    store = layer.stream.store
    batch = store.level(store.levels[-1]).read()
    colours = np.rint(colour_vertices(batch, layer.stream.colouring)[:, :3] * 255)
    at, rows = picture.find(batch.positions, [axis.name for axis in store.axes])
    assert picture.share_found(at, colours[rows]) > 0.65  # some lie behind others, or are one too many for a pixel
    assert picture.share_found(at, colours[rows][:, [1, 0, 2]]) < 0.1
    assert picture.share_stray(picture.find(store.level(0).read().positions, "xyz")[0]) < 0.01


def test_a_filter_and_what_is_hidden_go_over(window: Any, layer: Any, twin: Twin, page: Page) -> None:
    store = layer.stream.store
    name = next(n for n, a in store.attributes.items() if a.categories is None and not a.row_shape)
    values = store.level(0).read().attributes[name]
    middle = float(np.median(values))
    layer.stream.filter = Filter(ranges={name: (middle, float(values.max()))})
    window.settle()
    view = opened(window, twin)
    (shown,) = view.state()["layers"]
    assert "discard" in shown["shader"]
    page.show(view.viewer)
    few = page.look(view.viewer, "handover_filtered").is_lit.sum()
    layer.stream.filter = Filter()
    opened(window, twin)
    page.show(view.viewer)
    assert few < page.look(view.viewer, "handover_unfiltered").is_lit.sum()
    layer.visible = False
    assert opened(window, twin).state()["layers"][0]["visible"] is False


def test_2d_views_go_over_and_come_back(window: Any, layer: Any, twin: Twin, page: Page) -> None:
    window.viewer.dims.ndisplay = 2
    camera = window.viewer.scene.camera
    camera.center, camera.zoom = (0.0, 300.0, 400.0), 1.25
    window.viewer.dims.set_point(0, 250.0)
    window.settle()
    asked = read_viewer(window.viewer)
    view = opened(window, twin)
    assert view.state()["layout"] == "xy"
    page.show(view.viewer)
    page.look(view.viewer, "handover_2d")
    camera.center, camera.zoom = (0.0, 1.0, 2.0), 0.1
    window.viewer.dims.set_point(0, 10.0)
    twin.take_back()
    found = read_viewer(window.viewer)
    np.testing.assert_allclose(found.centre, asked.centre, rtol=1e-4)
    np.testing.assert_allclose(found.point[0], asked.point[0], rtol=1e-4)
    assert found.zoom == pytest.approx(asked.zoom, rel=1e-4)


def test_commands_tell_where_there_is_nothing_to_open(window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(commands, "show_info", told.append)
    monkeypatch.setattr("napari.current_viewer", lambda: window.viewer)
    commands.open_in_neuroglancer()
    commands.take_view_back()
    assert "no layer" in told[0] and "can be saved as one" in told[0]
    assert "not opened" in told[1] and "Layers ▸ Visualize" in told[1]


def test_layers_that_are_of_no_store_are_told(window: Any, layer: Any, twin: Twin) -> None:
    window.viewer.add_points(np.zeros((3, 3)), name="mine")
    window.viewer.add_labels(np.zeros((4, 4, 4), int), name="regions")
    opened(window, twin)
    (mine,) = [note for note in twin.notes if note.startswith("mine: only layers of Zarr Vectors stores")]
    (regions,) = [note for note in twin.notes if note.startswith("regions: only layers of Zarr Vectors stores")]
    assert "save it as .zarrvectors" in mine and "save" not in regions


def test_without_the_client_it_is_told_how_to_get_it(window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(commands, "show_error", told.append)
    monkeypatch.setattr("napari.current_viewer", lambda: window.viewer)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    commands.open_in_neuroglancer()
    assert told == ['Neuroglancer is not installed: pip install "zvview[neuroglancer]"']


def test_what_is_drawn_comes_as_layers(window: Any, layer: Any, twin: Twin, page: Page) -> None:
    view = opened(window, twin)
    assert twin.take_drawn() == []  # and now there is a layer to draw in
    page.show(view.viewer, layout="xy")  # in space one draws upon what is there
    page.look(view.viewer, "handover_draw")
    canvas = page.chrome.find_element("css selector", ".neuroglancer-rendered-data-panel")
    hands = ActionChains(page.chrome)
    hands.move_to_element(canvas).pause(0.5).key_down(Keys.CONTROL).click().key_up(Keys.CONTROL).perform()
    window.wait(lambda: len(view.drawn().points) == 1, 20)
    drawn = view.drawn(layer.stream.store)
    (added,) = twin.take_drawn()
    np.testing.assert_allclose(added.data, layer.stream.frame.to_layer(drawn.points))
    np.testing.assert_allclose(added.scale, layer.scale)


def test_lines_come_as_paths(window: Any, layer: Any) -> None:
    lines = (np.array([[0.0, 0, 0], [100, 200, 300]]), np.array([[1.0, 1, 1], [2, 2, 2], [3, 3, 4]]))
    (added,) = add_drawing(window.viewer, layer, Drawn(np.empty((0, 3)), lines))
    assert list(added.shape_type) == ["path", "path"]
    np.testing.assert_allclose(added.data[0], [[0, 0, 0], [300, 200, 100]])
