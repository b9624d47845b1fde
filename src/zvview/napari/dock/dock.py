"""The dock itself: it follows the layer that is active, and is the only part that knows layers and viewers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QTimer
from qtpy.QtGui import QHideEvent, QShowEvent

from zvview.cancel import CancelToken
from zvview.errors import ZvviewError
from zvview.napari.binding import StreamBinding
from zvview.napari.describing import Description
from zvview.napari.dock.aiming import look_at
from zvview.napari.dock.background import Background
from zvview.napari.dock.clicks import Click, ClickWatch
from zvview.napari.dock.facts import StoreFacts, read_facts
from zvview.napari.dock.filter_panel import GROUPS
from zvview.napari.dock.find_panel import Wanted
from zvview.napari.dock.finding import Box, find_objects
from zvview.napari.dock.panels import PanelsWidget
from zvview.napari.dock.view_panel import SIZES
from zvview.napari.dock.wishes import legend_entries, shown_groups, shown_labels, with_objects

__all__ = ["ZarrVectorsDock"]

_REST_MS = 50  # updates of a layer that streams come in tens a second
_NO_LAYER = "Select a layer that shows a Zarr Vectors store."


class ZarrVectorsDock(PanelsWidget):
    """Colour, legend, filter, find and more, for the active layer of a viewer if it streams.

    Nothing is read on the thread of the window, and nothing is read or shown anew while the dock is hidden.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The name is the one by which napari hands it over.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._layer: Callable[[], Layer | None] = lambda: None
        self._facts: WeakKeyDictionary[StreamBinding, StoreFacts] = WeakKeyDictionary()
        self._readers = {name: Background(f"zvview-dock-{name}") for name in ("facts", "find", "pick")}
        self._clicks: ClickWatch | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._show_state)
        self._connect()
        self.name.setText(_NO_LAYER)

    def _connect(self) -> None:
        for section in self.sections.values():
            section.opened.connect(self._later)
        self.colour.wanted.connect(lambda wanted: self._set("colouring", wanted))
        self.filter.wanted.connect(lambda wanted: self._set("filter", wanted))
        self.legend.ticked.connect(self._tick_legend)
        self.find.wanted.connect(self._look_for)
        self.find.stopped.connect(self._stop_finding)
        self.picked.zoom_wanted.connect(lambda found: self._look_for(Wanted(object_ids=np.array([found], np.int64))))
        self.picked.alone_wanted.connect(self._show_alone)
        self.view.level_wanted.connect(lambda number: self._set("locked_level", number))
        self.view.slab_wanted.connect(self._set_slab)
        self.view.size_wanted.connect(self._set_size)
        self.view.retry_wanted.connect(self._retry)

    @property
    def layer(self) -> Layer | None:
        """The layer that is shown; None while none that streams is active."""
        return self._layer()

    @property
    def stream(self) -> StreamBinding | None:
        """What binds :attr:`layer` to its store."""
        layer = self.layer
        return None if layer is None else layer.stream

    @property
    def facts(self) -> StoreFacts | None:
        """What is known of the store; None until it has been read."""
        stream = self.stream
        return None if stream is None else self._facts.get(stream)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - names of Qt
        """Follow the active layer again."""
        super().showEvent(event)
        if self._clicks is None:
            self._clicks = ClickWatch(self._viewer, self._clicked)
            self._viewer.layers.selection.events.active.connect(self._follow)
            self._viewer.dims.events.connect(self._later)
        self._follow()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        """Let go of everything: a dock that is not seen needs nothing, and may never be seen again."""
        super().hideEvent(event)
        self._rest.stop()
        for reader in self._readers.values():
            reader.close()
        if self._clicks is not None:
            self._clicks.close()
            self._clicks = None
            self._viewer.layers.selection.events.active.disconnect(self._follow)
            self._viewer.dims.events.disconnect(self._later)
        if self.stream is not None:
            self.stream.changed.disconnect(self._later, missing_ok=True)

    def _follow(self, event: Any = None) -> None:
        """Show the active layer, if the dock is seen."""
        if not self.isVisible():
            return
        active = self._viewer.layers.selection.active
        active = getattr(active, "handles_of", lambda: active)()
        layer = active if isinstance(getattr(active, "stream", None), StreamBinding) else None
        if layer is not self.layer:
            if self.stream is not None:
                self.stream.changed.disconnect(self._later, missing_ok=True)
            self._layer = (lambda: None) if layer is None else ref(layer)
            self.picked.show_picked(None)
            self._stop_finding()
        stream = self.stream
        if stream is not None:
            stream.changed.disconnect(self._later, missing_ok=True)
            stream.changed.connect(self._later)
            if stream not in self._facts:
                self._readers["facts"].ask(lambda token: (stream, read_facts(stream.store)), self._take_facts)
        self._show_state()

    def _later(self, event: Any = None) -> None:
        if self.isVisible() and not self._rest.isActive():
            self._rest.start()

    def _take_facts(self, answer: tuple[StreamBinding, StoreFacts] | ZvviewError) -> None:
        if isinstance(answer, ZvviewError):
            self.status.show_status(str(answer), ())
            return
        stream, facts = answer
        self._facts[stream] = facts
        self._show_state()

    def _show_state(self) -> None:
        layer, stream, facts = self.layer, self.stream, self.facts
        self.edit.show_layer(layer)
        self.body.setVisible(facts is not None)
        self.status.setVisible(layer is not None)
        if layer is None or stream is None:
            self.name.setText(_NO_LAYER)
            return
        self.name.setText(f"<b>{layer.name}</b>")
        update = stream.update
        self.status.show_status(stream.status_text or "reading", () if update is None else update.status.notes)
        if facts is None:
            return
        by, filter = stream.colouring, stream.filter
        entries = legend_entries(facts, by)
        legend = GROUPS if by.mode == "group" else by.name if by.mode == "category" else None
        self.colour.show_state(facts, by)
        if legend == GROUPS:
            self.legend.show_labels(facts.groups, shown_groups(filter, facts.groups), entries)
        elif legend is not None and legend in facts.categories:
            labels = facts.categories[legend]
            self.legend.show_labels(labels, shown_labels(filter, legend, labels), entries)
        else:
            self.legend.show_entries(by, entries)
        self.filter.show_state(facts, filter, legend)
        self.find.show_state(facts)
        self._show_view(layer, stream, facts)

    def _show_view(self, layer: Layer, stream: StreamBinding, facts: StoreFacts) -> None:
        axis = self._cut_axis
        if axis is None:
            self.view.show_slab(None, "")
        else:
            unit = stream.frame.units[stream.frame.inverse[axis]]
            self.view.show_slab(2 * float(stream.slab[axis]), unit)
        self.view.show_levels(facts.levels, stream.locked_level)
        for name in SIZES:
            self.view.show_size(name, getattr(layer, name, None))

    @property
    def _cut_axis(self) -> int | None:
        """The store's axis along which a slider cuts the layer, one of space before others; None where none does."""
        layer, stream, facts = self.layer, self.stream, self.facts
        if layer is None or stream is None or facts is None:
            return None
        displayed, first = self._viewer.dims.displayed, self._viewer.dims.ndim - layer.ndim
        cut = [stream.frame.order[axis] for axis in range(layer.ndim) if first + axis not in displayed]
        return next((axis for axis in cut if facts.is_space[axis]), cut[0] if cut else None)

    def _set(self, name: str, wanted: object) -> None:
        if self.stream is not None:
            setattr(self.stream, name, wanted)

    def _retry(self) -> None:
        if self.stream is not None:
            self.stream.retry()

    def _set_slab(self, thickness: float) -> None:
        axis = self._cut_axis
        if self.stream is not None and axis is not None:
            half = self.stream.slab.copy()
            half[axis] = thickness / 2
            self.stream.slab = half

    def _set_size(self, name: str, value: float) -> None:
        layer, stream = self.layer, self.stream
        if layer is None or stream is None:
            return
        setattr(layer, name, value)
        if name == "current_size":  # of points that are added; those that are shown follow
            stream.colouring = stream.colouring

    def _tick_legend(self, shown: list[bool]) -> None:
        by = None if self.stream is None else self.stream.colouring
        if by is not None:
            self.filter.tick(GROUPS if by.mode == "group" else by.name or "", shown)

    def _show_alone(self, object_id: int) -> None:
        if self.stream is not None:
            self.stream.filter = with_objects(self.stream.filter, np.array([object_id], np.int64))

    def _look_for(self, wanted: Wanted) -> None:
        layer, stream = self.layer, self.stream
        if layer is None or stream is None:
            return
        if wanted.object_ids is None and wanted.group is None:
            look_at(self._viewer, layer, stream.frame.lo, stream.frame.hi)
            self.find.show_message("", is_busy=False)
            return
        store, kept = stream.store, ref(layer)

        def find(token: CancelToken) -> tuple[Callable[[], Layer | None], Box]:
            ids = wanted.object_ids
            if ids is None:
                groups = store.groups
                ids = np.empty(0, np.int64) if groups is None else groups.members[wanted.group or 0]
            return kept, find_objects(store, ids, token)

        self.find.show_message("Looking for the place\u2026", is_busy=True)
        self._readers["find"].ask(find, self._arrive)

    def _arrive(self, answer: tuple[Callable[[], Layer | None], Box] | ZvviewError) -> None:
        if isinstance(answer, ZvviewError):
            self.find.show_message(str(answer), is_busy=False)
            return
        kept, box = answer
        layer = kept()
        self.find.show_message("", is_busy=False)
        if layer is not None and layer in self._viewer.layers:
            look_at(self._viewer, layer, *box)

    def _stop_finding(self) -> None:
        self._readers["find"].cancel()
        self.find.show_message("", is_busy=False)

    def _clicked(self, click: Click) -> None:
        layer, stream = self.layer, self.stream
        if layer is None or stream is None or not hasattr(layer, "pick_values") or layer.mode != "pan_zoom":
            return

        def pick(token: CancelToken) -> Description | None:
            values = layer.pick_values(click.cursor)
            return None if values is None else stream.describe(values, wait=True)

        self._readers["pick"].ask(pick, self._pin)

    def _pin(self, answer: Description | ZvviewError | None) -> None:
        if isinstance(answer, Description):
            self.picked.show_picked(answer)
