"""What the next coarser level lacks: of equal points as many as it has less."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zvview.neuroglancer.sources.differences import identify, lacking
from zvview.stream.parts import ChunkPart

NAMES = st.lists(st.integers(0, 5) | st.integers(2**64 - 3, 2**64 - 1), max_size=30)


@given(NAMES, NAMES)
def test_what_is_lacking_and_what_is_there_are_all(own: list[int], coarser: list[int]) -> None:
    rows = lacking(np.array(own, np.uint64), np.sort(np.array(coarser, np.uint64)))
    assert (np.diff(rows) > 0).all()
    assert Counter(own[row] for row in rows.tolist()) == Counter(own) - Counter(coarser)


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.integers(-1, 2)), max_size=40), st.booleans())
def test_points_have_one_name_where_they_are_one(rows: list[tuple[int, int, int]], with_objects: bool) -> None:
    table = np.array(rows, np.int64).reshape(-1, 3)
    positions = table[:, :2].astype(np.float32) * np.float32(-0.0 if not len(rows) else 1.5)
    positions[positions == 0] = np.float32(-0.0)  # equal to 0.0, and no other point
    ids = table[:, 2] if with_objects else None
    names = identify(ChunkPart(positions, {}, ids))
    plain = identify(ChunkPart(np.where(positions == 0, np.float32(0), positions), {}, ids))
    assert np.array_equal(names, plain)
    keys = [tuple(row) if with_objects else tuple(row[:2]) for row in table.tolist()]
    assert len(set(names.tolist())) == len(set(keys)) == len(set(zip(names.tolist(), keys, strict=True)))
