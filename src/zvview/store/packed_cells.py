"""Cells that a tool has packed into arrays ``__shard_<id>`` in the layout before 0.8 (format reference 18)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.values import as_int_list, as_mapping, wrong
from zvview.store.blobs import read_blob
from zvview.store.hierarchy import Hierarchy

__all__ = ["PACKED_PREFIX", "PackedCells"]

PACKED_PREFIX = "__shard_"
_KEPT_BYTES = 64 << 20  # of unpacked arrays; cells of neighbouring chunks lie in the same one


class PackedCells:
    """The packed cells of one family. Each array's attribute ``shard_index`` maps chunk keys to (offset, nbytes).

    Packed arrays are usually compressed as a whole, so that they are read whole, and the last ones are kept.

    Parameters
    ----------
    hierarchy : Hierarchy
    path : str
        The family's group.
    names : iterable of str
        Names of the packed arrays in it.
    is_key : callable
        Tells chunk keys of the family's grid.

    Raises
    ------
    DamagedError
        An index that names no chunk, or bytes beyond its array.
    """

    def __init__(self, hierarchy: Hierarchy, path: str, names: Iterable[str], is_key: Callable[[str], bool]) -> None:
        self._hierarchy = hierarchy
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, NDArray[np.uint8]] = OrderedDict()
        self._places: dict[str, tuple[str, int, int]] = {}
        paths = [f"{path}/{name}" for name in names]
        for shard, document in zip(paths, hierarchy.documents(paths), strict=True):
            if document is not None:
                try:
                    self._add(shard, document, is_key)
                except DamagedError as error:
                    raise error.at(shard) from None

    def _add(self, shard: str, document: Mapping[str, Any], is_key: Callable[[str], bool]) -> None:
        part = "index of packed cells"
        (size,) = as_int_list(document.get("shape"), part, "shape", 1)
        index = as_mapping(document["attributes"].get("shard_index") or {}, part, "shard_index")
        for key, span in index.items():
            start, nbytes = as_int_list(span, part, f"shard_index.{key}"[:80], 2)
            if not is_key(key) or start < 0 or nbytes < 0 or start + nbytes > size:
                raise wrong(part, "shard_index", {key: span}, f"a chunk and a place in {size} bytes")
            self._places[key] = (shard, start, start + nbytes)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    @property
    def keys(self) -> list[str]:
        """Chunk keys of the packed cells."""
        return list(self._places)

    def read(self, key: str) -> NDArray[np.uint8]:
        """Payload of a packed cell, a view into the unpacked array.

        Raises
        ------
        DamagedError
            The packed array cannot be read.
        """
        shard, start, stop = self._places[key]
        return self._unpack(shard)[start:stop]

    def _unpack(self, shard: str) -> NDArray[np.uint8]:
        with self._lock:
            if shard not in self._kept:
                self._kept[shard] = read_blob(self._hierarchy, shard)
                while len(self._kept) > 1 and sum(map(len, self._kept.values())) > _KEPT_BYTES:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(shard)
            return self._kept[shard]
