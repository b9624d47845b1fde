"""Cells of some chunks of a level replaced in place, those of all others left as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zvview.format import documents, names
from zvview.format.grid import sort_chunks
from zvview.pyramid.coarse_plan import codecs_of
from zvview.pyramid.overlay import Overlay
from zvview.store.cell_arrays import GridArray
from zvview.store.shard_index import encode_shard
from zvview.store.writing.grid_cells import GridCells
from zvview.store.writing.sorting import run_starts

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["PatchedCells", "grid_arrays", "grid_of"]

Grid = tuple[NDArray[np.int64], NDArray[np.int64], list[int] | None]


def grid_arrays(level_documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The arrays with one cell for each chunk among the documents of a level, by path."""
    return {
        path: document
        for path, document in level_documents.items()
        if document.get("node_type") == "array" and names.NONEMPTY_CHUNKS in document["attributes"]
    }


def grid_of(document: Mapping[str, Any]) -> Grid:
    """Origin and shape of the grid of an array, and the shape of its shards if it has them."""
    codecs = document["codecs"]
    is_sharded = bool(codecs) and codecs[0].get("name") == "sharding_indexed"
    outer = [int(n) for n in document["chunk_grid"]["configuration"]["chunk_shape"]]
    shape = np.array(document["shape"], np.int64)
    origin = np.array(document["attributes"].get(names.CHUNK_GRID_ORIGIN) or [0] * len(shape), np.int64)
    return origin, shape, outer if is_sharded else None


class PatchedCells(GridCells):
    """The grid arrays of a level that is there, of which some cells are stale.

    What is put are all cells that shall stand in place of the stale ones; a stale cell for which none is put is no
    more, and an array without any cell neither. Shards keep their other cells as the very bytes that they were.

    Parameters
    ----------
    overlay : Overlay
    level_path : str
    known : mapping
        Documents of the grid arrays, by path, one at least; all of one grid, with one compressor.
    is_stale : callable
        ``is_stale(array, coords)`` tells which cells, (n,) bool, of an array of the level are stale.

    Attributes
    ----------
    changed : list of (array, (n, sid) int64)
        Cells whose bytes became others, or that came or went.
    """

    def __init__(
        self,
        overlay: Overlay,
        level_path: str,
        known: Mapping[str, Mapping[str, Any]],
        is_stale: Callable[[str, NDArray[np.int64]], NDArray[np.bool_]],
    ) -> None:
        like = next(iter(known.values()))
        self._fresh: dict[str, dict[tuple[int, ...], bytes]] = {}
        self._grid = grid_of(like)
        super().__init__(_Catcher(self._fresh), level_path, self._grid[0], self._grid[1], codecs_of(like))
        self._overlay, self._known, self._is_stale = overlay, known, is_stale
        self.changed: list[tuple[str, NDArray[np.int64]]] = []

    def finish(self, array: str, attributes: Mapping[str, Any]) -> None:
        """Put an array's cells in their places and make its document, if it has any cell."""
        self._coords.pop(array, None)
        path = f"{self.level_path}/{array}"
        fresh = self._fresh.pop(path, {})
        origin, shape, shard_shape = self._grid
        stored = GridArray(self._overlay, path, self._known[path]) if path in self._known else None
        there = np.empty((0, len(shape)), np.int64) if stored is None else stored.chunks
        is_stale = self._is_stale(array, there)
        new = np.array(list(fresh), np.int64).reshape(-1, len(shape)) + origin
        concerned = sort_chunks(np.concatenate((there[is_stale], new)))
        cells = [fresh.get(tuple(index)) for index in (concerned - origin).tolist()]
        if shard_shape is None:
            self._replace_cells(array, concerned, cells)
        else:
            self._replace_in_shards(array, concerned, cells, there[~is_stale], stored, np.array(shard_shape))
        kept = sort_chunks(np.concatenate((there[~is_stale], new)))
        if len(kept):
            self.documents[path] = documents.grid_array(
                attributes,
                origin=origin.tolist(),
                shape=shape.tolist(),
                keys=self._sorted_keys(kept),
                codecs=self._codecs,
                shard_shape=shard_shape,
            )

    def finish_rest(self) -> None:
        """Take the stale cells out of all arrays that were not finished."""
        written = (names.NONEMPTY_CHUNKS, names.CHUNK_GRID_ORIGIN)
        for path, document in self._known.items():
            if path not in self.documents:
                own = {k: v for k, v in document["attributes"].items() if k not in written}
                self.finish(path[len(self.level_path) + 1 :], own)

    def _replace_cells(self, array: str, coords: NDArray[np.int64], cells: Sequence[bytes | None]) -> None:
        prefix = f"{self.level_path}/{array}/c/"
        is_changed = np.zeros(len(coords), bool)
        for i, (index, cell) in enumerate(zip((coords - self._grid[0]).tolist(), cells, strict=True)):
            key = prefix + "/".join(map(str, index))
            if cell is None:
                self._overlay.remove([key])
            is_changed[i] = cell is None or self._overlay.put(key, cell)
        self.changed.append((array, coords[is_changed]))

    def _replace_in_shards(
        self,
        array: str,
        coords: NDArray[np.int64],
        cells: Sequence[bytes | None],
        kept: NDArray[np.int64],
        stored: GridArray | None,
        shard_shape: NDArray[np.int64],
    ) -> None:
        """Shards that hold one of the cells, made of these and of the encoded ones that they keep."""
        shards = (coords - self._grid[0]) // shard_shape
        order = np.lexsort(shards.T[::-1])
        starts = [*run_starts(*shards[order].T).tolist(), len(order)]
        of_kept = (kept - self._grid[0]) // shard_shape
        for start, stop in pairwise(starts):
            members, shard = order[start:stop], shards[order[start]]
            others = kept[(of_kept == shard).all(axis=1)]
            concerned = coords[members]
            before = _encoded_cells(self._overlay, stored, np.concatenate((concerned, others)))
            fresh = [cells[i] for i in members.tolist()]
            is_changed = np.array([a != b for a, b in zip(before, fresh, strict=False)], bool)
            self.changed.append((array, concerned[is_changed]))
            table: list[Buffer | None] = [None] * int(shard_shape.prod())
            local = np.concatenate((concerned, others)) - self._grid[0] - shard * shard_shape
            slots = np.ravel_multi_index(tuple(local.T), tuple(shard_shape.tolist())).tolist()
            for slot, cell in zip(slots, [*fresh, *before[len(fresh) :]], strict=True):
                table[slot] = cell
            key = f"{self.level_path}/{array}/c/" + "/".join(map(str, shard.tolist()))
            if any(cell is not None for cell in table):
                self._overlay.put_many([(key, encode_shard(table))])
            else:
                self._overlay.remove([key])


def _encoded_cells(overlay: Overlay, stored: GridArray | None, coords: NDArray[np.int64]) -> list[bytes | None]:
    """The bytes of cells as they stand in their shards, None for those that are not there."""
    if stored is None or not len(coords):
        return [None] * len(coords)
    stored.prepare(requests := stored.preparation(coords), overlay.get_many(requests))
    plan = stored.plan(coords)
    answers = overlay.get_many(plan.requests)
    out: list[bytes | None] = []
    for place in plan.places:
        data = None if place is None else answers[place[0]]
        out.append(None if place is None or data is None else bytes(memoryview(data)[place[1] : place[2]]))
    return out


class _Catcher:
    """Takes encoded cells by array and index."""

    def __init__(self, cells: dict[str, dict[tuple[int, ...], bytes]]) -> None:
        self._cells = cells

    def put_many(self, items: Any) -> None:
        for key, pieces in items:
            path, _, index = key.rpartition("/c/")
            self._cells.setdefault(path, {})[tuple(map(int, index.split("/")))] = b"".join(pieces)
