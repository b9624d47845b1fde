"""Parametric objects: planes, lines and spheres given by coefficients, beside the geometry of a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError, MissingError
from zvview.geometry.arguments import as_array, as_list, as_mapping, as_names, check_type, to_array

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
        ids = as_array(self.type_ids, "type_ids", np.int64, (None,))
        table = as_array(self.coefficients, "coefficients", np.float64, (len(ids), None))
        labels = as_names(self.names, "names")
        if len(labels) not in (0, len(ids)):
            raise InvalidInputError(f"{len(labels)} names for {len(ids)} parametric objects")
        _check_types(self.types)
        if len(unknown := ids[~np.isin(ids, list(self.types))]):
            raise InvalidInputError(f"type id {unknown[0]} is not among the types {sorted(self.types)}")
        groups = as_list(self.groups, "groups", "a list of arrays of rows")
        values = {
            "type_ids": ids,
            "coefficients": table,
            "names": labels,
            "groups": tuple(as_array(g, "a group", np.int64, (None,)) for g in groups),
            "object_attributes": _arrays(self.object_attributes, "object_attributes"),
            "group_attributes": _arrays(self.group_attributes, "group_attributes"),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

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
        _check_types(types)
        ids = {entry.name: number for number, entry in types.items()}
        pairs = [as_list(pair, "object", "a name and coefficients") for pair in as_list(objects, "objects", "a list")]
        if any(len(pair) != 2 or not isinstance(pair[0], str) for pair in pairs):
            raise InvalidInputError("a parametric object is given as the name of its type and its coefficients")
        given = [(name, as_array(values, name, np.float64, (None,))) for name, values in pairs]
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
        check_type(row, "row", (int, np.integer), f"0 to {len(self) - 1}")
        if not 0 <= row < len(self):
            raise MissingError("parametric object", row, range(len(self)))
        names = self.types[int(self.type_ids[row])].coefficients
        return dict(zip(names, self.coefficients[row, : len(names)].tolist(), strict=True))


def _check_types(types: object) -> None:
    is_known = isinstance(types, Mapping) and all(isinstance(t, ParametricType) for t in types.values())
    if not is_known or not all(type(number) is int for number in types):  # type: ignore[attr-defined]
        raise InvalidInputError(f"types = {types!r:.80}, expected a mapping of integers to ParametricType")


def _arrays(values: object, what: str) -> dict[str, NDArray[Any]]:
    return {name: to_array(value, f"{what} {name!r}") for name, value in as_mapping(values, what).items()}
