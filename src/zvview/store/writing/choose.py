"""Choosing the edge of chunks from the data, so that all cells of a chunk together hold 0.25 to 1 MB, and their shards.

The mean that counts is weighted by bytes: the size of the chunk in which a vertex lies. A plain mean is misled by the
thin outskirts of clustered data. Edges are "round": three bits behind the leading one. Such edges, and the halves of
halves of them that bins are, divide floats exactly where the data lie on a round grid themselves; edges of powers of
two only would be too coarse a choice (583 chunks where 125 do).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import sort_chunks
from zvview.format.metadata import Axis, space_axes
from zvview.store.writing.sorting import rank_rows

__all__ = [
    "TARGET_BYTES",
    "choose_bin_shape",
    "choose_chunk_shape",
    "choose_shard_shape",
    "largest_shard",
    "round_edge",
]

TARGET_BYTES = 1 << 20
"""Most bytes of the byte-weighted mean chunk."""

_MANTISSAS = 8  # edges are m x 2^e with 8 <= m < 16
_FINEST = 2.0**-40  # of the largest coordinate: below it chunk coordinates would meet the precision of floats
_POINT_BINS = 4
_OTHER_BINS = 8
_MOST_FILES = 20_000  # of a level; folders of more get slow
_SHARD_BITS = 6  # of the number of cells of a shard at most: 16 to 64 MB


def round_edge(length: float) -> float:
    """The least ``m * 2**e`` with ``8 <= m < 16`` that is not below `length`, a positive number."""
    fraction, exponent = math.frexp(length)  # length = fraction * 2**exponent, 0.5 <= fraction < 1
    return math.ldexp(math.ceil(fraction * 2 * _MANTISSAS), exponent - 4)


def choose_chunk_shape(
    sample: NDArray[np.floating],
    lo: NDArray[np.float64],
    hi: NDArray[np.float64],
    axes: Sequence[Axis],
    total_bytes: int,
    target_bytes: int = TARGET_BYTES,
) -> tuple[float, ...]:
    """Edge lengths of chunks: cubic over the space axes, the others cut into as many parts as the longest of them.

    Parameters
    ----------
    sample : (n, D)
        Some of the positions, drawn evenly.
    lo, hi : (D,)
        Extent of all positions.
    axes : sequence of D Axis
    total_bytes : int
        Of all cells of the level.

    Returns
    -------
    tuple of D floats
    """
    extent = np.where(hi > lo, hi - lo, 0.0)
    is_space = space_axes(axes)
    longest = float(extent[is_space].max())
    floor = max(1.0, float(np.abs([lo, hi]).max())) * _FINEST
    edge = round_edge(max(longest, floor)) if longest > 0 else 1.0
    while True:
        shape = _shape_of(edge, longest, extent, is_space, floor)
        # A store of K chunks has a mean chunk of total / K at least: skip what cannot do without counting.
        chunks = np.prod(np.floor(hi / shape) - np.floor(lo / shape) + 1)
        can_do = total_bytes <= chunks * target_bytes
        if (
            edge <= floor
            or total_bytes <= target_bytes
            or (can_do and _mean_share(sample, shape) * total_bytes <= target_bytes)
        ):
            return tuple(shape.tolist())
        edge = max(_next_smaller(edge), floor)
        if edge <= floor or (len(sample) and longest == 0):
            return tuple(_shape_of(edge, longest, extent, is_space, floor).tolist())


def choose_bin_shape(chunk_shape: Sequence[float], is_points: bool) -> tuple[float, ...]:
    """Edge lengths of bins. Both counts are powers of two, so that ``floor(p / bin) // count == floor(p / chunk)``."""
    count = _POINT_BINS if is_points else _OTHER_BINS
    return tuple(edge / count for edge in chunk_shape)


def choose_shard_shape(index: NDArray[np.int64], cells: int) -> list[int] | None:
    """Cells of a shard along each axis, None where a level needs no shards.

    The smallest shards that leave few enough files, since whoever changes a cell writes all of its shard.

    Parameters
    ----------
    index : (n, ndim) int64
        Places in the grid of the chunks that hold anything.
    cells : int
        Of all arrays of the level together.
    """
    if cells <= _MOST_FILES:
        return None
    chunks, ndim = len(sort_chunks(index)), index.shape[1]
    largest, edge = largest_shard(ndim), 2
    while edge < largest[0] and cells * len(sort_chunks(index // edge)) > _MOST_FILES * chunks:
        edge *= 2
    return [edge] * ndim


def largest_shard(ndim: int) -> list[int]:
    """Cells along each axis of the largest shards that are chosen, a power of two and 2 at least."""
    return [1 << max(1, _SHARD_BITS // ndim)] * ndim


def _shape_of(
    edge: float, longest: float, extent: NDArray[np.float64], is_space: NDArray[np.bool_], floor: float
) -> NDArray[np.float64]:
    parts = max(1.0, longest / edge)
    others = [round_edge(max(e / parts, floor)) if e > 0 else 1.0 for e in extent.tolist()]
    return np.where(is_space, edge, others)


def _next_smaller(edge: float) -> float:
    fraction, exponent = math.frexp(edge)
    mantissa = round(fraction * 2 * _MANTISSAS)
    if mantissa > _MANTISSAS:
        return math.ldexp(mantissa - 1, exponent - 4)
    return math.ldexp(2 * _MANTISSAS - 1, exponent - 5)


def _mean_share(sample: NDArray[np.floating], shape: NDArray[np.float64]) -> float:
    """The share of all vertices that the chunk of a vertex holds, on average over the vertices."""
    if not len(sample):
        return 0.0
    keys, _ = rank_rows(np.floor(sample / shape).astype(np.int64))
    keys.sort()
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    counts = np.diff(np.append(starts, len(keys))).astype(np.float64)
    return float((counts**2).sum() / len(keys) ** 2)
