"""Cells of some chunks of a level replaced in place, those of all others left as they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format import documents, names
from zvview.format.grid import ChunkTable, format_chunk_keys, sort_chunks
from zvview.format.sequences import group_rows
from zvview.store.cell_arrays import CellArray, GridArray
from zvview.store.codecs import parse_codecs
from zvview.store.hierarchy import Hierarchy
from zvview.store.patching.overlay import Overlay
from zvview.store.shard_index import encode_shard
from zvview.store.waves import read_cells
from zvview.store.writing.grid_cells import GridCells, Pieces, encode_cells

__all__ = ["PatchedCells", "compressors_of", "grid_arrays", "grid_of"]

_OF_LINKS = (names.LINKS, names.LINK_ATTRIBUTES, names.LINK_FRAGMENTS)
_CELLS_AT_ONCE = 256  # of shards that are written anew; what is kept of them is in memory twice
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


def compressors_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compressors of the cells of a grid array."""
    codecs = list(document["codecs"])
    if codecs and codecs[0].get("name") == "sharding_indexed":
        codecs = list(codecs[0]["configuration"]["codecs"])
    return [dict(codec) for codec in codecs if codec.get("name") != "vlen-bytes"]


class PatchedCells(GridCells):
    """The grid arrays of a level that is there, of which some cells are stale.

    What is put are all cells that shall stand in place of the stale ones; a stale cell for which none is put is no
    more, and an array without any cell neither. A cell that holds what it held is left alone, and so is the document of
    an array whose chunks stay the same. Shards keep their other cells as the very bytes that they were. Each array
    keeps its grid, shards and compressors; new ones get those of the vertices.

    Parameters
    ----------
    overlay : Overlay
    level_path : str
    known : mapping
        Documents of the grid arrays, by path, one at least.
    is_stale : callable
        ``is_stale(array, coords)`` tells which cells, (n,) bool, of an array of the level are stale.
    keeps_empty : bool
        Whether arrays stay that have no cell any more, but for those of links.
    unwanted : collection of str
        Arrays of which nothing is written.

    Attributes
    ----------
    changed : list of (array, (n, sid) int64)
        Cells whose content became another, or that came or went.
    """

    def __init__(
        self,
        overlay: Overlay,
        level_path: str,
        known: Mapping[str, Mapping[str, Any]],
        is_stale: Callable[[str, NDArray[np.int64]], NDArray[np.bool_]],
        *,
        keeps_empty: bool = False,
        unwanted: Collection[str] = (),
    ) -> None:
        self._like = known.get(f"{level_path}/{names.VERTICES}") or next(iter(known.values()))
        origin, shape, _ = grid_of(self._like)
        super().__init__(_Nowhere(), level_path, origin, shape, compressors_of(self._like))
        self._overlay, self._known, self._is_stale = overlay, known, is_stale
        self._keeps_empty, self._unwanted = keeps_empty, unwanted
        self._fresh: dict[str, dict[tuple[int, ...], NDArray[np.uint8]]] = {}
        self._read: dict[str, dict[tuple[int, ...], NDArray[np.uint8]]] = {}
        self._stored: dict[str, GridArray] = {}
        self.changed: list[tuple[str, NDArray[np.int64]]] = []

    def put(self, array: str, coords: NDArray[np.int64], payloads: Sequence[NDArray[np.uint8]]) -> None:
        """See :meth:`GridCells.put`; in any order."""
        if array not in self._unwanted:
            self._fresh.setdefault(array, {}).update(zip(map(tuple, coords.tolist()), payloads, strict=True))

    def know(self, stored: CellArray, coords: NDArray[np.int64], payloads: Sequence[NDArray[np.uint8]]) -> None:
        """Tell what all stale cells of an array that was read from the overlay hold: nothing is read again then."""
        array = stored.path[len(self.level_path) + 1 :]
        self._read[array] = dict(zip(map(tuple, coords.tolist()), payloads, strict=True))
        if isinstance(stored, GridArray):
            self._stored[array] = stored

    def finish(self, array: str, attributes: Mapping[str, Any]) -> None:
        """Put an array's cells in their places and make its document, if it has any cell."""
        path = f"{self.level_path}/{array}"
        if array in self._unwanted or path in self.documents:
            return
        fresh = self._fresh.pop(array, {})
        document = self._known.get(path)
        stored = self._stored.pop(array, None)
        if stored is None and document is not None:
            stored = GridArray(self._overlay, path, document)
        sid = len(self._shape)
        there = np.empty((0, sid), np.int64) if stored is None else stored.chunks
        is_stale = self._is_stale(array, there)
        new = sort_chunks(np.array(list(fresh), np.int64).reshape(-1, sid))
        concerned = sort_chunks(np.concatenate((there[is_stale], new)))
        cells = [fresh.get(tuple(chunk)) for chunk in concerned.tolist()]
        kept = there[~is_stale]
        self._replace(array, document or self._like, stored, concerned, cells, kept)
        if np.array_equal(new, there[is_stale]) and document is not None:
            self.documents[path] = dict(document)
        elif len(new) + len(kept) or (self._keeps_empty and not array.startswith(_OF_LINKS)):
            keys = self._sorted_keys(sort_chunks(np.concatenate((kept, new))))
            self.documents[path] = self._document(document, attributes, keys)

    def finish_rest(self) -> None:
        """Take the stale cells out of all arrays that were not finished."""
        for path in self._known:
            self.finish(path[len(self.level_path) + 1 :], {})

    def _document(
        self, known: Mapping[str, Any] | None, attributes: Mapping[str, Any], keys: list[str]
    ) -> dict[str, Any]:
        if known is not None:
            return {**known, "attributes": {**known["attributes"], names.NONEMPTY_CHUNKS: list(keys)}}
        origin, shape, shard_shape = grid_of(self._like)
        return documents.grid_array(
            attributes,
            origin=origin.tolist(),
            shape=shape.tolist(),
            keys=keys,
            codecs=self._codecs,
            shard_shape=shard_shape,
        )

    def _replace(
        self,
        array: str,
        document: Mapping[str, Any],
        stored: GridArray | None,
        coords: NDArray[np.int64],
        cells: Sequence[NDArray[np.uint8] | None],
        kept: NDArray[np.int64],
    ) -> None:
        """Write those of some cells that hold something else than before."""
        differs = _find_differing(self._overlay, stored, coords, cells, self._read.pop(array, None))
        self.changed.append((array, coords[differs]))
        if not len(differs):
            return
        origin, _, shard_shape = grid_of(document)
        index = coords[differs] - origin
        encoded = _encode([cells[i] for i in differs.tolist()], compressors_of(document))
        prefix = f"{self.level_path}/{array}/c/"
        if shard_shape is None:
            for key, pieces in zip(format_chunk_keys(index, "/"), encoded, strict=True):
                self._overlay.replace(prefix + key, b"".join(pieces) if pieces else None)
            return
        kept = np.concatenate((np.delete(coords, differs, axis=0), kept))
        shards = _Shards(index, encoded, kept - origin, shard_shape)
        for key, table in zip(shards.keys, shards.fill(self._overlay, stored, origin), strict=True):
            self._overlay.replace(prefix + key, b"".join(encode_shard(table)) if any(table) else None)


def _find_differing(
    overlay: Overlay,
    stored: GridArray | None,
    coords: NDArray[np.int64],
    cells: Sequence[NDArray[np.uint8] | None],
    known: Mapping[tuple[int, ...], NDArray[np.uint8]] | None,
) -> NDArray[np.int64]:
    """Indices of the cells that hold something else than what is stored; a cell that holds nothing is none.

    `known` tells what all of them hold that are stored; without it they are read.
    """
    if stored is None:
        return np.flatnonzero([cell is not None for cell in cells])
    if known is None:
        (before,) = read_cells(Hierarchy(overlay), [(stored, coords)])
    else:
        before = [known.get(tuple(place), np.empty(0, np.uint8)) for place in coords.tolist()]
    is_there = ChunkTable.of(stored.chunks).find(coords) >= 0
    same = [
        (cell is None) != there and (cell is None or np.array_equal(cell, old))
        for cell, old, there in zip(cells, before, is_there.tolist(), strict=True)
    ]
    return np.flatnonzero(~np.array(same, bool))


def _encode(cells: Sequence[NDArray[np.uint8] | None], codecs: Sequence[dict[str, Any]]) -> list[Pieces]:
    """The pieces of cells as they are stored; none for None."""
    chain = parse_codecs([{"name": "vlen-bytes", "configuration": {}}, *codecs], array="").chain
    encoded = iter(encode_cells([cell for cell in cells if cell is not None], chain))
    return [() if cell is None else next(encoded) for cell in cells]


class _Shards:
    """The shards in which some cells lie.

    Parameters
    ----------
    index, kept : (n, sid), (m, sid) int64
        Places in the array of these cells, and of all others that stay.
    cells : n sequences of buffers
        Their pieces; none of those that are no more.
    shape : sequence of int
        Cells of a shard along each axis.

    Attributes
    ----------
    keys : list of str
        Ends of their keys.
    """

    def __init__(
        self, index: NDArray[np.int64], cells: Sequence[Pieces], kept: NDArray[np.int64], shape: Sequence[int]
    ) -> None:
        edges = np.array(shape, np.int64)
        shards = ChunkTable.of(index // edges)
        self.keys = format_chunk_keys(shards.coords, "/")
        of = shards.find(kept // edges)
        self._kept = kept[of >= 0]
        self._of = np.concatenate((shards.find(index // edges), of[of >= 0]))
        inner = np.concatenate((index, self._kept)) % edges
        self._slots = np.ravel_multi_index(tuple(inner.T), tuple(edges.tolist()))
        self._cells, self._size = cells, int(edges.prod())

    def fill(self, overlay: Overlay, stored: GridArray | None, origin: NDArray[np.int64]) -> Iterator[list[Pieces]]:
        """The pieces of all cells of each shard: these, and those that it keeps, as they stand in it."""
        rows_of, new = group_rows(self._of, len(self.keys)), len(self._cells)
        held = np.cumsum([len(rows) for rows in rows_of]) // _CELLS_AT_ONCE
        for wave in np.split(np.arange(len(rows_of)), np.flatnonzero(np.diff(held)) + 1):
            kept = np.concatenate([rows_of[shard] for shard in wave.tolist()])
            kept = kept[kept >= new]
            encoded = _read_encoded(overlay, stored, self._kept[kept - new] + origin)
            found = dict(zip(kept.tolist(), encoded, strict=True))
            for shard in wave.tolist():
                table: list[Pieces] = [()] * self._size
                for row, slot in zip(rows_of[shard].tolist(), self._slots[rows_of[shard]].tolist(), strict=True):
                    table[slot] = self._cells[row] if row < new else found[row]
                yield table


def _read_encoded(overlay: Overlay, stored: GridArray | None, coords: NDArray[np.int64]) -> list[Pieces]:
    """Cells as they stand in their shards, none for those that are not there."""
    if stored is None or not len(coords):
        return [()] * len(coords)
    stored.prepare(requests := stored.preparation(coords), overlay.get_many(requests))
    plan = stored.plan(coords)
    answers = overlay.get_many(plan.requests)
    out: list[Pieces] = []
    for place in plan.places:
        data = None if place is None else answers[place[0]]
        out.append(() if place is None or data is None else (memoryview(data)[place[1] : place[2]],))
    return out


class _Nowhere:
    """What nothing is put to: cells go into the overlay."""

    def put_many(self, items: Any) -> None:
        raise AssertionError("cells of a patch are put one array at a time")
