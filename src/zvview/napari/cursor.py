"""Where something is looked for, as one value: what napari passes on as four arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

__all__ = ["Cursor"]


@dataclass(frozen=True, slots=True, eq=False)
class Cursor:
    """A place on the canvas, as :meth:`napari.layers.Layer.get_value` takes it.

    Attributes
    ----------
    position : array-like of float
        In world coordinates (V,), or in those of the layer's data (D,).
    view_direction : array-like of float or None
        Away from the eye, in the same coordinates; None in 2-D.
    dims_displayed : sequence of int or None
        The axes on screen; None where it is not known.
    is_in_world : bool
    """

    position: ArrayLike
    view_direction: ArrayLike | None = None
    dims_displayed: Sequence[int] | None = None
    is_in_world: bool = False

    def find_in(self, layer: Any) -> Any:
        """What the layer answers of the place: in the layers that stream a row, or None where there is nothing."""
        return layer.get_value(
            self.position,
            view_direction=self.view_direction,
            dims_displayed=None if self.dims_displayed is None else list(self.dims_displayed),
            world=self.is_in_world,
        )
