"""A scripted camera: it flies from stop to stop, waits at each until all is there, and keeps pictures and figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from napari.layers import Layer
from qtpy.QtWidgets import QApplication

from zvview.napari.showing import fly_to
from zvview.samples import Stop

__all__ = ["LayerFigures", "StopFigures", "play", "settle"]

_FRAMES: Final = 24  # of the flight between two stops
_FRAME_S: Final = 0.02
_PATIENCE_S: Final = 30.0  # at a stop
_THROTTLE_S: Final = 0.15  # until a layer has noticed that the view changed


@dataclass(frozen=True, slots=True)
class LayerFigures:
    """What one layer showed at a stop, and what that took.

    Attributes
    ----------
    name : str
    levels : tuple of int
        The levels that are shown, of `level_count`.
    level_count : int
    vertices_shown : int
    vertices_total : int or None
        Of the finest level.
    chunks_ready, chunks_wanted : int
    bytes_shown : int
    bytes_read : int
        Since the stop before.
    first_ms, settled_ms : float
        From a view being asked for to its first batch, and to its last: the slowest on the way to this stop.
    work_p99_ms, work_most_ms : float
        Of what each update took of the thread of the window since the stop before.
    """

    name: str
    levels: tuple[int, ...]
    level_count: int
    vertices_shown: int
    vertices_total: int | None
    chunks_ready: int
    chunks_wanted: int
    bytes_shown: int
    bytes_read: int
    first_ms: float
    settled_ms: float
    work_p99_ms: float
    work_most_ms: float


@dataclass(frozen=True, slots=True)
class StopFigures:
    """One stop of the flight.

    Attributes
    ----------
    stop : str
    picture : str
        File name of the screenshot.
    is_settled : bool
        Whether all layers had settled before patience ended.
    waited_ms : float
        From when the camera stood still to when all that is in view was there.
    layers : tuple of LayerFigures
        The visible ones.
    """

    stop: str
    picture: str
    is_settled: bool
    waited_ms: float
    layers: tuple[LayerFigures, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def play(
    viewer: Any,
    layers: Sequence[Layer],
    stops: Sequence[Stop],
    folder: Path,
    *,
    tell: Callable[[StopFigures], None] = lambda figures: None,
) -> list[StopFigures]:
    """Fly to each stop, and keep a screenshot of the window in `folder` for each; the first is where the camera begins.

    Parameters
    ----------
    viewer : napari.Viewer
        Shown.
    layers : sequence of Layer
        Of this plugin. Stops are in the coordinates of the first.
    stops : sequence of Stop
    folder : Path
        Is there.
    tell : callable, optional
        Called with the figures of each stop as it is left.
    """
    watches = [_Watch(layer) for layer in layers]
    out = []
    for number, stop in enumerate(stops):
        frames = _FRAMES if number else 1
        for frame in range(frames):
            fly_to(viewer, layers[0], stop, share=1 / (frames - frame))
            _live(_FRAME_S)
            for watch in watches:
                watch.look()
        begun = time.perf_counter()
        is_settled = settle(layers)
        waited = time.perf_counter() - begun
        picture = f"{number + 1}-{stop.name.replace(' ', '-')}.png"
        viewer.screenshot(str(folder / picture), canvas_only=False, flash=False)
        figures = tuple(found for watch in watches if (found := watch.leave()) is not None)
        out.append(StopFigures(stop.name, picture, is_settled, waited * 1e3, figures))
        tell(out[-1])
    return out


def settle(layers: Sequence[Layer], seconds: float = _PATIENCE_S) -> bool:
    """Let the window live until all that is in view is there; whether that came true in time."""
    deadline = time.monotonic() + seconds
    _live(_THROTTLE_S)
    while not (done := all(layer.stream.is_settled for layer in layers if layer.visible)):
        if time.monotonic() > deadline:
            break
        _live(_FRAME_S)
    _live(_FRAME_S)  # one more frame: the last batch is drawn
    return done


def _live(seconds: float) -> None:
    """Let the window handle its events, for at least a while."""
    until = time.monotonic() + seconds
    while True:
        QApplication.processEvents()
        if time.monotonic() >= until:
            return
        time.sleep(0.002)


class _Watch:
    """Looks at the counters of one layer on the way from stop to stop."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._read = 0
        self._first_s = self._settled_s = 0.0
        layer.stream.work_ms.clear()

    def look(self) -> None:
        """Note what the latest view took."""
        if self._layer.stream.streamer is not None:
            stats = self._layer.stream.streamer.stats
            self._first_s = max(self._first_s, stats.first_update_s or 0.0)
            self._settled_s = max(self._settled_s, stats.settled_s or 0.0)

    def leave(self) -> LayerFigures | None:
        """The figures since the stop before; None where the layer shows nothing."""
        self.look()
        layer, stream = self._layer, self._layer.stream
        if not layer.visible or stream.update is None or stream.streamer is None:
            return None
        status, read = stream.update.status, stream.streamer.stats.bytes_read
        work = np.array(stream.work_ms or [0.0])
        figures = LayerFigures(
            name=layer.name,
            levels=status.levels,
            level_count=status.level_count,
            vertices_shown=status.vertices_shown,
            vertices_total=status.vertices_total,
            chunks_ready=status.chunks_ready,
            chunks_wanted=status.chunks_wanted,
            bytes_shown=status.bytes_shown,
            bytes_read=read - self._read,
            first_ms=self._first_s * 1e3,
            settled_ms=self._settled_s * 1e3,
            work_p99_ms=float(np.percentile(work, 99)),
            work_most_ms=float(work.max()),
        )
        self._read, self._first_s, self._settled_s = read, 0.0, 0.0
        stream.work_ms.clear()
        return figures
