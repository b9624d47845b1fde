from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stream.conftest import any_edges, make_tree, nested_edges
from zvview.stream.cells import common_edges


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.01, 100))
def test_common_edges_are_multiples_of_both(a: int, b: int, unit: float) -> None:
    (edge,) = common_edges(np.array([a * unit]), np.array([b * unit]))
    assert round(edge / unit) == np.lcm(a, b)


def test_edges_without_a_common_multiple_make_one_cell_of_all() -> None:
    assert common_edges(np.array([np.pi]), np.array([1.0])).tolist() == [np.inf]
    assert common_edges(np.array([np.inf]), np.array([1.0])).tolist() == [np.inf]


@settings(max_examples=40)
@given(any_edges)
def test_cells_hold_their_chunks_and_their_children(edges: list[float]) -> None:
    _, tree = make_tree(edges, extent=32.0)
    for k, level in enumerate(tree):
        own = level.cell_of_chunk
        assert (own >= 0).all()
        assert (level.lo[own] <= level.chunk_lo + 1e-6).all() and (level.hi[own] >= level.chunk_hi - 1e-6).all()
        if k + 1 < len(tree):
            up = tree[k + 1]
            assert (level.parent >= 0).all() and (level.parent < len(up)).all()
            middle = (level.lo + level.hi) / 2
            assert (up.lo[level.parent] <= middle).all() and (up.hi[level.parent] >= middle).all()
        else:
            assert (level.parent == -1).all()


@settings(max_examples=20)
@given(nested_edges)
def test_where_grids_nest_a_cell_is_a_chunk(edges: list[float]) -> None:
    _, tree = make_tree(edges)
    for level in tree:
        assert len(level) == len(level.chunk_lo)


def test_a_cell_without_a_chunk_of_its_own_level_stands_above_finer_ones() -> None:
    facts, tree = make_tree([4.0, 8.0])
    coarse = facts.levels[1]
    assert len(tree[1]) == len(coarse.chunks) == 64
    object.__setattr__(coarse, "chunks", coarse.chunks[:3])
    object.__setattr__(coarse, "counts", coarse.counts[:3])
    from zvview.stream.cells import build_cells

    again = build_cells(facts)
    assert len(again[1]) == 64 and len(again[1].cell_of_chunk) == 3
