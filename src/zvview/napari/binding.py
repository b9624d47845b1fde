"""Binds a layer to the engine: what the viewer shows goes down, what there is to show comes up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from weakref import WeakMethod, finalize, ref

import numpy as np
from napari.layers import Layer
from napari.utils.notifications import show_warning
from numpy.typing import ArrayLike, NDArray
from qtpy.QtCore import QTimer

from zvview.geometry.batches import Batch
from zvview.napari.camera import read_placement, read_viewer
from zvview.napari.colouring import colour_axes, read_membership, with_limits
from zvview.napari.frame import Frame
from zvview.napari.layers import is_fast, show
from zvview.napari.pipeline import Delivery, Pipeline
from zvview.napari.plain import PLAIN_BUDGET
from zvview.napari.preparing import Prepared, prepare
from zvview.napari.settings import ViewSettings
from zvview.napari.sight import find_view
from zvview.napari.watching import ViewerWatch
from zvview.store.store import Store
from zvview.stream import Filter, Streamer, StreamSettings, Update, ViewState
from zvview.style import Colouring, LegendEntry, Membership, legend_of

__all__ = ["StreamBinding"]

_THROTTLE_MS = 40
_LAYER_EVENTS = ("visible", "scale", "translate", "rotate", "shear", "affine", "units")


class StreamBinding:
    """Keeps a layer showing what is in view of its store; found at ``layer.stream``.

    All methods must be called on the thread of the window. Nothing is read before the layer is in a viewer, and nothing
    is kept when it has left it.

    Parameters
    ----------
    layer : Layer
        Held weakly.
    store : Store
    frame : Frame
    settings : ViewSettings
    colouring : Colouring
        To begin with.
    slab : (D,) float64 array
        See :attr:`slab`.
    """

    def __init__(
        self,
        layer: Layer,
        store: Store,
        frame: Frame,
        settings: ViewSettings,
        *,
        colouring: Colouring,
        slab: NDArray[np.float64],
    ) -> None:
        self._layer, self.store, self.frame, self._settings = ref(layer), store, frame, settings
        self._viewer: Any = None
        self._streamer: Streamer | None = None
        self._pipeline: Pipeline | None = None
        self._stop: Callable[[], object] = lambda: None
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_THROTTLE_MS)
        self._timer.timeout.connect(_weakly(self.look))
        self._colouring = colouring
        self._membership: Membership | None = None
        self._filter = Filter()
        self._slab = slab
        self._locked_level: int | None = None
        self._update: Update | None = None
        self._looked_at: ViewState | None = None
        self._generation = -1
        self._is_held = False
        self._told: set[str] = set()
        self.work_ms: list[float] = []
        """What each view sent and each swap took of the thread of the window, in milliseconds; the last thousand."""
        self._watch = ViewerWatch(layer, self._attach, self.detach)
        layer.events.data.connect(self._edited)
        layer.stream = self

    def watch(self, viewer: Any) -> None:
        """Begin to stream when the layer is in `viewer`."""
        self._watch.watch(viewer)

    @property
    def colouring(self) -> Colouring:
        """What the layer is coloured by; setting it colours anew what is shown, without reading positions again."""
        return self._colouring

    @colouring.setter
    def colouring(self, colouring: Colouring) -> None:
        self._colouring = colouring
        self._renew()

    @property
    def legend(self) -> tuple[LegendEntry, ...]:
        """What the colours mean, as far as they have names."""
        by, attributes = self._colouring, self.store.attributes
        found = attributes.get(by.name or "")
        names = () if self._membership is None else self._membership.names
        categories, unit = (None, None) if found is None else (found.categories, found.unit)
        return legend_of(by, categories=categories, groups=names, unit=unit)

    @property
    def filter(self) -> Filter:
        """What is left out; setting it shows the rest, at every level."""
        return self._filter

    @filter.setter
    def filter(self, filter: Filter) -> None:
        self._filter = filter
        self.look()

    @property
    def slab(self) -> NDArray[np.float64]:
        """Half the thickness, (D,), of what is shown along axes that are not on screen, in the store's order and units.

        By default half a chunk along space, so that it is not empty, and half a bin along other axes. The margins of
        napari's own sliders go before it.
        """
        return self._slab

    @slab.setter
    def slab(self, half: ArrayLike) -> None:
        self._slab = np.broadcast_to(np.asarray(half, np.float64), (self.frame.ndim,)).copy()
        self.look()

    @property
    def locked_level(self) -> int | None:
        """The level to show whatever the zoom; None to let the zoom choose."""
        return self._locked_level

    @locked_level.setter
    def locked_level(self, number: int | None) -> None:
        self._locked_level = number
        self.look()

    @property
    def settings(self) -> ViewSettings:
        """Budgets and quality; setting them takes effect with the next view."""
        return self._settings

    @settings.setter
    def settings(self, settings: ViewSettings) -> None:
        self._settings = settings
        self.look()

    @property
    def update(self) -> Update | None:
        """What is shown now, as the engine delivered it."""
        return self._update

    @property
    def is_settled(self) -> bool:
        """Whether all that the viewer shows now has come and is drawn with the next frame."""
        update = self._update
        is_latest = update is not None and update.is_settled and update.generation == self._generation
        return is_latest and not self._timer.isActive()

    @property
    def streamer(self) -> Streamer | None:
        """The engine; None while the layer is in no viewer."""
        return self._streamer

    def retry(self) -> None:
        """Ask again for what could not be read."""
        if self._streamer is not None:
            self._streamer.retry()

    def discard_edits(self) -> None:
        """Show the store again after points were moved, added or deleted by hand."""
        self._is_held = False
        self._renew()

    def look(self) -> None:
        """Tell the engine what the viewer shows now; returns at once."""
        layer, viewer = self._layer(), None if self._viewer is None else self._viewer()
        if layer is None or viewer is None or self._streamer is None or not layer.visible:
            return
        begun = time.perf_counter()
        budget = self._settings.budget(self.store.kind)
        view = find_view(
            read_viewer(viewer),
            read_placement(layer, viewer),
            self.frame,
            self._slab,
            filter=self._filter,
            budget_vertices=budget if is_fast(layer) else min(budget, PLAIN_BUDGET),
            target_error_px=self._settings.target_error_px,
            locked_level=self._locked_level,
        )
        if view != self._looked_at:
            self._looked_at = view
            self._generation = self._streamer.look(view)
        self._note_work(begun)

    def detach(self) -> None:
        """Stop reading and drop what was read; the layer keeps what it shows."""
        viewer, layer = None if self._viewer is None else self._viewer(), self._layer()
        self._timer.stop()
        if viewer is not None:
            for emitter in _emitters(viewer):
                emitter.disconnect(self._changed)
        if layer is not None:
            for name in _LAYER_EVENTS:
                getattr(layer.events, name).disconnect(self._changed)
        self._stop()
        self._viewer = self._streamer = self._pipeline = self._update = self._looked_at = None

    def _attach(self, viewer: Any) -> None:
        layer = self._layer()
        if layer is None or self._streamer is not None:
            return
        self._viewer = ref(viewer)
        pipeline = self._pipeline = Pipeline(self._prepare, self._show)
        settings = StreamSettings(cache_bytes=self._settings.cache_bytes)
        streamer = self._streamer = Streamer(self.store, settings=settings, on_update=pipeline.take)
        self._stop = finalize(layer, _stop, streamer, pipeline)
        for emitter in _emitters(viewer):
            emitter.connect(self._changed)
        for name in _LAYER_EVENTS:
            getattr(layer.events, name).connect(self._changed)
        self._timer.start(0)  # the viewer has not yet placed its camera for the new layer

    def _changed(self, event: Any = None) -> None:
        if not self._timer.isActive():
            self._timer.start(_THROTTLE_MS)

    def _renew(self) -> None:
        if self._pipeline is not None:
            self._pipeline.renew()

    def _prepare(self, batch: Batch) -> Prepared:
        """On the thread of the pipeline."""
        by = self._colouring
        if by.mode == "group" and self._membership is None:
            self._membership = read_membership(self.store)
        known = with_limits(self.store, by)
        if self._colouring is by:  # the user may have chosen another one meanwhile
            self._colouring = known
        axes = colour_axes(self.store.axes)
        return prepare(batch, self.frame, known, membership=self._membership, colour_axes=axes)

    def _show(self, delivery: Delivery) -> None:
        """On the thread of the window."""
        layer, viewer = self._layer(), None if self._viewer is None else self._viewer()
        if layer is None or viewer is None:
            return
        begun = time.perf_counter()
        self._update = delivery.update
        if delivery.prepared is not None and not self._is_held:
            show(layer, delivery.prepared)
        text = str(delivery.update.status) + (" · held: edited by hand" if self._is_held else "")
        if is_fast(layer):
            layer.streaming_status = text
        if viewer.layers.selection.active is layer:
            viewer.status = f"{layer.name}: {text}"
        self._note_work(begun)
        for note in delivery.update.status.notes:
            if note not in self._told:
                self._told.add(note)
                show_warning(f"{layer.name}: {note}")

    def _edited(self, event: Any) -> None:
        """Points were added, moved or deleted by hand: what is shown stays until the edits are dropped."""
        if str(getattr(event, "action", "")) in ("added", "changed", "removed"):
            self._is_held = True

    def _note_work(self, begun: float) -> None:
        self.work_ms.append((time.perf_counter() - begun) * 1e3)
        del self.work_ms[:-1000]


def _stop(streamer: Streamer, pipeline: Pipeline) -> None:
    pipeline.close()
    streamer.close()


def _emitters(viewer: Any) -> list[Any]:
    """Event emitters of a viewer that tell of a change of the view, all by public names."""
    scene = getattr(viewer, "scene", viewer)
    dims = viewer.dims.events
    names = ("point", "ndisplay", "order", "margin_left", "margin_right")
    return [scene.camera.events, viewer.canvas.events.size, *(getattr(dims, name) for name in names)]


def _weakly(method: Any) -> Any:
    """A function that calls a bound method as long as its object lives."""
    held = WeakMethod(method)

    def call(*args: Any) -> None:
        found = held()
        if found is not None:
            found(*args)

    return call
