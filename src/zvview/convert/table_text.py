"""CSV and TSV files: their delimiter, header and types, found in one pass, and then their rows as batches."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.csv as pcsv  # type: ignore[import-untyped]

from zvview.convert.contract import ReadOptions
from zvview.convert.table_types import Summary, summarize
from zvview.errors import BadFileError, UnreachableError

__all__ = ["TextTable", "open_text_table"]

_DELIMITERS = ",\t;|"
_MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "#N/A", "NULL", "null", "None", "<NA>"]
_HEAD_BYTES = 1 << 16
_BLOCKS = (1 << 16, 1 << 28)  # bytes at a time: least and most
_CONVERSION = re.compile(r"In CSV column #(\d+): (.*)", re.DOTALL)
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
        with _explain(self):
            yield from self._open(types, include=list(types))

    def where(self, row: int) -> str:
        """The line of a row of data, as an editor counts."""
        if self.has_line_breaks:
            return f"row {row + 1}"
        with _open_bytes(self.path) as stream:
            left = row + 1 + self.has_header
            for number, line in enumerate(stream, 1):
                left -= number > self.skipped_lines and bool(line.strip(b"\r\n"))
                if not left:
                    return f"line {number}"
        return f"row {row + 1}"

    def find_missing(self, column: str) -> str:
        """Place and text of the first row without a number in `column`."""
        before = 0
        for batch in self._open({column: pa.string()}, include=[column]):
            texts = pc.fill_null(batch.column(0), "")
            bad = pc.index(pc.match_substring_regex(texts, _NUMBER), pa.scalar(False)).as_py()
            if bad >= 0:
                return f"{self.where(before + bad)}: {texts[bad].as_py()!r} is no number"
            before += len(texts)
        return "a value is no number"

    def _open(self, types: dict[str, Any], include: Sequence[str] = ()) -> Any:
        stream = pa.input_stream(str(self.path), compression="gzip" if _is_gzip(self.path) else None)
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
            return replace(table, summaries=_scan(table, types, options))
        except OSError as error:
            raise BadFileError(place, f"cannot be read: {error}") from error
        except pa.ArrowInvalid as error:
            found = _CONVERSION.match(str(error))
            if found is not None:
                column = table.names[int(found[1])]
                types[column] = _widen(table, column, types, str(error))
            elif not table.has_line_breaks and "parse error" in str(error) and _has_quotes(path):
                table = replace(table, has_line_breaks=True)
            else:
                raise _as_bad_file(table, error) from error


def _scan(table: TextTable, types: dict[str, Any], options: ReadOptions) -> dict[str, Summary]:
    wanted = [name for name in table.names if name not in options.drop]
    reader = table._open(types, wanted)
    types |= {name: reader.schema.field(name).type for name in wanted}
    if raw := [name for name in wanted if pa.types.is_binary(types[name])]:
        raise BadFileError(table.place, f"the text of column {raw[0]!r} is not UTF-8", _not_utf8(table))
    found = {name: Summary(types[name]) for name in wanted}
    for batch in reader:
        if options.cancel is not None:
            options.cancel.raise_if_cancelled()
        for name, column in zip(wanted, batch.columns, strict=True):
            if pa.types.is_floating(column.type) and not found[name].is_short:
                own = Summary(column.type, len(column), column.null_count, is_short=False)
            else:
                own = summarize(column, is_text_source=True)
            found[name] = found[name].joined(own)
    return found


def _widen(table: TextTable, column: str, types: dict[str, Any], message: str) -> Any:
    if "UTF8" in message:
        raise BadFileError(table.place, f"the text of column {column!r} is not UTF-8", _not_utf8(table))
    return _WIDER.get(str(types.get(column, pa.null())), pa.string())


def _sniff(path: Path, place: str, options: ReadOptions, delimiter: str | None) -> TextTable:
    """Delimiter and header: the one that cuts the first line most often; a line of numbers only is no header."""
    try:
        with _open_bytes(path) as stream:
            head = stream.read(_HEAD_BYTES)
    except FileNotFoundError as error:
        raise UnreachableError(f"{place}: there is no such file") from error
    except (OSError, EOFError, zlib.error) as error:
        raise BadFileError(place, f"cannot be read: {error}") from error
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head:
        raise BadFileError(place, "is not UTF-8 text", "line 1")
    lines = head.removeprefix(b"\xef\xbb\xbf").splitlines()
    skipped = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith(b"#")), len(lines))
    if skipped == len(lines):
        raise BadFileError(place, "the file is empty")
    try:
        first = lines[skipped].decode()
    except UnicodeDecodeError as error:
        raise BadFileError(place, "is not UTF-8 text", f"line {skipped + 1}") from error
    delimiter = delimiter or max(_DELIMITERS, key=first.count)
    names = _fields(first, delimiter)
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
    block = min(max(options.batch_bytes, least), most)
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
    reason = f"{found[2]} fields where the first line has {found[1]}"
    return BadFileError(table.place, reason, _uneven_line(table, int(found[1])))


def _uneven_line(table: TextTable, expected: int) -> str:
    with _open_bytes(table.path) as stream:
        lines = io.TextIOWrapper(stream, "utf-8", errors="replace", newline="")
        reader = csv.reader(lines, delimiter=table.delimiter)
        for fields in reader:
            if reader.line_num > table.skipped_lines and fields and len(fields) != expected:
                return f"line {reader.line_num}"
    return ""


def _not_utf8(table: TextTable) -> str:
    with _open_bytes(table.path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f"line {number}"
    return ""


def _open_bytes(path: Path) -> IO[bytes]:
    return gzip.open(path) if _is_gzip(path) else path.open("rb")  # type: ignore[return-value]


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _has_quotes(path: Path) -> bool:
    with _open_bytes(path) as stream:
        return any(b'"' in block for block in iter(lambda: stream.read(1 << 20), b""))
