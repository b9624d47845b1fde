"""The header of a TCK file: lines of text, as nibabel understands them and as they are."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.streamlines import tck

from zvview.errors import BadFileError

__all__ = ["TckHeader", "separators"]

_tck: Any = tck  # nibabel has no types
_MAGIC = b"mrtrix tracks"
_MOST_HEADER_BYTES = 1 << 20  # of a text that people write; a file without END is not searched further
_COUNT = re.compile(rb"^(count:[ \t]*)(\d+)", re.MULTILINE)
_FILE = re.compile(rb"^(file:[ \t]*\.[ \t]*)(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, eq=False)
class TckHeader:
    """A header that nibabel accepts.

    Attributes
    ----------
    raw : bytes
        All that stands before the first point.
    byte_order : "<" or ">"
    declared_count : int or None
        Streamlines that the header counts.
    fields : mapping of str to str
    notes : tuple of str
        What nibabel had to assume.
    """

    raw: bytes
    byte_order: str
    declared_count: int | None
    fields: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def data_offset(self) -> int:
        """Where the points begin, in bytes."""
        return len(self.raw)

    @classmethod
    def parse(cls, data: Any, place: str) -> TckHeader:
        """The header at the beginning of a file.

        Raises
        ------
        BadFileError
            No TCK header, or one that nibabel refuses: no END, other numbers than float32, points in another file.
        """
        if bytes(data[: len(_MAGIC)]) != _MAGIC:
            raise BadFileError(place, f"begins with {bytes(data[:13])!r}, expected {_MAGIC!r}: no TCK file")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                text = bytes(data[:_MOST_HEADER_BYTES])
                fields = _tck.TckFile._read_header(io.BytesIO(text))  # load() reads a streamline as well
            # nibabel has no error of its own for each field that may be nonsense
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                raise BadFileError(place, f"the header cannot be read: {error}", "header") from error
            except Exception as error:
                if type(error).__module__.partition(".")[0] != "nibabel":
                    raise
                raise BadFileError(place, str(error), "header") from error
        offset = int(fields["_offset_data"])
        if not len(_MAGIC) < offset <= len(data):
            raise BadFileError(place, f"points begin at byte {offset}, the file has {len(data)}", "header")
        own = {str(k): str(v) for k, v in fields.items() if isinstance(v, str) and not k.startswith("_")}
        count = own.get("count", "").strip()
        raw = bytes(data[:offset])
        notes = tuple(dict.fromkeys(str(warning.message) for warning in caught))
        order = str(fields["endianness"])
        return cls(raw, order, int(count) if count.isdecimal() else None, own, notes)

    @classmethod
    def empty(cls) -> TckHeader:
        """A header that tells nothing but the form of the numbers."""
        raw = b"mrtrix tracks\ndatatype: Float32LE\ncount: 0000000000\nfile: . 67\nEND\n"
        return cls.parse(raw, "header")

    def with_count(self, count: int) -> TckHeader:
        """The same header, counting `count` streamlines; unchanged where it counts none."""
        found = _COUNT.search(self.raw)
        if found is None or self.declared_count == count:
            return self
        digits = str(count).rjust(len(found[2]), "0").encode()
        longer = len(digits) - len(found[2])
        raw = self.raw[: found.start(2)] + digits + self.raw[found.end(2) :]
        return TckHeader.parse(_move_points(raw) if longer else raw, "header")


def _move_points(raw: bytes) -> bytes:
    """The header with the true place of the points."""
    found = _FILE.search(raw)
    if found is None:
        return raw
    digits = str(len(raw)).encode()
    while len(raw) - len(found[2]) + len(digits) != int(digits):
        digits = str(len(raw) - len(found[2]) + len(digits)).encode()
    return raw[: found.start(2)] + digits + raw[found.end(2) :]


def separators(byte_order: str) -> tuple[bytes, bytes]:
    """What stands behind a streamline, and at the end of a file."""
    return np.full(3, np.nan, f"{byte_order}f4").tobytes(), np.full(3, np.inf, f"{byte_order}f4").tobytes()
