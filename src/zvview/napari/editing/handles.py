"""Editing lines, graphs, skeletons and meshes by handles: a layer of points, the vertices of the objects chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from weakref import WeakMethod, ref

import numpy as np
from napari.layers import Layer
from napari.utils.notifications import show_info, show_warning
from numpy.typing import NDArray

from zvview.errors import ZvviewError
from zvview.format.sequences import distinct
from zvview.napari.binding import StreamBinding
from zvview.napari.dock.clicks import Click, ClickWatch
from zvview.napari.editing.clipboard import Clipboard
from zvview.napari.editing.command import Command
from zvview.napari.editing.drag import Drag
from zvview.napari.editing.editing import Editing, Phase
from zvview.napari.editing.handle_changes import HandleChanges, Made
from zvview.napari.editing.handle_layer import HandleLayer
from zvview.napari.editing.handle_tools import HandleTool
from zvview.napari.editing.vertex_handles import VertexHandles
from zvview.napari.frame import Frame
from zvview.napari.layers import show
from zvview.napari.preparing import Prepared
from zvview.store.editing.saved_journals import SavedJournal
from zvview.store.editing.session import EditSession
from zvview.stream import Update
from zvview.stream.edited_objects import EditedObjects

__all__ = ["HandleEditing"]


class Follower(Protocol):
    """Something that is edited beside the handles; it changes the edits by :meth:`HandleEditing.change`."""

    @property
    def is_behind(self) -> bool:
        """Whether hands did something that it did not ask for yet."""
        ...

    def follow(self) -> None:
        """Ask for what brings the edits into step with it; returns at once."""
        ...

    def made(self, value: object) -> None:
        """A change was made, of this or of another one, and `value` came of it."""
        ...

    def refused(self) -> None:
        """A change was not made, of this or of another one."""
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
        self._view: HandleLayer | None = None
        self._changes = HandleChanges()
        self._clipboard = Clipboard()
        self._clicks: ClickWatch | None = None
        self._prepared: Prepared | None = None
        self._drag: Drag | None = None
        self._arrived: HandleTool | None = None  # while others are dragged

    @property
    def frame(self) -> Frame:
        """Between the coordinates of the layer and those of the store."""
        return self._frame

    @property
    def is_changed(self) -> bool:
        """Whether there are edits that are not saved, or on their way."""
        return super().is_changed or (self.session is not None and any(f.is_behind for f in self.followers))

    def change(self, change: Callable[[EditSession], object]) -> None:
        """Change all edits when what was asked before is done, and take the handles from them; returns at once."""
        self._change(self._changes.of_session(change))

    def ask(self, question: Callable[[EditSession], object], answer: Callable[[Any], None]) -> None:
        """Ask the session something for a follower when its turn comes; `answer` is a bound method, held weakly."""
        if self.session is not None:
            self._turns.ask(partial(question, self.session), answer)

    def save(self) -> None:
        """Write the edits into the store, those of followers too; returns at once."""
        for follower in self.followers if self.phase is Phase.ON else ():
            follower.follow()
        super().save()

    @property
    def chosen(self) -> tuple[int, ...]:
        """Ids of the objects whose vertices are handles."""
        return () if self._view is None else self._view.tool.ids

    @property
    def handles(self) -> Any:
        """The layer of the handles; None while no object is chosen."""
        return None if self._view is None else self._view.points

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
        self._turns.ask(partial(self._changes.choose, session, ids), self._chose)

    def show(self, update: Update, prepared: Prepared) -> None:
        """Show what was streamed; while something is edited, only with all edits."""
        layer = self._layer()
        is_any_shown = self.phase in (Phase.OFF, Phase.OPENING)
        if layer is None or not (is_any_shown or self._fits(update)):
            return
        if self._drag is not None:
            return  # what is dragged is about to be another edit
        self._prepared = prepared
        show(layer, prepared)

    def rest(self, update: Update) -> None:
        """All that is in view has come; vertices that are handles have other names in the store as it is now."""
        is_waiting = self.phase is Phase.WAITING
        super().rest(update)
        if is_waiting and self.phase is Phase.ON and self.chosen:
            self.choose(self.chosen)

    @property
    def selection(self) -> tuple[NDArray[np.int64], Mapping[str, NDArray[Any]]]:
        """Rows of the selected handles, (k,), and what their vertices carry."""
        view = self._view
        if view is None:
            return np.empty(0, np.int64), {}
        rows = view.selected
        return rows, {name: v[rows] for name, v in view.tool.attributes.items() if v.ndim == 1}

    def set_feature(self, name: str, rows: NDArray[np.int64], values: Any) -> bool:
        """Give the vertices at some handles another value of an attribute; returns whether it was begun."""
        return self._do(lambda tool: tool.set_values(name, rows, values))

    @property
    def commands(self) -> dict[str, Command]:
        """What :meth:`run` can do now, by name."""
        return {} if self._view is None or self.phase is not Phase.ON else self._view.tool.commands()

    def run(self, command: str) -> bool:
        """Do one of :attr:`commands` to the handles that are selected; returns whether it was begun."""
        rows, _ = self.selection
        if command not in self.commands:
            return False
        if command == "copy":
            return self._view is not None and self._clipboard.copy(self._view)
        if command == "paste":
            return self._paste()
        return self._do(lambda tool: getattr(tool, command)(rows))

    def undo(self) -> None:
        """Take the latest edit back."""
        self.change(lambda session: session.undo())

    def redo(self) -> None:
        """Make it again."""
        self.change(lambda session: session.redo())

    def discard(self) -> None:
        """Take all edits back, for good."""
        self.change(lambda session: session.discard())

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
        if handles is not None and (handles.mode == "add" or click.cursor.find_in(handles) is not None):
            return
        values = layer.pick_values(click.cursor)
        found = -1 if values is None else int(values.get("id", -1))
        if found >= 0 and found not in self.chosen:
            self.choose((*self.chosen, found) if click.keys else (found,))

    def _chose(self, outcome: object) -> None:
        if isinstance(outcome, Exception):
            show_warning(str(outcome))
        else:
            self._done(outcome)
            self._ask_overlay()

    def _do(self, change: Callable[[HandleTool], object]) -> bool:
        """Change the handles by way of a copy of what they show, when the changes before are made."""
        if self._view is None:
            return False
        if self.phase is not Phase.ON:
            show_info("the store is being read or saved: nothing was changed")
            return False
        return self._change(self._changes.of_tool(self._view.tool, change))

    def _done(self, outcome: object) -> None:
        if not isinstance(outcome, Made):
            return
        if outcome.changes is self._changes and outcome.tool is not None:
            self._arrived = outcome.tool
            self._show_arrived()
        for follower in list(self.followers):
            follower.made(outcome.value)

    def _refused(self) -> None:
        self._show_arrived()
        for follower in list(self.followers):
            follower.refused()

    def _show_arrived(self) -> None:
        """Show the handles as they are, unless some are dragged, or about to be others: then that is shown."""
        before = None if self._view is None else self._view.tool
        tool = before if self._arrived is None else self._arrived
        if tool is None or self._drag is not None or self._under_way:
            return
        self._arrived = None
        self._show_handles(tool)
        if before is not None and tool.ids != before.ids:
            self._ask_overlay()

    def _paste(self) -> bool:
        """Add what was copied, and select it."""
        piece = None if self._view is None else self._clipboard.piece(self._view)
        if piece is None:
            return False
        return self._do(lambda tool: tool.put(piece) if isinstance(tool, VertexHandles) else None)

    def _show_handles(self, tool: HandleTool) -> None:
        """Have handles for the vertices of `tool`."""
        layer, stream = self._layer(), self._stream()
        if layer is None or stream is None or stream.viewer is None:
            return
        if not len(tool.positions):
            self._let_go()
        elif self._view is not None:
            self._view.show(tool)
        else:
            view = self._view = HandleLayer(self._frame, layer, stream.viewer, tool)
            view.points.events.data.connect(self._follow)
            view.points.events.set_data.connect(self._follow_drag)
            view.points.selected_data.events.items_changed.connect(self._tell_later)
            self.bind_keys(view.points)
            for name, command in tool.commands().items():
                view.points.bind_key(command.key, _runs(ref(self), name), overwrite=True)
        self._tell()

    def _let_go(self) -> None:
        """No object is chosen any more."""
        view, self._view, self._drag, self._arrived = self._view, None, None, None
        self._changes = HandleChanges()
        if view is not None:
            view.remove()
        self._tell()

    def _follow(self, event: Any) -> None:
        """Something was done to the handles."""
        action, view = str(getattr(event, "action", "")), self._view
        if view is None:
            return
        if action == "changing":
            layer = self._layer()
            if layer is not None and self._prepared is not None:
                self._drag = Drag(layer, self._prepared, view.points)
        elif action in ("added", "changed", "removed"):
            self._drag = None
            try:
                self._do_by_hand(view, action, distinct(np.asarray(event.data_indices, np.int64)))
            except ZvviewError as error:
                show_warning(str(error))
            self._show_arrived()

    def _do_by_hand(self, view: HandleLayer, action: str, rows: NDArray[np.int64]) -> None:
        """Do to the edits what was done to the handles at some rows."""
        if action == "changed":
            own, places = view.moved(rows)
            if len(own):
                self._do(lambda tool: tool.move(own, places))
        elif action == "removed":
            gone = view.removed(rows)
            self._do(lambda tool: tool.delete(gone))
        else:
            places = view.added()
            parents = view.parents()
            for place in places:
                self._do(partial(_add, place, parents))

    def _follow_drag(self, event: Any = None) -> None:
        if self._drag is not None:
            self._drag.follow()


def _add(place: NDArray[np.float64], selected: NDArray[np.int64], tool: HandleTool) -> None:
    tool.add(place, selected)


def _runs(editing: Callable[[], HandleEditing | None], command: str) -> Callable[[Any], None]:
    def run(layer: Any) -> None:
        found = editing()
        if found is not None:
            found.run(command)

    return run


def _call(method: Callable[[], Callable[[Click], None] | None], click: Click) -> None:
    found = method()
    if found is not None:
        found(click)
