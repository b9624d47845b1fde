"""Reading the parametric objects of a store, in both layouts (format reference 12.1, 18)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format import names
from zvview.format.values import as_int, as_mapping, as_str, as_str_list
from zvview.geometry.parametric import BUILT_IN_TYPES, ParametricObjects, ParametricType
from zvview.store.blobs import DATA, is_blob, read_blob, read_ragged, read_values
from zvview.store.hierarchy import Hierarchy
from zvview.store.layout_09 import split_int64_rows
from zvview.store.plain_arrays import document_of, read_plain_array
from zvview.store.table_chunks import ByteRows

__all__ = ["parse_parametric_types", "read_parametric", "shape_parametric"]

_PART = "parametric objects"


def read_parametric(hierarchy: Hierarchy) -> ParametricObjects | None:
    """The parametric objects of a store, or None."""
    attributes = hierarchy.attributes(names.PARAMETRIC)
    if attributes is None:
        return None
    path = f"{names.PARAMETRIC}/objects"
    document = hierarchy.document(path)
    if document is None:
        return None
    if document["node_type"] == "group":
        return _read_blobs(hierarchy, attributes, document["attributes"])
    table = read_plain_array(hierarchy, path, document)
    labels: tuple[str, ...] = ()
    if (text := hierarchy.document(f"{names.PARAMETRIC}/names")) is not None:
        rows = ByteRows(hierarchy, f"{names.PARAMETRIC}/names", text).read()
        data = rows.buffer.tobytes()
        spans = zip(rows.starts.tolist(), rows.sizes.tolist(), strict=True)
        labels = tuple(data[start : start + size].decode(errors="replace") for start, size in spans)
    groups: tuple[NDArray[np.int64], ...] = ()
    if (document := hierarchy.document(f"{names.PARAMETRIC}/{names.GROUPS}")) is not None:
        members = ByteRows(hierarchy, f"{names.PARAMETRIC}/{names.GROUPS}", document).read()
        groups = tuple(split_int64_rows(members.buffer, members.starts, members.sizes, f"{names.PARAMETRIC}/groups"))
    return shape_parametric(
        table,
        parse_parametric_types(attributes),
        labels,
        _arrays(hierarchy, names.OBJECT_ATTRIBUTES),
        groups,
        _arrays(hierarchy, names.GROUP_ATTRIBUTES),
    )


def _read_blobs(
    hierarchy: Hierarchy, attributes: Mapping[str, Any], described: Mapping[str, Any]
) -> ParametricObjects | None:
    """The parametric objects of a store before format 0.8: blobs, each under a group that describes it (18)."""
    root, path = names.PARAMETRIC, f"{names.PARAMETRIC}/objects"
    if not is_blob(hierarchy, f"{path}/{DATA}"):
        return None
    shape = [as_int(described.get(n), _PART, n, minimum=0) for n in ("num_objects", "max_row_length")]
    table = read_values(hierarchy, path, {"dtype": described.get("dtype", "float64"), "shape": shape})
    labels: tuple[str, ...] = ()
    if is_blob(hierarchy, f"{root}/names/{DATA}"):
        labels = tuple(read_blob(hierarchy, f"{root}/names/{DATA}").tobytes().decode(errors="replace").split("\n"))
    groups: tuple[NDArray[np.int64], ...] = ()
    if is_blob(hierarchy, f"{root}/{names.GROUPS}/{DATA}"):
        rows = read_ragged(hierarchy, f"{root}/{names.GROUPS}", None)
        groups = tuple(split_int64_rows(rows.buffer, rows.starts, rows.sizes, f"{root}/{names.GROUPS}"))
    return shape_parametric(
        table,
        parse_parametric_types(attributes),
        labels,
        _blobs(hierarchy, names.OBJECT_ATTRIBUTES),
        groups,
        _blobs(hierarchy, names.GROUP_ATTRIBUTES),
    )


def _blobs(hierarchy: Hierarchy, family: str) -> dict[str, NDArray[Any]]:
    root = f"{names.PARAMETRIC}/{family}"
    return {
        name: read_values(hierarchy, f"{root}/{name}", hierarchy.attributes(f"{root}/{name}") or {})
        for name in hierarchy.children(root)
        if is_blob(hierarchy, f"{root}/{name}/{DATA}")
    }


def _arrays(hierarchy: Hierarchy, family: str) -> dict[str, NDArray[Any]]:
    root = f"{names.PARAMETRIC}/{family}"
    return {
        name: read_plain_array(hierarchy, f"{root}/{name}", document_of(hierarchy, f"{root}/{name}"))
        for name in hierarchy.children(root)
    }


def parse_parametric_types(attributes: Mapping[str, Any]) -> dict[int, ParametricType]:
    """The built-in types and those that the group declares."""
    out = dict(BUILT_IN_TYPES)
    for text, entry in as_mapping(attributes.get("parametric_types") or {}, _PART, "parametric_types").items():
        field = f"parametric_types.{text}"
        if not (text.isascii() and text.isdigit()) or len(text) > 9:
            raise DamagedError(_PART, found=field, expected="a number as type id", array=names.PARAMETRIC)
        entry = as_mapping(entry, _PART, field)
        out[int(text)] = ParametricType(
            as_str(entry.get("name"), _PART, field), as_str_list(entry.get("coefficients"), _PART, field)
        )
    return out


def shape_parametric(
    table: NDArray[Any],
    types: dict[int, ParametricType],
    labels: tuple[str, ...],
    object_attributes: dict[str, NDArray[Any]],
    groups: tuple[NDArray[np.int64], ...],
    group_attributes: dict[str, NDArray[Any]],
) -> ParametricObjects:
    """The model from a table of (type id, coefficients...) rows."""
    if table.ndim != 2 or table.shape[1] < 1 or table.dtype.kind != "f":
        raise DamagedError(_PART, found=f"{table.dtype} of shape {table.shape}", expected="float64 (n, 1 + C)")
    numbers = table[:, 0]
    if not np.isin(numbers, list(types)).all():
        found = f"type id {numbers[~np.isin(numbers, list(types))][0]}"
        raise DamagedError(_PART, found=found, expected=f"one of {sorted(types)}", array=names.PARAMETRIC)
    widths = np.array([len(types[int(t)].coefficients) for t in numbers.tolist()], np.int64)
    if len(widths) and widths.max() > table.shape[1] - 1:
        found = f"{table.shape[1] - 1} coefficients"
        raise DamagedError(_PART, found=found, expected=f"{widths.max()}", array=names.PARAMETRIC)
    return ParametricObjects(
        numbers.astype(np.int64),
        table[:, 1:],
        labels if len(labels) == len(table) else (),
        types,
        object_attributes,
        groups,
        group_attributes,
    )
