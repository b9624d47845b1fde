"""What a store keeps of the table that it was made of, so that its columns go out as they came in."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from zvview.convert.table_columns import OBJECT_ID

__all__ = ["METADATA_KEY", "Record", "RecordedColumn"]

METADATA_KEY = "zvview_table"
"""Key of ``user_metadata`` under which the record is kept."""


@dataclass(frozen=True, slots=True)
class RecordedColumn:
    """A column as it came in.

    Attributes
    ----------
    name : str
    stored : str or None
        The attribute that it became; None of axes and object ids.
    type : pyarrow.DataType
    has_missing : bool
    """

    name: str
    stored: str | None
    type: Any
    has_missing: bool


@dataclass(frozen=True, slots=True)
class Record:
    """The columns of a table.

    Attributes
    ----------
    columns : tuple of RecordedColumn
    axes : tuple of str
        Columns of the axes.
    object_column : str or None
    is_object_named : bool
        Whether the objects were named by text, not numbered.
    """

    columns: tuple[RecordedColumn, ...] = ()
    axes: tuple[str, ...] = ()
    object_column: str | None = None
    is_object_named: bool = False
    _by_name: Mapping[str, RecordedColumn] = field(default_factory=dict)

    @classmethod
    def parse(cls, user_metadata: Mapping[str, Any]) -> Record:
        """The record of a store; an empty one where there is none, or one that another program changed."""
        own = user_metadata.get(METADATA_KEY)
        try:
            schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(own["arrow_schema"])))  # type: ignore[index]
            columns = tuple(
                RecordedColumn(c["name"], c["stored"], schema.field(c["name"]).type, c["has_missing"])
                for c in own["columns"]  # type: ignore[index]
            )
            axes, objects = tuple(own["axes"]), own[OBJECT_ID]  # type: ignore[index]
            return cls(columns, axes, objects, bool(own["is_object_named"]), {c.name: c for c in columns})  # type: ignore[index]
        except (KeyError, TypeError, ValueError, pa.ArrowException):
            return cls()

    def document(self) -> dict[str, Any]:
        """As it is kept."""
        schema = pa.schema([pa.field(column.name, column.type) for column in self.columns])
        return {
            "columns": [{"name": c.name, "stored": c.stored, "has_missing": c.has_missing} for c in self.columns],
            "axes": list(self.axes),
            OBJECT_ID: self.object_column,
            "is_object_named": self.is_object_named,
            "arrow_schema": base64.b64encode(schema.serialize().to_pybytes()).decode(),
        }

    def name_of(self, stored: str) -> str:
        """The column that an attribute came from."""
        return next((column.name for column in self.columns if column.stored == stored), stored)

    def type_of(self, name: str, own: Any) -> Any:
        """The type of a column, `own` where it did not come from a table."""
        return self._by_name[name].type if name in self._by_name else own

    def had_missing(self, name: str) -> bool:
        """Whether values of a column were missing."""
        return name in self._by_name and self._by_name[name].has_missing
