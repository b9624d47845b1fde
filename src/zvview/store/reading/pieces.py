"""Vertices, fragments and attributes of some chunks, joined into one buffer of pieces.

Cells are read in waves of about eight megabytes, so that no more than that is held beside the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError
from zvview.format.attributes import AttributeMetadata, Categories, rows_of
from zvview.format.fragments import FragmentTable, decode_fragments
from zvview.format.grid import ChunkTable
from zvview.store.cell_arrays import CellArray
from zvview.store.hierarchy import Hierarchy
from zvview.store.waves import CellAsk, locate_error, read_cells

__all__ = ["CellFamilies", "FragmentTest", "PieceBuffer", "read_pieces"]

_WAVE_BYTES = 8 << 20
_FIRST_WAVE = {
    True: 64,
    False: 512,
}  # chunks, before the size of a chunk is known; a wave more costs a round trip elsewhere
_MOST_SLICES = 64  # slices of a cell that are joined one by one before one gather over all rows is faster

FragmentTest = Callable[[NDArray[np.int64], FragmentTable], "NDArray[np.bool_] | None"]
"""Tells, of the coordinates and the fragments of a wave, which fragments to keep; None for all."""


@dataclass(frozen=True, slots=True, eq=False)
class CellFamilies:
    """The arrays of a level that a read takes cells from.

    Attributes
    ----------
    vertices : CellArray
    dtype : numpy.dtype
        Of the coordinates.
    ndim : int
        D.
    fragments, owners : CellArray or None
        The fragment index, and the fragment attribute that tells the owner.
    attributes : mapping of str to (CellArray, AttributeMetadata)
        Vertex attributes.
    """

    vertices: CellArray
    dtype: np.dtype[Any]
    ndim: int
    fragments: CellArray | None
    owners: tuple[CellArray, AttributeMetadata] | None
    attributes: Mapping[str, tuple[CellArray, AttributeMetadata]]

    def asks(self, coords: NDArray[np.int64]) -> list[CellAsk]:
        """Everything of the chunks at `coords`."""
        optional = [a for a in (self.fragments, self.owners and self.owners[0]) if a is not None]
        return [(a, coords) for a in (self.vertices, *optional, *(a for a, _ in self.attributes.values()))]


@dataclass(frozen=True, slots=True, eq=False)
class PieceBuffer:
    """Fragments of some chunks, one after the other: chunks in numeric order, fragments in the order of their chunk.

    Attributes
    ----------
    chunks : ChunkTable
    positions : (R, D) array
        As stored, without any offset.
    attributes : mapping of str to (R,) or (R, C) array
    offsets : (F + 1,) int64 array
        Rows of fragment f are ``offsets[f]:offsets[f + 1]``.
    first : (C + 1,) int64 array
        Fragments of chunk c are ``first[c]:first[c + 1]``.
    owners : (F,) int64 array or None
        What the fragment attribute says.
    stored_first : (C + 1,) int64 array
        Rows of the vertex buffers of the chunks before c.
    stored_rows : (R,) int64 array or None
        Row in the joined vertex buffers of each row here; None where the two are the same.
    notes : tuple of str
        Damaged cells that were left out.
    """

    chunks: ChunkTable
    positions: NDArray[np.floating]
    attributes: Mapping[str, NDArray[Any]]
    categories: Mapping[str, Categories]
    offsets: NDArray[np.int64]
    first: NDArray[np.int64]
    owners: NDArray[np.int64] | None
    stored_first: NDArray[np.int64]
    stored_rows: NDArray[np.int64] | None
    notes: tuple[str, ...] = ()

    def find_rows(self, chunks: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row here of each vertex named by chunk (M, sid) and row (M,) of the chunk's vertex buffer.

        Returns -1 where the chunk was not read or no fragment names the row; the first one where several do.

        Raises
        ------
        DamagedError
            A row beyond the end of its chunk's vertex buffer.
        """
        at = self.chunks.find(chunks)
        known = at >= 0
        limit = np.diff(self.stored_first)[at]
        if (bad := known & (rows >= limit)).any():
            i = int(np.flatnonzero(bad)[0])
            raise DamagedError(
                "link",
                found=f"row {rows[i]} of chunk {'.'.join(map(str, chunks[i].tolist()))}",
                expected=f"a row below {limit[i]}, the number of its vertices",
            )
        stored = np.where(known, self.stored_first[:-1][at] + rows, 0)
        if self.stored_rows is None:
            return np.where(known, stored, -1)
        place = np.full(int(self.stored_first[-1]) + 1, -1, np.int64)
        place[self.stored_rows[::-1]] = np.arange(len(self.stored_rows))[::-1]
        return np.where(known, place[stored], -1)


@dataclass(slots=True)
class _Parts:
    """What the waves gave so far."""

    positions: list[NDArray[np.floating]] = field(default_factory=list)
    attributes: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    counts: list[NDArray[np.int64]] = field(default_factory=list)
    per_chunk: list[NDArray[np.int64]] = field(default_factory=list)
    owners: list[NDArray[np.int64]] = field(default_factory=list)
    stored: list[NDArray[np.int64]] = field(default_factory=list)
    stored_rows: list[NDArray[np.int64]] = field(default_factory=list)
    is_tiled: bool = True
    coords: list[NDArray[np.int64]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_pieces(
    hierarchy: Hierarchy,
    families: CellFamilies,
    coords: NDArray[np.int64],
    *,
    test: FragmentTest | None = None,
    extra: Sequence[CellAsk] = (),
    skip_damage: bool = False,
    cancel: CancelToken | None = None,
) -> tuple[PieceBuffer, list[list[NDArray[np.uint8]]]]:
    """The pieces of the chunks at `coords`, and the payloads of the cells of `extra`, asked for in the first wave.

    Parameters
    ----------
    hierarchy : Hierarchy
    families : CellFamilies
    coords : (C, sid) int64 array
        Distinct chunks in numeric order.
    test : callable, optional
        Keeps some fragments only.
    extra : sequence of CellAsk
    skip_damage : bool
        Leave damaged chunks out, with a note, rather than raise.
    """
    parts = _Parts(attributes={name: [] for name in families.attributes})
    others: list[list[NDArray[np.uint8]]] = []
    done, size = 0, _FIRST_WAVE[hierarchy.source.is_local]
    while done < len(coords) or (extra and not others):
        wave = coords[done : done + size]
        asks = [*families.asks(wave), *(() if others else extra)]
        used, payloads = _read_sound(hierarchy, asks, len(families.asks(wave)), wave, skip_damage, parts.notes, cancel)
        own = len(families.asks(wave))
        others = others or payloads[own:]
        spent = sum(len(c) for cells in payloads[:own] for c in cells)
        while len(used):
            try:
                _append(parts, families, used, payloads[:own], test)
                break
            except DamagedError as error:
                if not (skip_damage and error.cells):
                    raise
                parts.notes.append(str(error))
                kept = np.setdiff1d(np.arange(len(used)), error.cells)
                used, payloads = used[kept], [[cells[i] for i in kept.tolist()] for cells in payloads[:own]]
        done += size
        size = int(np.clip(_WAVE_BYTES * len(wave) // max(spent, 1), 1, 1 << 14))
    return _finish(parts, families, coords), others


def _read_sound(
    hierarchy: Hierarchy,
    asks: list[CellAsk],
    own: int,
    wave: NDArray[np.int64],
    skip_damage: bool,
    notes: list[str],
    cancel: CancelToken | None,
) -> tuple[NDArray[np.int64], list[list[NDArray[np.uint8]]]]:
    """Read `asks`; where damage is to be skipped, again without the chunks (or cells of links) that cannot be decoded."""
    while True:
        try:
            return wave, read_cells(hierarchy, asks, cancel)
        except DamagedError as error:
            which = next((i for i, (a, _) in enumerate(asks) if a.path == error.array), None)
            if not (skip_damage and error.cells) or which is None:
                raise
            notes.append(str(error))
            if which < own:
                wave = np.delete(wave, error.cells, axis=0)
                asks = [(a, wave) if i < own else (a, c) for i, (a, c) in enumerate(asks)]
            else:  # empty cells decode to no records; the coordinates must stay, since callers count on them
                array, chunks = asks[which]
                asks[which] = (_Without(array, chunks[list(error.cells)]), chunks)


class _Without:
    """An array of cells in which some count as absent."""

    def __init__(self, array: CellArray, absent: NDArray[np.int64]) -> None:
        self._array, self._absent = array, ChunkTable.of(absent)
        self.path, self.attributes, self.is_vlen = array.path, array.attributes, array.is_vlen
        self.chunks, self.preparation, self.prepare = array.chunks, array.preparation, array.prepare

    def plan(self, coords: NDArray[np.int64]) -> Any:
        plan = self._array.plan(coords)
        for i in np.flatnonzero(self._absent.find(coords) >= 0).tolist():
            plan.places[i] = None
        return plan


def _append(
    parts: _Parts,
    families: CellFamilies,
    coords: NDArray[np.int64],
    payloads: list[list[NDArray[np.uint8]]],
    test: FragmentTest | None,
) -> None:
    """Decode one wave and add it to the parts; adds nothing when it raises."""
    taken = iter(payloads)
    row_bytes = families.dtype.itemsize * families.ndim
    cells = next(taken)
    sizes = np.fromiter(map(len, cells), np.int64, len(cells))
    if (bad := np.flatnonzero(sizes % row_bytes)).size:
        error = DamagedError(
            "vertices", found=f"{sizes[bad[0]]} bytes", expected=f"multiples of {row_bytes} bytes", cells=bad
        )
        raise locate_error(error, families.vertices.path, coords)
    stored = sizes // row_bytes
    fragments = _fragments(families, coords, stored, next(taken) if families.fragments is not None else None)
    owners = None
    if families.owners is not None:
        array, metadata = families.owners
        owners = _rows(array.path, metadata, next(taken), np.diff(fragments.first), coords).astype(np.int64).ravel()
    selected = None if test is None else test(coords, fragments)
    join = _joiner(fragments, stored, selected)
    positions = join([c.view(families.dtype).reshape(-1, families.ndim) for c in cells])
    _check_finite(positions, families, coords, cells)
    values = {
        name: join(_split(_rows(array.path, metadata, next(taken), stored, coords), stored))
        for name, (array, metadata) in families.attributes.items()
    }
    counts, per_chunk = fragments.counts, np.diff(fragments.first)
    if selected is not None:
        per_chunk = np.add.reduceat(np.append(selected, False).astype(np.int64), fragments.first[:-1]) * (per_chunk > 0)
        counts = counts[selected]
        owners = None if owners is None else owners[selected]
    base = sum(int(s.sum()) for s in parts.stored)
    tiled = selected is None and bool(fragments.tiles(stored).all())
    if not tiled and parts.is_tiled:
        parts.stored_rows.append(np.arange(base, dtype=np.int64))
        parts.is_tiled = False
    if not parts.is_tiled:
        parts.stored_rows.append(_stored_rows(fragments, stored, selected) + base)
    parts.coords.append(coords)
    parts.positions.append(positions)
    for name, value in values.items():
        parts.attributes[name].append(value)
    parts.counts.append(counts)
    parts.per_chunk.append(per_chunk)
    parts.stored.append(stored)
    if owners is not None:
        parts.owners.append(owners)


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
) -> NDArray[Any]:
    try:
        return rows_of(cells, counts, metadata.dtype)
    except DamagedError as error:
        raise locate_error(error, path, coords) from None


def _split(values: NDArray[Any], counts: NDArray[np.int64]) -> list[NDArray[Any]]:
    bounds = np.cumsum(counts)[:-1].tolist()
    return np.split(values, bounds) if len(counts) else []


def _joiner(
    fragments: FragmentTable, stored: NDArray[np.int64], selected: NDArray[np.bool_] | None
) -> Callable[[list[NDArray[Any]]], NDArray[Any]]:
    """A function that joins the rows of the (selected) fragments of a wave's cells, given one array for each cell."""
    if selected is None and bool(fragments.tiles(stored).all()):
        return lambda cells: np.concatenate(cells) if len(cells) != 1 else cells[0]
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
            return lambda cells: np.concatenate([cells[c][a:b] for c, a, b in cuts] or [cells[0][:0]])
    rows = _stored_rows(fragments, stored, selected)
    return lambda cells: np.concatenate(cells).take(rows, axis=0)


def _stored_rows(
    fragments: FragmentTable, stored: NDArray[np.int64], selected: NDArray[np.bool_] | None
) -> NDArray[np.int64]:
    """Rows of the (selected) fragments in the joined vertex buffers of the wave."""
    index = None if selected is None else np.flatnonzero(selected)
    offsets, rows = fragments.rows(index)
    base = (np.cumsum(stored) - stored)[fragments.cell_of() if index is None else fragments.cell_of()[index]]
    return rows + np.repeat(base, np.diff(offsets))


def _check_finite(
    positions: NDArray[np.floating], families: CellFamilies, coords: NDArray[np.int64], cells: list[NDArray[np.uint8]]
) -> None:
    """Refuse coordinates that are no numbers; the sum tells in a sixth of the time of looking at each."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = positions.sum()
    if not np.isfinite(total) and not np.isfinite(positions).all():
        bad = [i for i, c in enumerate(cells) if not np.isfinite(c.view(families.dtype)).all()]
        if bad:
            error = DamagedError(
                "vertices", found="a coordinate that is no finite number", expected="numbers", cells=bad
            )
            raise locate_error(error, families.vertices.path, coords)


def _finish(parts: _Parts, families: CellFamilies, asked: NDArray[np.int64]) -> PieceBuffer:
    """Join the parts, one array at a time, so that no more than one exists twice."""
    coords = _join(parts.coords, np.empty((0, asked.shape[1]), np.int64))
    categories = {n: m.categories for n, (_, m) in families.attributes.items() if m.categories is not None}
    counts = _join(parts.counts, np.empty(0, np.int64))
    owners = _join(parts.owners, np.empty(0, np.int64)) if families.owners is not None else None
    stored_rows = None if parts.is_tiled else _join(parts.stored_rows, np.empty(0, np.int64))
    empty = {
        n: np.empty((0, *m.row_shape), m.dtype) for n, (_, m) in families.attributes.items() if not parts.attributes[n]
    }
    positions = _join(parts.positions, np.empty((0, families.ndim), families.dtype))
    attributes = {n: _join_values(n, parts.attributes.pop(n), empty.get(n), families) for n in families.attributes}
    return PieceBuffer(
        ChunkTable.of(coords),
        positions,
        attributes,
        categories,
        _sums(counts),
        _sums(_join(parts.per_chunk, np.empty(0, np.int64))),
        owners,
        _sums(_join(parts.stored, np.empty(0, np.int64))),
        stored_rows,
        tuple(parts.notes),
    )


def _join(parts: list[NDArray[Any]], empty: NDArray[Any]) -> NDArray[Any]:
    out = parts[0] if len(parts) == 1 else (np.concatenate(parts) if parts else empty)
    parts.clear()
    return out


def _join_values(
    name: str, parts: list[NDArray[Any]], empty: NDArray[Any] | None, families: CellFamilies
) -> NDArray[Any]:
    """Rows of an attribute; waves of no rows do not count for its width."""
    parts = [p for p in parts if len(p)] or parts[:1]
    if len({p.shape[1:] for p in parts}) > 1:
        path = families.attributes[name][0].path
        raise DamagedError("attribute", found="several widths", expected="one width in all cells", array=path)
    return _join(parts, empty if empty is not None else np.empty(0))


def _sums(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    out = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=out[1:])
    return out
