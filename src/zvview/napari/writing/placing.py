"""From the data of a layer to what a store holds: world coordinates, and axes with units in a store's order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from napari.layers import Points
from numpy.typing import ArrayLike, NDArray

from zvview.format.metadata import Axis

__all__ = ["World"]

_PLACING: Final = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
_SPACE: Final = "xyz"
_NO_LABEL: Final = re.compile(r"(axis )?-?\d+")  # what napari calls an axis that has none
_TIMES: Final = frozenset(("t", "time", "frame"))
_CHANNELS: Final = frozenset(("c", "channel"))
_FLOAT32_SHARE: Final = 2.0**-20  # of the extent: what may be lost by rounding to float32; a pixel of the widest canvas


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Where a layer lies: ``world = matrix @ data + offset`` in the layer's order of axes.

    Attributes
    ----------
    matrix : (D, D) float64 array
    offset : (D,) float64 array
    axes : tuple of Axis
        In the store's order.
    order : tuple of int
        The layer's axis that is each of the store's axes.
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    axes: tuple[Axis, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, meta: Mapping[str, Any], ndim: int, *, has_time: bool = False) -> Self:
        """The place of a layer of `ndim` axes.

        Layers without labels are taken for images, t, z, y, x. Axes that are z, y, x become x, y, z, and others follow
        them; axes with other names keep their order.

        Parameters
        ----------
        meta : mapping
            Attributes of the layer.
        has_time : bool
            Whether the first axis is time, whatever its label and unit.
        """
        probe = Points(np.empty((0, ndim)), **{name: meta[name] for name in _PLACING if meta.get(name) is not None})
        offset = np.array(probe.data_to_world(np.zeros(ndim)), np.float64)
        columns = [np.array(probe.data_to_world(step), np.float64) - offset for step in np.eye(ndim)]
        labels = _name_axes([str(label) for label in probe.axis_labels])
        axes = [_axis(label, unit) for label, unit in zip(labels, probe.units, strict=True)]
        if has_time:
            axes[0] = Axis(axes[0].name, "time", axes[0].unit)
        space = [i for i, axis in enumerate(axes) if axis.type == "space"]
        order = tuple(range(ndim))
        if space and all(axes[i].name.lower() in _SPACE for i in space):
            others = (i for i in range(ndim) if i not in space)
            order = (*sorted(space, key=lambda i: _SPACE.index(axes[i].name.lower())), *others)
        return cls(np.stack(columns, axis=1), offset, tuple(axes[i] for i in order), order)

    @property
    def is_mirrored(self) -> bool:
        """Whether the layer is drawn as the mirror image of its data; axes in another order mirror nothing."""
        return bool(np.linalg.det(self.matrix) < 0)

    @property
    def width_scale(self) -> float:
        """What a width in units of the data is in those of the world: as along the last axis."""
        return float(np.linalg.norm(self.matrix[:, -1]))

    def to_store(self, positions: ArrayLike) -> NDArray[np.floating]:
        """Positions (..., D) of the layer's data as the store holds them.

        float32, unless rounding to it would move them by more than a millionth of their extent.
        """
        data = np.asarray(positions)
        world = data.astype(np.float64) @ self.matrix[list(self.order)].T + self.offset[list(self.order)]
        rounded = world.astype(np.float32)
        if not world.size:
            return rounded
        flat = world.reshape(-1, world.shape[-1])
        extent = float(np.ptp(flat, axis=0).max())
        is_close = np.abs(flat - rounded.reshape(flat.shape)).max() <= _FLOAT32_SHARE * extent
        return rounded if is_close or (rounded == world).all() else world


def _name_axes(labels: Sequence[str]) -> list[str]:
    """Names for axes; those that napari made up, and names that stand twice, become those of images."""
    count = len(labels)
    if all(_NO_LABEL.fullmatch(label) for label in labels) or len(set(labels)) < count:
        extra = count - 3
        return [*([] if extra < 1 else ["t"] if extra == 1 else [f"axis{i}" for i in range(extra)]), *"zyx"[-count:]]
    return [f"axis{i}" if _NO_LABEL.fullmatch(label) or not label else label for i, label in enumerate(labels)]


def _axis(label: str, unit: Any) -> Axis:
    """An axis by its label and its unit, a pint one."""
    text = str(unit)
    known = None if text in ("pixel", "dimensionless", "") else text
    name = label.lower()
    if name in _TIMES or (known is not None and unit.dimensionality == {"[time]": 1}):
        return Axis(label, "time", known)
    if name in _CHANNELS:
        return Axis(label, "channel", known)
    return Axis(label, "other" if re.fullmatch(r"axis\d+", label) else "space", known)
