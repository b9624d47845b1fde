"""Points and meshes of a store as PLY files, in the form and with the comments that they came in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.appearing import appear
from zvview.convert.contract import Outgoing
from zvview.convert.ply_header import ASCII, BIG, LITTLE, Element, Header, Property, encode_header
from zvview.convert.ply_layout import OBJECT_ID, Note, Part
from zvview.convert.selecting import read_selected
from zvview.errors import InvalidInputError
from zvview.format.attributes import AttributeMetadata
from zvview.geometry.batches import Batch, Mesh, Pieces

__all__ = ["write_ply"]

_FORMS = (ASCII, LITTLE, BIG)
_CORNERS = "vertex_indices"
_CHANNELS = (("red", "green", "blue", "alpha"), ("red", "green", "blue"), ("nx", "ny", "nz"))


@dataclass(frozen=True, slots=True)
class _Ranges:
    """Extremes of what decides the types of properties."""

    wide: Mapping[str, tuple[int, int]]
    ids: tuple[int, int] | None
    corners: int


def write_ply(path: Path, outgoing: Outgoing) -> None:
    """Write all vertices, and the faces of meshes, to one file.

    Raises
    ------
    InvalidInputError
        Axes that PLY has no names for, or integers that none of its types holds.
    ExistsError, UnreachableError
        The file is there, or cannot be written.
    """
    kept: Mapping[str, Any] = outgoing.store.headers.get("ply", {})
    form = kept.get("format") if kept.get("format") in _FORMS else LITTLE
    plan = _Plan(outgoing, str(form))
    with appear(path) as aside, tempfile.TemporaryFile() as vertices, tempfile.TemporaryFile() as faces:
        counts = plan.write(vertices, faces)
        comments = [c for c in kept.get("comments", ()) if isinstance(c, str)]
        info = [c for c in kept.get("obj_info", ()) if isinstance(c, str)]
        header = Header(str(form), plan.elements(*counts), (*comments, plan.note.encode()), tuple(info))
        with aside.open("xb") as out:
            out.write(encode_header(header))
            for part in (vertices, faces):
                part.seek(0)
                shutil.copyfileobj(part, out, 1 << 20)


class _Plan:
    """The properties of a file and how batches fill them."""

    def __init__(self, outgoing: Outgoing, form: str) -> None:
        self._outgoing, self._form = outgoing, form
        level = outgoing.level
        self._axes = _axis_names(outgoing)
        self._is_mesh = outgoing.store.kind == Mesh.kind
        ranges = _find_ranges(outgoing)
        taken = {*self._axes, OBJECT_ID, _CORNERS}
        self._parts = [(_part(name, m, taken), m) for name, m in level.attributes.items()]
        self._has_ids = ranges.ids is not None and (not self._is_mesh or ranges.ids != (0, 0))
        position = level.dtype.str[1:]
        properties = [Property(name, position) for name in self._axes]
        properties += [Property(p, _type(m.name, m.dtype, ranges)) for part, m in self._parts for p in part.properties]
        if self._has_ids and ranges.ids is not None:
            properties.append(Property(OBJECT_ID, _integer_type(OBJECT_ID, *ranges.ids)))
        order = [name for name, *_ in _recorded(outgoing, "vertex")]
        self._vertex = tuple(sorted(properties, key=lambda p: order.index(p.name) if p.name in order else len(order)))
        self._face: tuple[Property, ...] = ()
        self._link_parts: list[Part] = []
        links: dict[str, Any] = {}
        if self._is_mesh:
            self._link_parts, links = _link_parts(outgoing)
            kinds = {part.name: np.dtype(links[part.name]["dtype"]) for part in self._link_parts}
            values = [Property(p, _type(n, kinds[n], ranges)) for n, ps in self._named_links() for p in ps]
            self._face = (Property(_CORNERS, _integer_type("corners", 0, ranges.corners), "u1"), *values)
        axes = [axis.document() | {"name": name} for axis, name in zip(outgoing.store.axes, self._axes, strict=True)]
        self.note = Note(axes, {p.name: _told(p, m) for p, m in self._parts}, links)

    def elements(self, vertices: int, faces: int) -> tuple[Element, ...]:
        """Elements of the header."""
        own = (Element("vertex", vertices, self._vertex),)
        return (*own, Element("face", faces, self._face)) if self._is_mesh else own

    def write(self, vertices: IO[bytes], faces: IO[bytes]) -> tuple[int, int]:
        """Write all batches; gives the numbers of vertices and of faces."""
        before = links = 0
        for batch in read_selected(self._outgoing):
            self._put(vertices, self._vertex_rows(batch))
            if isinstance(batch, Mesh):
                self._put(faces, self._face_rows(batch, before))
                links += len(batch.faces)
            before += len(batch)
        return before, links

    def _named_links(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(part.name, part.properties) for part in self._link_parts]

    def _vertex_rows(self, batch: Batch) -> NDArray[Any]:
        rows = np.empty(len(batch), Element("vertex", 0, self._vertex).row_dtype(self._order))
        for d, name in enumerate(self._axes):
            rows[name] = batch.positions[:, d]
        for part, metadata in self._parts:
            values = batch.attributes[metadata.name].reshape(len(batch), -1)
            for i, name in enumerate(part.properties):
                rows[name] = values[:, i]
        if self._has_ids:
            ids = batch.vertex_object_ids if isinstance(batch, Pieces) else getattr(batch, "object_ids", None)
            rows[OBJECT_ID] = -1 if ids is None else ids
        return rows

    def _face_rows(self, batch: Mesh, before: int) -> NDArray[Any]:
        width = batch.faces.shape[1]
        if width > 255:
            raise InvalidInputError(f"faces of {width} corners: a PLY file holds up to 255")
        rows = np.empty(len(batch.faces), Element("face", 0, self._face).row_dtype(self._order, [width]))
        rows["count 0"], rows[_CORNERS] = width, batch.faces + before
        for part in self._link_parts:
            values = batch.link_attributes[part.name].reshape(len(rows), -1)
            for i, name in enumerate(part.properties):
                rows[name] = values[:, i]
                if values.dtype.kind in "iu" and not (rows[name] == values[:, i]).all():
                    raise InvalidInputError(f"{part.name} holds integers that no type of PLY does")
        return rows

    @property
    def _order(self) -> str:
        return ">" if self._form == BIG else "<"

    def _put(self, file: IO[bytes], rows: NDArray[Any]) -> None:
        if self._form != ASCII:
            file.write(rows.tobytes())
        else:
            _put_text(file, rows)


def _put_text(file: IO[bytes], rows: NDArray[Any]) -> None:
    """Rows as text, numbers as short as they can be."""
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.csv as pcsv  # type: ignore[import-untyped]

    columns = []
    for name in rows.dtype.names or ():
        column = rows[name]
        columns += [column] if column.ndim == 1 else list(column.T)
    arrays = [pa.array(np.ascontiguousarray(c)) for c in columns]
    table = pa.Table.from_arrays(arrays, names=[str(i) for i in range(len(arrays))])
    sink = pa.BufferOutputStream()
    pcsv.write_csv(table, sink, pcsv.WriteOptions(include_header=False, delimiter=" "))
    file.write(sink.getvalue().to_pybytes())


def _axis_names(outgoing: Outgoing) -> list[str]:
    """Names of the positions in the file: those of the axes, which must be x and y at least."""
    names = [axis.name for axis in outgoing.store.axes]
    lower = [name.lower() for name in names]
    found = lower if len(set(lower)) == len(lower) else names
    if not {"x", "y"} <= set(found):
        raise InvalidInputError(f"PLY files have the axes x, y and z, the store {', '.join(names)}")
    return found


def _part(name: str, metadata: AttributeMetadata, taken: set[str]) -> Part:
    """Properties for the channels of an attribute: of their names where these are free, else numbered."""
    width = int(np.prod(metadata.row_shape, dtype=int)) if metadata.row_shape else 1
    return _free_part(name, width, metadata.channel_names, taken)


def _free_part(name: str, width: int, channels: Sequence[str], taken: set[str]) -> Part:
    wanted = [name] if width == 1 else [f"{name}_{i}" for i in range(width)]
    if width > 1 and len(channels) == width and not set(channels) & taken and not channels[0].startswith("ch0"):
        wanted = list(channels)
    out = []
    for text in wanted:
        clean = base = "_".join(text.split()) or "_"
        number = 2
        while clean in taken:
            clean, number = f"{base}_{number}", number + 1
        taken.add(clean)
        out.append(clean)
    return Part(name, tuple(out))


def _link_parts(outgoing: Outgoing) -> tuple[list[Part], dict[str, Any]]:
    """Face attributes, whose dtypes and widths only a batch tells."""
    batch = next(iter(read_selected(_quiet(outgoing), batch_bytes=1)), None)
    taken = {_CORNERS}
    parts, told = [], {}
    for name, values in batch.link_attributes.items() if isinstance(batch, Mesh) else ():
        width = values.shape[1] if values.ndim == 2 else 1
        recorded = {p for p, _ in _recorded(outgoing, "face")}
        channels = next((c for c in _CHANNELS if len(c) == width and set(c) <= recorded), ())
        part = _free_part(name, width, channels, taken)
        parts.append(part)
        told[name] = {"dtype": values.dtype.name, "properties": list(part.properties)}
    return parts, told


def _told(part: Part, metadata: AttributeMetadata) -> dict[str, Any]:
    out: dict[str, Any] = {"dtype": metadata.dtype.name, "properties": list(part.properties)}
    out |= {key: getattr(metadata, key) for key in ("unit", "description") if getattr(metadata, key)}
    if metadata.categories is not None:
        found = metadata.categories
        out |= {"labels": list(found.labels), "missing": found.missing, "is_ordered": found.ordered}
    return out


def _find_ranges(outgoing: Outgoing) -> _Ranges:
    """One pass over what has too many bits for PLY: 64-bit integers and object ids."""
    wide_names = [n for n, m in outgoing.level.attributes.items() if m.dtype.kind in "iu" and m.dtype.itemsize == 8]
    has_ids = outgoing.level.object_ids is not None
    wide: dict[str, tuple[int, int]] = dict.fromkeys(wide_names, (0, 0))
    ids: tuple[int, int] | None = None
    vertices = 0
    for batch in read_selected(_quiet(outgoing), attributes=wide_names):
        vertices += len(batch)
        for name in wide_names:
            wide[name] = _widened(wide[name], batch.attributes[name])
        own = getattr(batch, "object_ids", None)
        if has_ids and own is not None and len(own):
            ids = _widened(ids or (int(own[0]), int(own[0])), own)
    return _Ranges(wide, ids, max(0, vertices - 1))


def _widened(known: tuple[int, int], values: NDArray[Any]) -> tuple[int, int]:
    return min(known[0], int(values.min(initial=known[0]))), max(known[1], int(values.max(initial=known[1])))


def _type(name: str, dtype: np.dtype[Any], ranges: _Ranges) -> str:
    if dtype.kind == "b":
        return "u1"
    if dtype.kind in "iu" and dtype.itemsize == 8:
        return _integer_type(name, *ranges.wide.get(name, (-(1 << 53), 1 << 53)))
    return "f4" if dtype == np.float16 else dtype.str[1:]


def _integer_type(name: str, least: int, most: int) -> str:
    """A type of 4 bytes that holds these integers, else double where that is exact."""
    if least >= -(1 << 31) and most < 1 << 31:
        return "i4"
    if least >= 0 and most < 1 << 32:
        return "u4"
    if max(-least, most) <= 1 << 53:
        return "f8"
    raise InvalidInputError(f"{name} holds integers up to {max(-least, most)}, which no type of PLY does")


def _recorded(outgoing: Outgoing, element: str) -> list[tuple[str, str]]:
    """Names and types of the properties as they came in."""
    found = outgoing.store.headers.get("ply", {}).get("properties", {})
    entries = found.get(element, []) if isinstance(found, Mapping) else []
    return [(str(e[0]), str(e[1])) for e in entries if isinstance(e, list) and len(e) == 2]


def _quiet(outgoing: Outgoing) -> Outgoing:
    return Outgoing(outgoing.store, outgoing.level, outgoing.box, outgoing.objects, outgoing.groups, outgoing.cancel)
