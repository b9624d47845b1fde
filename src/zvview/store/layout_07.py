"""The layout of format 0.6 and 0.7: a group for each family, an array for each cell (format reference, part II)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError, MissingError, UnsupportedError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata, parse_dtype
from zvview.format.grid import ChunkTable
from zvview.format.links import format_delta, parse_delta
from zvview.format.metadata import LevelMetadata, RootMetadata
from zvview.format.sequences import distinct
from zvview.format.values import as_int, wrong
from zvview.store.blobs import DATA, OFFSETS, is_blob, read_blob, read_ragged, read_values
from zvview.store.cell_arrays import CellArray
from zvview.store.crossing_links import fill_absent, read_crossing_links, read_crossing_values
from zvview.store.dotted_cells import DottedCells, list_children
from zvview.store.hierarchy import Hierarchy
from zvview.store.layout import Groups, LinkArray, LinkFamily, LinkTable, ObjectRows
from zvview.store.layout_09 import ObjectRows09, split_int64_rows
from zvview.store.object_blobs import ObjectBlobs
from zvview.store.stored_groups import StoredGroups

__all__ = ["Layout07"]

_MAX_WIDTH = 8
_DELTA = re.compile(r"0|[+-][1-9]\d{0,5}", re.ASCII)
_SEQUENCES = frozenset({names.LINE, names.POLYLINE, names.STREAMLINE})
_NUMBERED_BEFORE_GROUPING = frozenset({names.GRAPH, names.SKELETON})
_OLDER_FRAGMENTS = "vertex_group_offsets"


class Layout07:
    """The arrays of one level before format 0.8.

    Parameters
    ----------
    hierarchy : Hierarchy
    root : RootMetadata
    metadata : LevelMetadata
    path : str
        The level's group: a number, or ``resolution_`` and a number.

    Raises
    ------
    DamagedError
        There are no vertices, or their dtype is none of coordinates.
    UnsupportedError
        The fragments are encoded as before 0.6.
    """

    def __init__(self, hierarchy: Hierarchy, root: RootMetadata, metadata: LevelMetadata, path: str) -> None:
        self.metadata, self.path = metadata, path
        self._hierarchy, self._root = hierarchy, root
        self._cells: dict[str, DottedCells | None] = {}
        vertices = self._family(names.VERTICES)
        if vertices is None:
            raise DamagedError("level", found="no vertices", expected="a group 'vertices'", array=path)
        self.vertices: CellArray = vertices
        self.fragments: CellArray | None = self._family(names.VERTEX_FRAGMENTS)
        if self.fragments is None and _OLDER_FRAGMENTS in (hierarchy.names(path) or ()):
            raise UnsupportedError(f"{path} has {_OLDER_FRAGMENTS!r}, as before format 0.6; zvview reads 0.6 onwards")
        self.vertex_dtype = parse_dtype(vertices.attributes.get("dtype", "float32"), "metadata of vertices")
        if self.vertex_dtype.kind != "f" or self.vertex_dtype.itemsize < 4:
            raise wrong("metadata of vertices", "dtype", self.vertex_dtype.name, "float32 or float64").at(vertices.path)
        self.encoding = str(vertices.attributes.get("encoding", names.RAW))
        if self.encoding not in (names.RAW, names.DRACO):
            raise UnsupportedError(f"{vertices.path} has encoding {self.encoding!r}; zvview reads 'raw' and 'draco'")
        self._links: dict[int, LinkFamily | None] = {}
        self._link_notes: dict[int, tuple[str, ...]] = {}
        self._notes: tuple[str, ...] | None = None

    def _family(self, name: str) -> DottedCells | None:
        """The cells in the group `name` of the level; the group may lack a document (18)."""
        if name not in self._cells:
            path = f"{self.path}/{name}"
            document = self._hierarchy.document(path)
            if document is not None and document["node_type"] != "group":
                raise DamagedError("cells", found="an array", expected="a group with an array per chunk", array=path)
            attributes = {} if document is None else document["attributes"]
            ndim = self._root.ndim if name == names.VERTICES else None
            cells = DottedCells(self._hierarchy, path, attributes, self.metadata.sid_ndim, position_ndim=ndim)
            is_there = document is not None or (bool(self._hierarchy.names(path)) and bool(len(cells.chunks)))
            self._cells[name] = cells if is_there else None
        return self._cells[name]

    def _own_name(self, family: str) -> str:
        """The name that a family has in this store; some had others before 0.6."""
        known = names.ALIASES_07.get(family, (family,))
        found = self._hierarchy.names(self.path) or ()
        return next((n for n in known if n in found), family)

    def attribute_names(self, family: str) -> list[str]:
        """Names of the attributes of a family."""
        if family == names.FRAGMENT_ATTRIBUTES:
            return []
        path = f"{self.path}/{self._own_name(family)}"
        if family == names.LINK_ATTRIBUTES:
            crossing = f"{self.path}/{names.CROSS_CHUNK_LINK_ATTRIBUTES}"
            return sorted({*list_children(self._hierarchy, path), *list_children(self._hierarchy, crossing)})
        found = list_children(self._hierarchy, path)
        if family == names.VERTEX_ATTRIBUTES:
            return [n for n in found if self._hierarchy.document(f"{path}/{n}") is not None]
        return [n for n in found if is_blob(self._hierarchy, f"{path}/{n}/{DATA}")]

    def cell_attribute(self, family: str, name: str) -> tuple[CellArray, AttributeMetadata] | None:
        """A vertex attribute, or None; fragments had no attributes."""
        if family != names.VERTEX_ATTRIBUTES:
            return None
        return self._attribute_cells(f"{self._own_name(family)}/{name}", name)

    def _attribute_cells(self, path: str, name: str) -> tuple[CellArray, AttributeMetadata] | None:
        cells = self._family(path)
        if cells is None:
            return None
        try:
            return cells, AttributeMetadata.parse(name, cells.attributes)
        except DamagedError as error:
            raise error.at(cells.path) from None

    def link_deltas(self) -> list[int]:
        """Deltas for which the level owns links."""
        groups = [f"{self.path}/{n}" for n in (names.LINKS, names.CROSS_CHUNK_LINKS)]
        found = [n for group in groups for n in list_children(self._hierarchy, group)]
        return sorted({parse_delta(n) for n in found if _DELTA.fullmatch(n)})

    def links(self, delta: int) -> LinkFamily | None:
        """The links of one delta, or None.

        Those of lines and polylines that cross chunks are placeholders (18) and left out: manifests join the pieces.
        """
        if delta not in self._links:
            self._links[delta] = self._open_links(delta)
        return self._links[delta]

    def _open_links(self, delta: int) -> LinkFamily | None:
        text = format_delta(delta)
        cells = self._family(f"{names.LINKS}/{text}")
        path = f"{self.path}/{names.CROSS_CHUNK_LINKS}/{text}"
        crossing = self._hierarchy.attributes(path)
        if cells is None and crossing is None:
            return None
        width, dtype = self._link_width({} if cells is None else cells.attributes, crossing or {}, path)
        is_placeholder = delta == 0 and _SEQUENCES.issuperset(self._root.kinds)
        table = None
        if crossing is not None and not is_placeholder:
            table = read_crossing_links(self._hierarchy, path, crossing, width, self.metadata.sid_ndim)
        attributes, table = self._link_attributes(delta, cells, table)
        arrays = []
        if cells is not None:
            offsets = np.zeros((width - 1, self.metadata.sid_ndim), np.int64)
            own = {n: a for n, a in attributes.items() if a is not None}
            arrays.append(LinkArray(offsets, cells, dtype, is_ragged=delta != 0, has_perm=False, attributes=own))
        one = np.ones(self._root.ndim, np.int64)  # cells of both levels with the same numbers belong together (18)
        return LinkFamily(
            f"{self.path}/{names.LINKS}/{text}",
            delta,
            width,
            is_directed=False,
            is_duplicated=False,
            arrays=tuple(arrays),
            table=table,
            ratios=(one, one),
            attribute_names=tuple(attributes),
        )

    def _link_width(
        self, intra: Mapping[str, Any], crossing: Mapping[str, Any], path: str
    ) -> tuple[int, np.dtype[Any]]:
        """Endpoints of a record and the dtype of the rows inside chunks, as both groups of a delta tell."""
        part = "metadata of links"
        try:
            told = [a["link_width"] for a in (intra, crossing) if "link_width" in a]
            width = as_int(told[0], part, "link_width", minimum=1) if told else 2
            if width > _MAX_WIDTH or any(w != width for w in told):
                raise wrong(part, "link_width", told, f"one number of at most {_MAX_WIDTH}")
            sid = as_int(crossing.get("sid_ndim", self.metadata.sid_ndim), part, "sid_ndim")
            if sid != self.metadata.sid_ndim:
                raise wrong(part, "sid_ndim", sid, f"{self.metadata.sid_ndim}, as the grid has")
            dtype = parse_dtype(intra.get("dtype", "int64"), part)
            if dtype.kind not in "iu":
                raise wrong(part, "dtype", dtype.name, "an integer dtype")
        except DamagedError as error:
            raise error.at(path) from None
        return width, dtype

    def _link_attributes(
        self, delta: int, cells: DottedCells | None, table: LinkTable | None
    ) -> tuple[dict[str, tuple[CellArray, AttributeMetadata] | None], LinkTable | None]:
        """Attributes of the links inside chunks of a delta by name, and the table with those of the links across.

        The shipped writer keeps the values of links inside chunks only; those of the others are then told as absent.
        """
        text, notes = format_delta(delta), []
        inside: dict[str, tuple[CellArray, AttributeMetadata] | None] = {}
        across: dict[str, NDArray[Any]] = {}
        for name in self.attribute_names(names.LINK_ATTRIBUTES):
            own = self._attribute_cells(f"{names.LINK_ATTRIBUTES}/{name}/{text}", name)
            path = f"{self.path}/{names.CROSS_CHUNK_LINK_ATTRIBUTES}/{name}/{text}"
            values = None if table is None else read_crossing_values(self._hierarchy, path, len(table))
            if own is not None and not len(own[0].chunks):
                own = None
            if own is None and (values is None or (cells is not None and len(cells.chunks))):
                continue
            if table is not None and values is None and own is not None:
                values = fill_absent(len(table), own[1].dtype, own[1].row_shape)
                notes.append(f"{self.path}: links that cross chunks have no stored value of the attribute {name!r}")
            inside[name] = own
            if values is not None:
                across[name] = values
        self._link_notes[delta] = tuple(notes)
        return inside, None if table is None else LinkTable(table.places, table.at, table.rows, across)

    def object_rows(self) -> ObjectRows | None:
        """The object index, or None."""
        path = f"{self.path}/{names.OBJECT_INDEX}"
        attributes = self._hierarchy.attributes(path)
        if attributes is None:
            return None
        layout = attributes.get("layout", names.LAYOUT_V1)
        if layout != names.LAYOUT_V1:
            raise UnsupportedError(f"{path} has layout {layout!r}; zvview reads {names.LAYOUT_V1!r} before format 0.8")
        if not is_blob(self._hierarchy, f"{path}/{names.MANIFESTS}") and is_blob(self._hierarchy, f"{path}/{OFFSETS}"):
            return ObjectBlobs(self._hierarchy, path, attributes, self.metadata.sid_ndim)
        return ObjectRows09(self._hierarchy, path, attributes, self.metadata.sid_ndim)

    def object_attribute(self, name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values by object row and whether each row has one."""
        path, attributes = self._blob_group(names.OBJECT_ATTRIBUTES, name)
        values = read_values(self._hierarchy, path, attributes)
        mask = f"{path}/present_mask"
        if not attributes.get("has_present_mask") or not is_blob(self._hierarchy, mask):
            return values, np.ones(len(values), bool)
        present = read_blob(self._hierarchy, mask)
        if len(present) != len(values):
            found = f"{len(present)} marks"
            raise DamagedError("present mask", found=found, expected=f"{len(values)}, one for each row", array=mask)
        return values, present != 0

    def stored_groups(self) -> StoredGroups | None:
        """Groups of objects, or None; they are stored as one blob, and read at once."""
        groups = self.groups()
        if groups is None:
            return None
        return StoredGroups(len(groups), groups.names, lambda numbers: [groups.members[n] for n in numbers.tolist()])

    def groups(self) -> Groups | None:
        """Groups of objects, or None."""
        path = f"{self.path}/{self._own_name(names.GROUPS)}"
        if not is_blob(self._hierarchy, f"{path}/{DATA}"):
            return None
        declared = (self._hierarchy.attributes(path) or {}).get("num_groups")
        try:
            count = None if declared is None else as_int(declared, "metadata of groups", "num_groups", minimum=0)
        except DamagedError as error:
            raise error.at(path) from None
        rows = read_ragged(self._hierarchy, path, count)
        return Groups(tuple(split_int64_rows(rows.buffer, rows.starts, rows.sizes, path)))

    def group_attribute(self, name: str) -> NDArray[Any]:
        """Values by group."""
        return read_values(self._hierarchy, *self._blob_group(names.GROUP_ATTRIBUTES, name))

    def _blob_group(self, family: str, name: str) -> tuple[str, Mapping[str, Any]]:
        """Path and attributes of the group of an attribute that is a blob."""
        path = f"{self.path}/{self._own_name(family)}/{name}"
        if not is_blob(self._hierarchy, f"{path}/{DATA}"):
            raise MissingError(family.removesuffix("s").replace("_", " "), name, self.attribute_names(family))
        return path, self._hierarchy.attributes(path) or {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the level cannot be trusted; looking at it reads the manifests of graphs and skeletons."""
        if self._notes is None:
            out = []
            if _NUMBERED_BEFORE_GROUPING.intersection(self._root.kinds):
                try:
                    if self.links(0) is not None and self._mixes_objects():
                        out.append(
                            f"{self.path}: chunks hold several objects, and before format 0.8 the rows of links were "
                            "numbered before vertices were regrouped by object: edges there may join wrong vertices"
                        )
                except DamagedError as error:
                    out.append(str(error))
            self._notes = (*out, *(n for notes in self._link_notes.values() for n in notes))
        return self._notes

    def _mixes_objects(self) -> bool:
        """Whether some chunk holds pieces of more than one object."""
        rows = self.object_rows()
        if rows is None or len(rows.ids) < 2:
            return False
        manifests = rows.read_manifests()
        chunk = ChunkTable.of(manifests.chunks).find(manifests.chunks)
        owner = np.repeat(np.arange(len(rows.ids)), np.diff(manifests.offsets))
        return len(np.unique(np.stack((chunk, owner), axis=1), axis=0)) > len(distinct(chunk))
