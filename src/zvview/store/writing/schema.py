"""The columns of a store that is being written: fixed by the first batch, and one code table for each category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format.attributes import AttributeMetadata, Categories
from zvview.store.writing.options import AttributeSpec, check_name

__all__ = ["Schema"]

_CODE = np.dtype(np.int32)  # of labels while batches still arrive
_MISSING = -1


@dataclass(slots=True)
class _Column:
    dtype: np.dtype[Any]
    row_shape: tuple[int, ...]
    labels: dict[str, int] | None = None  # label to the code it has until the store is closed
    is_ordered: bool = False
    has_missing: bool = False


class Schema:
    """Names, dtypes, widths and labels of the attributes of vertices or of links.

    Parameters
    ----------
    what : str
        For messages, such as ``"vertex attribute"``.
    specs : mapping of str to AttributeSpec
        Units and the like.
    """

    __slots__ = ("_columns", "_specs", "_what")

    def __init__(self, what: str, specs: Mapping[str, AttributeSpec]) -> None:
        self._what = what
        self._specs = specs
        self._columns: dict[str, _Column] | None = None

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of all columns."""
        return sum(c.dtype.itemsize * int(np.prod(c.row_shape, dtype=int)) for c in (self._columns or {}).values())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in the order of the first batch."""
        return tuple(self._columns or ())

    def conform(
        self, values: Mapping[str, NDArray[Any]], categories: Mapping[str, Categories]
    ) -> dict[str, NDArray[Any]]:
        """The columns of a batch, labels as codes of the store's own table.

        Raises
        ------
        InvalidInputError
            Other names, dtypes or widths than those of the first batch, or codes that have no label.
        """
        if self._columns is None:
            self._columns = {name: self._open(name, value, categories.get(name)) for name, value in values.items()}
        if set(values) != set(self._columns):
            raise InvalidInputError(
                f"{self._what}s {sorted(values)}: those before had {sorted(self._columns)}, and all must agree"
            )
        return {name: self._conform(name, column, values[name], categories) for name, column in self._columns.items()}

    def metadata(self, name: str) -> AttributeMetadata:
        """How column `name` is written; to be asked when all batches are in."""
        column, spec = self._column(name), self._specs.get(name, AttributeSpec())
        categories = None
        if column.labels is not None:
            labels = tuple(column.labels) if column.is_ordered else tuple(sorted(column.labels))
            categories = Categories(labels, _MISSING if column.has_missing else None, column.is_ordered)
        width = int(np.prod(column.row_shape, dtype=int))
        channels = spec.channel_names or (tuple(f"ch{i}" for i in range(width)) if column.row_shape else ())
        dtype = column.dtype if categories is None else _code_dtype(categories)
        return AttributeMetadata(name, dtype, column.row_shape, categories, channels, spec.unit, spec.description)

    def declared(self) -> dict[str, dict[str, Any]]:
        """What the root declares of the columns that were given a spec, by name (``attribute_specs`` of 2.1)."""
        out = {}
        for name in set(self.names) & set(self._specs):
            entry, spec = self.metadata(name), self._specs[name]
            width = int(np.prod(entry.row_shape, dtype=int))
            out[name] = spec.declaration(entry.dtype, width, is_categorical=entry.categories is not None)
        return dict(sorted(out.items()))

    def finished(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows of column `name` as they are written: final codes for labels, all else as it is."""
        column = self._column(name)
        if column.labels is None:
            return rows
        categories = self.metadata(name).categories
        assert categories is not None
        place = {label: i for i, label in enumerate(categories.labels)}
        table = np.array([*(place[label] for label in column.labels), _MISSING], np.int64)  # code -1 finds the last
        codes: NDArray[Any] = table[rows].astype(_code_dtype(categories))
        return codes

    def _column(self, name: str) -> _Column:
        assert self._columns is not None
        return self._columns[name]

    def _open(self, name: str, value: NDArray[Any], categories: Categories | None) -> _Column:
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            raise InvalidInputError(f"{self._what} {name!r} has dtype {value.dtype}: give numbers, booleans or text")
        if 0 in value.shape[1:]:
            raise InvalidInputError(
                f"{self._what} {name!r} has shape {value.shape}: rows without values cannot be stored"
            )
        check_name(self._what, name)
        spec = self._specs.get(name, AttributeSpec())
        if spec.channel_names and len(spec.channel_names) != (value.shape[1] if value.ndim == 2 else 1):
            raise InvalidInputError(
                f"{self._what} {name!r} of shape {value.shape} has other channels than {spec.channel_names}"
            )
        dtype = _CODE if categories is not None else value.dtype.newbyteorder("<")
        return _Column(dtype, value.shape[1:], None if categories is None else {}, spec.is_ordered)

    def _conform(
        self, name: str, column: _Column, value: NDArray[Any], categories: Mapping[str, Categories]
    ) -> NDArray[Any]:
        labels = categories.get(name)
        if (labels is None) != (column.labels is None) or value.shape[1:] != column.row_shape:
            raise InvalidInputError(f"{self._what} {name!r} of shape {value.shape} differs from the batches before")
        if labels is None or column.labels is None:
            if value.dtype.newbyteorder("<") != column.dtype:
                raise InvalidInputError(f"{self._what} {name!r} is {value.dtype}, in the batches before {column.dtype}")
            return value.astype(column.dtype, copy=False)
        column.is_ordered |= labels.ordered
        for label in labels.labels:
            column.labels.setdefault(label, len(column.labels))
        table = np.array([column.labels[label] for label in labels.labels], _CODE)
        codes = value.astype(np.int64)
        absent = np.zeros(codes.shape, bool) if labels.missing is None else codes == labels.missing
        if (~absent & ((codes < 0) | (codes >= len(table)))).any():
            raise InvalidInputError(f"{self._what} {name!r} holds codes without a label; there are {len(table)} labels")
        column.has_missing |= bool(absent.any())
        out = np.full(codes.shape, _MISSING, _CODE)
        out[~absent] = table[codes[~absent]]
        return out


def _code_dtype(categories: Categories) -> np.dtype[Any]:
    """The smallest dtype of codes, signed where one means "missing" (7.1)."""
    sign = "u" if categories.missing is None else ""
    bits = next(b for b in (8, 16, 32) if len(categories.labels) < 1 << (b - (not sign)))
    return np.dtype(f"{sign}int{bits}").newbyteorder("<")
