"""zvview's own index: what a viewer wants to know early, in one document and one array at the root of a store.

A hint, never an authority: another writer makes it stale, so it may steer plans and colour limits but not hide data. ::

    zvview/          group, attribute "zvview_index"
    zvview/chunks    int64 (n, 2 + sid + m) in one zarr chunk: level, vertices, chunk coordinate, and bits that tell of
                     which arrays of the level there is a cell, of those that have not a cell for each of its chunks
    zvview/surveys   of stores of lines with coarse levels: what a refresh of these has to know, not read here
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format import documents, names
from zvview.format.grid import ChunkTable, list_chunks
from zvview.store.hierarchy import fingerprint
from zvview.store.writing.plain_cells import plain_cells

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ATTRIBUTE", "VERSION", "IndexedLevel", "build_index"]

ATTRIBUTE: Final = "zvview_index"
VERSION: Final = 1
WITH_SETS: Final = 2
"""Version of an index with sets of chunks, which older readers do not know."""

METADATA: Final = "metadata"
FINGERPRINTS: Final = "fingerprints"
LEVELS: Final = "levels"
VERTEX_COUNT: Final = "vertex_count"
ATTRIBUTES: Final = "attributes"
SID_NDIM: Final = "sid_ndim"
SETS: Final = "sets"
BIT: Final = "bit"

BITS: Final = 63
"""Of a column of the table, which is of signed numbers."""

SAME_CHUNKS: Final = True
"""Stands for ``nonempty_chunks`` of an array that has those of its level's ``vertices``."""


@dataclass(frozen=True, slots=True, eq=False)
class IndexedLevel:
    """What the index keeps of a level.

    Attributes
    ----------
    level : int
    chunks : (K, sid) int64
        Chunks that hold vertices.
    counts : (K,) int64
        Vertices of each.
    attributes : mapping of str to dict
        Statistics of each vertex attribute: ``min``, ``max``, ``quantiles``, ``counts``.
    """

    level: int
    chunks: NDArray[np.int64]
    counts: NDArray[np.int64]
    attributes: Mapping[str, Mapping[str, Any]]


def build_index(
    nodes: Mapping[str, Mapping[str, Any]], encoded: Mapping[str, bytes], levels: Sequence[IndexedLevel]
) -> tuple[dict[str, dict[str, Any]], list[tuple[str, tuple[Buffer, ...]]]]:
    """The nodes of the index and the objects of its cells.

    Parameters
    ----------
    nodes : mapping of str to dict
        Document of every node of the store by path, but the root.
    encoded : mapping of str to bytes
        The exact bytes of each.
    levels : sequence of IndexedLevel

    Returns
    -------
    documents : dict
        By path.
    cells : list of (key, pieces)
    """
    width = max(entry.chunks.shape[1] for entry in levels)
    sets = {str(entry.level): _Sets(entry.chunks) for entry in levels}
    short = {path: _shortened(path, nodes[path], nodes, sets) for path in sorted(nodes)}  # bits tell of no other order
    bits = max(-(-len(found.members) // BITS) for found in sets.values())
    own = {
        "version": WITH_SETS if bits else VERSION,
        METADATA: {path: short[path] for path in nodes},
        FINGERPRINTS: {path: fingerprint(data) for path, data in encoded.items()},
        LEVELS: {
            str(entry.level): {
                VERTEX_COUNT: int(entry.counts.sum()),
                ATTRIBUTES: dict(entry.attributes),
                **({} if entry.chunks.shape[1] == width else {SID_NDIM: entry.chunks.shape[1]}),
            }
            for entry in levels
        },
        **({SETS: bits} if bits else {}),
    }
    rows = np.concatenate([_rows(entry, width, bits, sets[str(entry.level)]) for entry in levels])
    path = f"{names.INDEX}/{names.INDEX_CHUNKS}"
    chunk_shape = [max(1, n) for n in rows.shape]
    array = documents.plain_array(rows, chunk_shape=chunk_shape, codecs=documents.CHECKED_ZSTD)
    return {names.INDEX: documents.group({ATTRIBUTE: own}), path: array}, plain_cells(path, array, rows)


class _Sets:
    """Sets of chunks of a level, of each of which some arrays have cells.

    Attributes
    ----------
    members : list of (n,) int64
        Rows of the chunks of each set, by its bit.
    """

    def __init__(self, chunks: NDArray[np.int64]) -> None:
        self._table, self._sid = ChunkTable.of(chunks), chunks.shape[1]
        self._bits: dict[bytes, int] = {}
        self.members: list[NDArray[np.int64]] = []

    def bit_of(self, keys: object) -> int | None:
        """The bit of what a document lists; None where that is no list of chunks of the level, each once."""
        if not isinstance(keys, list):
            return None
        try:
            rows = self._table.find(list_chunks(keys, self._sid))
        except DamagedError:
            return None
        if len(rows) != len(keys) or (rows < 0).any():
            return None
        bit = self._bits.setdefault(rows.tobytes(), len(self.members))
        if bit == len(self.members):
            self.members.append(rows)
        return bit


def _rows(entry: IndexedLevel, width: int, bits: int, sets: _Sets) -> NDArray[np.int64]:
    """Rows of a level, with zeros behind coordinates of fewer components than another level's."""
    rows = np.zeros((len(entry.counts), 2 + width + bits), np.int64)
    rows[:, 0], rows[:, 1] = entry.level, entry.counts
    rows[:, 2 : 2 + entry.chunks.shape[1]] = entry.chunks
    for bit, members in enumerate(sets.members):
        rows[members, 2 + width + bit // BITS] |= 1 << bit % BITS
    return rows


def _shortened(
    path: str, document: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]], sets: Mapping[str, _Sets]
) -> dict[str, Any]:
    """The document, with what tells its list of chunks in few letters, where that list is told elsewhere."""
    attributes, level = document.get("attributes", {}), path.partition("/")[0]
    vertices = nodes.get(f"{level}/{names.VERTICES}")
    keys = attributes.get(names.NONEMPTY_CHUNKS)
    if keys is None or vertices is None or level not in sets:
        return dict(document)
    told: object = SAME_CHUNKS
    if vertices["attributes"].get(names.NONEMPTY_CHUNKS) != keys:
        bit = sets[level].bit_of(keys)
        told = keys if bit is None else {BIT: bit}
    return {**document, "attributes": {**attributes, names.NONEMPTY_CHUNKS: told}}
