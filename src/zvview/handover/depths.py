"""How deep a view without perspective is: the client cuts off what lies far in front of its middle. Pure.

Its eye is half a height of the picture before the middle, and it shows nothing of the last tenth of that. Without
perspective the picture stays the same where the middle is nearer to the eye, and nothing is cut off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.handover.poses import CameraWish
from zvview.napari.camera import LayerPlacement, ViewerState
from zvview.napari.frame import Frame

__all__ = ["Depth", "depths_on_canvas"]

_SEEN_IN_FRONT: Final = 0.9  # of half the height
_USUAL: Final = 50.0  # half heights behind the middle that the client shows by itself
_MARGIN: Final = 1.05
_MOST_LOOKED_AT: Final = 2_000_000
_STILL: Final = 1e-3  # of the step; the client rounds to float32


@dataclass(frozen=True, slots=True, eq=False)
class Depth:
    """Where the middle of the client's picture is, before that of the window's.

    Attributes
    ----------
    state : ViewerState
        What the window shows.
    step : float
        World units from its middle towards the eye.
    half_heights : float
        How far behind the middle the client shows things, in halves of the height of the picture.
    """

    state: ViewerState
    step: float = 0.0
    half_heights: float = _USUAL

    @classmethod
    def of(cls, state: ViewerState, depths: Iterable[NDArray[np.float64]]) -> Depth:
        """The least step with which nothing on the canvas is cut off.

        Parameters
        ----------
        state : ViewerState
        depths : iterable of (N,) float64 arrays
            As :func:`depths_on_canvas` gives them, of each layer.
        """
        found = [(float(own.min()), float(own.max())) for own in depths if len(own)]
        nearest = min((near for near, _ in found), default=0.0)
        farthest = max((far for _, far in found), default=0.0)
        half = state.canvas_size[0] / state.zoom / 2
        step = max(0.0, -nearest * _MARGIN - _SEEN_IN_FRONT * half) if state.perspective <= 0 else 0.0
        return cls(state, step, max(_USUAL, (farthest + step) / half * _MARGIN))

    @property
    def is_far(self) -> bool:
        """Whether the client turns the picture about something that is far from where the window does."""
        return self.step > self.state.canvas_size[0] / self.state.zoom / 2

    @property
    def client(self) -> ViewerState:
        """What the client is to show."""
        return replace(self.state, centre=self.state.centre - self.step * self.state.view) if self.step else self.state

    def undone(self, wish: CameraWish) -> CameraWish:
        """What the window is to show, where `wish` is what the client shows.

        The step is taken back where the user turned, shifted or zoomed the picture, but did not choose another middle.
        """
        if not self.step or wish.view is None or not wish.is_orthographic or wish.displayed != self.state.displayed:
            return wish
        columns = list(wish.displayed)
        moved = float((wish.point[columns] - self.client.centre) @ self.state.view)
        if abs(moved) > _STILL * self.step:
            return wish
        point = wish.point.copy()
        point[columns] += self.step * wish.view
        return replace(wish, point=point)


def depths_on_canvas(
    positions: NDArray[np.floating], state: ViewerState, placement: LayerPlacement, frame: Frame
) -> NDArray[np.float64]:
    """How far behind the middle, in world units, those of a store's positions (N, D) lie that are on the canvas."""
    stride = -(-len(positions) // _MOST_LOOKED_AT) or 1
    data = frame.to_layer(positions[::stride]).astype(np.float64)
    rows = np.array(state.displayed) - placement.first_axis
    away = np.zeros((len(data), 3))
    for column, row in enumerate(rows.tolist()):
        if row >= 0:
            away[:, column] = data @ placement.matrix[row] + placement.offset[row]
    away -= state.centre
    height, width = np.array(state.canvas_size) / state.zoom / 2 * _MARGIN
    is_on = (np.abs(away @ state.up) <= height) & (np.abs(away @ state.right) <= width)
    found: NDArray[np.float64] = away[is_on] @ state.view
    return found
