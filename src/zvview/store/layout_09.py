"""The layout of format 0.9: one array for each family of cells (part I of the format reference)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError, MissingError, UnsupportedError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata, find_absent, parse_dtype
from zvview.format.links import format_delta, format_offsets, has_permutation, parse_delta, parse_offsets
from zvview.format.manifests import Manifests, decode_dense, decode_manifests
from zvview.format.metadata import LevelMetadata, RootMetadata
from zvview.format.values import as_int, as_int_list, as_mapping, as_str_list, wrong
from zvview.store.cell_arrays import CellArray, GridArray
from zvview.store.draco import DRACO_NOTE
from zvview.store.hierarchy import Hierarchy
from zvview.store.layout import Groups, LinkArray, LinkFamily, ObjectRows
from zvview.store.object_ids import ObjectIds
from zvview.store.plain_arrays import document_of, fill_value_of, read_plain_array
from zvview.store.stored_groups import StoredGroups
from zvview.store.table_chunks import ByteRows, NumberCells

__all__ = ["Layout09", "split_int64_rows"]

_MAX_WIDTH = 8


class Layout09:
    """The arrays of one level in format 0.9.

    Parameters
    ----------
    hierarchy : Hierarchy
    root : RootMetadata
    metadata : LevelMetadata
    levels : mapping of int to LevelMetadata
        All levels of the store, for links between them.
    """

    def __init__(
        self, hierarchy: Hierarchy, root: RootMetadata, metadata: LevelMetadata, levels: Mapping[int, LevelMetadata]
    ) -> None:
        self.metadata, self.path = metadata, str(metadata.level)
        self._hierarchy, self._root, self._levels = hierarchy, root, levels
        hierarchy.documents([f"{self.path}/{n}" for n in (names.VERTICES, names.VERTEX_FRAGMENTS)])
        vertices = self._grid(names.VERTICES)
        if vertices is None:
            raise DamagedError("level", found="no vertices", expected="an array 'vertices'", array=self.path)
        self.vertices: CellArray = vertices
        self.fragments: CellArray | None = self._grid(names.VERTEX_FRAGMENTS)
        self.vertex_dtype = parse_dtype(vertices.attributes.get("dtype", "float32"), "metadata of vertices")
        if self.vertex_dtype.kind != "f" or self.vertex_dtype.itemsize < 4:
            raise wrong("metadata of vertices", "dtype", self.vertex_dtype.name, "float32 or float64").at(vertices.path)
        self.encoding = str(vertices.attributes.get("encoding", names.RAW))
        if self.encoding not in (names.RAW, names.DRACO):
            raise UnsupportedError(f"{vertices.path} has encoding {self.encoding!r}; zvview reads 'raw' and 'draco'")
        if self.encoding == names.DRACO and root.ndim != 3:
            raise wrong("metadata of vertices", "encoding", names.DRACO, f"'raw' on {root.ndim} axes").at(vertices.path)
        self.notes: tuple[str, ...] = (DRACO_NOTE,) if self.encoding == names.DRACO else ()
        self._links: dict[int, LinkFamily | None] = {}
        self._arrays: dict[str, GridArray | None] = {}

    def _grid(self, name: str) -> GridArray | None:
        path = f"{self.path}/{name}"
        document = self._hierarchy.document(path)
        if document is None:
            return None
        is_listed = not self.metadata.is_presence_deferred
        array = GridArray(self._hierarchy.source, path, document, is_presence_listed=is_listed)
        if array.ndim != self.metadata.sid_ndim:
            raise wrong("array metadata", "shape", f"{array.ndim} axes", f"{self.metadata.sid_ndim}").at(path)
        return array

    def attribute_names(self, family: str) -> list[str]:
        """Names of the attributes of a family."""
        scopes = {
            names.VERTEX_ATTRIBUTES: ("vertex",),
            names.OBJECT_ATTRIBUTES: ("object",),
            names.LINK_ATTRIBUTES: ("link",),
            names.FRAGMENT_ATTRIBUTES: (),
        }.get(family, ())
        declared = [n for scope in scopes for n in self._root.attribute_specs.get(scope, {})]
        if family == names.FRAGMENT_ATTRIBUTES:
            declared = [names.OBJECT_ID, names.SEGMENT_ID]
        found = self._hierarchy.children(f"{self.path}/{family}", declared)
        if family == names.LINK_ATTRIBUTES:
            return found
        return [n for n in found if self._is_array(f"{family}/{n}")]

    def _is_array(self, name: str) -> bool:
        """Whether there is data and not only the declaration, a group, of it (7.4)."""
        document = self._hierarchy.document(f"{self.path}/{name}")
        return document is not None and document["node_type"] == "array"

    def cell_attribute(self, family: str, name: str) -> tuple[CellArray, AttributeMetadata] | None:
        """A vertex or fragment attribute, or None."""
        key = f"{family}/{name}"
        if key not in self._arrays:
            self._arrays[key] = self._grid(key) if self._is_array(key) else None
        array = self._arrays[key]
        return None if array is None else (array, AttributeMetadata.parse(name, array.attributes))

    def link_deltas(self) -> list[int]:
        """Deltas for which the level owns links."""
        candidates = ("0", "+1", "-1")
        return sorted(parse_delta(n) for n in self._hierarchy.children(f"{self.path}/{names.LINKS}", candidates))

    def links(self, delta: int) -> LinkFamily | None:
        """The links of one delta, or None."""
        if delta not in self._links:
            self._links[delta] = self._open_links(delta)
        return self._links[delta]

    def _open_links(self, delta: int) -> LinkFamily | None:
        path = f"{self.path}/{names.LINKS}/{format_delta(delta)}"
        attributes = self._hierarchy.attributes(path)
        if attributes is None:
            return None
        part = "metadata of links"
        try:
            width = as_int(attributes.get("link_width", 2), part, "link_width", minimum=1)
            sid = as_int(attributes.get("sid_ndim", self.metadata.sid_ndim), part, "sid_ndim", minimum=1)
            if width > _MAX_WIDTH or sid != self.metadata.sid_ndim:
                expected = f"at most {_MAX_WIDTH}, and {self.metadata.sid_ndim} as the grid has"
                raise wrong(part, "link_width, sid_ndim", (width, sid), expected)
            store = attributes.get("store", names.CANONICAL)
            if store not in (names.CANONICAL, names.DUPLICATE):
                raise UnsupportedError(f"{path} has store {store!r}; zvview reads 'canonical' and 'duplicate'")
        except DamagedError as error:
            raise error.at(path) from None
        is_directed = bool(attributes.get("directed", False))
        segments = self._hierarchy.children(path, lambda: _neighbour_offsets(sid, width))
        attribute_names = tuple(
            n
            for n in self.attribute_names(names.LINK_ATTRIBUTES)
            if self._hierarchy.document(self._link_path(n, delta))
        )
        self._hierarchy.documents([self._link_path(n, delta, s) for n in attribute_names for s in segments])
        arrays = []
        for segment in segments:
            array = self._grid(f"{names.LINKS}/{format_delta(delta)}/{segment}")
            if array is None:
                continue
            offsets = parse_offsets(segment, sid, width)
            dtype = parse_dtype(array.attributes.get("dtype", "int64"), part)
            if dtype.kind not in "iu":
                raise wrong(part, "dtype", dtype.name, "an integer dtype").at(array.path)
            arrays.append(
                LinkArray(
                    offsets,
                    array,
                    dtype,
                    is_ragged=bool(delta or offsets.any()),
                    has_perm=has_permutation(offsets, delta=delta, directed=is_directed, store=str(store)),
                    attributes=self._link_attributes(attribute_names, delta, segment),
                )
            )
        ratios = (self._ratio(self.metadata.level), self._ratio(self.metadata.level + delta))
        return LinkFamily(
            path, delta, width, is_directed, store == names.DUPLICATE, tuple(arrays), None, ratios, attribute_names
        )

    def _link_path(self, name: str, delta: int, segment: str = "") -> str:
        return f"{self.path}/{names.LINK_ATTRIBUTES}/{name}/{format_delta(delta)}" + (f"/{segment}" if segment else "")

    def _link_attributes(
        self, attribute_names: Iterable[str], delta: int, segment: str
    ) -> dict[str, tuple[CellArray, AttributeMetadata]]:
        out: dict[str, tuple[CellArray, AttributeMetadata]] = {}
        for name in attribute_names:
            array = self._grid(self._link_path(name, delta, segment)[len(self.path) + 1 :])
            if array is not None:
                out[name] = (array, AttributeMetadata.parse(name, array.attributes))
        return out

    def _ratio(self, level: int) -> NDArray[np.int64]:
        """Chunk shape of a level over the root's (9.1); one where the level is not there."""
        metadata = self._levels.get(level)
        shape = self._root.chunk_shape if metadata is None else metadata.chunk_shape
        return np.maximum(1, np.rint(np.minimum(shape / self._root.chunk_shape, 2.0**31))).astype(np.int64)

    def object_rows(self) -> ObjectRows | None:
        """The object index, or None."""
        path = f"{self.path}/{names.OBJECT_INDEX}"
        attributes = self._hierarchy.attributes(path)
        if attributes is None:
            return None
        layout = attributes.get("layout", names.LAYOUT_V1)
        if layout not in (names.LAYOUT_V1, names.LAYOUT_V2, names.LAYOUT_DENSE):
            raise UnsupportedError(
                f"{path} has layout {layout!r}; zvview reads "
                f"{names.LAYOUT_V1}, {names.LAYOUT_V2} and {names.LAYOUT_DENSE}"
            )
        return ObjectRows09(self._hierarchy, path, attributes, self.metadata.sid_ndim)

    def object_attribute(self, name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values by object row and whether each row has one."""
        path = f"{self.path}/{names.OBJECT_ATTRIBUTES}/{name}"
        document = self._array_document(path, name, names.OBJECT_ATTRIBUTES)
        values = read_plain_array(self._hierarchy, path, document)
        if values.ndim not in (1, 2):
            raise DamagedError(
                "object attribute", found=f"shape {values.shape}", expected="(rows,) or (rows, C)", array=path
            )
        if document["attributes"].get("fill_sentinel_meaning") != names.ABSENT:
            return values, np.ones(len(values), bool)
        marker = "" if values.dtype.kind in "UST" else fill_value_of(document, values.dtype)
        return values, ~find_absent(values, marker)

    def _array_document(self, path: str, name: str, family: str) -> Mapping[str, Any]:
        document = self._hierarchy.document(path)
        if document is None or document["node_type"] != "array":
            raise MissingError(family.removesuffix("s").replace("_", " "), name, self.attribute_names(family))
        return document

    def stored_groups(self) -> StoredGroups | None:
        """Groups of objects, of which none is read yet, or None."""
        path = f"{self.path}/{names.GROUPS}"
        document = self._hierarchy.document(path)
        if document is None:
            return None
        table = ByteRows(self._hierarchy, path, document)
        attributes, part = document["attributes"], "metadata of groups"
        spans = {}
        for text, span in as_mapping(attributes.get("group_ranges") or {}, part, "group_ranges").items():
            first, stop = as_int_list(span, part, "group_ranges", 2)
            if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) >= len(table) or stop < first:
                found = {text: span}
                raise wrong(part, "group_ranges", found, f"[start, stop) of a group below {len(table)}").at(path)
            spans[int(text)] = first, stop
        rows = self.object_rows() if spans else None

        def read(numbers: NDArray[np.int64]) -> list[NDArray[np.int64]]:
            listed = table.read(numbers)
            members = split_int64_rows(listed.buffer, listed.starts, listed.sizes, path)
            if rows is None:
                return members
            known = np.sort(rows.ids.whole)  # a range costs no more than what it names
            for at, number in enumerate(numbers.tolist()):
                if number in spans:
                    first, stop = spans[number]
                    members[at] = known[(known >= first) & (known < stop)]
            return members

        labels = as_str_list(attributes.get("group_names") or (), part, "group_names")
        return StoredGroups(len(table), labels if len(labels) == len(table) else (), read)

    def groups(self) -> Groups | None:
        """Groups of objects, or None."""
        stored = self.stored_groups()
        return None if stored is None else Groups(stored.read(), stored.names)

    def group_attribute(self, name: str) -> NDArray[Any]:
        """Values by group."""
        path = f"{self.path}/{names.GROUP_ATTRIBUTES}/{name}"
        return read_plain_array(self._hierarchy, path, self._array_document(path, name, names.GROUP_ATTRIBUTES))


class ObjectRows09:
    """The object index of format 0.9, with manifests as byte rows or dense."""

    def __init__(self, hierarchy: Hierarchy, path: str, attributes: Mapping[str, Any], sid_ndim: int) -> None:
        self._hierarchy, self._path = hierarchy, path
        self.sid_ndim = as_int(attributes.get("sid_ndim", sid_ndim), "object index", "sid_ndim", minimum=1)
        if self.sid_ndim != sid_ndim:
            raise wrong("object index", "sid_ndim", self.sid_ndim, f"{sid_ndim}, as the grid has").at(path)
        self._is_dense = attributes.get("layout") == names.LAYOUT_DENSE
        self._has_ids = attributes.get("layout") in (names.LAYOUT_V2, names.LAYOUT_DENSE)
        self._is_sorted = attributes.get("object_ids_sorted") is True
        self._known: ObjectIds | None = None
        self._dense: Manifests | None = None
        hierarchy.documents([f"{path}/{n}" for n in self._array_names()])
        self._rows: ByteRows | None = None
        if self._is_dense:
            self._count = self._read_dense_count()
        elif (document := hierarchy.document(f"{path}/{names.MANIFESTS}")) is not None:
            self._rows = ByteRows(hierarchy, f"{path}/{names.MANIFESTS}", document)
            self._count = len(self._rows)
        else:
            self._count = 0
        declared = as_int(attributes.get("num_objects", self._count), "object index", "num_objects", minimum=0)
        if declared != self._count:
            found = f"num_objects = {declared} beside {self._count} manifests"
            raise DamagedError("object index", found=found, expected="one manifest for each object", array=path)

    def _array_names(self) -> Sequence[str]:
        manifests = (names.MANIFEST_SPANS, names.MANIFEST_BLOCKS) if self._is_dense else (names.MANIFESTS,)
        return (*manifests, names.OBJECT_IDS) if self._has_ids else manifests

    def _read_dense_count(self) -> int:
        document = self._hierarchy.document(f"{self._path}/{names.MANIFEST_SPANS}")
        return 0 if document is None else as_int_list(document.get("shape"), "array metadata", "shape", 2)[0]

    def __len__(self) -> int:
        return self._count

    @property
    def stored_rows(self) -> ByteRows | None:
        """The manifests as they are stored; None where they are dense, or there are none."""
        return self._rows

    @property
    def ids(self) -> ObjectIds:
        """Object id of each row; the row number where the layout stores no ids."""
        if self._known is None:
            path = f"{self._path}/{names.OBJECT_IDS}"
            if not self._has_ids or self._count == 0:
                self._known = ObjectIds(self._count)
            else:
                document = document_of(self._hierarchy, path)
                is_alike = self._is_sorted and document.get("shape") == [self._count]
                cells = NumberCells.open(self._hierarchy, path, document) if is_alike else None
                self._known = ObjectIds(self._count, self._read_ids, cells)
        return self._known

    def _read_ids(self) -> NDArray[np.int64]:
        path = f"{self._path}/{names.OBJECT_IDS}"
        ids = read_plain_array(self._hierarchy, path, document_of(self._hierarchy, path))
        if ids.dtype == np.uint64 and ids.size and ids.max() > np.iinfo(np.int64).max:
            raise DamagedError("object ids", found=f"{ids.max()}", expected="at most 2**63 - 1", array=path)
        if ids.shape != (self._count,) or ids.dtype.kind not in "iu":
            found = f"{ids.dtype} of shape {ids.shape}"
            raise DamagedError("object ids", found=found, expected=f"{self._count} integers", array=path)
        return ids.astype(np.int64)

    def read_manifests(self, rows: NDArray[np.int64] | None = None, cancel: CancelToken | None = None) -> Manifests:
        """Manifests of `rows`, in that order; of all rows by default."""
        if self._is_dense and self._count:
            dense = self._read_dense(cancel)
            return dense if rows is None else dense.select(rows)
        if self._rows is None:
            none = np.empty(0, np.int64)
            return Manifests(np.zeros(1, np.int64), none.reshape(0, self.sid_ndim), none)
        table = self._rows.read(rows, cancel)
        if rows is None:  # decoded they are kept by whoever asked for all
            self._rows.forget()
        try:
            return decode_manifests(table.buffer, table.starts, table.sizes, self.sid_ndim)
        except DamagedError as error:
            at = range(self._count) if rows is None else rows.tolist()
            raise error.at(f"{self._path}/{names.MANIFESTS}", [f"row {r}" for r in at]) from None

    def _read_dense(self, cancel: CancelToken | None) -> Manifests:
        if self._dense is None:
            paths = [f"{self._path}/{n}" for n in (names.MANIFEST_SPANS, names.MANIFEST_BLOCKS)]
            spans, blocks = (
                read_plain_array(self._hierarchy, p, document_of(self._hierarchy, p), cancel) for p in paths
            )
            for path, table in zip(paths, (spans, blocks), strict=True):
                if table.dtype.kind not in "iu":
                    raise DamagedError("manifests", found=str(table.dtype), expected="integers", array=path)
            spans, blocks = spans.astype(np.int64), blocks.astype(np.int64)
            if blocks.ndim != 2 or blocks.shape[1] != self.sid_ndim + 1:
                expected = f"(n, {self.sid_ndim + 1})"
                raise DamagedError("manifest blocks", found=f"shape {blocks.shape}", expected=expected, array=paths[1])
            try:
                self._dense = decode_dense(spans, blocks)
            except DamagedError as error:
                raise error.at(paths[0]) from None
        return self._dense


def split_int64_rows(
    buffer: NDArray[np.uint8], starts: NDArray[np.int64], sizes: NDArray[np.int64], path: str
) -> list[NDArray[np.int64]]:
    """Byte rows that hold int64 values, such as the members of groups."""
    if (sizes % 8).any():
        row = int(np.flatnonzero(sizes % 8)[0])
        raise DamagedError(
            "row of integers", found=f"{sizes[row]} bytes", expected="multiples of 8", array=path, cell=f"row {row}"
        )
    return [
        np.frombuffer(buffer[start : start + size].tobytes(), "<i8")
        for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)
    ]


def _neighbour_offsets(sid: int, width: int) -> Iterable[str]:
    """Names of the segments between neighbouring chunks: what can be probed where nothing lists the real ones."""
    if width == 1:
        return ["self"]
    steps = [np.array(s, np.int64) for s in product((-1, 0, 1), repeat=sid)]
    if len(steps) ** (width - 1) > 1 << 15:
        return [format_offsets(np.zeros((width - 1, sid), np.int64))]
    return [format_offsets(np.stack(combination)) for combination in product(steps, repeat=width - 1)]
