"""What callers give, as values of the type and shape that are needed, or an error that tells what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError

__all__ = ["Box", "as_array", "as_box", "as_list", "as_mapping", "as_names", "check_choice", "check_type", "to_array"]

Box: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Least and greatest corner, each (D,)."""

T = TypeVar("T", np.int64, np.float64)
_SHOWN = 80  # characters of a wrong value that an error repeats


def to_array(value: ArrayLike, what: str) -> NDArray[Any]:
    """`value` as an array of whatever dtype and shape it has; arrays are not copied.

    Raises
    ------
    InvalidInputError
        numpy can make no array of it: rows of different lengths, for example.
    """
    try:
        return np.asarray(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(f"{what}: {_shown(value)} is no array of one shape ({error})") from error


def as_array(value: ArrayLike, what: str, dtype: type[T], shape: tuple[int | None, ...]) -> NDArray[T]:
    """`value` as an array of this dtype and shape.

    Parameters
    ----------
    value : array_like
        Integers for int64, integers or floats for float64; nothing is rounded or read from text.
    what : str
        For messages, such as ``"object_ids"``.
    dtype : numpy.int64 or numpy.float64
    shape : tuple
        None where any length does; something empty then does for any shape.

    Raises
    ------
    InvalidInputError
        Another shape, values that are no such numbers, or integers above 2**63 - 1.
    """
    array = to_array(value, what)
    if not array.size and None in shape:
        return np.empty([n or 0 for n in shape], dtype)
    is_shaped = array.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
    is_integer = dtype is np.int64
    if not is_shaped or (array.size and array.dtype.kind not in ("iu" if is_integer else "iuf")):
        lengths = ", ".join("n" if n is None else str(n) for n in shape)
        raise InvalidInputError(
            f"{what}: {_shown(value)} has shape {array.shape} and dtype {array.dtype}, "
            f"expected {'integers' if is_integer else 'numbers'} of shape ({lengths}{',' * (len(shape) == 1)})"
        )
    if is_integer and array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise InvalidInputError(f"{what}: {array.max()} is more than the format can store (2**63 - 1)")
    return array.astype(dtype, copy=False)


def as_box(value: object, what: str, ndim: int | None = None, *, is_finite: bool = False) -> Box:
    """`value` as a least and a greatest corner of as many numbers, `ndim` where that is known.

    Raises
    ------
    InvalidInputError
        Not two corners, corners of other lengths, the least above the greatest, NaN; infinity if `is_finite`.
    """
    expected = f"a least and a greatest corner of {ndim or 'as many'} {'finite ' * is_finite}numbers each"
    corners = as_list(value, what, expected)
    if len(corners) == 2:
        lo = as_array(corners[0], what, np.float64, (ndim,))
        hi = as_array(corners[1], what, np.float64, (len(lo) if ndim is None else ndim,))
        if len(lo) and (lo <= hi).all() and not (is_finite and not np.isfinite((lo, hi)).all()):
            return lo, hi
    raise InvalidInputError(f"{what} = {_shown(value)}, expected {expected}")


def as_list(value: object, what: str, expected: str) -> list[Any]:
    """The items of `value`, which must be a collection and no text.

    Raises
    ------
    InvalidInputError
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidInputError(f"{what} = {_shown(value)}, expected {expected}")
    try:
        if isinstance(value, range):
            len(value)  # fails where it is longer than any list
        return list(value)
    except (TypeError, OverflowError) as error:  # arrays of no axes say that they can be iterated over
        raise InvalidInputError(f"{what} = {_shown(value)}, expected {expected}") from error


def as_names(value: object, what: str) -> tuple[str, ...]:
    """`value` as a tuple of names.

    Raises
    ------
    InvalidInputError
        A single text, or items that are no text.
    """
    items = as_list(value, what, "a list of names")
    if not all(isinstance(item, str) for item in items):
        raise InvalidInputError(f"{what} = {_shown(value)}, expected a list of names")
    return tuple(map(str, items))


def as_mapping(value: object, what: str) -> Mapping[str, Any]:
    """`value`, which must be a mapping by name; an empty one for None.

    Raises
    ------
    InvalidInputError
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidInputError(f"{what} = {_shown(value)}, expected a mapping by name")
    return value


def check_type(value: object, what: str, kind: type | tuple[type, ...], expected: str) -> None:
    """Refuse what is of no such type; booleans are no integers.

    Raises
    ------
    InvalidInputError
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise InvalidInputError(f"{what} = {_shown(value)}, expected {expected}")


def check_choice(value: object, what: str, choices: Sequence[str]) -> None:
    """Refuse what is none of the `choices`.

    Raises
    ------
    InvalidInputError
    """
    if not isinstance(value, str) or value not in choices:
        raise InvalidInputError(f"{what} = {_shown(value)}, expected one of {', '.join(map(repr, choices))}")


def _shown(value: object) -> str:
    if isinstance(value, np.ndarray):
        return "the array"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
