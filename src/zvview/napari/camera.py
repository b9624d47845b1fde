"""What a viewer shows, taken once from its public names as plain values, so that all that follows is pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LayerPlacement", "ViewerState", "read_placement", "read_viewer"]


@dataclass(frozen=True, slots=True, eq=False)
class ViewerState:
    """Camera, sliders and canvas of a viewer, in world coordinates.

    Attributes
    ----------
    displayed : tuple of int
        The world axes on screen: (row, column), or (depth, row, column) in 3-D.
    point, margin_left, margin_right : (V,) float64 arrays
        Slider positions and the thickness of the slice to both sides.
    centre : (2,) or (3,) float64 array
        World coordinates, along `displayed`, of the middle of the canvas.
    zoom : float
        Logical pixels per world unit, at the centre.
    canvas_size : (float, float)
        Height and width in logical pixels of the part that shows the layer.
    view, up, right : (3,) float64 arrays
        In 3-D, unit vectors along `displayed`: away from the eye, up and right on the canvas; zeros in 2-D.
    perspective : float
        Vertical field of view in degrees; 0 is orthographic.
    """

    displayed: tuple[int, ...]
    point: NDArray[np.float64]
    margin_left: NDArray[np.float64]
    margin_right: NDArray[np.float64]
    centre: NDArray[np.float64]
    zoom: float
    canvas_size: tuple[float, float]
    view: NDArray[np.float64]
    up: NDArray[np.float64]
    right: NDArray[np.float64]
    perspective: float

    @property
    def is_3d(self) -> bool:
        """Whether three axes are on screen."""
        return len(self.displayed) == 3

    @property
    def eye_distance(self) -> float:
        """World units from the eye to the centre; infinite without perspective."""
        if not self.is_3d or self.perspective <= 0:
            return float("inf")
        half = min(self.canvas_size) / self.zoom / 2
        return float(half / np.tan(np.radians(self.perspective) / 2))


@dataclass(frozen=True, slots=True, eq=False)
class LayerPlacement:
    """Where a layer lies in the world: ``world = matrix @ data + offset``, in the viewer's units.

    Attributes
    ----------
    matrix : (D, D) float64 array
    offset : (D,) float64 array
    first_axis : int
        World axis of the layer's first; layers with fewer axes than the viewer have its last ones.
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    first_axis: int


def read_viewer(viewer: Any) -> ViewerState:
    """The state of a napari viewer; call it on the thread of the window."""
    scene = getattr(viewer, "scene", viewer)
    camera, dims, canvas = scene.camera, viewer.dims, viewer.canvas
    size = canvas.viewbox_size(viewer.layers) if canvas.grid.enabled else canvas.size
    displayed = tuple(int(axis) for axis in dims.displayed)
    view = up = right = np.zeros(3)
    if len(displayed) == 3:  # asking for directions imports scipy, which takes half a second
        view, up = np.array(camera.view_direction, np.float64), np.array(camera.up_direction, np.float64)
        right = np.cross(view, up) * (1 if camera.handedness.value == "right" else -1)
    return ViewerState(
        displayed=displayed,
        point=np.array(dims.point, np.float64),
        margin_left=np.array(dims.margin_left, np.float64),
        margin_right=np.array(dims.margin_right, np.float64),
        centre=np.array(camera.center, np.float64)[-len(displayed) :],
        zoom=max(float(camera.zoom), 1e-300),
        canvas_size=(float(size[0]), float(size[1])),
        view=view,
        up=up,
        right=right,
        perspective=float(camera.perspective),
    )


def read_placement(layer: Any, viewer: Any) -> LayerPlacement:
    """The placement of a layer in a viewer; call it on the thread of the window.

    The transforms of the layer do not know the units of the viewer, which are the smallest of all its layers: each axis
    is multiplied by the ratio of the two.
    """
    ndim = layer.ndim
    offset = np.array(layer.data_to_world(np.zeros(ndim)), np.float64)
    columns = [np.array(layer.data_to_world(step), np.float64) - offset for step in np.eye(ndim)]
    world_units = viewer.layers.extent.units
    factors = np.ones(ndim)
    if world_units is not None:
        pairs = zip(layer.units, world_units[-ndim:], strict=False)
        factors = np.array([1.0 if own == world else (1 * own).to(world).magnitude for own, world in pairs])
    matrix = np.stack(columns, axis=1)
    return LayerPlacement(matrix * factors[:, None], offset * factors, viewer.dims.ndim - ndim)
