"""Positions of a layer as its vertex buffer holds them: three columns, x first, without a copy where they lie so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_drawn"]


def as_drawn(positions: NDArray[np.floating], displayed: Sequence[int]) -> NDArray[np.float32]:
    """Positions (N, D) along the two or three axes on screen, in their reverse order, as a contiguous (N, 3) array.

    Always three columns: a change of their number raises inside of the paint event, which ends the process. It is a
    view where all axes are on screen and `positions` lie in memory as :func:`zvview.napari.preparing.prepare` lays
    them.
    """
    columns = list(displayed)[::-1]
    if columns == [2, 1, 0] and positions.shape[1] == 3 and positions.dtype == np.float32:
        return np.ascontiguousarray(positions[:, ::-1])
    out = np.zeros((len(positions), 3), np.float32)
    for column, axis in enumerate(columns):
        out[:, column] = positions[:, axis]
    return out
