"""Lines of a plane edited as Shapes: what napari's tools did to them becomes edits of the store that they came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np
from napari.layers import Layer, Shapes
from napari.utils.notifications import show_warning
from numpy.typing import NDArray

from zvview.napari.courier import Courier
from zvview.napari.editing.attaching import editing_of
from zvview.napari.editing.editing import Phase
from zvview.napari.editing.handles import HandleEditing
from zvview.napari.editing.line_changes import Changed, Drawn, Found, LineChanges, Named
from zvview.napari.editing.promises import Promises
from zvview.napari.editing.shape_rows import CLOSED, NAME, OPEN, ShapeLooks, Shown, read_names, rename, show_again
from zvview.store.editing.session import EditSession

__all__ = ["ShapesFollower", "follow_shapes"]

_DOING = ("adding", "changing", "removing")
_DONE = ("added", "changed", "removed")
_ELLIPSE = "an ellipse has no vertices: draw a polygon or a path"
_AFTERWARDS = "the store is being read or saved: the change is taken over afterwards"
_LATER = {Phase.OFF: "the lines are not edited any more: the change is taken over when they are again"}
_STRANGER = "the line is part of no object that has an id of 0 or more: it is edited in Python only"


class ShapesFollower:
    """Keeps the edits of a store and a ``Shapes`` layer in step; on the thread of the window.

    Shapes are told apart by their feature ``id``: one without, or with that of another one, was drawn or pasted. What
    hands did is shown at once and asked of the edits; what cannot be done is taken back when it is their turn, and so
    is shown what others did to the lines, such as undo.

    Parameters
    ----------
    shapes : Shapes
        Held weakly; as it was made of the lines of the store.
    editing : HandleEditing
        Of the layer that shows the store; it begins when it has not.
    """

    def __init__(self, shapes: Shapes, editing: HandleEditing) -> None:
        self._shapes, self._editing = ref(shapes), editing
        courier = Courier(self._hear)
        self._courier, self._lines, self._looks = courier, LineChanges(courier.send), ShapeLooks()
        self._session: EditSession | None = None
        self._end: Callable[[], None] | None = None
        self._gone: set[int] = set()
        self._asked: set[int] = set()
        """Names of what changes are under way of."""
        self._doubted: set[int] = set()
        """Names of what may be otherwise than it is shown."""
        self._count = self._looked_at = 0
        self._names: set[int] = set()
        """Names that were asked about, when :attr:`_count` was :attr:`_looked_at`."""
        self._is_looking = self._is_at_work = self._is_showing = self._is_behind = False
        self._known, self._strangers = _know(shapes, self._lines.promises)
        shapes.events.data.connect(self._follow)
        shapes.events.features.connect(self._follow)
        editing.bind_keys(shapes)
        editing.followers.append(self)
        editing.changed.connect(self._catch_up)
        editing.start()
        self._catch_up()

    @property
    def is_behind(self) -> bool:
        """Whether hands did something that was not asked for yet: the store is being read or saved."""
        return self._is_behind

    def follow(self) -> None:
        """Ask for what brings the edits into step with the shapes; done before they are saved, too."""
        shapes = self._shapes()
        if shapes is None or self._editing.session is None or NAME not in shapes.features:
            return
        self._is_behind = False
        names = read_names(shapes, self._known)
        seen: set[int] = set()
        moved: list[Drawn] = []
        added: tuple[list[Drawn], list[Drawn]] = ([], [])
        problems: dict[int, str] = {}
        for row, (data, kind) in enumerate(zip(shapes.data, shapes.shape_type, strict=True)):
            if self._is_at_work and row == len(names) - 1 and names[row] == -1:
                continue  # it is being drawn
            name = int(names[row])
            known = self._known.get(name)
            is_new = known is None or name in seen
            if not is_new and known is not None and known.is_like(data, kind):
                seen.add(name)
                continue
            if is_new:
                source, name = (name if name != -1 else None), int(self._lines.promises.give(1)[0])
                shapes.features.loc[row, NAME] = name
            self._asked.add(name)
            seen.add(name)
            self._known[name] = shown = Shown.of(data, kind)
            if shown.type not in (*CLOSED, *OPEN):
                problems[name] = _ELLIPSE
            elif name in self._strangers:
                problems[name] = _STRANGER
            elif is_new or known is None:
                beside = self._nearest(shown, seen) if source is None else None
                added[source is not None].append(Drawn(name, self._places(shown), source=source, beside=beside))
            else:
                before = None if known.type not in (*CLOSED, *OPEN) else self._places(known)
                moved.append(Drawn(name, self._places(shown), before))
        gone = [name for name in self._known if name not in seen]
        for name in gone:
            del self._known[name]
        self._gone.update(gone)
        self._asked.update(gone)
        problems |= {name: _STRANGER for name in gone if name in self._strangers}
        for drawn, change in ((moved, self._lines.set), *((new, self._lines.add) for new in added)):
            if drawn:
                self._ask(change(drawn))
        if gone := [name for name in gone if name not in problems]:
            self._ask(self._lines.delete(gone))
        for problem in set(problems.values()):
            show_warning(problem)
        self._doubted |= problems.keys()
        self._look()

    def made(self, value: object) -> None:
        """A change was made, of this or of another one."""
        shapes = self._shapes()
        if not isinstance(value, Named) or shapes is None:
            return
        names = dict(zip(value.promised.tolist(), value.ids.tolist(), strict=True))
        self._rename(shapes, {old: new for old, new in names.items() if old in self._known or old in self._gone})

    def refused(self) -> None:
        """A change was not made, of this or of another one: all that is under way may be shown otherwise than it is."""
        self._doubted |= self._asked

    def _ask(self, change: Callable[[EditSession], object]) -> None:
        self._count += 1
        self._editing.change(change)

    def _follow(self, event: Any) -> None:
        """Something was done to the shapes, or is being done."""
        action, shapes = str(getattr(event, "action", "")), self._shapes()
        if self._is_showing or shapes is None or (self._is_at_work and action not in (*_DOING, *_DONE)):
            return
        if action in _DOING:
            self._is_at_work = True
            if action == "removing":
                self._looks.note(shapes, np.asarray(event.data_indices, np.int64))
            return
        if action in _DONE:
            self._is_at_work = False
        if self._editing.phase is Phase.ON:
            self.follow()
        elif action in _DONE:
            self._is_behind = True
            show_warning(self._editing.note or _LATER.get(self._editing.phase, _AFTERWARDS))

    def _catch_up(self) -> None:
        """The edits, or what can be done to them, are others."""
        shapes, session = self._shapes(), self._editing.session
        if shapes is None:
            self._let_go()
            return
        if session is not self._session:
            self._meet(session)
        if self._is_behind and self._editing.phase is Phase.ON:
            self.follow()
        self._look()

    def _let_go(self) -> None:
        """The shapes are no more."""
        self._meet(None)
        if self in self._editing.followers:
            self._editing.followers.remove(self)
            self._editing.changed.disconnect(self._catch_up)

    def _meet(self, session: EditSession | None) -> None:
        """Follow the edits of this session from now on."""
        if self._end is not None:
            self._end()
        self._session, self._end = session, None
        if session is not None:
            self._end = session.on_change(self._lines.follow)
            edits = session.edits
            self._doubted |= (edits.lines.keys() & self._known.keys()) | (edits.lines.keys() & edits.new_objects)

    def _hear(self, changed: Changed) -> None:
        """Others changed lines."""
        self._doubted |= (changed.ids & (self._known.keys() | self._gone)) | changed.new
        self._look()

    def _look(self) -> None:
        """Ask how lines are that may be shown otherwise, when no changes are under way any more."""
        if self._editing.is_busy or self._is_looking or self._is_at_work or self._editing.session is None:
            return
        if not self._doubted:
            self._asked.clear()
            return
        names, self._doubted = self._doubted, set()
        self._is_looking, self._looked_at, self._names = True, self._count, names
        self._editing.ask(self._lines.find({name: self._shown_places(name) for name in names}), self._found)

    def _found(self, answer: list[Found] | Exception) -> None:
        """Show lines as they are, unless hands changed some meanwhile: then they are asked about once more."""
        self._is_looking, shapes = False, self._shapes()
        if shapes is None:
            return
        if isinstance(answer, Exception):
            show_warning(f"{shapes.name} may not show the lines as they are: {answer}")
            return
        if self._is_at_work or self._editing.is_busy or self._count != self._looked_at:
            self._doubted |= self._names
            self._look()
            return
        self._rename(shapes, {f.name: f.object_id for f in answer if f.object_id is not None and f.name != f.object_id})
        wanted: dict[int, Shown | None] = {}
        for found in answer:
            name = found.name if found.object_id is None else found.object_id
            known = self._known.get(name)
            if name in self._strangers:
                wanted[name] = self._strangers[name]
            elif found.places is not None and not found.is_shown:
                ring = found.places[:, list(self._editing.frame.order)] - self._editing.frame.origin
                wanted[name] = (Shown(ring, OPEN[0]) if known is None else known).with_ring(ring)
            elif found.places is None and known is not None:
                wanted[name] = None
        if wanted:
            self._show(shapes, wanted)
        else:
            self._look()

    def _show(self, shapes: Shapes, wanted: dict[int, Shown | None]) -> None:
        """Show lines, given by name, as they are; None of those that are no more."""
        for name in wanted:  # what is taken away is not deleted by hands
            self._known.pop(name, None)
            self._gone.add(name)
        self._is_showing = True
        try:
            rows = show_again(shapes, self._looks, wanted)
        except ValueError:  # napari fails in this case
            self._doubted |= wanted.keys()
            show_warning(f"{shapes.name}: shapes of a plane can be put back in a 2-D view only; go there, and edit on")
            return
        finally:
            self._is_showing = False
        data, types = shapes.data, shapes.shape_type
        for name, row in rows.items():
            self._known[name] = Shown.of(data[row], types[row])
            self._gone.discard(name)
        self._look()

    def _rename(self, shapes: Shapes, names: dict[int, int]) -> None:
        if not names:
            return
        rename(shapes, names)
        self._looks.rename(names)
        self._known = {names.get(name, name): shown for name, shown in self._known.items()}
        for known in (self._gone, self._asked, self._doubted):
            known |= {new for old, new in names.items() if old in known}
            known -= names.keys()

    def _nearest(self, shown: Shown, others: set[int]) -> int | None:
        """Which of the lines among `others` has a vertex nearest to a shape; asked only where something needs it."""
        session = self._editing.session
        if session is None or not session.schema.must_be_given:
            return None
        centre = shown.data.mean(axis=0)
        known = [name for name in others if self._known[name] is not shown and name not in self._strangers]
        distances = [((self._known[name].data - centre) ** 2).sum(axis=1).min() for name in known]
        return known[int(np.argmin(distances))] if known else None

    def _shown_places(self, name: int) -> NDArray[np.float64] | None:
        shown = self._known.get(name)
        return None if shown is None or shown.type not in (*CLOSED, *OPEN) else self._places(shown)

    def _places(self, shown: Shown) -> NDArray[np.float64]:
        """A shape as a line in the store's coordinates."""
        return self._editing.frame.to_store(shown.ring)


def _know(shapes: Shapes, promises: Promises) -> tuple[dict[int, Shown], dict[int, Shown]]:
    """All shapes by name, and those among them that are of no object: they get names that nothing is called by."""
    names = shapes.features[NAME].to_numpy().astype(np.int64)
    is_strange = (names == -1) & (names != -1).any()
    names[is_strange] = promises.give(int(is_strange.sum()))
    for row in np.flatnonzero(is_strange).tolist():
        shapes.features.loc[row, NAME] = names[row]
    parts = zip(names.tolist(), shapes.data, shapes.shape_type, strict=True)
    known = {name: Shown.of(data, kind) for name, data, kind in parts if name != -1}
    return known, {name: known[name] for name in names[is_strange].tolist()}


def follow_shapes(shapes: Shapes, layer: Layer) -> None:
    """Have what is done to `shapes`, made of the lines that `layer` streams, done to their store."""
    editing = editing_of(layer)
    if isinstance(editing, HandleEditing):
        ShapesFollower(shapes, editing)
