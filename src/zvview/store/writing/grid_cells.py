"""Cells on their way out: wrapped, compressed a wave at a time, put one by one or in shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zvview.format import documents
from zvview.format.cells import vlen_header
from zvview.format.grid import format_chunk_keys
from zvview.store.codecs import CodecChain, encode_wave, parse_codecs
from zvview.store.shard_index import encode_shard
from zvview.store.writing.sorting import run_starts

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["GridCells", "Pieces", "Putter", "encode_cells"]

Pieces: TypeAlias = "Sequence[Buffer]"
"""Of a cell as it is stored, which has one at least; none stand for a cell that is not there."""


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
        self._open_shards: dict[str, tuple[NDArray[np.int64], list[Pieces], NDArray[np.int64]]] = {}
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
        self._put_encoded(array, f"{self.level_path}/{array}/c/", coords, encode_cells(payloads, self._chain))

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

    def _put_encoded(self, array: str, prefix: str, coords: NDArray[np.int64], cells: list[Pieces]) -> None:
        if self._shard is None:
            names = format_chunk_keys(coords - self._origin, "/")
            self._putter.put_many((prefix + name, pieces) for name, pieces in zip(names, cells, strict=True))
            return
        local = coords - self._origin
        shards = local // self._shard
        starts = [*run_starts(*shards.T).tolist(), len(coords)]
        for start, stop in pairwise(starts):
            shard, inside = shards[start], local[start:stop] - shards[start] * self._shard
            slots = np.ravel_multi_index(tuple(inside.T), tuple(self._shard.tolist())).astype(np.int64)
            own = cells[start:stop]
            if stop == len(coords):  # they wait for others, and what they are views of need not
                own = [(b"".join(pieces),) for pieces in own]
            there = self._open_shards.get(array)
            if there is not None and (there[0] == shard).all():
                self._open_shards[array] = (shard, there[1] + own, np.concatenate((there[2], slots)))
            else:
                self._flush(array, prefix)
                self._open_shards[array] = (shard, own, slots)

    def _flush(self, array: str, prefix: str) -> None:
        there = self._open_shards.pop(array, None)
        if there is None or self._shard is None:
            return
        shard, cells, slots = there
        table: list[Pieces] = [()] * int(self._shard.prod())
        for slot, pieces in zip(slots.tolist(), cells, strict=True):
            table[slot] = pieces
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


def encode_cells(payloads: Sequence[NDArray[np.uint8]], chain: CodecChain) -> list[Pieces]:
    """Cells as they are stored, each with its header and compressed: the pieces of each, one at least."""
    pieces: list[Pieces] = [(vlen_header(len(payload)), payload.data) for payload in payloads]
    if not chain:
        return pieces  # joined once, in a file or a shard
    return [(cell,) for cell in encode_wave([b"".join(parts) for parts in pieces], chain) if cell is not None]
