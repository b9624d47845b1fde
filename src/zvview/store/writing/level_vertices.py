"""The cells of a level that go by vertices and fragments, and what is learned on the way: owners and statistics."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.format import documents, names
from zvview.format.attributes import AttributeMetadata
from zvview.format.fragments import encode_ranges
from zvview.format.sequences import offsets_of
from zvview.store.writing.fragment_owners import FragmentOwners
from zvview.store.writing.grid_cells import GridCells
from zvview.store.writing.kept_columns import Columns
from zvview.store.writing.link_waves import LinkMerge
from zvview.store.writing.statistics import AttributeStatistics
from zvview.store.writing.vertex_waves import Merge, VertexWave

__all__ = ["OWNERS", "VertexWriter"]

OWNERS: Final = f"{names.FRAGMENT_ATTRIBUTES}/{names.OBJECT_ID}"
"""Array of the ids of the objects that fragments belong to."""


class VertexWriter:
    """Puts the cells that go by vertices and fragments, wave by wave.

    Parameters
    ----------
    grid : GridCells
    merge : Merge
    dtype : dtype
        Of positions.
    schema : Columns
        Vertex attributes.
    links : LinkMerge or None
        Tells how many link records lie between the fragments of a chunk.
    has_owners : bool
        Whether fragments belong to objects.

    Attributes
    ----------
    owners : FragmentOwners
    statistics : dict of AttributeStatistics
        By attribute.
    """

    def __init__(
        self,
        grid: GridCells,
        merge: Merge,
        dtype: np.dtype[Any],
        schema: Columns,
        links: LinkMerge | None,
        has_owners: bool,
    ) -> None:
        self._grid, self._merge, self._dtype, self._schema, self._has_owners = grid, merge, dtype, schema, has_owners
        self._loose = np.full(len(merge.chunks), -1, np.int64) if links is None else links.loose()
        self._has_inner = bool((self._loose >= 0).any())
        self._metadata: dict[str, AttributeMetadata] = {n: schema.metadata(n) for n in schema.names}
        self.statistics = {name: AttributeStatistics(entry) for name, entry in self._metadata.items()}
        self.owners = FragmentOwners()

    def put(self, wave: VertexWave) -> None:
        """Put the cells of a wave."""
        coords = self._merge.chunks[wave.chunks]
        rows = wave.rows
        self._grid.put(names.VERTICES, coords, _cut(wave.positions, rows))
        self._grid.put(names.VERTEX_FRAGMENTS, coords, encode_ranges(wave.counts, wave.fragments))
        for name in self._metadata:
            values = self._schema.finished(name, wave.columns[name])
            self.statistics[name].add(values)
            self._grid.put(f"{names.VERTEX_ATTRIBUTES}/{name}", coords, _cut(values, rows))
        if wave.objects is not None:
            self._grid.put(OWNERS, coords, _cut(wave.objects.astype("<i8"), wave.fragments))
            chunk = np.repeat(wave.chunks, np.diff(wave.fragments))
            inside = np.arange(len(chunk)) - np.repeat(wave.fragments[:-1], np.diff(wave.fragments))
            self.owners.add(wave.objects, chunk, inside, wave.ranks)
        if wave.links is not None and self._has_inner:
            self._put_link_fragments(wave, self._loose[wave.chunks], coords)

    def _put_link_fragments(self, wave: VertexWave, loose: NDArray[np.int64], coords: NDArray[np.int64]) -> None:
        """One range for each vertex fragment and, last, one for the records between them."""
        assert wave.links is not None
        counts = np.insert(wave.links, wave.fragments[1:], np.maximum(loose, 0))
        first = wave.fragments + np.arange(len(wave.fragments))
        keep = np.ones(len(counts), bool)
        keep[first[1:] - 1] = loose > 0
        chunk = np.repeat(np.arange(len(loose)), np.diff(first))
        keep &= (loose >= 0)[chunk]
        kept = np.bincount(chunk[keep], minlength=len(loose))
        there = np.flatnonzero(loose >= 0)
        if len(there):
            self._grid.put(
                names.LINK_FRAGMENTS,
                coords[there],
                encode_ranges(counts[keep], offsets_of(kept[there])),
            )

    def finish(self) -> dict[str, dict[str, Any]]:
        """Finish the arrays; gives the documents of their groups (the grid has those of the arrays)."""
        path, out = self._grid.level_path, {}
        own = {names.ZV_ARRAY: names.VERTICES, "dtype": self._dtype.name, "encoding": names.RAW}
        self._grid.finish(names.VERTICES, own)
        self._grid.finish(
            names.VERTEX_FRAGMENTS, {names.ZV_ARRAY: names.VERTEX_FRAGMENTS, "encoding": names.FRAGMENT_ENCODING}
        )
        for name, entry in self._metadata.items():
            out[f"{path}/{names.VERTEX_ATTRIBUTES}"] = documents.group()
            self._grid.finish(f"{names.VERTEX_ATTRIBUTES}/{name}", {names.ZV_ARRAY: "attribute", **entry.document()})
        if self._has_owners:
            out[f"{path}/{names.FRAGMENT_ATTRIBUTES}"] = documents.group()
            owner = {names.ZV_ARRAY: "fragment_attribute", "name": names.OBJECT_ID, "dtype": "int64", "row_shape": []}
            self._grid.finish(OWNERS, owner)
        if self._has_inner:
            self._grid.finish(
                names.LINK_FRAGMENTS, {names.ZV_ARRAY: names.LINK_FRAGMENTS, "encoding": names.FRAGMENT_ENCODING}
            )
        return out


def _cut(values: NDArray[Any], rows: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
    """Bytes of the rows of each chunk, as views."""
    flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    unit = values.dtype.itemsize * int(np.prod(values.shape[1:], dtype=int))
    ends = (rows * unit).tolist()
    return [flat[a:b] for a, b in pairwise(ends)]
