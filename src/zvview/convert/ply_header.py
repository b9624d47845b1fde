"""Headers of PLY files: elements, their properties, comments (format: Greg Turk, *The PLY Polygon File Format*, 1994).

No well-kept library with a free licence reads PLY as a store needs it: one that keeps all properties and comments is
under the GPL, and the others read whole files at once and take damaged ones for sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from zvview.errors import BadFileError, UnreachableError

__all__ = ["ASCII", "BIG", "LITTLE", "TYPE_NAMES", "Element", "Header", "Property", "encode_header", "read_header"]

ASCII, LITTLE, BIG = "ascii", "binary_little_endian", "binary_big_endian"

TYPE_NAMES = {
    "i1": "char",
    "u1": "uchar",
    "i2": "short",
    "u2": "ushort",
    "i4": "int",
    "u4": "uint",
    "f4": "float",
    "f8": "double",
}
"""Name of a property's type by numpy's name for it."""

_TYPES = {name: kind for kind, name in TYPE_NAMES.items()} | {
    **{f"int{8 * n}": f"i{n}" for n in (1, 2, 4, 8)},
    **{f"uint{8 * n}": f"u{n}" for n in (1, 2, 4, 8)},
    "float32": "f4",
    "float64": "f8",
}
_MOST_HEADER_BYTES = 1 << 24
_MOST_LINE_BYTES = 1 << 22
_MOST_COUNT = 1 << 62


@dataclass(frozen=True, slots=True)
class Property:
    """A number of each element, or a list of numbers.

    Attributes
    ----------
    name : str
    type : str
        numpy's name, such as ``"f4"``.
    count_type : str or None
        Of the length of a list; None of single numbers.
    """

    name: str
    type: str
    count_type: str | None = None


@dataclass(frozen=True, slots=True)
class Element:
    """Rows of one kind: ``vertex``, ``face``, ..."""

    name: str
    count: int
    properties: tuple[Property, ...] = ()

    @property
    def has_lists(self) -> bool:
        """Whether rows differ in size."""
        return any(p.count_type is not None for p in self.properties)

    def row_dtype(self, order: str, lengths: Sequence[int] = ()) -> np.dtype[Any]:
        """A row in bytes, of lists of these lengths; the count of list ``i`` is the field ``"count i"``."""
        rest = iter(lengths)
        fields: list[Any] = []
        for i, p in enumerate(self.properties):
            if p.count_type is None:
                fields.append((p.name, order + p.type))
            else:
                fields += [(f"count {i}", order + p.count_type), (p.name, order + p.type, (next(rest),))]
        return np.dtype(fields)


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the data.

    Attributes
    ----------
    form : str
        ``ascii``, ``binary_little_endian`` or ``binary_big_endian``.
    elements : tuple of Element
    comments, object_info : tuple of str
    size : int
        Bytes of the header.
    lines : int
    """

    form: str
    elements: tuple[Element, ...]
    comments: tuple[str, ...] = ()
    object_info: tuple[str, ...] = ()
    size: int = 0
    lines: int = 0

    @property
    def byte_order(self) -> str:
        """As numpy writes it."""
        return ">" if self.form == BIG else "<"

    def element(self, name: str) -> Element | None:
        """The element of a name, None where there is none."""
        return next((e for e in self.elements if e.name == name), None)


def read_header(path: Path, place: str) -> Header:
    """The header of a file.

    Raises
    ------
    BadFileError
        Names the line.
    UnreachableError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _Parser(file, place).parse()
    except OSError as error:
        raise UnreachableError(f"{place}: {error.strerror}") from error


def encode_header(header: Header) -> bytes:
    """The header as it is written."""
    lines = ["ply", f"format {header.form} 1.0"]
    lines += [f"comment {text}".rstrip() for text in header.comments]
    lines += [f"obj_info {text}".rstrip() for text in header.object_info]
    for element in header.elements:
        lines.append(f"element {element.name} {element.count}")
        for p in element.properties:
            count = "" if p.count_type is None else f"list {TYPE_NAMES[p.count_type]} "
            lines.append(f"property {count}{TYPE_NAMES[p.type]} {p.name}")
    return "\n".join([*lines, "end_header", ""]).encode()


class _Parser:
    def __init__(self, file: IO[bytes], place: str) -> None:
        self._file, self._place, self._line = file, place, 0
        self._form: str | None = None
        self._elements: list[tuple[str, int, list[Property]]] = []
        self._texts: dict[str, list[str]] = {"comment": [], "obj_info": []}

    def parse(self) -> Header:
        if self._next() != "ply":
            raise self._bad("does not begin with 'ply': this is no PLY file")
        while (line := self._next()) != "end_header":
            self._take(line)
        if self._form is None:
            raise self._bad("the header names no format")
        elements = tuple(Element(name, count, tuple(properties)) for name, count, properties in self._elements)
        comments, info = tuple(self._texts["comment"]), tuple(self._texts["obj_info"])
        return Header(self._form, elements, comments, info, self._file.tell(), self._line)

    def _next(self) -> str:
        self._line += 1
        data = self._read_line()
        if not data or self._file.tell() > _MOST_HEADER_BYTES:
            raise self._bad("the header has no end")
        try:
            return data.decode().strip()
        except UnicodeDecodeError:
            raise self._bad("the header is not text" if self._line > 1 else "this is no PLY file") from None

    def _read_line(self) -> bytes:
        """A line that ends in a line feed, or in a carriage return as old systems wrote."""
        start = self._file.tell()
        data = self._file.readline(_MOST_LINE_BYTES)
        cut = data.find(b"\r")
        if 0 <= cut < len(data) - 1 and data[cut + 1 : cut + 2] != b"\n":
            self._file.seek(start + cut + 1)
            return data[: cut + 1]
        return data

    def _take(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        match [word, *rest.split()]:
            case ["comment" | "obj_info", *_]:
                self._texts[word].append(rest)
            case ["format", str(form), "1.0"] if form in (ASCII, LITTLE, BIG) and self._form is None:
                self._form = form
            case ["element", str(name), str(count)] if count.isascii() and count.isdecimal():
                if int(count[:20]) > _MOST_COUNT or any(name == known for known, _, _ in self._elements):
                    raise self._bad(f"{line!r}: too many, or an element of that name is there already")
                self._elements.append((name, int(count), []))
            case ["property", "list", str(count), str(kind), str(name)] if _TYPES.get(count, "f")[0] in "iu":
                self._add(Property(name, self._type(kind), _TYPES[count]), line)
            case ["property", str(kind), str(name)] if kind != "list":
                self._add(Property(name, self._type(kind)), line)
            case ["", *_]:
                pass
            case _:
                raise self._bad(f"{line[:80]!r} is nothing that a header holds")

    def _type(self, name: str) -> str:
        if name not in _TYPES:
            raise self._bad(f"{name!r} is no type of a property; there are {', '.join(_TYPES)}")
        return _TYPES[name]

    def _add(self, found: Property, line: str) -> None:
        if not self._elements:
            raise self._bad(f"{line!r} stands before any element")
        properties = self._elements[-1][2]
        if any(found.name == known.name for known in properties):
            raise self._bad(f"two properties are called {found.name!r}")
        properties.append(found)

    def _bad(self, reason: str) -> BadFileError:
        return BadFileError(self._place, reason, f"line {self._line}")
