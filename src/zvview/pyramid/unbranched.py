"""The unbranched runs of a network: chains of nodes of two links each, from one node that must stay to the next.

All runs are found at once, by pointer doubling (Wyllie 1979) over the two ways out of each inner node: O(log n) rounds
of array operations for the longest run, no loop over nodes, objects or runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.trees import label_components

__all__ = ["Runs", "find_runs"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """The links of a network as runs, and those that belong to none.

    Attributes
    ----------
    rows : (n,) int64
        Nodes of one run after the other, both of its ends among them; a closed run has its one end twice.
    offsets : (R + 1,) int64
        Bounds of the runs in `rows`, at least two nodes apart.
    links : (n - R,) int64
        Link between each node of `rows` and the next one of the same run; node ``i`` of run ``r`` precedes link
        ``i - r``.
    direct : (m,) int64
        Links between two nodes that stay, ascending.
    is_anchor : (N,) bool
        Nodes that stay: pinned ones, ends, branch points, isolated ones, and one of each ring.
    """

    rows: Ints
    offsets: Ints
    links: Ints
    direct: Ints
    is_anchor: NDArray[np.bool_]

    def __len__(self) -> int:
        """Number of runs, R."""
        return len(self.offsets) - 1

    @property
    def run_of_row(self) -> Ints:
        """The run of each of `rows`, (n,) int64."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


def find_runs(count: int, edges: Ints, is_pinned: NDArray[np.bool_]) -> Runs:
    """Cut a network into its unbranched runs.

    Parameters
    ----------
    count : int
        Number of nodes, N.
    edges : (E, 2) int64
        Rows of nodes below `count`. Loops and repeated links are allowed: the node of a loop stays, and a repeated link
        adds to the degree of its nodes.
    is_pinned : (N,) bool
        Nodes that stay whatever their degree.

    Returns
    -------
    Runs
        Each begins at the end whose inner node has the lower row. Runs do not depend on the order of the edges, but for
        the direction of those with a single inner node.
    """
    is_inner = (np.bincount(edges.ravel(), minlength=count) == 2) & ~is_pinned
    is_inner[edges[edges[:, 0] == edges[:, 1], 0]] = False
    while True:
        ways = _Ways.of(count, edges, is_inner)
        follow, steps, on_ring = _walk(ways.follow)
        if not len(on_ring):
            return _collect(edges, is_inner, ways, follow, steps)
        is_inner[_ring_ends(edges, is_inner, ways.nodes[np.unique(on_ring // 2)])] = False


@dataclass(frozen=True, slots=True, eq=False)
class _Ways:
    """The two ways out of each of m inner nodes: way ``2 * i + slot`` leaves node i by the link of that slot.

    Attributes
    ----------
    nodes : (m,) int64
    links : (2 m,) int64
        Of each way.
    beyond : (2 m,) int64
        Node that it leads to.
    follow : (2 m,) int64
        Way that goes on from there; a way to a node that stays is followed by itself.
    """

    nodes: Ints
    links: Ints
    beyond: Ints
    follow: Ints

    @classmethod
    def of(cls, count: int, edges: Ints, is_inner: NDArray[np.bool_]) -> _Ways:
        nodes = np.flatnonzero(is_inner)
        rank = np.full(count, -1, np.int64)
        rank[nodes] = np.arange(len(nodes))
        a, b = np.ascontiguousarray(edges.T)
        touching = np.flatnonzero(is_inner[a] | is_inner[b])
        left, right = a[touching], b[touching]
        # Of two links the sum and the one that was written last tell both; sums below 2**53 are exact in float64.
        total = np.bincount(left, touching, minlength=count) + np.bincount(right, touching, minlength=count)
        last = np.zeros(count, np.int64)
        last[left] = touching
        last[right] = touching
        one = last[nodes]
        other = total[nodes].astype(np.int64) - one
        links = np.stack((np.minimum(one, other), np.maximum(one, other)), axis=1).ravel()
        beyond = a[links] + b[links] - np.repeat(nodes, 2)
        goes_on = rank[beyond]
        arrives_first = links[2 * goes_on] == links
        follow = np.where(goes_on >= 0, 2 * goes_on + arrives_first, np.arange(len(links)))
        return cls(nodes, links, beyond, follow)


def _walk(follow: Ints) -> tuple[Ints, Ints, Ints]:
    """Last way and number of steps to it from each way, and the ways that have none because they run in a ring."""
    follow = follow.copy()
    steps = (follow != np.arange(len(follow))).astype(np.int64)
    live = np.flatnonzero(steps)
    for _ in range(len(follow).bit_length() + 1):
        near = follow[live]
        gained = steps[near]
        steps[live] += gained
        follow[live] = follow[near]
        live = live[np.flatnonzero(gained)]
        if not len(live):
            break
    return follow, steps, live


def _ring_ends(edges: Ints, is_inner: NDArray[np.bool_], nodes: Ints) -> Ints:
    """The lowest node of each ring that the `nodes`, ascending, form."""
    rank = np.full(len(is_inner), -1, np.int64)
    rank[nodes] = np.arange(len(nodes))
    ends = rank[edges]
    labels = label_components(len(nodes), ends[(ends >= 0).all(axis=1)])
    ends_of_rings: Ints = nodes[labels == np.arange(len(nodes))]
    return ends_of_rings


def _collect(edges: Ints, is_inner: NDArray[np.bool_], ways: _Ways, follow: Ints, steps: Ints) -> Runs:
    """Put each inner node at its place, which is known from the steps to both ends of its run."""
    ends, steps = follow.reshape(-1, 2), steps.reshape(-1, 2)
    slot = (ends[:, 1] < ends[:, 0]).astype(np.int64)  # the way towards the start of the run
    node = np.arange(len(ends))
    place = steps[node, slot]
    first = np.flatnonzero(place == 0)
    number = np.empty(len(ways.links), np.int64)
    number[ends[first, slot[first]]] = np.arange(len(first))
    run = number[ends[node, slot]]
    counts = steps[first, 0] + steps[first, 1] + 3
    offsets = np.concatenate(([0], np.cumsum(counts)))

    rows = np.empty(offsets[-1], np.int64)
    links = np.empty(offsets[-1] - len(first), np.int64)
    toward, at = 2 * node + slot, offsets[run] + place
    rows[at + 1] = ways.nodes
    links[at - run] = ways.links[toward]
    last = ends[first, 1 - slot[first]]
    rows[offsets[:-1]] = ways.beyond[toward[first]]
    rows[offsets[1:] - 1] = ways.beyond[last]
    links[offsets[1:] - 2 - np.arange(len(first))] = ways.links[last]
    direct = np.flatnonzero(~(is_inner[edges[:, 0]] | is_inner[edges[:, 1]]))
    return Runs(rows, offsets, links, direct, ~is_inner)
