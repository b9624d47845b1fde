"""The controls of a layer of lines: width, nodes, areas and, where there is time, tail and head."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from napari._qt.layer_controls.qt_layer_controls_base import QtLayerControls
from napari._qt.layer_controls.widgets.qt_widget_controls_base import QtWidgetControlsBase, QtWrappedLabel
from napari.layers.base._base_constants import Mode
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget
from superqt import QLabeledDoubleSlider
from superqt.utils import qthrottled, signals_blocked

from zvview.napari.private.lines import StreamLines

__all__ = ["StreamLinesControls"]

_WIDEST_PX, _LARGEST_PX = 10.0, 20.0
_THROTTLE_MS = 50  # what a drag sets at most: tails and areas are asked of the engine


class _Slider(QtWidgetControlsBase):
    """A labelled slider for a number of the layer, or of what streams into it."""

    def __init__(
        self,
        parent: QWidget,
        layer: StreamLines,
        label: str,
        name: str,
        limits: tuple[float, float],
        *,
        tip: str,
        owner: Any = None,
        changed: Any = None,
    ) -> None:
        super().__init__(parent, layer)
        self._owner, self._name = layer if owner is None else owner, name
        self.slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal, parent)
        self.slider.setRange(*limits)
        self.slider.setDecimals(2 if limits[1] <= 1 else 1)
        self.slider.setSingleStep((limits[1] - limits[0]) / 100)
        self.slider.setToolTip(tip)
        self.slider.setAccessibleName(label.rstrip(":"))
        self._label = QtWrappedLabel(label)
        self._take()
        self._set = qthrottled(partial(_set, self._owner, name), timeout=_THROTTLE_MS)
        self.slider.valueChanged.connect(self._set)
        emitter = getattr(layer.events, name) if changed is None else changed
        emitter.connect(self._take)
        self._disconnect: Callable[[], object] = partial(emitter.disconnect, self._take)

    def get_widget_controls(self) -> list[tuple[QtWrappedLabel, QWidget]]:
        return [(self._label, self.slider)]

    def disconnect_widget_controls(self) -> None:
        self._set.cancel()
        self._disconnect()
        super().disconnect_widget_controls()

    def _take(self, event: Any = None) -> None:
        with signals_blocked(self.slider):
            self.slider.setValue(getattr(self._owner, self._name))


def _set(owner: Any, name: str, value: float) -> None:
    setattr(owner, name, value)


class StreamLinesControls(QtLayerControls):
    """Controls of the layer, of those that it can have: areas need a store of two axes of space, tails one of time."""

    MODE = Mode
    PAN_ZOOM_ACTION_NAME = "activate_tracks_pan_zoom_mode"  # napari names the actions of Vectors so, too
    TRANSFORM_ACTION_NAME = "activate_tracks_transform_mode"

    def __init__(self, layer: StreamLines) -> None:
        super().__init__(layer)
        self.sliders: dict[str, _Slider] = {}
        self._add("edge width:", "edge_width", (0.5, _WIDEST_PX), tip="Width of the lines, in pixels")
        self._add("node size:", "node_size", (0, _LARGEST_PX), tip="Diameter of the vertices, in pixels; 0 draws none")
        stream = getattr(layer, "stream", None)
        if stream is None:
            return
        if stream.can_fill:
            self._add("fill:", "fill", (0, 1), tip="Opacity of the areas inside closed lines; 0 draws none")
        if stream.tail is not None:
            lo, hi = stream.store.bounds
            axis, low, high = next(
                each for each in zip(stream.store.axes, lo, hi, strict=True) if each[0].type == "time"
            )
            unit, limits = axis.unit or "units of the store", (0, max(float(high - low), stream.tail, stream.head))
            common = {"owner": stream, "changed": stream.changed}
            self._add("tail length:", "tail", limits, tip=f"How much of the past is drawn, in {unit}", **common)
            self._add("head length:", "head", limits, tip=f"How much of the future is drawn, in {unit}", **common)

    def _add(self, label: str, name: str, limits: tuple[float, float], **kwargs: Any) -> None:
        self.sliders[name] = _Slider(self, self.layer, label, name, limits, **kwargs)
        self._add_widget_controls(self.sliders[name])
