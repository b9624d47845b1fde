"""Decoding the cells of one wave: vertices, fragments, owners and attributes of some chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata, rows_of
from zvview.format.fragments import FragmentTable, decode_fragments
from zvview.store.cell_arrays import CellArray
from zvview.store.draco import decode_draco
from zvview.store.reading.cell_families import CellFamilies
from zvview.store.waves import locate_error

__all__ = ["FragmentTest", "Parts", "append_wave"]

_MOST_SLICES = 64  # slices of a cell that are joined one by one before one gather over all rows is faster

FragmentTest = Callable[[NDArray[np.int64], FragmentTable], "NDArray[np.bool_] | None"]
"""Tells, of the coordinates and the fragments of a wave, which fragments to keep; None for all."""


@dataclass(slots=True)
class Parts:
    """What the waves gave so far."""

    positions: list[NDArray[np.floating]] = field(default_factory=list)
    attributes: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    counts: list[NDArray[np.int64]] = field(default_factory=list)
    per_chunk: list[NDArray[np.int64]] = field(default_factory=list)
    owners: list[NDArray[np.int64]] = field(default_factory=list)
    stored: list[NDArray[np.int64]] = field(default_factory=list)
    stored_rows: list[NDArray[np.int64]] = field(default_factory=list)
    is_tiled: bool = True
    is_cut: bool = False  # some fragments were left out: rows cannot be found again, and nobody asks for them
    coords: list[NDArray[np.int64]] = field(default_factory=list)
    faces: list[NDArray[np.int64]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def append_wave(
    parts: Parts,
    families: CellFamilies,
    coords: NDArray[np.int64],
    payloads: list[list[NDArray[np.uint8]]],
    test: FragmentTest | None,
) -> None:
    """Decode one wave and add it to the parts; adds nothing when it raises."""
    taken = iter(payloads)
    numbers, faces = _vertices(families, coords, next(taken))
    stored = np.fromiter(map(len, numbers), np.int64, len(numbers))
    fragments = _fragments(families, coords, stored, next(taken) if families.fragments is not None else None)
    owners = None
    if families.owners is not None:
        owners = _owners(*families.owners, next(taken), np.diff(fragments.first), coords)
    selected = None if test is None else test(coords, fragments)
    join = _joiner(fragments, stored, selected)
    positions = join(numbers)
    values = {
        name: join(_rows(array.path, metadata, next(taken), stored, coords))
        for name, (array, metadata) in families.attributes.items()
    }
    counts, per_chunk = fragments.counts, np.diff(fragments.first)
    if selected is not None:
        per_chunk = np.add.reduceat(np.append(selected, False).astype(np.int64), fragments.first[:-1]) * (per_chunk > 0)
        counts = counts[selected]
        owners = None if owners is None else owners[selected]
    base = sum(int(s.sum()) for s in parts.stored)
    parts.is_cut |= selected is not None
    tiled = parts.is_cut or bool(fragments.tiles(stored).all())
    if not tiled and parts.is_tiled:
        parts.stored_rows.append(np.arange(base, dtype=np.int64))
        parts.is_tiled = False
    if not parts.is_tiled and not parts.is_cut:
        parts.stored_rows.append(_stored_rows(fragments, stored, None) + base)
    parts.coords.append(coords)
    parts.positions += positions
    before = base + np.cumsum(stored) - stored
    parts.faces += [f + b for f, b in zip(faces, before.tolist(), strict=False)]
    for name, value in values.items():
        parts.attributes[name] += value
    parts.counts.append(counts)
    parts.per_chunk.append(per_chunk)
    parts.stored.append(stored)
    if owners is not None:
        parts.owners.append(owners)


def _vertices(
    families: CellFamilies, coords: NDArray[np.int64], cells: Sequence[NDArray[np.uint8]]
) -> tuple[list[NDArray[np.floating]], list[NDArray[np.int64]]]:
    """Positions of each cell, (n, D), and the faces that came with them: none but in Draco bitstreams."""
    if families.is_draco:
        try:
            positions, faces = decode_draco(cells)
        except DamagedError as damage:
            raise locate_error(damage, families.vertices.path, coords) from None
        return [p.astype(families.dtype, copy=False) for p in positions], faces
    row_bytes = families.dtype.itemsize * families.ndim
    sizes = np.fromiter(map(len, cells), np.int64, len(cells))
    if (bad := np.flatnonzero(sizes % row_bytes)).size:
        error = DamagedError(
            "vertices", found=f"{sizes[bad[0]]} bytes", expected=f"multiples of {row_bytes} bytes", cells=bad
        )
        raise locate_error(error, families.vertices.path, coords)
    return [c.view(families.dtype).reshape(-1, families.ndim) for c in cells], []


def _owners(
    array: CellArray,
    metadata: AttributeMetadata,
    cells: Sequence[NDArray[np.uint8]],
    counts: NDArray[np.int64],
    coords: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Owner of each fragment; the reference leaves out those behind the last that a manifest names."""
    rows = np.minimum([len(c) // metadata.dtype.itemsize for c in cells], counts)
    told = _rows(array.path, metadata, cells, rows, coords)
    if told and told[0].ndim > 1:
        error = DamagedError(
            "owners of fragments", found="several ids for a fragment", expected="one", cells=np.flatnonzero(rows)
        )
        raise locate_error(error, array.path, coords)
    out = np.full(int(counts.sum()), names.OWNER_NONE, np.int64)
    first = np.cumsum(counts) - counts
    at = np.repeat(first - (np.cumsum(rows) - rows), rows) + np.arange(rows.sum())
    out[at] = np.concatenate(told) if told else []
    return out


def _fragments(
    families: CellFamilies,
    coords: NDArray[np.int64],
    stored: NDArray[np.int64],
    cells: Sequence[NDArray[np.uint8]] | None,
) -> FragmentTable:
    """Fragments of a wave; each buffer is one fragment where the level has no fragment index (6)."""
    try:
        return decode_fragments(cells if cells is not None else [np.empty(0, np.uint8)] * len(stored), stored)
    except DamagedError as error:
        assert families.fragments is not None
        raise locate_error(error, families.fragments.path, coords) from None


def _rows(
    path: str,
    metadata: AttributeMetadata,
    cells: Sequence[NDArray[np.uint8]],
    counts: NDArray[np.int64],
    coords: NDArray[np.int64],
) -> list[NDArray[Any]]:
    try:
        return rows_of(cells, counts, metadata.dtype)
    except DamagedError as error:
        raise locate_error(error, path, coords) from None


def _joiner(
    fragments: FragmentTable, stored: NDArray[np.int64], selected: NDArray[np.bool_] | None
) -> Callable[[list[NDArray[Any]]], list[NDArray[Any]]]:
    """A function from an array for each cell of a wave to the rows of the (selected) fragments, in arrays to join."""
    if selected is None and bool(fragments.tiles(stored).all()):
        return lambda cells: cells
    index = np.arange(len(fragments.counts)) if selected is None else np.flatnonzero(selected)
    index = index[fragments.counts[index] > 0]
    if fragments.is_range[index].all():
        cell, start = fragments.cell_of()[index], fragments.starts[index]
        stop = start + fragments.counts[index]
        fresh = np.ones(len(index), bool)
        fresh[1:] = (cell[1:] != cell[:-1]) | (start[1:] != stop[:-1])
        at = np.flatnonzero(fresh)
        if len(at) <= _MOST_SLICES * len(stored):
            ends = stop[np.append(at[1:], len(index)) - 1] if len(at) else at
            cuts = list(zip(cell[at].tolist(), start[at].tolist(), ends.tolist(), strict=True))
            return lambda cells: [cells[c][a:b] for c, a, b in cuts]
    rows = _stored_rows(fragments, stored, selected)
    return lambda cells: [np.concatenate(cells).take(rows, axis=0)]


def _stored_rows(
    fragments: FragmentTable, stored: NDArray[np.int64], selected: NDArray[np.bool_] | None
) -> NDArray[np.int64]:
    """Rows of the (selected) fragments in the joined vertex buffers of the wave."""
    index = None if selected is None else np.flatnonzero(selected)
    offsets, rows = fragments.rows(index)
    base = (np.cumsum(stored) - stored)[fragments.cell_of() if index is None else fragments.cell_of()[index]]
    return rows + np.repeat(base, np.diff(offsets))
