"""The dock in a real window: what is chosen there is what the layer shows, and what it says is true."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

import zvview
from tests.napari.hands import click, drag, pixel_of
from zvview.napari.dock.dock import ZarrVectorsDock
from zvview.pyramid import build_pyramid
from zvview.stream import Filter
from zvview.style import Colouring
from zvview.testing import make_store


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A store of points and one of streamlines, each with a pyramid."""
    folder = tmp_path_factory.mktemp("stores")
    out = {}
    for kind, size in (("point_cloud", 30_000), ("streamline", 60_000)):
        out[kind] = folder / f"{kind}.zarrvectors"
        make_store(str(out[kind]), kind, size=size, seed=2, chunk_shape=(250,) * 3).close()
        build_pyramid(str(out[kind]))
    return out


@pytest.fixture
def dock(window: Any, plugin: str) -> Iterator[ZarrVectorsDock]:
    """The dock of the window, opened as the menu opens it."""
    _, widget = window.viewer.window.add_plugin_dock_widget(plugin, "Zarr Vectors")
    yield widget
    window.viewer.window.remove_dock_widget(widget)


def open_store(window: Any, dock: ZarrVectorsDock, place: Path) -> Any:
    window.drop(place)
    layer = window.viewer.layers[-1]
    window.viewer.dims.ndisplay = 3
    window.settle()
    window.wait(lambda: dock.facts is not None)
    refresh(window)
    return layer


def refresh(window: Any) -> None:
    window.settle()
    window.live(0.2)


def choose(box: Any, text: str) -> None:
    """Choose an entry of a box as the keyboard does."""
    row = box.findText(text)
    assert row >= 0, [box.itemText(i) for i in range(box.count())]
    box.setCurrentIndex(row)
    box.activated.emit(row)


def test_colours_are_chosen_and_limits_come_from_the_store(
    window: Any, dock: ZarrVectorsDock, places: dict[str, Path]
) -> None:
    layer = open_store(window, dock, places["point_cloud"])
    assert dock.colour.choice.currentText() == "type"
    choose(dock.colour.choice, "intensity")
    refresh(window)
    limits = layer.stream.colouring.limits
    assert layer.stream.colouring.name == "intensity" and limits is not None
    assert dock.colour.lower.text() == f"{limits[0]:.6g}" and dock.colour.upper.text() == f"{limits[1]:.6g}"
    choose(dock.colour.colourmap, "inferno")
    dock.colour.upper.selectAll()
    QTest.keyClicks(dock.colour.upper, "9")
    QTest.keyClick(dock.colour.upper, Qt.Key.Key_Return)
    refresh(window)
    assert layer.stream.colouring == Colouring("attribute", "intensity", "inferno", (limits[0], 9.0))
    assert dock.legend.high.text() == "9"
    brightest = layer.face_color[np.argmax(layer.features["intensity"])]
    np.testing.assert_allclose(brightest[:3], (252 / 255, 1, 164 / 255), atol=0.01)  # the end of inferno
    dock.colour.from_store.click()
    refresh(window)
    assert layer.stream.colouring.limits == limits
    dock.colour.upper.selectAll()
    QTest.keyClicks(dock.colour.upper, "-5")  # below the lower one
    QTest.keyClick(dock.colour.upper, Qt.Key.Key_Return)
    assert layer.stream.colouring.limits == limits and dock.colour.upper.text() == f"{limits[1]:.6g}"
    choose(dock.colour.choice, "constant")
    refresh(window)
    assert (layer.face_color == 1).all()
    assert not dock.colour.lower.isVisible() and dock.colour.colour.isVisible()


def test_unticked_labels_are_hidden_at_every_level_and_the_status_stays_true(
    window: Any, dock: ZarrVectorsDock, places: dict[str, Path]
) -> None:
    layer = open_store(window, dock, places["point_cloud"])
    ticks = dock.legend.list.list
    batch = zvview.open(str(places["point_cloud"])).level(0).read()
    labels = batch.categories["type"].labels
    counts = np.bincount(batch.attributes["type"])
    assert [ticks.item(i).text() for i in range(2)] == [
        f"{name}  \u00b7  {n:,}" for name, n in zip(labels, counts, strict=True)
    ]
    ticks.setFocus()
    ticks.setCurrentRow(0)
    QTest.keyClick(ticks, Qt.Key.Key_Space)
    for level in (1, 0):
        layer.stream.locked_level = level
        refresh(window)
        assert set(layer.features["type"]) == {1}
        assert dock.status.text() == layer.stream.status_text
        assert f"of {counts[1] / 1000:.3g} k matching vertices" in layer.streaming_status
    assert layer.stream.update.status.vertices_shown == counts[1]
    QTest.keyClick(ticks, Qt.Key.Key_Return)  # this one alone
    refresh(window)
    assert set(layer.features["type"]) == {0}
    QTest.keyClick(ticks, Qt.Key.Key_Return)  # and all again
    refresh(window)
    assert set(layer.features["type"]) == {0, 1} and layer.stream.filter.is_empty
    assert "matching" not in layer.streaming_status


def test_ranges_groups_and_objects_filter(window: Any, dock: ZarrVectorsDock, places: dict[str, Path]) -> None:
    layer = open_store(window, dock, places["streamline"])
    row = dock.filter.ranges["fa"]
    row.slider.setValue((0.4, row.slider.maximum()))
    refresh(window)
    assert layer.stream.filter.ranges == {"fa": (0.4, np.inf)}
    assert layer.features["fa"].min() >= 0.4
    assert "matching vertices of an unknown number" in layer.streaming_status
    dock.filter.clear_button.click()
    refresh(window)
    assert layer.stream.filter.is_empty and row.slider.value() == pytest.approx(row.ends)
    members = layer.stream.store.groups.members
    groups = dock.filter.lists["groups"].list
    assert groups.isVisible() and groups.item(0).text() == f"arcuate_left  \u00b7  {len(members[0]):,}"
    groups.item(0).setCheckState(Qt.CheckState.Unchecked)
    refresh(window)
    assert set(layer.features["id"]) == set(np.concatenate(members[1:]).tolist())
    dock.filter.objects.setFocus()
    QTest.keyClicks(dock.filter.objects, "1-5, 9")
    QTest.keyClick(dock.filter.objects, Qt.Key.Key_Return)
    refresh(window)
    wanted = {1, 2, 3, 4, 5, 9} - set(members[0].tolist())
    assert set(layer.features["id"]) == wanted
    QTest.keyClicks(dock.filter.objects, " x")
    QTest.keyClick(dock.filter.objects, Qt.Key.Key_Return)
    assert dock.filter.complaint.isVisible() and "no object id" in dock.filter.complaint.text()
    choose(dock.colour.choice, "group")
    refresh(window)
    assert not groups.isVisible() and dock.legend.list.isVisible()
    assert dock.legend.list.list.item(0).checkState() == Qt.CheckState.Unchecked


def test_a_filter_that_a_program_sets_is_shown(window: Any, dock: ZarrVectorsDock, places: dict[str, Path]) -> None:
    layer = open_store(window, dock, places["streamline"])
    layer.stream.filter = Filter(ranges={"fa": (0.3, 0.5)}, object_ids=[7, 3, 4], groups=("arcuate_right",))
    layer.stream.colouring = Colouring("object")
    window.live(0.3)
    assert dock.filter.objects.text() == "3-4, 7"
    assert dock.filter.ranges["fa"].slider.value() == pytest.approx((0.3, 0.5), abs=1e-3)
    ticks = dock.filter.lists["groups"].list
    states = [ticks.item(i).checkState() == Qt.CheckState.Checked for i in range(ticks.count())]
    assert states == [False, True, False, False, False, False]
    assert dock.colour.choice.currentText() == "object"


def test_the_camera_goes_to_an_object_a_group_and_the_whole_layer(
    window: Any, dock: ZarrVectorsDock, places: dict[str, Path]
) -> None:
    layer = open_store(window, dock, places["streamline"])
    camera = window.viewer.scene.camera
    whole = zvview.open(str(places["streamline"])).level(0)
    dock.find.objects.setFocus()
    QTest.keyClicks(dock.find.objects, "12")
    QTest.keyClick(dock.find.objects, Qt.Key.Key_Return)
    path = whole.read_objects([12]).positions[:, ::-1]
    middle = (path.min(axis=0) + path.max(axis=0)) / 2
    window.wait(lambda: np.allclose(camera.center, middle, atol=1e-3))
    diagonal = np.linalg.norm(np.ptp(path, axis=0))
    assert 0.5 < diagonal * camera.zoom / min(window.viewer.canvas.size) < 1
    choose(dock.find.groups, "forceps_major")
    dock.find.group_button.click()
    members = layer.stream.store.groups.members[4]
    paths = whole.read_objects(members).positions[:, ::-1]
    middle = (paths.min(axis=0) + paths.max(axis=0)) / 2
    window.wait(lambda: np.allclose(camera.center, middle, atol=1e-3))
    dock.find.layer_button.click()
    np.testing.assert_allclose(camera.center, layer.extent.world.mean(axis=0), rtol=1e-6)
    dock.find.objects.setText("9999999")
    dock.find.object_button.click()
    window.wait(lambda: "no object 9999999" in dock.find.message.text().lower())
    assert not dock.find.stop_button.isVisible()


def test_a_search_can_be_stopped_and_holds_up_nothing(
    window: Any, dock: ZarrVectorsDock, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(window, dock, places["streamline"])
    begun, ended = threading.Event(), threading.Event()

    def slow(store: Any, ids: Any, cancel: Any) -> None:
        begun.set()
        cancel.on_cancel(ended.set)
        ended.wait(10)
        cancel.raise_if_cancelled()

    monkeypatch.setattr("zvview.napari.dock.dock.find_objects", slow)
    before = window.viewer.scene.camera.center
    dock.find.objects.setText("1")
    dock.find.object_button.click()
    window.wait(begun.is_set)
    assert dock.find.stop_button.isVisible()
    dock.find.stop_button.click()
    window.wait(ended.is_set, 2)
    window.live(0.1)
    assert not dock.find.stop_button.isVisible() and window.viewer.scene.camera.center == before


def test_a_click_pins_what_is_there_and_a_drag_does_not(
    window: Any, dock: ZarrVectorsDock, places: dict[str, Path]
) -> None:
    layer = open_store(window, dock, places["streamline"])
    row = len(layer.positions) // 2
    at = pixel_of(window.viewer, layer, layer.positions[row])
    drag(window.viewer, (30, 30), (60, 30))
    window.live(0.2)
    assert dock.picked.picked is None
    at = pixel_of(window.viewer, layer, layer.positions[row])
    click(window.viewer, at)
    window.wait(lambda: dock.picked.picked is not None)
    found = dock.picked.picked
    assert found.object_id is not None and len(found.groups) == 1
    names = layer.stream.store.groups.names
    assert found.object_id in layer.stream.store.groups.members[names.index(found.groups[0])]
    assert {name for name, _ in found.values} == {"direction", "fa"}
    assert f"Object {found.object_id}" in dock.picked.title.text()
    dock.picked.alone_button.click()
    refresh(window)
    assert set(layer.features["id"]) == {found.object_id}
    dock.picked.zoom_button.click()
    path = layer.stream.store.level(0).read_objects([found.object_id]).positions[:, ::-1]
    middle = (path.min(axis=0) + path.max(axis=0)) / 2
    window.wait(lambda: np.allclose(window.viewer.scene.camera.center, middle, atol=1e-3))


def test_slab_level_sizes_and_retry(
    window: Any, dock: ZarrVectorsDock, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = open_store(window, dock, places["streamline"])
    dock.sections["View"].title.click()
    refresh(window)
    assert not dock.view.slab.isVisible() and dock.view.sizes["edge_width"].isVisible()
    dock.view.sizes["edge_width"].setValue(3)
    dock.view.sizes["node_size"].setValue(4)
    assert (layer.edge_width, layer.node_size) == (3, 4)
    choose(dock.view.level, "1")
    refresh(window)
    assert layer.stream.update.levels == (1,)
    calls: list[int] = []
    monkeypatch.setattr(type(layer.stream.streamer), "retry", lambda self: calls.append(1))
    dock.view.retry.click()
    assert calls == [1]
    choose(dock.view.level, "by the zoom")
    assert layer.stream.locked_level is None
    window.viewer.dims.ndisplay = 2
    refresh(window)
    assert dock.view.slab.isVisible() and dock.view.slab.value() == 250  # a chunk
    dock.view.slab.setValue(40)
    refresh(window)
    assert layer.stream.slab.tolist() == [125, 125, 20]
    at = window.viewer.dims.point[0]
    crossing = layer.positions[layer.segments][:, :, 0]
    assert len(crossing) and (crossing.min(axis=1) <= at + 20).all() and (crossing.max(axis=1) >= at - 20).all()


def test_size_of_points_that_are_shown(window: Any, dock: ZarrVectorsDock, places: dict[str, Path]) -> None:
    layer = open_store(window, dock, places["point_cloud"])
    dock.sections["View"].title.click()
    refresh(window)
    dock.view.sizes["current_size"].setValue(20)
    window.wait(lambda: len(layer.size) and (layer.size == 20).all())


def test_the_dock_follows_the_active_layer_and_rests_while_hidden(
    window: Any, dock: ZarrVectorsDock, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    points = open_store(window, dock, places["point_cloud"])
    lines = open_store(window, dock, places["streamline"])
    assert dock.layer is lines and "streamline" in dock.name.text()
    window.viewer.layers.selection.active = points
    window.wait(lambda: "point_cloud" in dock.name.text())
    assert not dock.find.objects.isVisible() and list(dock.filter.ranges) == ["intensity"]
    plain = window.viewer.add_points(np.zeros((1, 3)))
    assert dock.layer is None and not dock.body.isVisible() and "Select a layer" in dock.name.text()
    window.viewer.layers.remove(plain)
    window.viewer.layers.selection.active = lines
    window.wait(lambda: dock.layer is lines)
    calls: list[int] = []
    monkeypatch.setattr(type(dock), "_show_state", lambda self: calls.append(1))
    docked = dock.parentWidget()
    docked.hide()
    window.turn_wheel(3)
    window.viewer.layers.selection.active = points
    refresh(window)
    assert calls == []
    at = pixel_of(window.viewer, points, points.data[0])
    click(window.viewer, at)
    window.live(0.2)
    assert dock.picked.picked is None
    monkeypatch.undo()
    docked.show()
    window.wait(lambda: dock.layer is points and "point_cloud" in dock.name.text())


def test_what_there_is_to_know_of_a_store_stands_below_the_status(
    window: Any, dock: ZarrVectorsDock, tmp_path: Path
) -> None:
    place = tmp_path / "hurt.zarrvectors"
    make_store(str(place), "point_cloud", size=5000, seed=1, chunk_shape=(500,) * 3).close()
    cell = sorted(file for file in (place / "0" / "vertices" / "c").rglob("*") if file.is_file())[3]
    cell.write_bytes(cell.read_bytes()[:-7])
    layer = open_store(window, dock, place)
    assert "damaged" in dock.status.text() and dock.status.text().startswith(layer.stream.status_text)


def test_closing_the_dock_ends_its_threads(window: Any, plugin: str, places: dict[str, Path]) -> None:
    _, dock = window.viewer.window.add_plugin_dock_widget(plugin, "Zarr Vectors")
    open_store(window, dock, places["streamline"])
    assert any(thread.name.startswith("zvview-dock") for thread in threading.enumerate())
    window.viewer.window.remove_dock_widget(dock)
    window.wait(lambda: not any(t.name.startswith("zvview-dock") for t in threading.enumerate()), 5)


def test_the_dock_is_in_the_menus_of_plugins_and_of_layers(window: Any, plugin: str) -> None:
    from napari._app_model import get_app_model

    assert plugin == "zvview"
    menus = get_app_model().menus
    for name in ("napari/plugins", "napari/layers/visualize"):
        assert "zvview.dock" in [item.command.id for item in menus.get_menu(name) if hasattr(item, "command")]
