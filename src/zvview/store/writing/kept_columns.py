"""The columns of a level that is made of another: what they are is known, and rows are written as they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import AttributeMetadata

__all__ = ["Columns", "KeptColumns"]


class Columns(Protocol):
    """Names, metadata and stored form of the attributes of vertices or of links."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        ...

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of all columns."""
        ...

    def metadata(self, name: str) -> AttributeMetadata:
        """How a column is written."""
        ...

    def finished(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows of a column as they are written."""
        ...


class KeptColumns:
    """Columns of which all is known, codes of categories included.

    Parameters
    ----------
    entries : mapping of str to AttributeMetadata
    """

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[str, AttributeMetadata]) -> None:
        self._entries = dict(entries)

    @property
    def names(self) -> tuple[str, ...]:
        """See :class:`Columns`."""
        return tuple(self._entries)

    @property
    def row_bytes(self) -> int:
        """See :class:`Columns`."""
        return sum(e.dtype.itemsize * int(np.prod(e.row_shape, dtype=int)) for e in self._entries.values())

    def metadata(self, name: str) -> AttributeMetadata:
        """See :class:`Columns`."""
        return self._entries[name]

    def finished(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        """See :class:`Columns`; only the dtype is brought to the stored one."""
        return rows.astype(self._entries[name].dtype, copy=False)
