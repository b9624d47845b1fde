"""Binds a layer to the engine: what the viewer shows goes down, what there is to show comes up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol
from weakref import finalize, ref

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from zvview.napari.camera import read_placement, read_viewer
from zvview.napari.frame import Frame
from zvview.napari.guessing import guess_view
from zvview.napari.layers import is_fast, show
from zvview.napari.notices import Notices
from zvview.napari.picking_layer import Sight
from zvview.napari.pipeline import Delivery, Pipeline
from zvview.napari.preparing import Prepared
from zvview.napari.private.closing import on_closed
from zvview.napari.settings import ViewSettings
from zvview.napari.sight import find_window
from zvview.napari.tails import Tail
from zvview.napari.watching import ViewerWatch, emitters_of, weakly
from zvview.napari.wishes import StreamWishes
from zvview.napari.wording import status_text
from zvview.store.store import Store
from zvview.stream import Streamer, StreamSettings, Update, ViewState
from zvview.stream.editing import EditOverlay
from zvview.style import Colouring

__all__ = ["StreamBinding"]

_THROTTLE_MS = 40
_LAYER_EVENTS = ("visible", "scale", "translate", "rotate", "shear", "affine", "units")


class Editor(Protocol):
    """What edits the store by way of its layer, as far as the binding must know of it."""

    @property
    def is_on(self) -> bool:
        """Whether what hands do to the layer is done to the store."""
        ...

    @property
    def status(self) -> str:
        """What to say of it beside the status of the view."""
        ...

    def show(self, update: Update, prepared: Prepared) -> None:
        """Show what was streamed, if it fits what was edited."""
        ...

    def rest(self, update: Update) -> None:
        """All that is in view has come."""
        ...


class StreamBinding(StreamWishes):
    """Keeps a layer showing what is in view of its store; found at ``layer.stream``.

    All methods must be called on the thread of the window. Nothing but what a viewer will show first is read before the
    layer is in one, and nothing is kept when it has left it, or when its window was closed.

    Parameters are those of :class:`zvview.napari.wishes.StreamWishes`, which has what users may set.
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
        tail: Tail | None = None,
    ) -> None:
        super().__init__(layer, store, frame, settings, colouring=colouring, slab=slab, tail=tail)
        self._viewer: Any = None
        self._streamer: Streamer | None = None
        self._pipeline: Pipeline | None = None
        self._stop: Callable[[], object] = lambda: None
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_THROTTLE_MS)
        self._timer.timeout.connect(weakly(self.look))
        self._update: Update | None = None
        self._looked_at: ViewState | None = None
        self._generation = -1
        self._early: Delivery | None = None
        self._is_held = False
        self._edits: EditOverlay | None = None
        self.editing: Editor | None = None
        """What edits the store by way of the layer, once it was asked for."""
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
    def viewer(self) -> Any:
        """The viewer that the layer is in; None while it is in none."""
        return None if self._viewer is None else self._viewer()

    @property
    def streamer(self) -> Streamer | None:
        """The engine; None while the layer is in no viewer."""
        return self._streamer

    @property
    def status_text(self) -> str:
        """What is shown, of how much, in one line; empty before the first update."""
        update = self._update
        return "" if update is None else status_text(update.status, self._filter, self._summary.statistics)

    def retry(self) -> None:
        """Ask again for what could not be read."""
        if self._streamer is not None:
            self._streamer.retry()

    @property
    def is_held(self) -> bool:
        """Whether the layer was changed by hand outside of the edit mode, and shows that since."""
        return self._is_held

    def discard_edits(self) -> None:
        """Show the store again after points were moved, added or deleted by hand."""
        self._is_held = False
        self._renew()

    def show_edits(self, edits: EditOverlay | None) -> None:
        """Show the store with some edits from now on, at every level."""
        self._edits = edits
        self.look()

    def narrowed_views(self, zooms: Sequence[float]) -> list[ViewState]:
        """What would be asked for if the camera zoomed in so many times; none while the layer is in no viewer."""
        layer, viewer = self._layer(), None if self._viewer is None else self._viewer()
        if layer is None or viewer is None:
            return []
        state, placement = read_viewer(viewer), read_placement(layer, viewer)
        return [self._find_view(replace(state, zoom=state.zoom * zoom), placement, layer) for zoom in zooms]

    def zoom_by(self, factor: float) -> None:
        """Let the camera zoom in on the middle of the canvas."""
        viewer = None if self._viewer is None else self._viewer()
        if viewer is not None:
            getattr(viewer, "scene", viewer).camera.zoom *= factor

    def look(self) -> None:
        """Tell the engine what the viewer shows now; returns at once."""
        layer, viewer = self._layer(), None if self._viewer is None else self._viewer()
        if layer is None or viewer is None or self._streamer is None or not layer.visible:
            return
        begun = time.perf_counter()
        state, placement = read_viewer(viewer), read_placement(layer, viewer)
        layer.sight = Sight(state, placement)
        view = replace(self._find_view(state, placement, layer), edits=self._edits)
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

    def _changed(self, event: Any = None) -> None:
        if not self._timer.isActive():
            self._timer.start(_THROTTLE_MS)

    def _fill_changed(self, event: Any = None) -> None:
        layer = self._layer()
        self.look()
        if layer is not None and (layer.fill > 0) != (len(layer.triangles) > 0):
            self._renew()

    def _renew(self) -> None:
        if self._pipeline is not None:
            self._pipeline.renew()

    def _show(self, delivery: Delivery) -> None:
        """On the thread of the window."""
        layer, viewer = self._layer(), None if self._viewer is None else self._viewer()
        if layer is None or viewer is None:
            self._early = delivery
            return
        begun = time.perf_counter()
        self._update = delivery.update
        if delivery.prepared is not None and not self._is_held:
            if self.editing is None:
                show(layer, delivery.prepared)
            else:
                self.editing.show(delivery.update, delivery.prepared)
        if self.editing is not None and delivery.update.is_settled:
            self.editing.rest(delivery.update)
        text = self.status_text + (" · held: edited by hand" if self._is_held else "")
        if self.editing is not None and self.editing.status:
            text = f"{self.editing.status} · {text}"
        if is_fast(layer):
            layer.streaming_status = text
        if viewer.layers.selection.active is layer:
            viewer.status = f"{layer.name}: {text}"
        self.changed.emit()
        self._note_work(begun)
        self._notices.tell(layer.name, delivery.update.status)

    def _edited(self, event: Any) -> None:
        """Points were added, moved or deleted by hand: what is shown stays until the edits are dropped."""
        is_ours = self.editing is not None and self.editing.is_on
        if not is_ours and str(getattr(event, "action", "")) in ("added", "changed", "removed"):
            self._is_held = True

    def _note_work(self, begun: float) -> None:
        self.work_ms.append((time.perf_counter() - begun) * 1e3)
        del self.work_ms[:-1000]


def _stop(streamer: Streamer, pipeline: Pipeline) -> None:
    """End both without waiting: a source that hangs must not hold up the window."""
    pipeline.close(wait=False)
    streamer.close(wait=False)
