"""What float32 coordinates lose when they are mapped to another space and back, so that they come back to the bit.

Mapping back is done in float64, one operation after the other, and so gives the same bits on every machine. What is
then still missing is counted in steps from one float32 number to the next, mostly 0 or a few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Steps", "add_steps", "find_steps", "map_back", "smallest_dtype", "survives_float32"]

_BLOCK = 1 << 14  # rows whose float64 columns stay in the cache while one operation follows the other


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """What coordinates lose.

    Attributes
    ----------
    values : (N, 3) int32 or int64
        Steps from the number that is mapped back to the true one; -0 lies one below 0.
    limit : float
        The greatest distance between the two.
    """

    values: NDArray[np.signedinteger]
    limit: float


def find_steps(wanted: NDArray[np.float32], positions: NDArray[np.float32], matrix: NDArray[np.float64]) -> Steps:
    """Steps that lead from `positions` (N, 3), mapped back by the affine `matrix`, to `wanted` (N, 3)."""
    values: NDArray[np.signedinteger] = np.empty(positions.shape, np.int32)
    limit = 0.0
    for start in range(0, len(positions), _BLOCK):
        block = slice(start, start + _BLOCK)
        back = map_back(positions[block], matrix)
        steps = np.subtract(_rank(wanted[block]), _rank(back), dtype=np.int64)
        if values.dtype == np.int32 and np.abs(steps).max() > np.iinfo(np.int32).max:
            values = values.astype(np.int64)
        values[block] = steps
        with np.errstate(over="ignore", invalid="ignore"):
            limit = max(limit, float(np.abs(np.subtract(wanted[block], back, dtype=np.float64)).max()))
    return Steps(values, limit)


def map_back(positions: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """`positions` (N, 3) under the affine `matrix` (3 or 4, 4), rounded to float32."""
    out = np.empty((len(positions), 3), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # of vertices moved far away, whose steps are not added then
        for start in range(0, len(positions), _BLOCK):
            block = slice(start, start + _BLOCK)
            columns = positions[block].T.astype(np.float64)
            for row in range(3):
                total = columns[0] * matrix[row, 0]
                total += columns[1] * matrix[row, 1]
                total += columns[2] * matrix[row, 2]
                total += matrix[row, 3]
                out[block, row] = total
    return out


def add_steps(
    found: NDArray[np.float32], steps: NDArray[np.integer], limit: NDArray[np.float64] | float
) -> NDArray[np.float32]:
    """The numbers that lie `steps` away from `found`; where that is further than `limit`, `found` itself.

    A vertex that was moved after its steps were counted is further away, since steps are small where numbers are.
    """
    rank = np.add(_rank(found), steps, dtype=np.int64)
    is_number = np.abs(rank) < 0x7F800000
    bits = np.where(is_number, rank, 0).astype(np.int32)
    moved = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(np.float32)
    near = is_number & (np.abs(moved.astype(np.float64) - found) <= limit)
    return np.where(near, moved, found)


def smallest_dtype(least: int, most: int) -> np.dtype[np.signedinteger]:
    """The smallest signed dtype that holds `least` to `most`."""
    return next(
        np.dtype(t)
        for t in (np.int8, np.int16, np.int32, np.int64)
        if np.iinfo(t).min <= least <= most <= np.iinfo(t).max
    )


def survives_float32(values: NDArray[np.float64]) -> bool:
    """Whether all numbers, as people write them, are the same after being rounded to float32."""
    import pyarrow as pa  # type: ignore[import-untyped]

    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    differ = rounded != values
    if not differ.any():
        return True
    few = pa.array(rounded[differ])
    return bool((few.cast(pa.string()).cast(pa.float64()).to_numpy() == values[differ]).all())


def _rank(values: NDArray[np.float32]) -> NDArray[np.int32]:
    """The place of each number among all float32 numbers; 0 has 0."""
    bits = np.ascontiguousarray(values).view(np.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)
