"""The chunk grid: which chunk a position belongs to, chunk keys, and looking chunks up (format reference 4.2).

Chunk coordinates are absolute and anchored at zero of space: ``floor(position / chunk_shape)`` per axis. Tables of
coordinates are (K, sid) int64 arrays, sid being the number of components of a chunk coordinate: the store's axes plus
one where chunks are also split by an attribute (4.4); the last D components are spatial.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import DamagedError
from zvview.format.sequences import group_rows

__all__ = [
    "ChunkTable",
    "chunks_in_box",
    "format_chunk_keys",
    "grid_of_bounds",
    "list_chunks",
    "locate_chunks",
    "parse_chunk_keys",
    "sort_chunks",
]

_MANY_COORDS = 256  # fewer of them are sorted column by column
_FEW_RUNS = 4  # coordinates of a run, on average, from which on runs are looked up
_MOST_KEPT = 1 << 20  # characters of keys that are remembered
_KEY = re.compile(r"-?\d{1,18}(?:\.-?\d{1,18})*", re.ASCII)
_DIGITS_AND_SIGNS = str.maketrans("", "", "0123456789-")
_MALFORMED = ("--", "-.", "-\n", "..", ".\n", "\n.", "\n\n")


def locate_chunks(positions: NDArray[np.floating], chunk_shape: ArrayLike) -> NDArray[np.int64]:
    """Chunk coordinate of each position.

    Parameters
    ----------
    positions : (N, D) array
        Stored positions; a position must already be rounded to the dtype it is stored in.
    chunk_shape : (D,)
        Edge lengths of the level's chunks.

    Returns
    -------
    (N, D) int64 array
        ``floor(position / chunk_shape)``; a position on a boundary belongs to the higher chunk.
    """
    edges = np.asarray(chunk_shape, np.float64)
    coords = np.empty(positions.shape, np.int64)
    for axis in range(positions.shape[1]):  # one contiguous column at a time: 3x as fast as on the (N, D) array
        coords[:, axis] = np.floor(positions[:, axis].astype(np.float64) / edges[axis])
    return coords


def grid_of_bounds(lo: ArrayLike, hi: ArrayLike, chunk_shape: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Origin and shape, each (D,) int64, of the grid that holds the inclusive bounds `lo`..`hi`."""
    edges = np.asarray(chunk_shape, np.float64)
    origin = np.floor(np.asarray(lo, np.float64) / edges).astype(np.int64)
    last = np.floor(np.asarray(hi, np.float64) / edges).astype(np.int64)
    return origin, np.maximum(1, last - origin + 1)


def parse_chunk_keys(keys: Sequence[object], ndim: int, part: str = "nonempty_chunks") -> NDArray[np.int64]:
    """Coordinates of dot-joined chunk keys such as ``"-1.0.2"``: (K, ndim) int64, in the order given.

    Raises
    ------
    DamagedError
        A key is not `ndim` integers of at most 18 digits.
    """
    if not keys:
        return np.empty((0, ndim), np.int64)
    found = _parse_joined(_join(keys), len(keys), ndim)
    if found is not None:
        return found
    bad = next((k for k in keys if not _is_key(k, ndim)), None)
    raise DamagedError(part, found=f"chunk key {bad!r}"[:120], expected=f"{ndim} integers joined by dots")


def list_chunks(keys: Sequence[object], ndim: int) -> NDArray[np.int64]:
    """The distinct chunks of such keys in numeric order: (K, ndim) int64, not to be written to.

    The arrays of a level mostly list the same chunks, and whoever edits a store opens each level several times: lists
    of moderate length are remembered.

    Raises
    ------
    DamagedError
        As :func:`parse_chunk_keys`.
    """
    joined = _join(keys)
    found = _list_joined(joined, len(keys), ndim) if 1 < len(joined) <= _MOST_KEPT else None
    return sort_chunks(parse_chunk_keys(keys, ndim)) if found is None else found


@lru_cache(maxsize=8)
def _list_joined(joined: str, count: int, ndim: int) -> NDArray[np.int64] | None:
    found = _parse_joined(joined, count, ndim)
    if found is not None:
        found = sort_chunks(found)
        found.flags.writeable = False
    return found


def _join(keys: Sequence[object]) -> str:
    """One key a line, between line ends; nothing where one is no text."""
    try:
        return "\n" + "\n".join(keys) + "\n"  # type: ignore[arg-type]
    except TypeError:
        return ""


def _parse_joined(joined: str, count: int, ndim: int) -> NDArray[np.int64] | None:
    """Coordinates of `count` keys, None where some are none."""
    if _is_well_formed(joined, count, ndim):
        flat = np.fromstring(joined[1:].replace("\n", "."), np.int64, sep=".")  # 10x as fast as a split, and safe now
        if len(flat) == count * ndim and np.abs(flat).max() < 10**18:  # what overflows comes out as the largest
            return flat.reshape(-1, ndim)
    return None


def _is_well_formed(joined: str, count: int, ndim: int) -> bool:
    """Whether lines are `count` keys of `ndim` integers: some passes over all of them in C, none for each key."""
    frame = "\n" + ("." * (ndim - 1) + "\n") * count
    if joined.translate(_DIGITS_AND_SIGNS) != frame or any(text in joined for text in _MALFORMED):
        return False
    return joined.count("-") == joined.count(".-") + joined.count("\n-")


def _is_key(key: object, ndim: int) -> bool:
    return isinstance(key, str) and _KEY.fullmatch(key) is not None and key.count(".") == ndim - 1


def format_chunk_keys(coords: NDArray[np.int64], separator: str = ".") -> list[str]:
    """Keys of (K, ndim) chunk coordinates, joined by dots or as told, in the order given."""
    return list(map(separator.join, zip(*map(_as_texts, coords.T), strict=True)))


def _as_texts(numbers: NDArray[np.int64]) -> list[str]:
    """Each number in words; made once for each that may be, where many numbers lie close together."""
    least, greatest = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    if greatest - least >= len(numbers):
        return list(map(str, numbers.tolist()))
    texts = np.array(list(map(str, range(least, greatest + 1))), object)
    out: list[str] = texts[numbers - least].tolist()
    return out


def sort_chunks(coords: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distinct rows of `coords` in numeric order, first component slowest."""
    if len(coords) < 2 or _is_ascending(coords):
        return coords
    if len(coords) >= _MANY_COORDS:
        origin, last = coords.min(axis=0), coords.max(axis=0)
        shape = tuple(int(h) - int(lo) + 1 for lo, h in zip(origin, last, strict=True))
        if prod(shape) < 2**62:  # one number for each, which sorts faster than columns do
            keys = np.sort(np.ravel_multi_index(tuple((coords - origin).T), shape))
            keys = keys[np.append(True, keys[1:] != keys[:-1])]
            found: NDArray[np.int64] = np.stack(np.unravel_index(keys, shape), axis=1) + origin
            return found
    ordered = coords[np.lexsort(coords.T[::-1])]
    fresh = np.ones(len(ordered), bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return ordered if fresh.all() else ordered[fresh]


def _is_ascending(coords: NDArray[np.int64]) -> bool:
    """Whether the rows are in strict numeric order."""
    before, after = coords[:-1], coords[1:]
    rises = np.zeros(len(before), bool)
    for axis in range(coords.shape[1] - 1, -1, -1):
        rises = (after[:, axis] > before[:, axis]) | ((after[:, axis] == before[:, axis]) & rises)
    return bool(rises.all())


def chunks_in_box(
    coords: NDArray[np.int64], chunk_shape: ArrayLike, lo: NDArray[np.float64], hi: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Indices of the chunks in `coords` that the inclusive box meets; only the last D components are compared."""
    edges = np.asarray(chunk_shape, np.float64)
    spatial = coords[:, coords.shape[1] - len(edges) :]
    with np.errstate(over="ignore"):  # a side beyond all chunks is an infinite one
        first, last = np.floor(lo / edges), np.floor(hi / edges)
    keep = np.ones(len(coords), bool)
    for axis in range(len(edges)):
        keep &= (spatial[:, axis] >= first[axis]) & (spatial[:, axis] <= last[axis])
    return np.flatnonzero(keep)


@dataclass(frozen=True, slots=True)
class ChunkTable:
    """Distinct chunk coordinates in numeric order, with look-up of many coordinates at once.

    Attributes
    ----------
    coords : (K, sid) int64 array
    """

    coords: NDArray[np.int64]
    _keys: NDArray[Any]
    _origin: NDArray[np.int64]
    _last: NDArray[np.int64]
    _shape: tuple[int, ...] | None

    @classmethod
    def of(cls, coords: NDArray[np.int64]) -> ChunkTable:
        """The table of the distinct rows of `coords`."""
        coords = sort_chunks(coords)
        sid = coords.shape[1]
        if not len(coords):
            zero = np.zeros(sid, np.int64)
            return cls(coords, np.empty(0, np.int64), zero, zero, (1,) * sid)
        origin, last = coords.min(axis=0), coords.max(axis=0)
        shape = tuple(int(h) - int(lo) + 1 for lo, h in zip(origin, last, strict=True))
        if prod(shape) < 2**62:
            return cls(coords, np.ravel_multi_index(tuple((coords - origin).T), shape), origin, last, shape)
        return cls(coords, _byte_keys(coords), origin, last, None)

    def __len__(self) -> int:
        return len(self.coords)

    def find(self, coords: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row in the table of each of the (M, sid) `coords`, or -1 where the table lacks it."""
        if not len(self.coords) or not len(coords):
            return np.full(len(coords), -1, np.int64)
        if len(coords) >= _MANY_COORDS:  # mostly these belong to pieces, many of which in a row lie in one chunk
            starts = _run_starts(coords)
            if len(starts) * _FEW_RUNS <= len(coords):
                return np.repeat(self._find(coords[starts]), np.diff(np.append(starts, len(coords))))
        return self._find(coords)

    def group(self, coords: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """For each row of the table the indices of those of the (M, sid) `coords` that are the same, ascending."""
        return group_rows(self.find(coords), len(self))

    def _find(self, coords: NDArray[np.int64]) -> NDArray[np.int64]:
        out = np.full(len(coords), -1, np.int64)
        near = rows_between(coords, self._origin, self._last)
        picked = coords[near]
        if self._shape is None:
            keys: NDArray[Any] = _byte_keys(picked)
        else:
            keys = np.ravel_multi_index(tuple((picked - self._origin).T), self._shape)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        hit = self._keys[at] == keys
        out[near[hit]] = at[hit]
        return out


def _run_starts(coords: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows that are another one than the row before; by column, which numpy does best."""
    is_start = np.zeros(len(coords), bool)
    is_start[0] = True
    for axis in range(coords.shape[1]):
        column = coords[:, axis]
        is_start[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(is_start)


def rows_between(coords: NDArray[np.int64], lo: NDArray[np.int64], hi: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of the rows of `coords` with ``lo <= row <= hi`` on every axis; by column, which numpy does best."""
    keep = np.ones(len(coords), bool)
    for axis in range(coords.shape[1]):
        column = coords[:, axis]
        keep &= (column >= lo[axis]) & (column <= hi[axis])
    return np.flatnonzero(keep)


def _byte_keys(coords: NDArray[np.int64]) -> NDArray[np.bytes_]:
    """Keys that sort as the coordinates do for any 64-bit values: big-endian with the sign bit turned over."""
    turned = (coords.view(np.uint64) if coords.flags.c_contiguous else np.ascontiguousarray(coords).view(np.uint64)) ^ (
        np.uint64(1) << np.uint64(63)
    )
    return np.ascontiguousarray(turned.astype(">u8")).view(f"S{8 * coords.shape[1]}").ravel()
