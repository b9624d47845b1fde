"""What fragment indexes and manifests tell of objects without a look at vertices: where their pieces lie, how long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.grid import ChunkTable, sort_chunks
from zvview.format.sequences import offsets_of
from zvview.pyramid.line_survey import Survey
from zvview.store.level import Level
from zvview.store.patching.chunk_objects import OwnedPieces
from zvview.store.reading.joints import piece_rows
from zvview.store.reading.outline import read_outline

__all__ = ["count_pieces", "count_present"]


def count_present(level: Level) -> int | None:
    """Objects that a level holds something of, as its index says, or counted where it does not; None without one."""
    reader = level._reader
    attributes = reader.hierarchy.attributes(f"{reader.layout.path}/{names.OBJECT_INDEX}")
    if attributes is None:
        return None
    told = attributes.get("num_present")
    if isinstance(told, int) and not isinstance(told, bool):
        return told
    ids = level.present_object_ids
    return None if ids is None else len(ids)


def count_pieces(fine: Level, ratio: NDArray[np.int64], pieces: OwnedPieces) -> Survey:
    """How many vertices of some pieces there are in each chunk of the coarser level; lengths and winners are left 0.

    Parameters
    ----------
    fine : Level
    ratio : (D,) int64
        Of the coarser level's chunks to those of `fine`.
    pieces : OwnedPieces
        Of `fine`.
    """
    reader = fine._reader
    outline, _ = read_outline(reader, sort_chunks(pieces.chunks))
    path = f"{reader.layout.path}/{names.OBJECT_INDEX}/{names.MANIFESTS}"
    _, sizes = piece_rows(outline, pieces.chunks, pieces.numbers, path)
    parents = np.floor_divide(pieces.chunks[:, pieces.chunks.shape[1] - len(ratio) :], ratio)
    full = sizes > 0
    sizes, owners, parents = sizes[full], pieces.objects[full], parents[full]
    table = ChunkTable.of(parents)
    number = table.find(parents)
    order = np.lexsort((owners, number))
    number, owners = number[order], owners[order]
    starts = np.flatnonzero(np.append(True, (np.diff(number) != 0) | (np.diff(owners) != 0))[: len(order)])
    counts = np.add.reduceat(sizes[order], starts) if len(starts) else sizes
    first = offsets_of(np.bincount(number[starts], minlength=len(table)))
    nothing = np.zeros(len(starts), np.int64)
    return Survey(table.coords, first, owners[starts], counts, nothing, nothing > 0)
