"""Vertices, fragments and attributes of some chunks, joined into one buffer of pieces.

Cells are read in waves of about eight megabytes, so that no more than that is held beside the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError
from zvview.format.grid import ChunkTable
from zvview.format.sequences import offsets_of
from zvview.store.cell_arrays import CellArray, CellPlan, Place
from zvview.store.codecs import CodecChain
from zvview.store.hierarchy import Hierarchy
from zvview.store.reading.cell_families import CellFamilies
from zvview.store.reading.cell_rows import CellRows
from zvview.store.reading.piece_buffer import PieceBuffer
from zvview.store.reading.piece_wave import FragmentTest, Parts, append_wave
from zvview.store.waves import CellAsk, UnreadableCells, locate_error, read_cells

__all__ = ["decode_apart", "decode_pieces", "iterate_pieces", "read_pieces"]

_WAVE_BYTES = 8 << 20
_FIRST_WAVE = {True: 64, False: 512}  # chunks, before their size is known; a wave more costs a round trip elsewhere


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
    parts = Parts(attributes={name: [] for name in families.attributes})
    others: list[list[NDArray[np.uint8]]] = []
    for used, own, more in _read_waves(
        hierarchy, families, coords, extra, parts.notes if skip_damage else None, cancel
    ):
        others = others or more
        _append_sound(parts, families, used, own, test, skip_damage, cancel)
    buffer = _finish(parts, families, coords, cancel)
    broken = _find_not_finite(buffer)
    if not len(broken):
        return buffer, others
    error = _not_finite(families, buffer, broken)
    if not skip_damage:
        raise error
    sound = np.delete(buffer.chunks.coords, broken, axis=0)
    buffer, _ = read_pieces(hierarchy, families, sound, test=test, skip_damage=True, cancel=cancel)
    return replace(buffer, notes=(*parts.notes, str(error))), others


def iterate_pieces(
    hierarchy: Hierarchy,
    families: CellFamilies,
    coords: NDArray[np.int64],
    *,
    skip_damage: bool = False,
    cancel: CancelToken | None = None,
) -> Iterator[PieceBuffer]:
    """The pieces of the chunks at `coords`, some chunks at a time: all together need not fit into memory twice."""
    notes: list[str] | None = [] if skip_damage else None
    for used, payloads, _ in _read_waves(hierarchy, families, coords, (), notes, cancel, _WAVE_BYTES // 2):
        buffer = decode_pieces(families, used, payloads, skip_damage=skip_damage)
        yield replace(buffer, notes=(*(notes or ()), *buffer.notes))
        if notes:
            notes.clear()


def _read_waves(
    hierarchy: Hierarchy,
    families: CellFamilies,
    coords: NDArray[np.int64],
    extra: Sequence[CellAsk],
    notes: list[str] | None,
    cancel: CancelToken | None,
    wave_bytes: int = _WAVE_BYTES,
) -> Iterator[tuple[NDArray[np.int64], list[list[NDArray[np.uint8]]], list[list[NDArray[np.uint8]]]]]:
    """Chunks that could be read, the payloads of their cells, and in the first wave those of `extra`."""
    done, size = 0, _FIRST_WAVE[hierarchy.source.is_local]
    while done < len(coords) or (extra and not done):
        wave = coords[done : done + size]
        asks = families.asks(wave)
        own = len(asks)
        used, payloads = _read_sound(hierarchy, [*asks, *(() if done else extra)], own, wave, notes, cancel)
        spent = sum(len(c) for cells in payloads[:own] for c in cells)
        done += size
        size = int(np.clip(wave_bytes * len(wave) // max(spent, 1), 1, 1 << 14))
        yield used, payloads[:own], payloads[own:]


def decode_pieces(
    families: CellFamilies,
    coords: NDArray[np.int64],
    payloads: list[list[NDArray[np.uint8]]],
    *,
    skip_damage: bool = False,
) -> PieceBuffer:
    """The pieces of the chunks at `coords` from the payloads of ``families.asks(coords)``."""
    parts = Parts(attributes={name: [] for name in families.attributes})
    _append_sound(parts, families, coords, payloads, None, skip_damage)
    buffer = _finish(parts, families, coords)
    broken = _find_not_finite(buffer)
    if not len(broken):
        return buffer
    error = _not_finite(families, buffer, broken)
    if not skip_damage:
        raise error
    kept = np.setdiff1d(
        np.arange(len(coords)), np.flatnonzero(ChunkTable.of(buffer.chunks.coords[broken]).find(coords) >= 0)
    )
    rest = decode_pieces(families, coords[kept], [[p[i] for i in kept.tolist()] for p in payloads], skip_damage=True)
    return replace(rest, notes=(*rest.notes, str(error)))


def decode_apart(
    families: CellFamilies,
    coords: NDArray[np.int64],
    payloads: list[list[NDArray[np.uint8]]],
    *,
    skip_damage: bool = False,
    cancel: CancelToken | None = None,
) -> tuple[PieceBuffer, CellRows]:
    """As :func:`decode_pieces`, but the positions and attributes come apart from the buffer and are not joined."""
    parts = Parts(attributes={name: [] for name in families.attributes})
    _append_sound(parts, families, coords, payloads, None, skip_damage, cancel)
    if families.chunk_attribute is not None or not all(_are_finite(p, cancel) for p in parts.positions):
        buffer = decode_pieces(families, coords, payloads, skip_damage=skip_damage)
        return buffer, CellRows([buffer.positions], {n: [v] for n, v in buffer.attributes.items()})
    empty = _finish(Parts(attributes={name: [] for name in families.attributes}), families, coords)
    positions, parts.positions = parts.positions or [empty.positions], []
    values, parts.attributes = parts.attributes, {name: [] for name in families.attributes}
    attributes = {name: of_name or [empty.attributes[name]] for name, of_name in values.items()}
    return _finish(parts, families, coords, cancel), CellRows(positions, attributes)


def _read_sound(
    hierarchy: Hierarchy,
    asks: list[CellAsk],
    own: int,
    wave: NDArray[np.int64],
    notes: list[str] | None,
    cancel: CancelToken | None,
) -> tuple[NDArray[np.int64], list[list[NDArray[np.uint8]]]]:
    """Read `asks`, of which the first `own` are for the chunks of `wave`.

    Given `notes`, what cannot be decoded is noted there and left out: chunks of the wave, other cells as if absent.
    """
    while True:
        try:
            return wave, read_cells(hierarchy, asks, cancel)
        except UnreadableCells as error:
            if notes is None:
                raise
            notes.append(str(error))
            if error.ask < own:
                wave = np.delete(wave, error.cells, axis=0)
                asks = [(a, wave) if i < own else (a, c) for i, (a, c) in enumerate(asks)]
            else:
                array, chunks = asks[error.ask]
                asks[error.ask] = (_Without(array, chunks[list(error.cells)]), chunks)


def _append_sound(
    parts: Parts,
    families: CellFamilies,
    coords: NDArray[np.int64],
    payloads: list[list[NDArray[np.uint8]]],
    test: FragmentTest | None,
    skip_damage: bool,
    cancel: CancelToken | None = None,
) -> None:
    """Decode one wave and add it to the parts; where damage is to be skipped, what is sound of it."""
    while len(coords):
        if cancel is not None:
            cancel.raise_if_cancelled()
        try:
            append_wave(parts, families, coords, payloads, test)
            return
        except DamagedError as error:
            if not (skip_damage and error.cells):
                raise
            parts.notes.append(str(error))
            kept = np.setdiff1d(np.arange(len(coords)), error.cells)
            coords, payloads = coords[kept], [[cells[i] for i in kept.tolist()] for cells in payloads]


class _Without:
    """An array of cells in which some count as absent."""

    def __init__(self, array: CellArray, absent: NDArray[np.int64]) -> None:
        self._array, self._absent = array, ChunkTable.of(absent)
        self.path, self.attributes, self.is_vlen = array.path, array.attributes, array.is_vlen
        self.chunks, self.preparation, self.prepare = array.chunks, array.preparation, array.prepare

    def plan(self, coords: NDArray[np.int64]) -> CellPlan:
        """The array's plan for the others; it is not asked about the absent ones, about which it may raise."""
        kept = np.flatnonzero(self._absent.find(coords) < 0)
        plan = self._array.plan(coords[kept])
        places: list[Place] = [None] * len(coords)
        chains, sizes = [CodecChain()] * len(coords), [0] * len(coords)
        for number, at in enumerate(kept.tolist()):
            places[at], chains[at] = plan.places[number], plan.chains[number]
            sizes[at] = 0 if plan.sizes is None else plan.sizes[number]
        return CellPlan(plan.requests, places, chains, None if plan.sizes is None else sizes)


def _finish(
    parts: Parts, families: CellFamilies, asked: NDArray[np.int64], cancel: CancelToken | None = None
) -> PieceBuffer:
    """Join the parts, one array at a time, so that no more than one exists twice."""
    coords = _join(parts.coords, np.empty((0, asked.shape[1]), np.int64))
    categories = {n: m.categories for n, (_, m) in families.attributes.items() if m.categories is not None}
    counts = _join(parts.counts, np.empty(0, np.int64))
    owners = _join(parts.owners, np.empty(0, np.int64)) if families.owners is not None else None
    stored_rows = None if parts.is_tiled or parts.is_cut else _join(parts.stored_rows, np.empty(0, np.int64))
    empty = {
        n: np.empty((0, *m.row_shape), m.dtype) for n, (_, m) in families.attributes.items() if not parts.attributes[n]
    }
    positions = _join(parts.positions, np.empty((0, families.ndim), families.dtype), cancel)
    attributes = {}
    for name in families.attributes:
        attributes[name] = _join_values(name, parts.attributes.pop(name), empty.get(name), families, cancel)
    offsets, first = offsets_of(counts), offsets_of(_join(parts.per_chunk, np.empty(0, np.int64)))
    if (leading := families.chunk_attribute) is not None:
        try:
            attributes[leading.metadata.name] = leading.spread(coords, np.diff(offsets[first]))
        except DamagedError as error:
            raise error.at(families.vertices.path) from None
        if leading.metadata.categories is not None:
            categories[leading.metadata.name] = leading.metadata.categories
    return PieceBuffer(
        ChunkTable.of(coords),
        positions,
        attributes,
        categories,
        offsets,
        first,
        owners,
        offsets_of(_join(parts.stored, np.empty(0, np.int64))),
        stored_rows,
        _join(parts.faces, np.empty((0, 3), np.int64)) if families.is_draco else None,
        tuple(parts.notes),
    )


def _find_not_finite(buffer: PieceBuffer) -> NDArray[np.int64]:
    """Chunks that hold a coordinate that is no finite number; a sum tells in a sixth of the time of looking at each."""
    if _are_finite(buffer.positions):
        return np.empty(0, np.int64)
    rows = np.flatnonzero(~np.isfinite(buffer.positions).all(axis=1))
    fragments = np.searchsorted(buffer.offsets, rows, side="right") - 1
    return np.unique(np.searchsorted(buffer.first, fragments, side="right") - 1)


def _are_finite(positions: NDArray[np.floating], cancel: CancelToken | None = None) -> bool:
    """Whether a sum over all is finite; a finite one proves that they are, the opposite almost."""
    if cancel is not None:
        cancel.raise_if_cancelled()
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(positions.sum()))


def _not_finite(families: CellFamilies, buffer: PieceBuffer, broken: NDArray[np.int64]) -> DamagedError:
    error = DamagedError("vertices", found="a coordinate that is no finite number", expected="numbers", cells=broken)
    return locate_error(error, families.vertices.path, buffer.chunks.coords)


def _join(parts: list[NDArray[Any]], empty: NDArray[Any], cancel: CancelToken | None = None) -> NDArray[Any]:
    if cancel is not None:
        cancel.raise_if_cancelled()
    out = parts[0] if len(parts) == 1 else (np.concatenate(parts) if parts else empty)
    parts.clear()
    return out


def _join_values(
    name: str,
    parts: list[NDArray[Any]],
    empty: NDArray[Any] | None,
    families: CellFamilies,
    cancel: CancelToken | None,
) -> NDArray[Any]:
    """Rows of an attribute; waves of no rows do not count for its width."""
    parts = [p for p in parts if len(p)] or parts[:1]
    if len({p.shape[1:] for p in parts}) > 1:
        path = families.attributes[name][0].path
        raise DamagedError("attribute", found="several widths", expected="one width in all cells", array=path)
    return _join(parts, empty if empty is not None else np.empty(0), cancel)
