"""Picking in a real window: the mouse over something that is drawn is told what it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from tests.napari.hands import hover, pixel_of
from zvview.format.metadata import Axis
from zvview.geometry.batches import Points, Streamlines
from zvview.napari import picking_layer
from zvview.napari.cursor import Cursor
from zvview.napari.layers import make_layer
from zvview.napari.picking_layer import Content
from zvview.testing import make_store


def look_from_aside(viewer: Any, perspective: float, zoom: float = 1.7) -> None:
    viewer.dims.ndisplay = 3
    camera = viewer.scene.camera
    camera.angles, camera.perspective = (15, 25, 50), perspective
    camera.zoom = camera.zoom * zoom


def value_at(viewer: Any, layer: Any, at: tuple[int, int]) -> Any:
    """What the layer answers of the place of the mouse, after it went to a pixel."""
    hover(viewer, at)
    view = viewer.cursor._view_direction if viewer.dims.ndisplay == 3 else None
    return layer.get_value(
        viewer.cursor.position, view_direction=view, dims_displayed=list(viewer.dims.displayed), world=True
    )


@pytest.mark.parametrize("perspective", [0.0, 45.0])
@pytest.mark.parametrize("kind", ["streamline", "skeleton", "mesh"])
def test_what_is_drawn_at_a_pixel_is_found_there(window: Any, tmp_path: Path, kind: str, perspective: float) -> None:
    place = tmp_path / "a.zarrvectors"
    make_store(str(place), kind, size=6000, seed=1, chunk_shape=(500,) * 3).close()
    window.drop(place)
    (layer,) = window.viewer.layers
    look_from_aside(window.viewer, perspective, 0.8 if kind == "mesh" else 1.7)
    window.settle()
    content = layer._content
    rng = np.random.default_rng(0)
    corners = content.positions[content.elements[rng.integers(0, len(content.elements), 60)]]
    height, width = window.viewer.canvas.size
    tried = found = exact = 0
    for element in corners:
        aim = element.mean(axis=0)
        at = pixel_of(window.viewer, layer, aim)
        if not (5 < at[0] < width - 5 and 5 < at[1] < height - 5):
            continue
        tried += 1
        row = value_at(window.viewer, layer, at)
        if row is not None:
            found += 1
            here = np.array(pixel_of(window.viewer, layer, content.positions[row]))
            of_element = [pixel_of(window.viewer, layer, corner) for corner in element]
            exact += min(np.abs(here - of_element).max(axis=1)) <= 1
            size = np.ptp(of_element, axis=0).max()
            assert kind == "mesh" or np.abs(here - at).max() <= max(2 * size, 40)
    assert tried > 20 and found >= 0.95 * tried  # rounding to pixels may miss the edge of a mesh
    assert exact > 0.4 * tried  # others lie in front
    assert value_at(window.viewer, layer, (3, 3)) is None


@pytest.mark.parametrize("kind", ["line", "streamline", "graph", "mesh"])
def test_flat_views_are_picked_as_well(window: Any, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "a.zarrvectors"
    make_store(str(place), kind, size=6000, seed=1, chunk_shape=(500,) * 3).close()
    window.drop(place)
    (layer,) = window.viewer.layers
    window.settle()
    content = layer._content
    hits = 0
    for element in content.elements[:: max(1, len(content.elements) // 30)]:
        aim = content.positions[element].mean(axis=0)
        at = pixel_of(window.viewer, layer, aim)
        row = value_at(window.viewer, layer, at)
        if row is not None:
            here = np.array(pixel_of(window.viewer, layer, content.positions[row]))
            reach = np.ptp([pixel_of(window.viewer, layer, content.positions[r]) for r in element], axis=0).max()
            hits += np.abs(here - at).max() <= reach + 30
    assert hits > 20


def test_the_status_bar_tells_object_values_and_groups(
    window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = tuple(Axis(name, "space", "um") for name in "xyz")
    paths = Streamlines.from_list([[[10, 20, 5], [90, 20, 5]], [[50, 40, 5], [50, 80, 5.0]]])
    store = zvview.create(str(tmp_path / "cross.zv"), kind="streamline", axes=axes, chunk_shape=(50, 50, 50))
    attributes = {"fa": np.array([0.25, 0.5, 0.75, 1.0], np.float32)}
    store.write(Streamlines(paths.positions, offsets=paths.offsets, object_ids=np.array([7, 8]), attributes=attributes))
    store.close()
    window.drop(tmp_path / "cross.zv")
    (layer,) = window.viewer.layers
    window.viewer.scene.camera.center = (0, 50, 50)
    window.viewer.scene.camera.zoom = 4
    window.settle()
    hover(window.viewer, pixel_of(window.viewer, layer, (5, 20, 20)))
    monkeypatch.setattr(picking_layer, "_REST_S", 1e9)
    assert "object" not in status_under_mouse(window.viewer)["value"]  # what has just come may go at once
    monkeypatch.setattr(picking_layer, "_REST_S", 0.0)
    assert str(layer.describe({"id": 7})) == "object 7"
    status = status_under_mouse(window.viewer)
    assert "object 7 \u00b7 fa 0.25" in status["coordinates"] and "level 0" in status["coordinates"]
    assert status["coords"].startswith("[") and status["layer_base"]
    hover(window.viewer, pixel_of(window.viewer, layer, (5, 70, 50.5)))
    assert "object 8 \u00b7 fa 1" in status_under_mouse(window.viewer)["value"]
    hover(window.viewer, pixel_of(window.viewer, layer, (5, 60, 80)))
    empty = status_under_mouse(window.viewer)
    assert "object" not in empty["value"] and "vertices" in empty["value"]


def status_under_mouse(viewer: Any) -> dict[str, str]:
    """What napari's own thread asks for when the mouse moves."""
    viewer.mouse_over_canvas = True  # no window manager tells the canvas that the mouse entered it
    status, _ = viewer._calc_status_from_cursor()
    return status


def test_points_tell_their_values_too(window: Any, tmp_path: Path) -> None:
    place = tmp_path / "a.zarrvectors"
    make_store(str(place), "point_cloud", size=3000, seed=1, chunk_shape=(500,) * 3).close()
    window.drop(place)
    (layer,) = window.viewer.layers
    look_from_aside(window.viewer, 0)
    window.settle()
    told = 0
    for row in range(0, len(layer.data), len(layer.data) // 20):
        hover(window.viewer, pixel_of(window.viewer, layer, layer.data[row]))
        value = status_under_mouse(window.viewer)["value"]
        kind = layer.stream.store.attributes["type"].categories.labels[layer.features["type"][row]]
        told += f"intensity {layer.features['intensity'][row]:.4g}" in value and f"type {kind}" in value
    assert told > 10  # others lie in front, or outside of the canvas


def test_units_of_another_layer_do_not_shift_what_is_picked(window: Any, tmp_path: Path) -> None:
    axes = tuple(Axis(name, "space", "um") for name in "xyz")
    for name, unit in (("fine", "nm"), ("coarse", "um")):
        store = zvview.create(
            str(tmp_path / f"{name}.zv"),
            kind="streamline",
            axes=tuple(Axis(axis.name, "space", unit) for axis in axes),
            chunk_shape=(50, 50, 50),
        )
        store.write(Streamlines.from_list([[[10, 20, 5], [90, 20, 5.0]]]))
        store.close()
        window.drop(tmp_path / f"{name}.zv")
    coarse = window.viewer.layers["coarse"]
    window.viewer.scene.camera.center = (5000, 20_000, 50_000)
    window.viewer.dims.set_point(0, 5000)
    window.viewer.scene.camera.zoom = 0.004
    window.settle(coarse)
    assert len(coarse.segments)
    row = value_at(window.viewer, coarse, pixel_of(window.viewer, coarse, (5, 20, 80)))
    assert row is not None and coarse.positions[row].tolist() == [5, 20, 90]
    by_data = coarse.get_value([5.0, 20.0, 80.0])
    assert by_data == row


def test_half_of_a_swap_is_never_seen() -> None:
    positions = np.zeros((4, 3), np.float32)
    content = Content(positions, np.array([[0, 1]], np.uint32), {"id": np.array([5, 5, 6, 6])})
    assert content.values_of(2) == {"id": 6}
    first, index = content.along((1, 2))
    assert content.along((1, 2))[1] is index and first.shape == (4, 2)
    layer = make_layer("streamline", _frame())
    assert layer.get_value([0.0, 0, 0], world=True) is None and layer.get_status([0.0, 0, 0])["value"] == ""


def _frame() -> Any:
    from zvview.napari.frame import Frame

    return Frame.of(tuple(Axis(n, "space") for n in "xyz"), (np.zeros(3), np.full(3, 10.0)), np.ones(3))


def test_a_million_segments_are_picked_in_a_moment(window: Any, tmp_path: Path) -> None:
    store = make_store(str(tmp_path / "a.zarrvectors"), "streamline", size=300_000, seed=1, chunk_shape=(500,) * 3)
    store.close()
    window.drop(tmp_path / "a.zarrvectors")
    (layer,) = window.viewer.layers
    layer.stream.locked_level = 0
    look_from_aside(window.viewer, 0)
    window.settle()
    assert len(layer.segments) > 250_000
    at = pixel_of(window.viewer, layer, layer.positions[1000])
    value_at(window.viewer, layer, at)  # makes the index
    times = []
    for row in range(1000, len(layer.positions), len(layer.positions) // 20):
        hover(window.viewer, pixel_of(window.viewer, layer, layer.positions[row]))
        position, along = window.viewer.cursor.position, window.viewer.cursor._view_direction
        begun = time.perf_counter()
        layer.get_value(position, view_direction=along, dims_displayed=[0, 1, 2], world=True)
        times.append(time.perf_counter() - begun)
    assert np.median(times) < 0.02  # 2 ms on a machine at rest


def test_points_that_were_swapped_meanwhile_are_not_described(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = make_layer("point_cloud", _frame())
    batch = Points(np.ones((3, 3)), attributes={"size": np.arange(3.0)})
    layer.swap(batch.positions.astype(np.float32), np.ones((3, 4), np.float32), dict(batch.attributes))
    monkeypatch.setattr(type(layer), "get_value", lambda self, position, **view: 2)
    assert layer.pick_values(Cursor([0, 0, 0])) == {"size": 2.0}

    def swap_and_find(self: Any, position: Any, **view: Any) -> int:
        self.swap(np.zeros((3, 3), np.float32), np.ones((3, 4), np.float32), {"size": np.zeros(3)})
        return 2

    monkeypatch.setattr(type(layer), "get_value", swap_and_find)
    assert layer.pick_values(Cursor([0, 0, 0])) is None
