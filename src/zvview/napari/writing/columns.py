"""From a table of features to attributes: numbers as they are, text and categories as categories."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zvview.format.attributes import Categories, encode_categories

__all__ = ["Columns", "free_name", "take_columns"]

_CHANNEL: Final = re.compile(r"(?P<name>.+)\[(?P<number>\d{1,4})\]")  # as layers that stream name them


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Attributes.

    Attributes
    ----------
    values : mapping of str to (N,) array
        Codes for categories.
    categories : mapping of str to Categories
    notes : tuple of str
        Names that had to be changed.
    """

    values: Mapping[str, NDArray[Any]]
    categories: Mapping[str, Categories]
    notes: tuple[str, ...]

    def repeated(self, counts: Any) -> dict[str, NDArray[Any]]:
        """The values with each row as often as `counts` says, a number or (N,)."""
        return {name: np.repeat(values, counts, axis=0) for name, values in self.values.items()}

    def texts(self) -> dict[str, NDArray[Any]]:
        """The values with labels in the place of codes, None where there is none."""
        found = self.categories
        return {name: found[name].decode(v) if name in found else v for name, v in self.values.items()}


def take_columns(features: Any, count: int, *, reserved: Collection[str] = ()) -> Columns:
    """The attributes that a table of features is; columns ``a[0]``, ``a[1]`` of numbers are the channels of one, ``a``.

    Parameters
    ----------
    features : DataFrame, mapping or None
        Of `count` rows.
    reserved : collection of str
        Names that are taken already.
    """
    table = pd.DataFrame({} if features is None else features)
    values: dict[str, NDArray[Any]] = {}
    categories: dict[str, Categories] = {}
    notes = []
    for label, column in _columns_of(table) if len(table) == count else ():
        name = free_name(label, {*reserved, *values})
        if name != label:
            notes.append(f"the feature {label!r} is saved as {name!r}")
        if isinstance(column, np.ndarray):
            values[name] = _plain(column)
            continue
        values[name], found = _encode(column)
        if found is not None:
            categories[name] = found
    return Columns(values, categories, tuple(notes))


def _columns_of(table: pd.DataFrame) -> Iterator[tuple[str, pd.Series | NDArray[Any]]]:
    """Names and columns of a table; channels of one attribute together, (N, C), where the first of them stands."""
    names = [str(label) for label in table.columns]
    found: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        if (match := _CHANNEL.fullmatch(name)) and int(match["number"]) == len(found.get(match["name"], ())):
            found.setdefault(match["name"], []).append(at)
    joined: dict[int, tuple[str, NDArray[Any]]] = {}
    for name, members in found.items():
        kinds = {table.dtypes.iloc[at] for at in members}
        if len(members) > 1 and len(kinds) == 1 and isinstance(kinds.pop(), np.dtype) and name not in names:
            values = table.iloc[:, members].to_numpy()
            joined |= dict.fromkeys(members, (name, values)) if values.dtype.kind in "iuf" else {}
    for at, name in enumerate(names):
        if at not in joined:
            yield name, table.iloc[:, at]
        elif at == found[joined[at][0]][0]:
            yield joined[at]


def free_name(wanted: str, taken: Collection[str]) -> str:
    """A name that a store can hold and that is not taken, as near to the one wanted as can be."""
    name = "".join("_" if letter in "/\\\0" else letter for letter in wanted).strip()
    name = "feature" if name in ("", ".", "..", "zarr.json") else name
    while name in taken:
        name += "_"
    return name


def _encode(column: pd.Series) -> tuple[NDArray[Any], Categories | None]:
    dtype: Any = column.dtype
    if isinstance(dtype, pd.CategoricalDtype) and all(isinstance(label, str) for label in dtype.categories):
        codes = np.asarray(column.cat.codes)
        missing = -1 if (codes < 0).any() else None
        return codes, Categories(tuple(dtype.categories), missing, bool(dtype.ordered))
    is_number = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype)
    if is_number and pd.api.types.is_extension_array_dtype(dtype):  # those that know a missing value
        plain = np.dtype(np.float64) if column.isna().any() else dtype.numpy_dtype
        return _plain(column.to_numpy(plain, na_value=np.nan) if plain.kind == "f" else column.to_numpy(plain)), None
    if is_number:
        return _plain(column.to_numpy()), None
    is_absent = column.isna().to_numpy()
    texts = np.array([None if absent else str(v) for v, absent in zip(column, is_absent, strict=True)], object)
    return encode_categories(texts)


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers of a size that cells may hold."""
    if values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
        return values.astype(np.float32 if values.dtype.itemsize < 4 else np.float64)
    return values
