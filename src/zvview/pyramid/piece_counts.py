"""What fragment indexes and manifests tell of objects without a look at vertices: where their pieces lie, how long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format import names
from zvview.format.fragments import decode_fragments
from zvview.format.grid import ChunkTable
from zvview.format.sequences import offsets_of
from zvview.pyramid.line_survey import Survey
from zvview.store.level import Level
from zvview.store.reading.counts import count_rows
from zvview.store.reading.joints import piece_rows
from zvview.store.reading.piece_buffer import PieceBuffer, outline_pieces
from zvview.store.reading.reader import LevelReader
from zvview.store.waves import locate_error, read_cells

__all__ = ["count_pieces", "read_outline"]

_WAVE = 4096  # fragment indexes are small
_ANY_ROW = 2**40  # stands for the number of rows of a buffer that was not read


def read_outline(reader: LevelReader, coords: NDArray[np.int64]) -> PieceBuffer:
    """The pieces of the chunks at `coords`, distinct and in numeric order, without their vertices."""
    counts, per_chunk = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    array = reader.layout.fragments
    for at in range(0, len(coords), _WAVE):
        wave = coords[at : at + _WAVE]
        limits = np.full(len(wave), _ANY_ROW, np.int64)
        cells = [np.empty(0, np.uint8)] * len(wave)
        if array is not None:
            (cells,) = read_cells(reader.hierarchy, [(array, wave)])
        bare = np.flatnonzero([not len(cell) for cell in cells])  # no index: one fragment of all rows (6)
        limits[bare] = count_rows(reader, wave[bare])
        try:
            table = decode_fragments(cells, limits)
        except DamagedError as error:
            raise locate_error(error, "" if array is None else array.path, wave) from None
        counts.append(table.counts)
        per_chunk.append(np.diff(table.first))
    return outline_pieces(coords, np.concatenate(counts), np.concatenate(per_chunk))


def count_pieces(fine: Level, ratio: NDArray[np.int64], chunks: NDArray[np.int64]) -> Survey:
    """How many vertices of each object there are in each chunk of the coarser level; lengths and winners are left 0.

    Parameters
    ----------
    fine : Level
    ratio : (D,) int64
        Of the coarser level's chunks to those of `fine`.
    chunks : (n, sid) int64
        Chunks of `fine`, distinct and in numeric order; of others nothing is told.
    """
    reader = fine._reader
    assert reader.objects is not None
    manifests = reader.objects.manifests()
    wanted = np.flatnonzero(ChunkTable.of(chunks).find(manifests.chunks) >= 0)
    outline = read_outline(reader, chunks)
    path = f"{reader.layout.path}/{names.OBJECT_INDEX}/{names.MANIFESTS}"
    _, sizes = piece_rows(outline, manifests.chunks[wanted], manifests.fragments[wanted], path)
    owners = reader.objects.ids[reader.objects.piece_rows()[wanted]]
    parents = np.floor_divide(manifests.chunks[wanted][:, chunks.shape[1] - len(ratio) :], ratio)
    full = sizes > 0
    sizes, owners, parents = sizes[full], owners[full], parents[full]
    table = ChunkTable.of(parents)
    number = table.find(parents)
    order = np.lexsort((owners, number))
    number, owners = number[order], owners[order]
    starts = np.flatnonzero(np.append(True, (np.diff(number) != 0) | (np.diff(owners) != 0))[: len(order)])
    counts = np.add.reduceat(sizes[order], starts) if len(starts) else sizes
    first = offsets_of(np.bincount(number[starts], minlength=len(table)))
    nothing = np.zeros(len(starts), np.int64)
    return Survey(table.coords, first, owners[starts], counts, nothing, nothing > 0)
