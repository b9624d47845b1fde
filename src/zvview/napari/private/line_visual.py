"""Drawing a layer of lines: one vispy line, and what is asked for beside it: nodes, areas, a window of time."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari._vispy.layers.base import VispyBaseLayer
from numpy.typing import NDArray
from vispy.scene.visuals import Markers
from vispy.visuals.transforms import MatrixTransform

from zvview.napari.private.contexts import keep_contexts_apart
from zvview.napari.private.fading import TimeFade
from zvview.napari.private.filling import Fill
from zvview.napari.private.lines import StreamLines
from zvview.napari.private.segments import Segments
from zvview.napari.private.vertices import as_drawn
from zvview.napari.tails import TimeWindow

__all__ = ["VispyStreamLines"]


class VispyStreamLines(VispyBaseLayer[StreamLines]):
    """Draws them with one line visual: two million segments a buffer, one call."""

    def __init__(self, layer: StreamLines, font_info: Any, **kwargs: Any) -> None:
        self._nodes: Markers | None = None  # these are made when they are first asked for
        self._fill: Fill | None = None
        self._outline: Segments | None = None
        super().__init__(layer, Segments(), font_info=font_info, **kwargs)
        self._fades: list[TimeFade] = []
        self._is_timed = False
        self._displayed: tuple[int, ...] = ()
        self._positions = np.zeros((0, 3), np.float32)
        layer.events.time_window.connect(self._on_time_change)
        layer.events.edge_width.connect(self._on_width_change)
        keep_contexts_apart()
        self.reset()
        self._on_data_change()

    def _on_data_change(self) -> None:
        layer = self.layer
        if not len(layer.segments):
            self.node.visible = False  # an empty index buffer would raise inside of the paint event
            self._positions = np.zeros((0, 3), np.float32)
            return
        displayed = tuple(layer._slice_input.displayed)[::-1]
        if displayed != self._displayed:
            self._displayed = displayed
            self._on_matrix_change()  # what is not on screen is not part of it
        self._positions = as_drawn(layer.positions, layer._slice_input.displayed)
        self.node.set_data(self._positions, layer.colours, layer.edge_width, layer.segments)
        self._draw_fill()
        self._draw_nodes()
        self._set_times()
        self.node.visible = layer.visible
        self.node.update()

    def _on_width_change(self) -> None:
        outline = self._outline
        drawn = self.node if outline is None or not outline.visible else outline
        drawn.set_width(self.layer.edge_width)

    def _on_time_change(self) -> None:
        """The moment was moved: three numbers for lines and areas, and the nodes, which are few."""
        window = self._window
        if window is None or self._is_timed:
            for fade in self._fades:
                fade.set_window(window)
        elif len(self._positions):
            self._set_times()
        if self._nodes is not None and len(self._positions):
            self._draw_nodes()
        self.node.update()

    @property
    def _window(self) -> TimeWindow | None:
        """The window of time; None where time is on screen."""
        window = self.layer.time_window
        return None if window is None or window.axis in self.layer._slice_input.displayed else window

    def _set_times(self) -> None:
        """Tell the filters the time of each vertex; they are made with the first window."""
        window = self._window
        if window is None and not self._fades:
            return
        visuals = [self.node] if self._fill is None else [self.node, self._fill, self._outline]
        for visual in visuals[len(self._fades) :]:
            self._fades.append(TimeFade())
            visual.attach(self._fades[-1])
        count = len(self._positions)  # of all visuals alike: the paint event raises otherwise
        times = np.zeros(count, np.float32) if window is None else self.layer.positions[:, window.axis]
        self._is_timed = window is not None
        for fade in self._fades:
            fade.set_times(times)
            fade.set_window(window)

    def _draw_fill(self) -> None:
        layer = self.layer
        is_filled = layer.fill > 0 and len(layer.triangles) > 0
        if self._fill is None and is_filled:
            self._fill, self._outline = Fill(parent=self.node), Segments(parent=self.node)
            for order, visual in enumerate((self._fill, self._outline)):
                visual.transform = MatrixTransform()
                visual.order = order - 2  # vispy draws children after their parent, so that lines would lie below areas
                visual.opacity = layer.opacity
            self._outline.set_gl_state("translucent", depth_test=False)
        if self._fill is None or self._outline is None:
            return
        self._fill.visible = self._outline.visible = is_filled
        if is_filled:
            self._fill.set_data(self._positions, layer.fill_colours, layer.triangles, layer.fill)
            self._outline.set_data(self._positions, layer.colours, layer.edge_width, layer.segments)
            self.node.set_width(0)

    def _draw_nodes(self) -> None:
        layer, window = self.layer, self._window
        if self._nodes is None and layer.node_size > 0:
            self._nodes = Markers(parent=self.node)
            self._nodes.transform = MatrixTransform()
            self._nodes.opacity = layer.opacity
        if self._nodes is None:
            return
        positions, colours = self._positions, layer.colours
        if window is not None:
            opacity = window.opacity_at(layer.positions[:, window.axis])
            rows = np.flatnonzero(opacity)
            positions, colours = positions[rows], _faded(colours[rows], opacity[rows])
        self._nodes.visible = layer.node_size > 0 and len(positions) > 0
        if self._nodes.visible:
            self._nodes.set_data(positions, layer.node_size, edge_width=0, face_color=colours)

    def _on_opacity_change(self) -> None:
        for node in (self.node, self._fill, self._outline, self._nodes):  # vispy does not pass it on to children
            if node is not None:
                node.opacity = self.layer.opacity

    def _on_visible_change(self) -> None:
        self.node.visible = self.layer.visible and len(self.layer.segments) > 0


def _faded(colours: NDArray[np.float32], opacity: NDArray[np.float32]) -> NDArray[np.float32]:
    faded = colours.copy()
    faded[:, 3] *= opacity
    return faded
