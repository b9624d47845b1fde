"""Points of a store as a table: positions, object ids, attributes of points, and those of their objects beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv as pcsv  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from zvview.convert.appearing import appear
from zvview.convert.contract import Outgoing
from zvview.convert.selecting import read_selected
from zvview.convert.table_arrow import as_type, choose_type, label_array, value_array
from zvview.convert.table_columns import OBJECT_ID
from zvview.convert.table_objects import NO_OBJECT
from zvview.convert.table_parquet import METADATA_KEY as PARQUET_KEY
from zvview.convert.table_record import Record
from zvview.format.attributes import AttributeMetadata
from zvview.geometry.batches import Points

__all__ = ["write_parquet", "write_text"]


@dataclass(frozen=True, slots=True, eq=False)
class _OutColumn:
    """One column: its name and type, what it says of itself, and its rows of a batch."""

    name: str
    type: Any
    told: Mapping[str, Any]
    rows: Callable[[Points], Any]


def write_parquet(path: Path, outgoing: Outgoing) -> None:
    """Write a Parquet file, with axes, units and roles of the columns in its metadata.

    Raises
    ------
    ExistsError, UnreachableError
        The file is there, or cannot be written.
    """
    columns = _columns(outgoing, as_text=False)
    told = {column.name: dict(column.told) for column in columns if column.told}
    names = _axis_names(outgoing, Record.parse(outgoing.store.user_metadata))
    own: dict[str, Any] = {
        "axes": [a.document() | {"column": n} for a, n in zip(outgoing.store.axes, names, strict=True)],
        "columns": told,
    }
    own |= {OBJECT_ID: next((c.name for c in columns if c.told.get("role") == OBJECT_ID), None)}
    schema = pa.schema([(column.name, column.type) for column in columns], {PARQUET_KEY: json.dumps(own)})
    with appear(path) as aside, pq.ParquetWriter(aside, schema) as writer:
        for batch in _batches(outgoing, columns, schema):
            writer.write_batch(batch)


def write_text(path: Path, outgoing: Outgoing, delimiter: str) -> None:
    """Write a text table: UTF-8, a header, text in quotes, missing values empty, floats as short as they can be.

    Raises
    ------
    ExistsError, UnreachableError
        The file is there, or cannot be written.
    """
    columns = [part for column in _columns(outgoing, as_text=True) for part in _split_channels(column)]
    schema = pa.schema([(column.name, column.type) for column in columns])
    compression = "gzip" if path.name.lower().endswith(".gz") else None
    options = pcsv.WriteOptions(delimiter=delimiter)
    with (
        appear(path) as aside,
        pa.output_stream(str(aside), compression=compression) as stream,
        pcsv.CSVWriter(stream, schema, write_options=options) as writer,
    ):
        for batch in _batches(outgoing, columns, schema):
            writer.write_batch(batch)


def _batches(outgoing: Outgoing, columns: list[_OutColumn], schema: Any) -> Iterator[Any]:
    for batch in read_selected(outgoing):
        assert isinstance(batch, Points)
        yield pa.RecordBatch.from_arrays([column.rows(batch) for column in columns], schema=schema)


def _columns(outgoing: Outgoing, *, as_text: bool) -> list[_OutColumn]:
    """Columns as they came in, where the store was made of a table, then all others."""
    record = Record.parse(outgoing.store.user_metadata)
    out = _axis_columns(outgoing, record)
    taken = {column.name for column in out}
    level = outgoing.level
    if level.object_ids is not None and not record.is_object_named:
        out.append(_object_column(_free(record.object_column or OBJECT_ID, taken), record))
    for stored, metadata in level.attributes.items():
        out.append(_attribute_column(_free(record.name_of(stored), taken), stored, metadata, record, as_text))
    for stored in level.object_attribute_names:
        name = record.name_of(stored)
        out.append(_joined_column(_free(f"object_{name}" if name in taken else name, taken), stored, outgoing, record))
    place = {column.name: i for i, column in enumerate(record.columns)}
    return sorted(out, key=lambda column: place.get(column.name, len(place)))


def _axis_names(outgoing: Outgoing, record: Record) -> list[str]:
    """Names of the columns of the axes: those that they came from, where there are as many."""
    names = [axis.name for axis in outgoing.store.axes]
    return list(record.axes) if len(record.axes) == len(names) else names


def _axis_columns(outgoing: Outgoing, record: Record) -> list[_OutColumn]:
    names = _axis_names(outgoing, record)
    own = pa.from_numpy_dtype(outgoing.level.dtype)
    wanted = [record.type_of(name, own) for name in names]
    kinds = [kind if pa.types.is_integer(kind) or pa.types.is_floating(kind) else own for kind in wanted]
    if any(not kind.equals(own) for kind in kinds):
        kinds = [kind if fits else own for kind, fits in zip(kinds, _find_fitting(outgoing, kinds), strict=True)]

    def rows(d: int) -> Callable[[Points], Any]:
        return lambda batch: as_type(value_array(np.ascontiguousarray(batch.positions[:, d])), kinds[d])

    return [_OutColumn(name, kinds[d], {}, rows(d)) for d, name in enumerate(names)]


def _find_fitting(outgoing: Outgoing, kinds: Sequence[Any]) -> list[bool]:
    """Whether the type of each axis tells all its coordinates, which may have been moved since they came in."""
    dtypes = [np.dtype(kind.to_pandas_dtype()) for kind in kinds]
    out = [True] * len(kinds)
    for batch in read_selected(replace(outgoing, progress=None), attributes=[]):
        for d, dtype in enumerate(dtypes):
            column = batch.positions[:, d]
            with np.errstate(over="ignore", invalid="ignore"):
                out[d] &= bool((column.astype(dtype).astype(column.dtype) == column).all())
    return out


def _object_column(name: str, record: Record) -> _OutColumn:
    wanted = record.type_of(name, pa.int64())
    kind = wanted if pa.types.is_integer(wanted) else pa.int64()

    def rows(batch: Points) -> Any:
        assert batch.object_ids is not None
        absent = (batch.object_ids == NO_OBJECT) & record.had_missing(name)
        return as_type(value_array(batch.object_ids, mask=absent), kind)

    return _OutColumn(name, kind, {"role": OBJECT_ID}, rows)


def _attribute_column(name: str, stored: str, metadata: AttributeMetadata, record: Record, as_text: bool) -> _OutColumn:
    told: dict[str, Any] = {k: getattr(metadata, k) for k in ("unit", "description") if getattr(metadata, k)}
    if metadata.row_shape and metadata.channel_names:
        told["channels"] = list(metadata.channel_names)
    own: Any = pa.from_numpy_dtype(metadata.dtype)
    if metadata.categories is not None:
        own = pa.string() if as_text or metadata.row_shape else pa.dictionary(pa.int32(), pa.string())
        if metadata.categories.ordered:
            told["labels"] = list(metadata.categories.labels)
    if metadata.row_shape:
        own = pa.list_(own, int(np.prod(metadata.row_shape, dtype=int)))
    kind = choose_type(record.type_of(name, own), own)
    hides_nan = as_text or record.had_missing(name)

    def rows(batch: Points) -> Any:
        if stored in batch.categories:
            return as_type(label_array(batch, stored), kind)
        return as_type(value_array(batch.attributes[stored], hides_nan=hides_nan), kind)

    return _OutColumn(name, kind, told, rows)


def _joined_column(name: str, stored: str, outgoing: Outgoing, record: Record) -> _OutColumn:
    """An attribute of objects, repeated for each of their points."""
    ids = outgoing.level.object_ids
    assert ids is not None
    values = outgoing.level.object_attribute(stored)
    order = np.argsort(ids, kind="stable")
    data, mask = np.ma.getdata(values), np.ma.getmaskarray(values)
    own: Any = pa.string() if data.dtype.kind == "U" else pa.from_numpy_dtype(data.dtype)
    own = own if data.ndim == 1 else pa.list_(own, data.shape[1])
    kind = choose_type(record.type_of(name, own), own)
    is_name = record.is_object_named and name == record.object_column
    told: dict[str, Any] = {"role": OBJECT_ID if is_name else "object_attribute"}
    spec = outgoing.store.metadata.attribute_specs.get("object", {}).get(stored, {})
    told |= {key: spec[key] for key in ("unit", "description") if isinstance(spec.get(key), str)}

    def rows(batch: Points) -> Any:
        assert batch.object_ids is not None
        at = order[np.minimum(np.searchsorted(ids, batch.object_ids, sorter=order), len(ids) - 1)]
        return as_type(value_array(data[at], mask=mask[at]), kind)

    return _OutColumn(name, kind, told, rows)


def _split_channels(column: _OutColumn) -> list[_OutColumn]:
    """A column for each channel, since text holds no lists; dictionaries as plain text."""
    if pa.types.is_dictionary(column.type):
        plain = column.type.value_type
        return [_OutColumn(column.name, plain, column.told, lambda batch: as_type(column.rows(batch), plain))]
    if not pa.types.is_fixed_size_list(column.type):
        return [column]
    width, kind = column.type.list_size, column.type.value_type
    names = column.told.get("channels") or [str(i) for i in range(width)]

    def part(i: int) -> Callable[[Points], Any]:
        return lambda batch: column.rows(batch).flatten().take(pa.array(np.arange(i, len(batch) * width, width)))

    return [_OutColumn(f"{column.name}.{names[i]}", kind, {}, part(i)) for i in range(width)]


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with a number behind where it is taken; it is taken then."""
    out, number = name, 2
    while out in taken:
        out, number = f"{name}_{number}", number + 1
    taken.add(out)
    return out
