"""Typed reading of values that come from JSON: each function returns the value or raises with the field's name."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from zvview.errors import DamagedError

__all__ = ["as_float_list", "as_int", "as_int_list", "as_mapping", "as_str", "as_str_list", "get_mapping"]

_SHOWN = 80  # characters of a wrong value that an error repeats


def wrong(part: str, field: str, value: object, expected: str) -> DamagedError:
    """The error for a metadata field that is not what it must be."""
    shown = repr(value)
    return DamagedError(
        part, found=f"{field} = {shown[:_SHOWN]}{'...' if len(shown) > _SHOWN else ''}", expected=expected
    )


def as_mapping(value: object, part: str, field: str) -> Mapping[str, Any]:
    """`value` as a JSON object."""
    if not isinstance(value, Mapping):
        raise wrong(part, field, value, "an object")
    return value


def get_mapping(source: Mapping[str, Any], part: str, field: str) -> Mapping[str, Any]:
    """Field `field` of `source` as a JSON object; empty when it is missing or null."""
    value = source.get(field)
    return {} if value is None else as_mapping(value, part, field)


def as_str(value: object, part: str, field: str) -> str:
    """`value` as text."""
    if not isinstance(value, str):
        raise wrong(part, field, value, "text")
    return value


def as_str_list(value: object, part: str, field: str) -> tuple[str, ...]:
    """`value` as a list of texts."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(v, str) for v in value):
        raise wrong(part, field, value, "a list of texts")
    return tuple(value)


def as_int(value: object, part: str, field: str, *, minimum: int | None = None) -> int:
    """`value` as an integer that fits 64 bits, at least `minimum`."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value != value
        or value in (math.inf, -math.inf)
    ):
        raise wrong(part, field, value, "an integer")
    if int(value) != value or not -(2**63) <= value < 2**63 or (minimum is not None and value < minimum):
        raise wrong(part, field, value, "an integer" + ("" if minimum is None else f" >= {minimum}"))
    return int(value)


def as_int_list(value: object, part: str, field: str, length: int | None = None) -> tuple[int, ...]:
    """`value` as a list of integers, of `length` entries where given."""
    if not isinstance(value, Sequence) or isinstance(value, str) or (length is not None and len(value) != length):
        raise wrong(part, field, value, "a list of integers" if length is None else f"{length} integers")
    return tuple(as_int(v, part, field) for v in value)


def as_float_list(
    value: object, part: str, field: str, length: int | None = None, *, positive: bool = False
) -> tuple[float, ...]:
    """`value` as a list of finite numbers, of `length` entries and all above zero where asked."""
    wanted = ("" if length is None else f"{length} ") + ("positive " if positive else "") + "finite numbers"
    if not isinstance(value, Sequence) or isinstance(value, str) or (length is not None and len(value) != length):
        raise wrong(part, field, value, wanted)
    for v in value:
        is_number = isinstance(v, int | float) and not isinstance(v, bool) and abs(v) <= sys.float_info.max  # no NaN
        if not is_number or (positive and v <= 0):
            raise wrong(part, field, value, wanted)
    return tuple(float(v) for v in value)
