"""Which columns of a table are the axes and the object ids: told by the caller, by the file, or by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from zvview.convert.contract import ReadOptions
from zvview.errors import BadFileError, InvalidInputError
from zvview.format.metadata import Axis

__all__ = ["OBJECT_ID", "find_axes", "find_object_column", "stored_names"]

OBJECT_ID = "object_id"
"""Role of the column that tells the object of each point, and its name where it has that role by itself."""

_WORDS = "pos|position|coord|coordinate|loc|location|center|centre|centroid|global|point|axis|world"
_FAMILY = re.compile(rf"(?:(?P<before>(?:{_WORDS})[ _.\-]?))?(?P<axis>[xyzt])(?:(?P<after>[ _.\-](?:{_WORDS})))?", re.I)
_UNIT = re.compile(r"\s*[\[(]\s*([^\])]+?)\s*[\])]\s*$")
_UNITS = {
    "pm": "picometer",
    "nm": "nanometer",
    "um": "micrometer",
    "\u00b5m": "micrometer",
    "\u03bcm": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "s": "second",
    "ms": "millisecond",
    **{name: name for name in ("picometer", "nanometer", "micrometer", "millimeter", "meter", "second", "millisecond")},
}


def find_axes(path: object, names: Sequence[str], options: ReadOptions) -> list[tuple[Axis, str]]:
    """The axes with the column of each.

    ``options.columns`` (axis to column) comes first, then ``options.axes`` (columns that are axes), then names: x, y, z
    and t, in capitals too, alone or with one of a few words before or behind (``pos_x``, ``centroid-x``,
    ``X_location``); x and y must be there. A unit in brackets behind the name, such as ``x [nm]``, is that of the
    axis unless the caller states one; other units are not known.

    Raises
    ------
    InvalidInputError
        The caller names columns that there are not, or two axes of one column.
    BadFileError
        The names tell no axes, or several sets of them.
    """
    told = {role: column for role, column in options.columns.items() if role != OBJECT_ID}
    if told or options.axes is not None:
        wanted = list(options.axes) if options.axes is not None else list(told)
        wanted += [role for role in told if role not in wanted]
        found = [(role, _match(path, names, told.get(role, role))) for role in wanted]
    else:
        found = _find_by_name(path, names)
    if len({column for _, column in found}) < len(found):
        raise InvalidInputError(f"{path}: two axes of one column: {', '.join(column for _, column in found)}")
    return [(_axis(role, column, options), column) for role, column in found]


def find_object_column(path: object, names: Sequence[str], options: ReadOptions, axes: Sequence[str]) -> str | None:
    """The column of object ids: the one that the caller names, else one called ``object_id``; None where there is none.

    Columns of other names, such as ``id``, tell points apart more often than objects and stay attributes.

    Raises
    ------
    InvalidInputError
        There is no such column.
    """
    if OBJECT_ID in options.columns:
        return _match(path, names, options.columns[OBJECT_ID])
    return next((name for name in names if name.lower() == OBJECT_ID and name not in axes), None)


def stored_names(names: Sequence[str]) -> dict[str, str]:
    """The name of the attribute that each column becomes: that of the column, without what no store can hold."""
    out: dict[str, str] = {}
    taken = set(names)
    for name in names:
        clean = re.sub(r"[/\\\0]", "_", name)
        clean = f"_{clean}" if clean in ("", ".", "..", "zarr.json") else clean
        number = 2
        while clean != name and clean in taken:
            clean, number = f"{clean}_{number}", number + 1
        taken.add(clean)
        out[name] = clean
    return out


def _find_by_name(path: object, names: Sequence[str]) -> list[tuple[str, str]]:
    families: dict[tuple[str, str], dict[str, str]] = {}
    for name in names:
        match = _FAMILY.fullmatch(_UNIT.sub("", name).strip())
        if match is not None:
            key = ((match["before"] or "").lower(), (match["after"] or "").lower())
            families.setdefault(key, {}).setdefault(match["axis"].lower(), name)
    complete = {key: family for key, family in families.items() if {"x", "y"} <= family.keys()}
    plain = complete.get(("", ""))
    if plain is None and len(complete) != 1:
        told = "; ".join(", ".join(family.values()) for family in complete.values())
        reason = f"several sets of columns could be the axes ({told})" if complete else "no columns are called x and y"
        raise BadFileError(path, f"{reason}; name them with --axes or --column. Columns: {', '.join(names)}")
    family: Mapping[str, str] = plain if plain is not None else next(iter(complete.values()))
    return [(axis, family[axis]) for axis in "xyzt" if axis in family]


def _match(path: object, names: Sequence[str], wanted: str) -> str:
    """The column called `wanted`, else the only one whose name differs in capitals or in a unit."""
    if wanted in names:
        return wanted
    alike = [n for n in names if wanted.lower() in (n.lower(), _UNIT.sub("", n).strip().lower())]
    if len(alike) != 1:
        raise InvalidInputError(f"{path} has no column {wanted!r}; columns: {', '.join(names)}")
    return alike[0]


def _axis(role: str, column: str, options: ReadOptions) -> Axis:
    is_time = role.lower() in ("t", "time")
    bracket = _UNIT.search(column)
    unit = None if bracket is None else _UNITS.get(bracket[1])
    if options.unit is not None and not is_time:
        unit = options.unit
    name = _UNIT.sub("", role).strip() or role
    return Axis(name, "time" if is_time else "space", unit)
