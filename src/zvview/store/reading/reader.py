"""What all reads of one level share: its arrays, its object table, and how a read was asked for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError, MissingError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata
from zvview.format.fragments import decode_fragments
from zvview.format.metadata import RootMetadata
from zvview.store.cell_arrays import CellArray
from zvview.store.hierarchy import Hierarchy
from zvview.store.layout import Layout, LinkFamily
from zvview.store.reading.cell_families import CellFamilies, ChunkAttribute
from zvview.store.reading.object_table import ObjectTable
from zvview.store.reading.piece_buffer import PieceBuffer
from zvview.store.waves import read_cells

__all__ = ["LevelReader", "ReadOptions"]

_SEQUENCES = frozenset({names.LINE, names.POLYLINE, names.STREAMLINE})


@dataclass(frozen=True, slots=True, eq=False)
class ReadOptions:
    """How a read was asked for.

    Attributes
    ----------
    attributes : tuple of str or None
        Vertex and link attributes; None for all.
    object_ids : bool
        Whether pieces (or points) carry their object, at the cost of reading all manifests once where fragments do not
        tell.
    skip_damage : bool
        Leave damaged cells out, with a note in the batch, rather than raise.
    cancel : CancelToken or None
    members : (n,) int64 array or None
        Ids of the objects that are wanted: of a piece of several objects one of these is told.
    """

    attributes: tuple[str, ...] | None = None
    object_ids: bool = True
    skip_damage: bool = False
    cancel: CancelToken | None = None
    members: NDArray[np.int64] | None = None


@dataclass(slots=True, eq=False)
class LevelReader:
    """One level of a store, opened.

    Attributes
    ----------
    hierarchy : Hierarchy
    root : RootMetadata
    layout : Layout
    kind : str
        The kind of batch that reads give.
    """

    hierarchy: Hierarchy
    root: RootMetadata
    layout: Layout
    kind: str
    _objects: ObjectTable | None = None
    _are_objects_known: bool = False
    _are_buffers_whole: bool | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def is_sequence(self) -> bool:
        """Whether consecutive vertices of an object are joined, and nothing else is."""
        return self.kind in _SEQUENCES

    @property
    def is_linked(self) -> bool:
        """Whether connectivity comes from links."""
        return self.kind in (names.GRAPH, names.SKELETON, names.MESH)

    @property
    def is_draco(self) -> bool:
        """Whether vertices are Draco bitstreams."""
        return self.layout.encoding == names.DRACO

    @property
    def chunk_attribute(self) -> ChunkAttribute | None:
        """The vertex attribute that only the coordinates of chunks tell, or None."""
        leading = self.layout.metadata.chunk_attribute
        if leading is None or leading[0] in self.layout.attribute_names(names.VERTEX_ATTRIBUTES):
            return None
        return ChunkAttribute.of(*leading)

    @property
    def objects(self) -> ObjectTable | None:
        """The level's objects, or None."""
        with self._lock:
            if not self._are_objects_known:
                rows = self.layout.object_rows()
                path = f"{self.layout.path}/{names.OBJECT_INDEX}"
                self._objects = None if rows is None else ObjectTable(rows, path)
                self._are_objects_known = True
        return self._objects

    @property
    def has_true_bridges(self) -> bool:
        """Whether the links of a level of lines are those that its manifests imply.

        Bulk writers store them, and claim with ``fragments_tile`` that nothing was written since. Edits by others may
        leave records behind; then the manifests tell. They always do for single lines: there the reference (0.9.2)
        writes the number of an end's fragment where its row belongs.
        """
        return (
            self.kind != names.LINE
            and self.layout.metadata.fragments_tile
            and not self.root.is_old_layout
            and not self.layout.metadata.shared_fragments
            and self.layout.links(0) is not None
        )

    @property
    def are_buffers_whole(self) -> bool:
        """Whether each vertex buffer is its chunk's content, row by row, so that fragments need not be read for it.

        That is what ``fragments_tile`` claims; as the format advises, it is believed once the first chunk bears it out.
        """
        with self._lock:
            if self._are_buffers_whole is None:
                self._are_buffers_whole = self.layout.metadata.fragments_tile and self._does_first_chunk_tile()
        return self._are_buffers_whole

    def _does_first_chunk_tile(self) -> bool:
        fragments, coords = self.layout.fragments, self.layout.vertices.chunks[:1]
        if fragments is None or self.is_draco or not len(coords):
            return False
        try:
            vertices, index = read_cells(self.hierarchy, [(self.layout.vertices, coords), (fragments, coords)])
            rows = np.array([len(vertices[0]) // (self.layout.vertex_dtype.itemsize * self.root.ndim)])
            return bool(decode_fragments(index, rows).tiles(rows).all())
        except DamagedError:
            return False

    def links(self) -> LinkFamily | None:
        """The links inside the level, checked to be of a width that the kind can have."""
        family = None if self.is_draco else self.layout.links(0)
        if family is not None and (family.width < 3 if self.kind == names.MESH else family.width != 2):
            if family.width == 1 or not any(len(a.cells.chunks) for a in family.arrays):
                return None
            expected = "3 or more" if self.kind == names.MESH else "2"
            found = f"link_width = {family.width}"
            raise DamagedError("links", found=found, expected=f"{expected} in a {self.kind}", array=family.path)
        return family

    @property
    def attributes(self) -> dict[str, AttributeMetadata]:
        """What the vertex attributes of the level are."""
        out = {name: metadata for name, (_, metadata) in self._stored_attributes(None, None).items()}
        leading = self.chunk_attribute
        return out if leading is None else out | {leading.metadata.name: leading.metadata}

    def _stored_attributes(
        self, wanted: Sequence[str] | None, leading: str | None
    ) -> dict[str, tuple[CellArray, AttributeMetadata]]:
        """The arrays of the vertex attributes in `wanted`, all by default; `leading` has none.

        Raises
        ------
        MissingError
            A name that is neither a vertex attribute nor a link attribute of the level.
        """
        known = [] if self.is_draco else self.layout.attribute_names(names.VERTEX_ATTRIBUTES)
        out = {}
        may_be_hidden = not (self.is_draco or self.hierarchy.can_enumerate)
        for name in known if wanted is None else wanted:
            if name == leading:
                continue
            is_there = name in known or may_be_hidden
            array = self.layout.cell_attribute(names.VERTEX_ATTRIBUTES, name) if is_there else None
            if array is not None:
                out[name] = array
            elif name not in self.layout.attribute_names(names.LINK_ATTRIBUTES):
                raise MissingError("attribute", name, [*known, *([leading] if leading else [])])
        return out

    def link_attributes(self, wanted: Sequence[str] | None) -> tuple[str, ...]:
        """The link attributes in `wanted`, all by default; none for kinds whose links are partly implied."""
        if not self.is_linked or self.root.links_convention != names.EXPLICIT or self.is_draco:
            return ()
        return tuple(n for n in self.layout.attribute_names(names.LINK_ATTRIBUTES) if wanted is None or n in wanted)

    def families(self, options: ReadOptions) -> CellFamilies:
        """The arrays that a read with these options takes cells from."""
        leading = self.chunk_attribute
        name = None if leading is None else leading.metadata.name
        return CellFamilies(
            self.layout.vertices,
            self.layout.vertex_dtype,
            self.root.ndim,
            None if self.is_draco else self.layout.fragments,
            None if self.is_draco else self.layout.cell_attribute(names.FRAGMENT_ATTRIBUTES, names.OBJECT_ID),
            self._stored_attributes(options.attributes, name),
            leading if options.attributes is None or name in options.attributes else None,
            self.is_draco,
        )

    def owners(self, buffer: PieceBuffer, options: ReadOptions) -> NDArray[np.int64] | None:
        """Object id of each fragment of `buffer`, -1 for none or several; None where it is not to be had."""
        told = buffer.owners
        if told is not None:
            is_marked = (told == names.OWNER_NONE) | (told == names.OWNER_SEVERAL)
            is_told = not is_marked.any() or self.objects is None
            if is_told or (options.members is None and self.objects.known.least >= 0):  # type: ignore[union-attr]
                return np.where(is_marked, names.OWNER_NONE, told)
        if not (options.object_ids or told is not None) or self.objects is None:
            return None
        return self.objects.owners_of(buffer.chunks, buffer.first, among=options.members, cancel=options.cancel)
