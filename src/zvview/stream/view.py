"""What a viewer asks for: a region of the world, how large it is drawn, and what of it is wanted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.geometry.arguments import as_box
from zvview.stream.editing import EditOverlay
from zvview.stream.filtering import Filter
from zvview.stream.projection import Projection

__all__ = ["ViewState", "moved", "widened"]


@dataclass(frozen=True, slots=True)
class ViewState:
    """One view of a store.

    Attributes
    ----------
    lo, hi : D floats each
        Inclusive corners of what is seen, in world coordinates and the store's order of axes; infinite sides are
        allowed. On axes that are not displayed this is the slab around the position of the slider.
    zoom_px_per_unit : float
        Pixels of the canvas per unit of the world, at the centre.
    displayed : tuple of int or None
        The axes that the canvas shows, None for all; on the others what is delivered is cut to the box exactly.
    projection : Projection or None
        Of a 3-D view; `lo` and `hi` are then the box around what it sees.
    filter : Filter
    budget_vertices : int
        Most vertices to show.
    target_error_px : float
        How many pixels a bin of the level that is shown may take.
    locked_level : int or None
        The level to show whatever the zoom.
    edits : EditOverlay or None
        What was changed and is not saved; where there is one, points carry their names as well
        (:data:`zvview.stream.editing.VERTEX`).
    """

    lo: tuple[float, ...]
    hi: tuple[float, ...]
    zoom_px_per_unit: float
    displayed: tuple[int, ...] | None = None
    projection: Projection | None = None
    filter: Filter = field(default_factory=Filter)
    budget_vertices: int = 1_000_000
    target_error_px: float = 4.0
    locked_level: int | None = None
    edits: EditOverlay | None = None

    def __post_init__(self) -> None:
        lo, hi = as_box((self.lo, self.hi), "view", len(self.lo))
        object.__setattr__(self, "lo", tuple(lo.tolist()))
        object.__setattr__(self, "hi", tuple(hi.tolist()))
        for name in ("zoom_px_per_unit", "budget_vertices", "target_error_px"):
            value = getattr(self, name)
            if not (isinstance(value, int | float | np.number) and value > 0 and isfinite(value)):
                raise InvalidInputError(f"{name} = {value!r}, expected a number above zero")
        axes = (*(self.displayed or ()), *(self.projection.axes if self.projection else ()))
        if any(not 0 <= axis < self.ndim for axis in axes):
            raise InvalidInputError(f"axes {axes} of a view with {self.ndim} axes")

    @property
    def ndim(self) -> int:
        """Number of axes, D."""
        return len(self.lo)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that the canvas shows."""
        return tuple(range(self.ndim)) if self.displayed is None else self.displayed

    @property
    def box(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`lo` and `hi` as arrays."""
        return np.array(self.lo), np.array(self.hi)

    @property
    def slab(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """The box with infinite sides on the displayed axes; None where that leaves nothing to cut."""
        lo, hi = self.box
        lo[list(self.axes)], hi[list(self.axes)] = -np.inf, np.inf
        return None if not (np.isfinite(lo).any() or np.isfinite(hi).any()) else (lo, hi)

    @property
    def centre(self) -> NDArray[np.float64]:
        """Where to look first, (D,); zero on axes with an infinite side."""
        lo, hi = self.box
        with np.errstate(invalid="ignore"):
            middle = (lo + hi) / 2
        middle[~np.isfinite(middle)] = 0.0
        if self.projection is not None:
            middle[list(self.projection.axes)] = self.projection.center
        return middle


def moved(before: ViewState, after: ViewState) -> NDArray[np.float64]:
    """How far the middle of the view went on each axis, (D,), sliders included; zeros where the zoom changed much."""
    step = after.centre - before.centre
    ratio = after.zoom_px_per_unit / before.zoom_px_per_unit
    return step if 0.8 < ratio < 1.25 else np.zeros_like(step)


def widened(view: ViewState, margin: float, motion: NDArray[np.float64]) -> ViewState:
    """The view with a ring of `margin` times its size around it, and twice as far as the last step of its `motion`.

    Along a slider the ring is one slab thick, whatever the margin.
    """
    lo, hi = view.box
    with np.errstate(invalid="ignore"):
        ring = np.where(np.isfinite(hi - lo), hi - lo, 0.0)
    ring[list(view.axes)] *= margin
    lo, hi = lo - ring + np.minimum(2 * motion, 0), hi + ring + np.maximum(2 * motion, 0)
    projection = view.projection
    if projection is not None:
        axes = list(projection.axes)
        pixels = 2 * float(np.linalg.norm(motion[axes])) * projection.zoom_px_per_unit
        height, width = (side * (1 + 2 * margin) + 2 * pixels for side in projection.canvas_px)
        projection = replace(projection, canvas_px=(height, width))
    return replace(view, lo=tuple(lo.tolist()), hi=tuple(hi.tolist()), projection=projection)
