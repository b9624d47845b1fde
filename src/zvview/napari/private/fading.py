"""A vispy filter that shows lines around a moment: moving in time changes three numbers and no buffer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vispy.gloo import VertexBuffer
from vispy.visuals.filters.base_filter import Filter

from zvview.napari.tails import TimeWindow

__all__ = ["TimeFade"]

_VERTEX = """
    varying float v_time;
    void pass_time() {
        v_time = $time;
    }
"""

# as TimeWindow.opacity_at, for each pixel: a segment ends where its time does, between its vertices too
_FRAGMENT = """
    varying float v_time;
    void fade() {
        float away = v_time - $now;
        if (away < $before || away > $after) {
            discard;
        }
        float share = away < 0.0 ? away / $before : away / max($after, 1e-30);
        gl_FragColor.a *= 1.0 - 0.9 * clamp(share, 0.0, 1.0);
    }
"""
_SLACK = 1e-4  # of the window: float32 times of vertices on its border must not flicker


class TimeFade(Filter):
    """Draws what lies in a window of time, fainter the further it is from the moment in it."""

    def __init__(self) -> None:
        super().__init__(vcode=_VERTEX, vpos=3, fcode=_FRAGMENT, fpos=9)
        self.set_times(np.zeros(1, np.float32))
        self.set_window(None)

    def set_times(self, times: NDArray[np.float32]) -> None:
        """The time of each vertex, (N,); they must be as many as those of the visual when it is drawn."""
        self.vshader["time"] = VertexBuffer(np.ascontiguousarray(times, np.float32))

    def set_window(self, window: TimeWindow | None) -> None:
        """What to show; None for all."""
        if window is None:
            now, before, after = 0.0, -1e30, 1e30
        else:
            slack = max((window.last - window.first) * _SLACK, abs(window.now) * 1e-6, 1e-6)
            now = window.now
            before, after = window.first - now - slack, window.last - now + slack
        for name, value in (("now", now), ("before", before), ("after", after)):
            self.fshader[name] = float(value)
