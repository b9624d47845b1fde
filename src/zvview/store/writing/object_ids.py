"""The ids of a store's objects while batches arrive: given or counted on, and never the same object twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError
from zvview.format.attributes import absent_value
from zvview.geometry.batches import Pieces
from zvview.store.writing.options import AttributeSpec, check_name

__all__ = ["ObjectIds", "first_appearances"]


class ObjectIds:
    """Which objects there are, and the attributes they were given.

    Points may come back to an object in a later batch; every other object must be whole in one batch.
    """

    __slots__ = ("_has_points_ids", "_known", "_latest", "_rows", "_typed")

    def __init__(self) -> None:
        self._known = np.empty(0, np.int64)  # ascending
        self._has_points_ids: bool | None = None
        self._latest: NDArray[np.int64] | None = None
        self._rows: list[tuple[NDArray[np.int64], dict[str, NDArray[Any]]]] = []
        self._typed: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}

    @property
    def known(self) -> NDArray[np.int64]:
        """All ids so far, ascending; for points only those that are known before their vertices are sorted."""
        return self._known

    @property
    def has_point_ids(self) -> bool:
        """Whether the batches of points so far had ids."""
        return bool(self._has_points_ids)

    def add_points(self, ids: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
        """Check the ids of points, (N,); they are returned."""
        if self._has_points_ids is None:
            self._has_points_ids = ids is not None
        if self._has_points_ids != (ids is not None):
            raise InvalidInputError("either all batches of points have object_ids or none has")
        self._latest = ids
        return ids

    def add_pieces(self, batch: Pieces, *, is_line: bool) -> NDArray[np.int64]:
        """The id of each piece, (P,); counted on from the largest so far where the batch has none."""
        pieces = len(batch.offsets) - 1
        if batch.object_ids is None:
            start = int(self._known[-1]) + 1 if len(self._known) else 0
            if start > np.iinfo(np.int64).max - pieces:
                raise InvalidInputError("no ids are left above the largest; give object_ids")
            ids = np.arange(max(start, 0), max(start, 0) + pieces, dtype=np.int64)
        else:
            ids = batch.object_ids
        fresh = np.unique(ids)
        if is_line and len(fresh) < len(ids):
            ordered = np.sort(ids)
            twice = int(ordered[1:][ordered[1:] == ordered[:-1]][0])
            raise InvalidInputError(f"object {twice} comes twice in the batch; a line must be whole, in one piece")
        if len(fresh) and len(self._known) and fresh[0] <= self._known[-1]:
            again = fresh[np.isin(fresh, self._known, assume_unique=True)]
            if len(again):
                raise InvalidInputError(
                    f"object {again[0]} was in an earlier batch; give each object whole, in one batch"
                )
            self._known = np.sort(np.concatenate((self._known, fresh)), kind="stable")
        else:
            self._known = np.concatenate((self._known, fresh))
        self._latest = ids
        return ids

    def add_attributes(self, values: Mapping[str, ArrayLike]) -> None:
        """Take attributes of the objects of the batch that was added last.

        Parameters
        ----------
        values : mapping of str to (U,) or (U, C)
            A row for each of the U different ids, in the order of their first appearance. None, NaN, masked and empty
            text are "absent".
        """
        if not values:
            return
        if self._latest is None:
            raise InvalidInputError("object attributes need objects: give the points object_ids")
        rows = first_appearances(self._latest)
        typed = {name: _typed(name, value, len(rows)) for name, value in values.items()}
        for name, value in typed.items():
            dtype, row_shape = self._typed.setdefault(name, (value.dtype, value.shape[1:]))
            if row_shape != value.shape[1:] or (dtype != value.dtype and not dtype.kind == value.dtype.kind == "U"):
                raise InvalidInputError(
                    f"object attribute {name!r} is {value.dtype} {value.shape}, in a batch before {dtype}"
                )
            if value.dtype.itemsize > dtype.itemsize:
                self._typed[name] = (value.dtype, row_shape)
        self._rows.append((rows, typed))

    def declared(self, specs: Mapping[str, AttributeSpec]) -> dict[str, dict[str, Any]]:
        """What the root declares of the attributes that were given a spec, by name (``attribute_specs`` of 2.1)."""
        found = {name: self._typed[name] for name in sorted(set(specs) & set(self._typed))}
        return {
            name: specs[name].declaration(dtype, int(np.prod(row, dtype=int))) for name, (dtype, row) in found.items()
        }

    def attributes(self, ids: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Attributes of the objects `ids`, ascending: arrays (n,) or (n, C), absent rows hold the marker (7.4).

        Of an object that was given attributes twice the later ones hold.
        """
        out = {}
        for name, (dtype, row_shape) in self._typed.items():
            values = np.full((len(ids), *row_shape), absent_value(dtype), dtype)
            for given, columns in self._rows:
                if name in columns:
                    at = np.minimum(np.searchsorted(ids, given), max(len(ids) - 1, 0))
                    is_there = ids[at] == given if len(ids) else np.zeros(len(given), bool)
                    values[at[is_there]] = columns[name][is_there]
            out[name] = values
        return out


def first_appearances(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The different ids in the order in which they first appear."""
    distinct, at = np.unique(ids, return_index=True)
    return distinct[np.argsort(at, kind="stable")]


def _typed(name: str, value: ArrayLike, rows: int) -> NDArray[Any]:
    """Values of an attribute with a storable dtype, the marker in place of what is absent."""
    check_name("object attribute", name)
    array = np.ma.asanyarray(value) if isinstance(value, np.ma.MaskedArray) else np.asarray(value)
    if array.ndim not in (1, 2) or len(array) != rows:
        raise InvalidInputError(f"object attribute {name!r} has shape {array.shape}, expected ({rows},) or ({rows}, C)")
    if isinstance(array, np.ma.MaskedArray):
        return np.asarray(array.filled(absent_value(array.dtype)))
    if array.dtype.kind == "O":
        array = _from_objects(name, array)
    if array.dtype.kind not in "biufU" or (array.dtype.kind != "U" and array.dtype.itemsize > 8):
        raise InvalidInputError(f"object attribute {name!r} has dtype {array.dtype}: give numbers, booleans or text")
    return array.astype(np.dtype("<U1")) if array.dtype.itemsize == 0 else array


def _from_objects(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Text, integers or floats with None among them, typed; the common dtype of what is there decides."""
    absent = np.array([v is None for v in array.ravel()], bool).reshape(array.shape)
    there = np.array(array[~absent].tolist())
    if not there.size:
        there = np.empty(0, np.float64)
    if there.dtype.kind not in "biufU" or there.ndim != 1:
        raise InvalidInputError(f"object attribute {name!r} mixes values that have no common dtype")
    if there.dtype.kind == "b" and absent.any():
        there = there.astype(np.int8)  # booleans have no marker of their own
    out = np.full(array.shape, absent_value(there.dtype), there.dtype if there.dtype.itemsize else "<U1")
    out[~absent] = there
    return out
