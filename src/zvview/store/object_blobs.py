"""The object index before it became an array of byte rows: all manifests in one blob (format reference 18)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError
from zvview.format.manifests import Manifests, decode_manifests
from zvview.format.values import as_int, wrong
from zvview.store.blobs import read_ragged
from zvview.store.hierarchy import Hierarchy
from zvview.store.object_ids import ObjectIds

__all__ = ["ObjectBlobs"]


class ObjectBlobs:
    """An object index whose manifests are one blob with byte offsets; ids are row numbers."""

    def __init__(self, hierarchy: Hierarchy, path: str, attributes: Mapping[str, Any], sid_ndim: int) -> None:
        self._hierarchy, self._path = hierarchy, path
        part = "object index"
        try:
            self.sid_ndim = as_int(attributes.get("sid_ndim", sid_ndim), part, "sid_ndim", minimum=1)
            if self.sid_ndim != sid_ndim:
                raise wrong(part, "sid_ndim", self.sid_ndim, f"{sid_ndim}, as the grid has")
            declared = attributes.get("num_objects")
            self._declared = None if declared is None else as_int(declared, part, "num_objects", minimum=0)
        except DamagedError as error:
            raise error.at(path) from None
        self._manifests: Manifests | None = None

    @property
    def stored_rows(self) -> None:
        """All manifests are one blob."""
        return None

    @property
    def ids(self) -> ObjectIds:
        """Object id of each row: its number."""
        return ObjectIds(len(self._read(None).offsets) - 1)

    def read_manifests(self, rows: NDArray[np.int64] | None = None, cancel: CancelToken | None = None) -> Manifests:
        """Manifests of `rows`, in that order; of all rows by default."""
        manifests = self._read(cancel)
        return manifests if rows is None else manifests.select(rows)

    def _read(self, cancel: CancelToken | None) -> Manifests:
        if self._manifests is None:
            table = read_ragged(self._hierarchy, self._path, self._declared, cancel)
            try:
                self._manifests = decode_manifests(table.buffer, table.starts, table.sizes, self.sid_ndim)
            except DamagedError as error:
                raise error.at(self._path, [f"row {r}" for r in range(len(table))]) from None
        return self._manifests
