"""What formats with an object for each file or section share: ids and names, comments, and units in these."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from zvview.convert.contract import Outgoing
from zvview.convert.selecting import selected_ids
from zvview.errors import InvalidInputError

__all__ = [
    "chosen_ids",
    "common_unit",
    "decode_text",
    "distinct_titles",
    "kept_comments",
    "number_names",
    "object_names",
    "stated_unit",
    "with_unit",
]

_UNIT_LINES = (
    re.compile(r"^\s*units?\s*[:=]\s*(\S+)\s*$", re.IGNORECASE),
    re.compile(r"^\s*all positions and radii in\s+(\S+?)\.?\s*$", re.IGNORECASE),
)
_UNITS = {
    **dict.fromkeys(
        ("um", "µm", "μm", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"), "micrometer"
    ),
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), "nanometer"),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), "millimeter"),
}


def decode_text(line: bytes) -> str:
    """A line of a file that does not tell its encoding."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin1")


def number_names(names: Sequence[str | None], told: Sequence[int | None] | None = None) -> list[int]:
    """An id for each name, all different: the one that is told, else the number that the name is, else a free one.

    Of several that want the same id the first gets it.
    """
    wanted = [None] * len(names) if told is None else told
    numbers = [_as_number(name) if own is None else own for name, own in zip(names, wanted, strict=True)]
    taken = {number for number in numbers if number is not None}
    free = (number for number in range(len(names) + len(taken) + 1) if number not in taken)
    seen: set[int] = set()
    out = []
    for number in numbers:
        chosen = next(free) if number is None or number in seen else number
        seen.add(chosen)
        out.append(chosen)
    return out


def distinct_titles(ids: Sequence[int], named: Mapping[int, str]) -> dict[int, str]:
    """A name for each object, all different: its own, or its id; none is the id of another object."""
    taken = {str(i) for i in ids}
    out: dict[int, str] = {}
    for i in ids:
        name = named.get(i) or str(i)
        while name in taken and name != str(i):
            name = f"{name}_{i}"
        taken.add(name)
        out[i] = name
    return out


def stated_unit(comment: str) -> str | None:
    """The unit that comments state in one of the known forms (``# units: nm``; that of SNT), or None."""
    for line in comment.splitlines():
        for form in _UNIT_LINES:
            if (found := form.match(line)) and found[1].lower() in _UNITS:
                return _UNITS[found[1].lower()]
    return None


def with_unit(comment: str, unit: str | None) -> list[str]:
    """Lines of a comment, and one for the unit where none of them states it."""
    lines = comment.split("\n") if comment else []
    return lines if unit is None or stated_unit(comment) == unit else [*lines, f" units: {unit}"]


def common_unit(outgoing: Outgoing, title: str) -> str | None:
    """The unit of all three axes.

    Raises
    ------
    InvalidInputError
        Axes other than three of space, or of several units.
    """
    axes = outgoing.store.axes
    units = {axis.unit for axis in axes}
    if len(axes) != 3 or {axis.type for axis in axes} != {"space"} or len(units) > 1:
        told = ", ".join(f"{axis.name} ({axis.type}, {axis.unit or 'no unit'})" for axis in axes)
        raise InvalidInputError(f"axes {told}: {title} files have three axes of space in one unit")
    return next(iter(units))


def chosen_ids(outgoing: Outgoing) -> NDArray[np.int64]:
    """Ids of the objects that are written, (n,); none where the level has no objects.

    Raises
    ------
    MissingError
        There are no such objects or groups.
    """
    chosen, known = selected_ids(outgoing), outgoing.level.object_ids
    if chosen is not None:
        return chosen
    return np.empty(0, np.int64) if known is None else known


def object_names(outgoing: Outgoing) -> dict[int, str]:
    """What the object attribute ``name`` tells of the objects that have one."""
    level = outgoing.level
    if "name" not in level.object_attribute_names or level.object_ids is None:
        return {}
    given = level.object_attribute("name")
    if given.ndim != 1 or given.dtype.kind not in "UO":
        return {}
    return {i: str(name) for i, name in zip(level.object_ids.tolist(), given.tolist(), strict=True) if name}


def kept_comments(outgoing: Outgoing, header: str) -> dict[int, str]:
    """The comment of each object, as the files had it; `header` is the name under which it is kept."""
    kept = outgoing.store.headers.get(header, {}).get("comments")
    out: dict[int, str] = {}
    for entry in kept if isinstance(kept, Sequence) else ():
        if isinstance(entry, Mapping) and isinstance(objects := entry.get("objects"), Sequence):
            out |= {i: str(entry.get("text", "")) for i in objects if type(i) is int}
    return out


def _as_number(name: str | None) -> int | None:
    is_number = name is not None and name.isdecimal() and len(name) < 20 and name == str(int(name))
    return int(name) if is_number and name is not None and int(name) < 1 << 63 else None
