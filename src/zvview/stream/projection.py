"""How a 3-D view puts the world on its canvas: which boxes are seen, and how large a unit is there."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, radians, tan
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError

__all__ = ["Projection"]

_NEAR = 1 / 64
"""Least depth, as a part of the distance to the centre, at which a size on the canvas is told."""

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Projection:
    """A pinhole camera, or a parallel one.

    A point `p`, relative to `center`, lies at ``x = p.right``, ``y = p.up`` and depth ``z = p.forward``; with
    ``w = 1 + z / distance`` it is drawn at ``(width / 2 + zoom x / w, height / 2 - zoom y / w)`` pixels from the upper
    left corner, and a unit of the world is ``zoom / w`` pixels long there.

    Attributes
    ----------
    axes : three ints
        The store's axes that are displayed; all vectors are given in their order.
    center : three floats
        What is in the middle of the canvas, in world coordinates.
    right, up, forward : three floats each
        Unit vectors at right angles to each other.
    zoom_px_per_unit : float
        At the centre.
    canvas_px : (height, width)
    distance : float
        From the eye to the centre, in world units; infinite for parallel rays.
    """

    axes: tuple[int, int, int]
    center: Triple
    right: Triple
    up: Triple
    forward: Triple
    zoom_px_per_unit: float
    canvas_px: tuple[float, float]
    distance: float = inf

    def __post_init__(self) -> None:
        vectors = np.array([self.right, self.up, self.forward], np.float64)
        if vectors.shape != (3, 3) or not np.allclose(vectors @ vectors.T, np.eye(3), atol=1e-4):
            raise InvalidInputError("right, up and forward must be unit vectors at right angles to each other")
        if len(set(self.axes)) != 3 or not np.isfinite(self.center).all() or len(self.center) != 3:
            raise InvalidInputError(f"axes {self.axes} and center {self.center}: expected three of each")
        if not (self.zoom_px_per_unit > 0 and isfinite(self.zoom_px_per_unit) and self.distance > 0):
            raise InvalidInputError("zoom and distance must be above zero")

    @classmethod
    def from_camera(
        cls,
        axes: tuple[int, int, int],
        center: Triple,
        forward: ArrayLike,
        up: ArrayLike,
        zoom_px_per_unit: float,
        canvas_px: tuple[float, float],
        field_of_view_degrees: float = 0.0,
        *,
        is_right_handed: bool = True,
    ) -> Self:
        """The projection of a camera that knows where it looks and what is up.

        Parameters
        ----------
        axes, center, zoom_px_per_unit, canvas_px
            As the attributes.
        forward, up : three floats each
            Directions of view and upward; `up` is made perpendicular.
        field_of_view_degrees : float
            Angle that the shorter side of the canvas spans; 0 for parallel rays.
        is_right_handed : bool
            Whether right is ``forward x up``; otherwise it is the opposite.
        """
        d = np.asarray(forward, np.float64)
        d = d / np.linalg.norm(d)
        u = np.asarray(up, np.float64)
        u = u - d * (u @ d)
        u = u / np.linalg.norm(u)
        r = np.cross(d, u) if is_right_handed else np.cross(u, d)
        distance = inf
        if field_of_view_degrees > 0:
            distance = min(canvas_px) / zoom_px_per_unit / 2 / tan(radians(field_of_view_degrees) / 2)
        right, upward, onward = ((float(v[0]), float(v[1]), float(v[2])) for v in (r, u, d))
        return cls(axes, center, right, upward, onward, zoom_px_per_unit, canvas_px, distance)

    def project(
        self, points: NDArray[np.floating], *, is_clamped: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixels (N, 2) as (x, y) of world points (N, 3), and pixels per unit (N,).

        Behind the eye both are NaN, or with `is_clamped` those of a point right in front of it.
        """
        p = np.asarray(points, np.float64) - self.center
        depth = self._depth(p @ np.array(self.forward))
        if is_clamped:
            depth = np.maximum(depth, _NEAR)
        scale = np.full(len(p), np.nan)
        np.divide(self.zoom_px_per_unit, depth, out=scale, where=depth > 0)
        height, width = self.canvas_px
        x = width / 2 + (p @ np.array(self.right)) * scale
        y = height / 2 - (p @ np.array(self.up)) * scale
        return np.stack((x, y), axis=1), scale

    def see_boxes(
        self, lo: NDArray[np.float64], hi: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Which boxes the canvas may show, and the most pixels that a unit of the world takes in each.

        Parameters
        ----------
        lo, hi : (N, 3) arrays
            Least and greatest corners in world coordinates, in the order of `axes`.

        Returns
        -------
        is_seen : (N,) bool array
            False where the box lies outside one of the planes through the eye and the sides of the canvas.
        px_per_unit : (N,) float64 array

        Notes
        -----
        Over a box a linear function is greatest at its middle plus ``half edges . |gradient|``: no corner is looked at.
        """
        middle = (lo + hi) / 2 - self.center
        half = (hi - lo) / 2
        right, up, forward = (np.array(v) for v in (self.right, self.up, self.forward))
        slope = forward / self.distance
        near = 1 + middle @ slope - half @ np.abs(slope)
        height, width = self.canvas_px
        seen = 1 + middle @ slope + half @ np.abs(slope) > 0
        for direction, pixels in ((right, width), (up, height)):
            room = pixels / 2 / self.zoom_px_per_unit
            for side in (direction, -direction):
                gradient = room * slope - side
                seen &= room + middle @ gradient + half @ np.abs(gradient) >= 0
        return seen, self.zoom_px_per_unit / np.maximum(near, _NEAR)

    def _depth(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1 + z / self.distance
