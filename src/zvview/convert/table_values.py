"""Columns of a table as arrays that a store can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray

from zvview.convert.table_types import Summary, as_integers, is_text, is_time, stored_dtype, unit_of_time, value_type
from zvview.errors import BadFileError, InvalidInputError
from zvview.format.attributes import Categories
from zvview.store.writing.options import AttributeSpec

__all__ = ["MOST_LABELS", "Column", "plan_column"]

MOST_LABELS = 1 << 18
"""Different texts of one column that are taken for labels; more are ids or notes, which a store cannot keep well."""

_TRUTH = ("false", "true")


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """How one column is stored.

    Attributes
    ----------
    name : str
        In the table.
    stored : str
        Of the attribute.
    form : str
        ``"number"``, ``"list"`` (several numbers in a row) or ``"text"``.
    dtype : numpy.dtype
        Of numbers.
    width : int
        Numbers in a row of a list.
    has_missing : bool
    labels : tuple of str
        In their order, where the file tells one.
    unit, description : str or None
    """

    name: str
    stored: str
    form: str
    dtype: np.dtype[Any]
    width: int = 1
    has_missing: bool = False
    labels: tuple[str, ...] = ()
    unit: str | None = None
    description: str | None = None
    channels: tuple[str, ...] = ()

    @property
    def spec(self) -> AttributeSpec | None:
        """What its values cannot tell, None where that is nothing."""
        spec = AttributeSpec(self.unit, self.description, self.channels, is_ordered=bool(self.labels))
        return None if spec == AttributeSpec() else spec

    def read(self, array: Any) -> tuple[NDArray[Any], Categories | None]:
        """Values of an Arrow array, or codes with their labels."""
        if self.form == "text":
            return self._read_text(array)
        if self.form == "list":
            inner = array.flatten() if not array.null_count else pc.list_flatten(_filled(array, self.width))
            values = pc.cast(inner, pa.from_numpy_dtype(self.dtype), safe=False).to_numpy(zero_copy_only=False)
            return values.reshape(len(array), self.width), None
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        numbers = as_integers(array)
        if pa.types.is_null(numbers.type):
            return np.full(len(array), np.nan, self.dtype), None
        if self.dtype.kind != "f" or pa.types.is_decimal(numbers.type):
            numbers = pc.cast(numbers, pa.from_numpy_dtype(self.dtype))
        values = numbers.to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            return np.asarray(values, self.dtype), None

    def _read_text(self, array: Any) -> tuple[NDArray[np.int32], Categories]:
        if pa.types.is_boolean(value_type(array.type)):
            codes = pc.fill_null(pc.cast(array, pa.int32()), -1).to_numpy(zero_copy_only=False)
            return codes, Categories(_TRUTH, -1)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        texts = pc.cast(array, pa.string())
        if self.labels:
            codes = pc.index_in(texts, value_set=pa.array(self.labels, pa.string()))
            if pc.fill_null(codes, -1).filter(pc.is_valid(texts)).to_numpy(zero_copy_only=False).min(initial=0) < 0:
                raise InvalidInputError(f"column {self.name!r} holds texts that are not among the labels it tells of")
            return pc.fill_null(codes, -1).to_numpy(zero_copy_only=False), Categories(self.labels, -1, True)
        encoded = texts.dictionary_encode()
        labels = encoded.dictionary.to_pylist()
        codes = pc.fill_null(pc.cast(encoded.indices, pa.int32()), -1).to_numpy(zero_copy_only=False)
        return codes, Categories(tuple(labels), -1 if self.has_missing or encoded.null_count else None)


def plan_column(
    place: str, name: str, stored: str, summary: Summary, told: dict[str, Any], *, is_text_source: bool
) -> Column:
    """How a column of this content is stored.

    Parameters
    ----------
    place : str
        As messages name the file.
    name, stored : str
    summary : Summary
    told : dict
        What zvview wrote of the column into the file.

    Raises
    ------
    BadFileError
        Values that no attribute can hold; the message says how to leave the column out.
    """
    kind = value_type(summary.type)
    texts = {key: told[key] for key in ("unit", "description") if isinstance(told.get(key), str)}
    labels: Sequence[Any] = told.get("labels") or ()
    channels: Sequence[Any] = told.get("channels") or ()
    if not all(isinstance(text, str) for text in (*labels, *channels)):
        raise BadFileError(place, f"labels or channels of column {name!r} are no texts")
    has_missing = summary.nulls > 0
    if is_text(kind) or (pa.types.is_boolean(kind) and has_missing):
        return Column(name, stored, "text", np.dtype(np.int32), 1, has_missing, tuple(labels), **texts)
    try:
        if pa.types.is_fixed_size_list(kind) and _is_number(kind.value_type) and kind.list_size > 0:
            dtype = np.dtype(kind.value_type.to_pandas_dtype())
            if summary.nulls and dtype.kind != "f":
                raise InvalidInputError("rows of integers that are missing cannot be stored")
            names = tuple(channels) if len(channels) == kind.list_size else ()
            return Column(name, stored, "list", dtype, kind.list_size, has_missing, channels=names, **texts)
        if _is_number(kind) or pa.types.is_null(kind) or pa.types.is_boolean(kind) or is_time(kind):
            dtype = stored_dtype(summary, is_text_source=is_text_source)
            return Column(name, stored, "number", dtype, 1, has_missing, **({"unit": unit_of_time(kind)} | texts))
    except InvalidInputError as error:
        raise BadFileError(place, f"column {name!r}: {error}; leave it out with --drop") from error
    raise BadFileError(place, f"column {name!r} is of type {kind}, which no attribute holds; leave it out with --drop")


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _filled(array: Any, width: int) -> Any:
    """Lists of floats of which missing ones are lists of NaN."""
    nothing = pa.scalar([float("nan")] * width, array.type)
    return pc.if_else(pc.is_valid(array), array, nothing)
