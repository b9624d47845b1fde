"""A source that answers slowly, in a real window: coarse first, and the window lives all the while."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import napari
import numpy as np
import pytest
from napari.utils.notifications import NotificationSeverity, notification_manager
from qtpy.QtCore import QTimer

from tests.napari.conftest import Window
from tests.napari.threads import running, wait_for_silence
from tests.store.places.conftest import Serving, serve
from zvview.pyramid import build_pyramid
from zvview.testing import make_store

DELAY_S = 0.15
CHUNK = 160
NAME = "far.zarrvectors"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """60,000 points in small chunks, with coarse levels, by their keys."""
    place = tmp_path_factory.mktemp("stores") / NAME
    make_store(str(place), "point_cloud", size=60_000, seed=5, chunk_shape=(CHUNK,) * 3).close()
    build_pyramid(str(place))
    return {str(file.relative_to(place.parent)): file.read_bytes() for file in place.rglob("*") if file.is_file()}


@pytest.fixture
def slow(content: dict[str, bytes]) -> Iterator[Serving]:
    with serve(Serving(dict(content), delay=DELAY_S)) as serving:
        yield serving


class Heartbeat:
    """Ticks as long as the thread of the window is free to do so.

    Attributes
    ----------
    gaps : list of float
        Seconds between two ticks.
    """

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._at = time.perf_counter()

    def tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._at)
        self._at = now

    def count_longer_than(self, seconds: float) -> int:
        return sum(gap >= seconds for gap in self.gaps)


@contextmanager
def heart() -> Iterator[Heartbeat]:
    beat, timer = Heartbeat(), QTimer()
    timer.setInterval(5)
    timer.timeout.connect(beat.tick)
    timer.start()
    try:
        yield beat
    finally:
        timer.stop()


def add_far(window: Window, slow: Serving) -> Any:
    """The layer of the store, in 3-D, as soon as it is there."""
    window.viewer.dims.ndisplay = 3
    window.drop(f"{slow.address}/{NAME}")
    window.wait(lambda: len(window.viewer.layers) == 1)
    return window.viewer.layers[0]


def test_the_picture_comes_coarse_first_and_the_window_lives_all_the_while(
    window: Window, slow: Serving, pixels_lit: Callable[[np.ndarray], int]
) -> None:
    shown: list[tuple[tuple[int, ...], int]] = []
    layer = add_far(window, slow)  # what napari imports and lays out at first is not told of here
    with heart() as beat:
        layer.stream.changed.connect(lambda: shown.append((layer.stream.update.levels, len(layer.data))))
        window.wait(lambda: len(layer.data))
        coarse = pixels_lit(window.look("slow_coarse"))
        assert not layer.stream.is_settled and "level 1 of 2" in layer.streaming_status and coarse > 500
        zoom = window.viewer.scene.camera.zoom
        window.turn_wheel(1)
        window.turn_wheel(-1)
        assert window.viewer.scene.camera.zoom == pytest.approx(zoom)
        window.settle()
    levels = [found for found, count in shown if count]
    assert levels[0] == (1,) and levels[-1] == (0,)
    assert [count for _, count in shown] == sorted(count for _, count in shown) and len(layer.data) == 60_000
    assert pixels_lit(window.look("slow_fine")) > coarse and layer.stream.update.status.problem is None
    requests = sum("/c/" in key for key in slow.asked)
    assert requests > 500
    assert beat.count_longer_than(DELAY_S) <= 10 + len(shown), "each picture is drawn by software once"
    assert max(beat.gaps) < 2


def test_a_view_that_changes_meanwhile_is_obeyed(window: Window, slow: Serving) -> None:
    layer, camera = add_far(window, slow), window.viewer.scene.camera
    layer.stream.locked_level = 1
    window.settle()
    camera.zoom, camera.center = 4 * camera.zoom, (500, 200, 200)
    layer.stream.locked_level = 0
    window.live(2 * DELAY_S)
    assert not layer.stream.is_settled
    camera.center = (500, 800, 800)
    window.settle()
    view = layer.stream.view
    assert layer.stream.update.levels == (0,)
    shown = layer.data[:, ::-1]
    assert ((shown >= np.array(view.lo) - CHUNK) & (shown <= np.array(view.hi) + CHUNK)).all() and len(shown) > 100


@pytest.mark.parametrize("what", ["layer", "window"])
def test_what_is_closed_meanwhile_ends_its_threads(window: Window, slow: Serving, qtbot: Any, what: str) -> None:
    opened = window if what == "layer" else Window(napari.Viewer(show=True), qtbot)
    layer = add_far(opened, slow)
    window.wait(lambda: len(layer.data))
    assert not layer.stream.is_settled and "zvview-stream" in running()
    begun = time.perf_counter()
    if what == "layer":
        opened.viewer.layers.clear()
    else:
        opened.viewer.close()
    assert time.perf_counter() - begun < 2, "closing must not wait for the source"
    assert layer.stream.streamer is None
    wait_for_silence()
    window.live(2 * DELAY_S)  # what was sent before is answered, and only then noted
    asked = len(slow.asked)
    window.live(2 * DELAY_S)
    assert len(slow.asked) == asked


def test_a_window_closed_before_the_layer_is_there_is_left_alone(window: Window, slow: Serving, qtbot: Any) -> None:
    other = Window(napari.Viewer(show=True), qtbot)
    since = len(notification_manager.records)
    other.drop(f"{slow.address}/{NAME}")
    assert "zvview-open" in running()
    other.viewer.close()
    wait_for_silence()
    window.live(0.2)
    assert len(other.viewer.layers) == 0 and len(window.viewer.layers) == 0
    told = [note for note in notification_manager.records[since:] if note.severity >= NotificationSeverity.WARNING]
    assert told == []
