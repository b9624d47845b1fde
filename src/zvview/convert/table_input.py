"""Tables of points as batches: positions, ids and attributes of the rows, file after file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from zvview.convert.contract import Extras, Incoming, ReadOptions, Skipped
from zvview.convert.table_columns import stored_names
from zvview.convert.table_objects import ObjectNumbers
from zvview.convert.table_record import METADATA_KEY, Record, RecordedColumn
from zvview.convert.table_types import Summary
from zvview.convert.table_values import MOST_LABELS, Column
from zvview.errors import BadFileError
from zvview.format import names as format_names
from zvview.format.metadata import Axis
from zvview.geometry.batches import Points
from zvview.store.writing.options import AttributeSpec

__all__ = ["FILE", "OpenTable", "Table", "TableInput"]

FILE = "file"
"""Column that tells of which file of a folder a row is."""


class Table(Protocol):
    """A file whose rows were looked at."""

    @property
    def place(self) -> str:
        """As messages name it."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Of all columns."""
        ...

    @property
    def summaries(self) -> dict[str, Summary]:
        """Of the columns that are read."""
        ...

    @property
    def metadata(self) -> dict[str, Any]:
        """What zvview wrote into the file."""
        ...

    @property
    def is_text_source(self) -> bool:
        """Whether the file is text."""
        ...

    def batches(self, types: dict[str, Any]) -> Iterator[Any]:
        """Record batches of the columns in `types`."""
        ...

    def where(self, row: int) -> str:
        """Place of a row in the file."""
        ...

    def find_missing(self, column: str) -> str:
        """Why a column cannot be an axis."""
        ...


class OpenTable(Protocol):
    """Looks through a file."""

    def __call__(self, path: Path, place: str, options: ReadOptions) -> Table:
        """The file, looked at."""
        ...


@dataclass(slots=True, eq=False)
class TableInput:
    """Tables as an input of points."""

    tables: Sequence[tuple[str, Table]]
    summaries: Mapping[str, Summary]
    axis_columns: Sequence[tuple[Axis, str]]
    object_column: str | None
    columns: Sequence[Column]
    object_columns: Sequence[Column]
    position_dtype: np.dtype[Any]
    skipped: Sequence[Skipped] = ()
    kind: str = format_names.POINT_CLOUD
    _numbers: ObjectNumbers = field(default_factory=ObjectNumbers)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Axes with the units that the caller or the file states."""
        return tuple(axis for axis, _ in self.axis_columns)

    @property
    def attribute_specs(self) -> dict[str, AttributeSpec]:
        """Units, descriptions and channels that the file states."""
        return {column.stored: column.spec for column in self.columns if column.spec is not None}

    def batches(self) -> Iterator[Incoming]:
        """All rows, file after file."""
        types = {name: summary.type for name, summary in self.summaries.items() if name != FILE or len(self.tables) < 2}
        is_empty = True
        for stem, table in self.tables:
            row = 0
            for batch in table.batches(types):
                if batch.num_rows or is_empty:
                    is_empty = False
                    yield self._incoming(stem, table, batch, row)
                row += batch.num_rows
        if is_empty:
            none = pa.RecordBatch.from_arrays([pa.array([], t) for t in types.values()], names=list(types))
            yield self._incoming(*self.tables[0], none, 0)

    def extras(self) -> Extras:
        """The columns as they were, and files that were left out."""
        stored = {column.name: column.stored for column in (*self.columns, *self.object_columns)}
        columns = tuple(
            RecordedColumn(name, stored.get(name), self._recorded_type(name), summary.nulls > 0)
            for name, summary in self.summaries.items()
        )
        axes = tuple(column for _, column in self.axis_columns)
        record = Record(columns, axes, self.object_column, self._numbers.is_named)
        return Extras(user_metadata={METADATA_KEY: record.document()}, skipped=self.skipped)

    def _recorded_type(self, name: str) -> Any:
        """The type in the file; of floats in text that which keeps what the text tells."""
        kind = self.summaries[name].type
        if not (self.tables[0][1].is_text_source and pa.types.is_floating(kind)):
            return kind
        return pa.float32() if self.summaries[name].is_short else kind

    def _incoming(self, stem: str, table: Table, batch: Any, row: int) -> Incoming:
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        if len(self.tables) > 1:
            stems = pa.array([stem]).take(pa.array(np.zeros(batch.num_rows, np.int32)))
            arrays[FILE] = stems.cast(self.summaries[FILE].type)
        values, categories = {}, {}
        for column in self.columns:
            values[column.stored], labels = column.read(arrays[column.name])
            if labels is not None:
                categories[column.stored] = labels
                if len(labels.labels) > MOST_LABELS:
                    raise BadFileError(
                        table.place,
                        f"column {column.name!r} holds more than {MOST_LABELS} different texts, too many to be "
                        "labels; leave it out with --drop",
                    )
        positions = self._positions(table, arrays, row)
        if self.object_column is None:
            return Incoming(Points(positions, attributes=values, categories=categories))
        objects = arrays[self.object_column]
        ids, names = self._numbers.number(table.place, self.object_column, objects, lambda i: table.where(row + i))
        points = Points(positions, attributes=values, categories=categories, object_ids=ids)
        return Incoming(points, self._object_attributes(ids, names, arrays))

    def _positions(self, table: Table, arrays: Mapping[str, Any], row: int) -> NDArray[Any]:
        out = np.empty((len(next(iter(arrays.values()))), len(self.axis_columns)), self.position_dtype)
        for d, (_, name) in enumerate(self.axis_columns):
            with np.errstate(over="ignore"):
                out[:, d] = arrays[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
        bad = np.flatnonzero(~np.isfinite(out).all(axis=1))
        if len(bad):
            place = table.where(row + int(bad[0]))
            axis = int(np.flatnonzero(~np.isfinite(out[bad[0]]))[0])
            column = self.axis_columns[axis][1]
            value = arrays[column][int(bad[0])].as_py()
            found = (
                "no value" if value is None else f"{value}, which is too large" if np.isfinite(value) else f"{value}"
            )
            raise BadFileError(table.place, f"column {column!r} holds {found}: expected a finite number", place)
        return out

    def _object_attributes(
        self, ids: NDArray[np.int64], names: NDArray[Any] | None, arrays: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """A row for each object, from the first of its points."""
        distinct, first = np.unique(ids, return_index=True)
        first = np.sort(first)
        out: dict[str, Any] = {}
        if names is not None and self.object_column is not None:
            out[stored_names([self.object_column])[self.object_column]] = names[first]
        for column in self.object_columns:
            values, labels = column.read(arrays[column.name].take(pa.array(first)))
            out[column.stored] = values if labels is None else labels.decode(values)
        return out if out and len(distinct) else None
