"""Compressed Morton codes: the numbers of cells of a grid in shard files.

The bits of the coordinates in turn, those of the first axis lowest; bit i of an axis occurs only where the grid has
more than 2^i cells along it. Format: "compressed Morton code" of Neuroglancer's precomputed volumes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError

__all__ = ["decode_morton", "encode_morton"]

_BITS = 64


def encode_morton(cells: NDArray[np.integer[Any]], shape: Sequence[int]) -> NDArray[np.uint64]:
    """Codes of cells.

    Parameters
    ----------
    cells : (n, D) integer array
    shape : (D,) int
        Number of cells of the grid along each axis.

    Returns
    -------
    (n,) uint64 array

    Raises
    ------
    InvalidInputError
        A cell lies outside the grid, or the grid needs codes of more than 64 bits.
    """
    cells = np.asarray(cells)
    places = _places(shape)
    if cells.ndim != 2 or cells.shape[1] != len(shape):
        raise InvalidInputError(f"cells of shape {cells.shape} do not fit a grid of {len(shape)} axes")
    if len(cells) and ((cells < 0).any() or (cells.max(axis=0) >= np.asarray(shape, np.uint64)).any()):
        raise InvalidInputError(f"cells from {cells.min(axis=0)} to {cells.max(axis=0)} in a grid of {tuple(shape)}")
    columns = [np.ascontiguousarray(cells[:, axis]).astype(np.uint64) for axis in range(len(shape))]
    out = np.zeros(len(cells), np.uint64)
    for place, (axis, bit) in enumerate(places):
        out |= ((columns[axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place)
    return out


def decode_morton(codes: NDArray[np.unsignedinteger[Any]], shape: Sequence[int]) -> NDArray[np.int64]:
    """The cells, (n, D), of codes, (n,); bits beyond those of the grid are ignored.

    Raises
    ------
    InvalidInputError
        The grid needs codes of more than 64 bits.
    """
    codes = np.asarray(codes).astype(np.uint64)
    out = np.zeros((len(codes), len(shape)), np.int64)
    for place, (axis, bit) in enumerate(_places(shape)):
        out[:, axis] |= (((codes >> np.uint64(place)) & np.uint64(1)) << np.uint64(bit)).astype(np.int64)
    return out


def _places(shape: Sequence[int]) -> list[tuple[int, int]]:
    """Axis and bit that stand at each bit of a code."""
    if any(n < 1 for n in shape):
        raise InvalidInputError(f"a grid of {tuple(shape)} cells")
    widths = [(int(n) - 1).bit_length() for n in shape]
    if sum(widths) > _BITS:
        raise InvalidInputError(f"a grid of {tuple(int(n) for n in shape)} cells needs {sum(widths)} bits, 64 at most")
    return [(axis, bit) for bit in range(max(widths, default=0)) for axis, width in enumerate(widths) if bit < width]
