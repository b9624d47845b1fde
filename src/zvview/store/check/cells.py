"""The walk over the cells of a level: vertices, fragments and what stands beside them, in waves of a few megabytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.fragments import FragmentTable
from zvview.format.grid import ChunkTable
from zvview.format.sequences import offsets_of
from zvview.store.cell_arrays import CellArray
from zvview.store.check.positions import BoundsCheck, check_bins, check_positions
from zvview.store.check.scope import WAVE_BYTES, LevelFacts, LevelScope
from zvview.store.check.sound_cells import Payloads, decode_fragments_soundly, read_soundly
from zvview.store.check.values import AttributeCheck
from zvview.store.waves import CellAsk

__all__ = ["walk_cells"]

_FIRST_WAVE = 256
_MOST_CHUNKS = 1 << 14
_EMPTY = np.empty(0, np.uint8)


def walk_cells(scope: LevelScope) -> LevelFacts:
    """Check every cell of vertices, fragments and their attributes, and tell what the level holds."""
    coords = scope.layout.vertices.chunks
    walk = _Walk(scope, coords.shape[1])
    done, size = 0, _FIRST_WAVE
    while done < len(coords):
        wave = coords[done : done + size]
        spent = walk.take(wave)
        scope.advance(len(wave))
        done += size
        size = int(np.clip(WAVE_BYTES * len(wave) // max(spent, 1), 1, _MOST_CHUNKS))
    return walk.finish()


class _Walk:
    """What the waves gave so far."""

    def __init__(self, scope: LevelScope, sid: int) -> None:
        self._scope, self._sid = scope, sid
        layout = scope.layout
        self._bounds = BoundsCheck(scope)
        self._attributes = self._open_attributes(names.VERTEX_ATTRIBUTES, "vertices")
        self._fragment_attributes = self._open_attributes(names.FRAGMENT_ATTRIBUTES, "fragments")
        self._owners = next((a for n, a, _ in self._fragment_attributes if n == names.OBJECT_ID), None)
        self._is_draco = layout.encoding == names.DRACO
        if self._is_draco:
            scope.report.add("draco", layout.vertices.path, "the cells are Draco bitstreams")
        self._coords: list[NDArray[np.int64]] = []
        self._is_damaged: list[NDArray[np.bool_]] = []
        self._rows: list[NDArray[np.int64]] = []
        self._tables: list[FragmentTable] = []
        self._owner_values: list[NDArray[np.int64]] = []
        self._has_owner: list[NDArray[np.bool_]] = []
        self._dead = self._dead_chunks = 0
        self._has_objects = scope.hierarchy.document(scope.path(names.OBJECT_INDEX)) is not None

    def _open_attributes(self, family: str, rows: str) -> list[tuple[str, CellArray, AttributeCheck]]:
        """The arrays of a family that can be opened, with their checks."""
        scope, out = self._scope, []
        found: Sequence[str] = ()
        with scope.report.guard(scope.path(family)):
            found = scope.layout.attribute_names(family)
        for name in found:
            with scope.report.guard(scope.path(family, name)):
                opened = scope.layout.cell_attribute(family, name)
                if opened is not None:
                    array, metadata = opened
                    self._check_orphans(array)
                    may_end_early = name == names.OBJECT_ID and family == names.FRAGMENT_ATTRIBUTES
                    check = AttributeCheck(array, metadata, rows, scope.report, may_end_early=may_end_early)
                    out.append((name, array, check))
        return out

    def _check_orphans(self, array: CellArray) -> None:
        here = array.chunks
        lost = ChunkTable.of(self._scope.layout.vertices.chunks).find(here) < 0
        self._scope.report.add_chunks(
            "orphan-cell", array.path, here, lost, lambda i: "a cell of a chunk without vertices"
        )

    def take(self, coords: NDArray[np.int64]) -> int:
        """Check one wave of chunks; gives the bytes that were read."""
        scope, layout = self._scope, self._scope.layout
        asks: list[CellAsk] = [(layout.vertices, coords)]
        if layout.fragments is not None:
            asks.append((layout.fragments, coords))
        asks += [(array, coords) for _, array, _ in (*self._attributes, *self._fragment_attributes)]
        payloads = read_soundly(scope.hierarchy, asks, scope.report, scope.cancel)
        spent = sum(len(c) for cells in payloads for c in cells if c is not None)

        vertices, rest = payloads[0], iter(payloads[1:])
        indexes = next(rest) if layout.fragments is not None else None
        rows, sound = self._vertex_rows(coords, vertices)
        fragments, sound = self._take_fragments(coords, rows, sound, indexes)
        if not self._is_draco:
            self._check_positions(coords, rows, vertices, fragments, sound)
        per_chunk = np.diff(fragments.first)
        for _, _, check in self._attributes:
            _look(check, coords, rows, next(rest), sound)
        for _, array, check in self._fragment_attributes:
            cells = next(rest)
            right = _look(check, coords, per_chunk, cells, sound)
            if array is self._owners:
                self._take_owners(cells, check.dtype, right, per_chunk)
        self._coords.append(coords)
        self._is_damaged.append(~sound)
        self._rows.append(rows)
        self._tables.append(fragments)
        return spent

    def _check_positions(
        self,
        coords: NDArray[np.int64],
        rows: NDArray[np.int64],
        cells: Payloads,
        fragments: FragmentTable,
        sound: NDArray[np.bool_],
    ) -> None:
        dtype, shape = self._scope.layout.vertex_dtype, (-1, self._scope.root.ndim)
        held = [c if c is not None and n else _EMPTY for c, n in zip(cells, rows.tolist(), strict=True)]
        positions = [c.view(dtype).reshape(shape) for c in held]
        joined = np.concatenate(positions)
        check_positions(self._scope, coords, rows, joined)
        self._bounds.look(joined)
        if sound.all() and not self._has_objects:
            check_bins(self._scope, coords, fragments, positions)

    def _vertex_rows(self, coords: NDArray[np.int64], cells: Payloads) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Rows of each vertex buffer, 0 where it cannot be read, and which can."""
        scope, path = self._scope, self._scope.layout.vertices.path
        sizes = np.fromiter((0 if c is None else len(c) for c in cells), np.int64, len(cells))
        sound = np.array([c is not None for c in cells], bool)
        scope.report.add_chunks(
            "missing-cell", path, coords, sound & (sizes == 0), lambda i: "a chunk that is listed and holds nothing"
        )
        if self._is_draco:
            return np.zeros(len(cells), np.int64), np.zeros(len(cells), bool)
        row_bytes = scope.layout.vertex_dtype.itemsize * scope.root.ndim
        torn = sizes % row_bytes != 0
        scope.report.add_chunks(
            "damaged-cell", path, coords, torn, lambda i: f"{sizes[i]} bytes, expected a multiple of {row_bytes}"
        )
        sound &= ~torn
        return np.where(sound, sizes // row_bytes, 0), sound

    def _take_fragments(
        self, coords: NDArray[np.int64], rows: NDArray[np.int64], sound: NDArray[np.bool_], cells: Payloads | None
    ) -> tuple[FragmentTable, NDArray[np.bool_]]:
        """Fragments of a wave, and the chunks of which vertices and fragments are both sound."""
        scope, layout = self._scope, self._scope.layout
        path = layout.fragments.path if layout.fragments is not None else ""
        given: Payloads = [_EMPTY] * len(coords) if cells is None else cells
        held: Payloads = [c if ok else _EMPTY for c, ok in zip(given, sound, strict=True)]
        table, intact = decode_fragments_soundly(held, rows, path, coords, scope.report)
        tiled = table.tiles(rows) | ~intact
        if layout.metadata.fragments_tile:
            scope.report.add_chunks(
                "tiling-claim", path, coords, ~tiled, lambda i: "fragments that do not tile the vertices, as claimed"
            )
        if not tiled.all():
            offsets, named = table.rows()
            first = offsets_of(rows)
            seen = np.zeros(int(first[-1]), bool)
            seen[named + np.repeat(first[table.cell_of()], np.diff(offsets))] = True
            dead = rows - np.diff(offsets_of(seen)[first])
            self._dead += int(dead.sum())
            self._dead_chunks += int((dead > 0).sum())
        return table, sound & intact

    def _take_owners(
        self, cells: Payloads, dtype: np.dtype[Any], right: NDArray[np.bool_], per_chunk: NDArray[np.int64]
    ) -> None:
        """Keep the owner of each fragment of a wave; of wider rows, which is a fault of its own, the first value."""
        first = offsets_of(per_chunk).tolist()
        values, has = np.zeros(first[-1], np.int64), np.zeros(first[-1], bool)
        for start, stop, cell, ok in zip(first, first[1:], cells, right.tolist(), strict=False):
            if ok and cell is not None and stop > start:
                told = cell.view(dtype)
                told = told[:: max(1, len(told) // (stop - start))]
                values[start : start + len(told)] = told.astype(np.int64)
                has[start : start + len(told)] = True
        self._owner_values.append(values)
        self._has_owner.append(has)

    def finish(self) -> LevelFacts:
        """Report what only the whole level can tell."""
        scope = self._scope
        self._bounds.finish()
        for _, _, check in (*self._attributes, *self._fragment_attributes):
            check.finish()
        if self._dead:
            scope.report.add(
                "dead-rows",
                scope.layout.vertices.path,
                f"{self._dead} rows in {self._dead_chunks} chunks that no fragment names",
            )
        none = np.empty((0, self._sid), np.int64)
        coords = np.concatenate([none, *self._coords])
        rows = np.concatenate([np.empty(0, np.int64), *self._rows])
        return LevelFacts(
            ChunkTable.of(coords),
            offsets_of(rows),
            _join_tables(self._tables),
            np.concatenate([np.empty(0, bool), *self._is_damaged]),
            np.concatenate(self._owner_values) if self._owner_values else None,
            np.concatenate(self._has_owner) if self._has_owner else None,
        )


def _look(
    check: AttributeCheck,
    coords: NDArray[np.int64],
    counts: NDArray[np.int64],
    cells: Payloads,
    sound: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Show a wave to an attribute's check, without the chunks whose rows are not known."""
    return check.look(coords, counts, [c if ok else None for c, ok in zip(cells, sound, strict=True)])


def _join_tables(tables: list[FragmentTable]) -> FragmentTable:
    """The fragments of all waves, one after the other."""
    none = np.empty(0, np.int64)
    shifts = offsets_of(np.array([len(t.explicit) for t in tables], np.int64)).tolist()
    per_chunk = np.concatenate([none, *(np.diff(t.first) for t in tables)])
    starts = [np.where(t.is_range, t.starts, t.starts + s) for t, s in zip(tables, shifts, strict=False)]
    return FragmentTable(
        offsets_of(per_chunk),
        np.concatenate([none, *(t.counts for t in tables)]),
        np.concatenate([none, *starts]),
        np.concatenate([none.astype(bool), *(t.is_range for t in tables)]),
        np.concatenate([none, *(t.explicit for t in tables)]),
    )
