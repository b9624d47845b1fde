"""New nodes of trees stand behind their parents, and those that stay keep their order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.store.editing.tree_order import order_nodes


@given(st.integers(0, 2**32), st.integers(0, 40))
def test_new_nodes_follow_their_parents(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    parents = np.array([rng.integers(-1, i) if i else -1 for i in range(count)], np.int64)
    shuffle = rng.permutation(count)
    place = np.argsort(shuffle)
    parents = np.array([-1 if parents[i] < 0 else place[parents[i]] for i in shuffle], np.int64)
    is_staying = rng.random(count) < rng.random()
    order = order_nodes(parents, is_staying)
    assert sorted(order.tolist()) == list(range(count))
    kept = order[is_staying[order]]
    assert (np.diff(kept) > 0).all()
    at = np.argsort(order)
    for node in np.flatnonzero(~is_staying).tolist():
        top = node
        while top >= 0 and not is_staying[top]:
            assert parents[top] < 0 or is_staying[parents[top]] or at[parents[top]] < at[top]
            top = int(parents[top])
        if top >= 0:  # between the node that stays and this one stand only new ones
            assert at[top] < at[node] and not is_staying[order[at[top] + 1 : at[node] + 1]].any()
        else:
            assert not is_staying[order[at[node] :]].any()


def test_a_chain_of_new_nodes_is_one_stretch() -> None:
    order = order_nodes(np.array([-1, 0, 4, 2, 0]), np.array([True, True, False, False, False]))
    assert order.tolist() == [0, 4, 2, 3, 1]


def test_new_nodes_in_a_ring_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="cycle"):
        order_nodes(np.array([1, 0]), np.zeros(2, bool))
