"""Blobs of the layout before 0.8: raw bytes in a 1-D uint8 array, described by the group around it (reference 18)."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError
from zvview.format.cells import RowTable
from zvview.format.values import as_int_list, as_str, wrong
from zvview.store.hierarchy import Hierarchy
from zvview.store.plain_arrays import document_of, read_plain_array

__all__ = ["DATA", "OFFSETS", "is_blob", "read_blob", "read_ragged", "read_values"]

DATA, OFFSETS = "data", "offsets"
_MOST_TEXT = 1 << 16  # bytes of a fixed-width text
_KINDS = "biufUS"


def is_blob(hierarchy: Hierarchy, path: str) -> bool:
    """Whether there is an array at `path`."""
    document = hierarchy.document(path)
    return document is not None and document["node_type"] == "array"


def read_blob(hierarchy: Hierarchy, path: str, cancel: CancelToken | None = None) -> NDArray[np.uint8]:
    """The bytes of the blob at `path`, (nbytes,) uint8.

    Raises
    ------
    DamagedError
        There is none, or it is no 1-D array of bytes.
    """
    document = document_of(hierarchy, path)
    if document.get("shape") == [0] and document.get("data_type") == "uint8":
        return np.empty(0, np.uint8)
    values = read_plain_array(hierarchy, path, document, cancel)
    if values.dtype != np.uint8 or values.ndim != 1:
        found = f"{values.dtype} of shape {values.shape}"
        raise DamagedError("blob", found=found, expected="a 1-D array of uint8", array=path)
    return values


def read_values(hierarchy: Hierarchy, path: str, attributes: Mapping[str, Any]) -> NDArray[Any]:
    """The typed array whose bytes are the blob ``<path>/data`` and whose dtype and shape the group's attributes tell.

    Raises
    ------
    DamagedError
        A dtype that is none, or a shape that the bytes do not fill: (n,) or (n, C) is expected.
    """
    raw = read_blob(hierarchy, f"{path}/{DATA}")
    part = "metadata of a blob"
    try:
        dtype = _parse_dtype(attributes.get("dtype"), part)
        declared = attributes.get("shape")
        shape = as_int_list([len(raw) // dtype.itemsize] if declared is None else declared, part, "shape")
        if len(shape) not in (1, 2) or min(shape) < 0:
            raise wrong(part, "shape", declared, "(n,) or (n, C)")
        if prod(shape) * dtype.itemsize != len(raw):
            found, expected = f"{len(raw)} bytes", f"{prod(shape) * dtype.itemsize} for {dtype.name} of shape {shape}"
            raise DamagedError("blob", found=found, expected=expected)
    except DamagedError as error:
        raise error.at(path) from None
    if not len(raw) or min(shape) == 0:
        return np.empty((shape[0] if min(shape[1:], default=1) else 0, *shape[1:]), dtype)
    return np.frombuffer(raw, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _parse_dtype(value: object, part: str) -> np.dtype[Any]:
    """A dtype of numbers, booleans or fixed-width text."""
    try:
        dtype = np.dtype(as_str(value, part, "dtype"))
    except (TypeError, ValueError, SyntaxError):
        raise wrong(part, "dtype", value, "a numpy dtype name such as 'float32'") from None
    if dtype.kind not in _KINDS or dtype.subdtype is not None or not 1 <= dtype.itemsize <= _MOST_TEXT:
        raise wrong(part, "dtype", value, "numbers, booleans or text")
    return dtype


def read_ragged(hierarchy: Hierarchy, path: str, count: int | None, cancel: CancelToken | None = None) -> RowTable:
    """Rows of bytes from the blobs ``<path>/data`` and ``<path>/offsets``: int64 byte offsets of the start of each row.

    Parameters
    ----------
    count : int or None
        Number of rows; None where only the offsets tell.

    Raises
    ------
    DamagedError
        Fewer offsets than rows, or offsets that do not ascend within the data.
    """
    data = read_blob(hierarchy, f"{path}/{DATA}", cancel)
    raw = read_blob(hierarchy, f"{path}/{OFFSETS}", cancel)
    rows = len(raw) // 8 if count is None else count
    if len(raw) % 8 or len(raw) // 8 not in (rows, rows + 1):  # some writers add the end of the last row
        found = f"{len(raw)} bytes"
        raise DamagedError("offsets", found=found, expected=f"{rows} int64 values", array=f"{path}/{OFFSETS}")
    bounds = np.append(np.frombuffer(raw, "<i8")[:rows].astype(np.int64), len(data))
    if rows and (bounds[0] < 0 or (bounds[1:] < bounds[:-1]).any()):
        raise DamagedError(
            "offsets",
            found="offsets that do not ascend from 0 to the end of the data",
            expected=f"places in {len(data)} bytes",
            array=f"{path}/{OFFSETS}",
        )
    return RowTable(data, bounds[:-1], bounds[1:] - bounds[:-1])
