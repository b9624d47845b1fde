"""What a viewer will most likely show first of a store: known before the layer is in it, so that reading can begin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.napari.frame import Frame
from zvview.stream import ViewState

__all__ = ["guess_view"]

_FILLED = 0.95  # of the canvas, as napari resets its view


def guess_view(
    frame: Frame,
    slab: NDArray[np.float64],
    *,
    ndisplay: int,
    canvas_size: tuple[float, float],
    budget_vertices: int,
    target_error_px: float,
) -> ViewState:
    """All of the store in the middle of the canvas, sliders in the middle of their ranges.

    Parameters
    ----------
    frame : Frame
    slab : (D,) float64 array
        Half the thickness along axes that are not on screen.
    ndisplay : int
        Axes on screen, 2 or 3.
    canvas_size : (float, float)
        In logical pixels.
    budget_vertices, target_error_px
        Passed on.
    """
    shown = list(frame.axes_of(range(max(0, frame.ndim - ndisplay), frame.ndim)))
    lo, hi = frame.lo.copy(), frame.hi.copy()
    is_sliced = np.ones(frame.ndim, bool)
    is_sliced[shown] = False
    middle = (lo + hi) / 2
    lo[is_sliced], hi[is_sliced] = (middle - slab)[is_sliced], (middle + slab)[is_sliced]
    edge = max(float((hi - lo)[shown].max()), 1e-300)
    return ViewState(
        tuple(lo.tolist()),
        tuple(hi.tolist()),
        zoom_px_per_unit=max(min(canvas_size), 1.0) * _FILLED / edge,
        displayed=tuple(shown),
        budget_vertices=budget_vertices,
        target_error_px=target_error_px,
    )
