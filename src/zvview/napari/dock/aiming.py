"""Moving the camera to a box of a store."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.napari.camera import LayerPlacement, ViewerState, read_placement, read_viewer
from zvview.napari.frame import Frame

__all__ = ["Aim", "find_aim", "look_at"]

_FILLED = 0.85  # of the canvas; the rest is a margin


@dataclass(frozen=True, slots=True, eq=False)
class Aim:
    """Where the camera and the sliders go.

    Attributes
    ----------
    centre : (2,) or (3,) float64 array
        World coordinates along the axes on screen.
    zoom : float
        Pixels per world unit.
    point : mapping of int to float
        World axis and position of the sliders that must move: those that do not stand in the box.
    """

    centre: NDArray[np.float64]
    zoom: float
    point: dict[int, float]


def find_aim(
    state: ViewerState, placement: LayerPlacement, frame: Frame, lo: NDArray[np.float64], hi: NDArray[np.float64]
) -> Aim:
    """The aim that fills the canvas with a box, given in the store's coordinates and axis order. Pure.

    In 3-D the whole box is seen from whichever side it is looked at.
    """
    order = list(frame.order)
    data = np.array(list(itertools.product(*zip(lo[order], hi[order], strict=True)))) - frame.origin
    world = data @ placement.matrix.T + placement.offset
    least, most = world.min(axis=0), world.max(axis=0)
    centre, edges = np.array(state.centre), np.zeros(len(state.displayed))
    point = {}
    for axis in range(frame.ndim):
        at = placement.first_axis + axis
        middle = float(least[axis] + most[axis]) / 2
        if at in state.displayed:
            row = state.displayed.index(at)
            centre[row], edges[row] = middle, most[axis] - least[axis]
        elif not least[axis] <= state.point[at] <= most[axis]:
            point[at] = middle
    if state.is_3d:
        ratio = min(state.canvas_size) / max(float(np.linalg.norm(edges)), 1e-300)
    else:
        ratio = min(size / max(float(edge), 1e-300) for size, edge in zip(state.canvas_size, edges, strict=True))
    return Aim(centre, float(np.clip(_FILLED * ratio, 1e-30, 1e30)), point)


def look_at(viewer: Any, layer: Any, lo: NDArray[np.float64], hi: NDArray[np.float64]) -> None:
    """Move camera and sliders of a viewer so that it shows a box of the store of a layer.

    Call it on the thread of the window.
    """
    aim = find_aim(read_viewer(viewer), read_placement(layer, viewer), layer.stream.frame, lo, hi)
    for axis, position in aim.point.items():
        viewer.dims.set_point(axis, position)
    camera = getattr(viewer, "scene", viewer).camera
    camera.center = (*np.zeros(3 - len(aim.centre)), *aim.centre)
    camera.zoom = aim.zoom
