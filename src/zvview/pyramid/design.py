"""What is wished of a pyramid, and what decides each of its levels: plain values, which a refresh repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format import names
from zvview.format.metadata import LevelMetadata
from zvview.format.values import as_mapping, as_str, wrong
from zvview.geometry.arguments import as_array, as_list

__all__ = ["LevelDesign", "PyramidOptions"]


@dataclass(frozen=True, slots=True)
class PyramidOptions:
    """What the caller wishes.

    Attributes
    ----------
    levels : int, optional
        Number of coarse levels; by default as many as it takes to reach `target`.
    factor : float
        By how much the vertices shall fall from level to level, 1.5 to 64.
    target : int
        No level is added to one of so few vertices, or fewer.
    method : str, optional
        One of the kind's methods, the first by default.
    object_sparsity : float, optional
        Share of the objects that each level keeps of the one before, in (0, 1]; by default from the data.
    bin_shapes, chunk_shapes : sequence of D floats for each coarse level, optional
        Each on its own; by default from the data. A level's chunks are multiples of the store's chunks.
    cross_level_links : bool
        Whether ``links/+1`` and ``links/-1`` are written.
    seed : int
        Of the hashes.
    """

    levels: int | None = None
    factor: float = 6.0
    target: int = 50_000
    method: str | None = None
    object_sparsity: float | None = None
    bin_shapes: Sequence[tuple[float, ...]] | None = None
    chunk_shapes: Sequence[tuple[float, ...]] | None = None
    cross_level_links: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        _check_integer("levels", self.levels, 0, 24, is_optional=True)
        _check_integer("target", self.target, 1, 2**62)
        _check_integer("seed", self.seed, -(2**63), 2**63 - 1)
        _check_number("factor", self.factor, 1.5, 64.0)
        if self.object_sparsity is not None:
            _check_number("object_sparsity", self.object_sparsity, 1e-6, 1.0)
        if self.method is not None and not isinstance(self.method, str):
            raise InvalidInputError(f"method = {self.method!r}, expected the name of one")
        for what in ("bin_shapes", "chunk_shapes"):
            object.__setattr__(self, what, _as_shapes(what, getattr(self, what)))

    def shape_of(self, what: str, level: int, ndim: int) -> NDArray[np.float64] | None:
        """What is wished as ``"bin_shapes"`` or ``"chunk_shapes"`` of a level, (D,); None where nothing is.

        Raises
        ------
        InvalidInputError
            Another number of axes than the store's.
        """
        shapes = getattr(self, what)
        if shapes is None or level > len(shapes):
            return None
        if len(shapes[level - 1]) != ndim:
            raise InvalidInputError(f"{what} {shapes[level - 1]}: the store has {ndim} axes")
        return np.array(shapes[level - 1])


def _check_integer(what: str, value: object, least: int, most: int, *, is_optional: bool = False) -> None:
    if is_optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidInputError(f"{what} = {value!r}, expected an integer from {least} to {most}")


def _check_number(what: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InvalidInputError(f"{what} = {value!r}, expected a number from {least:g} to {most:g}")


def _as_shapes(what: str, given: object) -> tuple[tuple[float, ...], ...] | None:
    if given is None:
        return None
    shapes = tuple(
        tuple(as_array(shape, what, np.float64, (None,)).tolist())
        for shape in as_list(given, what, "a list of shapes, one for each coarse level")
    )
    if any(not shape or not np.isfinite(shape).all() or min(shape) <= 0 for shape in shapes):
        raise InvalidInputError(f"{what} = {given!r}, expected edges above 0")
    return shapes


@dataclass(frozen=True, slots=True)
class LevelDesign:
    """Everything that decides what a level holds, given the next finer one.

    Attributes
    ----------
    level : int
    chunk_shape, bin_shape : D floats
        Edge lengths; the bin is the level's resolution: nothing of level 0 is farther from the level than it.
    method : str
        As ``coarsening_method``.
    parameters : mapping
        Of the method, fit for JSON: thresholds, tolerances, seed. With them a refresh does the same as the build.
    """

    level: int
    chunk_shape: tuple[float, ...]
    bin_shape: tuple[float, ...]
    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def chunk(self) -> NDArray[np.float64]:
        """Edge lengths of a chunk, (D,)."""
        return np.array(self.chunk_shape)

    def document(self) -> dict[str, Any]:
        """As it is kept in the level."""
        return {"bin_shape": list(self.bin_shape), "parameters": dict(self.parameters)}

    @classmethod
    def parse(cls, metadata: LevelMetadata) -> LevelDesign:
        """The design that a level was made with, from what it says of itself: equal to the one it was written with.

        Raises
        ------
        DamagedError
            It does not say so: the level was not made by zvview, or by hands that changed it.
        """
        part = f"metadata of level {metadata.level}"
        own = as_mapping(metadata.raw.get(names.LEVEL), part, names.LEVEL)
        kept = as_mapping(own.get(names.LEVEL_DESIGN), part, names.LEVEL_DESIGN)
        bins = kept.get("bin_shape")
        ndim = len(metadata.chunk_shape)
        if not isinstance(bins, list) or len(bins) != ndim or not all(type(b) in (int, float) and b > 0 for b in bins):
            raise wrong(part, "bin_shape", bins, f"{ndim} edges above 0")
        method = as_str(own.get("coarsening_method"), part, "coarsening_method")
        parameters = as_mapping(kept.get("parameters"), part, "parameters")
        shape = tuple(map(float, metadata.chunk_shape.tolist()))
        return cls(metadata.level, shape, tuple(map(float, bins)), method, parameters)
