"""Where the client looks from: position, scale and orientation, as values that other viewers can be given.

Rotations are unit quaternions (x, y, z, w) as the client writes them: they turn the axes of the screen, right, down
and away from the eye, into the dimensions that are displayed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from zvview.errors import BadFileError

__all__ = ["Pose", "quaternion_of", "rotation_of"]

_PART: Final = "state of Neuroglancer"
_LAYOUTS: Final = ("xy", "xz", "yz", "xy-3d", "xz-3d", "yz-3d", "4panel", "4panel-alt", "3d")
_TURNS: Final[Mapping[str, NDArray[np.float64]]] = {  # of the panels whose plane is another than x, y
    "xy": np.eye(3),
    "xz": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "yz": np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
}


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """What is in the middle of the picture, how large, and seen from where.

    Attributes
    ----------
    dimensions : mapping of str to (float, str)
        Scale and unit of each dimension, in order.
    position : mapping of str to float
        Of the middle of the picture, in what the dimensions count.
    displayed : tuple of str
        The dimensions on screen, two or three.
    is_3d : bool
        Whether the picture is a view of space, not of a plane.
    units_per_px : float or None
        Of a plane: what a pixel takes, in the least scale of the dimensions on screen.
    units_high : float or None
        Of a view of space: what its height takes in the middle, in the same.
    rotation : (3, 3) float64 array
        Columns are right, down and away from the eye, along `displayed`.
    is_orthographic : bool
    reach : float or None
        Of a plane: how far before and behind it is seen as well, in the same as what a pixel takes; None where the
        client decides, by how large things are.
    """

    dimensions: Mapping[str, tuple[float, str]]
    position: Mapping[str, float]
    displayed: tuple[str, ...]
    is_3d: bool
    units_per_px: float | None
    units_high: float | None
    rotation: NDArray[np.float64]
    is_orthographic: bool = False
    reach: float | None = None

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Self:
        """The pose of a state.

        Raises
        ------
        BadFileError
            Values that are none.
        """
        dimensions = {
            name: _dimension(told) for name, told in _mapping(state.get("dimensions", {}), "dimensions").items()
        }
        numbers = _numbers(state.get("position", [0.0] * len(dimensions)), "position", len(dimensions))
        shown = state.get("displayDimensions", list(dimensions)[:3])
        if not isinstance(shown, list) or len(shown) > 3 or not all(name in dimensions for name in shown):
            raise BadFileError(_PART, "displayDimensions: expected up to three of the dimensions")
        layout, is_orthographic = _layout(state.get("layout", "4panel"))
        is_3d = "3d" in layout or layout.startswith("4panel")
        key = "projectionOrientation" if is_3d else "crossSectionOrientation"
        turned = rotation_of(_numbers(state.get(key, [0, 0, 0, 1]), key, 4))
        return cls(
            dimensions,
            dict(zip(dimensions, numbers.tolist(), strict=True)),
            tuple(shown),
            is_3d,
            _size(state, "crossSectionScale"),
            _size(state, "projectionScale"),
            turned if is_3d else turned @ _TURNS.get(layout, _TURNS["xy"]),
            is_orthographic,
            _reach(state),
        )

    @property
    def unit_scale(self) -> float:
        """The least scale of the dimensions on screen: what sizes count."""
        return min((self.dimensions[name][0] for name in self.displayed), default=1.0)

    def to_state(self) -> dict[str, Any]:
        """What of a state it decides."""
        state: dict[str, Any] = {
            "dimensions": {name: list(told) for name, told in self.dimensions.items()},
            "position": [self.position[name] for name in self.dimensions],
            "displayDimensions": list(self.displayed),
            "layout": {"type": "3d", "orthographicProjection": self.is_orthographic} if self.is_3d else "xy",
        }
        state["projectionOrientation" if self.is_3d else "crossSectionOrientation"] = quaternion_of(self.rotation)
        if self.units_per_px is not None:
            state["crossSectionScale"] = self.units_per_px
        if self.units_high is not None:
            state["projectionScale"] = self.units_high
        if self.reach is not None:
            state["crossSectionDepth"] = self.reach
        return state


def rotation_of(quaternion: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix (3, 3) of a quaternion (x, y, z, w), whose length does not matter."""
    x, y, z, w = np.asarray(quaternion, np.float64) / (np.linalg.norm(quaternion) or 1.0)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_of(rotation: NDArray[np.float64]) -> list[float]:
    """The quaternion (x, y, z, w) of a rotation (3, 3); w is not negative.

    It is the eigenvector of the largest eigenvalue of a symmetric matrix (Bar-Itzhack 2000), exact also at half turns.
    """
    m = np.asarray(rotation, np.float64)
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    found = np.linalg.eigh(k)[1][:, -1]
    out: list[float] = (found if found[3] >= 0 else -found).tolist()
    return out


def _mapping(found: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise BadFileError(_PART, f"{what}: expected an object, found {type(found).__name__}")
    return found


def _dimension(told: Any) -> tuple[float, str]:
    if isinstance(told, Mapping):  # with coordinates in words
        told = [told.get("scale", 1), told.get("unit", "")]
    if not isinstance(told, list | tuple) or len(told) != 2 or not isinstance(told[1], str):
        raise BadFileError(_PART, f"dimensions: expected [scale, unit], found {told!r:.80}")
    scale = float(_numbers([told[0]], "scale", 1)[0])
    if not scale > 0:
        raise BadFileError(_PART, f"dimensions: a scale of {scale}")
    return scale, told[1]


def _numbers(found: Any, what: str, count: int) -> NDArray[np.float64]:
    is_list = isinstance(found, list | tuple) and all(
        isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < 1e300 for v in found
    )
    if not is_list or len(found) != count:
        raise BadFileError(_PART, f"{what}: expected {count} numbers, found {found!r:.80}")
    return np.array(found, np.float64)


def _size(state: Mapping[str, Any], key: str) -> float | None:
    if key not in state:
        return None
    size = float(_numbers([state[key]], key, 1)[0])
    if not size > 0:
        raise BadFileError(_PART, f"{key}: a size of {size}")
    return size


def _reach(state: Mapping[str, Any]) -> float | None:
    """How far a plane reaches; negative depths count pixels, and are what the client has by itself."""
    key = "crossSectionDepth"
    reach = float(_numbers([state[key]], key, 1)[0]) if key in state else 0.0
    return reach if reach > 0 else None


def _layout(found: Any) -> tuple[str, bool]:
    """Name of a layout, and whether its view of space is orthographic."""
    if isinstance(found, str):
        found = {"type": found}
    kind = found.get("type") if isinstance(found, Mapping) else None
    if kind not in _LAYOUTS:
        return "4panel", False  # several views side by side, or one that later clients have
    return str(kind), bool(found.get("orthographicProjection", False))
