"""OBJ files line by line: all that their rules allow, and the line where they are broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from zvview.convert.obj_content import COLORS_OF_WIDTH, PASSED_OVER, STATEMENTS, ObjContent, Statement
from zvview.convert.object_files import decode_text
from zvview.errors import BadFileError

__all__ = ["parse_lines"]


@dataclass(slots=True)
class _Reader:
    """What was read so far of a file."""

    place: str
    positions: list[list[float]] = field(default_factory=list)
    colors: list[list[float]] = field(default_factory=list)
    normals: list[list[float]] = field(default_factory=list)
    faces: list[tuple[int, list[tuple[int, int]]]] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    passed_over: dict[str, None] = field(default_factory=dict)

    def read(self, line: int, text: str) -> None:
        """Take in a line."""
        keyword, *rest = text.split()
        if keyword in STATEMENTS:
            name = text.replace("\t", " ").strip().removeprefix(keyword).strip()
            self.statements.append(Statement(keyword, name, len(self.positions), len(self.faces)))
            return
        words = rest[: next((i for i, word in enumerate(rest) if word.startswith("#")), len(rest))]
        if keyword == "v":
            values = self._numbers(line, words, tuple(COLORS_OF_WIDTH), "a vertex")
            self.positions.append(values[:3])
            self.colors.append(values[len(values) - COLORS_OF_WIDTH[len(values)] :])
        elif keyword == "vn":
            self.normals.append(self._numbers(line, words, (3,), "a normal"))
        elif keyword in ("f", "fo"):
            if len(words) < 3:
                raise self._bad(line, f"a face of {len(words)} corners")
            self.faces.append((line, [self._corner(line, word) for word in words]))
        elif keyword in PASSED_OVER:
            self.passed_over |= dict.fromkeys([PASSED_OVER[keyword]] if PASSED_OVER[keyword] else [])
        else:
            raise self._bad(line, f"{keyword!r:.40} is no keyword of OBJ files")

    def _numbers(self, line: int, words: Sequence[str], widths: Sequence[int], what: str) -> list[float]:
        if len(words) not in widths:
            raise self._bad(line, f"{what} of {len(words)} values")
        out = []
        for word in words:
            try:
                value = float(word.replace("_", "?"))
            except ValueError:
                raise self._bad(line, f"{word!r:.40} is no number") from None
            if not isfinite(value):
                raise self._bad(line, f"{word!r:.40}, expected a finite number")
            out.append(value)
        return out

    def _corner(self, line: int, word: str) -> tuple[int, int]:
        """Rows of the vertex and of the normal, -1 without one; forward references are looked at in the end."""
        parts = word.split("/")
        try:
            numbers = [int(part.replace("_", "?")) if part or not i else None for i, part in enumerate(parts)]
        except ValueError:
            raise self._bad(line, f"{word!r:.40} is no corner of a face") from None
        if len(numbers) > 3 or numbers[0] is None:
            raise self._bad(line, f"{word!r:.40} is no corner of a face")
        vertex = self._row(line, numbers[0], len(self.positions), "vertex")
        normal = numbers[2] if len(numbers) == 3 else None
        return vertex, -1 if normal is None else self._row(line, normal, len(self.normals), "normal")

    def _row(self, line: int, number: int, before: int, what: str) -> int:
        row = number - 1 if number > 0 else number + before
        if row < 0 or number == 0:
            raise self._bad(line, f"{what} {number}: there are {before} before it")
        return row

    def finish(self) -> ObjContent:
        """The content of the file."""
        for line, corners in self.faces:
            for vertex, normal in corners:
                if vertex >= len(self.positions):
                    raise self._bad(line, f"vertex {vertex + 1} of {len(self.positions)}")
                if normal >= len(self.normals):
                    raise self._bad(line, f"normal {normal + 1} of {len(self.normals)}")
        rows: NDArray[np.int64] = np.array([c for _, face in self.faces for c in face], np.int64).reshape(-1, 2)
        width = max(map(len, self.colors), default=0)
        colors: NDArray[np.float64] = np.full((len(self.colors), width), np.nan)
        for row, color in zip(colors, self.colors, strict=True):
            row[: len(color)] = color
        return ObjContent(
            np.array(self.positions, float).reshape(-1, 3),
            colors,
            np.array(self.normals, float).reshape(-1, 3),
            np.array([len(face) for _, face in self.faces], np.int64),
            rows[:, 0],
            rows[:, 1],
            tuple(self.statements),
            "\n".join(self.comments),
            tuple(self.passed_over),
        )

    def _bad(self, line: int, reason: str) -> BadFileError:
        return BadFileError(self.place, reason, f"line {line}")


def parse_lines(data: bytes, place: str) -> ObjContent:
    """The content of a file, slowly.

    Raises
    ------
    BadFileError
        Names the line.
    """
    reader = _Reader(place)
    for line, text in _logical_lines(data, reader.comments):
        reader.read(line, text)
    return reader.finish()


def _logical_lines(data: bytes, comments: list[str]) -> Iterator[tuple[int, str]]:
    """Number from 1 and text of each line that says anything; a backslash at its end joins the next to it."""
    waiting, begun = "", 0
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    for number, raw in enumerate(lines, 1):
        text = decode_text(raw)
        if not waiting and text.lstrip().startswith("#"):
            comments.append(text.lstrip()[1:])
            continue
        begun = begun if waiting else number
        if text.endswith("\\") and number < len(lines):
            waiting += text[:-1] + " "
            continue
        if (joined := waiting + text).strip():
            yield begun, joined
        waiting = ""
