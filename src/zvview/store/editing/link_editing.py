"""Operations of an edit session on edges, parents and faces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError, UnsupportedError
from zvview.format import names
from zvview.format.grid import ChunkTable, sort_chunks
from zvview.geometry.arguments import as_array
from zvview.store.editing.edits import Edits, VertexRefs
from zvview.store.editing.identity import find_refs, join_refs, pair_refs, take_refs
from zvview.store.editing.link_operations import add_links, remove_links
from zvview.store.editing.link_trees import find_below
from zvview.store.editing.object_editing import ObjectEditing
from zvview.store.editing.object_operations import forget_objects
from zvview.store.editing.selection import Selection
from zvview.store.editing.state import operation, stored_chunks
from zvview.store.editing.vertex_operations import reassign_vertices
from zvview.store.editing.vertices import Vertices

__all__ = ["LinkEditing"]


class LinkEditing(ObjectEditing):
    """Connecting and cutting graphs and skeletons, and the faces of meshes."""

    @operation
    def connect(
        self,
        one: VertexRefs | Selection,
        other: VertexRefs | Selection,
        attributes: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Join vertices by edges, the first of `one` with the first of `other` and so on.

        In a skeleton one node is joined to one of another tree: it becomes the child, its tree hangs on it from now on
        and becomes part of the other's object.
        """
        first, second = self._refs_of(one), self._refs_of(other)
        self._need_kind("connect", names.GRAPH, names.SKELETON)
        if len(first) != len(second):
            raise InvalidInputError(f"{len(first)} vertices cannot be joined with {len(second)}")
        columns = self.schema.fit_link_columns(attributes, len(first))
        if self.schema.kind == names.SKELETON:
            self._hang(first, second, columns, is_rerooted=True)
            return
        ends = pair_refs(first, second)
        self._need_new(ends)
        self._do(add_links(self.edits, ends, columns, 2))

    @operation
    def set_parent(self, node: VertexRefs | Selection, parent: VertexRefs | Selection) -> None:
        """Hang a node of a skeleton, with all below it, on another node, of its own tree or of another.

        Raises
        ------
        InvalidInputError
            Not one node each, or the parent lies below the node.
        """
        self._need_kind("set_parent", names.SKELETON)
        self._hang(self._refs_of(node), self._refs_of(parent), self.schema.fit_link_columns(None, 1), is_rerooted=False)

    @operation
    def cut(self, one: VertexRefs | Selection, other: VertexRefs | Selection | None = None) -> int | None:
        """Take edges away: of graphs those between `one` and `other`; of a skeleton the one from a node to its parent.

        The part of a skeleton that is cut off becomes a new object, whose id comes back.
        """
        self._need_kind("cut", names.GRAPH, names.SKELETON)
        first = self._refs_of(one)
        if self.schema.kind == names.GRAPH:
            second = self._refs_of(VertexRefs(first.chunks[:0], first.rows[:0]) if other is None else other)
            if len(first) != len(second):
                raise InvalidInputError(f"{len(first)} vertices and {len(second)}: an edge has two ends")
            self._do(remove_links(self.edits, pair_refs(first, second), 2))
            return None
        tree, node, parent = self._tree_of(first)
        if other is not None:
            end = int(find_refs(tree.refs, self._one(self._refs_of(other), "other end"))[0])
            if end < 0 or (parent[node] != end and parent[end] != node):
                raise InvalidInputError("no edge joins these nodes")
            node = node if parent[node] == end else end
        if parent[node] < 0:
            raise InvalidInputError("the node is a root: there is nothing to cut it from")
        return self._cut_off(tree, node, parent)

    @operation
    def add_branch(
        self,
        parent: VertexRefs | Selection,
        positions: ArrayLike,
        attributes: Mapping[str, ArrayLike] | None = None,
    ) -> VertexRefs:
        """Add nodes, (n, D) in world coordinates, one after the other, the first on `parent`; their names come back."""
        self._need_kind("add_branch", names.GRAPH, names.SKELETON)
        root = self._one(self._refs_of(parent), "parent")
        owner = None
        if self.schema.has_objects:
            found = self.look_up(root)
            assert found.object_ids is not None
            self._one(found.refs, "parent")
            owner = int(found.object_ids[0])
            if owner < 0:
                raise InvalidInputError("the parent belongs to no object, or to several")
        edits, refs = self._with_vertices(self.edits, positions, attributes, owner)
        above = join_refs([root, take_refs(refs, np.arange(len(refs) - 1))])
        self._do(add_links(edits, pair_refs(refs, above), self.schema.fit_link_columns(None, len(refs)), 2))
        return self._named(refs)

    @operation
    def add_faces(self, corners: VertexRefs | Selection, attributes: Mapping[str, ArrayLike] | None = None) -> None:
        """Add faces to a mesh: their corners in winding order, one face after the other."""
        self._need_kind("add_faces", names.MESH)
        ends = self._whole_faces(corners)
        self._need_new(ends)
        columns = self.schema.fit_link_columns(attributes, len(ends) // self.schema.link_width)
        self._do(add_links(self.edits, ends, columns, self.schema.link_width))

    @operation
    def delete_faces(self, corners: VertexRefs | Selection) -> None:
        """Delete the faces with these corners, in any order; their vertices stay."""
        self._need_kind("delete_faces", names.MESH)
        self._do(remove_links(self.edits, self._whole_faces(corners), self.schema.link_width))

    @operation
    def paste(
        self,
        positions: ArrayLike,
        links: ArrayLike,
        attributes: Mapping[str, ArrayLike] | None = None,
        object_ids: ArrayLike | None = None,
    ) -> VertexRefs:
        """Add vertices with the links among them, a piece of a mesh or of a graph; the names of the vertices come back.

        Parameters
        ----------
        positions : (n, D) array
            World coordinates.
        links : (m, L) ints
            Faces or edges as rows of `positions`; (child, parent) in a skeleton.
        attributes, object_ids
            As for :meth:`add`.
        """
        self._need_kind("paste", names.GRAPH, names.SKELETON, names.MESH)
        rows = as_array(links, "links", np.int64, (None, self.schema.link_width))
        edits, refs = self._with_vertices(self.edits, positions, attributes, object_ids)
        if rows.size and (rows.min() < 0 or rows.max() >= len(refs)):
            raise InvalidInputError(f"links name rows {rows.min()} to {rows.max()}, expected 0 to {len(refs) - 1}")
        if self.schema.kind == names.SKELETON and len(np.unique(rows[:, 0])) < len(rows):
            raise InvalidInputError("a node of a skeleton has one parent")
        if self.schema.kind == names.SKELETON and _has_cycle(rows, len(refs)):
            raise InvalidInputError("these links run in a cycle: a skeleton has none")
        _refuse_doubled(rows, rows[:0])
        columns = self.schema.fit_link_columns(None, len(rows))
        self._do(add_links(edits, take_refs(refs, rows.reshape(-1)), columns, self.schema.link_width))
        return self._named(refs)

    def _hang(
        self, child: VertexRefs, parent: VertexRefs, columns: Mapping[str, NDArray[np.generic]], *, is_rerooted: bool
    ) -> None:
        """Hang a node on another one, its tree turned so that it is the root, or only what lies below it."""
        tree, node, above = self._tree_of(self._one(child, "child"))
        target = self._one(parent, "parent")
        is_below = int(find_refs(tree.refs, target)[0])
        moved = find_below(_root_of(node, above) if is_rerooted else node, above)
        if is_below >= 0 and moved[is_below]:
            raise InvalidInputError("the parent is part of what would hang on it: a skeleton has no cycles")
        edits = self._turned(tree, node, above) if is_rerooted else self._cut_from_parent(tree, node, above)
        edits = add_links(edits, join_refs([child, target]), columns, 2)
        if tree.objects is not None:
            found = self.look_up(target)
            assert found.object_ids is not None
            new, old = int(found.object_ids[0]), int(tree.objects[node])
            if new != old and new >= 0:
                ids = np.full(int(moved.sum()), new, np.int64)
                edits = reassign_vertices(edits, take_refs(tree.refs, moved), ids, self.schema.ndim)
                if moved.all():
                    edits = forget_objects(edits, edits.new_objects & {old})
        self._do(edits)

    def _cut_off(self, tree: Vertices, node: int, parent: NDArray[np.int64]) -> int | None:
        edits = self._cut_from_parent(tree, node, parent)
        if tree.objects is None:
            self._do(edits)
            return None
        new, below = self._free_id(), find_below(node, parent)
        edits = self._with_copy(edits, int(tree.objects[node]), new)
        ids = np.full(int(below.sum()), new, np.int64)
        edits = self._with_new_ids(edits, ids)
        self._do(reassign_vertices(edits, take_refs(tree.refs, below), ids, self.schema.ndim))
        return new

    def _cut_from_parent(self, tree: Vertices, node: int, parent: NDArray[np.int64]) -> Edits:
        if parent[node] < 0:
            return self.edits
        return remove_links(self.edits, take_refs(tree.refs, np.array([node, parent[node]])), 2)

    def _turned(self, tree: Vertices, node: int, parent: NDArray[np.int64]) -> Edits:
        """With the links from a node up to its root the other way round."""
        path = [node]
        while parent[path[-1]] >= 0 and len(path) <= len(tree):
            path.append(int(parent[path[-1]]))
        if len(path) < 2:
            return self.edits
        ups = np.array([path[:-1], path[1:]]).T
        link_of = np.full(len(tree), -1, np.int64)
        link_of[tree.links[:, 0]] = np.arange(len(tree.links))
        columns = {name: values[link_of[ups[:, 0]]] for name, values in tree.link_columns.items()}
        edits = remove_links(self.edits, take_refs(tree.refs, ups.reshape(-1)), 2)
        return add_links(edits, take_refs(tree.refs, ups[:, ::-1].reshape(-1)), columns, 2)

    def _tree_of(self, refs: VertexRefs) -> tuple[Vertices, int, NDArray[np.int64]]:
        """The object of a node, the node's row in it, and the parent row of each vertex."""
        one = self._one(refs, "node")
        if self.schema.has_objects:
            found = self.look_up(one)
            assert found.object_ids is not None
            self._one(found.refs, "node")
            tree = self._of_objects(found.object_ids)
        else:
            tree = self._read(self._host.reader(0).layout.vertices.chunks)
        parent = np.full(len(tree), -1, np.int64)
        parent[tree.links[:, 0]] = tree.links[:, 1]
        return tree, int(find_refs(tree.refs, one)[0]), parent

    def _need_new(self, ends: VertexRefs) -> None:
        """Refuse links of vertices that were deleted, or that there never were, and links that there are."""
        around = self._read(stored_chunks(ends))
        rows = find_refs(around.refs, ends)
        if missing := int((rows < 0).sum()):
            raise InvalidInputError(f"{missing} of the {len(ends)} vertices to link are not there")
        _refuse_doubled(rows.reshape(-1, self.schema.link_width), around.links)

    def _one(self, refs: VertexRefs, what: str) -> VertexRefs:
        if len(refs) != 1:
            raise InvalidInputError(f"{len(refs)} vertices as {what}, expected one that there is")
        return refs

    def _whole_faces(self, corners: VertexRefs | Selection) -> VertexRefs:
        refs, width = self._refs_of(corners), self.schema.link_width
        if len(refs) % width:
            raise InvalidInputError(f"{len(refs)} corners are no whole number of faces of {width}")
        return refs

    def _need_kind(self, what: str, *kinds: str) -> None:
        if self.schema.kind not in kinds:
            raise UnsupportedError(f"{what} is for {' and '.join(kinds)}, and {self._host.place} is {self.schema.kind}")


def _refuse_doubled(links: NDArray[np.int64], known: NDArray[np.int64]) -> None:
    """Raise where links (m, L) name a vertex twice, or are there already: among the `known` ones, or before."""
    ends = np.sort(links, axis=1)
    if same := int((ends[:, 1:] == ends[:, :-1]).any(axis=1).sum()):
        raise InvalidInputError(f"{same} of the {len(links)} links name a vertex twice")
    is_known = ChunkTable.of(sort_chunks(np.sort(known, axis=1))).find(ends) >= 0
    if doubled := int(is_known.sum()) + len(ends) - len(sort_chunks(ends)):
        raise InvalidInputError(f"{doubled} of the {len(links)} links are there already")


def _has_cycle(links: NDArray[np.int64], n: int) -> bool:
    """Whether the (child, parent) links of `n` nodes, each with one parent at most, lead back to where they began."""
    up = np.full(n, -1, np.int64)
    up[links[:, 0]] = links[:, 1]
    for _ in range(n.bit_length() + 1):  # each step goes twice as far up as the one before
        up = np.where(up >= 0, up[up], -1)
    return bool((up >= 0).any())


def _root_of(node: int, parent: NDArray[np.int64]) -> int:
    for _ in range(len(parent)):
        if parent[node] < 0:
            break
        node = int(parent[node])
    return node
