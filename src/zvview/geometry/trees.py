"""Components, cycles, roots and depth-first order of graphs given as arrays of edges.

Skeletons and trees come as links between vertex rows; reading them asks for parents, writing them for an order in which
every unbranched run is one stretch of rows. Everything here is done in O(log n) rounds of array operations over all
nodes (pointer doubling, Wyllie 1979), so that a path of a million nodes costs no more rounds than a bush.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError

__all__ = ["depth_first_order", "find_cycles", "label_components", "parents_from_links", "root_forest"]

Ints = NDArray[np.int64]


def label_components(n: int, edges: ArrayLike) -> Ints:
    """The smallest node of each node's component, (n,) int64.

    Parameters
    ----------
    n : int
        Number of nodes.
    edges : (E, 2) integer
        Undirected; repeated edges and loops are allowed.

    Raises
    ------
    InvalidInputError
        An edge names a node outside ``[0, n)``.

    Notes
    -----
    Each round hooks every component to its smallest neighbour and then flattens the chains. A component that did not
    hook is smaller than all its neighbours, and survives the next round only if a neighbour of its own hooked to it, so
    two rounds at least halve the components that are left.
    """
    pairs = _checked_edges(n, edges)
    label = np.arange(n, dtype=np.int64)
    ends = np.ascontiguousarray(pairs.T)
    while ends.shape[1]:
        np.minimum.at(label, ends.max(axis=0), ends.min(axis=0))
        label = _flatten(label)
        ends = label[ends]
        ends = ends[:, np.flatnonzero(ends[0] != ends[1])]
    return label


def find_cycles(parents: ArrayLike) -> Ints:
    """The nodes that lie on a cycle of parents, ascending, (k,) int64; empty for a forest.

    Parameters
    ----------
    parents : (n,) integer
        Parent of each node, -1 for none.

    Raises
    ------
    InvalidInputError
        A parent outside ``[-1, n)``.
    """
    above = _checked_parents(parents)
    # After n steps or more a node has left the forest or is on a cycle, and each node of a cycle is some node's image.
    live = np.flatnonzero(above[:-1] < len(above) - 1)
    for _ in range(len(above).bit_length()):
        live = _double(above, live)
        if not live.size:
            break
    on_cycle = np.zeros(len(above), np.bool_)
    on_cycle[above[live]] = True
    return np.flatnonzero(on_cycle)


def root_forest(n: int, edges: ArrayLike, roots: ArrayLike | None = None) -> Ints:
    """The parent of each node of an undirected forest, (n,) int64, -1 for roots.

    Parameters
    ----------
    n : int
        Number of nodes.
    edges : (E, 2) integer
        Each edge once.
    roots : (r,) integer, optional
        At most one node of each component; the root of the others is their smallest node.

    Raises
    ------
    InvalidInputError
        The edges hold a cycle, a loop or a repeated edge (the message says how many are too many), a node is outside
        ``[0, n)`` or two roots share a component.

    Notes
    -----
    Tarjan and Vishkin (1985): the Euler tour of each tree walks every edge both ways, first away from the root; which
    way came first is told by list ranking.
    """
    pairs = _checked_edges(n, edges)
    label = label_components(n, pairs)
    smallest = np.flatnonzero(label == np.arange(n))
    surplus = len(pairs) - (n - smallest.size)
    if surplus:
        raise InvalidInputError(f"the edges are no forest: {surplus} of {len(pairs)} close a cycle or repeat an edge")

    source = np.concatenate((pairs[:, 0], pairs[:, 1]))
    order = np.argsort(source, kind="stable")
    place = _inverse(order)
    twin = place[(order + len(pairs)) % max(order.size, 1)]
    source = source[order]
    first = np.searchsorted(source, np.arange(n + 1))

    # The tour leaves a node by the arc after the one by which it came, and ends where it would leave its root again.
    follow = np.arange(1, source.size + 1)
    inner = np.flatnonzero(first[1:] > first[:-1])
    follow[first[inner + 1] - 1] = first[inner]
    follow = follow[twin]
    root = _one_root_each(label, smallest, roots)
    is_start = np.zeros(source.size, np.bool_)
    is_start[first[root[first[root] < first[root + 1]]]] = True
    ends = np.flatnonzero(is_start[follow])
    follow[ends] = ends
    left = _rank_lists(follow)

    parents = np.full(n, -1, np.int64)
    down = np.flatnonzero(left > left[twin])
    parents[source[twin[down]]] = source[down]
    return parents


def parents_from_links(n: int, edges: ArrayLike) -> Ints:
    """The parent of each node from links of child and parent, (n,) int64, -1 where there is none.

    Parameters
    ----------
    n : int
        Number of nodes.
    edges : (E, 2) integer
        Rows of child, parent. A repeated link counts once. In a component where a child has two different parents, or
        parents run in a cycle, directions are not trusted: it is taken as undirected and rooted at its smallest node.

    Raises
    ------
    InvalidInputError
        A component is no tree, even undirected, or a node is outside ``[0, n)``.
    """
    pairs = _checked_edges(n, edges)
    child, parent = pairs[:, 0], pairs[:, 1]
    parents = np.full(n, -1, np.int64)
    parents[child] = parent
    doubted = np.concatenate((child[parents[child] != parent], find_cycles(parents)))
    if not doubted.size:
        return parents

    label = label_components(n, pairs)
    is_doubted = np.zeros(n, np.bool_)
    is_doubted[label[doubted]] = True
    is_doubted = is_doubted[label]
    undirected = np.unique(np.sort(pairs[is_doubted[child]], axis=1), axis=0)
    return np.where(is_doubted, root_forest(n, undirected), parents)


def depth_first_order(parents: ArrayLike) -> Ints:
    """The nodes of a forest in preorder, (n,) int64: roots and siblings ascending, each unbranched run contiguous.

    Parameters
    ----------
    parents : (n,) integer
        Parent of each node, -1 for roots.

    Raises
    ------
    InvalidInputError
        Parents run in a cycle or outside ``[-1, n)``.
    """
    above = _checked_parents(parents)
    n = len(above) - 1
    size = _subtree_sizes(above.copy())

    # A node comes after its parent (the roots after a node n before all) and the subtrees of its earlier siblings.
    siblings = np.argsort(above[:-1], kind="stable")
    before = np.cumsum(size[siblings]) - size[siblings]
    family = above[siblings]
    opens = np.flatnonzero(np.diff(family, prepend=-1))
    members = np.diff(opens, append=n)
    place = np.zeros(n + 1, np.int64)
    place[siblings] = before - np.repeat(before[opens], members) + 1

    live = np.flatnonzero(above[:-1] < n)
    while live.size:
        place[live] += place[above[live]]
        live = _double(above, live)
    return _inverse(place[:-1] - 1)


def _subtree_sizes(above: Ints) -> Ints:
    """Nodes in the subtree of each node, (n,); `above` (n + 1,) as of `_checked_parents` is consumed.

    Before round k a node has counted its descendants less than 2**k below, and `above` is its ancestor 2**k up.
    """
    n = len(above) - 1
    size = np.ones(n + 1, np.int64)
    live = np.flatnonzero(above[:-1] < n)
    for _ in range(n.bit_length() + 1):
        if not live.size:
            return size[:-1]
        # float64 weights are exact below 2**53
        size += np.bincount(above[live], weights=size[live], minlength=n + 1).astype(np.int64)
        live = _double(above, live)
    raise InvalidInputError("the parents run in a cycle and have no depth-first order")


def _double(above: Ints, live: Ints) -> Ints:
    """Let the `live` nodes point twice as far up, in place; gives those that still point to a node."""
    further = above[above[live]]
    above[live] = further
    return live[np.flatnonzero(further < len(above) - 1)]


def _flatten(label: Ints) -> Ints:
    """Follow labels to the node that is its own; labels never exceed their node, so they hold no cycle."""
    while True:
        further = label[label]
        if np.array_equal(further, label):
            return label
        label = further


def _rank_lists(follow: Ints) -> Ints:
    """Steps from each element to the end of its list; the last element of a list follows itself."""
    steps: Ints = np.not_equal(follow, np.arange(follow.size)).astype(np.int64)
    live = np.flatnonzero(steps)
    while live.size:
        near = follow[live]
        gained = steps[near]
        steps[live] += gained
        follow[live] = follow[near]
        live = live[np.flatnonzero(gained)]
    return steps


def _one_root_each(label: Ints, smallest: Ints, roots: ArrayLike | None) -> Ints:
    """The given roots, and the smallest node of each component without one."""
    if roots is None:
        return smallest
    given = np.asarray(roots).ravel()
    if not given.size:
        return smallest
    given = _checked_nodes(len(label), given, "roots")
    chosen, count = np.unique(label[given], return_counts=True)
    if (count > 1).any():
        raise InvalidInputError(f"{int((count > 1).sum())} components were given more than one root")
    root = label.copy()
    root[chosen] = given[np.argsort(label[given])]
    return root[smallest]


def _inverse(order: Ints) -> Ints:
    inverse = np.empty_like(order)
    inverse[order] = np.arange(order.size)
    return inverse


def _checked_edges(n: int, edges: ArrayLike) -> Ints:
    """The edges as (E, 2) int64 with nodes in ``[0, n)``."""
    if n < 0:
        raise InvalidInputError(f"there cannot be {n} nodes")
    pairs = np.asarray(edges)
    if not pairs.size:
        return np.zeros((0, 2), np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise InvalidInputError(f"edges must have shape (E, 2), not {pairs.shape}")
    return _checked_nodes(n, pairs, "edges")


def _checked_parents(parents: ArrayLike) -> Ints:
    """A copy with node n put in for "none", its own parent: (n + 1,) int64 with values in ``[0, n]``."""
    given = np.asarray(parents)
    if given.ndim != 1:
        raise InvalidInputError(f"parents must have shape (n,), not {given.shape}")
    above = np.full(given.size + 1, given.size, np.int64)
    if given.size:
        above[:-1] = _checked_nodes(given.size, given, "parents", lowest=-1)
        above[above < 0] = given.size
    return above


def _checked_nodes(n: int, nodes: NDArray[np.integer[Any]], what: str, lowest: int = 0) -> Ints:
    """The nodes as int64, after their range was looked at in their own dtype."""
    if nodes.dtype.kind not in "iu":
        raise InvalidInputError(f"{what} must be integers, not {nodes.dtype}")
    if nodes.size and (int(nodes.min()) < lowest or int(nodes.max()) >= n):
        raise InvalidInputError(f"{what} name nodes {nodes.min()} to {nodes.max()}; there are {n} nodes")
    return nodes.astype(np.int64, copy=False)
