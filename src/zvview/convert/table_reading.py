"""Tables of points opened to be read: one file, or the files of a folder that share their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from zvview.convert.contract import ReadOptions, Skipped
from zvview.convert.file_sets import find_files
from zvview.convert.table_columns import OBJECT_ID, find_axes, find_object_column, stored_names
from zvview.convert.table_input import FILE, OpenTable, Table, TableInput
from zvview.convert.table_types import Summary, is_rounded_by, is_text, value_type
from zvview.convert.table_values import plan_column
from zvview.errors import BadFileError, InvalidInputError
from zvview.format import names as format_names
from zvview.format.metadata import Axis

__all__ = ["open_tables"]

_FLOAT32_INTEGERS = 1 << 24


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
            skipped.append(Skipped.of(file.place, error))
        else:
            tables.append((file.name, table))
    _refuse_none(path, tables, skipped)
    return _plan(str(path), tables, skipped, options)


def _refuse_none(path: object, tables: Sequence[object], skipped: Sequence[Skipped]) -> None:
    if not tables:
        raise BadFileError(str(path), f"none of its {len(skipped)} files can be read; the first: {skipped[0].reason}")


def _plan(path: str, tables: list[tuple[str, Table]], skipped: list[Skipped], options: ReadOptions) -> TableInput:
    first = tables[0][1]
    if missing := [name for name in options.drop if name not in first.names]:
        raise InvalidInputError(f"{path} has no column {missing[0]!r}; columns: {', '.join(first.names)}")
    axes = _told_axes(first, first.summaries, options) or find_axes(path, list(first.summaries), options)
    axis_names = [column for _, column in axes]
    if len(tables) > 1:
        tables = _leave_out_bad(tables, axis_names, skipped)
        _refuse_none(path, tables, skipped)
    first = tables[0][1]
    summaries = dict(first.summaries)
    for _, table in tables[1:]:
        summaries = {name: known.joined(table.summaries[name]) for name, known in summaries.items()}
    for _, table in tables:
        _check_exact(table, summaries)
    if len(tables) + len(skipped) > 1 and FILE not in summaries:
        summaries[FILE] = _file_summary([stem for stem, _ in tables])
    told = _told_columns(first)
    for column in axis_names:
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


def _leave_out_bad(
    tables: Sequence[tuple[str, Table]], axes: Sequence[str], skipped: list[Skipped]
) -> list[tuple[str, Table]]:
    """The tables whose axes hold nothing but finite numbers; the others are put into `skipped`."""
    good = []
    for stem, table in tables:
        found = [(name, table.summaries[name]) for name in axes]
        bad = next(
            (name for name, own in found if own.nulls or not own.is_finite or is_text(value_type(own.type))), None
        )
        if bad is None:
            good.append((stem, table))
        else:
            skipped.append(Skipped(table.place, f"column {bad!r} is an axis: {table.find_missing(bad)}"))
    return good


def _is_axis(own: Summary) -> bool:
    return own.is_finite and not own.nulls and not is_text(value_type(own.type))


def _check_exact(table: Table, joined: Mapping[str, Summary]) -> None:
    """Refuse integers that are rounded since another table holds floats in their column."""
    for name, own in table.summaries.items():
        if is_rounded_by(own, joined[name].type):
            reason = (
                f"column {name!r} holds whole numbers from {own.least} to {own.most}, which floats would round, and "
                "floats in other files: write all as whole numbers, or leave the column out with --drop"
            )
            raise BadFileError(table.place, reason)


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
