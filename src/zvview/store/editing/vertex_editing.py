"""Operations of an edit session on vertices, one by one or a selection at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError, MissingError, UnsupportedError
from zvview.format import names
from zvview.format.grid import chunks_in_box, sort_chunks
from zvview.format.sequences import distinct
from zvview.geometry.arguments import as_array, as_box
from zvview.store.editing.edits import Edits, VertexRefs
from zvview.store.editing.identity import RefTable, find_refs, take_refs
from zvview.store.editing.link_operations import add_links, drop_links_of
from zvview.store.editing.selection import Selection
from zvview.store.editing.state import EditState, operation, stored_chunks
from zvview.store.editing.vertex_operations import (
    add_vertices,
    delete_vertices,
    forget_emptied,
    move_vertices,
    reassign_vertices,
    set_column,
)
from zvview.store.editing.vertices import Vertices, take_vertices
from zvview.store.reading.object_table import as_object_ids

__all__ = ["VertexEditing"]


class VertexEditing(EditState):
    """Finding, moving, adding and deleting vertices, and setting their attributes."""

    def find(self, box: tuple[ArrayLike, ArrayLike] | None = None) -> Selection:
        """The vertices in a box, as they are now, new ones included.

        Parameters
        ----------
        box : (lo, hi), optional
            Inclusive corners, each (D,), in world coordinates; all vertices of the store by default.
        """
        self._refuse_lines("find_lines")
        reader = self._host.reader(0)
        chunks = reader.layout.vertices.chunks
        if box is None:
            return self._select(self._without_far_ends(self._read(chunks), chunks))
        lo, hi = as_box(box, "box", self.schema.ndim)
        lo, hi = lo - self.schema.offset, hi - self.schema.offset
        chunks = chunks[chunks_in_box(chunks, reader.layout.metadata.chunk_shape, lo, hi)]
        moved = [key for key, entry in self.edits.chunks.items() if entry.is_moved.any()]
        if moved:
            chunks = sort_chunks(np.concatenate((chunks, np.array(moved, np.int64))))
        found = self._read(chunks)
        inside = np.asarray(((found.positions >= lo) & (found.positions <= hi)).all(axis=1))
        return self._select(self._without_far_ends(found, chunks, inside))

    def vertices_of(self, ids: int | ArrayLike) -> Selection:
        """The vertices of one object, or of several, as they are now.

        Raises
        ------
        MissingError
            There is no such object.
        """
        self._refuse_lines("line")
        return self._select(self._of_objects(as_object_ids(ids)))

    def look_up(self, vertices: VertexRefs | Selection) -> Selection:
        """The very vertices, as they are now; deleted ones are left out."""
        self._refuse_lines("line")
        refs = self._refs_of(vertices)
        found = self._read(stored_chunks(refs))
        at = find_refs(found.refs, refs)
        return self._select(found).take(at[at >= 0])

    @operation
    def move(self, vertices: VertexRefs | Selection, positions: ArrayLike) -> None:
        """Put vertices at other positions, (n, D), in world coordinates.

        A coordinate that is the one the vertex has stays as it is stored, bit for bit.
        """
        self._refuse_lines("move_line_vertices")
        refs = self._refs_of(vertices)
        stored = self.schema.stored_positions(positions)
        if len(stored) != len(refs):
            raise InvalidInputError(f"{len(stored)} positions for {len(refs)} vertices")
        if self.schema.offset.any():
            found = self._read(stored_chunks(refs))
            at = find_refs(found.refs, refs)
            before = stored.copy()
            before[at >= 0] = found.positions[at[at >= 0]]
            stored = self.schema.keep_unmoved(stored, positions, before)
        self._do(move_vertices(self.edits, refs, stored))

    @operation
    def add(
        self,
        positions: ArrayLike,
        attributes: Mapping[str, ArrayLike] | None = None,
        object_ids: ArrayLike | None = None,
    ) -> VertexRefs:
        """Make new vertices.

        Parameters
        ----------
        positions : (n, D) array
            World coordinates.
        attributes : mapping of str to (n,) or (n, C) array, optional
            One value stands for all. Attributes that are not named are unknown: not a number, "missing", or zero.
            Categories that have no "missing" must be named.
        object_ids : int or (n,) ints, optional
            Objects that they belong to; by default one new object, where the store has objects.

        Returns
        -------
        VertexRefs
            What they are called.
        """
        self._refuse_lines("add_line")
        edits, refs = self._with_vertices(self.edits, positions, attributes, object_ids)
        self._do(edits)
        return self._named(refs)

    @operation
    def delete(self, vertices: VertexRefs | Selection) -> None:
        """Delete vertices with their edges and faces; children of a skeleton's node go over to its parent."""
        self._refuse_lines("delete_line_vertices")
        refs = self._refs_of(vertices)
        edits = self.edits
        if self.schema.kind == names.SKELETON:
            edits = self._with_heirs(edits, refs)
        edits = drop_links_of(delete_vertices(edits, refs, self.schema.ndim), refs)
        self._do(forget_emptied(edits, edits.new_objects))

    @operation
    def set_attributes(self, vertices: VertexRefs | Selection, values: Mapping[str, ArrayLike]) -> None:
        """Set attributes of vertices; one value stands for all. Categories are given as labels or as codes."""
        self._refuse_lines("set_line_attributes")
        refs, edits = self._refs_of(vertices), self.edits
        for name, given in values.items():
            edits = set_column(edits, refs, name, self.schema.fit_column(name, given, len(refs)), self.schema.ndim)
        self._do(edits)

    @operation
    def reassign(self, vertices: VertexRefs | Selection, object_ids: int | ArrayLike) -> None:
        """Make vertices part of another object, or each of the one given; ids that there are not are new objects."""
        self._refuse_lines("relabel_object")
        self._need_objects()
        refs = self._refs_of(vertices)
        ids = self._fit_ids(object_ids, len(refs))
        edits = reassign_vertices(self._with_new_ids(self.edits, ids), refs, ids, self.schema.ndim)
        self._do(forget_emptied(edits, edits.new_objects))

    def _with_vertices(
        self,
        edits: Edits,
        positions: ArrayLike,
        attributes: Mapping[str, ArrayLike] | None,
        object_ids: ArrayLike | None,
    ) -> tuple[Edits, VertexRefs]:
        if self.schema.sid_ndim != self.schema.ndim:
            raise UnsupportedError(
                f"the chunks of {self._host.place} are split by an attribute, of which new vertices have no value: "
                "'zvview convert' makes a store that can be edited in every way"
            )
        stored = self.schema.stored_positions(positions)
        columns = self.schema.fit_columns(attributes, len(stored))
        objects = None
        if self.schema.has_objects:
            objects = self._fit_ids(self._free_id() if object_ids is None else object_ids, len(stored))
            edits = self._with_new_ids(edits, objects)
        elif object_ids is not None:
            self._need_objects()
        edits, refs = add_vertices(edits, stored, columns, objects, self.schema.sid_ndim, self._next_vertex)
        self._next_vertex += len(refs)
        return edits, refs

    def _with_heirs(self, edits: Edits, refs: VertexRefs) -> Edits:
        """With links from the children of nodes that will be deleted to the nearest ancestor that stays."""
        found = self._read(self._chunks_around(refs))
        doomed = np.zeros(len(found), bool)
        at = find_refs(found.refs, refs)
        doomed[at[at >= 0]] = True
        parent = np.full(len(found), -1, np.int64)
        parent[found.links[:, 0]] = found.links[:, 1]
        heir = parent.copy()
        for _ in range(len(found).bit_length() + 1):  # each step goes twice as far up as the one before
            up = np.flatnonzero((heir >= 0) & doomed[heir])
            heir[up] = heir[heir[up]]
        link = np.flatnonzero(~doomed[found.links[:, 0]] & doomed[found.links[:, 1]])
        children = found.links[link, 0]
        inherits = (heir[children] >= 0) & ~doomed[heir[children]]
        ends = np.stack((children, heir[children]), axis=1)[inherits].reshape(-1)
        columns = {name: values[link[inherits]] for name, values in found.link_columns.items()}
        return add_links(edits, take_refs(found.refs, ends), columns, 2)

    def _chunks_around(self, refs: VertexRefs) -> NDArray[np.int64]:
        """Chunks of the stored ones among `refs`, and of those that new links join them with."""
        chunks = stored_chunks(refs)
        links = self.edits.links
        if links is None or not len(links.added):
            return chunks
        touches = (RefTable.of(refs).find(links.added) >= 0).reshape(-1, links.width).any(axis=1)
        ends = take_refs(links.added, np.repeat(touches, links.width))
        return sort_chunks(np.concatenate((chunks, stored_chunks(ends))))

    def _of_objects(self, ids: NDArray[np.int64]) -> Vertices:
        """The vertices of some objects, as they are now, with the links among them."""
        self._need_objects()
        unknown = ids[~np.isin(ids, list(self.edits.new_objects))]
        reader = self._host.reader(0)
        chunks = np.empty((0, self.schema.sid_ndim), np.int64)
        if len(unknown):
            assert reader.objects is not None
            chunks = sort_chunks(reader.objects.manifests(reader.objects.rows_of(unknown)).chunks)
        joined = [k for k, e in self.edits.chunks.items() if np.isin(e.objects[e.is_reassigned], ids).any()]
        if joined:
            chunks = sort_chunks(np.concatenate((chunks, np.array(joined, np.int64))))
        found = self._read(chunks)
        assert found.objects is not None
        return take_vertices(found, np.isin(found.objects, ids))

    def _without_far_ends(
        self, found: Vertices, chunks: NDArray[np.int64], inside: NDArray[np.bool_] | None = None
    ) -> Vertices:
        """Without stored vertices of other chunks than those at `chunks`."""
        own = RefTable.of(VertexRefs(chunks, np.zeros(len(chunks), np.int64)))
        is_own = own.find(VertexRefs(found.refs.chunks, np.zeros(len(found), np.int64))) >= 0
        kept = is_own | (found.refs.rows < 0)
        return take_vertices(found, kept if inside is None else kept & inside)

    def _need_objects(self) -> None:
        if not self.schema.has_objects:
            raise MissingError("object index in", self._host.place)

    def _refuse_lines(self, instead: str) -> None:
        if self.schema.is_lines:
            raise UnsupportedError(f"lines are edited as wholes: use {instead}")

    def _fit_ids(self, object_ids: int | ArrayLike, n: int) -> NDArray[np.int64]:
        given = np.asarray(object_ids)
        ids = as_array(given if given.ndim else np.full(n, given), "object_ids", np.int64, (n,))
        if len(ids) and ids.min() < 0 and not (there := self._are_known(ids))[ids < 0].all():
            raise InvalidInputError(f"object id {ids[~there].min()}, expected 0 or more for a new object")
        return ids

    def _are_known(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the store has objects of these ids, (n,)."""
        objects = self._objects
        if objects is None or not len(ids) or ids.min() > self._greatest_id():
            return np.zeros(len(ids), bool)
        return np.asarray(self._host.retry(lambda: objects.find_rows(ids)) >= 0)

    def _greatest_id(self) -> int:
        """The greatest id of an object of the store; -1 where there is none."""
        if self._greatest is None:
            objects = self._objects
            self._greatest = -1 if objects is None else self._host.retry(lambda: objects.known.greatest)
        return self._greatest

    def _with_new_ids(self, edits: Edits, ids: NDArray[np.int64]) -> Edits:
        """With those among `ids` that the store does not have as new objects."""
        wanted = distinct(ids)
        fresh = frozenset(wanted[~self._are_known(wanted)].tolist()) - edits.new_objects
        return replace(edits, new_objects=edits.new_objects | fresh) if fresh else edits

    def _free_id(self) -> int:
        """The next free object id, above all that there are or were."""
        return int(self._free_ids(1)[0])

    def _free_ids(self, count: int) -> NDArray[np.int64]:
        """The next `count` free object ids, ascending."""
        first = max(self._next_object, self._greatest_id() + 1, max(self.edits.new_objects, default=-1) + 1)
        if first + count - 1 > np.iinfo(np.int64).max:
            raise InvalidInputError(f"there is no free object id above {first - 1}; give one")
        self._next_object = first + count
        return np.arange(count) + first
