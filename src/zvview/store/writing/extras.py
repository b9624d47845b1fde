"""What stands at the root beside the levels: parametric objects and foreign headers (format reference 12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zvview.errors import InvalidInputError
from zvview.format import documents, names
from zvview.geometry.arguments import as_mapping, check_type
from zvview.geometry.parametric import ParametricObjects
from zvview.store.writing.grid_cells import Putter
from zvview.store.writing.options import check_name
from zvview.store.writing.plain_cells import plain_cells, row_cells

__all__ = ["write_headers", "write_parametric"]


def write_headers(headers: Mapping[str, Mapping[str, Any]] | None) -> dict[str, dict[str, Any]]:
    """Documents of the headers of foreign formats, by path.

    Raises
    ------
    InvalidInputError
        A format's name that cannot be a group's, or a header that is no mapping.
    """
    given = as_mapping(headers, "headers")
    out = {names.HEADERS: documents.group()} if given else {}
    for name, header in given.items():
        check_name("header", name)
        out[f"{names.HEADERS}/{name}"] = documents.group(as_mapping(header, f"header {name!r}"))
    return out


def write_parametric(putter: Putter, parametric: ParametricObjects) -> dict[str, dict[str, Any]]:
    """Write parametric objects; gives the documents by path (12.1).

    Raises
    ------
    InvalidInputError
        No parametric objects; attributes of another length or of a dtype that cannot be stored.
    """
    check_type(parametric, "parametric", ParametricObjects, "zvview.ParametricObjects")
    path = names.PARAMETRIC
    count = len(parametric)
    types = {
        str(i): {"name": t.name, "coefficients": list(t.coefficients)} for i, t in sorted(parametric.types.items())
    }
    out = {path: documents.group({"parametric_types": types})}
    table = np.column_stack((parametric.type_ids.astype(np.float64), parametric.coefficients))
    own: dict[str, Any] = {names.ZV_ARRAY: "parametric_objects", "num_objects": count}
    own |= {"max_row_length": table.shape[1], "dtype": "float64"}
    _add(putter, out, f"{path}/objects", table, own)
    texts = [name.encode() for name in parametric.names] or [b""] * count
    _add_rows(putter, out, f"{path}/names", texts, {names.ZV_ARRAY: "parametric_names", "num_objects": count})
    for family, columns, rows in (
        (names.OBJECT_ATTRIBUTES, parametric.object_attributes, count),
        (names.GROUP_ATTRIBUTES, parametric.group_attributes, len(parametric.groups)),
    ):
        if columns:
            out[f"{path}/{family}"] = documents.group()
        for name, values in columns.items():
            check_name("parametric attribute", name)
            if values.ndim not in (1, 2) or len(values) != rows or 0 in values.shape[1:]:
                raise InvalidInputError(
                    f"parametric attribute {name!r} has shape {values.shape}, expected ({rows}, ...)"
                )
            _add(
                putter,
                out,
                f"{path}/{family}/{name}",
                values,
                {"dtype": values.dtype.name, "shape": list(values.shape)},
            )
    if parametric.groups:
        members = [np.asarray(g, "<i8").tobytes() for g in parametric.groups]
        _add_rows(putter, out, f"{path}/{names.GROUPS}", members, {"num_groups": len(members)})
    return out


def _add(
    putter: Putter, out: dict[str, dict[str, Any]], path: str, values: np.ndarray[Any, Any], attributes: dict[str, Any]
) -> None:
    out[path] = documents.plain_array(values, attributes, chunk_shape=[max(1, n) for n in values.shape])
    putter.put_many(plain_cells(path, out[path], values))


def _add_rows(
    putter: Putter, out: dict[str, dict[str, Any]], path: str, rows: list[bytes], attributes: dict[str, Any]
) -> None:
    out[path] = documents.row_array(len(rows), max(1, len(rows)), attributes)
    sizes = np.array([len(row) for row in rows], np.int64)
    putter.put_many(row_cells(path, out[path], np.frombuffer(b"".join(rows), np.uint8), sizes))
