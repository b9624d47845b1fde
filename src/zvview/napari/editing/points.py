"""Editing points with the tools of their layer, at full resolution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.layers import Layer
from napari.utils.notifications import show_info, show_warning
from numpy.typing import NDArray

from zvview.errors import ZvviewError
from zvview.format.sequences import distinct, is_among
from zvview.napari.binding import StreamBinding
from zvview.napari.editing.editing import Editing, Phase
from zvview.napari.editing.promises import Promises
from zvview.napari.editing.tools import Change, Known, PointTool, unsaid
from zvview.napari.layers import show
from zvview.napari.preparing import Prepared
from zvview.store.editing.saved_journals import SavedJournal
from zvview.store.editing.session import EditSession
from zvview.stream import Update
from zvview.stream.edited_points import EditedPoints
from zvview.stream.editing import UNNAMED
from zvview.stream.fitting import first_that_fits

__all__ = ["PointEditing"]

_ZOOMS = tuple(2 ** (step / 3) for step in range(31))
_FINEST = (0,)
_HELD = (
    "points of the layer were changed by hand outside of the edit mode, which is no part of the store: "
    "save the layer if they matter, and begin once more to drop them"
)


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """What is found out before editing begins: the first of the views that the full resolution fits, for one."""

    session: EditSession
    left: tuple[SavedJournal, ...]
    maker: EditedPoints
    at: int | None
    expected: float


class PointEditing(Editing):
    """Edits the store of a points layer.

    Nothing but the full resolution is shown while it is on, so that each point in the layer is one of the store.
    """

    def __init__(self, layer: Layer, stream: StreamBinding, guard: Callable[[Any], None]) -> None:
        super().__init__(layer, stream, guard)
        self.needed_zoom: float | None = None
        """How much the camera must zoom in until all points in view can be shown; None where they can be."""
        self._tool: PointTool | None = None
        self._promises = Promises()
        self._is_dragging = False
        self._waiting: tuple[Update, Prepared] | None = None
        self._level_before: int | None = None
        layer.events.data.connect(self._follow)
        layer.events.features.connect(self._follow_features)
        layer.selected_data.events.items_changed.connect(self._tell_later)

    def start(self) -> None:
        """Begin to edit what is in view, if all of it can be shown; else :attr:`needed_zoom` tells what to do."""
        stream, layer = self._stream(), self._layer()
        if self.phase is not Phase.OFF or stream is None or layer is None:
            return
        if stream.is_held and self.note != _HELD:
            self._set_phase(Phase.OFF, _HELD)
            return
        stream.discard_edits()
        views = stream.narrowed_views(_ZOOMS)
        if not views:
            self._set_phase(Phase.OFF, "the layer is in no viewer")
            return
        store, known = self._store, self.session
        views = [replace(view, locked_level=0) for view in views]
        self._set_phase(Phase.OPENING)

        def work(token: Any) -> _Opened:
            session = store.edit() if known is None else known
            left = session.find_unsaved() if known is None else ()
            return _Opened(session, left, EditedPoints(store), *first_that_fits(store, views))

        self._opener.ask(work, self._opened)

    def go_and_start(self) -> None:
        """Zoom in as far as it takes, then begin."""
        stream = self._stream()
        if self.needed_zoom is not None and stream is not None:
            stream.zoom_by(self.needed_zoom)
        self.needed_zoom = None
        self.start()

    def stop(self) -> None:
        """Edit no longer; edits that are not saved stay, and are shown at every level."""
        stream, layer = self._stream(), self._layer()
        if self.phase not in (Phase.WAITING, Phase.ON) or stream is None or layer is None:
            return
        layer.mode = "pan_zoom"
        self._tool, self._waiting = None, None
        self._set_phase(Phase.OFF)
        stream.locked_level = self._level_before

    def show(self, update: Update, prepared: Prepared) -> None:
        """Show what was streamed; while points are edited, only what is exactly the store with all edits."""
        layer = self._layer()
        if layer is None:
            return
        if self.phase in (Phase.OFF, Phase.OPENING):
            show(layer, prepared)
        elif self.phase is not Phase.SAVING and self._is_exact(update, prepared):
            if self._is_dragging:
                self._waiting = (update, prepared)
            else:
                self._swap(layer, update, prepared)

    def rest(self, update: Update) -> None:
        """All points in view are there, and can be edited."""
        if self._tool is not None and update.levels in ((), _FINEST):
            super().rest(update)

    @property
    def selection(self) -> tuple[NDArray[np.int64], Mapping[str, NDArray[Any]]]:
        """Rows of the selected points, (k,), and their features."""
        layer, tool = self._layer(), self._tool
        if layer is None or tool is None:
            return np.empty(0, np.int64), {}
        rows = np.sort(np.fromiter(layer.selected_data, np.int64, len(layer.selected_data)))
        rows = rows[rows < len(tool.known.vertices)]
        return rows, {name: values[rows] for name, values in tool.known.features.items()}

    def set_feature(self, name: str, rows: NDArray[np.int64], values: Any) -> bool:
        """Give the points at some rows of the layer another value of a feature; returns whether it was begun."""
        tool = self._tool
        return tool is not None and self._change(tool.set_feature(name, rows, values))

    def _opened(self, answer: _Opened | ZvviewError) -> None:
        stream, layer = self._stream(), self._layer()
        if stream is None or layer is None:
            return
        if isinstance(answer, ZvviewError):
            self._set_phase(Phase.OFF, str(answer))
            return
        is_first, at = self.session is None, answer.at
        if is_first:
            self._adopt(answer.session, answer.maker)
        self.needed_zoom = None
        if at != 0:
            budget = stream.settings.budget(self._store.kind)
            note = f"editing needs the full resolution: {answer.expected:,.0f} points in view, {budget:,} at most"
            if at is not None:
                self.needed_zoom = _ZOOMS[at]
                note += f"; zoom in {self.needed_zoom:.2g} times"
            self._set_phase(Phase.OFF, note)
            return
        self._set_phase(Phase.WAITING)
        self._level_before, stream.locked_level = stream.locked_level, 0
        self._ask_overlay()
        if is_first:
            self._offer(answer.left)

    def _make_maker(self) -> EditedPoints:
        return EditedPoints(self._store)

    def _is_exact(self, update: Update, prepared: Prepared) -> bool:
        """Whether each point shown is known by its name, and has all edits."""
        names = prepared.vertices
        is_named = names is not None and update.chunks is not None and not (names == UNNAMED).any()
        return is_named and self._fits(update) and update.levels in ((), _FINEST)

    def _swap(self, layer: Layer, update: Update, prepared: Prepared) -> None:
        selected = self._selected_names(layer)
        if is_other := not _is_shown(layer, prepared):
            show(layer, prepared)
        assert prepared.vertices is not None and update.chunks is not None and self.session is not None
        features = {name: np.array(values) for name, values in prepared.features.items()}
        places = np.array(update.batch.positions)
        known = Known(prepared.vertices, update.chunks, prepared.positions.copy(), places, features)
        is_same = self._tool is not None and self._tool.known.chunks is update.chunks
        self._tool = PointTool(self._frame, self.session.schema, known, self._promises)
        if len(selected) and is_same and is_other:
            layer.selected_data = np.flatnonzero(is_among(prepared.vertices, np.sort(selected)))
        if self.phase is Phase.WAITING:
            layer.feature_defaults = _unknown(features, self.session)
        chunks = update.chunks[distinct(known.vertices[known.vertices >= 0] >> 32)]
        session = self.session
        self._preparer.ask(lambda token: session.prepare(chunks), self._prepared)

    def _prepared(self, answer: ZvviewError | None) -> None:
        if isinstance(answer, ZvviewError):
            show_warning(str(answer))

    def _selected_names(self, layer: Layer) -> NDArray[np.int64]:
        rows = np.fromiter(layer.selected_data, np.int64, len(layer.selected_data))
        if self._tool is None:
            return rows[:0]
        return self._tool.known.vertices[rows[rows < len(self._tool.known.vertices)]]

    def _follow(self, event: Any) -> None:
        """Something was done to the points of the layer."""
        action = str(getattr(event, "action", ""))
        layer, tool = self._layer(), self._tool
        if layer is None or not self.is_on:
            return
        self._is_dragging = action == "changing"
        if action not in ("added", "changed", "removed"):
            return
        waiting, self._waiting = self._waiting, None
        if tool is None or self.phase is not Phase.ON:
            show_info("the store is being read or saved: nothing was changed")
            self._refused()
        elif not self._change_all(tool.follow(layer, action, event.data_indices)) and waiting is not None:
            self._swap(layer, *waiting)  # it came while something was dragged that is where it was

    def _follow_features(self, event: Any = None) -> None:
        layer, tool = self._layer(), self._tool
        if layer is not None and tool is not None and self.phase is Phase.ON:
            self._change_all(tool.describe(layer))

    def _change_all(self, changes: Sequence[Change]) -> bool:
        """Begin some changes; returns whether there are any."""
        for change in changes:
            self._change(change)
        if changes:
            self._tell()
        return bool(changes)

    def _refused(self) -> None:
        """Show the store with its edits again, when no others are under way."""
        self._is_behind = True
        if not self._under_way:
            self._catch_up()


def _is_shown(layer: Any, prepared: Prepared) -> bool:
    """Whether a layer shows just that: hands did to it what was done to the edits since, and selecting anew is slow."""
    table = layer.features
    return (
        np.array_equal(layer.data, prepared.positions)
        and np.array_equal(layer.face_color, prepared.colours)
        and list(table) == list(prepared.features)
        and all(_are_same(table[name].to_numpy(), values) for name, values in prepared.features.items())
    )


def _are_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == other.dtype.kind == "f")


def _unknown(features: Mapping[str, NDArray[Any]], session: EditSession) -> dict[str, Any]:
    """Features of a point of which nothing is known: napari would take those of the last one."""
    schema, out = session.schema, {}
    for name, values in features.items():
        metadata = schema.columns.get(name)
        is_category = metadata is not None and metadata.categories is not None
        value = np.nan if values.dtype.kind == "f" else -1 if name == "id" else 0
        out[name] = np.array([unsaid(schema, name) if is_category else value], values.dtype)
    return out
