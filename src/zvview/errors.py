"""The family of errors that zvview raises: what was found, what was expected, where, and what to do.

Every error that a caller can meet derives from :class:`ZvviewError`. Bad bytes are :class:`DamagedError`, whatever
they are; decoders raise it without a place and the layer that knows the array and the cell adds them with
:meth:`DamagedError.at`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = [
    "BadFileError",
    "Cancelled",
    "ConflictError",
    "DamagedError",
    "ExistsError",
    "InvalidInputError",
    "MissingError",
    "NotZarrVectorsError",
    "UnreachableError",
    "UnsupportedError",
    "ZvviewError",
]


class ZvviewError(Exception):
    """Base of every error of zvview."""


class NotZarrVectorsError(ZvviewError):
    """The place exists or could be asked, but holds no Zarr Vectors store."""


class UnsupportedError(ZvviewError):
    """A format version, required capability, index layout or codec that zvview does not read; named in the message."""


class InvalidInputError(ZvviewError, ValueError):
    """An argument that cannot be right, such as a box with ``lo > hi`` or offsets that do not fit the positions."""


class MissingError(ZvviewError, KeyError):
    """A level, attribute, object, group or child that the store does not have.

    Attributes
    ----------
    what : str
        The kind of thing, for example ``"attribute"``.
    name : object
        What was asked for.
    available : tuple
        What there is.
    """

    def __init__(self, what: str, name: object, available: Iterable[object] = ()) -> None:
        self.what, self.name, self.available = what, name, tuple(available)
        shown = ", ".join(map(repr, self.available[:20])) + (", ..." if len(self.available) > 20 else "")
        super().__init__(f"no {what} {name!r}; there is: {shown or 'none'}")

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0])


class DamagedError(ZvviewError):
    """Bytes or metadata that contradict the specification or each other.

    Attributes
    ----------
    part : str
        What was being read, for example ``"fragment index"``.
    found, expected : str
        The contradiction in plain words.
    cells : tuple of int
        Indices of the offending cells in the sequence that a decoder was given; empty where it was given one thing.
    array, cell : str or None
        Path of the array in the store and the (first) offending cell, where known.
    """

    def __init__(
        self,
        part: str,
        *,
        found: str,
        expected: str,
        cells: Iterable[int] = (),
        array: str | None = None,
        cell: str | None = None,
    ) -> None:
        self.part, self.found, self.expected = part, found, expected
        self.cells = tuple(int(c) for c in cells)
        self.array, self.cell = array, cell
        place = (f" in {array}" if array else "") + (f", cell {cell}" if cell else "")
        super().__init__(
            f"damaged {part}{place}: found {found}, expected {expected}. "
            "Run 'zvview check' on the store for the whole list, or restore this part from a copy."
        )

    def at(self, array: str, cells: Sequence[object] = ()) -> DamagedError:
        """The same error with its place: the array's path and the names of the cells the decoder was given."""
        named = str(cells[self.cells[0]]) if self.cells and self.cells[0] < len(cells) else None
        return DamagedError(
            self.part,
            found=self.found,
            expected=self.expected,
            cells=self.cells,
            array=self.array or array,
            cell=self.cell or named,
        )


class BadFileError(ZvviewError, ValueError):
    """A foreign file that its format's rules or its own words contradict.

    Attributes
    ----------
    path : str
    where : str
        Line or record, such as ``"line 12"``; empty where the file as a whole is meant.
    reason : str
    """

    def __init__(self, path: object, reason: str, where: str = "") -> None:
        self.path, self.where, self.reason = str(path), where, reason
        super().__init__(f"{path}{', ' if where else ''}{where}: {reason}")


class ExistsError(ZvviewError, FileExistsError):
    """Something is already at the place that was to be written and ``mode="w"`` was not given."""


class ConflictError(ZvviewError):
    """A part of the store changed between being read and being replaced; nothing was overwritten."""


class UnreachableError(ZvviewError, OSError):
    """A place that does not answer, refuses access, or broke off."""


class Cancelled(ZvviewError):  # noqa: N818 - a request that was fulfilled, not a fault
    """The caller's cancellation token was set; nothing was delivered."""
