"""Checking the lists of chunks: cells that nothing lists are never read, and cells outside the grid do not exist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.grid import ChunkTable, parse_chunk_keys
from zvview.format.values import as_int_list
from zvview.store.cell_arrays import CellArray, GridArray, key_encoding
from zvview.store.check.scope import LevelScope
from zvview.store.codecs import parse_codecs

__all__ = ["check_presence"]


def check_presence(scope: LevelScope) -> None:
    """Compare ``nonempty_chunks`` of a level's grid arrays with the grid and, where the place can list, its keys."""
    for array in _grid_arrays(scope):
        with scope.report.guard(array.path):
            document = scope.hierarchy.document(array.path) or {}
            origin = np.array(array.attributes.get(names.CHUNK_GRID_ORIGIN) or [0] * array.ndim, np.int64)
            _check_grid(scope, array, origin, as_int_list(document.get("shape"), "array metadata", "shape"))
            is_sharded = parse_codecs(document.get("codecs") or [], array=array.path).shard is not None
            if scope.hierarchy.source.can_list and not is_sharded and names.NONEMPTY_CHUNKS in array.attributes:
                stray = _stray_cells(scope, array, origin)
                every = np.arange(len(stray))
                scope.report.add_chunks("stray-cell", array.path, stray, every, lambda i: "a cell that is not listed")
    with scope.report.guard(scope.layout.vertices.path):
        _check_leading_axis(scope)


def _check_grid(scope: LevelScope, array: GridArray, origin: NDArray[np.int64], shape: Sequence[int]) -> None:
    chunks, last = array.chunks, origin + np.array(shape, np.int64) - 1
    outside = np.asarray(((chunks < origin) | (chunks > last)).any(axis=1))
    found = f"a listed chunk outside the grid of {origin.tolist()} to {last.tolist()}"
    scope.report.add_chunks("chunk-list", array.path, chunks, outside, lambda i: found)


def _check_leading_axis(scope: LevelScope) -> None:
    """The first component of chunks that are split by an attribute counts its values (4.4)."""
    attribute, chunks = scope.layout.metadata.chunk_attribute, scope.layout.vertices.chunks
    if attribute is not None:
        lost = (chunks[:, 0] < 0) | (chunks[:, 0] >= len(attribute[1]))
        found = f"a leading coordinate beyond the {len(attribute[1])} values of {attribute[0]!r}"
        scope.report.add_chunks("chunk-attribute", scope.layout.vertices.path, chunks, lost, lambda i: found)


def _grid_arrays(scope: LevelScope) -> Iterator[GridArray]:
    """Every grid array of the level that can be opened; what can not is told elsewhere."""
    layout = scope.layout
    found: list[CellArray | None] = [layout.vertices, layout.fragments]
    for family in (names.VERTEX_ATTRIBUTES, names.FRAGMENT_ATTRIBUTES):
        with scope.report.guard(scope.path(family)):
            for name in layout.attribute_names(family):
                opened = layout.cell_attribute(family, name)
                found.append(None if opened is None else opened[0])
    with scope.report.guard(scope.path(names.LINKS)):
        for delta in layout.link_deltas():
            links = layout.links(delta)
            for array in () if links is None else links.arrays:
                found += [array.cells, *(cells for cells, _ in array.attributes.values())]
    yield from (array for array in found if isinstance(array, GridArray))


def _stray_cells(scope: LevelScope, array: GridArray, origin: NDArray[np.int64]) -> NDArray[np.int64]:
    """Chunks that have a key and are not listed."""
    separator, prefix = key_encoding(scope.hierarchy.document(array.path) or {})
    root = f"{array.path}/{prefix}"
    keys = scope.hierarchy.source.list_keys(array.path)
    names_of = [k[len(root) :].replace(separator, ".") for k in keys if k.startswith(root)]
    cells = [k for k in names_of if k.replace(".", "").isdigit() and k.isascii() and k.count(".") == array.ndim - 1]
    there = parse_chunk_keys([c for c in cells if max(map(len, c.split("."))) <= 18], array.ndim) + origin
    return there[ChunkTable.of(array.chunks).find(there) < 0]
