"""Lines of a plane edited as Shapes: what napari's tools did to them becomes edits of the store that they came from."""

from __future__ import annotations

from typing import Any
from weakref import ref

import numpy as np
from napari.layers import Layer, Shapes
from napari.utils.notifications import show_info, show_warning
from numpy.typing import NDArray

from zvview.errors import InvalidInputError, ZvviewError
from zvview.napari.editing.attaching import editing_of
from zvview.napari.editing.editing import Phase
from zvview.napari.editing.handles import HandleEditing

__all__ = ["ShapesFollower", "follow_shapes"]

_CLOSED = ("polygon", "rectangle")
_OPEN = ("path", "line")


class ShapesFollower:
    """Keeps the edits of a store in step with a ``Shapes`` layer; on the thread of the window.

    Shapes are told apart by their feature ``id``: one without, or with that of another one, was drawn or pasted.

    Parameters
    ----------
    shapes : Shapes
        Held weakly; as it was made of the lines of the store.
    editing : HandleEditing
        Of the layer that shows the store; it begins when it has not.
    """

    def __init__(self, shapes: Shapes, editing: HandleEditing) -> None:
        self._shapes, self._editing = ref(shapes), editing
        self._known = {int(i): np.array(d) for i, d in zip(shapes.features["id"], shapes.data, strict=True) if i >= 0}
        shapes.events.data.connect(self._follow)
        editing.followers.append(self)
        editing.start()

    def follow(self) -> None:
        """Bring the edits into step with the shapes; done before they are saved, since a paste tells nobody.

        Raises
        ------
        ZvviewError
            A shape cannot be a line of the store.
        """
        shapes, session = self._shapes(), self._editing.session
        if shapes is None or session is None:
            return
        seen: set[int] = set()
        ids = shapes.features["id"].to_numpy().astype(np.int64, copy=True)
        for row, (data, kind) in enumerate(zip(shapes.data, shapes.shape_type, strict=True)):
            number = int(ids[row])
            if number < 0 or number in seen or number not in self._known:
                number = session.add_line(self._line_of(data, str(kind)))
                shapes.features.loc[row, "id"] = number
            elif not np.array_equal(self._known[number], data):
                session.set_line(number, self._line_of(data, str(kind)))
            self._known[number] = np.array(data)
            seen.add(number)
        gone = [number for number in self._known if number not in seen]
        if gone:
            session.delete_objects(gone)
            for number in gone:
                del self._known[number]

    def let_go(self) -> None:
        """The edits went where the shapes did not: they are a drawing of their own from now on."""
        shapes = self._shapes()
        if self in self._editing.followers:
            self._editing.followers.remove(self)
        if shapes is not None:
            shapes.events.data.disconnect(self._follow)
            show_info(f"{shapes.name} shows what was edited before; open the lines as Shapes again to edit them")

    def _follow(self, event: Any) -> None:
        if str(getattr(event, "action", "")) not in ("added", "changed", "removed"):
            return
        if self._editing.phase is not Phase.ON:
            show_warning(self._editing.note or "the store is being read or saved: the change is taken over afterwards")
            return
        try:
            self.follow()
        except ZvviewError as error:
            show_warning(str(error))
        self._editing.tell()

    def _line_of(self, data: NDArray[np.floating], kind: str) -> NDArray[np.float64]:
        """A shape as a line in the store's coordinates, closed if it is an area."""
        if kind not in (*_CLOSED, *_OPEN):
            raise InvalidInputError(f"an {kind} has no vertices: draw a polygon or a path")
        places = np.concatenate((data, data[:1])) if kind in _CLOSED else np.asarray(data)
        return self._editing.frame.to_store(places)


def follow_shapes(shapes: Shapes, layer: Layer) -> None:
    """Have what is done to `shapes`, made of the lines that `layer` streams, done to their store."""
    editing = editing_of(layer)
    if isinstance(editing, HandleEditing):
        ShapesFollower(shapes, editing)
