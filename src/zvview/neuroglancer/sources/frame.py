"""How the world coordinates of a store stand in its sources of annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.format.metadata import Axis
from zvview.neuroglancer.encoding.space import Space, space_of

__all__ = ["SourceFrame"]

_MOST_BINS_FROM_ORIGIN: Final = 1e5
"""Beyond it float32, of 24 bits, no longer tells apart what lies a few hundredths of a bin from another."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceFrame:
    """Where a source's coordinates begin, and in which units they count.

    Attributes
    ----------
    space : Space
        Names, scales and units of the dimensions; stores of two axes get a third.
    origin : (D,) float64 array
        World coordinates of the source's origin. Where it is not 0 a viewer adds it by the transform of the source.
    """

    space: Space
    origin: NDArray[np.float64]

    @classmethod
    def of(cls, axes: Sequence[Axis], bounds: tuple[ArrayLike, ArrayLike], bin_shape: ArrayLike) -> Self:
        """The frame of a store: relative to a corner of its bounds where these are far from 0.

        Parameters
        ----------
        axes : sequence of Axis
        bounds : (lo, hi)
            World coordinates, each (D,).
        bin_shape : (D,) array
            Of the finest level.
        """
        lo, hi = (np.asarray(corner, np.float64) for corner in bounds)
        bins = np.asarray(bin_shape, np.float64)
        is_far = np.maximum(np.abs(lo), np.abs(hi)) > _MOST_BINS_FROM_ORIGIN * bins
        origin = np.where(is_far & np.isfinite(lo), np.floor(lo / bins) * bins, 0.0)
        return cls(space_of(axes), origin)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not exact, in plain words."""
        return self.space.notes

    def place(self, positions: NDArray[Any]) -> NDArray[np.float32]:
        """World positions, (n, D), as the source has them, (n, rank)."""
        moved = positions - self.origin if self.origin.any() else positions
        with np.errstate(over="ignore"):
            out: NDArray[np.float32] = self.space.place(moved.astype(np.float32))
        return out

    def widen(self, values: ArrayLike, fill: float) -> list[Any]:
        """A value for each axis of the store, (D,), with `fill` for each dimension that is added."""
        return [*np.asarray(values).tolist(), *[fill] * (self.space.rank - self.space.ndim)]
