"""Tables of points opened to be read: one file, or the files of a folder that share their columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from zvview.convert.contract import Extras, Incoming, ReadOptions, Skipped
from zvview.convert.file_sets import find_files
from zvview.convert.table_columns import OBJECT_ID, find_axes, find_object_column, stored_names
from zvview.convert.table_objects import ObjectNumbers
from zvview.convert.table_record import METADATA_KEY, Record, RecordedColumn
from zvview.convert.table_types import Summary, is_text, value_type
from zvview.convert.table_values import MOST_LABELS, Column, plan_column
from zvview.errors import BadFileError, InvalidInputError
from zvview.format import names as format_names
from zvview.format.metadata import Axis
from zvview.geometry.batches import Points
from zvview.store.writing.options import AttributeSpec

__all__ = ["FILE", "OpenTable", "Table", "TableInput", "open_tables"]

FILE = "file"
"""Column that tells of which file of a folder a row is."""

_FLOAT32_INTEGERS = 1 << 24


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
            column = self.axis_columns[int(np.flatnonzero(~np.isfinite(out[bad[0]]))[0])][1]
            raise BadFileError(table.place, f"column {column!r} holds no finite number", place)
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


def open_tables(path: Path, options: ReadOptions, suffixes: Sequence[str], open_table: OpenTable) -> TableInput:
    """Look through a table, or all tables of a folder or a zip archive.

    Raises
    ------
    BadFileError
        The file is bad; of a folder, all of them are.
    InvalidInputError
        The caller names columns that there are not.
    """
    if options.kind not in (None, format_names.POINT_CLOUD):
        raise InvalidInputError(f"tables hold points, not {options.kind}")
    files = find_files(path, suffixes)
    tables: list[tuple[str, Table]] = []
    skipped: list[Skipped] = []
    for file in files.files:
        try:
            table = open_table(file.path, file.place, options)
            if tables and set(table.names) != set(tables[0][1].names):
                raise BadFileError(file.place, f"its columns are not those of {tables[0][1].place}")
        except BadFileError as error:
            if files.is_single:
                raise
            skipped.append(Skipped(file.place, f"{error.where}: {error.reason}" if error.where else error.reason))
        else:
            tables.append((file.name, table))
    if not tables:
        raise BadFileError(path, f"none of its {len(files.files)} files can be read; the first: {skipped[0].reason}")
    return _plan(str(path), tables, skipped, options)


def _plan(
    path: str, tables: Sequence[tuple[str, Table]], skipped: Sequence[Skipped], options: ReadOptions
) -> TableInput:
    first = tables[0][1]
    summaries = dict(first.summaries)
    for _, table in tables[1:]:
        summaries = {name: known.joined(table.summaries[name]) for name, known in summaries.items()}
    if len(tables) > 1 and FILE not in summaries:
        summaries[FILE] = _file_summary([stem for stem, _ in tables])
    if missing := [name for name in options.drop if name not in first.names]:
        raise InvalidInputError(f"{path} has no column {missing[0]!r}; columns: {', '.join(first.names)}")
    told = _told_columns(first)
    axes = _told_axes(first, summaries, options) or find_axes(path, list(summaries), options)
    axis_names = [column for _, column in axes]
    for _, column in axes:
        _check_axis(tables, column, summaries[column])
    has_told_objects = OBJECT_ID not in options.columns and isinstance(first.metadata.get(OBJECT_ID), str)
    objects = first.metadata[OBJECT_ID] if has_told_objects else None
    if objects not in summaries:
        objects = find_object_column(path, list(summaries), options, axis_names)
    rest = [name for name in summaries if name not in (*axis_names, objects)]
    stored = stored_names(rest)
    plans = [
        plan_column(first.place, n, stored[n], summaries[n], told.get(n, {}), is_text_source=first.is_text_source)
        for n in rest
    ]
    is_of_object = {n: objects is not None and told.get(n, {}).get("role") == "object_attribute" for n in rest}
    return TableInput(
        tables,
        summaries,
        axes,
        objects,
        [p for p in plans if not is_of_object[p.name]],
        [p for p in plans if is_of_object[p.name]],
        _position_dtype([summaries[name] for name in axis_names], first.is_text_source),
        skipped,
    )


def _file_summary(stems: Sequence[str]) -> Summary:
    """Names of files as a column: integers where all are, as they would be in a table."""
    is_number = all(stem.isascii() and stem.isdecimal() and len(stem) < 19 for stem in stems)
    if not is_number:
        return Summary(pa.string(), len(stems))
    return Summary(pa.int64(), len(stems), 0, min(map(int, stems)), max(map(int, stems)))


def _check_axis(tables: Sequence[tuple[str, Table]], column: str, summary: Summary) -> None:
    kind = value_type(summary.type)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or not summary.rows:
        return
    for _, table in tables:
        own = value_type(table.summaries[column].type)
        if is_text(own) or not (pa.types.is_integer(own) or pa.types.is_floating(own)):
            where, _, reason = table.find_missing(column).rpartition(": ")
            raise BadFileError(table.place, f"column {column!r} is an axis: {reason}", where)


def _position_dtype(summaries: Sequence[Summary], is_text_source: bool) -> np.dtype[Any]:
    """float32 where it keeps every coordinate that the file tells, else float64."""

    def fits(summary: Summary) -> bool:
        kind = value_type(summary.type)
        if pa.types.is_floating(kind):
            return summary.is_short if is_text_source else kind.bit_width <= 32
        ends = [abs(end) for end in (summary.least, summary.most) if end is not None]
        return not pa.types.is_decimal(kind) and max(ends, default=0) <= _FLOAT32_INTEGERS

    return np.dtype(np.float32 if all(map(fits, summaries)) else np.float64)


def _told_columns(table: Table) -> dict[str, dict[str, Any]]:
    found = table.metadata.get("columns", {})
    if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
        raise BadFileError(table.place, "what zvview wrote of its columns is damaged")
    return found


def _told_axes(table: Table, summaries: Mapping[str, Summary], options: ReadOptions) -> list[tuple[Axis, str]] | None:
    """The axes that zvview wrote into a file, None where it did not or the caller names others."""
    entries = table.metadata.get("axes")
    is_named = options.axes is not None or set(options.columns) - {OBJECT_ID}
    if entries is None or is_named:
        return None
    out = []
    for entry in entries if isinstance(entries, list) else [None]:
        found = entry if isinstance(entry, dict) else {}
        name, kind, column, unit = (found.get(key) for key in ("name", "type", "column", "unit"))
        if not (isinstance(name, str) and isinstance(kind, str) and isinstance(column, str) and column in summaries):
            raise BadFileError(table.place, "what zvview wrote of its axes is damaged")
        stated = options.unit if options.unit is not None and kind == "space" else unit
        out.append((Axis(name, kind, stated if isinstance(stated, str) else None), column))
    return out
