"""OBJ files opened to be read: one with its objects, or a folder of them, each an object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.contract import Extras, Incoming, ReadOptions, Skipped
from zvview.convert.file_sets import FileSet, FoundFile, find_files
from zvview.convert.obj_content import ObjContent
from zvview.convert.obj_ids import read_first, split_comments
from zvview.convert.obj_lines import parse_lines
from zvview.convert.obj_objects import find_objects, split_shared
from zvview.convert.obj_text import parse_columns
from zvview.convert.object_files import number_names, stated_unit
from zvview.convert.polygons import FANS_TOLD, fan_polygons, make_mesh
from zvview.convert.rounding import survives_float32
from zvview.errors import BadFileError, InvalidInputError, UnreachableError
from zvview.format import names
from zvview.format.metadata import Axis
from zvview.geometry.batches import Mesh, Points
from zvview.geometry.concatenate import concatenate
from zvview.store.writing.options import AttributeSpec

__all__ = ["SUFFIXES", "ObjInput", "open_obj", "read_content"]

SUFFIXES = (".obj",)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CHANNELS = {"color": ("red", "green", "blue", "alpha"), "normal": ("nx", "ny", "nz")}


class ObjInput:
    """OBJ files as the batches of one mesh store; an :class:`~zvview.convert.contract.Input`.

    Names that are whole numbers, of files in a folder and of objects in a single file, are ids; the others are numbered
    and kept as object attribute ``name``. The first good file decides on attributes, and on float32 for positions where
    that changes none of its numbers. Several files keep what all others of them lack as NaN.
    """

    kind = names.MESH

    def __init__(self, found: FileSet, options: ReadOptions) -> None:
        labels = ("x", "y", "z") if options.axes is None else tuple(options.axes)
        if len(labels) != 3:
            raise InvalidInputError(f"axes {labels}: OBJ files have 3")
        self._found, self._options = found, options
        self._skipped: list[Skipped] = []
        self._notes: dict[str, None] = {}
        self._comments: dict[str, list[int]] = {}
        told = None if found.is_single else [read_first(file.path) for file in found.files]
        self._ids = number_names([file.name.rpartition("/")[2] for file in found.files], told)
        self._contents = self._read_all()
        self._waiting = next(self._contents, None)
        if self._waiting is None:
            reason = f"none of {len(found.files)} files can be read; {self._skipped[0].place}"
            raise BadFileError(found.place, f"{reason}: {self._skipped[0].reason}")
        first = self._waiting[2]
        self._unit = options.unit or stated_unit(first.comments)
        self.axes = tuple(Axis(label, "space", self._unit) for label in labels)
        self._dtype = np.dtype(np.float32 if survives_float32(first.positions) else np.float64)
        values = _values(first)
        self._widths = {name: v.shape[1] for name, v in values.items()}
        self._dtypes = {
            name: np.dtype(np.float32 if survives_float32(v[~np.isnan(v).any(axis=1)]) else np.float64)
            for name, v in values.items()
        }
        self.attribute_specs = {
            name: AttributeSpec(channel_names=_CHANNELS[name][:width]) for name, width in self._widths.items()
        }

    def batches(self) -> Iterator[Incoming]:
        """See :class:`~zvview.convert.contract.Input`."""
        parts: list[tuple[Mesh, str | None]] = []
        size = 0
        while self._waiting is not None:
            file, number, content = self._waiting
            self._waiting = None
            try:
                self._check_unit(content, file)
                if self._found.is_single:
                    yield self._one(file, content)
                else:
                    parts.append(self._part(file, number, content))
                    size += parts[-1][0].nbytes
            except BadFileError as error:
                self._skip(file, error)
            if size >= self._options.batch_bytes:
                yield _join(parts)
                parts, size = [], 0
            self._waiting = next(self._contents, None)
        if parts:
            yield _join(parts)

    def extras(self) -> Extras:
        """See :class:`~zvview.convert.contract.Input`."""
        comments = [{"text": text, "objects": ids} for text, ids in self._comments.items()]
        return Extras(headers={"obj": {"comments": comments}}, skipped=tuple(self._skipped), notes=tuple(self._notes))

    def _read_all(self) -> Iterator[tuple[FoundFile, int, ObjContent]]:
        """Content and id of each file that can be read."""
        for file, number in zip(self._found.files, self._ids, strict=True):
            if self._options.cancel is not None:
                self._options.cancel.raise_if_cancelled()
            try:
                content = read_content(file)
            except (BadFileError, UnreachableError) as error:
                self._skip(file, error)
            else:
                yield file, number, content

    def _one(self, file: FoundFile, content: ObjContent) -> Incoming:
        """The objects of the file that was named."""
        objects, told = find_objects(content)
        self._tell(file, content, told)
        faces, index = fan_polygons(content.counts, content.corners, triangulate=False)
        self._tell_fans(file, faces, content)
        rows, owners, faces = split_shared(faces, objects.of_faces[index], objects.of_vertices)
        if len(rows) > len(content.positions):
            self._note(file, f"{len(rows) - len(content.positions)} vertices that objects share were copied for each")
        known, comments = split_comments(content.comments)
        numbers = number_names(objects.names, [None if name is None else known.get(name) for name in objects.names])
        ids = np.array(numbers, np.int64)
        mesh = make_mesh(self._points(file, content, rows, ids[owners]), faces, {}, None)
        if comments:
            self._comments[comments] = numbers
        titles = [None if str(ids[i]) == objects.names[i] else objects.names[i] for i in np.argsort(ids)]
        return Incoming(mesh, {"name": np.array(titles, object)} if any(titles) else None)

    def _part(self, file: FoundFile, number: int, content: ObjContent) -> tuple[Mesh, str | None]:
        """A file of a folder as one object, with its name where that is no id.

        Its polygons become triangles, since those of other files may have other sizes.
        """
        self._tell(file, content, "")
        faces, _ = fan_polygons(content.counts, content.corners, triangulate=True)
        self._tell_fans(file, faces, content)
        points = self._points(file, content, np.arange(len(content.positions)), None)
        known, comments = split_comments(content.comments)
        if comments:
            self._comments.setdefault(comments, []).append(number)
        name = next((title for title, told in known.items() if told == number), file.name)
        return make_mesh(points, faces, {}, number), None if str(number) == name else name

    def _points(
        self, file: FoundFile, content: ObjContent, rows: NDArray[np.int64], ids: NDArray[np.int64] | None
    ) -> Points:
        """The vertices `rows` in the dtypes of the first file."""
        with np.errstate(over="ignore"):
            positions = content.positions.astype(self._dtype)
        if not np.isfinite(positions).all():
            raise BadFileError(file.place, f"its coordinates are too large for {self._dtype}, which the first file has")
        values = _values(content)
        if more := [name for name in values if values[name].shape[1] != self._widths.get(name)]:
            self._note(file, f"{' and '.join(more)} left out: the first file has none such")
        out: dict[str, NDArray[Any]] = {}
        for name, width in self._widths.items():
            if name in values and values[name].shape[1] == width:
                out[name] = values[name].astype(self._dtypes[name])[rows]
            else:
                out[name] = np.full((len(rows), width), np.nan, self._dtypes[name])
        return Points(positions[rows], attributes=out, object_ids=ids)

    def _check_unit(self, content: ObjContent, file: FoundFile) -> None:
        stated = stated_unit(content.comments)
        if stated is not None and self._options.unit is None and stated != self._unit:
            raise BadFileError(file.place, f"states {stated}, the files before it {self._unit or 'no unit'}")

    def _tell(self, file: FoundFile, content: ObjContent, told: str) -> None:
        """Note what of a file no mesh store has a place for."""
        materials = dict.fromkeys(s.text for s in content.statements if s.keyword == "usemtl")
        if materials:
            self._note(file, f"materials are left out: {', '.join(materials)}")
        left_out = list(content.passed_over)
        if len(content.normals) and content.vertex_normals is None:
            left_out.append("normals, of which there is not one for each vertex")
        if left_out:
            self._note(file, f"{'; '.join(left_out)}: left out")
        if told:
            self._note(file, told)

    def _tell_fans(self, file: FoundFile, faces: NDArray[np.int64], content: ObjContent) -> None:
        if len(faces) != len(content.counts):
            self._note(file, FANS_TOLD)

    def _note(self, file: FoundFile, text: str) -> None:
        self._notes[f"{file.place}: {text}" if self._found.is_single else text] = None

    def _skip(self, file: FoundFile, error: BadFileError | UnreachableError) -> None:
        if self._found.is_single:
            raise error
        self._skipped.append(Skipped.of(file.place, error))


def open_obj(path: Path, options: ReadOptions) -> ObjInput:
    """OBJ files as an input: one, or those of a folder or a zip archive.

    Raises
    ------
    BadFileError
        The file is bad, or all of several are.
    InvalidInputError
        Another kind than meshes.
    UnreachableError
    """
    if options.kind not in (None, names.MESH):
        raise InvalidInputError(f"kind = {options.kind!r}: OBJ files are of kind {names.MESH!r}")
    return ObjInput(find_files(path, SUFFIXES), options)


def read_content(file: FoundFile) -> ObjContent:
    """The content of a file.

    Raises
    ------
    BadFileError
        Names the line; a file without faces.
    UnreachableError
    """
    try:
        data = file.path.read_bytes().removeprefix(_BYTE_ORDER_MARK)
    except OSError as error:
        raise UnreachableError(f"{file.place}: {error.strerror}") from error
    content = parse_columns(data)
    if content is None:
        content = parse_lines(data, file.place)
    if not len(content.counts):
        raise BadFileError(file.place, "it holds no faces")
    return content


def _join(parts: Sequence[tuple[Mesh, str | None]]) -> Incoming:
    """Objects with their names as one batch."""
    titles = np.array([title for _, title in parts], object)
    return Incoming(concatenate([mesh for mesh, _ in parts]), {"name": titles} if any(titles) else None)


def _values(content: ObjContent) -> dict[str, NDArray[np.float64]]:
    """Attributes of vertices."""
    out = {"color": content.colors} if content.colors.shape[1] else {}
    normals = content.vertex_normals
    return out if normals is None else out | {"normal": normals}
