"""What a journal comes to: every difference from the store, named by what the store's level 0 holds.

A vertex of the store is named by its chunk and its row in the chunk's vertex buffer, as they were when it was first
edited; a new one by a negative number. Edits are frozen: each operation makes new ones that share all that it leaves
alone, so that undo is going back to the value before.

Points, graphs, skeletons and meshes are edited vertex by vertex and link by link. Lines are edited as wholes: of each
line that is edited the new geometry is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "AddedVertices",
    "ChunkEdits",
    "ChunkKey",
    "EditedLine",
    "Edits",
    "Epoch",
    "GroupEdits",
    "LinkEdits",
    "LinkEnds",
    "VertexRefs",
]

ChunkKey: TypeAlias = tuple[int, ...]
"""Absolute coordinate of a chunk of level 0, sid integers."""


class Epoch:
    """The time in which names of vertices hold: until the edits of a session are committed, discarded or reloaded.

    Attributes
    ----------
    is_over : bool
    """

    __slots__ = ("is_over",)

    def __init__(self) -> None:
        self.is_over = False


@dataclass(frozen=True, slots=True, eq=False)
class VertexRefs:
    """Names of vertices.

    Attributes
    ----------
    chunks : (n, sid) int64
        Absolute chunk of level 0; zeros for new vertices.
    rows : (n,) int64
        Row in the vertex buffer of the chunk as it is stored; a new vertex with number k = 0, 1, ... has -1 - k.
    epoch : Epoch or None
        In which they hold; None where nobody tells.
    """

    chunks: NDArray[np.int64]
    rows: NDArray[np.int64]
    epoch: Epoch | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class ChunkEdits:
    """What became of stored vertices of one chunk.

    Attributes
    ----------
    rows : (k,) int64
        Rows with any edit, ascending, distinct.
    is_deleted : (k,) bool
        All else that is said of a deleted vertex does not count.
    is_moved : (k,) bool
    positions : (k, D) float64
        New positions, in stored coordinates (without the store's coordinate offset); of no meaning where not moved.
    is_reassigned : (k,) bool
        Vertices that belong to another object now.
    objects : (k,) int64
    columns : mapping of str to ((k,) bool, (k,) or (k, C))
        Vertex attributes that were set: where, and to what, in the stored dtype; codes for categories.
    origins : (k, D) array or None
        Positions as stored, by which the vertices are found again in a chunk that changed.
    owners : (k,) int64 or None
        Objects as stored, likewise; None where vertices have none.
    """

    rows: NDArray[np.int64]
    is_deleted: NDArray[np.bool_]
    is_moved: NDArray[np.bool_]
    positions: NDArray[np.float64]
    is_reassigned: NDArray[np.bool_]
    objects: NDArray[np.int64]
    columns: Mapping[str, tuple[NDArray[np.bool_], NDArray[Any]]] = field(default_factory=dict)
    origins: NDArray[np.floating] | None = None
    owners: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AddedVertices:
    """New vertices; those that were deleted again are not among them.

    Attributes
    ----------
    numbers : (m,) int64
        Ascending; vertex k is named by row -1 - k.
    positions : (m, D) float64
        In stored coordinates.
    columns : mapping of str to (m,) or (m, C)
        All vertex attributes of the store, in the stored dtype.
    objects : (m,) int64 or None
        None where the store's vertices have no objects.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    columns: Mapping[str, NDArray[Any]]
    objects: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True, eq=False)
class LinkEdits:
    """Edges or faces that came and went; those of deleted vertices need not be named.

    Attributes
    ----------
    removed : VertexRefs
        Of (r * L) vertices: ends of stored links, L in a row. Any order of the ends of an edge, any rotation or order
        of the corners of a face names it; of several links with the same ends all go.
    added : VertexRefs
        Of (a * L) vertices; (child, parent) for skeletons, in winding order for meshes.
    columns : mapping of str to (a,) or (a, C)
        All link attributes of the store, of the added ones, in the stored dtype.
    width : int
        L.
    """

    removed: VertexRefs
    added: VertexRefs
    columns: Mapping[str, NDArray[Any]]
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class LinkEnds:
    """Stored vertices of one chunk in which links came or went, by which they are found again in a chunk that changed.

    Attributes
    ----------
    rows : (k,) int64
        Ascending, distinct.
    origins : (k, D) array
        Positions as stored.
    owners : (k,) int64 or None
        Objects as stored; None where vertices have none.
    is_alone : (k,) bool
        Whether no other vertex of the chunk was of the same object at the same position.
    """

    rows: NDArray[np.int64]
    origins: NDArray[np.floating]
    owners: NDArray[np.int64] | None
    is_alone: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class EditedLine:
    """The whole geometry of a line as it is now.

    Attributes
    ----------
    positions : (n, D) float64
        In stored coordinates; n >= 2.
    columns : mapping of str to (n,) or (n, C)
        All vertex attributes of the store, in the stored dtype.
    """

    positions: NDArray[np.float64]
    columns: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class GroupEdits:
    """Members of one group that came and went.

    Attributes
    ----------
    added, removed : (n,) int64
        Object ids, ascending; no id is in both.
    """

    added: NDArray[np.int64]
    removed: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Edits:
    """All differences from a store.

    Attributes
    ----------
    bases : mapping of ChunkKey to bytes
        Of every chunk that an edit relies on, the digest of its content when it was read
        (:func:`zvview.store.editing.digests.digest_chunks`). A chunk whose digest is another one now is a conflict.
    chunks : mapping of ChunkKey to ChunkEdits
    added : AddedVertices or None
    links : LinkEdits or None
    lines : mapping of int to EditedLine or None
        By object id; None: the line was deleted. Empty for other kinds.
    new_objects : frozenset of int
        Ids that the edits gave to new objects; one that the store has by then is a conflict.
    object_attributes : mapping of str to mapping of int to (C,) or scalar array
        By attribute and object id, in the stored dtype.
    groups : mapping of int to GroupEdits
        By number of the group.
    line_bases : mapping of int to bytes
        Of the lines that were edited, the digest of what they were, by which they are known again.
    line_ties : mapping of int to int
        Of lines that were split, joined or relabelled together, a number that they share: one without the others would
        leave geometry twice, or none.
    ends : mapping of ChunkKey to LinkEnds
        Of the stored vertices that `links` names.
    """

    bases: Mapping[ChunkKey, bytes] = field(default_factory=dict)
    chunks: Mapping[ChunkKey, ChunkEdits] = field(default_factory=dict)
    added: AddedVertices | None = None
    links: LinkEdits | None = None
    lines: Mapping[int, EditedLine | None] = field(default_factory=dict)
    new_objects: frozenset[int] = frozenset()
    object_attributes: Mapping[str, Mapping[int, NDArray[Any]]] = field(default_factory=dict)
    groups: Mapping[int, GroupEdits] = field(default_factory=dict)
    line_bases: Mapping[int, bytes] = field(default_factory=dict)
    line_ties: Mapping[int, int] = field(default_factory=dict)
    ends: Mapping[ChunkKey, LinkEnds] = field(default_factory=dict)
