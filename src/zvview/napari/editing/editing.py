"""What editing a store by way of its layer has in common for all kinds: the session, undo, saving, what is told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Any, Protocol
from weakref import finalize, ref

import numpy as np
from napari.layers import Layer
from napari.utils.notifications import show_error, show_info, show_warning
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import QTimer

from zvview.errors import ConflictError, ZvviewError
from zvview.napari.binding import StreamBinding
from zvview.napari.courier import Courier
from zvview.napari.dock.background import Background
from zvview.napari.editing.asking import Choice, ask_left_behind, ask_reload
from zvview.napari.editing.command import Command
from zvview.napari.editing.turns import Turns
from zvview.napari.latest import LatestWorker
from zvview.napari.preparing import Prepared
from zvview.napari.watching import weakly
from zvview.store.editing.edits import Edits
from zvview.store.editing.review import review
from zvview.store.editing.saved_journals import SavedJournal
from zvview.store.editing.session import EditSession
from zvview.stream import Update
from zvview.stream.editing import EditOverlay

__all__ = ["Editing", "OverlayMaker", "Phase"]

_MARK = " *"
_REST_MS = 30
_CLOSE_S = 2.0
_UNDO, _REDO, _SAVE = "Control-Z", "Control-Shift-Z", "Control-Shift-D"


class Phase(Enum):
    """How far editing is."""

    OFF = "off"
    OPENING = "opening"
    WAITING = "waiting"
    ON = "on"
    SAVING = "saving"


class OverlayMaker(Protocol):
    """Turns edits into what is laid over what streams; on one thread at a time."""

    def overlay(self, edits: Edits) -> EditOverlay:
        """What some edits come to."""
        ...


class Editing(ABC):
    """Edits one store by way of one layer; on the thread of the window. Found at ``layer.stream.editing``.

    All operations of the session take turns on a thread of their own: one may have to read chunks, or to wait for
    another one that does. The layer shows what hands did to it meanwhile.

    Parameters
    ----------
    layer : Layer
    stream : StreamBinding
        Both held weakly.
    guard : callable
        Called with the viewer once there is something that could get lost with it.
    """

    changed = Signal()
    """Sent when anything below is another one."""

    def __init__(self, layer: Layer, stream: StreamBinding, guard: Callable[[Any], None]) -> None:
        self._guard = guard
        self._layer, self._stream = ref(layer), ref(stream)
        self._store, self._frame = stream.store, stream.frame
        self.session: EditSession | None = None
        self.phase = Phase.OFF
        self.note = ""
        """Why nothing can be edited now, or what to do about it."""
        self._maker: OverlayMaker | None = None
        self._phase_after = Phase.OFF
        self._opener, self._preparer = (Background(f"zvview-edit-{n}") for n in ("open", "prepare"))
        self._turns = Turns("zvview-edit-change")
        self._under_way = 0
        self._is_behind = False
        self._worker = LatestWorker("zvview-overlay")
        self._rest = QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(weakly(self._tell))
        self._courier = Courier(self._take_overlay)
        self._follow_changes = _follower(ref(self))
        finalize(layer, _close, self._worker, self._opener, self._preparer, self._turns)

    @property
    def is_on(self) -> bool:
        """Whether what hands do to the layer is done to the store, or refused."""
        return self.phase in (Phase.WAITING, Phase.ON, Phase.SAVING)

    @property
    def is_changed(self) -> bool:
        """Whether there are edits that are not saved, or on their way."""
        return self.session is not None and (self._under_way > 0 or self.session.is_changed)

    @property
    def is_busy(self) -> bool:
        """Whether what was done to the layer is still to be done to the edits."""
        return self._under_way > 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, neither a change nor a save."""
        return not (self._turns.is_busy or self._opener.is_busy)

    @property
    def status(self) -> str:
        """For the status bar: what is not saved, and whether the layer can be edited."""
        words = {Phase.ON: "editing", Phase.SAVING: "saving", Phase.WAITING: "reading what is to be edited"}
        waits = "the last edit waits for what it needs" if self._under_way else ""
        parts = [words.get(self.phase, ""), waits, f"not saved: {self.review}" if self.is_changed else ""]
        return ", ".join(part for part in parts if part)

    @property
    def review(self) -> str:
        """What the edits come to, such as ``3 moved, 12 deleted``."""
        return "no edits" if self.session is None else str(self.session.review())

    @abstractmethod
    def start(self) -> None:
        """Begin to edit what is in view; returns at once."""

    @abstractmethod
    def stop(self) -> None:
        """Edit no longer; what is not saved stays, and is shown."""

    @abstractmethod
    def show(self, update: Update, prepared: Prepared) -> None:
        """Show what was streamed, if it fits what was edited."""

    def rest(self, update: Update) -> None:
        """All that is in view has come: what waited for it can be edited."""
        if self.phase is Phase.WAITING and self._fits(update):
            self._set_phase(Phase.ON)

    @property
    @abstractmethod
    def selection(self) -> tuple[NDArray[np.int64], Mapping[str, NDArray[Any]]]:
        """Rows of what is selected, (k,), and what they carry: (k,) values by name, those that can be set."""

    @property
    def commands(self) -> dict[str, Command]:
        """What :meth:`run` can do now, by name."""
        return {}

    def run(self, command: str) -> bool:
        """Do one of :attr:`commands` to what is selected; returns whether it was begun."""
        return False

    @abstractmethod
    def set_feature(self, name: str, rows: NDArray[np.int64], values: Any) -> bool:
        """Give what is at some rows another value of a feature; returns whether it was begun."""

    @abstractmethod
    def _make_maker(self) -> OverlayMaker:
        """What makes overlays of the store as it is now; on a thread of its own."""

    def undo(self) -> None:
        """Take the latest edit back."""
        self._change(lambda session: session.undo())

    def redo(self) -> None:
        """Make it again."""
        self._change(lambda session: session.redo())

    def discard(self) -> None:
        """Take all edits back, for good."""
        self._change(lambda session: session.discard())

    def save(self) -> None:
        """Write the edits into the store; returns at once."""
        session = self.session
        if session is None or not self.is_changed:
            show_info("there are no edits to save")
        elif self.phase in (Phase.OFF, Phase.ON):
            self._phase_after = self.phase
            self._set_phase(Phase.SAVING)
            self._turns.ask(session.commit, self._saved)

    def wait(self) -> bool:
        """Let what was done to the layer be done to the edits; gives up after a moment, and tells whether it did."""
        return self._turns.wait(_CLOSE_S)

    def close(self) -> None:
        """End the session; edits that are not saved are kept on the disk, to be offered again."""
        self.stop()
        session, self.session, self._maker = self.session, None, None
        if session is not None:
            self._turns.finish(session.close, _CLOSE_S)
        self._set_phase(Phase.OFF)

    def _change(self, change: Callable[[EditSession], object]) -> bool:
        """Change the edits when all that was asked before is done, unless they are being saved; returns at once.

        What comes of it is given to :meth:`_done`; refusals are told, and the layer shows what is so.
        """
        session = self.session
        if session is None:
            return False
        if self.phase is Phase.SAVING:
            show_info("the edits are being saved: nothing was changed")
            return False
        self._under_way += 1
        self._turns.ask(partial(change, session), self._take_change)
        return True

    def _take_change(self, outcome: object) -> None:
        self._under_way -= 1
        if isinstance(outcome, Exception):
            (show_warning if isinstance(outcome, ZvviewError) else show_error)(str(outcome))
            self._refused()
        else:
            self._done(outcome)
        if self._is_behind and not self._under_way:
            self._catch_up()
        self._tell()

    def _catch_up(self) -> None:
        """Show the store with its edits anew: what came while others were under way was passed over."""
        self._is_behind, stream = False, self._stream()
        if stream is not None:
            stream.discard_edits()

    def _done(self, outcome: object) -> None:
        """A change was made; this came of it."""
        del outcome

    @abstractmethod
    def _refused(self) -> None:
        """A change was not made, and the layer shows what is not so."""

    def _adopt(self, session: EditSession, maker: OverlayMaker) -> None:
        """Edit in this session from now on."""
        layer = self._layer()
        if layer is None:
            return
        self.session, self._maker = session, maker
        session.on_change(self._follow_changes)
        self.bind_keys(layer)
        viewer = None if (stream := self._stream()) is None else stream.viewer
        if viewer is not None:
            self._guard(viewer)
        self._ask_overlay()

    def bind_keys(self, layer: Layer) -> None:
        """Have the keys to undo, redo and save do so in another layer, too."""
        for key, action in ((_UNDO, self.undo), (_REDO, self.redo), (_SAVE, self.save)):
            layer.bind_key(key, _calls(ref(self), action.__name__), overwrite=True)

    def _offer(self, left: Sequence[SavedJournal]) -> None:
        """Ask about edits that earlier sessions left behind."""
        session = self.session
        if session is None:
            return
        for saved in left:
            when = datetime.fromisoformat(saved.since).astimezone().strftime("%x %X")
            choice = ask_left_behind(f"{self._store.place}: {review(saved.edits)}, not saved, of {when}")
            if choice is Choice.DISCARD:
                saved.remove()
            elif choice is Choice.RESTORE:
                self._phase_after = Phase.ON if self.phase is Phase.WAITING else self.phase
                self._set_phase(Phase.SAVING)
                self._turns.ask(partial(session.restore, saved), self._reloaded)
                return

    def _ask_overlay(self) -> None:
        """From any thread: lay the edits as they are now over what streams."""
        session, maker, courier = self.session, self._maker, self._courier
        if session is None or maker is None:
            return

        def work() -> None:
            try:
                courier.send(maker.overlay(session.edits))
            except ZvviewError as error:
                courier.send(error)

        self._worker.submit(work)

    def _take_overlay(self, overlay: EditOverlay | ZvviewError) -> None:
        stream = self._stream()
        if isinstance(overlay, ZvviewError):
            show_error(f"the edits cannot be shown: {overlay}")
        elif stream is not None and self.phase is not Phase.SAVING:
            stream.show_edits(overlay)
        self._tell()

    def _fits(self, update: Update) -> bool:
        """Whether an update shows the store with the edits as they are now; where some are on their way it waits."""
        if update.edits is None or self.session is None or update.edits.edits is not self.session.edits:
            return False
        self._is_behind |= self._under_way > 0
        return self._under_way == 0

    def _saved(self, answer: Any) -> None:
        stream = self._stream()
        if isinstance(answer, ConflictError):
            session = self.session
            if session is not None and ask_reload(str(answer)):
                self._turns.ask(session.reload, self._reloaded)
            else:
                self._set_phase(self._phase_after)
            return
        if isinstance(answer, BaseException):
            self._set_phase(self._phase_after)
            show_error(f"the edits were not saved, and are kept: {answer}")
            return
        show_info(f"the edits were saved{': ' if answer.note else ''}{answer.note}")
        self._begin_anew(stream)

    def _reloaded(self, answer: Any) -> None:
        stream = self._stream()
        if isinstance(answer, BaseException):
            self._set_phase(self._phase_after)
            show_error(str(answer))
        else:
            show_info(str(answer))
            self._begin_anew(stream)

    def _begin_anew(self, stream: StreamBinding | None) -> None:
        """The store is another one: read it again, and lay over it what is left of the edits."""
        if stream is None:  # the layer is gone
            self._set_phase(Phase.OFF)
            return
        stream.retry()  # before the edits are others: what comes with those is of the store as it is now
        self._opener.ask(lambda token: self._make_maker(), self._take_maker)

    def _take_maker(self, answer: OverlayMaker | ZvviewError) -> None:
        if isinstance(answer, ZvviewError):
            self._set_phase(Phase.OFF, str(answer))
            show_error(str(answer))
            return
        self._maker = answer
        self._set_phase(Phase.WAITING if self._phase_after is Phase.ON else Phase.OFF)
        self._ask_overlay()

    def _set_phase(self, phase: Phase, note: str = "") -> None:
        self.phase, self.note = phase, note
        self._tell()

    def _tell_later(self, *_: Any) -> None:
        """Others are selected; told when the tool that selects has done its work."""
        if self.is_on and not self._rest.isActive():
            self._rest.start()

    def _tell(self) -> None:
        layer = self._layer()
        if layer is not None:
            bare = layer.name.removesuffix(_MARK)
            name = bare + _MARK if self.is_changed else bare
            if layer.name != name:
                layer.name = name
        self.changed.emit()


def _follower(editing: Callable[[], Editing | None]) -> Callable[[Edits, Edits], None]:
    """Called by the session, from any thread."""

    def follow(before: Edits, after: Edits) -> None:
        found = editing()
        if found is not None:
            found._ask_overlay()

    return follow


def _calls(editing: Callable[[], Editing | None], name: str) -> Callable[[Any], None]:
    def call(layer: Any) -> None:
        found = editing()
        if found is not None:
            getattr(found, name)()

    return call


def _close(worker: LatestWorker, *tasks: Background | Turns) -> None:
    worker.close(0.0)
    for task in tasks:
        task.close()
