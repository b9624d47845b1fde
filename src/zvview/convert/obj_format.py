"""A batch of meshes as the lines of OBJ files, written as columns and cut where objects begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pyarrow import csv

from zvview.format.sequences import offsets_of
from zvview.geometry.batches import Mesh

__all__ = ["Section", "Sections", "format_sections"]

_csv: Any = csv  # pyarrow has no types
_pa: Any = pa
_pc: Any = pc


@dataclass(frozen=True, slots=True)
class Section:
    """The lines of one object; -1 is what belongs to none.

    Attributes
    ----------
    object_id : int
    text : bytes
    normals : int
        How many normals it has.
    """

    object_id: int
    text: bytes
    normals: int


@dataclass(frozen=True, slots=True)
class Sections:
    """Sections in the order of object ids, and how many faces are in none since they join two."""

    sections: tuple[Section, ...]
    torn: int


def format_sections(
    batch: Mesh,
    colors: NDArray[Any] | None,
    normals: NDArray[Any] | None,
    before: tuple[int, int] | None,
) -> Sections:
    """The lines of each object of a batch.

    Parameters
    ----------
    batch : Mesh
    colors : (V, 3 or 4) array, optional
        Integers are written as parts of the largest of their type. NaN is no colour.
    normals : (V, 3) array, optional
        A face has them where each of its corners has one that is not NaN.
    before : (int, int), optional
        Vertices and normals in the file so far; where None each object is a file of its own.
    """
    owners = batch.vertex_object_ids
    order = np.argsort(owners, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    ids, starts = np.unique(owners[order], return_index=True)
    bounds = np.append(starts, len(order))
    faces = place[batch.faces]
    section = np.searchsorted(starts, faces[:, 0], side="right") - 1
    is_torn = (np.searchsorted(starts, faces, side="right") - 1 != section[:, None]).any(axis=1)
    if before is None:
        faces, section = faces[~is_torn], section[~is_torn]
    by_section = np.argsort(section, kind="stable")
    faces, section = faces[by_section], section[by_section]
    has_normal = np.zeros(len(order), bool) if normals is None else np.isfinite(normals[order]).all(axis=1)
    normal_rows = offsets_of(has_normal)
    vertex_lines = _Lines(_number_lines("v", batch.positions[order], None if colors is None else colors[order]))
    normal_lines = _Lines(b"" if normals is None else _number_lines("vn", normals[order][has_normal], None))
    first, first_normal = (starts[section], normal_rows[starts[section]]) if before is None else (0, 0)
    shift, normal_shift = (1, 1) if before is None else (1 + before[0], 1 + before[1])
    face_lines = _Lines(
        _face_lines(
            [faces[:, i] - first + shift for i in range(faces.shape[1])],
            [normal_rows[faces[:, i]] - first_normal + normal_shift for i in range(faces.shape[1])],
            np.asarray(has_normal[faces].all(axis=1)),
        )
    )
    face_bounds = np.searchsorted(section, np.arange(len(ids) + 1))
    out = []
    for i, object_id in enumerate(ids.tolist()):
        rows = normal_rows[bounds[i]], normal_rows[bounds[i + 1]]
        text = vertex_lines.cut(bounds[i], bounds[i + 1]) + normal_lines.cut(*rows)
        text += face_lines.cut(face_bounds[i], face_bounds[i + 1])
        out.append(Section(object_id, text, int(rows[1] - rows[0])))
    return Sections(tuple(out), int(is_torn.sum()) if before is None else 0)


class _Lines:
    """Text that is cut by lines."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._starts = np.append(0, np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1)

    def cut(self, start: int, stop: int) -> bytes:
        """The lines from `start` up to `stop`."""
        return self._text[self._starts[start] : self._starts[stop]]


def _number_lines(keyword: str, values: NDArray[Any], colors: NDArray[Any] | None) -> bytes:
    columns = [np.ascontiguousarray(column) for column in values.T]
    if colors is None:
        return _write(keyword, columns)
    if colors.dtype.kind in "iu":
        colors = (colors / np.iinfo(colors.dtype).max).astype(np.float32)
    return _write(keyword, [*columns, *(np.ascontiguousarray(column) for column in colors.T)]).replace(b" nan", b"")


def _face_lines(
    corners: Sequence[NDArray[np.int64]], normals: Sequence[NDArray[np.int64]], has_normals: NDArray[np.bool_]
) -> bytes:
    if not has_normals.any():
        return _write("f", corners)
    columns = []
    for vertex, normal in zip(corners, normals, strict=True):
        alone, numbers = (_pa.array(a).cast(_pa.string()) for a in (vertex, normal))
        both = _pc.binary_join_element_wise(alone, numbers, "//")
        columns.append(_pc.if_else(_pa.array(has_normals), both, alone))
    return _write("f", columns)


def _write(keyword: str, columns: Sequence[Any]) -> bytes:
    """Lines of a keyword and numbers, these as short as they read back."""
    arrays = [_pa.array(column) for column in columns]
    if not len(arrays[0]):
        return b""
    words = _pa.DictionaryArray.from_arrays(np.zeros(len(arrays[0]), np.int8), [keyword]).cast(_pa.string())
    table = _pa.Table.from_arrays([words, *arrays], names=[str(i) for i in range(len(arrays) + 1)])
    sink = _pa.BufferOutputStream()
    options = _csv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none")
    _csv.write_csv(table, sink, options)
    return bytes(sink.getvalue().to_pybytes())
