"""Layers that stream are saved as the stores they stand for; others are told of what they get; places are guarded."""

from __future__ import annotations

import contextlib
import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Layer, Points
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox

import zvview
from tests.napari.editing.acting import begin_points
from zvview.errors import Cancelled, ConflictError, ExistsError, UnsupportedError, ZvviewError
from zvview.napari.editing.attaching import editing_of
from zvview.napari.editing.editing import Editing, Phase
from zvview.napari.settings import ViewSettings
from zvview.napari.writing import target
from zvview.napari.writing.handing_over import find_streaming, tell_subset
from zvview.napari.writing.target import is_within, with_suffix
from zvview.napari.writing.writer import write_layers
from zvview.pyramid.build import build_pyramid
from zvview.pyramid.design import PyramidOptions
from zvview.style import Colouring

COUNT, BUDGET = 60_000, 3_000


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 60,000 points in several levels."""
    place = tmp_path_factory.mktemp("stores") / "cells.zarrvectors"
    rng = np.random.default_rng(1)
    values = {
        "score": np.arange(COUNT, dtype=np.float32),
        "type": np.array(["a", "b", None], object)[np.arange(COUNT) % 3],
    }
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(250,) * 3) as store:
        store.write(zvview.Points(rng.uniform(0, 1000, (COUNT, 3)).astype("f4"), attributes=values))
    build_pyramid(place, PyramidOptions(target=2_000))
    return place


@pytest.fixture
def place(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "cells.zarrvectors"))


@pytest.fixture
def layer(window: Any, place: Path) -> Any:
    """Streams at most 3,000 of the points."""
    window.drop(place)
    (found,) = window.viewer.layers
    found.stream.settings = ViewSettings(points=BUDGET)
    window.viewer.dims.ndisplay = 3
    window.viewer.reset_view()
    window.settle()
    assert 0 < len(found.data) <= BUDGET
    return found


@pytest.fixture
def told() -> Callable[[], list[str]]:
    """All that napari has told since."""
    since = len(notification_manager.records)

    def read() -> list[str]:
        for _ in range(5):
            QApplication.processEvents()
        return [note.message for note in notification_manager.records[since:]]

    return read


@pytest.mark.parametrize("name", ["copy.zarrvectors", "copy.zv", "copy.zarrvectors.zip"])
def test_all_of_the_store_is_saved_and_nobody_is_warned(
    window: Any, layer: Any, place: Path, tmp_path: Path, told: Any, name: str
) -> None:
    assert window.viewer.layers.save(str(tmp_path / name)) == [str(tmp_path / name)]
    if name.endswith("zip"):
        shutil.unpack_archive(tmp_path / name, tmp_path / "unpacked")
        assert files_of(tmp_path / "unpacked") == files_of(place)
    else:
        assert files_of(tmp_path / name) == files_of(place)
    with zvview.open(tmp_path / name) as copy:
        level = copy.level(0)
        batch = level.read()
        assert level.vertex_count == COUNT and len(copy.levels) > 2
        np.testing.assert_array_equal(np.sort(batch.attributes["score"]), np.arange(COUNT))
        assert set(batch.labels("type").tolist()) == {"a", "b", None}
    assert told() == []


def test_the_copy_looks_as_the_layer_does_now(window: Any, layer: Any, place: Path, tmp_path: Path, told: Any) -> None:
    layer.scale, layer.rotate, layer.translate = (1, 1, 2), (10, 20, 30), (5, 6, 7)
    layer.stream.colouring = Colouring("attribute", "score", "inferno", (100.0, 900.0))
    layer.opacity, layer.blending, layer.current_size = 0.6, "additive", 12
    layer.current_symbol, layer.current_border_color, layer.current_border_width = "star", "red", 0.2
    before = files_of(place)
    layer.save(str(tmp_path / "copy.zarrvectors"))
    copied = files_of(tmp_path / "copy.zarrvectors")
    assert {name for name in copied if copied[name] != before.get(name)} == {"zarr.json"} and len(copied) == len(before)
    assert files_of(place) == before and zvview.check(tmp_path / "copy.zarrvectors").ok and told() == []
    window.drop(tmp_path / "copy.zarrvectors")
    window.settle()
    again = window.viewer.layers[-1]
    assert again.stream.colouring == layer.stream.colouring
    assert (again.opacity, again.blending, again.current_size, str(again.current_symbol)) == (
        0.6,
        "additive",
        12,
        "star",
    )
    np.testing.assert_allclose(again.border_width, 0.2)
    np.testing.assert_array_equal(again.border_color, [[1, 0, 0, 1]] * len(again.data))
    for point in ((0, 0, 0), (100, 200, 300)):
        np.testing.assert_allclose(again.data_to_world(point), layer.data_to_world(point), atol=1e-6)
    np.testing.assert_allclose(again.extent.world, layer.extent.world, atol=1e-3)
    again.save(str(tmp_path / "third.zv.zip"))  # as it was opened: byte for byte
    shutil.unpack_archive(tmp_path / "third.zv.zip", tmp_path / "third")
    assert files_of(tmp_path / "third") == copied


@pytest.mark.parametrize(("typed", "made"), [("mine", "mine.zarrvectors"), ("mine.zv", "mine.zv")])
def test_the_dialog_of_napari_offers_and_saves_stores(
    window: Any, layer: Any, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, made: str
) -> None:
    window.viewer.add_points(np.eye(3), name="spots", size=0.1)
    offered = []

    def choose(*_: Any, filter: str, **__: Any) -> tuple[str, str]:
        offered.extend(filter.split(";;"))
        return str(tmp_path / typed), next(entry for entry in offered if entry.startswith("Zarr Vectors store"))

    monkeypatch.setattr("napari._qt.qt_viewer.QFileDialog.getSaveFileName", staticmethod(choose))
    window.viewer.layers.selection = {layer}
    window.viewer.window._qt_viewer._save_layers_dialog(selected=True)
    assert "Zarr Vectors store (*.zarrvectors *.zv *.zarrvectors.zip *.zv.zip)" in offered
    assert files_of(tmp_path / made) == files_of(place)


def test_saving_where_it_comes_from_writes_nothing_without_edits(
    window: Any, layer: Any, place: Path, told: Any
) -> None:
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    assert window.viewer.layers.save(str(place)) == [str(place)]
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before
    (message,) = told()
    assert "no edits to save" in message


def test_saving_where_it_comes_from_saves_the_edits(window: Any, layer: Any, place: Path) -> None:
    with zvview.open(place) as store, contextlib.closing(store.edit(journal=False)) as session:
        session.delete(session.find(((0, 0, 0), (1000, 1000, 100))))
        editing = with_edits(layer, session)
        assert window.viewer.layers.save(str(place)) == [str(place)]
        window.wait(lambda: editing.phase is Phase.OFF and not editing.is_changed)
    with zvview.open(place) as store:
        assert (store.level(0).read().positions[:, 2] > 100).all()


def test_points_changed_by_hand_are_not_lost_on_the_way(window: Any, layer: Any, place: Path, tmp_path: Path) -> None:
    layer.data = layer.data[:-5]
    for target_place in (tmp_path / "copy.zarrvectors", place):
        with pytest.raises(ConflictError, match="by hand"):
            window.viewer.layers.save(str(target_place))
    assert not (tmp_path / "copy.zarrvectors").exists()


def with_edits(layer: Any, session: zvview.EditSession) -> Editing:
    """What edits the layer, with a session that another part of the program has begun."""
    editing = editing_of(layer)
    assert editing is not None
    editing.session = session
    return editing


def test_edits_that_are_not_saved_go_into_the_copy(window: Any, layer: Any, place: Path, tmp_path: Path) -> None:
    window.viewer.add_points(np.eye(3), name="spots", size=0.1)
    before = files_of(place)
    with zvview.open(place) as store, contextlib.closing(store.edit(journal=False)) as session:
        session.delete(session.find(((0, 0, 0), (1000, 1000, 100))))
        with_edits(layer, session)
        layer.save(str(tmp_path / "copy.zarrvectors"))
        window.viewer.layers.save(str(tmp_path / "both.zarrvectors"))
        assert session.is_changed
        session.discard()
    with zvview.open(place) as store:
        z = store.level(0).read().positions[:, 2]
    for copy in (tmp_path / "copy.zarrvectors", tmp_path / "both.zarrvectors" / "cells"):
        assert zvview.check(copy).ok
        with zvview.open(copy) as made:
            for number in made.levels:
                assert (made.level(number).read().positions[:, 2] > 100).all()
            assert made.level(0).vertex_count == (z > 100).sum() < COUNT
    assert files_of(place) == before


def test_an_edit_made_just_before_is_in_the_copy(
    window: Any, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editing = begin_points(window, place)
    (layer,) = window.viewer.layers
    may_go_on = threading.Event()
    editing._turns.ask(may_go_on.wait, editing._done)
    layer.selected_data = {0, 1, 2}
    layer.remove_selected()
    monkeypatch.setattr("zvview.napari.editing.editing._CLOSE_S", 0.1)
    with pytest.raises(ConflictError, match="still waits"):
        layer.save(str(tmp_path / "copy.zarrvectors"))
    assert not (tmp_path / "copy.zarrvectors").exists()
    monkeypatch.undo()
    threading.Timer(0.3, may_go_on.set).start()
    layer.save(str(tmp_path / "copy.zarrvectors"))
    with zvview.open(tmp_path / "copy.zarrvectors") as copy, zvview.open(place) as store:
        assert copy.level(0).vertex_count == store.level(0).vertex_count - 3
    window.wait(lambda: not editing.is_busy)
    editing.discard()
    window.wait(lambda: not editing.is_changed)


def test_edits_of_a_store_that_cannot_be_listed_are_told_of(
    window: Any, address: str, place: Path, tmp_path: Path
) -> None:
    window.drop(address)
    window.wait(lambda: len(window.viewer.layers) == 1)
    with zvview.open(place) as store, contextlib.closing(store.edit(journal=False)) as session:
        session.delete(session.find(((0, 0, 0), (1000, 1000, 100))))
        with_edits(window.viewer.layers[0], session)
        with pytest.raises(UnsupportedError, match="cannot be laid over"):
            window.viewer.layers.save(str(tmp_path / "copy.zarrvectors"))
        session.discard()
    assert not (tmp_path / "copy.zarrvectors").exists()


def test_layers_and_stores_go_into_one_collection(window: Any, layer: Any, place: Path, tmp_path: Path) -> None:
    window.viewer.add_points(np.eye(3), name="spots/1", size=0.1)
    window.viewer.layers.save(str(tmp_path / "both.zarrvectors"))
    assert files_of(tmp_path / "both.zarrvectors" / "cells") == files_of(place)
    with zvview.open(tmp_path / "both.zarrvectors") as both:
        assert list(both) == ["cells", "spots_1"]
        assert both["spots_1"].level(0).vertex_count == 3
    window.viewer.layers.clear()
    window.drop(tmp_path / "both.zarrvectors")
    window.settle()
    (member, spots) = window.viewer.layers
    before = files_of(tmp_path / "both.zarrvectors")
    window.viewer.layers.save(str(tmp_path / "both.zarrvectors"))  # where both come from
    assert files_of(tmp_path / "both.zarrvectors") == before
    window.viewer.add_points(np.eye(3))
    with pytest.raises(ZvviewError, match="another place"):
        window.viewer.layers.save(str(tmp_path / "both.zarrvectors"))
    assert files_of(tmp_path / "both.zarrvectors") == before and spots.name == "both spots_1"
    window.viewer.layers.selection = {member}
    window.viewer.layers.save(str(tmp_path / "again.zarrvectors"), selected=True)
    assert files_of(tmp_path / "again.zarrvectors") == files_of(place)


@pytest.fixture
def address(place: Path) -> Iterator[str]:
    """A plain web server, which cannot list."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def list_directory(self, path: Any) -> None:
            self.send_error(404)

    handler = functools.partial(Quiet, directory=str(place.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/{place.name}"
        listening.shutdown()
        thread.join()


def test_stores_that_cannot_be_listed_are_written_anew(window: Any, address: str, place: Path, tmp_path: Path) -> None:
    window.drop(address)
    window.wait(lambda: len(window.viewer.layers) == 1)
    window.settle()
    window.viewer.layers.save(str(tmp_path / "copy.zarrvectors"))
    with zvview.open(tmp_path / "copy.zarrvectors") as copy, zvview.open(place) as store:
        found, wanted = (one.level(0).read() for one in (copy, store))
        for rows in (found, wanted):
            assert len(rows) == COUNT
        order, same = np.argsort(found.attributes["score"]), np.argsort(wanted.attributes["score"])
        np.testing.assert_array_equal(found.positions[order], wanted.positions[same])
        assert found.labels("type")[order].tolist() == wanted.labels("type")[same].tolist()
        assert len(copy.levels) > 1
    assert zvview.check(tmp_path / "copy.zarrvectors").ok


def test_a_copy_by_napari_has_what_is_in_view_and_tells_so(window: Any, layer: Any, told: Any) -> None:
    from napari.layers._layer_actions import _duplicate_layer

    window.viewer.layers.selection = {layer}
    _duplicate_layer(window.viewer.layers)
    (message,) = told()
    assert f"{len(layer.data):,} of 60,000 points" in message
    copy = window.viewer.layers[1]
    assert type(copy) is Points and len(copy.data) == len(layer.data)
    assert find_streaming(copy.as_layer_data_tuple()[1]) is None


def test_a_duplicate_is_saved_as_what_it_is(window: Any, layer: Any, tmp_path: Path) -> None:
    copy = Layer.create(*layer.as_layer_data_tuple())
    window.viewer.layers.clear()
    window.viewer.add_layer(copy)
    window.viewer.layers.save(str(tmp_path / "subset.zarrvectors"))
    with zvview.open(tmp_path / "subset.zarrvectors") as store:
        assert store.level(0).vertex_count == len(copy.data)


def test_other_writers_get_what_is_in_view_and_it_is_told(window: Any, layer: Any, tmp_path: Path, told: Any) -> None:
    layer.save(str(tmp_path / "cells.csv"))
    assert len((tmp_path / "cells.csv").read_text().splitlines()) == len(layer.data) + 1
    (message,) = told()
    assert "only what is in view" in message and "of 60,000 points" in message


def test_nothing_is_told_where_all_is_in_memory(window: Any, layer: Any, tmp_path: Path, told: Any) -> None:
    layer.stream.settings = ViewSettings(points=1_000_000)
    layer.stream.locked_level = 0
    window.settle()
    assert len(layer.data) == COUNT and tell_subset(layer) is None
    layer.save(str(tmp_path / "cells.csv"))
    assert told() == []


def test_what_is_not_ours_is_never_replaced(window: Any, layer: Any, tmp_path: Path) -> None:
    theirs = tmp_path / "thesis.zarrvectors"
    theirs.mkdir()
    (theirs / "chapter.txt").write_text("mine")
    (tmp_path / "letter.zv").write_text("mine")
    for taken in (theirs, tmp_path / "letter.zv"):
        before = taken.stat().st_mtime_ns
        with pytest.raises(ExistsError):
            window.viewer.layers.save(str(taken))
        assert taken.stat().st_mtime_ns == before
    assert (theirs / "chapter.txt").read_text() == "mine"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    with zvview.create(tmp_path / "other.zarrvectors", kind="mesh") as store:
        store.write(zvview.Mesh(np.eye(3), faces=[[0, 1, 2]]))
    return tmp_path / "other.zarrvectors"


@pytest.mark.parametrize("is_wanted", [True, False])
def test_stores_are_replaced_when_the_user_says_so(
    window: Any, layer: Any, place: Path, other: Path, is_wanted: bool
) -> None:
    before = files_of(other)

    def press() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox) and str(other) in box.text()
        box.button(QMessageBox.StandardButton.Yes if is_wanted else QMessageBox.StandardButton.No).click()

    QTimer.singleShot(200, press)
    with contextlib.nullcontext() if is_wanted else pytest.raises(Cancelled, match="left as it is"):
        window.viewer.layers.save(str(other))
    assert files_of(other) == (files_of(place) if is_wanted else before)


def test_stores_are_not_replaced_where_nobody_can_be_asked(
    layer: Any, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target.QApplication, "topLevelWidgets", list)
    with pytest.raises(ExistsError, match="nobody to ask"):
        layer.save(str(other))


def test_what_another_layer_streams_from_is_not_replaced(window: Any, layer: Any, other: Path, place: Path) -> None:
    window.drop(other)
    before = files_of(other)
    with pytest.raises(ExistsError, match="layer 'other' streams from"):
        layer.save(str(other))
    with pytest.raises(ExistsError, match="layer 'cells' streams from"):
        window.viewer.add_points(np.eye(3)).save(str(place))
    assert files_of(other) == before


def test_places_inside_of_a_store_are_refused(window: Any, layer: Any, place: Path, other: Path) -> None:
    with pytest.raises(UnsupportedError, match="name another place"):
        layer.save(str(place / "inner.zarrvectors"))
    assert not (place / "inner.zarrvectors").exists()


def test_a_save_that_is_stopped_or_fails_leaves_nothing(
    window: Any, layer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise Cancelled("stopped")

    monkeypatch.setattr("zvview.napari.writing.saving.put_copy", stop)
    window.viewer.add_points(np.eye(3), name="a")
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(Cancelled):
        window.viewer.layers.save(str(tmp_path / "copy.zarrvectors"))
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_what_cannot_be_saved_is_told_and_not_taken_for_the_lack_of_a_writer(window: Any, tmp_path: Path) -> None:
    layer = window.viewer.add_points(np.array([[0, 0, np.nan]]))
    with pytest.raises(ZvviewError, match="finite"):
        layer.save(str(tmp_path / "nan.zarrvectors"))
    assert list(tmp_path.iterdir()) == []
    values = np.ones((2, 4), np.float32)
    moving = window.viewer.add_surface((np.zeros((4, 3)), np.array([[0, 1, 2]]), values))
    with pytest.raises(UnsupportedError, match="along a slider"):
        write_layers(str(tmp_path / "s.zarrvectors"), [moving.as_layer_data_tuple()])


def test_names_get_a_suffix_where_they_have_none(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name, expected in (
        ("a", "a.zarrvectors"), ("a.b", "a.b.zarrvectors"), ("a/", "a.zarrvectors"), ("a.ZV", "a.ZV"),
        ("a.zarr", "a.zarr"), ("a.zv.zip", "a.zv.zip"), ("there", "there"),
    ):  # fmt: skip
        assert with_suffix(f"{tmp_path}/{name}") == f"{tmp_path}/{expected}"


def test_places_are_compared_by_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert is_within(f"{tmp_path}/a/", f"{tmp_path}/link/zarr.json")
    assert is_within(f"{tmp_path}/link/inner", f"{tmp_path}/a")
    assert not is_within(f"{tmp_path}/a", f"{tmp_path}/a/inner") and not is_within(f"{tmp_path}/ab", f"{tmp_path}/a")
    assert is_within("http://h/a.zv/", "HTTP://h/a.zv") and not is_within("http://h/a.zv", "http://h/b.zv")
