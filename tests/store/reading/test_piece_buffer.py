"""Finding vertices by their stored rows."""

from __future__ import annotations

import numpy as np

from zvview.format.grid import ChunkTable
from zvview.store.reading.piece_buffer import BEYOND, PieceBuffer, Surroundings


def buffer(coords: list[list[int]], stored: list[int], rows: list[int] | None = None) -> PieceBuffer:
    """A buffer of chunks with `stored` rows each, of which `rows` (of the joined buffers) are shown."""
    count = sum(stored) if rows is None else len(rows)
    return PieceBuffer(
        ChunkTable.of(np.array(coords, np.int64).reshape(-1, 1)),
        np.zeros((count, 3), np.float32),
        {},
        {},
        np.array([0, count]),
        np.array([0, *([1] * len(coords))]),
        None,
        np.cumsum([0, *stored]),
        None if rows is None else np.array(rows, np.int64),
    )


def find(where: PieceBuffer | Surroundings, *named: tuple[int, int]) -> list[int]:
    places, at = np.unique([c for c, _ in named], return_inverse=True)
    return where.find_rows(places[:, None], at, np.array([r for _, r in named])).tolist()


def test_rows_of_tiled_buffers_are_where_they_were_stored() -> None:
    own = buffer([[0], [2]], [3, 2])
    assert find(own, (0, 2), (2, 0), (2, 1), (1, 0), (0, 3), (2, 9)) == [2, 3, 4, -1, BEYOND, BEYOND]


def test_rows_named_by_several_fragments_or_none() -> None:
    own = buffer([[0], [2]], [3, 2], rows=[4, 0, 4, 1])
    assert find(own, (0, 0), (0, 1), (0, 2), (2, 0), (2, 1), (2, 2)) == [1, 3, -1, -1, 0, BEYOND]


def test_buffers_of_nothing_find_nothing() -> None:
    assert find(buffer([], []), (0, 0), (5, 7)) == [-1, -1]


def test_neighbours_come_behind_what_was_wanted() -> None:
    around = Surroundings(buffer([[0]], [2]), buffer([[1]], [3]))
    assert find(around, (1, 0), (0, 1), (1, 2), (1, 3), (0, 2), (7, 0)) == [2, 1, 4, BEYOND, BEYOND, -1]
    assert find(Surroundings(buffer([[0]], [2])), (1, 0)) == [-1]
