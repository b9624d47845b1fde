"""Branching trees, any number at once, without a loop over nodes or branches: the shape of skeletons and vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.testing.recipe import EXTENT, draw_directions, fold, share_out

__all__ = ["Trees", "grow_trees"]

_PRIMARIES = 5  # branches that start at the root
_NODES = 24  # of a branch, on average
_STEP = 0.004 * EXTENT  # between neighbouring nodes
_TURN = 0.7  # how much of a branch's direction is its own rather than its parent's


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """Trees, each in consecutive rows that begin with its root; parents stand before their children.

    Attributes
    ----------
    positions : (N, D) float32 array
    parents : (N,) int64 array
        Row of the parent, -1 for roots.
    offsets : (T + 1,) int64 array
        Bounds of the trees.
    depth : (N,) int64 array
        Branchings between a node and its root: 0 for roots, 1 for the branches that start there.
    primary : (N,) int64 array
        Which branch of the root, from 0, leads to a node; -1 for roots.
    taper : (N,) float32 array
        1 at the start of a branch, falling to 0 at its end.
    """

    positions: NDArray[np.float32]
    parents: NDArray[np.int64]
    offsets: NDArray[np.int64]
    depth: NDArray[np.int64]
    primary: NDArray[np.int64]
    taper: NDArray[np.float32]

    @property
    def of_row(self) -> NDArray[np.int64]:
        """The tree of each node, (N,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


def grow_trees(rng: np.random.Generator, size: int, ndim: int, trees: int) -> Trees:
    """`trees` trees of `size` nodes in all. A tree is cut into branches; branch 0 is the root alone."""
    per_tree = share_out(rng, size, trees, least=1)
    branches = 1 + -(-(per_tree - 1) // _NODES)
    first_branch = np.concatenate(([0], np.cumsum(branches)))
    tree = np.repeat(np.arange(trees), branches)
    rank = np.arange(first_branch[-1]) - first_branch[tree]
    lengths = _branch_lengths(rng, per_tree, branches, tree, rank)
    starts = np.concatenate(([0], np.cumsum(lengths)))

    parent = first_branch[tree] + _parent_ranks(rng, rank)
    joint = starts[parent] + ((0.5 + 0.5 * rng.random(len(rank))) * lengths[parent]).astype(np.int64)
    joint[rank == 0] = -1
    own = draw_directions(rng, len(rank), ndim) * np.where(rank <= _PRIMARIES, 1.0, _TURN)[:, None]
    sums = _sum_to_root(parent, np.column_stack((own, np.ones(len(rank)))))
    depth = sums[:, ndim].astype(np.int64)
    directions = sums[:, :ndim] / np.maximum(np.linalg.norm(sums[:, :ndim], axis=1, keepdims=True), 1e-12)

    branch = np.repeat(np.arange(len(rank)), lengths)
    inside = _walk(rng, directions, branch, starts)
    shift = _sum_to_root(parent, inside[np.maximum(joint, 0)])
    roots = rng.uniform(0.15 * EXTENT, 0.85 * EXTENT, (trees, ndim))
    positions = fold((inside + np.take(shift + roots[tree], branch, axis=0)).astype(np.float32))

    rows = np.arange(size)
    parents = rows - 1
    parents[starts[:-1]] = joint
    taper = 1 - (rows - starts[branch]) / lengths[branch]
    return Trees(
        positions,
        parents,
        starts[first_branch],
        depth[branch],
        (rank[_primary_branch(parent)] - 1)[branch],
        taper.astype(np.float32),
    )


def _branch_lengths(
    rng: np.random.Generator,
    per_tree: NDArray[np.int64],
    branches: NDArray[np.int64],
    tree: NDArray[np.int64],
    rank: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Nodes of each branch, at least 1; those of a tree add up to its nodes, the root's being 1."""
    spare = per_tree - branches
    weight = np.where(rank > 0, rng.lognormal(0.0, 0.5, len(rank)), 0.0)
    total = np.maximum(np.bincount(tree, weight), 1e-12)
    ends = np.cumsum(weight)
    before = ends[np.cumsum(branches) - branches]  # the root weighs nothing
    ends = np.rint((ends - before[tree]) / total[tree] * spare[tree]).astype(np.int64)
    return 1 + np.where(rank > 0, np.diff(ends, prepend=0), 0)


def _parent_ranks(rng: np.random.Generator, rank: NDArray[np.int64]) -> NDArray[np.int64]:
    """The branch of the same tree that each one starts from: the root for the first few, then any earlier branch."""
    later = 1 + (rng.random(len(rank)) * (rank - 1)).astype(np.int64)
    return np.where(rank <= _PRIMARIES, 0, later)


def _sum_to_root(parent: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of `values` (B, K) over each branch and its ancestors, without the roots.

    Pointer doubling: each round doubles the ancestors that are summed, so that few rounds do.
    """
    is_root = parent == np.arange(len(parent))
    total = np.where(is_root[:, None], 0.0, values)
    above = parent
    while not is_root[above].all():
        total = total + total[above]
        above = above[above]
    return total


def _primary_branch(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ancestor of each branch that starts at the root; of the root itself, the root."""
    rows = np.arange(len(parent))
    above = np.where(parent[parent] == parent, rows, parent)
    while not np.array_equal(further := above[above], above):
        above = further
    return above


def _walk(
    rng: np.random.Generator, directions: NDArray[np.float64], branch: NDArray[np.int64], starts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Position of each node relative to where its branch starts: steps along its direction, wavering smoothly."""
    steps = rng.standard_normal((len(branch), directions.shape[1]))
    steps *= 0.45
    steps[1:] += steps[:-1] * 0.6  # neighbours turn alike
    steps += np.take(directions, branch, axis=0)
    steps *= _STEP
    ends = np.cumsum(steps, axis=0)
    before = ends[starts[:-1]] - steps[starts[:-1]]
    return ends - np.take(before, branch, axis=0)
