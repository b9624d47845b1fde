"""What handles stand for: vertices of lines, or of graphs, skeletons and meshes; and what moving them does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError, MissingError
from zvview.format import names
from zvview.store.editing.edits import VertexRefs
from zvview.store.editing.identity import take_refs
from zvview.store.editing.session import EditSession

__all__ = ["HandleTool", "LineHandles", "VertexHandles", "handles_of"]

MOST_HANDLES = 100_000


class HandleTool(ABC):
    """The vertices of some objects, in the order of their handles.

    Attributes
    ----------
    positions : (n, D) float64 array
        World coordinates.
    object_ids : (n,) int64 array
    attributes : mapping of str to (n,) or (n, C) array
    """

    positions: NDArray[np.float64]
    object_ids: NDArray[np.int64]
    attributes: Mapping[str, NDArray[Any]]

    def __init__(self, session: EditSession, ids: tuple[int, ...]) -> None:
        self.session, self.ids = session, ids
        self.load()

    @abstractmethod
    def load(self) -> None:
        """Take the vertices from the session, as they are now; objects that are no more are left out.

        Raises
        ------
        InvalidInputError
            They are more than can be handles.
        """

    @abstractmethod
    def move(self, rows: NDArray[np.int64], positions: NDArray[np.float64]) -> None:
        """Put vertices elsewhere."""

    @abstractmethod
    def delete(self, rows: NDArray[np.int64]) -> None:
        """Delete vertices."""

    @abstractmethod
    def add(self, position: NDArray[np.float64], selected: NDArray[np.int64]) -> None:
        """Add a vertex where it belongs by its place, (D,), or by what is selected."""

    @abstractmethod
    def set_values(self, name: str, rows: NDArray[np.int64], values: Any) -> None:
        """Give vertices another value of an attribute."""

    def commands(self) -> dict[str, str]:
        """What else can be done to vertices that are selected: names of methods that take their rows, with titles."""
        return {"delete_objects": "Delete object"}

    def delete_objects(self, rows: NDArray[np.int64]) -> None:
        """Delete the objects of the selected vertices, of all where none is selected."""
        self.session.delete_objects(self._objects_at(rows))
        self.load()

    def _objects_at(self, rows: NDArray[np.int64]) -> list[int]:
        """Objects of the selected vertices; all where none is selected."""
        if not len(rows):
            return list(self.ids)
        found = set(self.object_ids[rows].tolist())
        return [number for number in self.ids if number in found]

    def _check_count(self, count: int) -> None:
        if count > MOST_HANDLES:
            raise InvalidInputError(f"{count:,} vertices are too many for handles; {MOST_HANDLES:,} are the most")


class LineHandles(HandleTool):
    """Vertices of lines, polylines and streamlines."""

    def load(self) -> None:
        """Take the vertices from the session, as they are now."""
        found = []
        for number in self.ids:
            with suppress(MissingError, InvalidInputError):  # it was deleted, or its making was undone
                found.append(self.session.line(number))
        self.ids = tuple(line.object_id for line in found)
        counts = [len(line) for line in found]
        self._check_count(sum(counts))
        empty = np.empty((0, self.session.schema.ndim))
        self.positions = np.concatenate([empty, *(line.positions for line in found)])
        self.object_ids = np.repeat(np.array(self.ids, np.int64), counts)
        self._rows = np.concatenate([np.empty(0, np.int64), *(np.arange(count) for count in counts)])
        columns = self.session.schema.columns
        self.attributes = {name: np.concatenate([line.attributes[name] for line in found]) for name in columns if found}

    def move(self, rows: NDArray[np.int64], positions: NDArray[np.float64]) -> None:
        """Put vertices elsewhere."""
        for number in self._objects_at(rows):
            mine = self.object_ids[rows] == number
            self.session.move_line_vertices(number, self._rows[rows[mine]], positions[mine])
        self.load()

    def delete(self, rows: NDArray[np.int64]) -> None:
        """Delete vertices: their neighbours are joined."""
        for number in self._objects_at(rows):
            self.session.delete_line_vertices(number, self._rows[rows[self.object_ids[rows] == number]])
        self.load()

    def add(self, position: NDArray[np.float64], selected: NDArray[np.int64]) -> None:
        """In the segment that is nearest; at an end where that is nearer than any place of the line."""
        number, before = self._place_of(position)
        self.session.insert_line_vertices(number, [before], position[None])
        self.load()

    def set_values(self, name: str, rows: NDArray[np.int64], values: Any) -> None:
        """Give vertices another value of an attribute."""
        given = np.broadcast_to(np.asarray(values), (len(rows),))
        for number in self._objects_at(rows):
            mine = self.object_ids[rows] == number
            self.session.set_line_attributes(number, {name: given[mine]}, self._rows[rows[mine]])
        self.load()

    def commands(self) -> dict[str, str]:
        """What else can be done, with titles."""
        return {
            "split": "Split line",
            "join": "Join lines",
            "reverse": "Reverse line",
            **super().commands(),
        }

    def split(self, rows: NDArray[np.int64]) -> None:
        """Split a line at the vertex that is selected."""
        if len(rows) != 1:
            raise InvalidInputError("select the one vertex at which the line is to be split")
        new = self.session.split_line(int(self.object_ids[rows[0]]), int(self._rows[rows[0]]))
        self.ids = (*self.ids, new)
        self.load()

    def join(self, rows: NDArray[np.int64]) -> None:
        """Make one line of those chosen, in the order in which they were."""
        if len(self.ids) < 2:
            raise InvalidInputError("choose two lines or more: hold Shift and click on them")
        self.ids = (self.session.join_lines(list(self.ids)),)
        self.load()

    def reverse(self, rows: NDArray[np.int64]) -> None:
        """Have the lines of the selected vertices begin at their other ends."""
        for number in self._objects_at(rows):
            self.session.reverse_line(number)
        self.load()

    def _place_of(self, position: NDArray[np.float64]) -> tuple[int, int]:
        """The line and the row before which a new vertex belongs."""
        if not len(self.positions):
            raise InvalidInputError("choose a line first: click on it")
        joined = np.flatnonzero(self.object_ids[1:] == self.object_ids[:-1])
        start, step = self.positions[joined], self.positions[joined + 1] - self.positions[joined]
        length = np.maximum((step**2).sum(axis=1), 1e-300)
        share = ((position - start) * step).sum(axis=1) / length
        inside = start + np.clip(share, 0, 1)[:, None] * step
        nearest = int(((inside - position) ** 2).sum(axis=1).argmin())
        row = int(joined[nearest])
        number, at = int(self.object_ids[row]), int(self._rows[row])
        count = int((self.object_ids == number).sum())
        if share[nearest] <= 0 and at == 0:
            return number, 0
        return number, count if share[nearest] >= 1 and at == count - 2 else at + 1


class VertexHandles(HandleTool):
    """Nodes of graphs and skeletons, vertices of meshes."""

    refs: VertexRefs

    def load(self) -> None:
        """Take the vertices from the session, as they are now."""
        try:
            found = self.session.vertices_of(list(self.ids))
        except MissingError:  # the making of one was undone
            self.ids = tuple(number for number in self.ids if self._is_there(number))
            found = self.session.vertices_of(list(self.ids))
        self._check_count(len(found))
        assert found.object_ids is not None
        self.refs, self.positions, self.object_ids = found.refs, found.positions, found.object_ids
        self.attributes, self._links = found.attributes, found.links
        self.ids = tuple(number for number in self.ids if number in set(found.object_ids.tolist()))

    def move(self, rows: NDArray[np.int64], positions: NDArray[np.float64]) -> None:
        """Put vertices elsewhere."""
        self.session.move(take_refs(self.refs, rows), positions)
        self.positions = self.positions.copy()
        self.positions[rows] = positions

    def delete(self, rows: NDArray[np.int64]) -> None:
        """Delete vertices, and with them their edges and faces."""
        self.session.delete(take_refs(self.refs, rows))
        self.load()

    def add(self, position: NDArray[np.float64], selected: NDArray[np.int64]) -> None:
        """A new node on the selected one, else on the one that is nearest."""
        if self.session.schema.kind == names.MESH:
            raise InvalidInputError("a vertex alone is no part of a mesh: faces come with the vertices that they join")
        if not len(self.positions):
            raise InvalidInputError("choose an object first: click on it")
        nearest = int(((self.positions - position) ** 2).sum(axis=1).argmin())
        parent = int(selected[0]) if len(selected) == 1 else nearest
        self.session.add_branch(take_refs(self.refs, np.array([parent])), position[None])
        self.load()

    def set_values(self, name: str, rows: NDArray[np.int64], values: Any) -> None:
        """Give vertices another value of an attribute."""
        self.session.set_attributes(take_refs(self.refs, rows), {name: values})
        self.load()

    def commands(self) -> dict[str, str]:
        """What else can be done, with titles."""
        kind = self.session.schema.kind
        if kind == names.MESH:
            own = {"delete_faces": "Delete faces", "split_off": "Split off"}
        else:
            own = {"connect": "Connect", "cut": "Cut", "split_off": "Split off"}
            if kind == names.SKELETON:
                del own["split_off"]
        return {**own, **super().commands()}

    def connect(self, rows: NDArray[np.int64]) -> None:
        """Join two nodes by an edge; of a skeleton the tree of one hangs on the other from now on."""
        one, other = self._two(rows)
        self.session.connect(one, other)
        self.load()

    def cut(self, rows: NDArray[np.int64]) -> None:
        """Take the edge between two nodes away; of a skeleton that from one node to its parent, if one is selected."""
        if self.session.schema.kind == names.SKELETON and len(rows) == 1:
            new = self.session.cut(take_refs(self.refs, rows))
        else:
            new = self.session.cut(*self._two(rows))
        self.ids = self.ids if new is None else (*self.ids, new)
        self.load()

    def split_off(self, rows: NDArray[np.int64]) -> None:
        """Make the selected vertices an object of their own."""
        self.ids = (*self.ids, self.session.split_object(take_refs(self.refs, rows)))
        self.load()

    def delete_faces(self, rows: NDArray[np.int64]) -> None:
        """Delete the faces of which all corners are selected."""
        chosen = np.zeros(len(self.positions), bool)
        chosen[rows] = True
        faces = self._links[chosen[self._links].all(axis=1)]
        if not len(faces):
            raise InvalidInputError("select all corners of the faces that are to be deleted")
        self.session.delete_faces(take_refs(self.refs, faces.reshape(-1)))
        self.load()

    def _two(self, rows: NDArray[np.int64]) -> tuple[VertexRefs, VertexRefs]:
        if len(rows) != 2:
            raise InvalidInputError("select two vertices")
        return take_refs(self.refs, rows[:1]), take_refs(self.refs, rows[1:])

    def _is_there(self, number: int) -> bool:
        try:
            self.session.vertices_of(number)
        except MissingError:
            return False
        return True


def handles_of(session: EditSession, ids: tuple[int, ...]) -> HandleTool:
    """The handles of some objects; reads them.

    Raises
    ------
    ZvviewError
        One of them cannot be read, or they have too many vertices.
    """
    return (LineHandles if session.schema.is_lines else VertexHandles)(session, ids)
