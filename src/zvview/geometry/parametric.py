"""Parametric objects: planes, lines and spheres given by coefficients, beside the geometry of a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError, MissingError

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

    @classmethod
    def of(
        cls,
        objects: Iterable[tuple[str, ArrayLike]],
        *,
        types: Mapping[int, ParametricType] = BUILT_IN_TYPES,
        **kwargs: Any,
    ) -> ParametricObjects:
        """Objects given as (name of the type, coefficients), such as ``("sphere", (0, 0, 0, 1))``.

        Raises
        ------
        MissingError
            A type of another name.
        InvalidInputError
            Too few or too many coefficients for the type.
        """
        ids = {entry.name: number for number, entry in types.items()}
        given = [(name, np.asarray(values, np.float64).ravel()) for name, values in objects]
        table = np.full((len(given), max((len(t.coefficients) for t in types.values()), default=0)), np.nan)
        for row, (name, values) in enumerate(given):
            if name not in ids:
                raise MissingError("parametric type", name, ids)
            expected = types[ids[name]].coefficients
            if len(values) != len(expected):
                raise InvalidInputError(f"a {name} has coefficients {', '.join(expected)}, not {len(values)} values")
            table[row, : len(values)] = values
        return cls(np.array([ids[name] for name, _ in given], np.int64), table, types=types, **kwargs)

    def named(self, row: int) -> dict[str, float]:
        """Coefficients of the object in `row` by their names."""
        names = self.types[int(self.type_ids[row])].coefficients
        return dict(zip(names, self.coefficients[row, : len(names)].tolist(), strict=True))
