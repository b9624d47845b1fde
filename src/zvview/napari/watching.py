"""Which viewer a layer is in, told as it comes and goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakMethod, WeakSet, ref

import napari
from napari.layers import Layer

__all__ = ["ViewerWatch", "emitters_of", "open_viewers", "weakly"]


def open_viewers() -> list[Any]:
    """All viewers that there are; the current one first."""
    current = napari.current_viewer()
    known = getattr(napari.Viewer, "_instances", ())  # private: without it only the current viewer is watched
    return [*([] if current is None else [current]), *(viewer for viewer in known if viewer is not current)]


class ViewerWatch:
    """Calls back when a layer is added to one of the viewers that are watched, and when it leaves it.

    Parameters
    ----------
    layer : Layer
        Held weakly.
    on_added : bound method of one argument, the viewer
    on_removed : bound method of no argument
    """

    def __init__(self, layer: Layer, on_added: Callable[[Any], None], on_removed: Callable[[], None]) -> None:
        self._layer = ref(layer)
        self._on_added, self._on_removed = WeakMethod(on_added), WeakMethod(on_removed)
        self._viewers: WeakSet[Any] = WeakSet()

    def watch(self, viewer: Any) -> None:
        """Look out for the layer in `viewer` as well; at once where it is there already."""
        if viewer in self._viewers:
            return
        self._viewers.add(viewer)
        viewer.layers.events.inserted.connect(self._inserted)
        viewer.layers.events.removed.connect(self._removed)
        if self._layer() in viewer.layers:
            self._tell(viewer)

    def close(self) -> None:
        """Look out no longer."""
        for viewer in list(self._viewers):
            viewer.layers.events.inserted.disconnect(self._inserted)
            viewer.layers.events.removed.disconnect(self._removed)
        self._viewers.clear()

    def _inserted(self, event: Any) -> None:
        layer = self._layer()
        if layer is not None and event.value is layer:
            self._tell(next(viewer for viewer in self._viewers if layer in viewer.layers))

    def _removed(self, event: Any) -> None:
        layer, callback = self._layer(), self._on_removed()
        if layer is None or event.value is not layer:
            return
        if callback is not None:
            callback()
        for viewer in [*self._viewers, *open_viewers()]:  # it may stay in one, or be moved to one opened since
            self.watch(viewer)
            if layer in viewer.layers:
                self._tell(viewer)

    def _tell(self, viewer: Any) -> None:
        callback = self._on_added()
        if callback is not None:
            callback(viewer)


def emitters_of(viewer: Any) -> list[Any]:
    """Event emitters of a viewer that tell of a change of the view, all by public names."""
    scene = getattr(viewer, "scene", viewer)
    dims = viewer.dims.events
    names = ("point", "ndisplay", "order", "margin_left", "margin_right")
    return [scene.camera.events, viewer.canvas.events.size, *(getattr(dims, name) for name in names)]


def weakly(method: Any) -> Any:
    """A function that calls a bound method as long as its object lives."""
    held = WeakMethod(method)

    def call(*args: Any) -> None:
        found = held()
        if found is not None:
            found(*args)

    return call
