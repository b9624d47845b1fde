"""What the words of ``zvview convert`` mean: inputs with the names and options that are given for them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zvview.errors import BadFileError, InvalidInputError, UnreachableError

if TYPE_CHECKING:
    from zvview.convert.sources import Selection, Source

__all__ = ["parse_inputs", "parse_numbers", "parse_selection"]


def parse_inputs(
    places: Sequence[str],
    *,
    single: dict[str, Sequence[str]],
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> list[Source]:
    """The inputs, each with what is stated of it.

    Parameters
    ----------
    places : sequence of str
        ``PATH`` or ``NAME=PATH``.
    single : dict
        Values of ``format``, ``kind``, ``unit``, ``axes``, ``scale`` and ``affine``: for all inputs, or for one as
        ``NAME:VALUE``.
    columns : sequence of str
        ``ROLE=COLUMN``, or for one input ``NAME:ROLE=COLUMN``.
    drop : sequence of str
        ``COLUMN`` or ``NAME:COLUMN``.

    Raises
    ------
    InvalidInputError
        A value given twice for an input, or one that cannot be read.
    """
    from zvview.convert.sources import Source

    named = [_split_place(place) for place in places]
    formats = _stated("format", single.get("format", ()), [name or "" for name, _ in named])
    bare = [Source(path, name, format=formats(name or "")) for name, path in named]
    names = [source.given_name for source in bare]
    stated = {option: _stated(option, single.get(option, ()), names) for option in single}
    out = []
    for source, name in zip(bare, names, strict=True):
        axes, scale, affine = (stated[o](name) if o in stated else None for o in ("axes", "scale", "affine"))
        pairs = [_pair(value) for value in _for_input(columns, name, names)]
        if len(dict(pairs)) < len(pairs):
            raise InvalidInputError(f"--column {columns!r}: a role is given twice")
        out.append(
            Source(
                source.path,
                source.name,
                format=stated["format"](name) if "format" in stated else source.format,
                kind=stated["kind"](name) if "kind" in stated else None,
                unit=stated["unit"](name) if "unit" in stated else None,
                axes=None if axes is None else [axis.strip() for axis in axes.split(",")],
                columns=dict(pairs),
                drop=tuple(_for_input(drop, name, names)),
                scale=None if scale is None else parse_numbers(scale, "--scale"),
                affine=None if affine is None else _matrix(affine),
            )
        )
    return out


def parse_selection(level: int, box: str | None, objects: Sequence[str], groups: Sequence[str]) -> Selection:
    """What of a store is meant.

    Raises
    ------
    InvalidInputError
        A box of an odd number of values, ids that are no integers.
    """
    from zvview.convert.sources import Selection

    corners = None
    if box is not None:
        values = parse_numbers(box, "--box")
        if len(values) % 2:
            raise InvalidInputError(f"--box {box!r}: expected the least corner, then the greatest")
        corners = (values[: len(values) // 2], values[len(values) // 2 :])
    ids: list[int] = []
    for text in (part for given in objects for part in given.split(",")):
        try:
            ids.append(int(text))
        except ValueError:
            raise InvalidInputError(f"--objects {text!r}: expected ids, separated by commas") from None
    return Selection(level, corners, ids or None, list(groups) or None)


def parse_numbers(text: str, option: str) -> list[float]:
    """Numbers separated by commas.

    Raises
    ------
    InvalidInputError
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InvalidInputError(f"{option} {text!r}: expected numbers, separated by commas") from None


def _split_place(text: str) -> tuple[str | None, str]:
    """Name and path of ``NAME=PATH``; what exists as it stands is a path."""
    name, mark, path = text.partition("=")
    if not mark or "/" in name or os.path.exists(os.path.expanduser(text)):
        return None, text
    return name, path


def _stated(option: str, values: Sequence[str], names: Sequence[str]) -> Any:
    """What is given for an input of a name: what is stated for it, else what is stated for all."""

    def find(name: str) -> str | None:
        own = [rest for key, rest in map(_split_named, values) if key == name and key in names]
        common = [value for value in values if _split_named(value)[0] not in names]
        for found in (own, common):
            if len(found) > 1:
                raise InvalidInputError(f"--{option} is given twice for {name or 'all inputs'}: {', '.join(found)}")
        return next(iter(own or common), None)

    return find


def _for_input(values: Iterable[str], name: str, names: Sequence[str]) -> list[str]:
    """Values for all inputs, and those for the one of this name."""
    split = [(value, *_split_named(value)) for value in values]
    return [value if key not in names else rest for value, key, rest in split if key not in names or key == name]


def _split_named(value: str) -> tuple[str, str]:
    name, mark, rest = value.partition(":")
    return (name, rest) if mark else ("\0", value)


def _pair(text: str) -> tuple[str, str]:
    role, mark, column = text.partition("=")
    if not mark or not role or not column:
        raise InvalidInputError(f"--column {text!r}: expected ROLE=COLUMN, such as x=pos_x")
    return role, column


def _matrix(text: str) -> Any:
    """A matrix row by row, or that of a text file."""
    if not os.path.isfile(os.path.expanduser(text)):
        values = parse_numbers(text, "--affine")
        width = 3 if len(values) in (6, 9) else 4
        if len(values) % width:
            raise InvalidInputError(f"--affine {text!r}: expected a file, or the rows of a 3 x 4 or 4 x 4 matrix")
        return np.reshape(values, (-1, width))
    try:
        return np.loadtxt(os.path.expanduser(text), ndmin=2, encoding="utf-8")
    except OSError as error:
        raise UnreachableError(f"{text}: {error.strerror}") from error
    except ValueError as error:
        raise BadFileError(text, f"no matrix of numbers: {error}") from error
