"""Cells on their way out: wrapped, compressed a wave at a time, put one by one or in shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zvview.format import documents
from zvview.format.cells import vlen_header
from zvview.format.grid import format_chunk_keys
from zvview.store.codecs import encode_wave, parse_codecs
from zvview.store.shard_index import encode_shard
from zvview.store.writing.sorting import run_starts

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["GridCells", "Putter"]


class Putter(Protocol):
    """What cells are put to: a sink, or anything that takes keys and the pieces of their objects."""

    def put_many(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> None:
        """Write each key's object as its pieces one after the other."""
        ...


class GridCells:
    """Writes the grid arrays of one level, which share one grid.

    Parameters
    ----------
    putter : Putter
    level_path : str
        Path of the level in the store, such as ``"0"``.
    origin, shape : (sid,) int64
        Grid of the level.
    codecs : list of dict
        Compressors of the cells.
    shard_shape : (sid,) int, optional
        Cells of a shard.

    Attributes
    ----------
    level_path : str
    documents : dict
        Document of each finished array by its path in the store.
    """

    def __init__(
        self,
        putter: Putter,
        level_path: str,
        origin: NDArray[np.int64],
        shape: NDArray[np.int64],
        codecs: Sequence[dict[str, Any]],
        shard_shape: Sequence[int] | None = None,
    ) -> None:
        self._putter, self.level_path = putter, level_path
        self._origin, self._shape = origin, shape
        self._codecs = list(codecs)
        self._chain = parse_codecs([{"name": "vlen-bytes", "configuration": {}}, *codecs], array=level_path).chain
        self._shard = None if shard_shape is None else np.array(shard_shape, np.int64)
        self._coords: dict[str, list[NDArray[np.int64]]] = {}
        self._open_shards: dict[str, tuple[NDArray[np.int64], list[Buffer], NDArray[np.int64]]] = {}
        self._keys: list[tuple[NDArray[np.int64], list[str]]] = []
        self.documents: dict[str, dict[str, Any]] = {}

    def order(self, coords: NDArray[np.int64]) -> NDArray[np.int64]:
        """The order in which cells at `coords` (n, sid), numbers ascending, must come: shard by shard."""
        if self._shard is None:
            return np.arange(len(coords))
        shards = (coords - self._origin) // self._shard
        return np.lexsort((np.arange(len(coords)), *shards.T[::-1]))

    def put(self, array: str, coords: NDArray[np.int64], payloads: Sequence[NDArray[np.uint8]]) -> None:
        """Write cells of an array of the level, in the order of :meth:`order` over all calls for the array.

        Parameters
        ----------
        coords : (n, sid) int64
            Absolute chunk coordinates.
        payloads : n uint8 arrays
        """
        self._coords.setdefault(array, []).append(coords)
        prefix = f"{self.level_path}/{array}/c/"
        if not self._chain and self._shard is None:
            names = ["/".join(map(str, c)) for c in (coords - self._origin).tolist()]
            items = zip(names, payloads, strict=True)
            self._putter.put_many((prefix + name, (vlen_header(len(p)), p.data)) for name, p in items)
            return
        wrapped = [np.concatenate((np.frombuffer(vlen_header(len(p)), np.uint8), p)) for p in payloads]
        cells: list[Buffer | None] = [cell.data for cell in wrapped]
        encoded = encode_wave(cells, self._chain) if self._chain else cells
        self._put_encoded(array, prefix, coords, [c for c in encoded if c is not None])

    def finish(self, array: str, attributes: Mapping[str, Any]) -> None:
        """Write what is left of an array and make its document."""
        self._flush(array, f"{self.level_path}/{array}/c/")
        parts = self._coords.pop(array, [np.empty((0, len(self._shape)), np.int64)])
        coords = np.concatenate(parts) if len(parts) > 1 else parts[0]
        self.documents[f"{self.level_path}/{array}"] = documents.grid_array(
            attributes,
            origin=self._origin.tolist(),
            shape=self._shape.tolist(),
            keys=self._sorted_keys(coords),
            codecs=self._codecs,
            shard_shape=None if self._shard is None else self._shard.tolist(),
        )

    def _put_encoded(self, array: str, prefix: str, coords: NDArray[np.int64], cells: list[Buffer]) -> None:
        if self._shard is None:
            names = ["/".join(map(str, c)) for c in (coords - self._origin).tolist()]
            self._putter.put_many((prefix + name, (cell,)) for name, cell in zip(names, cells, strict=True))
            return
        local = coords - self._origin
        shards = local // self._shard
        starts = [*run_starts(*shards.T).tolist(), len(coords)]
        for start, stop in pairwise(starts):
            shard, inside = shards[start], local[start:stop] - shards[start] * self._shard
            slots = np.ravel_multi_index(tuple(inside.T), tuple(self._shard.tolist())).astype(np.int64)
            there = self._open_shards.get(array)
            if there is not None and (there[0] == shard).all():
                self._open_shards[array] = (shard, there[1] + cells[start:stop], np.concatenate((there[2], slots)))
            else:
                self._flush(array, prefix)
                self._open_shards[array] = (shard, cells[start:stop], slots)

    def _flush(self, array: str, prefix: str) -> None:
        there = self._open_shards.pop(array, None)
        if there is None or self._shard is None:
            return
        shard, cells, slots = there
        table: list[Buffer | None] = [None] * int(self._shard.prod())
        for slot, cell in zip(slots.tolist(), cells, strict=True):
            table[slot] = cell
        self._putter.put_many([(prefix + "/".join(map(str, shard.tolist())), encode_shard(table))])

    def _sorted_keys(self, coords: NDArray[np.int64]) -> list[str]:
        """Keys of the chunks, sorted as strings; the arrays of a level mostly have the same ones."""
        for known, keys in self._keys:
            if np.array_equal(known, coords):
                return keys
        keys = sorted(format_chunk_keys(coords))
        if len(self._keys) < 2:
            self._keys.append((coords, keys))
        return keys
