"""Lines of text tables, zipped or not: where a table begins, and in which line something is wrong."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO

__all__ = ["first_line", "has_quotes", "is_gzip", "line_of_row", "open_bytes", "read_head", "undecodable", "uneven"]

_HEAD_BYTES = 1 << 16
_MOST_HEAD_BYTES = 1 << 28


def open_bytes(path: Path) -> IO[bytes]:
    """A file, unpacked where it is zipped, whatever its suffix."""
    return gzip.open(path) if is_gzip(path) else path.open("rb")  # type: ignore[return-value]


def is_gzip(path: Path) -> bool:
    """Whether a file begins as gzip does."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def read_head(path: Path) -> bytes:
    """The beginning of a file, as far as the end of the line that names the columns."""
    head = b""
    with open_bytes(path) as stream:
        while more := stream.read(max(_HEAD_BYTES, len(head))):
            head += more
            lines = head.splitlines()
            if first_line(lines) < len(lines) - 1 or len(head) > _MOST_HEAD_BYTES:
                break
    return head


def first_line(lines: Sequence[bytes]) -> int:
    """The first line that is neither empty nor a comment; as many as there are where all are."""
    return next((i for i, line in enumerate(lines) if line.strip() and not line.startswith(b"#")), len(lines))


def has_quotes(path: Path) -> bool:
    """Whether there is a quotation mark anywhere."""
    with open_bytes(path) as stream:
        return any(b'"' in block for block in iter(lambda: stream.read(1 << 20), b""))


def line_of_row(path: Path, row: int, before: int) -> str:
    """The line of a row that is not empty, counted behind `before` lines; as an editor counts."""
    left = row + 1
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, 1):
            left -= number > before and bool(line.strip(b"\r\n"))
            if not left:
                return f"line {number}"
    return f"row {row + 1}"


def uneven(path: Path, delimiter: str, fields: int, before: int) -> str:
    """The first line behind `before` that has another number of fields; empty where none has."""
    with open_bytes(path) as stream:
        reader = csv.reader(io.TextIOWrapper(stream, "utf-8", errors="replace", newline=""), delimiter=delimiter)
        for found in reader:
            if reader.line_num > before and found and len(found) != fields:
                return f"line {reader.line_num}"
    return ""


def undecodable(path: Path) -> str:
    """The first line that is not UTF-8; empty where all are."""
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f"line {number}"
    return ""
