"""What goes wrong in a real window: sources that stall, vanish or are slow, layers and windows closed while reading."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.utils.notifications import Notification, notification_manager

from tests.napari.threads import running, wait_for_silence
from tests.stream.conftest import Gate, Source
from zvview.napari.notices import Notices, retry_all
from zvview.napari.opening import make_layers, open_stores
from zvview.napari.settings import ViewSettings
from zvview.pyramid import build_pyramid
from zvview.store.store import Store
from zvview.stream import Status
from zvview.testing import make_store


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30,000 points in small chunks, with coarse levels; not to be changed."""
    place = tmp_path_factory.mktemp("stores") / "points.zarrvectors"
    make_store(str(place), "point_cloud", size=30_000, seed=5, chunk_shape=(250,) * 3).close()
    build_pyramid(str(place))
    return place


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate(heeds_cancel=False)
    yield made
    made.opened.set()


def add_gated(viewer: Any, place: Path, gate: Gate) -> Any:
    """The layer of a store that gives no cell until the gate opens."""
    opened = [replace(found, store=Store(Source(str(place), gate))) for found in open_stores(str(place))]
    (layer,) = make_layers(opened, ViewSettings())
    viewer.dims.ndisplay = 3
    return viewer.add_layer(layer)


def told(since: int, text: str) -> list[Notification]:
    return [note for note in notification_manager.records[since:] if text in note.message]


def test_a_source_that_stalls_leaves_the_window_alive_and_is_told_with_a_button(
    window: Any, points: Path, gate: Gate
) -> None:
    since = len(notification_manager.records)
    layer = add_gated(window.viewer, points, gate)
    window.wait(lambda: told(since, "has not answered"))
    assert len(layer.data) == 0 and "has not answered" in layer.streaming_status
    zoom = window.viewer.scene.camera.zoom
    window.turn_wheel(3)
    assert window.viewer.scene.camera.zoom > zoom
    ((name, action),) = told(since, "has not answered")[0].actions
    assert name == "Try again"
    gate.opened.set()
    action(None)
    window.settle()
    assert len(layer.data) > 0 and layer.stream.update.status.problem is None


def test_a_layer_is_closed_at_once_while_its_source_hangs(window: Any, points: Path, gate: Gate) -> None:
    layer = add_gated(window.viewer, points, gate)
    window.wait(gate.reached.is_set)
    window.live(0.1)
    begun = time.perf_counter()
    layer.stream.detach()
    assert time.perf_counter() - begun < 0.5, "the window would stand still"
    window.viewer.layers.clear()
    gate.opened.set()
    wait_for_silence()


def test_a_store_that_vanishes_keeps_its_picture_and_comes_back(window: Any, tmp_path: Path) -> None:
    place, away = tmp_path / "a.zarrvectors", tmp_path / "away"
    make_store(str(place), "point_cloud", size=120_000, seed=3, chunk_shape=(125,) * 3).close()
    build_pyramid(str(place))
    window.drop(place)
    (layer,) = window.viewer.layers
    window.viewer.dims.ndisplay = 3
    window.settle()
    shown = layer.data.copy()
    assert layer.stream.update.levels != (0,)
    place.rename(away)
    window.viewer.scene.camera.center = tuple(np.median(shown, axis=0))
    window.viewer.scene.camera.zoom = 4
    window.wait(lambda: layer.stream.update.status.problem is not None)
    assert len(layer.data) >= len(shown) and not layer.stream.is_settled, "what is in memory may add to it"
    away.rename(place)
    retry_all()
    window.settle()
    assert layer.stream.update.levels == (0,) and layer.stream.update.status.problem is None


def test_a_window_closed_by_its_x_while_reading_ends_the_threads(window: Any, points: Path, gate: Gate) -> None:
    viewer = napari.Viewer(show=True)
    hidden, canvas = viewer.window._qt_window, viewer.window._qt_viewer
    layer = add_gated(viewer, points, gate)
    window.wait(gate.reached.is_set)
    hidden.close()
    window.wait(lambda: layer.stream.streamer is None)
    assert len(viewer.layers) == 1, "napari keeps the layers and tells no one"
    gate.opened.set()
    wait_for_silence()
    for known in (viewer, canvas):  # napari's fixtures count them
        type(known)._instances.discard(known)


def test_viewers_and_stores_side_by_side_leave_neither_threads_nor_memory(
    window: Any, make_napari_viewer: Any, points: Path, tmp_path: Path
) -> None:
    lines = tmp_path / "lines.zarrvectors"
    make_store(str(lines), "streamline", size=5000, seed=1).close()
    other = make_napari_viewer(show=True)
    layers = [
        viewer.open(str(place), plugin="zvview")[0] for viewer in (window.viewer, other) for place in (points, lines)
    ]
    for viewer in (window.viewer, other):
        viewer.dims.ndisplay = 3
    window.settle(*layers)
    assert all(layer.stream.update.status.vertices_shown > 0 for layer in layers)
    assert running().count("zvview-stream") == 4
    held = [weakref.ref(layer.stream.update.batch.positions) for layer in layers]
    held += [weakref.ref(layer.stream.streamer) for layer in layers]
    other.layers.clear()
    assert running().count("zvview-stream") <= 3
    window.viewer.layers.clear()
    wait_for_silence()
    window.live(0.2)
    gc.collect()
    assert [one() for one in held] == [None] * len(held)


def test_a_layer_that_is_never_added_ends_its_threads_when_it_is_forgotten(window: Any, points: Path) -> None:
    layers = make_layers(open_stores(str(points)), ViewSettings())
    assert "zvview-stream" in running(), "what the viewer will show first is read already"
    known = weakref.ref(layers[0])
    del layers
    gc.collect()
    assert known() is None
    wait_for_silence()


def test_a_note_is_told_once_and_a_source_in_trouble_not_all_the_time(window: Any) -> None:
    class Owner:
        tries = 0

        def retry(self) -> None:
            self.tries += 1

    owner, since = Owner(), len(notification_manager.records)
    Notices(owner.retry).tell("a", Status(problem="out of reach"))
    assert not told(since, "out of reach"), "it may pass"
    notices = Notices(owner.retry, patience_s=0)
    for problem in ("out of reach", "out of reach, again", None, "out of reach"):
        notices.tell("a", Status(problem=problem, notes=("cell 1.2 is damaged",)))
    assert len(told(since, "damaged")) == 1 and len(told(since, "out of reach")) == 1
    ((_, action),) = told(since, "out of reach")[0].actions
    action(None)
    assert owner.tries == 1


def test_a_cell_that_is_damaged_is_named_and_the_rest_is_shown(
    window: Any, tmp_path: Path, pixels_lit: Callable[[np.ndarray], int]
) -> None:
    place, since = tmp_path / "hurt.zarrvectors", len(notification_manager.records)
    make_store(str(place), "point_cloud", size=5000, seed=1, chunk_shape=(500,) * 3).close()
    folder = place / "0" / "vertices" / "c"
    cell = sorted(file for file in folder.rglob("*") if file.is_file())[3]
    cell.write_bytes(cell.read_bytes()[:-7])
    window.drop(place)
    (layer,) = window.viewer.layers
    window.viewer.dims.ndisplay = 3
    window.settle()
    assert 0 < len(layer.data) < 5000 and pixels_lit(window.look()) > 100
    named = "/".join(cell.relative_to(folder).parts)
    notes = [note for note in layer.stream.update.status.notes if "damaged" in note]
    assert len(notes) == 1 and named in notes[0].replace(".", "/")
    assert len(told(since, notes[0])) == 1
