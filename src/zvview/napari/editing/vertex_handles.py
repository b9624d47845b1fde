"""Handles of nodes of graphs and skeletons, and of vertices of meshes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError, MissingError
from zvview.format import names
from zvview.napari.editing.command import Command
from zvview.napari.editing.faces import faces_over
from zvview.napari.editing.handle_tools import HandleTool
from zvview.napari.editing.nearest import nearest_rows
from zvview.store.editing.edits import VertexRefs
from zvview.store.editing.identity import find_refs, join_refs, take_refs

__all__ = ["Piece", "VertexHandles"]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Vertices that were copied, with the links among them.

    Attributes
    ----------
    positions : (n, D) float64 array
        World coordinates.
    object_ids : (n,) int64 array
    attributes : mapping of str to (n,) or (n, C) array
    links : (m, L) int64 array
        Edges or faces as rows of the positions; (child, parent) of skeletons.
    """

    positions: NDArray[np.float64]
    object_ids: NDArray[np.int64]
    attributes: Mapping[str, NDArray[Any]]
    links: NDArray[np.int64]

    def take(self, kept: NDArray[np.bool_]) -> Piece:
        """Some of the vertices, with the links that have all their ends among them."""
        place = np.where(kept, np.cumsum(kept) - 1, -1)
        links = place[self.links]
        values = {name: column[kept] for name, column in self.attributes.items()}
        return Piece(self.positions[kept], self.object_ids[kept], values, links[(links >= 0).all(axis=1)])


class VertexHandles(HandleTool):
    """Nodes of graphs and skeletons, vertices of meshes."""

    refs: VertexRefs
    _is_latest = True

    def after(self, latest: HandleTool) -> Self:
        """A copy to be changed; its rows name the same vertices whatever was done since."""
        out = super().after(latest)
        out._is_latest = latest is self
        return out

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
        present = set(found.object_ids.tolist())
        self.ids = tuple(number for number in self.ids if number in present)

    def move(self, rows: NDArray[np.int64], positions: NDArray[np.float64]) -> None:
        """Put vertices elsewhere."""
        self.session.move(take_refs(self.refs, rows), positions)
        if self._is_latest:
            self.positions = self.positions.copy()
            self.positions[rows] = positions
        else:
            self.load()

    def delete(self, rows: NDArray[np.int64]) -> None:
        """Delete vertices, and with them their edges and faces."""
        self.session.delete(take_refs(self.refs, rows))
        self.load()

    def add(self, position: NDArray[np.float64], selected: NDArray[np.int64]) -> None:
        """A new node on the selected one, else on the one that is nearest; of a mesh a corner for faces to come.

        Categories that cannot be left open are those of that one.
        """
        if not len(self.positions):
            raise InvalidInputError("choose an object first: click on it")
        beside = int(selected[0]) if len(selected) == 1 else int(nearest_rows(self.positions, position[None])[0])
        values = {name: self.attributes[name][[beside]] for name in self.session.schema.must_be_given}
        if self.session.schema.kind == names.MESH:
            self.session.add(position[None], values, self.object_ids[[beside]])
        else:
            self.session.add_branch(take_refs(self.refs, np.array([beside])), position[None], values)
        self.load()

    def set_values(self, name: str, rows: NDArray[np.int64], values: Any) -> None:
        """Give vertices another value of an attribute."""
        self.session.set_attributes(take_refs(self.refs, rows), {name: values})
        self.load()

    def commands(self) -> dict[str, Command]:
        """What else can be done."""
        kind = self.session.schema.kind
        own = {
            "connect": Command("Connect", "J"),
            "cut": Command("Cut", "X"),
            "add_face": Command("Add face", "F"),
            "delete_faces": Command("Delete faces", "Shift-F"),
            "split_off": Command("Split off", "O"),
            "copy": Command("Copy", "Control-C"),
            "paste": Command("Paste", "Control-V"),
        }
        absent = {"connect", "cut"} if kind == names.MESH else {"add_face", "delete_faces"}
        if kind == names.SKELETON:
            absent.add("split_off")
        return {**{name: command for name, command in own.items() if name not in absent}, **super().commands()}

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

    def add_face(self, rows: NDArray[np.int64]) -> None:
        """Lay a face over the selected corners, or two triangles over four."""
        if len(np.unique(self.object_ids[rows])) > 1:
            raise InvalidInputError("the corners of a face are of one object")
        faces = faces_over(rows, self.positions, self._links)
        self.session.add_faces(take_refs(self.refs, faces.reshape(-1)))
        self.load()

    def piece(self, rows: NDArray[np.int64]) -> Piece:
        """A copy of the selected vertices, with the links among them."""
        chosen = np.zeros(len(self.positions), bool)
        chosen[rows] = True
        return Piece(self.positions, self.object_ids, self.attributes, self._links).take(chosen)

    def put(self, piece: Piece) -> None:
        """Add the vertices and links of a piece: to the objects that it is of, or as trees of their own."""
        paste = self.session.paste
        if self.session.schema.kind == names.SKELETON:
            trees = [piece.take(piece.object_ids == number) for number in np.unique(piece.object_ids).tolist()]
            fresh = join_refs([paste(tree.positions, tree.links, tree.attributes) for tree in trees])
        else:
            fresh = paste(piece.positions, piece.links, piece.attributes, piece.object_ids)
        owner = self.session.look_up(fresh).object_ids
        assert owner is not None
        self.ids = tuple(dict.fromkeys((*self.ids, *owner.tolist())))
        self.load()
        at = find_refs(self.refs, fresh)
        self.fresh = at[at >= 0]

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
