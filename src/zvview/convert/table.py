"""Tables of points: CSV, TSV and Parquet files, read and written with pyarrow."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from zvview.convert.contract import Format, Outgoing, ReadOptions
from zvview.convert.table_input import OpenTable, Table, TableInput
from zvview.convert.table_parquet import open_parquet_table
from zvview.convert.table_reading import open_tables
from zvview.convert.table_text import open_text_table
from zvview.convert.table_writing import write_parquet, write_text
from zvview.format import names

__all__ = ["FORMATS"]

_CSV, _TSV, _PARQUET = (".csv", ".csv.gz"), (".tsv", ".tsv.gz", ".tab"), (".parquet", ".pq")


def _opener(suffixes: tuple[str, ...], open_table: OpenTable) -> partial[TableInput]:
    return partial(open_tables, suffixes=suffixes, open_table=open_table)


def _open_csv(path: Path, place: str, options: ReadOptions) -> Table:
    return open_text_table(path, place, options, None)


def _open_tsv(path: Path, place: str, options: ReadOptions) -> Table:
    return open_text_table(path, place, options, "\t")


def _write_csv(path: Path, outgoing: Outgoing) -> None:
    write_text(path, outgoing, ",")


def _write_tsv(path: Path, outgoing: Outgoing) -> None:
    write_text(path, outgoing, "\t")


_POINTS = (names.POINT_CLOUD,)

FORMATS: tuple[Format, ...] = (
    Format("csv", "CSV tables", _CSV, _POINTS, _opener(_CSV, _open_csv), _write_csv),
    Format("tsv", "TSV tables", _TSV, _POINTS, _opener(_TSV, _open_tsv), _write_tsv),
    Format("parquet", "Parquet tables", _PARQUET, _POINTS, _opener(_PARQUET, open_parquet_table), write_parquet),
)
