"""The same view in both viewers: napari's camera and sliders as a pose of Neuroglancer, and back. Pure.

Both see along a direction, with an up and a right; napari in the coordinates of its world, Neuroglancer in those of
the store, which the placement of a layer connects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.napari.camera import LayerPlacement, ViewerState
from zvview.napari.frame import Frame
from zvview.neuroglancer.encoding.space import Space
from zvview.neuroglancer.links.poses import Pose

__all__ = ["CameraWish", "find_camera", "find_pose", "to_store"]


@dataclass(frozen=True, slots=True, eq=False)
class CameraWish:
    """What napari is to show.

    Attributes
    ----------
    displayed : tuple of int
        World axes on screen: (row, column), or (depth, row, column) in 3-D.
    point : (V,) float64 array
        World coordinates of the middle of the picture, all axes.
    zoom : float or None
        Logical pixels per world unit; None to leave it.
    view, up : (3,) float64 arrays or None
        In 3-D, along `displayed`.
    is_orthographic : bool
    """

    displayed: tuple[int, ...]
    point: NDArray[np.float64]
    zoom: float | None
    view: NDArray[np.float64] | None = None
    up: NDArray[np.float64] | None = None
    is_orthographic: bool = False


def find_pose(
    state: ViewerState,
    placement: LayerPlacement,
    frame: Frame,
    space: Space,
    reach: NDArray[np.float64] | None = None,
) -> Pose:
    """What Neuroglancer is to show so that it looks as in napari.

    Parameters
    ----------
    state : ViewerState
    placement : LayerPlacement
        Of a layer of the store whose coordinates the pose is told in.
    frame : Frame
        Of that layer.
    space : Space
        The dimensions of that store.
    reach : (D,) float64 array, optional
        Half the thickness of what a plane shows, in the store's units and order of axes.
    """
    world = state.point.copy()
    world[list(state.displayed)] = state.centre
    position = to_store(world, placement, frame)
    columns = [_dimension_of(axis - placement.first_axis, frame, space) for axis in reversed(state.displayed)]
    others = [n for n in _others(frame, space) if n not in columns]
    shown = list(dict.fromkeys(columns + others))[: min(3, space.rank)]
    turn = _turn(state.displayed, shown, placement, frame, space)
    size = float(np.sqrt((turn**2).sum() / min(turn.shape)))  # least units of the dimensions for a unit of the world
    rotation = np.eye(3)
    if state.is_3d:
        screen = np.stack((state.right, -state.up, state.view), axis=1)
        rotation = _nearest_rotation(turn @ screen)
        if np.linalg.det(rotation) < 0:  # as a mirror shows it; with two of the dimensions exchanged it is a turn
            shown[0], shown[1] = shown[1], shown[0]
            rotation = rotation[[1, 0, 2]]
    return Pose(
        space.dimensions,
        dict(zip(space.names, [*position.tolist(), *[0.0] * (space.rank - space.ndim)], strict=True)),
        tuple(shown),
        state.is_3d,
        size / state.zoom,
        state.canvas_size[0] / state.zoom * size,
        rotation,
        is_orthographic=state.perspective <= 0,
        reach=None if reach is None or state.is_3d else _depth(reach, shown, space),
    )


def find_camera(pose: Pose, state: ViewerState, placement: LayerPlacement, frame: Frame, space: Space) -> CameraWish:
    """What napari is to show so that it looks as in Neuroglancer.

    Parameters
    ----------
    pose : Pose
        Dimensions that the store does not have are left aside; those that it lacks stay where `state` has them.
    state : ViewerState
        What napari shows now.
    placement, frame, space
        As :func:`find_pose` takes them.
    """
    world = state.point.copy()
    world[list(state.displayed)] = state.centre
    position = to_store(world, placement, frame)
    for axis, name in enumerate(space.names[: space.ndim]):
        if name in pose.position:
            position[axis] = pose.position[name] * _ratio(pose, space, name)
    world[placement.first_axis :] = placement.matrix @ (position[list(frame.order)] - frame.origin) + placement.offset
    shown = [name for name in pose.displayed if name in space.names]
    known = {_dimension_of(axis, frame, space): axis for axis in range(frame.ndim)}
    if pose.is_3d and len(shown) == 3:
        axes = sorted(_world_axis(name, known, placement) for name in shown)
        displayed = tuple(axes) if min(axes) >= 0 and len(set(axes)) == 3 else state.displayed
        turn = _turn(displayed, shown, placement, frame, space)
        if len(displayed) == 3 and abs(np.linalg.det(turn)) > 0:
            screen = np.linalg.solve(turn, pose.rotation)
            screen = screen / np.linalg.norm(screen, axis=0)
            size = float(np.sqrt((turn**2).sum() / 3)) * _least(space, shown) / pose.unit_scale
            zoom = None if pose.units_high is None else state.canvas_size[0] * size / pose.units_high
            return CameraWish(displayed, world, zoom, screen[:, 2], -screen[:, 1], pose.is_orthographic)
    across, down = (shown[int(np.abs(pose.rotation[: len(shown), i]).argmax())] for i in (0, 1))
    flat = (_world_axis(down, known, placement), _world_axis(across, known, placement))
    flat = flat if min(flat) >= 0 and flat[0] != flat[1] else state.displayed[-2:]  # type: ignore[assignment]
    turn = _turn(flat, shown, placement, frame, space)
    size = float(np.sqrt((turn**2).sum() / min(turn.shape))) * _least(space, shown) / pose.unit_scale
    return CameraWish(flat, world, None if pose.units_per_px is None else size / pose.units_per_px)


def to_store(world: NDArray[np.float64], placement: LayerPlacement, frame: Frame) -> NDArray[np.float64]:
    """Coordinates of the store, (D,), of a place in the world, (V,)."""
    own = world[placement.first_axis :] - placement.offset
    return frame.to_store(np.linalg.lstsq(placement.matrix, own, rcond=None)[0])


def _turn(
    displayed: Sequence[int], shown: Sequence[str], placement: LayerPlacement, frame: Frame, space: Space
) -> NDArray[np.float64]:
    """From steps along world axes to steps along dimensions, counted in the least scale of these: (dims, axes)."""
    inverse = np.linalg.pinv(placement.matrix)
    scales = dict(zip(space.names, space.scales, strict=True))
    out = np.zeros((len(shown), len(displayed)))
    for column, axis in enumerate(displayed):
        own = axis - placement.first_axis
        if own < 0:  # an axis that the store does not have
            steps = {space.names[space.ndim]: 1.0} if space.rank > space.ndim else {}
        else:
            steps = {_dimension_of(a, frame, space): inverse[a, own] for a in range(frame.ndim)}
        for row, name in enumerate(shown):
            out[row, column] = steps.get(name, 0.0) * scales[name] / _least(space, shown)
    return out


def _depth(reach: NDArray[np.float64], shown: Sequence[str], space: Space) -> float | None:
    """Half the thickness along the dimension behind the screen, in the least scale of those that are displayed."""
    behind = shown[2] if len(shown) == 3 else ""
    if behind not in space.names[: space.ndim]:
        return None
    at = space.names.index(behind)
    found = float(reach[at]) * space.scales[at] / _least(space, shown)
    return found if 0 < found < np.inf else None


def _nearest_rotation(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    left, _, right = np.linalg.svd(matrix)
    out: NDArray[np.float64] = left @ right
    return out


def _dimension_of(axis: int, frame: Frame, space: Space) -> str:
    """The dimension that an axis of the layer shows."""
    return space.names[frame.order[axis]] if axis >= 0 else space.names[-1]


def _others(frame: Frame, space: Space) -> list[str]:
    """Dimensions to fill up with: the last ones of the layer are space."""
    return [*(_dimension_of(axis, frame, space) for axis in reversed(range(frame.ndim))), *space.names[space.ndim :]]


def _world_axis(name: str, known: dict[str, int], placement: LayerPlacement) -> int:
    return known[name] + placement.first_axis if name in known else -1


def _least(space: Space, shown: Sequence[str]) -> float:
    scales = dict(zip(space.names, space.scales, strict=True))
    return min((scales[name] for name in shown), default=1.0)


def _ratio(pose: Pose, space: Space, name: str) -> float:
    """What one of a pose's dimension is in the store's, whose unit a user may have changed."""
    scale, unit = pose.dimensions[name]
    own = dict(zip(space.names, zip(space.scales, space.units, strict=True), strict=True))[name]
    return scale / own[0] if unit == own[1] else 1.0
