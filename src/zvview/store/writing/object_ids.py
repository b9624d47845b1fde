"""The ids of a store's objects while batches arrive: given or counted on, and never the same object twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError
from zvview.format.attributes import absent_value
from zvview.format.sequences import distinct
from zvview.geometry.arguments import as_mapping, to_array
from zvview.geometry.batches import Pieces
from zvview.store.writing.options import AttributeSpec, check_name

__all__ = ["ObjectIds", "first_appearances"]

_WIDER = {
    "int8": "int16",
    "int16": "int32",
    "int32": "int64",
    "uint8": "uint16",
    "uint16": "uint32",
    "uint32": "uint64",
}


@dataclass(frozen=True, slots=True)
class _Column:
    """Dtype and width of an attribute; `holds_marker` where a value that is there looks as if it were absent."""

    dtype: np.dtype[Any]
    row_shape: tuple[int, ...]
    holds_marker: bool = False

    @property
    def stored(self) -> np.dtype[Any]:
        """The dtype that is written: the next larger where a value would be taken for the marker of this one."""
        return np.dtype(_WIDER[self.dtype.name]) if self.holds_marker else self.dtype


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
        self._typed: dict[str, _Column] = {}

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
        fresh = distinct(ids)
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
            A row for each of the U different ids, in the order of their first appearance. None, NaN and masked values
            are "absent", and so is empty text, from which the format cannot tell it. Booleans are stored as int8, and
            integers in the next larger dtype where a row is the format's marker of "absent" (the least value of a
            signed dtype, the greatest of an unsigned one).

        Raises
        ------
        InvalidInputError
            Another dtype or shape than before; int64 or uint64 values that are the marker.
        """
        values = as_mapping(values, "object_attributes")
        if not values:
            return
        if self._latest is None:
            raise InvalidInputError("object attributes need objects: give the points object_ids")
        rows = first_appearances(self._latest)
        typed = {name: _typed(name, value, len(rows)) for name, value in values.items()}
        for name, value in typed.items():
            column = self._typed.get(name, _Column(value.dtype, value.shape[1:]))
            dtype, row_shape = column.dtype, column.row_shape
            if row_shape != value.shape[1:] or (dtype != value.dtype and not dtype.kind == value.dtype.kind == "U"):
                raise InvalidInputError(
                    f"object attribute {name!r} is {value.dtype} {value.shape}, in a batch before {dtype}"
                )
            widest = value.dtype if value.dtype.itemsize > dtype.itemsize else dtype
            self._typed[name] = _Column(widest, row_shape, column.holds_marker or _holds_marker(name, value))
        self._rows.append((rows, typed))

    def declared(self, specs: Mapping[str, AttributeSpec]) -> dict[str, dict[str, Any]]:
        """What the root declares of the attributes that were given a spec, by name (``attribute_specs`` of 2.1)."""
        found = {name: self._typed[name] for name in sorted(set(specs) & set(self._typed))}
        return {
            name: specs[name].declaration(column.stored, int(np.prod(column.row_shape, dtype=int)))
            for name, column in found.items()
        }

    def attributes(self, ids: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Attributes of the objects `ids`, ascending: arrays (n,) or (n, C), absent rows hold the marker (7.4).

        Of an object that was given attributes twice the later ones hold.
        """
        out = {}
        for name, column in self._typed.items():
            dtype = column.stored
            marker = absent_value(dtype)
            values = np.full((len(ids), *column.row_shape), marker, dtype)
            for given, columns in self._rows:
                if name in columns:
                    at = np.minimum(np.searchsorted(ids, given), max(len(ids) - 1, 0))
                    is_there = ids[at] == given if len(ids) else np.zeros(len(given), bool)
                    values[at[is_there]] = np.ma.filled(columns[name].astype(dtype, copy=False), marker)[is_there]
            out[name] = values
        return out


def first_appearances(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The different ids in the order in which they first appear."""
    known, at = np.unique(ids, return_index=True)
    return known[np.argsort(at, kind="stable")]


def _typed(name: str, value: ArrayLike, rows: int) -> NDArray[Any]:
    """Values of a storable dtype: the marker in place of absent text and floats, a mask over absent integers."""
    check_name("object attribute", name)
    array = value if isinstance(value, np.ma.MaskedArray) else to_array(value, f"object attribute {name!r}")
    if array.ndim not in (1, 2) or len(array) != rows or 0 in array.shape[1:]:
        raise InvalidInputError(f"object attribute {name!r} has shape {array.shape}, expected ({rows},) or ({rows}, C)")
    absent = np.ma.getmaskarray(array)
    values: NDArray[Any] = np.ma.getdata(array)
    if values.dtype.kind == "O":
        values, absent = _from_objects(name, values, absent)
    if values.dtype.kind == "b":
        values = values.astype(np.int8)  # booleans have no marker of their own
    if values.dtype.kind not in "iufU" or (values.dtype.kind != "U" and values.dtype.itemsize > 8):
        raise InvalidInputError(f"object attribute {name!r} has dtype {values.dtype}: give numbers, booleans or text")
    if values.dtype.kind == "U" and values.dtype.itemsize == 0:
        values = values.astype(np.dtype("<U1"))
    if not absent.any():
        return values
    if values.dtype.kind in "iu":
        return np.ma.MaskedArray(values, absent)
    return np.where(absent, np.array(absent_value(values.dtype), values.dtype), values)


def _holds_marker(name: str, values: NDArray[Any]) -> bool:
    """Whether a row of integers that is there would read as absent: all its values are the marker of the dtype."""
    if values.dtype.kind not in "iu":
        return False
    marker = absent_value(values.dtype)
    absent = np.ma.getmaskarray(values).reshape(len(values), -1)
    alike = (np.ma.getdata(values).reshape(len(values), -1) == marker) | absent
    if not (alike.all(axis=1) & ~absent.all(axis=1)).any():
        return False
    if values.dtype.name not in _WIDER:
        raise InvalidInputError(
            f"object attribute {name!r} holds {marker}, which is how the format marks absent values of {values.dtype}"
        )
    return True


def _from_objects(name: str, array: NDArray[Any], absent: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Text, integers or floats with None among them, of the common dtype of the others, and what is None."""
    absent = absent | np.array([v is None for v in array.ravel()], bool).reshape(array.shape)
    there = to_array(array[~absent].tolist(), f"object attribute {name!r}")
    if there.dtype.kind not in "biufU" or there.ndim != 1:
        raise InvalidInputError(f"object attribute {name!r} mixes values that have no common dtype")
    out = np.zeros(array.shape, there.dtype if there.dtype.itemsize else "<U1")
    out[~absent] = there
    return out, absent
