"""Segments or faces in blocks of neighbours, so that a ray is held against boxes before it is held against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["ElementIndex"]

_BLOCK: Final = 128  # elements; fewer make more boxes to look at than elements are saved
_CODE_BITS: Final = 30  # of a cell: two halves of what numpy sorts by radix, 16 bits
_HALF: Final = (1 << 15) - 1
_MOST_AXES: Final = 3
_FAR: Final = 1e30


@dataclass(frozen=True, slots=True, eq=False)
class ElementIndex:
    """Elements in the order of the cells of a grid that they begin in, cut into blocks.

    Attributes
    ----------
    order : (M,) int array
        Elements; block b has those at ``b * 128 : (b + 1) * 128``.
    middle, half : (B, K) float64 arrays
        Of the boxes around the blocks.
    """

    order: NDArray[np.intp]
    middle: NDArray[np.float64]
    half: NDArray[np.float64]

    @classmethod
    def of(cls, positions: NDArray[np.floating], elements: NDArray[np.integer]) -> Self:
        """The index of elements (M, L), given by rows of `positions` (N, K); a tenth of a second for a million."""
        axes = positions.shape[1]
        if not len(elements):
            return cls(np.empty(0, np.intp), np.empty((0, axes)), np.empty((0, axes)))
        cells = _cells(positions, elements[:, 0])
        order = np.argsort((cells & _HALF).astype(np.uint16), kind="stable")
        order = order[np.argsort((cells >> 15).astype(np.uint16)[order], kind="stable")]
        begins = np.arange(0, len(order), _BLOCK)
        lo, hi = np.full((len(begins), axes), np.inf), np.full((len(begins), axes), -np.inf)
        for corner in range(elements.shape[1]):
            rows = elements[:, corner].take(order)
            for axis in range(axes):  # a column at a time: reductions over rows of three are many times slower
                column = positions[:, axis].take(rows)
                lo[:, axis] = np.fmin(lo[:, axis], np.fmin.reduceat(column, begins))
                hi[:, axis] = np.fmax(hi[:, axis], np.fmax.reduceat(column, begins))
        is_bounded = np.isfinite(lo) & np.isfinite(hi)
        lo, hi = np.where(is_bounded, lo, -_FAR), np.where(is_bounded, hi, _FAR)  # the elements are looked at
        return cls(order, (lo + hi) / 2, (hi - lo) / 2)

    def near(
        self,
        matrix: NDArray[np.float64],
        shift: NDArray[np.float64],
        reach: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> tuple[NDArray[np.intp], float]:
        """Elements of the blocks that come near the axis of a projection, and the greatest reach at any of them.

        Parameters
        ----------
        matrix : (3, K) float64 array
        shift : (3,) float64 array
            The projection is ``matrix @ data + shift``: two directions and a depth.
        reach : function of depths (n,) to distances (n,)
            How far from the axis of depth something at that depth may be; negative ones let nothing pass. It must not
            fall with depth.
        """
        centre, spread = self.middle @ matrix.T + shift, self.half @ np.abs(matrix).T
        most = reach(centre[:, 2] + spread[:, 2])
        is_near = (most >= 0) & (np.abs(centre[:, :2]) <= spread[:, :2] + most[:, None]).all(axis=1)
        at = (np.flatnonzero(is_near)[:, None] * _BLOCK + np.arange(_BLOCK)).ravel()
        return self.order[at[at < len(self.order)]], float(most[is_near].max(initial=0.0))


def _cells(positions: NDArray[np.floating], rows: NDArray[np.integer]) -> NDArray[np.uint32]:
    """The cell of a grid that each row lies in, (M,), numbered along a curve that keeps neighbours together."""
    axes = min(positions.shape[1], _MOST_AXES)
    bits = min(_CODE_BITS // axes, 12)
    steps = np.arange(1 << bits, dtype=np.uint32)
    spread = np.zeros_like(steps)  # bit i of a step at bit i * axes
    for bit in range(bits):
        spread |= ((steps >> bit) & 1) << (bit * axes)
    codes = np.zeros(len(rows), np.uint32)
    for axis in range(axes):
        column = positions[:, axis]
        lo, hi = float(np.fmin.reduce(column)), float(np.fmax.reduce(column))
        scale = (len(steps) - 1) / max(hi - lo, 1e-300) if np.isfinite(hi - lo) else 0.0
        with np.errstate(invalid="ignore", over="ignore"):
            cell = ((column - lo) * scale).astype(np.int32) & (len(steps) - 1)
        codes |= spread.take(cell.take(rows)) << axis
    return codes
