"""The text of SWC files: many parsed in one go, one parsed line by line where that finds what is wrong, and written.

A line is the number of a node, its label, x, y, z, the radius and the number of its parent, -1 for a root; what stands
behind these seven is not read. Lines that begin with ``#`` are comments.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pyarrow import csv

from zvview.convert.object_files import decode_text
from zvview.errors import BadFileError

__all__ = [
    "Nodes",
    "SwcText",
    "format_nodes",
    "line_of",
    "parse_lines",
    "parse_many",
]

_csv: Any = csv  # pyarrow has no types
_pa: Any = pa
_COLUMNS = ("id", "label", "x", "y", "z", "radius", "parent")
_INTEGERS = frozenset({"id", "label", "parent"})
_TYPES = {name: _pa.int64() if name in _INTEGERS else _pa.float64() for name in _COLUMNS}
_HEAD = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\n)*")
_COMMENT = re.compile(rb"#[^\n]*")


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Nodes of files, one after the other.

    Attributes
    ----------
    ids, labels, parents : (N,) int64
        As in the files.
    xyz : (N, 3) float64
    radii : (N,) float64
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    xyz: NDArray[np.float64]
    radii: NDArray[np.float64]
    parents: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def join(cls, parts: Sequence[Nodes]) -> Nodes:
        """The parts one after the other."""
        if len(parts) == 1:
            return parts[0]
        names = ("ids", "labels", "xyz", "radii", "parents")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def take(self, rows: NDArray[np.bool_]) -> Nodes:
        """The nodes where `rows` is true."""
        return Nodes(self.ids[rows], self.labels[rows], self.xyz[rows], self.radii[rows], self.parents[rows])


@dataclass(frozen=True, slots=True, eq=False)
class SwcText:
    """A file taken apart.

    Attributes
    ----------
    comment : str
        The comments, a line each, without the sign.
    body : bytes
        The nodes: a line each, one blank between values.
    """

    comment: str
    body: bytes

    @classmethod
    def of(cls, data: bytes) -> SwcText:
        """Take a file apart; comments behind the first node move to those before it."""
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        data = data.removeprefix(b"\xef\xbb\xbf")
        if not data.endswith(b"\n"):
            data += b"\n"
        head = _HEAD.match(data)
        at = head.end() if head else 0
        lines, body = _COMMENT.findall(data, 0, at), data[at:]
        if b"#" in body:
            lines += _COMMENT.findall(body)
            body = _COMMENT.sub(b"", body)
        return cls("\n".join(decode_text(line[1:]) for line in lines), _tidy(body))

    @property
    def width(self) -> int:
        """Values in the first line."""
        return self.body[: self.body.find(b"\n")].count(b" ") + 1 if self.body else 0

    @property
    def count(self) -> int:
        """Number of nodes."""
        return self.body.count(b"\n")


def _tidy(body: bytes) -> bytes:
    """One blank between values, none at the ends of lines, no empty lines."""
    if b"\t" in body:
        body = body.replace(b"\t", b" ")
    if b"  " in body:
        body = re.sub(rb" +", b" ", body)
    if b" \n" in body:
        body = body.replace(b" \n", b"\n")
    if b"\n " in body or body.startswith(b" "):
        body = body.replace(b"\n ", b"\n").removeprefix(b" ")
    if b"\n\n" in body or body.startswith(b"\n"):
        body = re.sub(rb"\n+", b"\n", body).removeprefix(b"\n")
    return body


def parse_many(texts: Sequence[SwcText]) -> Nodes | None:
    """The nodes of files whose lines have the same number of values; None where any value is not what it should be."""
    width = texts[0].width
    if width < len(_COLUMNS) or any(text.width != width for text in texts):
        return None
    names = [*_COLUMNS, *(f"_{i}" for i in range(width - len(_COLUMNS)))]
    joined = texts[0].body if len(texts) == 1 else b"".join(text.body for text in texts)
    try:
        table = _csv.read_csv(
            _pa.py_buffer(joined),
            read_options=_csv.ReadOptions(column_names=names, block_size=8 << 20),
            parse_options=_csv.ParseOptions(delimiter=" ", quote_char=False),
            convert_options=_csv.ConvertOptions(
                column_types=_TYPES, include_columns=list(_COLUMNS), null_values=[], strings_can_be_null=False
            ),
        )
    except _pa.ArrowInvalid:
        return None
    columns = {name: table.column(name).to_numpy() for name in _COLUMNS}
    if len(table) != sum(text.count for text in texts):
        return None
    nodes = _nodes(columns)
    return nodes if np.isfinite(nodes.xyz).all() and np.isfinite(nodes.radii).all() else None


def parse_lines(data: bytes, place: str) -> Nodes:
    """The nodes of one file, slowly; whole numbers may be written as ``1.0``.

    Raises
    ------
    BadFileError
        Names the line.
    """
    rows: list[tuple[float, ...]] = []
    for number, fields in _lines(data):
        if len(fields) < len(_COLUMNS):
            raise BadFileError(
                place, f"{len(fields)} values, expected {len(_COLUMNS)}: {' '.join(_COLUMNS)}", f"line {number}"
            )
        values = zip(_COLUMNS, fields[: len(_COLUMNS)], strict=True)
        rows.append(tuple(_number(name, text, place, number) for name, text in values))
    if not rows:
        raise BadFileError(place, "the file holds no node")
    columns = list(zip(*rows, strict=True))
    return _nodes(
        {n: np.array(c, np.int64 if n in _INTEGERS else np.float64) for n, c in zip(_COLUMNS, columns, strict=True)}
    )


def line_of(path: Path, row: int) -> str:
    """The line of node `row` of a file, as messages name it."""
    return next((f"line {number}" for i, (number, _) in enumerate(_lines(path.read_bytes())) if i == row), "")


def _lines(data: bytes) -> list[tuple[int, list[str]]]:
    """Number from 1 and values of each line that has any."""
    texts = data.removeprefix(b"\xef\xbb\xbf").decode("latin1").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    split = ((number, text.partition("#")[0].split()) for number, text in enumerate(texts, 1))
    return [(number, fields) for number, fields in split if fields]


def _number(name: str, text: str, place: str, line: int) -> float:
    """A value, which must be finite and, but for coordinates and radii, a whole number that int64 holds."""
    is_digits = name in _INTEGERS and text.lstrip("+-").isdecimal()
    try:
        value: float = int(text) if is_digits else float(text)
    except ValueError as error:
        raise BadFileError(place, f"{name} is {text!r:.40}, expected a number", f"line {line}") from error
    if not abs(value) < np.inf:
        raise BadFileError(place, f"{name} is {text!r:.40}, expected a finite number", f"line {line}")
    most = 1 << 63 if is_digits else 1 << 53  # from where on floats round
    if name in _INTEGERS and (value != int(value) or abs(value) >= most):
        raise BadFileError(place, f"{name} is {text!r:.40}, expected a whole number", f"line {line}")
    return int(value) if name in _INTEGERS else value


def _nodes(columns: dict[str, NDArray[Any]]) -> Nodes:
    xyz = np.stack([columns[name] for name in "xyz"], axis=1)
    return Nodes(columns["id"], columns["label"], xyz, columns["radius"], columns["parent"])


def format_nodes(comment: str, nodes: Nodes, dtype: np.dtype[Any]) -> bytes:
    """The text of a file; coordinates in the shortest form that gives back the same number of `dtype`."""
    columns = [nodes.ids, nodes.labels, *(np.ascontiguousarray(nodes.xyz[:, d], dtype) for d in range(3))]
    columns += [nodes.radii.astype(np.float32), nodes.parents]
    out = io.BytesIO()
    for line in comment.split("\n") if comment else ():
        out.write(b"#" + line.encode() + b"\n")
    options = _csv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none")
    _csv.write_csv(_pa.table(columns, names=list(_COLUMNS)), out, write_options=options)
    return out.getvalue()
