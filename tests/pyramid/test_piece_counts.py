"""What manifests and fragments tell of objects is what their vertices tell."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.pyramid.piece_counts import count_pieces
from zvview.store.patching.chunk_objects import find_pieces
from zvview.store.reading.outline import read_outline
from zvview.testing import make_batch


def make_store(seed: int) -> zvview.Store:
    place: dict[str, bytes] = {}
    with zvview.create(place, kind="polyline", axes="xyz", chunk_shape=(150,) * 3) as store:
        store.write(make_batch("polyline", 500, seed=seed, n_objects=9))
    return zvview.open(place)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 9), share=st.floats(0, 1))
def test_counts_are_those_of_the_vertices(seed: int, share: float) -> None:
    level = make_store(seed).level(0)
    ratio, chunks = np.array([2, 1, 3]), level.chunks[: int(share * len(level.chunks))]
    found = count_pieces(level, ratio, find_pieces(level._reader, chunks))
    expected: dict[tuple[int, ...], int] = {}
    for chunk in chunks:
        batch = level.read_chunks(chunk)
        for number, count in zip(batch.object_ids.tolist(), np.diff(batch.offsets).tolist(), strict=True):
            key = (*(chunk // ratio).tolist(), number)
            expected[key] = expected.get(key, 0) + count
    chunk = np.repeat(found.chunks, np.diff(found.first), axis=0)
    keys = [tuple(row) for row in np.column_stack((chunk, found.ids)).tolist()]
    assert keys == sorted(expected)
    assert found.counts.tolist() == [expected[key] for key in keys]
    assert not found.lengths.any()
    assert not found.is_winner.any()


def test_outlines_have_as_many_rows_as_their_chunks() -> None:
    level = make_store(3).level(0)
    outline, is_tiled = read_outline(level._reader, level.chunks)
    assert is_tiled
    np.testing.assert_array_equal(np.diff(outline.stored_first), level.chunk_vertex_counts)
    assert not len(outline.positions)
