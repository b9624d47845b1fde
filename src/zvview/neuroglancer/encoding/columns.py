"""What of the values of attributes becomes which property: types that hold them, allowed names, labels.

A plan is made once for a source, from what is known of an attribute, and applied to the values of every chunk.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from zvview.errors import InvalidInputError
from zvview.neuroglancer.encoding.annotations import Property, PropertyType

__all__ = ["ColumnPlan", "attribute_id", "least_type", "plan_column", "property_id"]

_LONGEST: Final = 64
_INTEGERS: Final = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
_EXACT: Final = 1 << 24  # integers up to here are exact in float32
_COLOUR: Final = re.compile(r"(?:.*[_\W])?(?:colou?rs?|rgba?)(?:[_\W].*)?", re.IGNORECASE)
_CHANNELS: Final = (("r", "g", "b"), ("r", "g", "b", "a"), ("red", "green", "blue"), ("red", "green", "blue", "alpha"))
_AXES: Final = ("x", "y", "z")
_SHADER_WORDS: Final = frozenset(
    {
        "abs", "acos", "all", "any", "asin", "atan", "attribute", "bool", "break", "bvec2", "bvec3", "bvec4",
        "case", "ceil", "clamp", "color", "const", "continue", "cos", "cross", "default", "degrees", "discard",
        "distance", "do", "dot", "else", "equal", "exp", "exp2", "false", "float", "floor", "for", "fract",
        "highp", "if", "in", "inout", "int", "invariant", "inverse", "invlerp", "isinf", "isnan", "ivec2",
        "ivec3", "ivec4", "layout", "length", "log", "log2", "lowp", "main", "mat2", "mat3", "mat4", "max",
        "mediump", "min", "mix", "mod", "normalize", "not", "out", "pow", "precision", "radians", "reflect",
        "refract", "return", "round", "sampler2D", "sign", "sin", "smooth", "smoothstep", "sqrt", "step",
        "struct", "switch", "tan", "texture", "transpose", "true", "trunc", "uint", "uniform", "uvec2", "uvec3",
        "uvec4", "varying", "vec2", "vec3", "vec4", "void", "while",
    }
)  # fmt: skip


def property_id(name: str, taken: Collection[str] = ()) -> str:
    """An id that Neuroglancer allows for any name of an attribute, and that is none of `taken`.

    Letters without their accents, digits, and single underscores for all else, beginning with a small letter; the same
    for the same name and `taken`.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-zA-Z0-9]+", "_", plain).strip("_")[:_LONGEST].rstrip("_")
    if not words or words[0].isdigit():
        words = f"p{words}"  # names of digits, or in scripts that have no Latin letters
    words = words[0].lower() + words[1:]
    out, number = words, 2
    while out in taken:
        out, number = f"{words}_{number}", number + 1
    return out


def attribute_id(name: str, taken: Collection[str] = ()) -> str:
    """As :func:`property_id`, for attributes of skeletons, whose ids are names in shaders: no word of that language."""
    out = property_id(name, taken)
    return property_id(f"{out}_attribute", taken) if out in _SHADER_WORDS else out


def least_type(low: int, high: int) -> str | None:
    """The shortest integer type that holds all numbers from `low` to `high`; None where 32 bits do not."""
    for name in _INTEGERS:
        info = np.iinfo(name)
        if info.min <= low and high <= info.max:
            return name
    return None


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """The properties that one attribute becomes.

    Attributes
    ----------
    name : str
        Of the attribute.
    properties : tuple of Property
        One, or one for each channel.
    notes : tuple of str
        What is not exact, in plain words.
    absent : int or None
        The value of the attribute that means that there is none.
    absent_as : int or None
        What it becomes, where that is another value; float properties get NaN.
    """

    name: str
    properties: tuple[Property, ...]
    notes: tuple[str, ...] = ()
    absent: int | None = None
    absent_as: int | None = None

    def encode(self, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The columns of each property, by its id.

        Integers beyond the range that the plan was made for become the nearest that the type holds.

        Parameters
        ----------
        values : (n,) or (n, k) array

        Raises
        ------
        InvalidInputError
            There are more or fewer channels than were planned.
        """
        if self.properties[0].type in ("rgb", "rgba"):
            return {self.properties[0].id: values}
        columns = values.reshape(len(values), -1) if len(values) else values.reshape(0, len(self.properties))
        if columns.shape[1] != len(self.properties):
            raise InvalidInputError(f"{self.name!r}: {columns.shape[1]} channels, expected {len(self.properties)}")
        return {p.id: self._convert(columns[:, i], p.type) for i, p in enumerate(self.properties)}

    def _convert(self, values: NDArray[Any], kind: str) -> NDArray[Any]:
        is_absent = None if self.absent is None or values.dtype.kind not in "iu" else values == self.absent
        if kind == "float32":
            with np.errstate(over="ignore"):
                out: NDArray[Any] = values.astype(np.float32)
            if is_absent is not None:
                out[is_absent] = np.nan
            return out
        if values.dtype.kind in "iu" and (values.dtype != kind or self.absent_as is not None):
            info = np.iinfo(kind)
            own = np.iinfo(values.dtype)
            most = info.max if self.absent_as is None else self.absent_as - 1
            low, high = max(info.min, own.min), min(most, own.max)
            values = np.clip(values, values.dtype.type(low), values.dtype.type(high))
        out = values.astype(kind)
        if is_absent is not None and self.absent_as is not None:
            out[is_absent] = self.absent_as
        return out


def plan_column(
    name: str,
    dtype: DTypeLike,
    row_shape: tuple[int, ...] = (),
    *,
    taken: Collection[str] = (),
    value_range: tuple[float, float] | None = None,
    labels: Sequence[str] | Mapping[int, str] | None = None,
    channels: Sequence[str] = (),
    absent: int | None = None,
    description: str = "",
) -> ColumnPlan:
    """How the values of an attribute become properties.

    Floats become float32, and NaN and infinity stay what they are: the client hands values to the shader as they stand.
    Integers become the shortest type that holds all of `value_range`, or of their own type where it is not known and
    of at most 32 bits; otherwise float32. Booleans and categories get labels. Three or four channels of uint8 that are
    called colour, red and green or the like become a colour; all others one property per channel.

    Parameters
    ----------
    name : str
    dtype : dtype
        Of the values; of categories, of the codes.
    row_shape : tuple of int
        ``()``, or the channels, ``(k,)``.
    taken : collection of str
        Ids that other properties have.
    value_range : (low, high), optional
        Of all values but `absent`.
    labels : sequence of str or mapping of int to str, optional
        Names of the codes of categories.
    channels : sequence of str
        Names of the channels.
    absent : int, optional
        The integer that means that there is no value.
    description : str

    Raises
    ------
    InvalidInputError
        Values of that dtype are no numbers.
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in "biuf":
        raise InvalidInputError(f"attribute {name!r}: values of type {dtype} cannot become a property")
    description = description or name
    width = int(np.prod(row_shape, dtype=int)) if row_shape else 1
    if dtype == np.uint8 and width in (3, 4) and labels is None and _is_colour(name, channels):
        kind: PropertyType = "rgb" if width == 3 else "rgba"
        return ColumnPlan(name, (Property(property_id(name, taken), kind, description),))
    known = dict(enumerate(labels)) if labels is not None and not isinstance(labels, Mapping) else labels
    if dtype.kind == "b":
        known = {0: "false", 1: "true"}
    kind_name, absent_as, notes = _type_of(name, dtype, value_range, known, absent)
    if absent_as is not None:
        known = {**(known or {}), absent_as: "no value"}
    if known and kind_name == "float32":
        known = None
    used, properties = set(taken), []
    for part in _part_names(name, width if row_shape else 0, channels):
        properties.append(Property(property_id(part, used), cast(PropertyType, kind_name), description, known))
        used.add(properties[-1].id)
    return ColumnPlan(name, tuple(properties), notes, absent, absent_as)


def _type_of(
    name: str,
    dtype: np.dtype[Any],
    value_range: tuple[float, float] | None,
    labels: Mapping[int, str] | None,
    absent: int | None,
) -> tuple[str, int | None, tuple[str, ...]]:
    """The type of a property, what absent values become in it, and what to tell about it."""
    if dtype.kind == "b":
        return "uint8", None, ()
    if dtype.kind == "f":
        return "float32", None, ()
    if value_range is not None and not all(np.isfinite(value_range)):
        value_range = None
    if value_range is not None:
        low, high = int(value_range[0]), int(value_range[1])
    elif labels:
        low, high = 0, 0
    elif dtype.itemsize <= 4:
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    else:
        note = f"{name!r}: integers of 64 bits are shown as float32, exact up to {_EXACT:,}"
        return "float32", None, (note,)
    if labels:
        low, high = min(low, *labels), max(high, *labels)
    kind = least_type(low, high)
    if kind is not None and (absent is None or low <= absent <= high):
        return kind, None, ()
    if kind is not None and (wider := least_type(low, high + 1)) is not None:
        return wider, int(np.iinfo(wider).max), ()
    exact = "" if max(abs(low), abs(high)) <= _EXACT else f", exact up to {_EXACT:,}"
    return "float32", None, (f"{name!r}: integers from {low:,} to {high:,} are shown as float32{exact}",)


def _is_colour(name: str, channels: Sequence[str]) -> bool:
    return tuple(c.lower() for c in channels) in _CHANNELS or _COLOUR.fullmatch(name) is not None


def _part_names(name: str, width: int, channels: Sequence[str]) -> list[str]:
    if not width:
        return [name]
    if len(channels) == width:
        return [f"{name}_{channel}" for channel in channels]
    if width == 1:
        return [name]
    return [f"{name}_{_AXES[i]}" if width in (2, 3) else f"{name}_{i}" for i in range(width)]
