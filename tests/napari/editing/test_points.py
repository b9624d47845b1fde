"""Points edited in a real window with real mouse and keyboard events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

import zvview
from tests.napari.editing.acting import CONTROL, SHIFT, begin_points, open_store, press, save, told, wait_for_edits
from tests.napari.hands import click, drag, pixel_of
from zvview.errors import UnreachableError
from zvview.geometry.batches import Points
from zvview.napari.editing import editing as editing_module
from zvview.napari.editing.asking import Choice
from zvview.napari.editing.attaching import editing_of
from zvview.napari.editing.editing import Phase
from zvview.napari.editing.points import PointEditing
from zvview.pyramid import build_pyramid
from zvview.testing import make_store


def lonely_row(window: Any, layer: Any) -> int:
    """A point with no other near it on the canvas, and not near its border."""
    pixels = np.array([pixel_of(window.viewer, layer, at) for at in layer.data])
    height, width = window.viewer.canvas.size
    inner = np.flatnonzero((pixels > 60).all(axis=1) & (pixels[:, 0] < width - 160) & (pixels[:, 1] < height - 160))
    distance = np.abs(pixels[inner, None] - pixels[None]).max(axis=2)
    distance[np.arange(len(inner)), inner] = 10_000
    return int(inner[distance.min(axis=1).argmax()])


def test_points_are_added_dragged_deleted_pasted_undone_saved_and_there_again(
    window: Any, place: Path, editing: PointEditing
) -> None:
    (layer,) = window.viewer.layers
    assert len(layer.data) == 4000 and layer.stream.update.levels == (0,) and layer.editable
    session = editing.session
    assert session is not None

    layer.mode = "add"
    corner = pixel_of(window.viewer, layer, layer.data[lonely_row(window, layer)])
    click(window.viewer, (corner[0] + 25, corner[1] + 20))
    assert layer.name.endswith(" *") and len(layer.data) == 4001
    told(window, editing, "1 added")
    wait_for_edits(window, layer)
    assert len(layer.data) == 4001 and np.isnan(layer.features["intensity"]).sum() == 1

    layer.mode = "select"
    row = lonely_row(window, layer)
    before, at = layer.data[row].copy(), pixel_of(window.viewer, layer, layer.data[row])
    click(window.viewer, at)
    assert layer.selected_data == {row}
    drag(window.viewer, at, (at[0] + 60, at[1] + 40))
    told(window, editing, "1 moved, 1 added")
    wait_for_edits(window, layer)
    (row,) = layer.selected_data  # it stays selected
    moved = layer.data[row].copy()
    assert pixel_of(window.viewer, layer, moved) == pytest.approx((at[0] + 60, at[1] + 40), abs=3)
    assert not (layer.data == before).all(axis=1).any()

    press(window, Qt.Key.Key_C, CONTROL)
    press(window, Qt.Key.Key_V, CONTROL)
    told(window, editing, "1 moved, 2 added")
    wait_for_edits(window, layer)
    assert (layer.data == moved).all(axis=1).sum() == 2

    gone = lonely_row(window, layer)
    lost = layer.data[gone].copy()
    click(window.viewer, pixel_of(window.viewer, layer, lost))
    press(window, Qt.Key.Key_Delete)
    assert len(layer.data) == 4001
    told(window, editing, "1 moved, 1 deleted, 2 added")
    press(window, Qt.Key.Key_Z, CONTROL)
    told(window, editing, "1 moved, 2 added")
    wait_for_edits(window, layer)
    assert len(layer.data) == 4002 and (layer.data == lost).all(axis=1).any()
    press(window, Qt.Key.Key_Z, CONTROL | SHIFT)
    told(window, editing, "1 moved, 1 deleted, 2 added")
    wait_for_edits(window, layer)
    window.look("napari_edit_points")

    shown = {point.tobytes() for point in layer.data}
    save(window, editing)
    wait_for_edits(window, layer)
    assert layer.name == "cells" and {point.tobytes() for point in layer.data} == shown
    assert not list(zvview.check(str(place)))
    batch = open_store(place).level(0).read()
    assert {point.tobytes() for point in layer.stream.frame.to_layer(batch.positions)} == shown and len(batch) == 4001

    row = lonely_row(window, layer)  # names are those of the store as it is now
    lost = layer.data[row].copy()
    click(window.viewer, pixel_of(window.viewer, layer, lost))
    press(window, Qt.Key.Key_Delete)
    editing.save()
    window.wait(lambda: not editing.is_changed and editing.phase is Phase.ON)
    batch = open_store(place).level(0).read()
    assert len(batch) == 4000 and not (layer.stream.frame.to_layer(batch.positions) == lost).all(axis=1).any()


def test_values_of_a_selection_are_set_in_the_dock(window: Any, plugin: str, editing: PointEditing) -> None:
    (layer,) = window.viewer.layers
    _, dock = window.viewer.window.add_plugin_dock_widget(plugin, "Zarr Vectors")
    try:
        window.wait(lambda: dock.facts is not None and dock.edit.table.isVisible())
        layer.mode = "select"
        layer.selected_data = {3, 8, 21}
        table = dock.edit.table
        window.wait(lambda: table.rowCount() == 4)
        column = [table.horizontalHeaderItem(i).text() for i in range(table.columnCount())].index("intensity")
        table.item(0, column).setText("0.75")
        window.wait(lambda: editing.review == "3 with other values")
        wait_for_edits(window, layer)
        assert (layer.features["intensity"] == np.float32(0.75)).sum() == 3 and len(layer.selected_data) == 3
        kinds = [table.horizontalHeaderItem(i).text() for i in range(table.columnCount())].index("type")
        window.wait(lambda: table.item(2, column).text() == "0.75")
        label = "presynaptic" if table.item(2, kinds).text() == "postsynaptic" else "postsynaptic"
        table.item(2, kinds).setText(label)
        window.wait(
            lambda: editing.session is not None and len(editing.session.edits.chunks) and layer.name == "cells *"
        )
        window.live(0.1)
        wait_for_edits(window, layer)
        assert table.item(2, kinds).text() == label
        window.look("napari_edit_values")
        QTest.mouseClick(dock.edit.undo_button, Qt.MouseButton.LeftButton)
        QTest.mouseClick(dock.edit.undo_button, Qt.MouseButton.LeftButton)
        told(window, editing, "no edits")
        assert layer.name == "cells"
        table.item(1, kinds).setText("no such type")
        window.live(0.1)
        told(window, editing, "no edits")
    finally:
        window.viewer.window.remove_dock_widget(dock)


def test_edits_stay_when_editing_ends_and_coarse_levels_show_them(window: Any, place: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.zarrvectors"
    make_store(str(large), "point_cloud", size=300_000, seed=3, chunk_shape=(125,) * 3).close()
    build_pyramid(str(large))
    window.drop(large)
    (layer,) = window.viewer.layers
    window.viewer.dims.ndisplay = 3
    window.viewer.scene.camera.center = tuple(np.median(layer.extent.world, axis=0))
    window.settle()
    editing = editing_of(layer)
    assert isinstance(editing, PointEditing)
    editing.start()
    window.wait(lambda: editing.phase is Phase.OFF and editing.note)
    assert "300,000 points in view, 100,000 at most" in editing.note and editing.needed_zoom is not None
    zoom = window.viewer.scene.camera.zoom
    editing.go_and_start()
    window.wait(lambda: editing.phase is Phase.ON)
    assert window.viewer.scene.camera.zoom > zoom and 0 < len(layer.data) <= 100_000
    layer.mode = "add"
    layer.add(np.median(layer.extent.data, axis=0))
    new = layer.data[-1].copy()
    layer.selected_data = set(range(50))
    gone = {point.tobytes() for point in layer.data[:50]}
    layer.remove_selected()
    wait_for_edits(window, layer)
    camera, here = window.viewer.scene.camera, {point.tobytes() for point in layer.data}
    centre = np.array(camera.center)
    for step in (40.0, 0.0):  # away and back: what comes in has the edits, and can be edited
        camera.center = tuple(np.add(centre, (0, step, 0)))
        window.settle()
        assert editing.phase is Phase.ON and not gone & {point.tobytes() for point in layer.data}
        assert len(layer.data) == len(editing._tool.known.vertices)
    assert new.tobytes() in here and here == {point.tobytes() for point in layer.data}
    editing.stop()
    assert editing.phase is Phase.OFF and layer.mode == "pan_zoom" and editing.is_changed
    window.viewer.reset_view()
    window.settle()
    assert layer.stream.update.levels[0] > 0 and "not saved: 50 deleted, 1 added" in layer.streaming_status
    shown = {point.tobytes() for point in layer.data}
    assert new.tobytes() in shown and not gone & shown
    editing.discard()


def test_what_was_changed_by_hand_before_is_not_dropped_at_the_first_try(window: Any, place: Path) -> None:
    window.drop(place)
    (layer,) = window.viewer.layers
    window.viewer.dims.ndisplay = 3
    window.settle()
    layer.selected_data = {1, 2}
    layer.remove_selected()
    editing = editing_of(layer)
    assert isinstance(editing, PointEditing)
    editing.start()
    assert editing.phase is Phase.OFF and "changed by hand" in editing.note and layer.stream.is_held
    editing.start()
    window.wait(lambda: editing.phase is Phase.ON)
    assert len(layer.data) == 4000 and not editing.is_changed


def test_a_new_point_has_the_category_of_the_nearest_or_of_the_one_selected(window: Any, tmp_path: Path) -> None:
    place = tmp_path / "kinds.zarrvectors"
    along = np.linspace(10, 90, 5)
    points = Points(
        np.column_stack((along, along, along)).astype(np.float32),
        attributes={"part": np.array([1, 0, 2, 0, 1], np.int8)},
        categories={"part": zvview.Categories(("a", "b", "c"))},
    )
    with zvview.create(str(place), kind="point_cloud", chunk_shape=(50.0,) * 3, bin_shape=(1.0,) * 3) as store:
        store.write(points)
    editing = begin_points(window, place)
    (layer,) = window.viewer.layers
    layer.mode = "add"
    layer.add([np.full(3, 52.0), np.full(3, 88.0), np.full(3, 31.0)])
    told(window, editing, "3 added")
    wait_for_edits(window, layer)
    added = {float(place[0]): int(code) for place, code in zip(layer.data, layer.features["part"], strict=True)}
    assert (added[52], added[88], added[31]) == (2, 1, 0)
    layer.selected_data = {int(np.flatnonzero((layer.data == 10).all(axis=1))[0])}
    layer.add(np.full(3, 51.0))
    told(window, editing, "4 added")
    wait_for_edits(window, layer)
    assert int(layer.features["part"][np.flatnonzero((layer.data == 51).all(axis=1))[0]]) == 1
    editing.discard()


def test_in_a_plane_points_are_added_at_the_slider_and_dragged_along_it(window: Any, place: Path) -> None:
    window.drop(place)
    (layer,) = window.viewer.layers
    window.viewer.dims.set_point(0, 300.0)
    window.viewer.reset_view()
    window.settle()
    editing = editing_of(layer)
    assert isinstance(editing, PointEditing)
    editing.start()
    window.wait(lambda: editing.phase is Phase.ON)
    count = len(layer.data)
    assert 0 < count < 4000
    layer.mode = "add"
    height, width = window.viewer.canvas.size
    click(window.viewer, (round(width) // 2, round(height) // 2))
    assert layer.data[-1, 0] == window.viewer.dims.point[0]
    told(window, editing, "1 added")
    wait_for_edits(window, layer)
    assert len(layer.data) == count + 1
    layer.mode = "select"
    row = lonely_row(window, layer)
    before, at = layer.data[row].copy(), pixel_of(window.viewer, layer, layer.data[row])
    drag(window.viewer, at, (at[0] + 40, at[1]))
    np.testing.assert_array_equal(layer.data[row][:2], before[:2])
    told(window, editing, "1 moved, 1 added")
    press(window, Qt.Key.Key_C, CONTROL)
    press(window, Qt.Key.Key_V, CONTROL)
    told(window, editing, "1 moved, 2 added")
    editing.discard()


def test_edits_that_cannot_be_saved_are_kept(
    window: Any, editing: PointEditing, monkeypatch: pytest.MonkeyPatch
) -> None:
    (layer,) = window.viewer.layers
    layer.selected_data = {3}
    layer.remove_selected()
    session = editing.session
    assert session is not None

    def refuse() -> None:
        raise UnreachableError("the disk is full")

    messages: list[str] = []
    monkeypatch.setattr(session, "commit", refuse)
    monkeypatch.setattr(editing_module, "show_error", messages.append)
    editing.save()
    assert editing.phase is Phase.SAVING and "saving" in editing.status
    window.wait(lambda: editing.phase is Phase.ON)
    assert messages == ["the edits were not saved, and are kept: the disk is full"]
    assert layer.name == "cells *"
    told(window, editing, "1 deleted")
    layer.selected_data = {8}
    layer.remove_selected()
    told(window, editing, "2 deleted")
    editing.discard()


def test_edits_that_a_crash_left_behind_are_offered_again(
    window: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_store(place).edit()
    session.delete(session.find(((0, 0, 0), (300, 300, 300))))
    count = session.review().deleted
    session.close()
    asked: list[str] = []
    monkeypatch.setattr(editing_module, "ask_left_behind", lambda text: asked.append(text) or Choice.RESTORE)
    window.drop(place)
    (layer,) = window.viewer.layers
    window.viewer.dims.ndisplay = 3
    window.settle()
    editing = editing_of(layer)
    assert isinstance(editing, PointEditing)
    editing.start()
    window.wait(lambda: editing.phase is Phase.ON)
    assert len(asked) == 1 and editing.review == f"{count} deleted" and len(layer.data) == 4000 - count
    editing.discard()


def test_after_a_conflict_the_edits_are_made_again(
    window: Any, place: Path, changed: PointEditing, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = changed.session
    assert session is not None
    key = next(iter(session.edits.chunks))
    with open_store(place).edit(journal=False) as other:
        found = other.find((np.array(key) * 250.0, np.array(key) * 250.0 + 249.0))
        mine = found.take(np.arange(len(found) - 1, len(found)))
        other.move(mine, mine.positions + 0.5)
    monkeypatch.setattr(editing_module, "ask_reload", lambda text: True)
    changed.save()
    window.wait(lambda: changed.phase is Phase.ON)
    assert changed.is_changed
    changed.save()
    window.wait(lambda: changed.phase is Phase.ON and not changed.is_changed)
    assert open_store(place).level(0).vertex_count == 3995
