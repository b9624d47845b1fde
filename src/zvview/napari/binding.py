"""Binds a layer to the engine: what the viewer shows goes down, what there is to show comes up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from weakref import finalize, ref

import numpy as np
from napari.layers import Layer
from numpy.typing import ArrayLike, NDArray
from psygnal import Signal
from qtpy.QtCore import QTimer

from zvview.errors import InvalidInputError, ZvviewError
from zvview.geometry.batches import Batch
from zvview.napari.camera import read_placement, read_viewer
from zvview.napari.colouring import GroupsOfStore, colour_axes, with_limits
from zvview.napari.describing import Description, describe
from zvview.napari.frame import Frame
from zvview.napari.guessing import guess_view
from zvview.napari.layers import is_fast, show
from zvview.napari.notices import Notices
from zvview.napari.picking_layer import Sight
from zvview.napari.pipeline import Delivery, Pipeline
from zvview.napari.plain import PLAIN_BUDGET
from zvview.napari.polygons import Filler, plane_of
from zvview.napari.preparing import Prepared, prepare
from zvview.napari.private.closing import on_closed
from zvview.napari.settings import ViewSettings
from zvview.napari.sight import find_view, find_window
from zvview.napari.summary import StoreSummary
from zvview.napari.tails import Tail
from zvview.napari.watching import ViewerWatch, emitters_of, weakly
from zvview.napari.wording import status_text
from zvview.store.store import Store
from zvview.stream import Filter, Streamer, StreamSettings, Update, ViewState
from zvview.style import Colouring, LegendEntry, legend_of

__all__ = ["StreamBinding"]

_THROTTLE_MS = 40
_LAYER_EVENTS = ("visible", "scale", "translate", "rotate", "shear", "affine", "units")


class StreamBinding:
    """Keeps a layer showing what is in view of its store; found at ``layer.stream``.

    All methods must be called on the thread of the window. Nothing but what a viewer will show first is read before the
    layer is in one, and nothing is kept when it has left it, or when its window was closed.

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
    tail : Tail or None
        See :attr:`tail`; None where there is no axis of time, or where that is sliced as all others are.
    """

    changed = Signal()
    """Sent when something else is shown, and when what was asked for was changed."""

    def __init__(
        self,
        layer: Layer,
        store: Store,
        frame: Frame,
        settings: ViewSettings,
        *,
        colouring: Colouring,
        slab: NDArray[np.float64],
        tail: Tail | None = None,
    ) -> None:
        self._layer, self.store, self.frame, self._settings = ref(layer), store, frame, settings
        self._viewer: Any = None
        self._streamer: Streamer | None = None
        self._pipeline: Pipeline | None = None
        self._stop: Callable[[], object] = lambda: None
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_THROTTLE_MS)
        self._timer.timeout.connect(weakly(self.look))
        self._colouring = colouring
        self._groups = GroupsOfStore(store)
        self._summary = StoreSummary.of(store)
        self._filter = Filter()
        self._slab, self._tail = slab, tail
        plane = plane_of(self._summary.kind, self._summary.axes)
        self._filler = None if plane is None or not is_fast(layer) else Filler(plane)
        self._locked_level: int | None = None
        self._update: Update | None = None
        self._looked_at: ViewState | None = None
        self._generation = -1
        self._early: Delivery | None = None
        self._is_held = False
        self._notices = Notices(self.retry)
        self.work_ms: list[float] = []
        """What each view sent and each swap took of the thread of the window, in milliseconds; the last thousand."""
        self._watch = ViewerWatch(layer, self._attach, self.detach)
        layer.events.data.connect(self._edited)
        if self._filler is not None:
            layer.events.fill.connect(self._fill_changed)
        layer.describe = self.describe
        layer.stream = self

    def watch(self, viewer: Any) -> None:
        """Begin to stream when the layer is in `viewer`."""
        self._watch.watch(viewer)

    def anticipate(self, viewer: Any) -> None:
        """Begin to read what `viewer` will most likely show first, while napari is still busy with adding the layer."""
        layer = self._layer()
        if layer is None or self._streamer is not None:
            return
        view = guess_view(
            self.frame,
            self._slab,
            ndisplay=viewer.dims.ndisplay,
            canvas_size=viewer.canvas.size,
            budget_vertices=self._budget(layer),
            target_error_px=self._settings.target_error_px,
        )
        self._begin(layer).look(view)

    @property
    def colouring(self) -> Colouring:
        """What the layer is coloured by; setting it colours anew what is shown, without reading positions again."""
        return self._colouring

    @colouring.setter
    def colouring(self, colouring: Colouring) -> None:
        self._colouring = colouring
        self._renew()
        self.changed.emit()

    @property
    def legend(self) -> tuple[LegendEntry, ...]:
        """What the colours mean, as far as they have names."""
        by, attributes = self._colouring, self._summary.attributes
        found = attributes.get(by.name or "")
        labels = () if found is None or found.categories is None else found.categories.labels
        if by.mode == "group":
            labels = () if self._groups.known is None else self._groups.known.labels
        axes = [self._summary.axes[axis].name for axis in colour_axes(self._summary.axes)]
        return legend_of(by, labels=labels, unit=None if found is None else found.unit, axes=axes)

    @property
    def filter(self) -> Filter:
        """What is left out; setting it shows the rest, at every level."""
        return self._filter

    @filter.setter
    def filter(self, filter: Filter) -> None:
        self._filter = filter
        self.look()
        self.changed.emit()

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
        self.changed.emit()

    @property
    def tail(self) -> float | None:
        """How much of the past of lines is drawn where time is not on screen, in the store's units of time.

        None where the store has no time, or where its kind is cut to a slab along time. Margins of napari's slider of
        time go before it.
        """
        return None if self._tail is None else self._tail.length

    @tail.setter
    def tail(self, length: float) -> None:
        self._set_tail(length=length)

    @property
    def head(self) -> float | None:
        """How much of the future of lines is drawn, as :attr:`tail`."""
        return None if self._tail is None else self._tail.head

    @head.setter
    def head(self, length: float) -> None:
        self._set_tail(head=length)

    @property
    def can_fill(self) -> bool:
        """Whether closed lines can be filled, by ``layer.fill``: those of stores with two axes of space."""
        return self._filler is not None

    @property
    def locked_level(self) -> int | None:
        """The level to show whatever the zoom; None to let the zoom choose."""
        return self._locked_level

    @locked_level.setter
    def locked_level(self, number: int | None) -> None:
        self._locked_level = number
        self.look()
        self.changed.emit()

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
    def view(self) -> ViewState | None:
        """What the viewer was last seen to show, in the store's coordinates; None while the layer is in no viewer."""
        return self._looked_at

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

    @property
    def status_text(self) -> str:
        """What is shown, of how much, in one line; empty before the first update."""
        update = self._update
        return "" if update is None else status_text(update.status, self._filter, self._summary.statistics)

    def describe(self, values: Mapping[str, Any], *, wait: bool = False) -> Description:
        """What a vertex with some values, by name, is; from any thread.

        The groups of its object are read once; those who do not `wait` for it may not be told of them at first.
        """
        groups = self._groups.read() if wait else self._groups.known_or_ask()
        return describe(values, self._summary.attributes, groups)

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
        state, placement = read_viewer(viewer), read_placement(layer, viewer)
        layer.sight = Sight(state, placement)
        view = find_view(
            state,
            placement,
            self.frame,
            self._slab,
            filter=self._filter,
            budget_vertices=self._budget(layer),
            target_error_px=self._settings.target_error_px,
            locked_level=self._locked_level,
            tail=self._tail,
            ring=self._ring(layer),
        )
        if self._tail is not None and is_fast(layer):
            layer.time_window = find_window(state, placement, self.frame, self._slab, self._tail)
        if view != self._looked_at:
            self._looked_at = view
            self._generation = self._streamer.look(view)
        self._note_work(begun)

    def detach(self) -> None:
        """Stop reading and drop what was read; the layer keeps what it shows."""
        viewer, layer = None if self._viewer is None else self._viewer(), self._layer()
        with suppress(RuntimeError):  # at the end of a process Qt may be gone before
            self._timer.stop()
        if viewer is not None:
            for emitter in emitters_of(viewer):
                emitter.disconnect(self._changed)
        if layer is not None:
            for name in _LAYER_EVENTS:
                getattr(layer.events, name).disconnect(self._changed)
        self._stop()
        self._viewer = self._streamer = self._pipeline = self._update = self._looked_at = self._early = None

    def _attach(self, viewer: Any) -> None:
        layer = self._layer()
        if layer is None or self._viewer is not None:
            return
        self._viewer = ref(viewer)
        if self._streamer is None:
            self._begin(layer)
        on_closed(viewer, weakly(self.detach))
        for emitter in emitters_of(viewer):
            emitter.connect(self._changed)
        for name in _LAYER_EVENTS:
            getattr(layer.events, name).connect(self._changed)
        if self._early is not None:
            self._show(self._early)
            self._early = None
        self._timer.start(0)  # the viewer has not yet placed its camera for the new layer

    def _begin(self, layer: Layer) -> Streamer:
        """Start the engine and what prepares its updates; both end with the layer at the latest."""
        pipeline = self._pipeline = Pipeline(self._prepare, self._show)
        settings = StreamSettings(cache_bytes=self._settings.cache_bytes)
        streamer = self._streamer = Streamer(self.store, settings=settings, on_update=pipeline.take)
        self._stop = finalize(layer, _stop, streamer, pipeline)
        return streamer

    def _budget(self, layer: Layer) -> int:
        budget = self._settings.budget(self._summary.kind)
        return budget if is_fast(layer) else min(budget, PLAIN_BUDGET)

    def _changed(self, event: Any = None) -> None:
        if not self._timer.isActive():
            self._timer.start(_THROTTLE_MS)

    def _ring(self, layer: Layer) -> NDArray[np.float64] | None:
        """What is read around the canvas: lines are filled where they are closed, so they must be whole."""
        if self._filler is None or layer.fill <= 0:
            return None
        return self._summary.chunk_shape / 2

    def _fill_changed(self, event: Any = None) -> None:
        layer = self._layer()
        self.look()
        if layer is not None and (layer.fill > 0) != (len(layer.triangles) > 0):
            self._renew()

    def _set_tail(self, **lengths: float) -> None:
        if self._tail is None:
            raise InvalidInputError("only lines of stores with an axis of time have a tail and a head")
        changes: dict[str, Any] = {name: max(0.0, float(value)) for name, value in lengths.items()}
        self._tail = replace(self._tail, **changes)
        self.look()
        self.changed.emit()

    def _renew(self) -> None:
        if self._pipeline is not None:
            self._pipeline.renew()

    def _prepare(self, batch: Batch) -> Prepared:
        """On the thread of the pipeline."""
        by, membership = self._colouring, None
        known = by
        with suppress(ZvviewError):  # of a store that went away: what was known must do
            self._summary = StoreSummary.of(self.store, with_statistics=True)
            membership = self._groups.read() if by.mode == "group" else None
            known = with_limits(self.store, by)
        if self._colouring is by:  # the user may have chosen another one meanwhile
            self._colouring = known
        axes, layer = colour_axes(self._summary.axes), self._layer()
        filler = self._filler if layer is not None and getattr(layer, "fill", 0) > 0 else None
        return prepare(batch, self.frame, known, membership=membership, colour_axes=axes, filler=filler)

    def _show(self, delivery: Delivery) -> None:
        """On the thread of the window."""
        layer, viewer = self._layer(), None if self._viewer is None else self._viewer()
        if layer is None or viewer is None:
            self._early = delivery
            return
        begun = time.perf_counter()
        self._update = delivery.update
        if delivery.prepared is not None and not self._is_held:
            show(layer, delivery.prepared)
        text = self.status_text + (" · held: edited by hand" if self._is_held else "")
        if is_fast(layer):
            layer.streaming_status = text
        if viewer.layers.selection.active is layer:
            viewer.status = f"{layer.name}: {text}"
        self.changed.emit()
        self._note_work(begun)
        self._notices.tell(layer.name, delivery.update.status)

    def _edited(self, event: Any) -> None:
        """Points were added, moved or deleted by hand: what is shown stays until the edits are dropped."""
        if str(getattr(event, "action", "")) in ("added", "changed", "removed"):
            self._is_held = True

    def _note_work(self, begun: float) -> None:
        self.work_ms.append((time.perf_counter() - begun) * 1e3)
        del self.work_ms[:-1000]


def _stop(streamer: Streamer, pipeline: Pipeline) -> None:
    """End both without waiting: a source that hangs must not hold up the window."""
    pipeline.close(wait=False)
    streamer.close(wait=False)
