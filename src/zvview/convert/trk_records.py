"""The records of a TRK file: found by a walk over their counts, then read and written many at a time.

A record is the number of points, each point with its scalars, then the properties of the streamline; all of 4 bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.trk_header import HEADER_BYTES, TrkHeader
from zvview.errors import BadFileError

__all__ = ["Records", "count_records", "decode_records", "encode_records", "find_records", "split_records"]


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Some streamlines.

    Attributes
    ----------
    counts : (P,) int64
        Points of each.
    points : (N, 3 + scalars) float32
    properties : (P, properties) float32
    """

    counts: NDArray[np.int64]
    points: NDArray[np.float32]
    properties: NDArray[np.float32]


def find_records(data: Any, header: TrkHeader, place: str) -> tuple[NDArray[np.int64], int]:
    """Points of each streamline of a file, and where the last one ends.

    Parameters
    ----------
    data : buffer
        The file.
    header : TrkHeader
        Its count is how many are read, or all where it counts none; a file that ends after fewer has as many.
    place : str
        Of the file, for messages.

    Raises
    ------
    BadFileError
        A negative count, or one that leads beyond the end of the file; names the streamline.
    """
    read = Struct(f"{header.byte_order}i").unpack_from
    point_bytes, fixed = 4 * header.values_per_point, 4 + 4 * header.values_per_streamline
    end, at = len(data), HEADER_BYTES
    most = header.declared_count or end
    counts = array("i")
    add = counts.append
    # A chain: where a record begins is known only from the one before.
    while at + 4 <= end and len(counts) < most:
        (count,) = read(data, at)
        if count < 0:
            raise BadFileError(place, f"has {count} points", f"streamline {len(counts)}")
        at += fixed + count * point_bytes
        add(count)
    if at > end:
        reason = (
            f"has {counts[-1]} points and ends at byte {at}, the file at byte {end}: it was cut off, or the count lies"
        )
        raise BadFileError(place, reason, f"streamline {len(counts) - 1}")
    if at < end and len(counts) < most:
        raise BadFileError(place, f"{end - at} bytes are no record", f"streamline {len(counts)}")
    return np.array(counts, np.int64), at


def count_records(data: Any, header: TrkHeader, start: int) -> int | None:
    """Streamlines from byte `start` to the end of a file, None where the bytes are not just whole records."""
    read = Struct(f"{header.byte_order}i").unpack_from
    point_bytes, fixed = 4 * header.values_per_point, 4 + 4 * header.values_per_streamline
    end, at, found = len(data), start, 0
    while at + 4 <= end:
        (count,) = read(data, at)
        if count < 0:
            return None
        at += fixed + count * point_bytes
        found += 1
    return found if at == end else None


def split_records(counts: NDArray[np.int64], header: TrkHeader, batch_bytes: int) -> Iterator[tuple[slice, slice]]:
    """Runs of streamlines of about `batch_bytes`, each with the words of the file behind its header that it takes."""
    words = np.cumsum(1 + counts * header.values_per_point + header.values_per_streamline)
    first = begin = 0
    while first < len(counts):
        stop = max(first + 1, int(np.searchsorted(words, begin + batch_bytes // 4, "right")))
        end = int(words[stop - 1])
        yield slice(first, stop), slice(begin, end)
        first, begin = stop, end


def decode_records(words: NDArray[np.float32], counts: NDArray[np.int64], header: TrkHeader) -> Records:
    """Records from the `words` that they take."""
    native = words.astype(np.float32, copy=False)
    width, extra = header.values_per_point, header.values_per_streamline
    heads = _heads(counts, width, extra)
    is_point = np.ones(len(native), bool)
    is_point[heads] = False
    properties = np.empty((len(counts), extra), np.float32)
    for column in range(extra):
        at = heads + 1 + counts * width + column
        is_point[at] = False
        properties[:, column] = native[at]
    return Records(counts, native[is_point].reshape(-1, width), properties)


def encode_records(records: Records, byte_order: str) -> NDArray[Any]:
    """The words of records, in the file's byte order."""
    counts, width, extra = records.counts, records.points.shape[1], records.properties.shape[1]
    heads = _heads(counts, width, extra)
    words = np.empty(len(counts) * (1 + extra) + records.points.size, f"{byte_order}f4")
    is_point = np.ones(len(words), bool)
    is_point[heads] = False
    for column in range(extra):
        at = heads + 1 + counts * width + column
        is_point[at] = False
        words[at] = records.properties[:, column]
    words[is_point] = records.points.ravel()
    words.view(f"{byte_order}i4")[heads] = counts
    return words


def _heads(counts: NDArray[np.int64], width: int, extra: int) -> NDArray[np.int64]:
    """Where each record begins, in words."""
    sizes = 1 + counts * width + extra
    return np.cumsum(sizes) - sizes
