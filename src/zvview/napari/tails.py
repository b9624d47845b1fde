"""What of lines is shown around a moment: a tail of what was, and a head of what comes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.format.metadata import Axis

__all__ = ["Tail", "TimeWindow"]

_STEPS = 30  # as long as the tails of napari's Tracks
_LEAST_SHARE, _MOST_SHARE = 1 / 20, 1 / 4


@dataclass(frozen=True, slots=True)
class Tail:
    """How much of lines along time is shown when time is not on screen.

    Attributes
    ----------
    axis : int
        The store's axis of time.
    length, head : float
        How far into the past and the future, in the store's units.
    """

    axis: int
    length: float
    head: float = 0.0

    @classmethod
    def of(cls, axes: Sequence[Axis], bounds: tuple[ArrayLike, ArrayLike], step: NDArray[np.float64]) -> Self | None:
        """The tail that a store begins with, or None where it has no axis of time.

        It is thirty steps long, but no less than a twentieth and no more than a quarter of the whole time.

        Parameters
        ----------
        axes : sequence of Axis
        bounds : (lo, hi), each (D,)
        step : (D,) float64 array
            What a slider moves by, on each of the store's axes.
        """
        times = [i for i, axis in enumerate(axes) if axis.type == "time"]
        if not times:
            return None
        axis = times[0]
        duration = float(np.asarray(bounds[1])[axis] - np.asarray(bounds[0])[axis])
        length = np.clip(_STEPS * step[axis], duration * _LEAST_SHARE, duration * _MOST_SHARE)
        return cls(axis, float(length))


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """What a layer draws of its vertices along one axis, in its data coordinates.

    Attributes
    ----------
    axis : int
        Of the layer.
    first, now, last : float
        Nothing is drawn before `first` and after `last`; what is drawn fades away from `now`.
    """

    axis: int
    first: float
    now: float
    last: float

    def opacity_at(self, times: NDArray[np.floating]) -> NDArray[np.float32]:
        """Opacity of vertices at some times, (N,) float32 from 0 to 1.

        It falls linearly with the distance from `now`, to a tenth at both ends of the window.
        """
        lengths = np.where(times < self.now, self.now - self.first, self.last - self.now)
        share = np.abs(times - self.now) / np.maximum(lengths, 1e-30)
        return np.where((times < self.first) | (times > self.last), 0, 1 - 0.9 * np.minimum(share, 1)).astype(
            np.float32
        )
