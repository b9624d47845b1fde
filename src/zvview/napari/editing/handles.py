"""Editing lines, graphs, skeletons and meshes by handles: a layer of points, the vertices of the objects chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from weakref import WeakMethod, ref

import numpy as np
from napari.layers import Layer
from napari.utils.notifications import show_warning
from numpy.typing import NDArray

from zvview.errors import ZvviewError
from zvview.napari.binding import StreamBinding
from zvview.napari.dock.clicks import Click, ClickWatch
from zvview.napari.editing.editing import Editing, Phase
from zvview.napari.editing.handle_tools import HandleTool, handles_of
from zvview.napari.frame import Frame
from zvview.napari.layers import make_layer, show
from zvview.napari.preparing import Prepared
from zvview.store.editing.journal_file import SavedJournal
from zvview.store.editing.session import EditSession
from zvview.stream import Update
from zvview.stream.edited_objects import EditedObjects
from zvview.stream.editing import find_equal

__all__ = ["HandleEditing"]

_SIZE_PX = 6
_COLOUR = (1.0, 0.85, 0.2, 1.0)


class Follower(Protocol):
    """Something that is edited beside the handles."""

    def follow(self) -> None:
        """Bring the edits into step with it."""
        ...

    def let_go(self) -> None:
        """The edits went elsewhere."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    session: EditSession
    left: tuple[SavedJournal, ...]
    maker: EditedObjects


class HandleEditing(Editing):
    """Edits the store of a layer of lines or of a mesh.

    A click on an object chooses it, with Shift another one as well; its vertices become handles. The objects chosen
    and all that are edited are shown at full resolution.
    """

    def __init__(self, layer: Layer, stream: StreamBinding, guard: Callable[[Any], None]) -> None:
        super().__init__(layer, stream, guard)
        self.followers: list[Follower] = []
        """What else is edited in step, such as shapes."""
        self._tool: HandleTool | None = None
        self._handles: Callable[[], Any] = lambda: None
        self._clicks: ClickWatch | None = None
        self._prepared: Prepared | None = None
        self._waiting: Prepared | None = None
        self._dragged: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    @property
    def frame(self) -> Frame:
        """Between the coordinates of the layer and those of the store."""
        return self._frame

    def tell(self) -> None:
        """The edits were changed by others than this."""
        self._reload()
        self._tell()

    def save(self) -> None:
        """Write the edits into the store, those of followers too; returns at once."""
        if self.phase is not Phase.ON or self._change(self._follow_up):
            super().save()

    def _follow_up(self, session: EditSession) -> None:
        for follower in self.followers:
            follower.follow()

    @property
    def chosen(self) -> tuple[int, ...]:
        """Ids of the objects whose vertices are handles."""
        return () if self._tool is None else self._tool.ids

    @property
    def handles(self) -> Any:
        """The layer of the handles; None while no object is chosen."""
        return self._handles()

    def start(self) -> None:
        """Begin: from now on a click on an object chooses it."""
        if self.phase is not Phase.OFF:
            return
        store, known = self._store, self.session
        self._set_phase(Phase.OPENING)

        def work(token: Any) -> _Opened:
            session = store.edit() if known is None else known
            return _Opened(session, session.find_unsaved() if known is None else (), EditedObjects(store))

        self._opener.ask(work, self._opened)

    def stop(self) -> None:
        """Edit no longer; what is not saved stays, and is shown."""
        if self.phase not in (Phase.ON, Phase.WAITING):
            return
        self._let_go()
        if self._clicks is not None:
            self._clicks.close()
            self._clicks = None
        self._set_phase(Phase.OFF)
        self._ask_overlay()

    def choose(self, ids: tuple[int, ...]) -> None:
        """Make the vertices of these objects handles; reads them in the background."""
        session = self.session
        if session is None or self.phase is not Phase.ON:
            return
        if not ids:
            self._let_go()
            self._ask_overlay()
            return
        self._preparer.ask(lambda token: handles_of(session, ids), self._take_tool)

    def show(self, update: Update, prepared: Prepared) -> None:
        """Show what was streamed; while something is edited, only with all edits."""
        layer = self._layer()
        is_any_shown = self.phase in (Phase.OFF, Phase.OPENING)
        if layer is None or not (is_any_shown or self._fits(update)):
            return
        if self._dragged is not None:
            self._waiting = prepared
            return
        self._prepared = prepared
        show(layer, prepared)

    def rest(self, update: Update) -> None:
        """All that is in view has come; vertices that are handles have other names in the store as it is now."""
        is_waiting = self.phase is Phase.WAITING
        super().rest(update)
        if is_waiting and self.phase is Phase.ON and self._tool is not None:
            self.choose(self._tool.ids)

    @property
    def selection(self) -> tuple[NDArray[np.int64], Mapping[str, NDArray[Any]]]:
        """Rows of the selected handles, (k,), and what their vertices carry."""
        handles, tool = self.handles, self._tool
        if handles is None or tool is None:
            return np.empty(0, np.int64), {}
        rows = np.sort(np.fromiter(handles.selected_data, np.int64, len(handles.selected_data)))
        rows = rows[rows < len(tool.positions)]
        return rows, {name: v[rows] for name, v in tool.attributes.items() if v.ndim == 1}

    def set_feature(self, name: str, rows: NDArray[np.int64], values: Any) -> bool:
        """Give the vertices at some handles another value of an attribute; returns whether it went well."""
        return self._do(lambda tool: tool.set_values(name, rows, values))

    @property
    def commands(self) -> dict[str, str]:
        """What :meth:`run` can do now, with titles."""
        return {} if self._tool is None or self.phase is not Phase.ON else self._tool.commands()

    def run(self, command: str) -> bool:
        """Do one of :attr:`commands` to the handles that are selected; returns whether it went well."""
        rows, _ = self.selection
        return self._do(lambda tool: getattr(tool, command)(rows))

    def undo(self) -> None:
        """Take the latest edit back."""
        super().undo()
        self._went_back()

    def redo(self) -> None:
        """Make it again."""
        super().redo()
        self._went_back()

    def discard(self) -> None:
        """Take all edits back, for good."""
        super().discard()
        self._went_back()

    def _opened(self, answer: _Opened | ZvviewError) -> None:
        stream, layer = self._stream(), self._layer()
        if stream is None or layer is None:
            return
        if isinstance(answer, ZvviewError):
            self._set_phase(Phase.OFF, str(answer))
            return
        is_first = self.session is None
        if is_first:
            if not answer.session.schema.has_objects:
                answer.session.close()
                self._set_phase(Phase.OFF, "the store has no objects to choose; its vertices are edited in Python only")
                return
            self._adopt(answer.session, answer.maker)
        if stream.viewer is not None:
            chosen = WeakMethod(self._clicked)
            self._clicks = ClickWatch(stream.viewer, lambda click: _call(chosen, click), keys=("Shift",))
        self._set_phase(Phase.ON)
        if is_first:
            self._offer(answer.left)

    def _make_maker(self) -> EditedObjects:
        maker = EditedObjects(self._store)
        maker.chosen = self.chosen
        return maker

    def _ask_overlay(self) -> None:
        if isinstance(self._maker, EditedObjects):
            self._maker.chosen = self.chosen
        super()._ask_overlay()

    def _clicked(self, click: Click) -> None:
        """Choose what was clicked on, unless it was a handle, or handles are being added."""
        layer, handles, stream = self._layer(), self.handles, self._stream()
        if layer is None or stream is None or stream.viewer is None or self.phase is not Phase.ON:
            return
        if stream.viewer.layers.selection.active not in (layer, handles):
            return
        at = {"view_direction": click.view_direction, "dims_displayed": list(click.dims_displayed), "world": True}
        if handles is not None and (handles.mode == "add" or handles.get_value(click.position, **at) is not None):
            return
        values = layer.pick_values(click.position, **at)
        found = -1 if values is None else int(values.get("id", -1))
        if found >= 0 and found not in self.chosen:
            self.choose((*self.chosen, found) if click.keys else (found,))

    def _take_tool(self, answer: HandleTool | ZvviewError) -> None:
        if isinstance(answer, ZvviewError):
            show_warning(str(answer))
            return
        self._tool = answer
        self._show_handles()
        self._ask_overlay()

    def _do(self, change: Callable[[HandleTool], object]) -> bool:
        tool = self._tool
        if tool is None or self.phase is not Phase.ON:
            return False
        is_done = self._change(lambda session: change(tool))
        self._show_handles()
        return is_done

    def _went_back(self) -> None:
        for follower in list(self.followers):
            follower.let_go()
        self._reload()

    def _reload(self) -> None:
        """The edits are others: take the vertices of the objects chosen from them."""
        tool = self._tool
        if tool is None:
            return
        try:
            tool.load()
        except ZvviewError:  # an object that was made and is no more
            self._let_go()
        self._show_handles()

    def _show_handles(self) -> None:
        """Make the layer of handles show the vertices as they are now; what is selected stays so, if it is there."""
        layer, stream, tool = self._layer(), self._stream(), self._tool
        if layer is None or stream is None or tool is None or stream.viewer is None:
            return
        if not len(tool.positions):
            self._let_go()
            return
        handles = self.handles
        if handles is None:
            handles = self._make_handles(layer, stream)
        count, selected = len(handles.data), set(handles.selected_data)
        positions = self._frame.to_layer(tool.positions)
        colours = np.tile(np.array(_COLOUR, np.float32), (len(positions), 1))
        handles.swap(positions, colours, {"id": tool.object_ids})
        if count == len(positions):
            handles.selected_data = selected
        self._tell()

    def _make_handles(self, layer: Layer, stream: StreamBinding) -> Any:
        """A layer of points above all others, with its tools at hand."""
        handles = make_layer("point_cloud", self._frame, name=f"vertices of {layer.name.removesuffix(' *')}")
        handles.canvas_size_limits = (_SIZE_PX, _SIZE_PX)
        for name in ("scale", "translate", "rotate", "shear", "affine"):
            setattr(handles, name, getattr(layer, name))
        handles.handles_of = ref(layer)  # the dock goes on showing that one
        stream.viewer.add_layer(handles)
        handles.mode = "select"
        handles.events.data.connect(self._follow)
        handles.events.set_data.connect(self._follow_drag)
        handles.selected_data.events.items_changed.connect(self._tell_later)
        self._bind_keys(handles)
        self._handles = ref(handles)
        return handles

    def _let_go(self) -> None:
        """No object is chosen any more."""
        handles, stream = self.handles, self._stream()
        self._tool, self._dragged, self._handles = None, None, lambda: None
        viewer = None if stream is None else stream.viewer
        if handles is not None and viewer is not None and handles in viewer.layers:
            viewer.layers.remove(handles)
        self._tell()

    def _follow(self, event: Any) -> None:
        """Something was done to the handles."""
        action, handles, tool = str(getattr(event, "action", "")), self.handles, self._tool
        if handles is None or tool is None:
            return
        if action == "changing":
            self._begin_drag(tool)
        elif action == "changed":
            rows = np.unique(np.asarray(event.data_indices, np.int64))
            places = self._frame.to_store(handles.data[rows])
            self._dragged, self._waiting = None, None
            self._do(lambda tool: tool.move(rows, places))
        elif action == "removed":
            rows = np.unique(np.asarray(event.data_indices, np.int64))
            self._do(lambda tool: tool.delete(rows))
        elif action == "added":
            selected, _ = self.selection
            for place in self._frame.to_store(handles.data[len(tool.positions) :]):
                self._do(lambda tool, place=place: tool.add(place, selected))  # type: ignore[misc]

    def _begin_drag(self, tool: HandleTool) -> None:
        """Find the dragged vertices in what is shown, so that it can follow."""
        if self._prepared is not None:
            self._dragged = find_equal(self._prepared.positions, self._frame.to_layer(tool.positions))

    def _follow_drag(self, event: Any = None) -> None:
        layer, handles, dragged, prepared = self._layer(), self.handles, self._dragged, self._prepared
        if layer is None or handles is None or dragged is None or prepared is None:
            return
        rows, at = dragged
        positions = np.empty_like(prepared.positions)
        positions[:] = prepared.positions
        positions[rows] = handles.data[at]
        show(layer, replace(prepared, positions=positions))


def _call(method: Callable[[], Callable[[Click], None] | None], click: Click) -> None:
    found = method()
    if found is not None:
        found(click)
