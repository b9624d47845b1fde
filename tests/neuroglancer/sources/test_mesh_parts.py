"""Boxes that large surfaces are divided into."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zvview.neuroglancer.sources.mesh_parts import divide


@given(
    st.lists(st.tuples(*[st.integers(-9, 9)] * 3), min_size=1, max_size=40, unique=True), st.integers(1, 60), st.data()
)
def test_boxes_hold_each_chunk_once_and_all_of_space(
    coords: list[tuple[int, int, int]], most: int, data: st.DataObject
) -> None:
    table = np.array(sorted(coords), np.int64)
    weights = np.array(data.draw(st.lists(st.integers(0, 30), min_size=len(table), max_size=len(table))))
    parts = divide(3, table, np.arange(len(table)), weights, np.array([1.0, 2.0, 3.0]), most)
    assert sorted(row for part in parts for row in part.chunks.tolist()) == list(range(len(table)))
    for part in parts:
        own = table[part.chunks]
        assert ((own >= part.lo) & (own < part.hi)).all()
        assert weights[part.chunks].sum() <= most or len(part.chunks) == 1
    somewhere = np.random.default_rng(0).uniform(-20, 20, (50, 3))
    inside = [((somewhere >= part.lo) & (somewhere < part.hi)).all(axis=1) for part in parts]
    assert (np.sum(inside, axis=0) == 1).all()
