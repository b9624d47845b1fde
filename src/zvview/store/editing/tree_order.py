"""Where new nodes of trees go among those that stay: behind their parents, so that most links are implied by order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.trees import depth_first_order
from zvview.store.writing.sorting import invert

__all__ = ["order_nodes"]

Ints = NDArray[np.int64]


def order_nodes(parents: Ints, is_staying: NDArray[np.bool_]) -> Ints:
    """The nodes of which some stay in their order, (n,) int64.

    Parameters
    ----------
    parents : (n,) int64
        The parent behind which a node may stand, -1 for none.
    is_staying : (n,) bool
        The others, in depth-first order of their own, follow the node that stays from which they descend; those that
        descend from none come last.

    Raises
    ------
    InvalidInputError
        The parents of new nodes run in a cycle.
    """
    count = len(parents)
    new = np.flatnonzero(~is_staying)
    if not len(new):
        return np.arange(count)
    number = np.full(count + 1, -1, np.int64)  # one more, for -1
    number[new] = np.arange(len(new))
    above = number[parents[new]]
    order = depth_first_order(above)
    starts = np.flatnonzero(above[order] < 0)  # each new node that hangs on none comes before its descendants
    tops = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
    anchors = np.empty(len(new), np.int64)
    anchors[order] = parents[new[tops]]
    first, second = np.arange(count), np.full(count, -1, np.int64)
    first[new], second[new] = np.where(anchors < 0, count, anchors), invert(order)
    return np.lexsort((second, first))
