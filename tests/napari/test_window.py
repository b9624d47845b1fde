"""Stores dropped on a real window: what is lit is what is in the store, at every zoom, in 2-D, 3-D and time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Points as PointsLayer

import zvview
from zvview.format.metadata import Axis
from zvview.geometry.batches import Points, Streamlines
from zvview.pyramid import build_pyramid
from zvview.style import Colouring, colour_vertices
from zvview.testing import make_store

Lit = Callable[[np.ndarray], int]


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 120,000 points in clusters, with a pyramid."""
    place = tmp_path_factory.mktemp("stores") / "cells.zarrvectors"
    make_store(str(place), "point_cloud", size=120_000, seed=3, chunk_shape=(125,) * 3).close()
    build_pyramid(str(place))
    return place


def test_drop_shows_points_and_the_wheel_brings_finer_levels(window: Any, cells: Path, pixels_lit: Lit) -> None:
    window.drop(cells)
    (layer,) = window.viewer.layers
    assert layer.name == "cells" and layer.as_layer_data_tuple()[2] == "points"
    window.settle()
    window.viewer.dims.ndisplay = 3
    window.settle()
    image = window.look("points_overview")
    assert pixels_lit(image) > 5000
    coarse, zoom = layer.stream.update.status, window.viewer.scene.camera.zoom
    assert coarse.levels[0] > 0 and len(layer.data) == coarse.vertices_shown < 60_000
    window.turn_wheel(24)  # in 3-D a notch is a tenth
    window.settle()
    fine = layer.stream.update.status
    assert window.viewer.scene.camera.zoom > 5 * zoom
    assert fine.levels[0] == 0
    assert pixels_lit(window.look("points_zoomed")) > 1000
    window.turn_wheel(-24)
    window.settle()
    assert layer.stream.update.status.levels == coarse.levels


def test_zoomed_in_the_picture_is_that_of_all_points(window: Any, cells: Path) -> None:
    window.drop(cells)
    (layer,) = window.viewer.layers
    layer.stream.colouring = Colouring("category", "type")
    window.viewer.dims.ndisplay = 3
    window.viewer.scene.camera.center = tuple(np.median(layer.extent.world, axis=0))
    window.viewer.scene.camera.zoom = 6
    window.settle()
    assert layer.stream.update.levels == (0,)
    streamed = window.look("points_streamed")
    batch = zvview.open(str(cells)).level(0).read()
    plain = PointsLayer(
        layer.stream.frame.to_layer(batch.positions),
        face_color=colour_vertices(batch, layer.stream.colouring),
        size=layer.current_size,
        border_width=0,
        canvas_size_limits=layer.canvas_size_limits,
        units=layer.units,
    )
    layer.visible = False
    window.viewer.layers.insert(0, plain)
    whole = window.look("points_whole")
    lit = (streamed.max(axis=-1) > 60) | (whole.max(axis=-1) > 60)
    differs = np.abs(streamed.astype(int) - whole).max(axis=-1) > 60
    assert lit.sum() > 2000
    assert differs.sum() < 0.02 * lit.sum()  # points at one depth are drawn in another order


def test_colours_of_a_point_stay_at_every_level(window: Any, cells: Path) -> None:
    window.drop(cells)
    (layer,) = window.viewer.layers
    layer.stream.colouring = Colouring("attribute", "intensity")
    window.viewer.dims.ndisplay = 3
    window.settle()
    low, high = layer.stream.colouring.limits
    assert low < high

    def colours() -> dict[bytes, bytes]:
        positions, shown = layer.data, layer.face_color
        return {p.tobytes(): c.tobytes() for p, c in zip(positions, shown, strict=True)}

    coarse = colours()
    window.turn_wheel(10)
    window.settle()
    fine = colours()
    shared = coarse.keys() & fine.keys()
    assert len(shared) > 20 and layer.stream.update.levels != ()
    assert all(coarse[point] == fine[point] for point in shared)
    assert layer.stream.colouring.limits == (low, high)


def test_extent_and_sliders_do_not_move_while_streaming(window: Any, cells: Path) -> None:
    window.drop(cells)
    (layer,) = window.viewer.layers
    lo, hi = zvview.open(str(cells)).bounds
    before = window.viewer.dims.range, layer.extent.world.tolist()
    np.testing.assert_allclose(layer.extent.world, [lo[::-1], hi[::-1]])
    window.settle()
    window.turn_wheel(8)
    window.settle()
    assert (window.viewer.dims.range, layer.extent.world.tolist()) == before
    window.viewer.reset_view()
    first = window.viewer.scene.camera.zoom
    window.settle()
    window.viewer.reset_view()
    assert window.viewer.scene.camera.zoom == first


def test_slab_of_a_2d_view_follows_the_slider(window: Any, cells: Path) -> None:
    window.drop(cells)
    (layer,) = window.viewer.layers
    window.settle()
    half = layer.stream.slab[2]
    assert half > 0
    for z in (200.0, 640.0):
        window.viewer.dims.set_point(0, z)
        window.settle()
        at = window.viewer.dims.point[0]  # the slider has steps
        assert len(layer.data) > 0 and abs(at - z) < 1
        assert np.abs(layer.data[:, 0] - at).max() <= half + 1e-3
    layer.stream.slab = 5.0
    window.settle()
    assert np.abs(layer.data[:, 0] - at).max() <= 5.001
    window.viewer.dims.margin_left = (40.0, 0, 0)
    window.settle()
    assert layer.data[:, 0].min() < 620 and layer.data[:, 0].max() <= at + 1e-3


def test_time_is_a_slider_and_lines_of_other_times_are_not_drawn(window: Any, tmp_path: Path, pixels_lit: Lit) -> None:
    axes = (Axis("x", "space", "um"), Axis("y", "space", "um"), Axis("t", "time", "s"))
    rng = np.random.default_rng(0)
    positions = np.column_stack((rng.random((5000, 2)) * 100, np.repeat(np.arange(10), 500))).astype(np.float32)
    store = zvview.create(
        str(tmp_path / "film.zv"), kind="point_cloud", axes=axes, chunk_shape=(50, 50, 2), bin_shape=(1, 1, 1)
    )
    store.write(Points(positions))
    store.close()
    window.drop(tmp_path / "film.zv")
    (layer,) = window.viewer.layers
    assert layer.axis_labels == ("t", "y", "x") and [str(u) for u in layer.units] == ["second"] + ["micrometer"] * 2
    for moment in (2, 7):
        window.viewer.dims.set_point(0, moment)
        window.settle()
        assert len(layer.data) == 500 and (layer.data[:, 0] == moment).all()
    assert pixels_lit(window.look("time")) > 500


@pytest.mark.parametrize("kind", ["line", "polyline", "streamline", "graph", "skeleton", "mesh"])
def test_every_kind_is_drawn_in_2d_and_3d(window: Any, tmp_path: Path, pixels_lit: Lit, kind: str) -> None:
    place = tmp_path / f"{kind}.zarrvectors"
    make_store(str(place), kind, size=12_000, seed=1, chunk_shape=(500,) * 3).close()
    build_pyramid(str(place))
    window.drop(place)
    (layer,) = window.viewer.layers
    assert layer.as_layer_data_tuple()[2] == ("surface" if kind == "mesh" else "vectors")
    window.settle()
    assert pixels_lit(window.look(f"{kind}_2d")) > 300
    window.viewer.dims.ndisplay = 3
    window.viewer.scene.camera.angles = (20, 30, 60)
    window.settle()
    assert pixels_lit(window.look(f"{kind}_3d")) > 300
    assert "level" in layer.streaming_status and "chunks" in layer.streaming_status
    if kind in ("graph", "skeleton"):
        lines = pixels_lit(window.look())
        layer.node_size = 5
        assert pixels_lit(window.look(f"{kind}_nodes")) > 1.5 * lines
        layer.node_size = 0
        assert pixels_lit(window.look()) == pytest.approx(lines, rel=0.01)
    layer.visible = False
    assert pixels_lit(window.look()) == 0


def test_line_lies_where_the_store_says(window: Any, tmp_path: Path) -> None:
    lines = Streamlines.from_list([[[10, 20, 5], [90, 20, 5]], [[50, 10, 5], [50, 80, 5.0]]])
    axes = tuple(Axis(name, "space", "um") for name in "xyz")
    store = zvview.create(str(tmp_path / "cross.zv"), kind="streamline", axes=axes, chunk_shape=(50, 50, 50))
    store.write(lines)
    store.close()
    window.drop(tmp_path / "cross.zv")
    (layer,) = window.viewer.layers
    window.viewer.scene.camera.center = (0, 50, 50)
    window.viewer.scene.camera.zoom = 4
    window.settle()
    image = window.look("cross")
    rows, columns = np.nonzero(image.max(axis=-1) > 60)
    height, width = window.viewer.canvas.size
    x, y = (columns - width / 2) / 4 + 50, (rows - height / 2) / 4 + 50
    on_first = (np.abs(y - 20) < 0.6) & (x > 9) & (x < 91)
    on_second = (np.abs(x - 50) < 0.6) & (y > 9) & (y < 81)
    assert len(rows) > 500 and (on_first | on_second).all()
    assert on_first.sum() > 250 and on_second.sum() > 200
    red, green, _ = image[rows[on_first & ~on_second], columns[on_first & ~on_second]].mean(axis=0)
    assert red > 5 * green  # along x
    assert layer.data.shape == (len(layer.segments), 2, 3)
    np.testing.assert_allclose(layer.data.sum(axis=1)[:, 0], 5)


def test_large_coordinates_are_drawn_exactly(window: Any, tmp_path: Path) -> None:
    far = 5e8
    positions = np.array([[far + x, far + 3.0, far] for x in np.arange(0, 40, 0.5)])
    axes = tuple(Axis(name, "space", "nm") for name in "xyz")
    store = zvview.create(
        str(tmp_path / "far.zv"),
        kind="point_cloud",
        axes=axes,
        dtype="float64",
        chunk_shape=(64, 64, 64),
        bin_shape=(1, 1, 1),
    )
    store.write(Points(positions))
    store.close()
    window.drop(tmp_path / "far.zv")
    (layer,) = window.viewer.layers
    window.settle()
    assert layer.data.dtype == np.float32 and np.abs(layer.translate - far).max() < 100
    world = np.array([layer.data_to_world(point) for point in layer.data])
    np.testing.assert_allclose(np.sort(world[:, 2]), positions[:, 0], atol=1e-5)


def test_closing_a_layer_ends_its_threads_and_a_new_place_starts_them(window: Any, cells: Path) -> None:
    window.drop(cells)
    (layer,) = window.viewer.layers
    window.settle()
    ours = {thread.name for thread in threading.enumerate() if thread.name.startswith("zvview-")}
    assert ours
    window.viewer.layers.clear()
    deadline = time.monotonic() + 5
    while any(t.name in ("zvview-prepare", "zvview-stream") for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert layer.stream.streamer is None
    window.viewer.add_layer(layer)
    window.settle()
    assert layer.stream.update.status.vertices_shown == len(layer.data) > 0


def test_tools_of_points_work_and_what_was_edited_is_held(window: Any, cells: Path) -> None:
    window.drop(cells)
    (layer,) = window.viewer.layers
    window.viewer.dims.ndisplay = 3
    window.settle()
    count = len(layer.data)
    layer.add([[500.0, 500, 500]])
    layer.selected_data = {0, 1, 2}
    layer.remove_selected()
    assert len(layer.data) == count - 2
    window.turn_wheel(10)
    window.settle()
    assert len(layer.data) == count - 2
    assert "held" in layer.streaming_status
    layer.stream.discard_edits()
    window.wait(lambda: len(layer.data) == layer.stream.update.status.vertices_shown)
    value = layer.get_value(layer.data[5], view_direction=[1, 0, 0], dims_displayed=[0, 1, 2], world=True)
    assert value is not None
    assert {"intensity", "type"} <= set(layer.features)


def test_damaged_cell_shows_the_rest_and_is_named(window: Any, tmp_path: Path) -> None:
    place = tmp_path / "hurt.zarrvectors"
    make_store(str(place), "point_cloud", size=5000, seed=1, chunk_shape=(500,) * 3).close()
    cell = sorted(file for file in (place / "0" / "vertices" / "c").rglob("*") if file.is_file())[3]
    cell.write_bytes(cell.read_bytes()[:-7])
    window.drop(place)
    (layer,) = window.viewer.layers
    window.viewer.dims.ndisplay = 3
    window.settle()
    assert 0 < len(layer.data) < 5000
    assert any("damaged" in note for note in layer.stream.update.status.notes)


def test_work_on_the_thread_of_the_window_is_short(window: Any, cells: Path) -> None:
    window.drop(cells)
    (layer,) = window.viewer.layers
    window.viewer.dims.ndisplay = 3
    window.settle()
    layer.stream.work_ms.clear()
    for _ in range(6):
        window.turn_wheel(2)
        window.settle()
    assert layer.stream.work_ms
    assert np.median(layer.stream.work_ms) < 16
