"""Where the pieces of some chunks lie in their vertex buffers, told by the fragment indexes alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError
from zvview.format.fragments import decode_fragments
from zvview.format.sequences import offsets_of
from zvview.store.reading.counts import count_rows
from zvview.store.reading.piece_buffer import PieceBuffer, outline_pieces
from zvview.store.reading.reader import LevelReader
from zvview.store.waves import locate_error, read_cells

__all__ = ["read_outline"]

_WAVE = 4096  # fragment indexes are small
_ANY_ROW = 2**40  # stands for the number of rows of a buffer that was not read


def read_outline(
    reader: LevelReader, coords: NDArray[np.int64], cancel: CancelToken | None = None
) -> tuple[PieceBuffer, bool]:
    """The pieces of the chunks at `coords`, distinct and in numeric order, without their vertices.

    Whether they tile the vertex buffers, in their order, comes with them. What of a buffer lies behind its last piece
    is not known here.
    """
    counts, per_chunk, is_tiled = [np.empty(0, np.int64)], [np.empty(0, np.int64)], True
    array = reader.layout.fragments
    for at in range(0, len(coords), _WAVE):
        wave = coords[at : at + _WAVE]
        limits = np.full(len(wave), _ANY_ROW, np.int64)
        cells = [np.empty(0, np.uint8)] * len(wave)
        if array is not None:
            (cells,) = read_cells(reader.hierarchy, [(array, wave)], cancel)
        bare = np.flatnonzero([not len(cell) for cell in cells])  # no index: one fragment of all rows (6)
        limits[bare] = count_rows(reader, wave[bare])
        try:
            table = decode_fragments(cells, limits)
        except DamagedError as error:
            raise locate_error(error, "" if array is None else array.path, wave) from None
        before = offsets_of(table.counts)
        is_tiled &= bool(table.tiles(np.diff(before[table.first])).all())
        counts.append(table.counts)
        per_chunk.append(np.diff(table.first))
    return outline_pieces(coords, np.concatenate(counts), np.concatenate(per_chunk)), is_tiled
