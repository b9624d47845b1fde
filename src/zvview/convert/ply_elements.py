"""Rows of the elements of a PLY file: text or bytes of either order, block after block where all rows are alike."""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zvview.convert.ply_header import ASCII, Element, Header
from zvview.errors import BadFileError

__all__ = ["ElementReader", "ListRows"]

_ROW_OF_ERROR = re.compile(r"at row (\d+)")
_FEWEST_ROW_BYTES = 2  # of text: a digit and the end of the line


@dataclass(frozen=True, slots=True, eq=False)
class ListRows:
    """Rows of an element with lists.

    Attributes
    ----------
    scalars : dict of str to (n,) array
    counts : dict of str to (n,) int64
        Length of each list.
    items : dict of str to flat array
        All items of a list property, row after row.
    """

    scalars: dict[str, NDArray[Any]]
    counts: dict[str, NDArray[np.int64]]
    items: dict[str, NDArray[Any]]


class ElementReader:
    """Reads the elements of a file in their order; a context manager.

    Raises
    ------
    BadFileError
        Fewer bytes than the header tells of, or more; text that is no number. Names the line or the row.
    """

    def __init__(self, path: Path, place: str, header: Header) -> None:
        self._place, self._header = place, header
        self._file = path.open("rb")
        self._size = os.fstat(self._file.fileno()).st_size
        self._file.seek(header.size)
        self._line = header.lines
        self._text = None if header.form != ASCII else io.TextIOWrapper(self._file, "utf-8", newline=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def check_size(self) -> None:
        """Refuse counts that the bytes of the file cannot hold, before anything is read for them."""
        left = self._size - self._header.size
        for element in self._header.elements:
            lengths = [0] * sum(p.count_type is not None for p in element.properties)
            row = element.row_dtype("<", lengths).itemsize if self._text is None else _FEWEST_ROW_BYTES
            need = element.count * row if element.properties else 0
            if need > left + 1:  # the last line may have no end
                raise self._bad(element, f"{element.count} rows need {need} bytes, and {left} are left", "header")
            left -= need

    def blocks(self, element: Element, rows: int) -> Iterator[NDArray[Any]]:
        """The rows of an element without lists, `rows` at a time, as structured arrays."""
        dtype = element.row_dtype(self._header.byte_order if self._text is None else "=")
        for start in range(0, element.count, max(1, rows)):
            count = min(max(1, rows), element.count - start)
            if not dtype.itemsize:
                yield np.empty(count, dtype)
            elif self._text is None:
                block = np.fromfile(self._file, dtype, count)
                if len(block) < count:
                    raise self._bad(element, f"the file ends after {start + len(block)} of {element.count} rows")
                yield block
            else:
                yield self._parse(element, self._next_lines(element, start, count), dtype, start)

    def lists(self, element: Element) -> ListRows:
        """All rows of an element with lists."""
        names = [p.name for p in element.properties if p.count_type is not None]
        if not element.count:
            return _empty_lists(element)
        if self._text is not None:
            lines = self._next_lines(element, 0, element.count)
            lengths = _lengths_of_tokens(element, lines[0][1].split())
            if lengths is not None and (alike := self._try_alike(element, lines, lengths)) is not None:
                return _alike(element, alike, names, lengths)
            return self._walk_text(element, lines)
        return self._walk_bytes(element, names)

    def finish(self) -> None:
        """Refuse what stands behind the last element."""
        rest = self._text.read(1 << 16) if self._text is not None else self._file.read(1 << 16)
        if rest.strip() or len(rest) == 1 << 16:
            raise BadFileError(self._place, "more data than its header tells of", "end of the file")

    def _next_lines(self, element: Element, start: int, count: int) -> list[tuple[int, str]]:
        """Numbers and texts of the next lines that are not empty."""
        assert self._text is not None
        out: list[tuple[int, str]] = []
        try:
            for line in self._text:
                self._line += 1
                if line.strip():
                    out.append((self._line, line))
                    if len(out) == count:
                        return out
        except UnicodeDecodeError:
            raise self._bad(element, "is not text", f"line {self._line + 1}") from None
        raise self._bad(element, f"the file ends after {start + len(out)} of {element.count} rows")

    def _parse(
        self, element: Element, lines: Sequence[tuple[int, str]], dtype: np.dtype[Any], start: int
    ) -> NDArray[Any]:
        try:
            found = np.loadtxt([text for _, text in lines], dtype, comments=None, ndmin=1)
        except (ValueError, OverflowError) as error:
            row = _ROW_OF_ERROR.search(str(error))
            width = len(dtype.names or ())
            uneven = next((i for i, (_, text) in enumerate(lines) if len(text.split()) != width), None)
            at = uneven if uneven is not None else min(int(row[1]), len(lines) - 1) if row else 0
            raise self._bad(element, f"{lines[at][1].strip()[:80]!r}: {error}", f"line {lines[at][0]}") from None
        if len(found) != len(lines):
            raise self._bad(element, f"row {start}: not a row of {len(dtype.names or ())} numbers for each line")
        return found

    def _try_alike(
        self, element: Element, lines: Sequence[tuple[int, str]], lengths: Sequence[int]
    ) -> NDArray[Any] | None:
        """Rows of text whose lists all have these lengths, None where some have others."""
        try:
            found = np.loadtxt([text for _, text in lines], element.row_dtype("=", lengths), comments=None, ndmin=1)
        except (ValueError, OverflowError):
            return None
        return found if len(found) == len(lines) and _has_lengths(element, found, lengths) else None

    def _walk_text(self, element: Element, lines: Sequence[tuple[int, str]]) -> ListRows:
        """Rows of text whose lists differ in length; one by one, since only reading a list tells where it ends."""
        columns: list[list[str]] = [[] for _ in element.properties]
        counts: list[list[int]] = [[] for _ in element.properties]
        for number, text in lines:
            tokens, at = text.split(), 0
            try:
                for i, p in enumerate(element.properties):
                    length = 1
                    if p.count_type is not None:
                        length, at = int(tokens[at]), at + 1
                        counts[i].append(length)
                    if length < 0 or at + length > len(tokens):
                        raise IndexError
                    columns[i] += tokens[at : at + length]
                    at += length
                if at != len(tokens):
                    raise IndexError
            except (IndexError, ValueError):
                reason = f"{text.strip()[:80]!r} is not a row of {', '.join(p.name for p in element.properties)}"
                raise self._bad(element, reason, f"line {number}") from None
        out = _empty_lists(element)
        for i, p in enumerate(element.properties):
            try:
                values = (
                    np.loadtxt(columns[i], np.dtype(p.type), comments=None, ndmin=1)
                    if columns[i]
                    else np.empty(0, p.type)
                )
            except (ValueError, OverflowError) as error:
                raise self._bad(element, f"{p.name}: {error}") from None
            if p.count_type is None:
                out.scalars[p.name] = values
            else:
                out.items[p.name], out.counts[p.name] = values, np.array(counts[i], np.int64)
        return out

    def _walk_bytes(self, element: Element, names: Sequence[str]) -> ListRows:
        order, file = self._header.byte_order, self._file
        start = file.tell()
        lengths = _lengths_of_bytes(element, file.read(1 << 20), order)
        if lengths is not None:
            dtype = element.row_dtype(order, lengths)
            if dtype.itemsize * element.count <= self._size - start:
                file.seek(start)
                found = np.fromfile(file, dtype, element.count)
                if _has_lengths(element, found, lengths):
                    return _alike(element, found, names, lengths)
        file.seek(start)
        data = np.fromfile(file, np.uint8)
        places, ends = _find_rows(element, data, order)
        if len(ends) < element.count:
            raise self._bad(element, f"the file ends in row {len(ends)} of {element.count}", f"row {len(ends)}")
        file.seek(start + ends[-1])
        return _gather_lists(element, data, places, order)

    def _bad(self, element: Element, reason: str, where: str = "") -> BadFileError:
        return BadFileError(self._place, f"element {element.name}: {reason}", where)


def _empty_lists(element: Element) -> ListRows:
    lists = [p for p in element.properties if p.count_type is not None]
    return ListRows(
        {p.name: np.empty(0, p.type) for p in element.properties if p.count_type is None},
        {p.name: np.empty(0, np.int64) for p in lists},
        {p.name: np.empty(0, p.type) for p in lists},
    )


def _lengths_of_tokens(element: Element, tokens: Sequence[str]) -> list[int] | None:
    """Lengths of the lists of a row of text, None where it is none."""
    out, at = [], 0
    for p in element.properties:
        if p.count_type is None:
            at += 1
            continue
        if at >= len(tokens) or not tokens[at].isdecimal() or int(tokens[at][:9]) > len(tokens):
            return None
        out.append(int(tokens[at]))
        at += 1 + out[-1]
    return out if at == len(tokens) else None


def _lengths_of_bytes(element: Element, data: bytes, order: str) -> list[int] | None:
    """Lengths of the lists of the row that `data` begins with, None where it is longer."""
    out, at = [], 0
    for p in element.properties:
        if p.count_type is not None:
            size = np.dtype(p.count_type).itemsize
            if at + size > len(data):
                return None
            out.append(int(np.frombuffer(data, order + p.count_type, 1, at)[0]))
            at += size
            if out[-1] < 0 or out[-1] > len(data):
                return None
        at += np.dtype(p.type).itemsize * (1 if p.count_type is None else out[-1])
    return out


def _has_lengths(element: Element, found: NDArray[Any], lengths: Sequence[int]) -> bool:
    lists = [i for i, p in enumerate(element.properties) if p.count_type is not None]
    return all((found[f"count {i}"] == n).all() for i, n in zip(lists, lengths, strict=True))


def _alike(element: Element, found: NDArray[Any], names: Sequence[str], lengths: Sequence[int]) -> ListRows:
    counts = {n: np.full(len(found), length, np.int64) for n, length in zip(names, lengths, strict=True)}
    scalars = {p.name: np.ascontiguousarray(found[p.name]) for p in element.properties if p.count_type is None}
    return ListRows(scalars, counts, {n: np.ascontiguousarray(found[n]).ravel() for n in names})


def _find_rows(element: Element, data: NDArray[np.uint8], order: str) -> tuple[list[list[int]], list[int]]:
    """Where each property of each row begins (a list at its count), and where rows end, up to the end of the data."""
    steps = [
        (
            None if p.count_type is None else struct.Struct(order + np.dtype(p.count_type).char),
            np.dtype(p.type).itemsize,
        )
        for p in element.properties
    ]
    places: list[list[int]] = [[] for _ in steps]
    ends: list[int] = []
    view, total, at = data.data, len(data), 0
    for _ in range(element.count):
        for (count, size), column in zip(steps, places, strict=True):
            column.append(at)
            if count is None:
                at += size
            elif at + count.size > total:
                return places, ends
            else:
                (length,) = count.unpack_from(view, at)
                at += count.size + size * length
                if length < 0:
                    return places, ends
        if at > total:
            return places, ends
        ends.append(at)
    return places, ends


def _gather_lists(element: Element, data: NDArray[np.uint8], places: list[list[int]], order: str) -> ListRows:
    out = _empty_lists(element)
    for p, column in zip(element.properties, places, strict=True):
        starts = np.array(column, np.int64)
        if p.count_type is None:
            out.scalars[p.name] = _gather(data, starts, order + p.type)
            continue
        counts = _gather(data, starts, order + p.count_type).astype(np.int64)
        first = np.repeat(starts + np.dtype(p.count_type).itemsize, counts)
        within = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
        out.items[p.name] = _gather(data, first + within * np.dtype(p.type).itemsize, order + p.type)
        out.counts[p.name] = counts
    return out


def _gather(data: NDArray[np.uint8], starts: NDArray[np.int64], dtype: str) -> NDArray[Any]:
    size = np.dtype(dtype).itemsize
    rows = np.ascontiguousarray(data[starts[:, None] + np.arange(size)])
    return rows.view(dtype).ravel()
