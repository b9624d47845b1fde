"""Parquet files: their types, and their rows as batches of bounded size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from zvview.convert.arrow_memory import memory_returned
from zvview.convert.contract import ReadOptions
from zvview.convert.table_types import Summary, is_text, summarize, value_type
from zvview.errors import BadFileError, UnreachableError

__all__ = ["METADATA_KEY", "ParquetTable", "open_parquet_table"]

_PAGES_BYTES = 1 << 20  # of a column that are read at a time

METADATA_KEY = b"zvview"
"""Under which a Parquet file keeps axes, units and roles of its columns, as JSON."""


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """A Parquet file.

    Attributes
    ----------
    path : Path
    place : str
        As messages name it.
    names : tuple of str
    summaries : dict of str to Summary
    metadata : dict
        What zvview wrote into the file; empty for files of others.
    """

    path: Path
    place: str
    names: tuple[str, ...]
    batch_rows: int
    rows: int
    summaries: dict[str, Summary] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    is_text_source: bool = False

    def batches(self, types: dict[str, Any]) -> Iterator[Any]:
        """Record batches of the columns in `types`, in their order."""
        found = 0
        with memory_returned(), _open(self.path, self.place) as file:
            for batch in file.iter_batches(batch_size=self.batch_rows, columns=list(types)):
                found += batch.num_rows
                yield batch.select(list(types))
        if found != self.rows:
            raise BadFileError(self.place, f"holds {found} rows where its footer tells of {self.rows}")

    def where(self, row: int) -> str:
        """A row, counted from 0 as data frames do."""
        return f"row {row}"

    def find_missing(self, column: str) -> str:
        """Place and value of the first row without a finite number in `column`, or why none has."""
        kind = value_type(self.summaries[column].type)
        before = 0
        for batch in self.batches({column: kind}) if pa.types.is_integer(kind) or pa.types.is_floating(kind) else ():
            is_good = pc.fill_null(pc.is_finite(batch.column(0)), False)
            if (bad := pc.index(is_good, pa.scalar(False)).as_py()) >= 0:
                value = batch.column(0)[bad].as_py()
                return f"{self.where(before + bad)}: {'the value is missing' if value is None else value}"
            before += batch.num_rows
        return f"its values are {self.summaries[column].type}"


def open_parquet_table(path: Path, place: str, options: ReadOptions) -> ParquetTable:
    """The types of a file, with the extremes of its integers and the number of missing values.

    Raises
    ------
    BadFileError
        No Parquet file, or a damaged one.
    UnreachableError
        The file cannot be read.
    """
    if not path.is_file():
        raise UnreachableError(f"{place}: there is no such file")
    with memory_returned(), _open(path, place) as file:
        schema = file.schema_arrow
        names = tuple(schema.names)
        if twice := [name for name in names if names.count(name) > 1]:
            raise BadFileError(place, f"two columns are called {twice[0]!r}")
        wanted = [name for name in names if name not in options.drop]
        rows = file.metadata.num_rows
        sizes = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        batch_rows = max(1, min(rows, options.batch_bytes // max(1, sizes // max(1, rows))))
        found = {name: Summary(schema.field(name).type, rows) for name in wanted}
        for name in wanted:
            if _needs_look(schema.field(name).type):
                found[name] = _look(file, name, batch_rows, options)
        return ParquetTable(path, place, names, batch_rows, rows, found, _own_metadata(schema, place))


@contextmanager
def _open(path: Path, place: str) -> Iterator[Any]:
    """A file that is read page by page; by default pyarrow loads all of it before the first batch."""
    with _explain(place), pq.ParquetFile(path, pre_buffer=False, buffer_size=_PAGES_BYTES) as file:
        yield file


def _needs_look(kind: Any) -> bool:
    """Whether values decide how a column is stored: numbers, times and truth values may miss some."""
    kind = value_type(kind)
    return not (is_text(kind) or pa.types.is_nested(kind))


def _look(file: Any, name: str, batch_rows: int, options: ReadOptions) -> Summary:
    out = Summary(file.schema_arrow.field(name).type)
    for batch in file.iter_batches(batch_size=batch_rows, columns=[name]):
        if options.cancel is not None:
            options.cancel.raise_if_cancelled()
        out = out.joined(summarize(batch.column(0), is_text_source=False))
    return out


def _own_metadata(schema: Any, place: str) -> dict[str, Any]:
    text = (schema.metadata or {}).get(METADATA_KEY)
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadFileError(place, f"what zvview wrote into its metadata is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadFileError(place, "what zvview wrote into its metadata is no object")
    return found


@contextmanager
def _explain(place: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        raise BadFileError(place, f"cannot be read as Parquet: {' '.join(str(error).split())}") from error
