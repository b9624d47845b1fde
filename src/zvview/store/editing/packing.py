"""Arrays and plain values as bytes, and back without trusting them: no pickle, every size checked.

A packed value is the length of a JSON text, the text, and the bytes of its arrays one after the other. In the text an
array is an object ``{"array": dtype, "shape": [...]}``; the arrays follow in the order in which they stand there.
"""

from __future__ import annotations

import json
import struct
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError

__all__ = ["pack", "unpack"]

_HEAD = struct.Struct("<Q")
_DTYPES = frozenset("biufU")
_ARRAY, _SHAPE = "array", "shape"


def pack(value: Any) -> bytes:
    """A tree of dictionaries by text, lists, text, numbers, booleans, None and numpy arrays, as bytes."""
    arrays: list[NDArray[Any]] = []

    def plain(item: Any) -> Any:
        if isinstance(item, np.ndarray):
            array = np.ascontiguousarray(item, item.dtype.newbyteorder("<")).reshape(item.shape)
            arrays.append(array)
            return {_ARRAY: array.dtype.str, _SHAPE: list(array.shape)}
        if isinstance(item, dict):
            return {key: plain(inner) for key, inner in item.items()}
        return [plain(inner) for inner in item] if isinstance(item, list | tuple) else item

    text = json.dumps(plain(value), separators=(",", ":")).encode()
    return b"".join((_HEAD.pack(len(text)), text, *(array.tobytes() for array in arrays)))


def unpack(data: bytes) -> Any:
    """What :func:`pack` was given; tuples come back as lists.

    Raises
    ------
    DamagedError
        Anything else than what it makes.
    """
    if len(data) < _HEAD.size or (size := _HEAD.unpack_from(data)[0]) > len(data) - _HEAD.size:
        raise _damaged(f"{len(data)} bytes", "a text and what it tells of")
    try:
        text = json.loads(data[_HEAD.size : _HEAD.size + size])
    except (ValueError, RecursionError):
        raise _damaged("no JSON", "a text in JSON") from None
    at = _HEAD.size + size

    def full(item: Any) -> Any:
        nonlocal at
        if isinstance(item, list):
            return [full(inner) for inner in item]
        if not isinstance(item, dict):
            return item
        if item.keys() != {_ARRAY, _SHAPE}:
            return {key: full(inner) for key, inner in item.items()}
        dtype, shape = _dtype(item[_ARRAY]), _shape(item[_SHAPE])
        nbytes = prod(shape) * dtype.itemsize
        if nbytes > len(data) - at:
            raise _damaged(f"{len(data) - at} bytes left", f"an array of {nbytes}")
        array = np.frombuffer(data, dtype, prod(shape), at).reshape(shape) if nbytes else np.empty(shape, dtype)
        at += nbytes
        return array

    value = full(text)
    if at != len(data):
        raise _damaged(f"{len(data) - at} bytes more", "nothing behind the last array")
    return value


def _dtype(text: object) -> np.dtype[Any]:
    try:
        dtype = np.dtype(text) if isinstance(text, str) and len(text) < 16 else None
    except (TypeError, ValueError, SyntaxError):
        dtype = None
    if dtype is None or dtype.kind not in _DTYPES or dtype.subdtype is not None or not dtype.itemsize:
        raise _damaged(f"dtype {text!r:.40}", "one of numbers, booleans or text")
    return dtype


def _shape(value: object) -> tuple[int, ...]:
    if isinstance(value, list) and len(value) <= 3 and all(type(n) is int and 0 <= n < 2**48 for n in value):
        return tuple(value)
    raise _damaged(f"shape {value!r:.40}", "up to three lengths")


def _damaged(found: str, expected: str) -> DamagedError:
    return DamagedError("journal", found=found, expected=expected)
