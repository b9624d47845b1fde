"""PLY files opened to be read: points block after block, meshes as whole objects, a file of a folder each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.contract import Extras, Incoming, ReadOptions, Skipped
from zvview.convert.file_sets import FileSet, FoundFile, find_files
from zvview.convert.ply_elements import ElementReader
from zvview.convert.ply_faces import CORNERS, read_polygons
from zvview.convert.ply_header import Element, Header, read_header
from zvview.convert.ply_layout import COMMENT, OBJECT_ID, Note, Part, find_parts
from zvview.convert.polygons import FANS_TOLD, make_mesh
from zvview.errors import BadFileError, InvalidInputError
from zvview.format import names
from zvview.format.attributes import Categories
from zvview.format.metadata import Axis
from zvview.geometry.batches import Points
from zvview.store.writing.options import AttributeSpec

__all__ = ["SUFFIXES", "PlyInput", "open_ply"]

SUFFIXES = (".ply",)


@dataclass(slots=True, eq=False)
class PlyInput:
    """PLY files as an input of points or of meshes; of several files each is an object, named after its file."""

    files: FileSet
    headers: Mapping[str, Header]
    kind: str
    axes: tuple[Axis, ...]
    batch_bytes: int
    _skipped: list[Skipped] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)

    @property
    def _first(self) -> Header:
        return next(iter(self.headers.values()))

    @property
    def _note(self) -> Note:
        return Note.of(self._first, self.files.place)

    @property
    def attribute_specs(self) -> dict[str, AttributeSpec]:
        """Names of channels; units and descriptions that zvview wrote."""
        note, out = self._note, {}
        for part in self._parts(self._first):
            told = note.spec(part.name)
            spec = AttributeSpec(told.unit, told.description, part.channels, told.is_ordered)
            if spec != AttributeSpec():
                out[part.name] = spec
        return out

    def batches(self) -> Iterator[Incoming]:
        """All files; of several, those that are bad are left out."""
        is_several = not self.files.is_single
        found = 0
        for file in self.files.files:
            header = self.headers.get(file.place)
            if header is None:
                continue
            try:
                if self.kind == names.MESH:
                    incoming = self._read_mesh(file, header, found if is_several else None)
                    yield incoming
                else:
                    yield from self._read_points(file, header, found if is_several else None)
            except BadFileError as error:
                if not is_several:
                    raise
                self._leave_out(error)
            else:
                found += 1
        if not found:
            raise BadFileError(self.files.place, f"none of its files can be read; the first: {self._skipped[0].reason}")

    def extras(self) -> Extras:
        """Header of a single file; what was left out."""
        if not self.files.is_single:
            return Extras(skipped=self._skipped, notes=self._notes)
        header = self._first
        comments = [c for c in header.comments if not c.startswith(COMMENT + "{")]
        kept = {"format": header.form, "comments": comments, "obj_info": list(header.object_info)}
        order = {e.name: [[p.name, p.type] for p in e.properties] for e in header.elements}
        return Extras(headers={"ply": kept | {"properties": order}}, skipped=self._skipped, notes=self._notes)

    def _parts(self, header: Header) -> list[Part]:
        vertex = header.element("vertex")
        assert vertex is not None
        return find_parts(vertex, self._note.attributes, [*(axis.name for axis in self.axes), OBJECT_ID])

    def _read_points(self, file: FoundFile, header: Header, number: int | None) -> Iterator[Incoming]:
        """Points of a file; of several files each is read whole, so that a bad one leaves nothing behind."""
        vertex = header.element("vertex")
        assert vertex is not None
        row_bytes = max(1, vertex.row_dtype("<").itemsize)
        with ElementReader(file.path, file.place, header) as reader:
            reader.check_size()
            self._pass_over(reader, header, "vertex")
            blocks = reader.blocks(vertex, self.batch_bytes // row_bytes if number is None else max(1, vertex.count))
            is_empty, before = True, 0
            for block in blocks:
                is_empty = False
                points = self._points(block, header)
                _check_finite(points, before, file.place)
                before += len(block)
                if number is not None:
                    self._finish(reader, header, "vertex")
                    ids = np.full(len(points), number, np.int64)
                    yield Incoming(_with_ids(points, ids), {"name": [file.name]})
                    return
                yield Incoming(points)
            if is_empty:
                yield Incoming(self._points(np.empty(0, vertex.row_dtype("<")), header))
            self._finish(reader, header, "vertex")

    def _read_mesh(self, file: FoundFile, header: Header, number: int | None) -> Incoming:
        vertex, face = header.element("vertex"), header.element("face")
        assert vertex is not None and face is not None
        rows: NDArray[Any] | None = None
        with ElementReader(file.path, file.place, header) as reader:
            reader.check_size()
            self._pass_over(reader, header, "vertex", "face")
            for element in header.elements:
                if element.name == "vertex":
                    rows = next(reader.blocks(vertex, max(1, vertex.count)), np.empty(0, vertex.row_dtype("<")))
                elif element.name == "face":
                    lists = reader.lists(face)
                    break
                else:
                    self._skip(reader, element)
            self._finish(reader, header, "face")
        assert rows is not None
        corners, index = read_polygons(file.place, face, lists, len(rows), triangulate=number is not None)
        if len(corners) != face.count:
            self._notes.append(f"{file.place}: {FANS_TOLD}")
        parts = find_parts(face, self._note.link_attributes)
        values = {part.name: self._typed(part, part.read(lists.scalars), of_links=True)[index] for part in parts}
        points = self._points(rows, header)
        _check_finite(points, 0, file.place)
        mesh = make_mesh(points, corners, values, number)
        return Incoming(mesh, None if number is None else {"name": [file.name]})

    def _points(self, rows: NDArray[Any], header: Header) -> Points:
        columns = [rows[axis.name] for axis in self.axes]
        narrow = all(c.dtype.itemsize < 4 or c.dtype.newbyteorder("=") == np.float32 for c in columns)
        positions = np.empty((len(rows), len(columns)), np.float32 if narrow else np.float64)
        for d, column in enumerate(columns):
            positions[:, d] = column
        values: dict[str, NDArray[Any]] = {}
        labels: dict[str, Categories] = {}
        for part in self._parts(header):
            values[part.name] = self._typed(part, part.read(rows))
            if (found := self._note.categories(part.name)) is not None:
                labels[part.name] = found
        ids = None
        if OBJECT_ID in (rows.dtype.names or ()):
            with np.errstate(invalid="ignore"):
                ids = rows[OBJECT_ID].astype(np.int64)
            if not (ids == rows[OBJECT_ID]).all():
                raise BadFileError(self.files.place, f"property {OBJECT_ID!r} holds values that are no integers")
        return Points(positions, attributes=values, categories=labels, object_ids=ids)

    def _typed(self, part: Part, values: NDArray[Any], *, of_links: bool = False) -> NDArray[Any]:
        """Values in the dtype that zvview wrote down; as they are where they do not fit it."""
        dtype = self._note.dtype(part.name, of_links=of_links)
        if dtype is None:
            return values
        with np.errstate(invalid="ignore", over="ignore"):
            typed = values.astype(dtype)
        return (
            typed if np.array_equal(typed.astype(values.dtype), values, equal_nan=values.dtype.kind == "f") else values
        )

    def _pass_over(self, reader: ElementReader, header: Header, *wanted: str) -> None:
        """Read past the elements that stand before the first that is wanted."""
        for element in header.elements:
            if element.name in wanted:
                return
            self._skip(reader, element)

    def _skip(self, reader: ElementReader, element: Element) -> None:
        if element.has_lists:
            reader.lists(element)
        else:
            for _ in reader.blocks(element, 1 << 16):
                pass

    def _finish(self, reader: ElementReader, header: Header, last: str) -> None:
        """Read what stands behind, which may be damaged as well, and tell what was not kept."""
        found = [element.name for element in header.elements]
        for element in header.elements[found.index(last) + 1 :]:
            self._skip(reader, element)
        reader.finish()

    def _leave_out(self, error: BadFileError) -> None:
        self._skipped.append(Skipped.of(error.path, error))


def open_ply(path: Path, options: ReadOptions) -> PlyInput:
    """Read the header of a file, or those of all files of a folder or an archive.

    Raises
    ------
    BadFileError
        The header is bad, or that of every file; no vertices, faces without corners.
    InvalidInputError
        Another kind than points and meshes; a mesh wanted of a file without faces.
    """
    if options.kind not in (None, names.POINT_CLOUD, names.MESH):
        raise InvalidInputError(f"PLY files hold points and meshes, not {options.kind}")
    files = find_files(path, SUFFIXES)
    headers: dict[str, Header] = {}
    skipped: list[Skipped] = []
    kind = options.kind
    for file in files.files:
        try:
            header = read_header(file.path, file.place)
            _check(header, file.place)
            face = header.element("face")
            kind = kind or (names.MESH if face is not None and face.count else names.POINT_CLOUD)
            if kind == names.MESH and face is None:
                raise BadFileError(file.place, "it holds no faces")
            if headers and _columns(header) != _columns(next(iter(headers.values()))):
                raise BadFileError(
                    file.place, "its vertices or faces have other properties than those of the first file"
                )
            headers[file.place] = header
        except BadFileError as error:
            if files.is_single:
                raise
            skipped.append(Skipped.of(error.path, error))
    if not headers:
        raise BadFileError(path, f"none of its {len(files.files)} files can be read; the first: {skipped[0].reason}")
    first = next(iter(headers.values()))
    axes = _axes(first, str(path), options)
    out = PlyInput(files, headers, kind or names.POINT_CLOUD, axes, options.batch_bytes, skipped)
    if files.is_single:
        skipped += _not_kept(first, str(path), out.kind)
    return out


def _check(header: Header, place: str) -> None:
    vertex, face = header.element("vertex"), header.element("face")
    if vertex is None:
        raise BadFileError(place, "it holds no vertices")
    if vertex.has_lists:
        raise BadFileError(place, "vertices with lists of numbers cannot be stored", "header")
    if header.element("tristrips") is not None:
        raise BadFileError(place, "triangle strips are not read; save the mesh with faces", "header")
    has_corners = face is not None and any(p.name in CORNERS and p.count_type for p in face.properties)
    if face is not None and not has_corners:
        raise BadFileError(place, f"faces without {CORNERS[0]}", "header")


def _columns(header: Header) -> list[Any]:
    """What files of one store have in common."""
    elements = [header.element(name) for name in ("vertex", "face")]
    return [None if e is None else {p for p in e.properties if p.count_type is None} for e in elements]


def _axes(header: Header, place: str, options: ReadOptions) -> tuple[Axis, ...]:
    vertex = header.element("vertex")
    assert vertex is not None
    known = [p.name for p in vertex.properties]
    told = Note.of(header, place).axes
    wanted = list(options.axes) if options.axes is not None else [str(a.get("name")) for a in told]
    wanted = wanted or ["x", "y", *(name for name in ("z",) if name in known)]
    if missing := [name for name in wanted if name not in known]:
        raise BadFileError(place, f"vertices have no {missing[0]}; their properties: {', '.join(known)}", "header")
    units = {str(a.get("name")): a for a in told}
    out = []
    for name in wanted:
        kind = str(units.get(name, {}).get("type", "time" if name in ("t", "time") else "space"))
        unit = units.get(name, {}).get("unit")
        stated = options.unit if options.unit is not None and kind == "space" else unit
        out.append(Axis(name, kind, stated if isinstance(stated, str) else None))
    return tuple(out)


def _not_kept(header: Header, place: str, kind: str) -> list[Skipped]:
    """Elements and lists that no store has a place for."""
    used = ("vertex", "face") if kind == names.MESH else ("vertex",)
    reason = "no store has a place for it"
    out = [Skipped(f"{place}, element {e.name}", reason) for e in header.elements if e.name not in used and e.count]
    face = header.element("face")
    lists = [] if face is None or kind != names.MESH else [p.name for p in face.properties if p.count_type is not None]
    out += [Skipped(f"{place}, list {name} of faces", reason) for name in lists if name not in CORNERS]
    return out


def _check_finite(points: Points, before: int, place: str) -> None:
    """Refuse coordinates that a store cannot hold; `before` rows of the file were read before."""
    if not np.isfinite(points.positions).all():
        row = int(np.flatnonzero(~np.isfinite(points.positions).all(axis=1))[0])
        raise BadFileError(
            place, f"it is at {points.positions[row].tolist()}: expected finite numbers", f"vertex {before + row}"
        )


def _with_ids(points: Points, ids: NDArray[np.int64]) -> Points:
    return Points(points.positions, attributes=points.attributes, categories=points.categories, object_ids=ids)
