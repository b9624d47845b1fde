"""Arrays of a store as Arrow arrays, in the type in which their column came in wherever that can tell their values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray

from zvview.convert.table_types import is_text, is_time, value_type
from zvview.errors import InvalidInputError
from zvview.geometry.batches import Batch

__all__ = ["as_type", "choose_type", "label_array", "value_array"]


def value_array(values: NDArray[Any], *, hides_nan: bool = False, mask: NDArray[np.bool_] | None = None) -> Any:
    """Numbers or text (n,) or (n, C), null where `mask` is true, and where NaN stands if `hides_nan`."""
    flat = values.ravel()
    absent = None if mask is None else mask.ravel()
    if hides_nan and flat.dtype.kind == "f":
        absent = np.isnan(flat) if absent is None else absent | np.isnan(flat)
    array = pa.array(flat.astype(object) if flat.dtype.kind == "U" else flat, mask=absent)
    return array if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(array, values.shape[1])


def label_array(batch: Batch, name: str) -> Any:
    """Labels of an attribute as a dictionary, null where missing."""
    categories, codes = batch.categories[name], batch.attributes[name]
    mask = None if categories.missing is None else (codes == categories.missing).ravel()
    indices = pa.array(codes.ravel().astype(np.int32), mask=mask)
    array = pa.DictionaryArray.from_arrays(indices, pa.array(categories.labels, pa.string()))
    return array if codes.ndim == 1 else pa.FixedSizeListArray.from_arrays(array.dictionary_decode(), codes.shape[1])


def choose_type(wanted: Any, own: Any) -> Any:
    """`wanted`, the type in which a column came in, where it can tell values of the store's type `own`; else `own`."""
    inner, have = value_type(wanted), value_type(own)
    if wanted.equals(own) or pa.types.is_nested(wanted) or pa.types.is_nested(own):
        return own
    if is_text(have):
        return wanted if is_text(inner) or pa.types.is_boolean(inner) else own
    if pa.types.is_floating(inner) and pa.types.is_floating(have):
        return wanted if inner.bit_width >= have.bit_width else own
    is_number = pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_decimal(inner)
    return wanted if is_number or is_time(inner) or pa.types.is_null(inner) else own


def as_type(array: Any, kind: Any) -> Any:
    """`array` as `kind`.

    Raises
    ------
    InvalidInputError
        Values were changed since the column came in and no longer fit its type.
    """
    if array.type.equals(kind):
        return array
    try:
        if pa.types.is_dictionary(array.type) and not pa.types.is_dictionary(kind):
            array = array.dictionary_decode()
        if pa.types.is_dictionary(kind) and not pa.types.is_dictionary(array.type):
            return array.cast(kind.value_type).dictionary_encode().cast(kind)
        if pa.types.is_null(kind) and array.null_count == len(array):
            return pa.nulls(len(array))
        if is_time(kind):
            is_narrow = pa.types.is_date32(kind) or pa.types.is_time32(kind)
            return pc.cast(array, pa.int32() if is_narrow else pa.int64()).cast(kind)
        return array.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInputError(
            f"values of {array.type} no longer fit {kind}, as which they came in: {error}"
        ) from error
