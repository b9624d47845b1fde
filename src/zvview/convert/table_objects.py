"""The objects of the points of a table: numbers as they are, names numbered in the order in which they appear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray

from zvview.convert.table_types import is_text, value_type
from zvview.errors import BadFileError

__all__ = ["NO_OBJECT", "ObjectNumbers"]

NO_OBJECT = -1
"""Id of points whose object is missing in the table."""


@dataclass(slots=True)
class ObjectNumbers:
    """Object ids of one table after the other.

    Attributes
    ----------
    is_named : bool
        Whether the table names its objects by text.
    """

    is_named: bool = False
    _known: dict[str, int] = field(default_factory=dict)

    def number(
        self, place: str, column: str, array: Any, where: Callable[[int], str]
    ) -> tuple[NDArray[np.int64], NDArray[Any] | None]:
        """Ids (N,) of an array, and the names (N,) where they are text.

        Parameters
        ----------
        place, column : str
            As messages name the file and the column.
        array : pyarrow.Array
        where : callable
            The place in the file of a row of `array`.

        Raises
        ------
        BadFileError
            Neither integers nor text, or integers that the format cannot store; names the first such row.
        """
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if is_text(value_type(array.type)):
            return self._number_names(array)
        try:
            ids = pc.fill_null(pc.cast(array, pa.int64()), NO_OBJECT)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            row = _first_bad(array)
            found = f"type {array.type}" if row is None else repr(array[row].as_py())
            reason = f"column {column!r} holds {found}, expected object ids: whole numbers up to 2**63 - 1, or text"
            raise BadFileError(place, reason, "" if row is None else where(row)) from error
        return ids.to_numpy(zero_copy_only=False).astype(np.int64), None

    def _number_names(self, array: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
        self.is_named = True
        encoded = pc.cast(array, pa.string()).dictionary_encode()
        names = encoded.dictionary.to_pylist()
        numbers = [self._known.setdefault(name, len(self._known)) for name in names]
        codes = pc.fill_null(pc.cast(encoded.indices, pa.int64()), len(names)).to_numpy(zero_copy_only=False)
        table = np.array([*numbers, NO_OBJECT], np.int64)
        return table[codes], np.array([*names, None], object)[codes]


def _first_bad(array: Any) -> int | None:
    """The first row that is no int64, None where the type as a whole is none."""
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        return None
    values = pc.fill_null(array, 0).to_numpy(zero_copy_only=False)
    if values.dtype.kind == "u":
        is_bad = values >= 2**63
    else:
        is_bad = ~((np.abs(values) < 2.0**63) & (np.trunc(values) == values))
    return int(np.argmax(is_bad)) if is_bad.any() else None
