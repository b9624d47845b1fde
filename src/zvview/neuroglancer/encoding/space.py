"""The coordinates of a store as Neuroglancer names them: dimensions of annotations, and nanometres of models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.format.metadata import Axis, space_axes
from zvview.neuroglancer.encoding.units import parse_unit

__all__ = ["ModelFrame", "Space", "model_frame", "space_of", "with_units"]

_MODEL_AXES: Final = ("x", "y", "z")
_NM: Final = 1e9  # nanometres in a metre


@dataclass(frozen=True, slots=True)
class Space:
    """Dimensions of a source of annotations.

    Positions are those of the store plus its offset: Neuroglancer multiplies them with the scales.

    Attributes
    ----------
    names : tuple of str
        Those of the axes, in the store's order, as far as Neuroglancer allows them.
    scales : tuple of float
        What one is of `units`.
    units : tuple of str
        ``m``, ``s``, ``Hz``, or ``""`` where the unit is not known.
    ndim : int
        Axes of the store; dimensions behind them are added, and every position is 0 there.
    notes : tuple of str
    """

    names: tuple[str, ...]
    scales: tuple[float, ...]
    units: tuple[str, ...]
    ndim: int
    notes: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.names)

    @property
    def dimensions(self) -> dict[str, tuple[float, str]]:
        """Scale and unit by name, in order."""
        return dict(zip(self.names, zip(self.scales, self.units, strict=True), strict=True))

    def place(self, positions: NDArray[Any]) -> NDArray[Any]:
        """Positions, (n, D), with a zero for each dimension that is added, (n, rank)."""
        if self.rank == self.ndim:
            return positions
        added = np.zeros((*positions.shape[:-1], self.rank - self.ndim), positions.dtype)
        return np.concatenate((positions, added), axis=-1)

    def measured(self, units: Mapping[str, tuple[float, str]]) -> Space:
        """The same, where dimensions that have no unit have the scale and unit that `units` tells of their name."""
        told = with_units(self.dimensions, units).values()
        return replace(self, scales=tuple(scale for scale, _ in told), units=tuple(unit for _, unit in told))

    def bounds(self, lo: ArrayLike, hi: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bounds, (rank,) each, of a box (D,) in the store; added dimensions reach from -1/2 to 1/2."""
        half = np.full(self.rank - self.ndim, 0.5)
        return np.concatenate((np.asarray(lo, float), -half)), np.concatenate((np.asarray(hi, float), half))


@dataclass(frozen=True, slots=True)
class ModelFrame:
    """How positions of a store become the three numbers of skeletons and meshes.

    Attributes
    ----------
    columns : tuple of int
        Axes of the store, two or three, that are stored; a third that is missing is 0.
    origin : tuple of float
        What is subtracted from each of them before they become float32.
    transform : tuple of float
        From what is stored to x, y and z in nanometres: three rows of four numbers.
    notes : tuple of str
    """

    columns: tuple[int, ...]
    origin: tuple[float, ...]
    transform: tuple[float, ...]
    notes: tuple[str, ...] = ()

    def place(self, positions: NDArray[Any]) -> NDArray[np.float32]:
        """Positions of the store, (n, D), as they are stored, (n, 3)."""
        out = np.zeros((len(positions), 3), np.float32)
        with np.errstate(over="ignore"):
            for i, (column, start) in enumerate(zip(self.columns, self.origin, strict=True)):
                out[:, i] = positions[:, column] - np.float64(start) if start else positions[:, column]
        return out


def with_units(
    dimensions: Mapping[str, tuple[float, str]], units: Mapping[str, tuple[float, str]]
) -> dict[str, tuple[float, str]]:
    """Dimensions, of which those without a unit get the scale and unit that are told of their name."""
    return {name: own if own[1] else units.get(name, own) for name, own in dimensions.items()}


def space_of(axes: Sequence[Axis], *, least_rank: int = 3) -> Space:
    """The dimensions of a store's axes.

    Parameters
    ----------
    axes : sequence of Axis
    least_rank : int
        Stores of fewer axes get more, called x, y or z and of the unit of the first one.
    """
    names, scales, units, notes = list[str](), list[float](), list[str](), list[str]()
    unknown: dict[str, list[str]] = {}
    for axis in axes:
        name = _dimension_name(axis.name, names)
        found = parse_unit(axis.unit)
        if axis.unit and found is None:
            unknown.setdefault(f"unit {axis.unit!r} is not known, so that there is none", []).append(axis.name)
        if name != axis.name:
            notes.append(f"axis {axis.name!r} is called {name}")
        scale, unit = found or (1.0, "")
        names.append(name)
        scales.append(scale)
        units.append(unit)
    missing = [name for name in _MODEL_AXES if name not in names]
    for name in missing[: max(0, least_rank - len(axes))]:
        like = int(np.argmax(space_axes(axes))) if len(axes) else -1
        names.append(name)
        scales.append(scales[like] if len(axes) else 1.0)
        units.append(units[like] if len(axes) else "")
    return Space(tuple(names), tuple(scales), tuple(units), len(axes), (*_told_once(unknown), *notes))


def model_frame(
    axes: Sequence[Axis], *, offset: ArrayLike | None = None, origin: ArrayLike | None = None
) -> ModelFrame:
    """Where positions of a store lie as skeletons and meshes, which know x, y and z in nanometres only.

    Axes of space that are called x, y and z become those, in whatever order they stand; others in their order.

    Parameters
    ----------
    axes : sequence of Axis
    offset : (D,) float, optional
        World position less stored position.
    origin : (D,) float, optional
        A stored position near the data: what is stored is relative to it, so that float32 is enough.
    """
    is_space = space_axes(axes)
    found = [i for i, is_one in enumerate(is_space.tolist()) if is_one][:3]
    named = [axes[i].name.lower() for i in found]
    targets = [_MODEL_AXES.index(n) for n in named] if set(named) <= set(_MODEL_AXES) else list(range(len(found)))
    if len(set(targets)) < len(targets):
        targets = list(range(len(found)))
    notes = []
    if left := [axis.name for i, axis in enumerate(axes) if i not in found]:
        notes.append(f"skeletons and meshes have no axis {', '.join(left)}: all of it is shown at once")
    unmeasured: dict[str, list[str]] = {}
    shift = np.zeros(len(axes)) if offset is None else np.asarray(offset, float)
    start = np.zeros(len(axes)) if origin is None else np.asarray(origin, float)
    matrix = np.zeros((3, 4))
    for stored, (axis, target) in enumerate(zip(found, targets, strict=True)):
        unit = parse_unit(axes[axis].unit)
        if unit is None or unit[1] != "m":
            what = f"unit {axes[axis].unit!r} is no length" if axes[axis].unit else "no unit"
            reason = f"{what}; skeletons and meshes take one of it for a nanometre"
            unmeasured.setdefault(reason, []).append(axes[axis].name)
        factor = unit[0] * _NM if unit is not None and unit[1] == "m" else 1.0
        matrix[target, stored] = _rounded(factor)
        matrix[target, 3] = (shift[axis] + start[axis]) * _rounded(factor)
    free = [t for t in range(3) if t not in targets]
    for stored, target in zip(range(len(found), 3), free, strict=True):
        matrix[target, stored] = 1.0
    told = (*notes, *_told_once(unmeasured))
    return ModelFrame(tuple(found), tuple(start[found].tolist()), tuple(matrix.ravel().tolist()), told)


def _told_once(reasons: Mapping[str, Sequence[str]]) -> list[str]:
    """What is said of axes, each reason once."""
    return [
        f"{'axis' if len(found) == 1 else 'axes'} {', '.join(map(repr, found))}: {reason}"
        for reason, found in reasons.items()
    ]


def _rounded(factor: float) -> float:
    """1000 for what 1e-6 times 1e9 gives."""
    return float(f"{factor:.15g}")


def _dimension_name(name: str, taken: Sequence[str]) -> str:
    """A name that Neuroglancer allows: letters, digits and underscores, beginning with a letter, none twice."""
    plain = re.sub(r"[^a-zA-Z0-9_]+", "_", name).strip("_")
    plain = plain if plain and plain[0].isalpha() else f"d{plain or len(taken)}"
    out, number = plain, 2
    while out in taken:
        out, number = f"{plain}{number}", number + 1
    return out
