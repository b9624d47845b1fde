"""What becomes of unsaved edits when what shows them goes: the layer, or the window."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import napari
import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox, QProgressDialog

import zvview
from tests.napari.conftest import Window
from tests.napari.editing.acting import begin_points, open_store, told, wait_for_edits
from zvview.errors import UnreachableError
from zvview.napari.editing import asking, closing
from zvview.napari.editing import editing as editing_module
from zvview.napari.editing.asking import Choice
from zvview.napari.editing.editing import Phase
from zvview.napari.editing.points import PointEditing

CANCEL = QMessageBox.StandardButton.Cancel


def answer(monkeypatch: pytest.MonkeyPatch, choice: Choice) -> list[str]:
    """Answer the question about unsaved edits; the questions that were asked come back."""
    asked: list[str] = []

    def ask(text: str, *, can_cancel: bool) -> Choice:
        asked.append(text)
        return choice

    monkeypatch.setattr(closing, "ask_unsaved", ask)
    return asked


@contextmanager
def pressing(kind: type[Any], told: list[str], press: Callable[[Any], object]) -> Iterator[None]:
    """Call `press` with the first dialog of a kind that opens, and note what it says."""

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, kind):
            timer.stop()
            told.append(dialog.labelText() if isinstance(dialog, QProgressDialog) else dialog.text())
            press(dialog)

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(50)
    yield
    timer.stop()
    timer.timeout.disconnect(look)  # PySide6 would keep what it holds


def count_unsaved(place: Path) -> int:
    return len(open_store(place).edit().find_unsaved())


@pytest.mark.parametrize(("choice", "left"), [(Choice.SAVE, 3995), (Choice.DISCARD, 4000), (Choice.KEEP, 4000)])
def test_a_layer_with_unsaved_edits_is_not_removed_without_a_question(
    window: Any, place: Path, changed: PointEditing, monkeypatch: pytest.MonkeyPatch, choice: Choice, left: int
) -> None:
    asked = answer(monkeypatch, choice)
    window.viewer.layers.clear()
    assert not asked, "the lists of napari are half changed"
    window.wait(lambda: changed.session is None)
    assert asked == ["cells: 5 deleted and not saved"] and not window.viewer.layers
    assert open_store(place).level(0).vertex_count == left
    assert count_unsaved(place) == (choice is Choice.KEEP)


@pytest.mark.parametrize("is_by_a_script", [False, True])
def test_edits_are_saved_or_kept_when_a_window_is_closed(
    window: Window, qtbot: Any, place: Path, monkeypatch: pytest.MonkeyPatch, is_by_a_script: bool
) -> None:
    asked = answer(monkeypatch, Choice.SAVE)
    opened = Window(napari.Viewer(show=True), qtbot)  # the fixture's is closed by napari's own fixture
    canvas = opened.viewer.window._qt_viewer
    editing = begin_points(opened, place)
    (layer,) = opened.viewer.layers
    layer.selected_data = set(range(5))
    layer.remove_selected()
    if is_by_a_script:  # asks nobody
        opened.viewer.close()
    else:
        opened.viewer.window._qt_window.close()
    assert asked == ([] if is_by_a_script else ["cells: 5 deleted and not saved"])
    assert editing.session is None and count_unsaved(place) == is_by_a_script
    assert open_store(place).level(0).vertex_count == (4000 if is_by_a_script else 3995)
    window.live(0.05)
    for known in (opened.viewer, canvas):  # napari's fixtures count them
        type(known)._instances.discard(known)


def test_a_window_with_unsaved_edits_is_not_closed_when_the_user_thinks_better_of_it(
    window: Any, changed: PointEditing, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answer(monkeypatch, Choice.CANCEL)
    frame = window.viewer.window._qt_window
    frame.close()
    assert len(asked) == 1 and frame.isVisible() and changed.is_changed
    changed.discard()
    told(window, changed, "no edits")
    assert not changed.is_changed


def test_a_layer_comes_back_when_the_user_thinks_better_of_it(
    window: Any, changed: PointEditing, monkeypatch: pytest.MonkeyPatch
) -> None:
    (layer,) = window.viewer.layers
    other = window.viewer.add_points([[0.0, 0, 0]], name="above")
    pressed: list[str] = []
    with monkeypatch.context() as patch, pressing(QMessageBox, pressed, lambda box: box.button(CANCEL).click()):
        patch.setattr(closing, "ask_unsaved", asking.ask_unsaved)
        window.viewer.layers.remove(layer)
        window.wait(lambda: pressed)
        window.wait(lambda: len(window.viewer.layers) == 2)
    assert pressed == ["cells: 5 deleted and not saved"] and list(window.viewer.layers) == [layer, other]
    window.wait(lambda: layer.stream.update is not None)
    wait_for_edits(window, layer)
    window.wait(lambda: changed.phase is Phase.ON)
    assert len(layer.data) == 3995 and layer.name == "cells *"
    layer.selected_data = {8}
    layer.remove_selected()
    told(window, changed, "6 deleted")
    changed.undo()
    wait_for_edits(window, layer)
    assert len(layer.data) == 3995
    changed.discard()


def test_a_layer_whose_edits_could_not_be_saved_comes_back(
    window: Any, changed: PointEditing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise UnreachableError("the disk is full")

    messages: list[str] = []
    monkeypatch.setattr(changed.session, "commit", refuse)
    monkeypatch.setattr(editing_module, "show_error", messages.append)
    answer(monkeypatch, Choice.SAVE)
    (layer,) = window.viewer.layers
    window.viewer.layers.clear()
    window.wait(lambda: len(window.viewer.layers) == 1)
    assert list(window.viewer.layers) == [layer] and changed.is_changed
    assert messages == ["the edits were not saved, and are kept: the disk is full"]
    changed.discard()


def test_a_save_that_takes_long_is_shown_and_need_not_be_waited_for(
    window: Any, place: Path, changed: PointEditing, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert changed.session is not None
    may_go, commit = threading.Event(), changed.session.commit

    def save() -> object:
        assert may_go.wait(20)
        return commit()

    monkeypatch.setattr(changed.session, "commit", save)
    answer(monkeypatch, Choice.SAVE)
    frame = window.viewer.window._qt_window
    pressed: list[str] = []

    def give_up(dialog: QProgressDialog) -> None:
        frame.close()  # a second time: what asks and saves goes on
        dialog.canceled.emit()

    with pressing(QProgressDialog, pressed, give_up):
        frame.close()
    assert pressed == ["Saving the edits of cells\u2026"]
    assert frame.isVisible() and changed.phase is Phase.SAVING
    may_go.set()
    window.wait(lambda: changed.phase is Phase.ON and not changed.is_changed)
    assert open_store(place).level(0).vertex_count == 3995 and not list(zvview.check(str(place)))
