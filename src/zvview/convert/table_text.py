"""CSV and TSV files: their delimiter, header and types, found in one pass, and then their rows as batches."""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.csv as pcsv  # type: ignore[import-untyped]

from zvview.convert.arrow_memory import memory_returned
from zvview.convert.contract import ReadOptions
from zvview.convert.table_lines import (
    first_line,
    has_quotes,
    is_gzip,
    line_of_row,
    read_head,
    undecodable,
    uneven,
)
from zvview.convert.table_types import Summary, holds_large, summarize
from zvview.errors import BadFileError, UnreachableError

__all__ = ["TextTable", "open_text_table"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DELIMITERS = ",\t;|"
_MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "#N/A", "NULL", "null", "None", "<NA>"]
_MOST_LINE_BYTES = 1 << 28
_BLOCKS = (1 << 20, 1 << 23)  # bytes at a time; the parser reads ahead and takes fifty times as much memory
_MOST_TOLD = 80  # characters of what is wrong
_COLUMN_BYTES = 1 << 14  # of a block: what is done for each column of each block is not felt then
_CONVERSION = re.compile(r"In CSV column #(\d+): (.*)", re.DOTALL)
_LONG_INTEGER = r"^\s*[-+]?\d{16,300}\s*$"
_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
_WIDER = {"null": pa.int64(), "int64": pa.float64()}


@dataclass(frozen=True, slots=True)
class TextTable:
    """A text table whose rows were all looked at once.

    Attributes
    ----------
    path : Path
    place : str
        As messages name it.
    names : tuple of str
    summaries : dict of str to Summary
    """

    path: Path
    place: str
    delimiter: str
    skipped_lines: int
    has_header: bool
    names: tuple[str, ...]
    block_bytes: int
    summaries: dict[str, Summary] = field(default_factory=dict)
    has_line_breaks: bool = False
    is_text_source: bool = True

    @property
    def metadata(self) -> dict[str, Any]:
        """Text carries none."""
        return {}

    def batches(self, types: dict[str, Any]) -> Iterator[Any]:
        """Record batches of the columns in `types`, read as those types."""
        with _explain(self), memory_returned():
            yield from self._open(types, include=list(types))

    def where(self, row: int) -> str:
        """The line of a row of data, as an editor counts."""
        if self.has_line_breaks:
            return f"row {row + 1}"
        return line_of_row(self.path, row + self.has_header, self.skipped_lines)

    def find_missing(self, column: str) -> str:
        """Place and text of the first row without a number in `column`."""
        before = 0
        for batch in self._open({column: pa.string()}, include=[column]):
            texts = pc.fill_null(batch.column(0), "")
            bad = pc.index(pc.match_substring_regex(texts, _NUMBER), pa.scalar(False)).as_py()
            if bad >= 0:
                text = texts[bad].as_py()
                found = f"{text[:_MOST_TOLD]!r} is no number" if text else "the value is missing"
                return f"{self.where(before + bad)}: {found}"
            before += len(texts)
        return "a value is no number"

    def _open(self, types: dict[str, Any], include: Sequence[str] = ()) -> Any:
        stream = pa.input_stream(str(self.path), compression="gzip" if is_gzip(self.path) else None)
        return pcsv.open_csv(
            stream,
            read_options=pcsv.ReadOptions(
                block_size=self.block_bytes,
                skip_rows=self.skipped_lines + self.has_header,
                column_names=list(self.names),
                use_threads=True,
            ),
            parse_options=pcsv.ParseOptions(delimiter=self.delimiter, newlines_in_values=self.has_line_breaks),
            convert_options=pcsv.ConvertOptions(
                column_types=types,
                null_values=_MISSING,
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                include_columns=list(include),
            ),
        )


def open_text_table(path: Path, place: str, options: ReadOptions, delimiter: str | None) -> TextTable:
    """Look through a file: types that hold all values of each column, missing values, extremes.

    Raises
    ------
    BadFileError
        An empty file, lines of different numbers of fields, text that is not UTF-8.
    UnreachableError
        The file cannot be read.
    """
    table = _sniff(path, place, options, delimiter)
    types: dict[str, Any] = {}
    while True:
        try:
            with memory_returned():
                return replace(table, summaries=_scan(table, types, options))
        except OSError as error:
            raise BadFileError(place, f"cannot be read: {error}") from error
        except pa.ArrowInvalid as error:
            found = _CONVERSION.match(str(error))
            if found is not None:
                column = table.names[int(found[1])]
                types[column] = _widen(table, column, types, str(error))
            elif not table.has_line_breaks and "parse error" in str(error) and has_quotes(path):
                table = replace(table, has_line_breaks=True)
            elif "straddling" in str(error) and table.block_bytes < _MOST_LINE_BYTES:
                table = replace(table, block_bytes=table.block_bytes * 8)
            else:
                raise _as_bad_file(table, error) from error


def _scan(table: TextTable, types: dict[str, Any], options: ReadOptions) -> dict[str, Summary]:
    wanted = [name for name in table.names if name not in options.drop]
    reader = table._open(types, wanted)
    types |= {name: reader.schema.field(name).type for name in wanted}
    if raw := [name for name in wanted if pa.types.is_binary(types[name])]:
        raise BadFileError(table.place, f"the text of column {raw[0]!r} is not UTF-8", undecodable(table.path))
    found = {name: Summary(types[name]) for name in wanted}
    large: dict[str, None] = {}
    for batch in reader:
        if options.cancel is not None:
            options.cancel.raise_if_cancelled()
        for name, column in zip(wanted, batch.columns, strict=True):
            if pa.types.is_floating(column.type) and not found[name].is_short:
                is_finite = bool(pc.all(pc.is_finite(column), min_count=0).as_py())
                own = Summary(column.type, len(column), column.null_count, is_short=False, is_finite=is_finite)
            else:
                own = summarize(column, is_text_source=True)
            found[name] = found[name].joined(own)
            if pa.types.is_floating(column.type) and holds_large(column):
                large[name] = None
    for name in large:
        _check_exact(table, name)
    return found


def _check_exact(table: TextTable, column: str) -> None:
    """Refuse whole numbers that floats would round, such as ids: one value with a point makes a column one of floats.

    Raises
    ------
    BadFileError
        Names the line.
    """
    before = 0
    for batch in table._open({column: pa.string()}, include=[column]):
        texts = batch.column(0)
        is_long = pc.fill_null(pc.match_substring_regex(texts, _LONG_INTEGER), False)
        for row in np.flatnonzero(is_long.to_numpy(zero_copy_only=False)).tolist():
            number = int(texts[row].as_py())
            if number != int(float(number)):
                reason = (
                    f"column {column!r} holds {number}, which is kept exactly only where all values of the column are "
                    "whole numbers from -2**63 to 2**63 - 1, and some have a point, an exponent or more digits: write "
                    "all as whole numbers, or leave the column out with --drop"
                )
                raise BadFileError(table.place, reason, table.where(before + row))
        before += len(texts)


def _widen(table: TextTable, column: str, types: dict[str, Any], message: str) -> Any:
    if "UTF8" in message:
        raise BadFileError(table.place, f"the text of column {column!r} is not UTF-8", undecodable(table.path))
    return _WIDER.get(str(types.get(column, pa.null())), pa.string())


def _sniff(path: Path, place: str, options: ReadOptions, delimiter: str | None) -> TextTable:
    """Delimiter and header: the one that cuts the first line most often; a line of numbers only is no header."""
    try:
        head = read_head(path)
    except FileNotFoundError as error:
        raise UnreachableError(f"{place}: there is no such file") from error
    except (OSError, EOFError, zlib.error) as error:
        raise BadFileError(place, f"cannot be read: {error}") from error
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head:
        raise BadFileError(place, "is not UTF-8 text", "line 1")
    lines = head.removeprefix(_BYTE_ORDER_MARK).splitlines()
    skipped = first_line(lines)
    if skipped == len(lines):
        raise BadFileError(place, "the file is empty")
    try:
        first = lines[skipped].decode()
    except UnicodeDecodeError as error:
        raise BadFileError(place, "is not UTF-8 text", f"line {skipped + 1}") from error
    delimiter = delimiter or max(_DELIMITERS, key=first.count)
    names = _fields(first, delimiter)
    if len(names) == 1 and options.axes is None and not options.columns:
        raise BadFileError(
            place,
            f"one column, {first[:_MOST_TOLD]!r}: expected several, separated by commas, semicolons, bars or tabs",
            f"line {skipped + 1}",
        )
    has_header = not all(re.match(_NUMBER, name) for name in names)
    if not has_header:
        if options.axes is None:
            raise BadFileError(
                place, "holds numbers only, no names; name the columns with --axes X,Y,Z,...", f"line {skipped + 1}"
            )
        names = [*options.axes, *(f"column_{i}" for i in range(len(options.axes), len(names)))][: len(names)]
    names = [name or f"column_{i}" for i, name in enumerate(names)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadFileError(place, f"two columns are called {twice[0]!r}", f"line {skipped + 1}")
    least, most = _BLOCKS
    block = min(max(len(names) * _COLUMN_BYTES, least), most, max(options.batch_bytes, 1 << 16))
    return TextTable(path, place, delimiter, skipped, has_header, tuple(names), block)


def _fields(line: str, delimiter: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter))]


@contextmanager
def _explain(table: TextTable) -> Iterator[None]:
    try:
        yield
    except pa.ArrowInvalid as error:
        raise _as_bad_file(table, error) from error
    except OSError as error:
        raise BadFileError(table.place, f"cannot be read: {error}") from error


def _as_bad_file(table: TextTable, error: Exception) -> BadFileError:
    """The error with the line in which it shows, which the parser does not tell."""
    text = str(error)
    found = re.search(r"Expected (\d+) columns, got (\d+)", text)
    if found is None:
        return BadFileError(table.place, text)
    fields = "1 field" if found[2] == "1" else f"{found[2]} fields"
    line = uneven(table.path, table.delimiter, int(found[1]), table.skipped_lines)
    return BadFileError(table.place, f"{fields}, expected {found[1]} as in the first line", line)
