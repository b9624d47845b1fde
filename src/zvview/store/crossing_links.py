"""Links before 0.8 whose endpoints lie in several chunks: all records of a delta in one blob (format reference 18)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.attributes import absent_value
from zvview.format.cells import FARTHEST_CHUNK
from zvview.format.values import as_int
from zvview.store.blobs import DATA, is_blob, read_blob, read_values
from zvview.store.hierarchy import Hierarchy
from zvview.store.layout import LinkTable

__all__ = ["fill_absent", "read_crossing_links", "read_crossing_values"]

_PART = "cross-chunk links"


def read_crossing_links(
    hierarchy: Hierarchy, path: str, attributes: Mapping[str, Any], width: int, sid_ndim: int
) -> LinkTable | None:
    """The records of ``cross_chunk_links/<delta>``, endpoints in original order; None where there are none.

    Parameters
    ----------
    path : str
        The group of the delta.
    attributes : mapping
        Those of the group.
    width : int
        Endpoints of a record, L.
    sid_ndim : int
        Components of a chunk coordinate.

    Raises
    ------
    DamagedError
        Bytes that are not the announced number of whole records, or a chunk coordinate beyond 2**53.
    """
    try:
        declared = attributes.get("num_links")
        count = None if declared is None else as_int(declared, _PART, "num_links", minimum=0)
    except DamagedError as error:
        raise error.at(path) from None
    if not is_blob(hierarchy, f"{path}/{DATA}") and not count:
        return None
    raw = read_blob(hierarchy, f"{path}/{DATA}")
    record = width * (sid_ndim + 1) * 8
    if len(raw) % record or (count is not None and len(raw) != count * record):
        expected = f"{'whole' if count is None else count} records of {record} bytes"
        raise DamagedError(_PART, found=f"{len(raw)} bytes", expected=expected, array=path)
    values = np.frombuffer(raw, "<i8").reshape(-1, width, sid_ndim + 1).astype(np.int64)
    chunks, rows = np.ascontiguousarray(values[:, :, :-1]), np.ascontiguousarray(values[:, :, -1])
    if chunks.size and (chunks.min() < -FARTHEST_CHUNK or chunks.max() > FARTHEST_CHUNK):
        raise DamagedError(_PART, found="a chunk coordinate beyond 2**53", expected="a chunk of the grid", array=path)
    return LinkTable.of(chunks, rows) if len(rows) else None


def read_crossing_values(hierarchy: Hierarchy, path: str, count: int) -> NDArray[Any] | None:
    """Values of an attribute of the records, (count,) or (count, C), from ``<path>/data``; None where there are none.

    Raises
    ------
    DamagedError
        Another number of values than records.
    """
    attributes = hierarchy.attributes(path)
    if attributes is None or not is_blob(hierarchy, f"{path}/{DATA}"):
        return None
    values = read_values(hierarchy, path, attributes)
    if len(values) != count:
        raise DamagedError("link attribute", found=f"{len(values)} values", expected=f"{count}", array=path)
    return values


def fill_absent(count: int, dtype: np.dtype[Any], row_shape: tuple[int, ...]) -> NDArray[Any]:
    """Values that say "absent", for records whose values the writer did not store."""
    return np.full((count, *row_shape), absent_value(dtype), dtype)
