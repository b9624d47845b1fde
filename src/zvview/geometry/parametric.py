"""Parametric objects: planes, lines and spheres given by coefficients, beside the geometry of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError

__all__ = ["BUILT_IN_TYPES", "ParametricObjects", "ParametricType"]


@dataclass(frozen=True, slots=True)
class ParametricType:
    """A kind of parametric object: its name, and the names of its coefficients."""

    name: str
    coefficients: tuple[str, ...]


BUILT_IN_TYPES: Final[Mapping[int, ParametricType]] = MappingProxyType(
    {
        0: ParametricType("plane", ("A", "B", "C", "D")),
        1: ParametricType("line", ("x0", "y0", "z0", "dx", "dy", "dz")),
        2: ParametricType("sphere", ("cx", "cy", "cz", "r")),
    }
)
"""Types that every reader of the format knows, by type id (format reference 12.1)."""


@dataclass(frozen=True, slots=True, eq=False)
class ParametricObjects:
    """Parametric objects of a store.

    Attributes
    ----------
    type_ids : (n,) int64 array
        Type of each object.
    coefficients : (n, C) float64 array
        NaN behind those of an object's type.
    names : tuple of str
        One for each object, or none.
    types : mapping of int to ParametricType
    object_attributes : mapping of str to (n,) or (n, C) array
    groups : sequence of (m,) int64 arrays
        Object rows of each group.
    group_attributes : mapping of str to (G,) or (G, C) array
    """

    type_ids: NDArray[np.int64]
    coefficients: NDArray[np.float64]
    names: tuple[str, ...] = ()
    types: Mapping[int, ParametricType] = field(default_factory=lambda: BUILT_IN_TYPES)
    object_attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    groups: Sequence[NDArray[np.int64]] = ()
    group_attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ids, table = np.asarray(self.type_ids, np.int64), np.asarray(self.coefficients, np.float64)
        if ids.ndim != 1 or table.ndim != 2 or len(ids) != len(table) or len(self.names) not in (0, len(ids)):
            raise InvalidInputError(
                f"type ids {ids.shape}, coefficients {table.shape}, {len(self.names)} names: expected (n,), (n, C), n"
            )
        if len(unknown := ids[~np.isin(ids, list(self.types))]):
            raise InvalidInputError(f"type id {unknown[0]} is not among the types {sorted(self.types)}")
        object.__setattr__(self, "type_ids", ids)
        object.__setattr__(self, "coefficients", table)

    def __len__(self) -> int:
        """Number of objects, n."""
        return len(self.type_ids)
