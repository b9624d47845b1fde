"""Chunks of points made anew by cutting and joining: what is not edited is copied in long stretches, never sorted.

Fragments of points, one for each bin or object of a chunk, stand in ascending order. A point that comes, or goes from
one fragment to another, is put at the end of its fragment; all others keep their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import ConflictError, InvalidInputError
from zvview.format import names
from zvview.format.grid import format_chunk_keys, locate_chunks
from zvview.format.sequences import offsets_of
from zvview.store.editing.edits import Edits
from zvview.store.patching.replacement import Replacement
from zvview.store.reading.piece_buffer import PieceBuffer
from zvview.store.reading.pieces import read_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions
from zvview.store.writing.partition import Tiling, locate_in_bins
from zvview.store.writing.runs import Run
from zvview.store.writing.sorting import run_starts

__all__ = ["splice_points"]

Ints = NDArray[np.int64]

_MOST_CUTS = 1 << 15  # with fewer, long stretches are copied ten times as fast as rows one by one


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """Points as edits leave them.

    Attributes
    ----------
    origins : (m,) int64
        Row in the buffer, -1 for new points.
    chunks : (m,) int64
        Number of the chunk that each is in now.
    keys : (m,) int64
        Bin or object.
    positions, columns
    """

    origins: Ints
    chunks: Ints
    keys: Ints
    positions: NDArray[np.floating]
    columns: Mapping[str, NDArray[Any]]

    def take(self, index: Ints) -> _Points:
        columns = {name: values[index] for name, values in self.columns.items()}
        return _Points(self.origins[index], self.chunks[index], self.keys[index], self.positions[index], columns)


def splice_points(reader: LevelReader, edits: Edits, chunks: Ints, tiling: Tiling) -> tuple[Replacement, int] | None:
    """What stands in the place of some chunks of points, and how many more than before there are.

    None where the fragments of the chunks are not what a writer makes of them, so that cutting would not do.

    Parameters
    ----------
    reader : LevelReader
        Level 0 before the edits.
    edits : Edits
    chunks : (n, sid) int64
        All chunks that points come into, leave, or change their fragment in; in numeric order.
    tiling : Tiling

    Raises
    ------
    ConflictError
        A point that is edited is not there.
    """
    options = ReadOptions()
    buffer, _ = read_pieces(reader.hierarchy, reader.families(options), chunks)
    keys = _keys_of(reader, buffer, options, tiling)
    if keys is None or len(buffer.chunks) < len(chunks):
        return None
    gone, edited = _edit(reader, buffer, keys, edits, tiling)
    if edited.chunks.min(initial=0) < 0:
        return None
    fragments = np.repeat(np.arange(len(keys)), np.diff(buffer.offsets))
    old = np.flatnonzero(edited.origins >= 0)
    was = fragments[edited.origins[old]]
    stays = np.zeros(len(edited.origins), bool)
    stays[old] = (_chunk_of(buffer)[was] == edited.chunks[old]) & (keys[was] == edited.keys[old])
    kept, moved = edited.take(np.flatnonzero(stays)), edited.take(np.flatnonzero(~stays))
    moved = moved.take(np.lexsort((moved.keys, moved.chunks)))
    removed = np.sort(np.concatenate((gone, moved.origins[moved.origins >= 0])))
    return _join(reader, buffer, keys, kept, moved, removed, fragments[removed])


def _chunk_of(buffer: PieceBuffer) -> Ints:
    """Number of the chunk of each fragment."""
    return np.repeat(np.arange(len(buffer.chunks)), np.diff(buffer.first))


def _keys_of(reader: LevelReader, buffer: PieceBuffer, options: ReadOptions, tiling: Tiling) -> Ints | None:
    """Bin or object of each fragment, if the fragments tell, tile their chunks and stand in ascending order."""
    if buffer.stored_rows is not None:
        return None
    per_chunk = np.diff(buffer.first)
    if tiling.fragments_per_chunk is not None:
        dense = tiling.fragments_per_chunk
        is_dense = bool(((per_chunk == dense) | (per_chunk == 0)).all())
        return np.tile(np.arange(dense), int((per_chunk > 0).sum())) if is_dense else None
    owners = reader.owners(buffer, options)
    if owners is None or (owners == names.OWNER_NONE).any():
        return None
    chunk = _chunk_of(buffer)
    is_ascending = bool(((chunk[1:] != chunk[:-1]) | (owners[1:] > owners[:-1])).all())
    return owners if is_ascending else None


def _edit(reader: LevelReader, buffer: PieceBuffer, keys: Ints, edits: Edits, tiling: Tiling) -> tuple[Ints, _Points]:
    """Rows that go, and all other points that are edited or new, as they are now."""
    table, starts = buffer.chunks, buffer.offsets[buffer.first]
    numbers = table.find(np.array(list(edits.chunks), np.int64).reshape(-1, table.coords.shape[1])).tolist()
    pairs = zip(numbers, edits.chunks.values(), strict=True)
    entries = sorted((pair for pair in pairs if pair[0] >= 0), key=lambda pair: pair[0])
    none = np.empty(0, np.int64)
    for at, entry in entries:
        if len(entry.rows) and entry.rows[-1] >= starts[at + 1] - starts[at]:
            (text,) = format_chunk_keys(table.coords[at : at + 1])
            raise ConflictError(f"chunk {text} has no row {entry.rows[-1]} any more; reload the edits")
    every = np.concatenate([none, *(starts[at] + entry.rows for at, entry in entries)])
    is_gone = np.concatenate([none.astype(bool), *(entry.is_deleted for _, entry in entries)])
    positions = buffer.positions[every]
    columns = {name: values[every] for name, values in buffer.attributes.items()}
    owners = np.repeat(keys, np.diff(buffer.offsets))[every]
    if entries:
        is_moved = np.concatenate([entry.is_moved for _, entry in entries])
        is_reassigned = np.concatenate([entry.is_reassigned for _, entry in entries])
        positions[is_moved] = np.concatenate([entry.positions for _, entry in entries])[is_moved]
        owners[is_reassigned] = np.concatenate([entry.objects for _, entry in entries])[is_reassigned]
    begin = 0
    for _, entry in entries:
        for name, (is_set, values) in entry.columns.items():
            columns[name][begin : begin + len(entry.rows)][is_set] = values[is_set]
        begin += len(entry.rows)
    kept = np.flatnonzero(~is_gone)
    origins, positions, owners = every[kept], positions[kept], owners[kept]
    columns = {name: values[kept] for name, values in columns.items()}
    if (added := edits.added) is not None:
        origins = np.concatenate((origins, np.full(len(added.numbers), -1)))
        positions = np.concatenate((positions, added.positions.astype(positions.dtype)))
        # only rows tell how wide a column is: what is declared may be wrong
        columns = {
            name: np.concatenate([*([values] if len(kept) else []), added.columns[name]])
            for name, values in columns.items()
        }
        if added.objects is None and reader.objects is not None:
            raise InvalidInputError("the points of the store belong to objects: give those that are added one")
        more = np.zeros(len(added.numbers), np.int64) if added.objects is None else added.objects
        owners = np.concatenate((owners, more))
    if tiling.bins is None:
        places, own_keys = locate_chunks(positions, tiling.chunk_shape), owners
    else:
        places, own_keys = locate_in_bins(positions, tiling)
    return every[is_gone], _Points(origins, table.find(places), own_keys, positions, columns)


def _join(
    reader: LevelReader,
    buffer: PieceBuffer,
    keys: Ints,
    kept: _Points,
    moved: _Points,
    removed: Ints,
    left: Ints,
) -> tuple[Replacement, int]:
    """The run of what stays, with the points that come at the ends of their fragments."""
    behind = np.empty(len(moved.keys), np.int64)  # fragment behind which each comes: the last one with no greater key
    starts = [*run_starts(moved.chunks).tolist(), len(moved.keys)]
    for start, stop in pairwise(starts):
        first, last = buffer.first[moved.chunks[start] :][:2].tolist()
        behind[start:stop] = first + np.searchsorted(keys[first:last], moved.keys[start:stop], side="right")
    at = buffer.offsets[behind]
    place = kept.origins - np.searchsorted(removed, kept.origins) + np.searchsorted(at, kept.origins, side="right")

    def spliced(stored: NDArray[Any], new: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        out = _splice(stored, removed, at, new)
        out[place] = values
        return out

    positions = spliced(buffer.positions, moved.positions, kept.positions)
    columns = {
        name: spliced(values, moved.columns[name], kept.columns[name]) for name, values in buffer.attributes.items()
    }
    counts = np.diff(buffer.offsets) - np.bincount(left, minlength=len(keys))
    chunk = np.insert(_chunk_of(buffer), behind, moved.chunks)
    key = np.insert(keys, behind, moved.keys)
    counts = np.insert(counts, behind, 1)
    held = np.flatnonzero(counts)
    chunk, key, counts = chunk[held], key[held], counts[held]
    starts_at = run_starts(chunk, key)
    if len(starts_at):
        counts = np.add.reduceat(counts, starts_at)
    chunk, key = chunk[starts_at], key[starts_at]
    per_chunk = np.bincount(chunk, minlength=len(buffer.chunks))
    full = np.flatnonzero(per_chunk)
    fragments = offsets_of(per_chunk[full])
    run = Run(
        chunks=buffer.chunks.coords[full],
        rows=offsets_of(counts)[fragments],
        fragments=fragments,
        counts=counts,
        positions=positions,
        columns=columns,
        keys=key,
        objects=None if reader.objects is None else key,
    )
    grown = len(positions) - len(buffer.positions)
    return Replacement(buffer.chunks.coords, [run] if len(full) else []), grown


def _splice(stored: NDArray[Any], removed: Ints, at: Ints, new: NDArray[Any]) -> NDArray[Any]:
    """`stored` without the rows at `removed`, and row i of `new` before stored row ``at[i]``; both ascending."""
    if len(removed) + len(at) > _MOST_CUTS:
        rest = np.delete(stored, removed, axis=0)
        return np.insert(rest, at - np.searchsorted(removed, at), new, axis=0)
    cuts = np.unique(np.concatenate(([0, len(stored)], removed, removed + 1, at)))
    blocks = np.searchsorted(at, cuts, side="left").tolist()
    is_removed = np.isin(cuts, removed).tolist()
    places = cuts.tolist()
    parts = []
    for i, begin in enumerate(places):
        stop = blocks[i + 1] if i + 1 < len(blocks) else len(at)
        if stop > blocks[i]:
            parts.append(new[blocks[i] : stop])
        if i + 1 < len(places) and not is_removed[i]:
            parts.append(stored[begin : places[i + 1]])
    return np.concatenate(parts) if parts else np.array(stored[:0])
