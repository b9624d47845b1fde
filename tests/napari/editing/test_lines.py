"""Lines edited by handles, in a real window with real mouse and keyboard events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

import zvview
from tests.napari.editing.acting import (
    CONTROL,
    SHIFT,
    begin,
    choose,
    click_with,
    open_store,
    press,
    save,
    told,
    wait_for_edits,
)
from tests.napari.hands import click, drag, pixel_of
from zvview.geometry.batches import Streamlines


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Three parallel lines of eleven vertices."""
    place = tmp_path / "lines.zarrvectors"
    along = np.linspace(10, 90, 11)
    made = [np.column_stack((along, np.full(11, y), np.full(11, 50.0))) for y in (20.0, 50.0, 80.0)]
    with zvview.create(str(place), kind="streamline", chunk_shape=(50.0,) * 3, bin_shape=(1.0,) * 3) as store:
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
    handles = choose(window, editing, [50, 50, 53], 5)
    assert len(handles.data) == 11 and handles.mode == "select"

    at = pixel_of(viewer, handles, handles.data[5])
    seen: list[int] = []
    layer.events.set_data.connect(lambda event: seen.append(1))
    drag(viewer, at, (at[0], at[1] + 40))
    assert seen  # it followed before it was released
    told(window, editing, "1 lines changed")
    wait_for_edits(window, layer)
    assert (layer.positions == handles.data[5]).all(axis=1).any()
    window.look("napari_edit_lines")

    handles.selected_data = {2}
    press(window, Qt.Key.Key_Delete)
    assert len(handles.data) == 10
    told(window, editing, "1 lines changed")
    assert len(session.line(5)) == 10
    handles.mode = "add"
    click(viewer, pixel_of(viewer, handles, session.line(5).positions[:2].mean(axis=0)[::-1]))
    window.wait(lambda: len(session.line(5)) == 11)
    np.testing.assert_allclose(session.line(5).positions[1, 0], 14, atol=1)
    handles.mode = "select"
    press(window, Qt.Key.Key_Z, CONTROL)
    window.wait(lambda: len(session.line(5)) == 10 and len(handles.data) == 10)

    handles.selected_data = {4}
    press(window, Qt.Key.Key_X)
    window.wait(lambda: len(editing.chosen) == 2 and len(handles.data) == 11)
    new = editing.chosen[1]
    press(window, Qt.Key.Key_J)
    window.wait(lambda: editing.chosen == (5,))
    press(window, Qt.Key.Key_Z, CONTROL)
    window.wait(lambda: not editing.is_busy)
    assert len(session.line(new)) == 6
    save(window, editing)
    batch = open_store(lines).level(0).read_objects([3, 5, 9, new])
    assert np.diff(batch.offsets).tolist() == [11, 5, 11, 6]
    assert not [finding for finding in zvview.check(str(lines)) if finding.severity == "error"]
    editing.stop()
    assert [each.name for each in viewer.layers] == ["lines"]


def test_with_shift_a_second_line_is_chosen_and_a_value_set_for_both(window: Any, plugin: str, lines: Path) -> None:
    editing = begin(window, lines)
    _, dock = window.viewer.window.add_plugin_dock_widget(plugin, "Zarr Vectors")
    viewer, (layer,) = window.viewer, tuple(window.viewer.layers)
    choose(window, editing, [50, 50, 53], 5)
    click_with(window, pixel_of(viewer, layer, [50, 20, 53]), SHIFT)
    window.wait(lambda: editing.chosen == (5, 3))
    editing.handles.selected_data = {0, 11}
    window.wait(lambda: dock.edit.table.rowCount() == 3)
    dock.edit.table.item(0, 0).setText("4")
    window.wait(lambda: editing.review == "2 lines changed" and not editing.is_busy)
    session = editing.session
    assert session is not None
    assert session.line(3).attributes["radius"][0] == session.line(5).attributes["radius"][0] == 4
    window.wait(lambda: dock.edit.commands.count() == 4)
    window.look("napari_edit_lines_two")
    buttons = [dock.edit.commands.itemAt(i).widget() for i in range(4)]
    (delete,) = [button for button in buttons if button.text() == "Delete object"]
    assert delete.toolTip() == "Shift+Delete on the canvas"
    QTest.mouseClick(delete, Qt.MouseButton.LeftButton)
    window.viewer.window.remove_dock_widget(dock)
    told(window, editing, "2 lines deleted")
    assert editing.handles is None
    wait_for_edits(window, layer)
    assert len(layer.segments) == 10
    editing.discard()
    wait_for_edits(window, layer)
    assert len(layer.segments) == 30
