"""Links of skeletons that are made on a store that others changed meanwhile: trees they stay.

Two programs may hang two branches on each other, in different chunks: each alone leaves a tree, both leave a ring.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable, sort_chunks
from zvview.store.editing.edits import Edits, LinkEdits, VertexRefs
from zvview.store.editing.identity import find_refs, join_refs, take_refs
from zvview.store.editing.vertex_operations import reassign_vertices
from zvview.store.editing.vertices import Vertices, apply_edits, read_vertices
from zvview.store.reading.reader import LevelReader

__all__ = ["find_below", "find_unsound", "keep_objects", "keep_parents", "keep_trees"]


def keep_trees(edits: Edits, reader: LevelReader) -> tuple[Edits, VertexRefs]:
    """Edits of a skeleton without those new links with which it were none, and the nodes that these were to hang.

    They would give a node a second parent, or hang a node on one below it. Such a node keeps the parent that it has.
    """
    none = np.empty((0, reader.layout.metadata.sid_ndim), np.int64)
    loose = VertexRefs(none, none[:, 0])
    while (links := edits.links) is not None and len(links.added):
        found = _read_trees(links, edits, reader)
        is_kept = _are_sound(find_refs(found.refs, links.added).reshape(-1, 2), found)
        if is_kept.all():
            break
        loose = join_refs([loose, take_refs(links.added, np.arange(0, len(links.added), 2)[~is_kept])])
        is_gone = keep_parents(links, is_kept)
        removed, added = take_refs(links.removed, np.repeat(is_gone, 2)), take_refs(links.added, np.repeat(is_kept, 2))
        columns = {name: values[is_kept] for name, values in links.columns.items()} if len(added) else {}
        left = LinkEdits(removed, added, columns, 2) if len(removed) or len(added) else None
        edits = replace(edits, links=left)
    return edits, loose


def keep_objects(edits: Edits, reader: LevelReader, loose: VertexRefs) -> Edits:
    """Edits of a skeleton in which nodes that were to hang elsewhere, and do not, are of the object that they hang on.

    Parameters
    ----------
    edits : Edits
        Without the links that were to hang the nodes `loose`.
    reader : LevelReader
        Level 0.
    loose : VertexRefs
        With all below it such a node was given to the object of the node that it was to hang on.
    """
    if not len(loose) or reader.objects is None:
        return edits
    added = [] if edits.links is None else [edits.links.added]
    whole = _read_whole(join_refs([loose, *added]), reader)
    found = apply_edits(whole, edits)
    assert whole.objects is not None and found.objects is not None
    objects, parent = found.objects.copy(), np.full(len(found), -1, np.int64)
    parent[found.links[:, 0]] = found.links[:, 1]
    nodes, before = find_refs(found.refs, loose), find_refs(whole.refs, loose)
    below = {node: find_below(node, parent) for node in nodes[nodes >= 0].tolist()}
    own = dict(zip(nodes.tolist(), before.tolist(), strict=True))
    for node in sorted(below, key=lambda node: sum(bool(other[node]) for other in below.values())):  # from above
        if parent[node] >= 0:
            objects[below[node]] = objects[parent[node]]
        elif own[node] >= 0:
            objects[below[node]] = whole.objects[own[node]]
    changed = np.flatnonzero(objects != found.objects)
    return reassign_vertices(edits, take_refs(found.refs, changed), objects[changed], reader.root.ndim)


def find_unsound(edits: Edits, reader: LevelReader) -> NDArray[np.float64]:
    """Where the nodes are that edits of a skeleton would give a second parent, or hang on one below them.

    Parameters
    ----------
    edits : Edits
        Of the store as it is: no chunk that they rely on changed.
    reader : LevelReader
        Level 0.

    Returns
    -------
    (n, D) array
        Stored coordinates.
    """
    links = edits.links
    if links is None or not _hang_anew(links, edits, reader).any():
        return np.empty((0, reader.root.ndim))
    found = _read_trees(links, edits, reader)
    ends = find_refs(found.refs, links.added).reshape(-1, 2)
    at = ends[~_are_sound(ends, found), 0]
    return np.asarray(found.positions[at[at >= 0]])


def keep_parents(links: LinkEdits, is_kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which links of a skeleton are still taken away where only some of the new ones are kept.

    A node that was to hang on another one, and does not, keeps its parent.
    """
    children = take_refs(links.added, np.arange(0, len(links.added), 2)[~is_kept])
    return find_refs(children, take_refs(links.removed, np.arange(0, len(links.removed), 2))) < 0


def find_below(node: int, parent: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each vertex is `node` or below it, (n,)."""
    out = np.zeros(len(parent), bool)
    out[node] = True
    up = np.where(np.arange(len(parent)) == node, -1, parent)
    for _ in range(len(parent).bit_length() + 1):  # each step looks twice as far up as the one before
        out |= (up >= 0) & out[up]
        up = np.where(up >= 0, up[up], -1)
    return out


def _are_sound(ends: NDArray[np.int64], found: Vertices) -> NDArray[np.bool_]:
    """Which of the (child, parent) links, rows of `found` or -1, leave trees, one after the other."""
    up = np.arange(len(found))
    up[found.links[:, 0]] = found.links[:, 1]
    has_parent = (up != np.arange(len(up))).tolist()
    for _ in range(len(up).bit_length()):  # each step goes twice as far up as the one before
        up = up[up]
    tops = up.tolist()
    out = np.zeros(len(ends), bool)
    for i, (child, parent) in enumerate(ends.tolist()):
        if child < 0 or parent < 0 or has_parent[child]:
            continue
        top = parent
        while tops[top] != top:
            tops[top] = tops[tops[top]]
            top = tops[top]
        if top != child:
            out[i], has_parent[child], tops[child] = True, True, top
    return out


def _hang_anew(links: LinkEdits, edits: Edits, reader: LevelReader) -> NDArray[np.bool_]:
    """Which of the new links may close a ring.

    Not those of a node to the next one above it that stays, where those between are deleted, and not those of new
    nodes: a ring has a stored one as well, which hangs elsewhere than it did. So whoever deletes nodes, or adds
    branches, need not read whole trees.
    """
    gone = [np.array([key], np.int64) for key, entry in edits.chunks.items() if entry.is_deleted.any()]
    near = np.concatenate([links.added.chunks[links.added.rows >= 0], *gone])
    if not len(near):
        return np.zeros(len(links.added) // 2, bool)
    found = read_vertices(reader, sort_chunks(near))
    stays = find_refs(apply_edits(found, replace(edits, links=None), with_added=False).refs, found.refs) >= 0
    above = np.full(len(found) + 1, -1, np.int64)
    above[found.links[:, 0]] = found.links[:, 1]
    for _ in range(len(found).bit_length() + 1):  # each step goes twice as far up as the one before
        above = np.where((above >= 0) & ~np.append(stays, True)[above], above[above], above)
    child, parent = find_refs(found.refs, links.added).reshape(-1, 2).T
    is_heir = (child >= 0) & (parent >= 0) & (above[child] == parent)
    return np.asarray((links.added.rows[::2] >= 0) & ~is_heir)


def _read_trees(links: LinkEdits, edits: Edits, reader: LevelReader) -> Vertices:
    """All nodes from the ends of new links up to their roots, as edits without these links leave them."""
    none = VertexRefs(links.added.chunks[:0], links.added.rows[:0])
    return apply_edits(_read_whole(links.added, reader), replace(edits, links=replace(links, added=none, columns={})))


def _read_whole(ends: VertexRefs, reader: LevelReader) -> Vertices:
    """The nodes of the trees that hold stored ones of `ends`, up to their roots."""
    chunks = _chunks_of_trees(ends, reader)
    while True:
        found = read_vertices(reader, chunks)
        has_parent = np.zeros(len(found), bool)
        has_parent[found.links[:, 0]] = True
        beyond = found.refs.chunks[~has_parent]  # a tree may go on in another object
        beyond = beyond[ChunkTable.of(chunks).find(beyond) < 0]
        if not len(beyond):
            return found
        chunks = sort_chunks(np.concatenate((chunks, beyond)))


def _chunks_of_trees(ends: VertexRefs, reader: LevelReader) -> NDArray[np.int64]:
    """All chunks of the objects of which there are stored vertices among `ends`; all chunks where there are none."""
    near = sort_chunks(ends.chunks[ends.rows >= 0])
    if reader.objects is None:
        return reader.layout.vertices.chunks
    found = read_vertices(reader, near)
    assert found.objects is not None
    at = find_refs(found.refs, ends)
    owners = np.unique(found.objects[at[at >= 0]])
    manifests = reader.objects.manifests(reader.objects.rows_of(owners[owners >= 0]))
    return sort_chunks(np.concatenate((near, manifests.chunks)))
