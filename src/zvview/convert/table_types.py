"""What is known of a column of a table once all its rows were seen, and what is stored of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray

from zvview.errors import InvalidInputError

__all__ = [
    "Summary",
    "as_integers",
    "holds_large",
    "is_rounded_by",
    "is_text",
    "is_time",
    "join_types",
    "stored_dtype",
    "summarize",
    "unit_of_time",
    "value_type",
]

_FLOAT32_INTEGERS = 1 << 24  # all integers up to it are float32 numbers
_FLOAT64_INTEGERS = 1 << 53
_SHORT = {"s": "second", "ms": "millisecond", "us": "microsecond", "ns": "nanosecond"}


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one column.

    Attributes
    ----------
    type : pyarrow.DataType
    rows, nulls : int
    least, most : int or None
        Of integers.
    is_short : bool
        Of floats: every value is what the shortest text of its float32 neighbour says, so that float32 keeps all that
        the text of the file does.
    is_finite : bool
        Of floats: none is infinite or no number, though some may be missing.
    """

    type: Any
    rows: int = 0
    nulls: int = 0
    least: int | None = None
    most: int | None = None
    is_short: bool = True
    is_finite: bool = True

    def joined(self, other: Summary) -> Summary:
        """Of the rows of both."""
        ends = [e for e in (self.least, self.most, other.least, other.most) if e is not None]
        return Summary(
            join_types(self.type, other.type),
            self.rows + other.rows,
            self.nulls + other.nulls,
            min(ends, default=None),
            max(ends, default=None),
            self.is_short and other.is_short,
            self.is_finite and other.is_finite,
        )


def value_type(kind: Any) -> Any:
    """The type of the values of a dictionary, else the type itself."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def summarize(column: Any, *, is_text_source: bool) -> Summary:
    """The summary of an array; whether floats are short is looked at only where the file is text."""
    kind, least, most, is_short, is_finite = column.type, None, None, True, True
    if (pa.types.is_integer(kind) or is_time(kind)) and len(column) > column.null_count:
        ends = pc.min_max(as_integers(column))
        least, most = ends["min"].as_py(), ends["max"].as_py()
    elif pa.types.is_floating(kind):
        is_finite = bool(pc.all(pc.is_finite(column), min_count=0).as_py())
        is_short = is_text_source and _is_short(column.drop_null().to_numpy(zero_copy_only=False))
    return Summary(kind, len(column), column.null_count, least, most, is_short, is_finite)


def holds_large(column: Any) -> bool:
    """Whether floats of an array are so large that they may be whole numbers that were rounded."""
    ends = pc.min_max(column)
    least, most = ends["min"].as_py(), ends["max"].as_py()
    return least is not None and not max(-least, most) < _FLOAT64_INTEGERS


def is_rounded_by(own: Summary, joined: Any) -> bool:
    """Whether integers of a file are rounded where its column is read as the type that holds those of other files."""
    ends = [abs(end) for end in (own.least, own.most) if end is not None]
    return (
        bool(pa.types.is_integer(own.type) and pa.types.is_floating(joined))
        and max(ends, default=0) > _FLOAT64_INTEGERS
    )


def is_text(kind: Any) -> bool:
    """Whether values of a type are text."""
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(test(kind) for test in tests)


def is_time(kind: Any) -> bool:
    """Whether values of a type are dates, times or durations."""
    return unit_of_time(kind) is not None


def as_integers(column: Any) -> Any:
    """Integers as they are; dates, times and durations as the int64 that they are made of."""
    if not is_time(column.type):
        return column
    is_narrow = pa.types.is_date32(column.type) or pa.types.is_time32(column.type)
    return pc.cast(pc.cast(column, pa.int32()) if is_narrow else column, pa.int64())


def join_types(first: Any, second: Any) -> Any:
    """The type that holds the values of both, text where no number type does."""
    if first.equals(second) or pa.types.is_null(second):
        return first
    if pa.types.is_null(first):
        return second
    numbers = [pa.types.is_integer(t) or pa.types.is_floating(t) for t in (first, second)]
    if all(numbers):
        return pa.int64() if pa.types.is_integer(first) and pa.types.is_integer(second) else pa.float64()
    return pa.string()


def stored_dtype(summary: Summary, *, is_text_source: bool) -> np.dtype[Any]:
    """The dtype of numbers as they are stored; integers with nulls become floats, of which NaN is the missing one.

    Numbers of text get the smallest dtype that holds them all, those of other files keep theirs where they can.

    Raises
    ------
    InvalidInputError
        Integers with nulls that no float holds exactly.
    """
    kind = value_type(summary.type)
    if pa.types.is_boolean(kind):
        return np.dtype(bool)
    if pa.types.is_null(kind):
        return np.dtype(np.float32)
    if pa.types.is_decimal(kind):
        return np.dtype(np.float64)
    if pa.types.is_floating(kind):
        if is_text_source:
            return np.dtype(np.float32 if summary.is_short else np.float64)
        return _numpy_dtype(kind)
    ends = [abs(end) for end in (summary.least, summary.most) if end is not None]
    largest = max(ends, default=0)
    if summary.nulls:
        if largest > _FLOAT64_INTEGERS:
            raise InvalidInputError(
                f"integers up to {largest} with missing values cannot be stored: no float holds them exactly"
            )
        return np.dtype(np.float32 if largest <= _FLOAT32_INTEGERS else np.float64)
    if is_text_source:
        return _smallest(summary.least or 0, summary.most or 0)
    return np.dtype(np.int64) if is_time(kind) else _numpy_dtype(kind)


def unit_of_time(kind: Any) -> str | None:
    """Unit of the integers that dates, times and durations are stored as; None of all other types.

    >>> unit_of_time(pa.timestamp("us"))
    'microseconds since 1970-01-01'
    """
    if pa.types.is_timestamp(kind):
        return f"{_SHORT[kind.unit]}s since 1970-01-01"
    if pa.types.is_date32(kind):
        return "days since 1970-01-01"
    if pa.types.is_date64(kind):
        return "milliseconds since 1970-01-01"
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        return _SHORT[kind.unit]
    return None


def _numpy_dtype(kind: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
    return dtype


def _smallest(least: int, most: int) -> np.dtype[Any]:
    names = ("int8", "int16", "int32", "int64")
    return next(np.dtype(n) for n in names if np.iinfo(n).min <= least and most <= np.iinfo(n).max)


def _is_short(values: NDArray[np.float64]) -> bool:
    """Whether the shortest decimal of the float32 nearest to each value is the value."""
    for part in (values[:256], values[256:]):  # most columns that are not short show it at once
        finite = part[np.isfinite(part)]
        with np.errstate(over="ignore"):
            near = finite.astype(np.float32)
        texts = pc.cast(pa.array(near), pa.string())
        back = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
        if not np.array_equal(back, finite):
            return False
    return True
