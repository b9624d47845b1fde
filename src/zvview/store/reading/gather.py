"""Lines and points of whole objects, put together from chunks that pass by one after the other.

Where each piece belongs in the result follows from the manifests and the fragments alone. Those are read first, so that
the result can be made at once and filled by chunks; nothing of its size is held beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format import names
from zvview.format.attributes import Categories
from zvview.format.grid import sort_chunks
from zvview.format.manifests import Manifests
from zvview.format.sequences import offsets_of
from zvview.store.reading.joints import piece_rows
from zvview.store.reading.outline import read_outline
from zvview.store.reading.piece_buffer import PieceBuffer
from zvview.store.reading.pieces import iterate_pieces, read_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions

__all__ = ["Gathered", "gather_objects"]

_AT_ONCE = 64  # chunks that one wave reads anyway: their fragments need not be read before
_WINDOW = 1 << 15  # vertices that are copied at once


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Vertices of objects, one object after the other.

    Attributes
    ----------
    positions : (N, D) array
    attributes : mapping of str to (N,) or (N, C) array
    categories : mapping of str to Categories
    counts : (M,) int64 array
        Vertices of each object.
    notes : tuple of str
        Damage that was left out.
    """

    positions: NDArray[np.floating]
    attributes: dict[str, NDArray[Any]]
    categories: dict[str, Categories]
    counts: NDArray[np.int64]
    notes: tuple[str, ...]


def gather_objects(reader: LevelReader, manifests: Manifests, options: ReadOptions) -> Gathered:
    """The vertices that `manifests` name, in their order."""
    coords = sort_chunks(manifests.chunks)
    families = reader.families(options)
    notes: list[str] | None = [] if options.skip_damage else None
    waves: Iterator[PieceBuffer]
    if len(coords) <= _AT_ONCE or options.skip_damage:  # what will be left out is not known before all was read
        outline, _ = read_pieces(
            reader.hierarchy, families, coords, skip_damage=options.skip_damage, cancel=options.cancel
        )
        waves = iter([outline])
    else:
        outline, is_tiled = read_outline(reader, coords, options.cancel)
        if is_tiled and reader.layout.metadata.fragments_tile:
            families = families.without_fragments()
        waves = iterate_pieces(reader.hierarchy, families, coords, cancel=options.cancel)
    chunks, fragments, offsets = manifests.chunks, manifests.fragments, manifests.offsets
    if outline.notes:  # pieces in chunks that were left out go too
        present = outline.chunks.find(chunks) >= 0
        offsets = offsets_of(present)[offsets]
        chunks, fragments = chunks[present], fragments[present]
    path = f"{reader.layout.path}/{names.OBJECT_INDEX}/{names.MANIFESTS}"
    start, count = piece_rows(outline, chunks, fragments, path, notes)
    target = offsets_of(count)
    ends = outline.offsets[outline.first][1:]
    positions, attributes, categories = _fill(waves, start, count, target, ends, reader.layout.vertices.path)
    return Gathered(positions, attributes, categories, np.diff(target[offsets]), (*outline.notes, *(notes or ())))


def _fill(
    waves: Iterator[PieceBuffer],
    start: NDArray[np.int64],
    count: NDArray[np.int64],
    target: NDArray[np.int64],
    ends: NDArray[np.int64],
    path: str,
) -> tuple[NDArray[np.floating], dict[str, NDArray[Any]], dict[str, Categories]]:
    """Copy each piece, `count` rows from row `start` of all waves together, to row `target` of the result.

    `ends` are the rows of all waves up to the end of each chunk; waves end with a chunk.
    """
    total, done, number = int(target[-1]), 0, 0
    order = np.argsort(start, kind="stable").astype(np.int32)  # the decoder of manifests holds them to 2**27 pieces
    out: dict[str, NDArray[Any]] = {}
    categories: dict[str, Categories] = {}
    for wave in waves:
        categories |= wave.categories
        values = {"": wave.positions, **wave.attributes}
        rows = len(wave.positions)
        number += len(wave.chunks)
        if number and done + rows != ends[number - 1]:
            found = f"{done + rows} vertices up to chunk {'.'.join(map(str, wave.chunks.coords[-1].tolist()))}"
            raise DamagedError("vertices", found=found, expected=f"{ends[number - 1]}, as in the fragments", array=path)
        if rows == total and not out and bool((start == target[:-1]).all()):
            out, done = values, rows  # the chunks held the objects in this very order
            continue
        for name, value in values.items():
            if name not in out or (not done and out[name].shape[1:] != value.shape[1:]):
                out[name] = np.empty((total, *value.shape[1:]), value.dtype)
            elif rows and out[name].shape[1:] != value.shape[1:]:
                raise DamagedError("attribute", found=f"several widths of {name!r}", expected="one width", array=path)
        first, last = np.searchsorted(start, (done, done + rows), sorter=order)
        pieces = order[first:last]
        for part in _windows(pieces, count):
            sizes = count[part]
            before = np.cumsum(sizes) - sizes
            steps = np.arange(int(sizes.sum()))
            source = np.repeat(start[part] - done - before, sizes) + steps
            place = np.repeat(target[part] - before, sizes) + steps
            for name, value in values.items():
                out[name][place] = value[source]
        done += rows
    if total and not out:
        raise DamagedError("vertices", found="no vertices", expected=f"the {total} that objects name", array=path)
    positions = out.pop("")
    return positions, out, categories


def _windows(pieces: NDArray[np.integer], count: NDArray[np.int64]) -> Iterator[NDArray[np.integer]]:
    """`pieces` in parts of about as many vertices as are copied at once."""
    ends = np.cumsum(count[pieces])
    at = 0
    while at < len(pieces):
        before = int(ends[at - 1]) if at else 0
        stop = max(at + 1, int(np.searchsorted(ends, before + _WINDOW, side="right")))
        yield pieces[at:stop]
        at = stop
