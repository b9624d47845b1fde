"""The plain form of OBJ files, parsed as columns: no step for each line but for those that are no vertex and no face.

All that is not plain, or wrong, is left to :mod:`zvview.convert.obj_lines`, which is slower and finds what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pyarrow import csv

from zvview.convert.obj_content import COLORS_OF_WIDTH, PASSED_OVER, STATEMENTS, ObjContent, Statement
from zvview.convert.object_files import decode_text
from zvview.format.sequences import offsets_of

__all__ = ["parse_columns"]

_csv: Any = csv  # pyarrow has no types
_pa: Any = pa
_BLOCK = 8 << 20
_BLANK, _TAB, _END, _SLASH = b" \t\n/"
_ONE_BY_ONE = bytes.maketrans(b" /", b"\n\n")


def parse_columns(data: bytes) -> ObjContent | None:
    """The content of a file; None where any line is not plain."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data.endswith(b"\n"):
        data += b"\n"
    if b"\\\n" in data:
        return None
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw == _END)
    starts = np.concatenate(([0], ends[:-1] + 1))
    first, second, third = (raw[np.minimum(starts + i, len(raw) - 1)] for i in range(3))
    is_blank = (second == _BLANK) | (second == _TAB)
    is_wider = ((third == _BLANK) | (third == _TAB)) & (first == ord("v"))
    of_vertices, of_faces = is_blank & (first == ord("v")), is_blank & (first == ord("f"))
    of_normals, of_textures = is_wider & (second == ord("n")), is_wider & (second == ord("t"))
    is_rest = ~(of_vertices | of_faces | of_normals | of_textures | (first == _END))
    rest = [
        (data[start:end], line)
        for start, end, line in zip(
            starts[is_rest].tolist(), ends[is_rest].tolist(), np.flatnonzero(is_rest).tolist(), strict=True
        )
    ]
    vertices_before, faces_before = np.cumsum(of_vertices), np.cumsum(of_faces)
    found = _read_rest(rest, vertices_before, faces_before)
    if found is None:
        return None
    statements, comments, passed_over = found
    if of_textures.any():
        passed_over = (*passed_over, PASSED_OVER["vt"])
    lengths = ends - starts + 1
    points = _read_numbers(_take(raw, of_vertices, lengths), tuple(COLORS_OF_WIDTH))
    normals = _read_numbers(_take(raw, of_normals, lengths), (3,))
    if points is None or normals is None:
        return None
    faces = _read_faces(_take(raw, of_faces, lengths), vertices_before[of_faces], np.cumsum(of_normals)[of_faces])
    if faces is None or not _is_within(faces[1], 0, len(points)) or not _is_within(faces[2], -1, len(normals)):
        return None
    colors = points[:, points.shape[1] - COLORS_OF_WIDTH[points.shape[1]] :]
    return ObjContent(points[:, :3], colors, normals, *faces, statements, "\n".join(comments), passed_over)


def _read_rest(
    lines: Sequence[tuple[bytes, int]], vertices: NDArray[np.int64], faces: NDArray[np.int64]
) -> tuple[tuple[Statement, ...], list[str], tuple[str, ...]] | None:
    """Statements, comments and what is passed over; None where a keyword is not known."""
    statements: list[Statement] = []
    comments: list[str] = []
    others: dict[str, None] = {}
    for text, line in lines:
        keyword, _, rest = decode_text(text.replace(b"\t", b" ")).partition(" ")
        if keyword.startswith("#"):
            comments.append(decode_text(text)[1:])
        elif not keyword and not rest.strip():
            continue
        elif keyword in STATEMENTS:
            statements.append(Statement(keyword, rest.strip(), int(vertices[line]), int(faces[line])))
        elif keyword in PASSED_OVER:
            others |= dict.fromkeys([PASSED_OVER[keyword]] if PASSED_OVER[keyword] else [])
        else:
            return None
    return tuple(statements), comments, tuple(others)


def _take(raw: NDArray[np.uint8], is_taken: NDArray[np.bool_], lengths: NDArray[np.int64]) -> bytes:
    """The lines that are taken: one blank between words, none at their ends."""
    if not is_taken.any():
        return b""
    text = raw[np.repeat(is_taken, lengths)]
    if (text == _TAB).any():
        text[text == _TAB] = _BLANK
    is_blank = text == _BLANK
    is_idle = is_blank[:-1] & (is_blank[1:] | (text[1:] == _END))
    return (text[~np.append(is_idle, False)] if is_idle.any() else text).tobytes()


def _read_numbers(text: bytes, widths: Sequence[int]) -> NDArray[np.float64] | None:
    """Rows of finite numbers behind a keyword, all of one of these widths."""
    width = text[: text.find(b"\n")].count(b" ") if text else widths[0]
    if width not in widths:
        return None
    if not text:
        return np.empty((0, width))
    names = [str(i) for i in range(width + 1)]
    columns = _read_csv(text, " ", dict.fromkeys(names[1:], _pa.float64()), names)
    if columns is None or len(columns) != text.count(b"\n"):
        return None
    out = np.empty((len(columns), width))
    for i, name in enumerate(names[1:]):
        out[:, i] = columns.column(name).to_numpy()
    return out if np.isfinite(out).all() else None


def _read_faces(
    text: bytes, vertices_before: NDArray[np.int64], normals_before: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]] | None:
    """Numbers of corners, rows of vertices and of normals.

    Every word and every part of a word becomes a line of one column: those behind a blank are vertices, those two
    slashes further are normals, and the ones between faces are the keyword.
    """
    lines = len(vertices_before)
    if not lines:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
    if text.count(b"f") != lines:
        return None
    raw = np.frombuffer(text, np.uint8)
    marks = raw[(raw == _BLANK) | (raw == _SLASH) | (raw == _END)]
    column = _read_csv(text.translate(_ONE_BY_ONE, b"f"), ",", {"0": _pa.int64()}, ["0"], can_be_empty=True)
    if column is None or len(column) != len(marks):
        return None
    merged = column.column("0").combine_chunks()
    is_empty = merged.is_null().to_numpy(zero_copy_only=False)
    values: NDArray[np.int64] = merged.fill_null(0).to_numpy()
    before = np.concatenate(([_END], marks[:-1], [_END] * 3)).astype(np.uint8)
    at = np.flatnonzero(before == _BLANK)
    second, third = before[at + 1] == _SLASH, before[at + 2] == _SLASH
    if is_empty[at].any() or (second & third & (before[at + 3] == _SLASH)).any():
        return None
    counts = np.diff(np.append(np.searchsorted(at, np.flatnonzero(before[: len(marks)] == _END)), len(at)))
    if counts.min() < 3:
        return None
    has_normal = second & third
    has_normal[has_normal] = ~is_empty[at[has_normal] + 2]
    corners = _from_zero(values[at], vertices_before, counts)
    normals = np.full(len(at), -1, np.int64)
    given = _from_zero(np.where(has_normal, values[np.minimum(at + 2, len(values) - 1)], 1), normals_before, counts)
    if (given[has_normal] < 0).any():
        return None
    normals[has_normal] = given[has_normal]
    return counts, corners, normals


def _from_zero(numbers: NDArray[np.int64], before: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of numbers that count from 1, or from -1 backwards; -1 of 0, and less of what lies before the first."""
    if numbers.min() > 0:
        return numbers - 1
    ends = offsets_of(counts)[1:]
    backwards = np.flatnonzero(numbers < 0)
    out = numbers - 1
    out[backwards] = numbers[backwards] + before[np.searchsorted(ends, backwards, side="right")]
    return out


def _is_within(rows: NDArray[np.int64], least: int, stop: int) -> bool:
    return not len(rows) or bool(rows.min() >= least and rows.max() < stop)


def _read_csv(text: bytes, delimiter: str, types: dict[str, Any], names: list[str], can_be_empty: bool = False) -> Any:
    """A table of the columns in `types`, None where a value is none of its type."""
    try:
        return _csv.read_csv(
            _pa.py_buffer(text),
            read_options=_csv.ReadOptions(column_names=names, block_size=_BLOCK),
            parse_options=_csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=not can_be_empty),
            convert_options=_csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=[""] if can_be_empty else [],
                strings_can_be_null=False,
            ),
        )
    except _pa.ArrowInvalid:
        return None
