"""Places of what was moved by hand: of the coordinates only those that changed pass through the layer's float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.napari.frame import Frame

__all__ = ["moved_places"]


def moved_places(
    frame: Frame, places: NDArray[np.floating], before: NDArray[np.floating], now: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which of n vertices were moved, and where to.

    Parameters
    ----------
    frame : Frame
    places : (n, D) array
        Where they were, in the coordinates and the precision of the store.
    before, now : (n, D) array
        Where the layer showed them then, and shows them now, in its data coordinates.

    Returns
    -------
    rows : (k,) int64 array
    places : (k, D) float64 array
        World coordinates; those that did not change are the store's own, bit for bit.
    """
    differs = now != before
    rows = np.flatnonzero(differs.any(axis=1))
    if len(rows) < len(now):
        differs, now, places = differs[rows], now[rows], places[rows]
    moved = frame.to_store(now)
    for axis, shown_at in enumerate(frame.inverse):
        np.copyto(moved[:, axis], places[:, axis], where=~differs[:, shown_at])
    return rows, moved
