"""Lines, skeletons and meshes edited by handles, in a real window with real mouse and keyboard events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

import zvview
from tests.napari.hands import canvas_of, click, drag, pixel_of
from zvview.geometry.batches import Mesh, Skeletons, Streamlines
from zvview.napari.editing.attaching import editing_of
from zvview.napari.editing.editing import Phase
from zvview.napari.editing.handles import HandleEditing
from zvview.store.store import Store

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
GRID = {"chunk_shape": (50.0,) * 3, "bin_shape": (1.0,) * 3}


def open_store(place: object) -> Store:
    store = zvview.open(str(place))
    assert isinstance(store, Store)
    return store


def press(window: Any, key: Qt.Key, modifiers: Any = Qt.KeyboardModifier.NoModifier) -> None:
    canvas = canvas_of(window.viewer)
    canvas.setFocus()
    QTest.keyClick(canvas, key, modifiers)


def begin(window: Any, place: Path) -> HandleEditing:
    """The store in the window, being edited, looked at from above."""
    window.drop(place)
    layer = window.viewer.layers[-1]
    window.viewer.dims.ndisplay = 3
    window.viewer.reset_view()
    window.settle()
    editing = editing_of(layer)
    assert isinstance(editing, HandleEditing)
    editing.start()
    window.wait(lambda: editing.phase is Phase.ON)
    return editing


def settle(window: Any, editing: HandleEditing) -> None:
    layer = next(layer for layer in window.viewer.layers if hasattr(layer, "stream"))
    stream = layer.stream
    session = editing.session
    window.wait(lambda: stream.update.edits is not None and stream.update.edits.edits is session.edits)
    window.settle(layer)


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Three parallel lines of eleven vertices."""
    place = tmp_path / "lines.zarrvectors"
    along = np.linspace(10, 90, 11)
    made = [np.column_stack((along, np.full(11, y), np.full(11, 50.0))) for y in (20.0, 50.0, 80.0)]
    with zvview.create(str(place), kind="streamline", **GRID) as store:
        batch = Streamlines.from_list(made, object_ids=[3, 5, 9])
        store.write(
            Streamlines(
                batch.positions,
                offsets=batch.offsets,
                object_ids=batch.object_ids,
                attributes={"radius": np.ones(33, np.float32)},
            )
        )
    return place


def test_a_line_follows_its_handles_and_is_split_joined_and_saved(window: Any, lines: Path) -> None:
    editing = begin(window, lines)
    viewer, (layer,) = window.viewer, tuple(window.viewer.layers)
    session = editing.session
    assert session is not None
    click(viewer, pixel_of(viewer, layer, [50, 50, 53]))
    window.wait(lambda: editing.chosen == (5,) and editing.handles is not None)
    handles = editing.handles
    assert len(handles.data) == 11 and handles.mode == "select"
    settle(window, editing)

    at = pixel_of(viewer, handles, handles.data[5])
    seen: list[int] = []
    layer.events.set_data.connect(lambda event: seen.append(1))
    drag(viewer, at, (at[0], at[1] + 40))
    assert editing.review == "1 lines changed" and seen  # it followed before it was released
    settle(window, editing)
    assert (layer.positions == handles.data[5]).all(axis=1).any()
    window.look("napari_edit_lines")

    viewer.layers.selection.active = handles
    handles.selected_data = {2}
    press(window, Qt.Key.Key_Delete)
    assert len(session.line(5)) == 10
    handles.mode = "add"
    click(viewer, pixel_of(viewer, handles, session.line(5).positions[:2].mean(axis=0)[::-1]))
    assert len(session.line(5)) == 11
    np.testing.assert_allclose(session.line(5).positions[1, 0], 14, atol=1)
    handles.mode = "select"
    press(window, Qt.Key.Key_Z, CONTROL)
    assert len(session.line(5)) == 10 and len(handles.data) == 10

    handles.selected_data = {4}
    assert editing.run("split") and len(editing.chosen) == 2 and len(handles.data) == 11
    new = editing.chosen[1]
    assert editing.run("join") and editing.chosen == (5,)
    press(window, Qt.Key.Key_Z, CONTROL)
    assert len(session.line(new)) == 6
    editing.save()
    window.wait(lambda: editing.phase is Phase.ON and not editing.is_changed)
    batch = open_store(lines).level(0).read_objects([3, 5, 9, new])
    assert np.diff(batch.offsets).tolist() == [11, 5, 11, 6]
    assert not [finding for finding in zvview.check(str(lines)) if finding.severity == "error"]
    editing.stop()
    assert [each.name for each in viewer.layers] == ["lines"]


def test_with_shift_a_second_line_is_chosen_and_a_value_set_for_both(window: Any, plugin: str, lines: Path) -> None:
    editing = begin(window, lines)
    _, dock = window.viewer.window.add_plugin_dock_widget(plugin, "Zarr Vectors")
    viewer, (layer,) = window.viewer, tuple(window.viewer.layers)
    click(viewer, pixel_of(viewer, layer, [50, 50, 53]))
    window.wait(lambda: editing.chosen == (5,) and editing.handles is not None)
    x, y = pixel_of(viewer, layer, [50, 20, 53])
    QTest.mouseClick(canvas_of(viewer), Qt.MouseButton.LeftButton, SHIFT, QPoint(x, y))
    window.wait(lambda: editing.chosen == (5, 3))
    editing.handles.selected_data = {0, 11}
    window.wait(lambda: dock.edit.table.rowCount() == 3)
    dock.edit.table.item(0, 0).setText("4")
    window.wait(lambda: editing.review == "2 lines changed")
    session = editing.session
    assert session is not None
    assert session.line(3).attributes["radius"][0] == session.line(5).attributes["radius"][0] == 4
    window.wait(lambda: dock.edit.commands.count() == 4)
    window.look("napari_edit_lines_two")
    titles = [dock.edit.commands.itemAt(i).widget().text() for i in range(4)]
    QTest.mouseClick(dock.edit.commands.itemAt(titles.index("Delete object")).widget(), Qt.MouseButton.LeftButton)
    window.viewer.window.remove_dock_widget(dock)
    assert editing.review == "2 lines deleted" and editing.handles is None
    settle(window, editing)
    assert len(layer.segments) == 10
    editing.discard()
    settle(window, editing)
    assert len(layer.segments) == 30


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    """Two skeletons of five nodes in a row."""
    place = tmp_path / "trees.zarrvectors"
    along = np.linspace(10, 90, 5)
    positions = np.concatenate([np.column_stack((along, np.full(5, y), np.full(5, 50.0))) for y in (30.0, 70.0)])
    parents = np.array([-1, 0, 1, 2, 3, -1, 5, 6, 7, 8])
    made = Skeletons.from_parents(positions.astype(np.float32), parents, offsets=[0, 5, 10], object_ids=[1, 2])
    with zvview.create(str(place), kind="skeleton", **GRID) as store:
        store.write(made)
    return place


def test_nodes_of_a_skeleton_are_moved_added_cut_and_connected(window: Any, trees: Path) -> None:
    editing = begin(window, trees)
    viewer, (layer,) = window.viewer, tuple(window.viewer.layers)
    session = editing.session
    assert session is not None
    click(viewer, pixel_of(viewer, layer, [50, 30, 60]))
    window.wait(lambda: editing.chosen == (1,) and editing.handles is not None)
    handles = editing.handles
    settle(window, editing)
    row = int(np.flatnonzero(handles.data[:, 2] == 50)[0])
    at = pixel_of(viewer, handles, handles.data[row])
    drag(viewer, at, (at[0], at[1] - 30))
    assert editing.review == "1 moved"
    viewer.layers.selection.active = handles
    handles.selected_data = {row}
    handles.mode = "add"
    click(viewer, (at[0] + 20, at[1] - 60))
    assert editing.review == "1 moved, 1 added, 1 linked" and len(handles.data) == 6
    settle(window, editing)
    assert len(layer.segments) == 9
    handles.mode = "select"
    row = int(np.flatnonzero(handles.data[:, 2] == 70)[0])
    handles.selected_data = {row}
    assert editing.run("cut") and len(editing.chosen) == 2
    settle(window, editing)
    assert len(layer.segments) == 8
    window.look("napari_edit_skeleton")
    editing.save()
    window.wait(lambda: editing.phase is Phase.ON and not editing.is_changed)
    batch = open_store(trees).level(0).read()
    assert isinstance(batch, Skeletons) and len(batch) == 11 and len(batch.edges) == 8
    editing.stop()


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """A flat sheet of 5 x 5 vertices as a mesh."""
    place = tmp_path / "sheet.zarrvectors"
    grid = np.stack(np.meshgrid(np.linspace(10, 90, 5), np.linspace(10, 90, 5), indexing="ij"), axis=-1).reshape(-1, 2)
    first = (np.arange(4)[:, None] * 5 + np.arange(4)).reshape(-1)
    faces = np.concatenate([np.stack((first, first + 1, first + 6), 1), np.stack((first, first + 6, first + 5), 1)])
    positions = np.column_stack((grid, np.full(25, 50.0))).astype(np.float32)
    with zvview.create(str(place), kind="mesh", **GRID) as store:
        store.write(Mesh(positions, faces=faces, offsets=[0, 25], object_ids=[4]))
    return place


def test_vertices_of_a_mesh_are_moved_and_deleted_with_their_faces(window: Any, sheet: Path) -> None:
    editing = begin(window, sheet)
    viewer, (layer,) = window.viewer, tuple(window.viewer.layers)
    click(viewer, pixel_of(viewer, layer, [50, 55, 60]))
    window.wait(lambda: editing.chosen == (4,) and editing.handles is not None)
    handles = editing.handles
    settle(window, editing)
    at = pixel_of(viewer, handles, [50, 50, 50])
    drag(viewer, at, (at[0] + 15, at[1] + 15))
    assert editing.review == "1 moved"
    settle(window, editing)
    viewer.layers.selection.active = handles
    row = int(np.flatnonzero((handles.data[:, 1:] == 10).all(axis=1))[0])
    handles.selected_data = {row}
    press(window, Qt.Key.Key_Delete)
    assert editing.review == "1 moved, 1 deleted"
    settle(window, editing)
    assert len(layer._faces) == 30
    window.look("napari_edit_mesh")
    editing.save()
    window.wait(lambda: editing.phase is Phase.ON and not editing.is_changed)
    batch = open_store(sheet).level(0).read()
    assert isinstance(batch, Mesh) and len(batch) == 24 and len(batch.faces) == 30
    editing.stop()
