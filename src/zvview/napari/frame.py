"""Between a store's coordinates and a layer's: the one place where axes are permuted.

Stores usually name their axes x, y, z; napari's images are z, y, x, time first. Positions, boxes and edits pass through
here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pint
from numpy.typing import ArrayLike, NDArray

from zvview.format.metadata import Axis

__all__ = ["Frame", "image_order", "known_unit"]

MOST_BINS_FROM_ORIGIN: Final = 1e5
"""Beyond it float32 coordinates, of 24 bits, no longer tell apart what lies a few hundredths of a bin from another."""

_IMAGE_ORDER: Final = "zyx"


def image_order(axes: Sequence[Axis]) -> tuple[int, ...]:
    """Which of the store's axes each axis of the layer shows: others first, as stored, then z, y, x.

    Space axes with other names keep their order.
    """
    space = [i for i, axis in enumerate(axes) if axis.type == "space"]
    if not space or any(axes[i].name.lower() not in _IMAGE_ORDER for i in space):
        return tuple(range(len(axes)))
    others = [i for i in range(len(axes)) if i not in space]
    return (*others, *sorted(space, key=lambda i: _IMAGE_ORDER.index(axes[i].name.lower())))


def known_unit(unit: str | None) -> str:
    """A unit that napari knows: `unit` itself, or ``pixel`` where it names none."""
    try:
        return str(pint.get_application_registry().Unit(unit)) if unit else "pixel"
    except Exception:  # the parser of units lets tokenizer, attribute and value errors through
        return "pixel"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """How a store's coordinates stand in a layer.

    Attributes
    ----------
    order : tuple of int
        The store's axis that each axis of the layer shows.
    origin : (D,) float64 array
        In the layer's axis order: what is subtracted before positions become float32, and the layer's ``translate``.
    labels, units : tuple of str
        Of the layer's axes.
    lo, hi : (D,) float64 array
        Bounds in the store's axis order.
    step : (D,) float64 array
        In the layer's axis order: what a slider of the viewer moves by.
    """

    order: tuple[int, ...]
    origin: NDArray[np.float64]
    labels: tuple[str, ...]
    units: tuple[str, ...]
    lo: NDArray[np.float64]
    hi: NDArray[np.float64]
    step: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        axes: Sequence[Axis],
        bounds: tuple[ArrayLike, ArrayLike],
        bin_shape: ArrayLike,
        *,
        step: ArrayLike | None = None,
        keep_order: bool = False,
    ) -> Self:
        """The frame of a store: its axes, its bounds and the edge lengths of a bin of its finest level.

        `step`, in the store's axis order, is 1 by default.
        """
        lo, hi = (np.asarray(corner, np.float64) for corner in bounds)
        order = tuple(range(len(axes))) if keep_order else image_order(axes)
        reach = np.maximum(np.abs(lo), np.abs(hi)) / np.maximum(np.asarray(bin_shape, np.float64), 1e-300)
        origin = np.where(reach > MOST_BINS_FROM_ORIGIN, np.floor((lo + hi) / 2), 0.0)
        permuted = [axes[i] for i in order]
        return cls(
            order,
            origin[list(order)],
            tuple(axis.name for axis in permuted),
            tuple(known_unit(axis.unit) for axis in permuted),
            lo,
            hi,
            np.broadcast_to(np.asarray(1.0 if step is None else step, np.float64), len(axes))[list(order)],
        )

    @property
    def ndim(self) -> int:
        """Number of axes, D."""
        return len(self.order)

    @property
    def inverse(self) -> tuple[int, ...]:
        """The layer's axis that shows each of the store's axes."""
        return tuple(self.order.index(axis) for axis in range(self.ndim))

    @property
    def extent(self) -> NDArray[np.float64]:
        """Bounds in the layer's data coordinates, (2, D)."""
        return np.stack((self.lo, self.hi))[:, list(self.order)] - self.origin

    def to_layer(self, positions: NDArray[np.floating]) -> NDArray[np.float32]:
        """Positions (N, D) of the store as the layer holds them, a new float32 array."""
        out = np.empty(positions.shape, np.float32)
        for column, axis in enumerate(self.order):
            np.subtract(positions[:, axis], self.origin[column], out=out[:, column], casting="unsafe")
        return out

    def to_store(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Positions (..., D) in the layer's data coordinates as the store holds them."""
        moved = np.asarray(positions, np.float64) + self.origin
        return moved[..., list(self.inverse)]

    def axes_of(self, layer_axes: Sequence[int]) -> tuple[int, ...]:
        """The store's axes that some of the layer's axes show."""
        return tuple(self.order[axis] for axis in layer_axes)
