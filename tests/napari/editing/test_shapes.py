"""Lines of a plane edited as Shapes: drawn, moved, pasted and deleted there, they are so in the store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Shapes
from qtpy.QtCore import Qt

import zvview
from tests.napari.editing.acting import CONTROL, SHIFT, open_store, press
from zvview.errors import InvalidInputError
from zvview.format.metadata import Axis
from zvview.geometry.batches import Polylines
from zvview.napari.editing import closing, shapes
from zvview.napari.editing import editing as editing_module
from zvview.napari.editing.asking import Choice
from zvview.napari.editing.attaching import editing_of
from zvview.napari.editing.editing import Phase
from zvview.napari.editing.handles import HandleEditing
from zvview.napari.shapes import open_as_shapes

XY = (Axis("x", "space", "um"), Axis("y", "space", "um"))
SIDE = np.array([[0, 0], [8, 0], [8, 6], [0, 6], [0, 0]], np.float32)
TRIANGLE = np.array([[70.0, 70], [70, 78], [78, 78]])


def named(drawing: Shapes, number: int) -> int:
    """The row of the shape that is a line."""
    (row,) = np.flatnonzero(drawing.features["id"] == number).tolist()
    return int(row)


def data_of(drawing: Shapes, number: int) -> np.ndarray:
    return np.array(drawing.data[named(drawing, number)])


def ids_of(drawing: Shapes) -> set[int]:
    return set(drawing.features["id"].tolist())


def reshape(drawing: Shapes, number: int, data: np.ndarray) -> None:
    """Give one of the shapes other vertices, as a tool does that tells when it is done."""
    drawing.data = [data if row == named(drawing, number) else old for row, old in enumerate(drawing.data)]


def remove(drawing: Shapes, number: int) -> None:
    drawing.selected_data = {named(drawing, number)}
    drawing.remove_selected()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Four closed outlines and an open one; each vertex knows its number."""
    place = tmp_path / "tissue.zv"
    lines = [np.add(SIDE, (20 * i + 1, 20)) for i in range(4)] + [np.add(SIDE[:3], (1, 60))]
    with zvview.create(str(place), kind="polyline", axes=XY, chunk_shape=(50, 50), bin_shape=(1, 1)) as store:
        numbers = {"number": np.arange(23, dtype=np.int32)}
        store.write(Polylines.from_list(lines, object_ids=np.arange(5) + 10, attributes=numbers))
    return place


def draw(window: Any, place: Path) -> tuple[Shapes, HandleEditing]:
    """The lines of a store as Shapes, being edited."""
    window.drop(place)
    (layer,) = window.viewer.layers
    window.viewer.reset_view()
    window.settle()
    open_as_shapes(layer, window.viewer)
    window.wait(lambda: len(window.viewer.layers) == 2)
    drawing, editing = window.viewer.layers[1], editing_of(layer)
    assert isinstance(drawing, Shapes) and isinstance(editing, HandleEditing)
    window.wait(lambda: editing.phase is Phase.ON)
    return drawing, editing


@pytest.fixture
def drawing(window: Any, place: Path) -> Iterator[Shapes]:
    """The lines as Shapes."""
    drawing, editing = draw(window, place)
    yield drawing
    if editing.session is not None:
        editing.discard()
        window.wait(lambda: not editing.is_busy)


@pytest.fixture
def editing(window: Any, drawing: Shapes) -> HandleEditing:
    found = editing_of(window.viewer.layers[0])
    assert isinstance(found, HandleEditing)
    return found


class Slow:
    """Something of which the next operation of the session waits, on whichever thread it is called."""

    def __init__(self, editing: HandleEditing, *operations: str) -> None:
        self.go, self.called, self.threads = threading.Event(), list[str](), set[int]()
        for name in operations:
            self._slow_down(editing.session, name)

    def _slow_down(self, session: Any, name: str) -> None:
        operation = getattr(session, name)

        def call(*args: Any) -> Any:
            self.called.append(name)
            self.threads.add(threading.get_ident())
            assert self.go.wait(20)
            return operation(*args)

        setattr(session, name, call)


OPERATIONS = ("add_lines", "set_lines", "delete_objects", "read_lines", "line", "undo", "redo", "commit")


def test_what_is_done_to_shapes_is_done_to_the_lines_of_the_store(
    window: Any, place: Path, drawing: Shapes, editing: HandleEditing
) -> None:
    drawing.add_polygons(TRIANGLE)
    window.wait(lambda: drawing.features["id"].iloc[-1] == 15)
    assert editing.review == "1 lines changed"
    moved = data_of(drawing, 10) + 2
    reshape(drawing, 10, moved)
    remove(drawing, 12)
    window.wait(lambda: not editing.is_busy)
    assert editing.review == "2 lines changed, 1 lines deleted"
    window.look("napari_edit_shapes")
    drawing.selected_data = {named(drawing, 10)}
    drawing._copy_data()
    drawing._paste_data()
    press(window, Qt.Key.Key_D, CONTROL | SHIFT)  # the layer of the shapes is the active one
    window.wait(lambda: editing.phase is Phase.ON and not editing.is_changed)
    assert ids_of(drawing) == {10, 11, 13, 14, 15, 16}
    level = open_store(place).level(0)
    found = level.read_objects([10, 11, 13, 14, 15, 16])
    assert np.diff(found.offsets).tolist() == [5, 5, 5, 3, 4, 5]
    first, last = found.positions[:5], found.positions[-5:]
    np.testing.assert_allclose(first[:4][:, ::-1], moved, atol=1e-5)
    assert (first[0] == first[-1]).all() and (first == last).all()
    numbers = found.attributes["number"]
    assert numbers[:5].tolist() == numbers[-5:].tolist() == [0, 1, 2, 3, 4], "a copy has the values of its original"
    assert 12 not in level.present_object_ids.tolist() and not list(zvview.check(str(place)))


def test_shapes_go_back_and_forth_with_the_edits(window: Any, drawing: Shapes, editing: HandleEditing) -> None:
    before, colour = data_of(drawing, 12), drawing.edge_color[named(drawing, 12)].copy()
    remove(drawing, 12)
    drawing.add_paths(TRIANGLE)
    window.wait(lambda: 15 in ids_of(drawing))
    reshape(drawing, 14, data_of(drawing, 14) + 3)
    assert editing.is_busy
    changed = data_of(drawing, 14)
    for _ in range(3):
        press(window, Qt.Key.Key_Z, CONTROL)  # the first of them while the change is on its way
    window.wait(lambda: ids_of(drawing) == {10, 11, 12, 13, 14})
    assert editing.review == "no edits"
    np.testing.assert_allclose(data_of(drawing, 12), before)
    np.testing.assert_array_equal(drawing.edge_color[named(drawing, 12)], colour)
    np.testing.assert_allclose(data_of(drawing, 14), changed - 3)
    assert drawing.shape_type[named(drawing, 12)] == "polygon" and drawing.shape_type[named(drawing, 14)] == "path"
    for _ in range(3):
        press(window, Qt.Key.Key_Z, CONTROL | SHIFT)
    window.wait(lambda: ids_of(drawing) == {10, 11, 13, 14, 15})
    np.testing.assert_allclose(data_of(drawing, 14), changed)
    np.testing.assert_allclose(data_of(drawing, 15), TRIANGLE)
    remove(drawing, 15)  # what came back is followed as well
    window.wait(lambda: not editing.is_busy)
    assert editing.review == "1 lines changed, 1 lines deleted"


def test_hands_do_not_wait_and_what_they_did_keeps_its_order(
    window: Any, place: Path, drawing: Shapes, editing: HandleEditing
) -> None:
    slow = Slow(editing, *OPERATIONS)
    drawing.add_polygons(TRIANGLE)
    new = int(drawing.features["id"].iloc[-1])
    assert new < -1 and editing.is_changed and "waits" in editing.status
    reshape(drawing, new, TRIANGLE + 2)  # before it has an id
    reshape(drawing, 10, data_of(drawing, 10) + 5)
    remove(drawing, 12)
    drawing.add_paths(TRIANGLE[:2])
    remove(drawing, int(drawing.features["id"].iloc[-1]))
    editing.save()
    assert editing.phase is Phase.SAVING
    late = data_of(drawing, 11) + 1
    reshape(drawing, 11, late)  # taken over when the rest is saved
    assert editing.is_changed
    window.wait(lambda: slow.called)
    assert slow.called == ["add_lines"]
    slow.go.set()
    window.wait(lambda: editing.phase is Phase.ON and not editing.is_busy)
    window.wait(lambda: ids_of(drawing) == {10, 11, 13, 14, 15})
    asked = [name for name in slow.called if name not in ("read_lines", "line")]
    assert asked[:7] == [
        "add_lines",
        "set_lines",
        "set_lines",
        "delete_objects",
        "add_lines",
        "delete_objects",
        "commit",
    ]
    assert threading.get_ident() not in slow.threads
    window.wait(lambda: editing.review == "1 lines changed")
    found = open_store(place).level(0).read_objects([10, 11, 15])
    np.testing.assert_allclose(found.positions[:4], np.add(SIDE[:4], (1 + 5, 20 + 5)))
    np.testing.assert_allclose(found.positions[5:9], np.add(SIDE[:4], (21, 20)))
    np.testing.assert_allclose(found.positions[10:13][:, ::-1], TRIANGLE + 2)
    assert set(open_store(place).level(0).present_object_ids.tolist()) == {10, 11, 13, 14, 15}
    np.testing.assert_allclose(data_of(drawing, 11), late)


def test_undo_takes_back_what_is_still_on_its_way(window: Any, drawing: Shapes, editing: HandleEditing) -> None:
    slow = Slow(editing, *OPERATIONS)
    before = data_of(drawing, 10)
    reshape(drawing, 10, before + 5)
    drawing.add_polygons(TRIANGLE)
    editing.undo()
    again = int(drawing.features["id"].iloc[-1])
    reshape(drawing, 11, data_of(drawing, 11) + 1)
    reshape(drawing, again, TRIANGLE + 1)  # it is about to be gone
    slow.go.set()
    window.wait(lambda: ids_of(drawing) == {10, 11, 12, 13, 14} and not editing.is_busy)
    assert editing.review == "2 lines changed"
    np.testing.assert_allclose(data_of(drawing, 10), before + 5)
    editing.undo()
    editing.undo()
    window.wait(lambda: np.array_equal(data_of(drawing, 10), before))
    assert editing.review == "no edits"


def test_what_cannot_be_done_is_put_back_and_told(
    window: Any, drawing: Shapes, editing: HandleEditing, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(editing_module, "show_warning", told.append)
    monkeypatch.setattr(shapes, "show_warning", told.append)

    def refuse(*_: Any) -> None:
        raise InvalidInputError("not today")

    before, width = data_of(drawing, 10), drawing.edge_width[0]
    with monkeypatch.context() as patch:
        for name in ("set_lines", "add_lines", "delete_objects"):
            patch.setattr(editing.session, name, refuse)
        reshape(drawing, 10, before + 5)
        remove(drawing, 12)
        drawing.add_polygons(TRIANGLE)
        window.wait(lambda: len(told) == 3 and not editing.is_busy)
    window.wait(lambda: ids_of(drawing) == {10, 11, 12, 13, 14})
    np.testing.assert_allclose(data_of(drawing, 10), before)
    assert set(told) == {"not today"} and not editing.is_changed
    assert drawing.edge_width[named(drawing, 12)] == pytest.approx(width)
    drawing.add_ellipses(np.array([[70.0, 70], [70, 80], [80, 80], [80, 70]]))
    window.wait(lambda: ids_of(drawing) == {10, 11, 12, 13, 14})
    assert "ellipse" in told[-1] and not editing.is_changed
    reshape(drawing, 10, before + 5)  # all else goes on
    window.wait(lambda: editing.review == "1 lines changed" and not editing.is_busy)


def test_what_napari_fails_to_put_back_is_not_deleted_and_put_back_later(
    window: Any, drawing: Shapes, editing: HandleEditing, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(shapes, "show_warning", told.append)

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("could not broadcast input array from shape (4,2) into shape (4,3)")

    before = data_of(drawing, 10)
    reshape(drawing, 10, before + 5)
    window.wait(lambda: not editing.is_busy)
    with monkeypatch.context() as patch:
        patch.setattr(Shapes, "add", fail)  # as it does in a 3-D view
        editing.undo()
        window.wait(lambda: told)
    assert "2-D view" in told[0] and editing.review == "no edits" and ids_of(drawing) == {11, 12, 13, 14}
    reshape(drawing, 11, data_of(drawing, 11) + 5)
    window.wait(lambda: ids_of(drawing) == {10, 11, 12, 13, 14} and not editing.is_busy)
    np.testing.assert_allclose(data_of(drawing, 10), before)
    assert editing.review == "1 lines changed"


def test_shapes_are_opened_in_a_plane(window: Any, place: Path) -> None:
    window.drop(place)
    window.viewer.dims.ndisplay = 3
    window.settle()
    open_as_shapes(window.viewer.layers[0], window.viewer)
    window.wait(lambda: len(window.viewer.layers) == 2)
    assert window.viewer.dims.ndisplay == 2 and len(window.viewer.layers[1].data) == 5


def test_vertices_that_are_inserted_or_removed_leave_the_values_of_the_others(
    window: Any, place: Path, drawing: Shapes, editing: HandleEditing
) -> None:
    polygon, path = data_of(drawing, 11), data_of(drawing, 14)
    reshape(drawing, 11, np.insert(polygon, 2, polygon[1:3].mean(axis=0), axis=0))
    reshape(drawing, 14, path[[0, 2]])
    window.wait(lambda: not editing.is_busy)
    editing.save()
    window.wait(lambda: editing.phase is Phase.ON and not editing.is_changed)
    found = open_store(place).level(0).read_objects([11, 14])
    assert found.attributes["number"].tolist() in ([5, 6, 6, 7, 8, 9, 20, 22], [5, 6, 7, 7, 8, 9, 20, 22])
    np.testing.assert_array_equal(found.positions[[0, 1, 3, 4, 5]], np.add(SIDE, (21, 20)))


def test_a_line_that_is_drawn_has_the_category_of_the_nearest_where_none_means_unknown(
    window: Any, tmp_path: Path
) -> None:
    place = tmp_path / "parts.zv"
    lines = [np.add(SIDE, 20 * i) for i in range(3)]
    batch = Polylines.from_list(
        lines,
        object_ids=[2, 3, 4],
        attributes={"part": np.repeat(np.array([0, 2, 1], np.int8), 5), "size": np.arange(15, dtype=np.float32)},
        categories={"part": zvview.Categories(("a", "b", "c"))},
    )
    with zvview.create(str(place), kind="polyline", axes=XY, chunk_shape=(50, 50), bin_shape=(1, 1)) as store:
        store.write(batch)
    drawing, editing = draw(window, place)
    drawing.add_paths(np.array([[30.0, 30], [26, 40]]))
    window.wait(lambda: 5 in ids_of(drawing))
    reshape(drawing, 2, np.insert(data_of(drawing, 2), 1, [3, 3], axis=0))
    window.wait(lambda: not editing.is_busy)
    assert editing.review == "2 lines changed"
    assert editing.session is not None
    new, longer = editing.session.line(5).attributes, editing.session.line(2).attributes
    assert new["part"].tolist() == [2, 2] and np.isnan(new["size"]).all()
    assert longer["part"].tolist() == [0] * 6 and not np.isnan(longer["size"]).any()
    editing.discard()
    window.wait(lambda: not editing.is_busy)


def test_a_shape_that_lost_its_last_vertices_takes_no_other_along(
    window: Any, drawing: Shapes, editing: HandleEditing
) -> None:
    row = named(drawing, 12)
    drawing._data_view.remove(row)  # as the tool that removes vertices does: the table of features is left as it is
    drawing.events.data(value=drawing.data, action="changed", data_indices=(row,), vertex_indices=((0,),))
    window.wait(lambda: editing.is_changed and not editing.is_busy)
    assert editing.review == "1 lines deleted" and ids_of(drawing) == {10, 11, 13, 14}
    assert len(drawing.features) == len(drawing.data) == 4


def test_a_drawing_of_unsaved_edits_shows_them(window: Any, drawing: Shapes, editing: HandleEditing) -> None:
    reshape(drawing, 10, data_of(drawing, 10) + 5)
    remove(drawing, 12)
    drawing.add_polygons(TRIANGLE)
    window.wait(lambda: 15 in ids_of(drawing) and not editing.is_busy)
    open_as_shapes(window.viewer.layers[0], window.viewer)
    window.wait(lambda: len(window.viewer.layers) == 3)
    other = window.viewer.layers[2]
    window.wait(lambda: ids_of(other) == {10, 11, 13, 14, 15})
    np.testing.assert_allclose(data_of(other, 10), data_of(drawing, 10))
    remove(other, 11)  # both are edited from now on
    window.wait(lambda: ids_of(drawing) == {10, 13, 14, 15})


def test_a_line_without_an_id_stays_as_it_is(window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(shapes, "show_warning", told.append)
    place = tmp_path / "strange.zv"
    with zvview.create(str(place), kind="polyline", axes=XY, chunk_shape=(50, 50), bin_shape=(1, 1)) as store:
        store.write(Polylines.from_list([np.add(SIDE, 20 * i) for i in range(3)], object_ids=[-1, 3, 4]))
    drawing, editing = draw(window, place)
    (strange,) = ids_of(drawing) - {3, 4}
    before = data_of(drawing, strange)
    for change in (lambda: reshape(drawing, strange, before + 5), lambda: remove(drawing, strange)):
        change()
        window.wait(lambda: strange in ids_of(drawing) and np.array_equal(data_of(drawing, strange), before))
    assert [text.split(":")[0] for text in told] == [shapes._STRANGER.split(":")[0]] * 2 and not editing.is_changed
    remove(drawing, 3)
    window.wait(lambda: editing.review == "1 lines deleted" and not editing.is_busy)
    editing.discard()
    window.wait(lambda: not editing.is_busy)


def test_closing_asks_when_a_change_is_still_on_its_way(
    window: Any, place: Path, drawing: Shapes, editing: HandleEditing, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(text: str, *, can_cancel: bool) -> Choice:
        asked.append(text)
        return Choice.SAVE

    monkeypatch.setattr(closing, "ask_unsaved", answer)
    remove(drawing, 12)
    window.viewer.layers.remove(window.viewer.layers[0])
    window.wait(lambda: editing.session is None)
    assert asked == ["tissue: 1 lines deleted and not saved"]
    assert 12 not in open_store(place).level(0).present_object_ids.tolist()
