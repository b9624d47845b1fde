"""Graphs: vessels that branch and join again, and points joined to their neighbours."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.batches import Graph
from zvview.testing.points import make_points
from zvview.testing.recipe import EXTENT, Recipe
from zvview.testing.trees import grow_trees

__all__ = ["GROUP_NAMES", "make_graph"]

GROUP_NAMES: Final = ("arterial", "venous")
_NODES = 5000  # of a vessel tree, on average
_NEIGHBOURS = 3  # that each node of a neighbour graph is joined to
_REACH = 4  # nodes before and after along a curve that are looked at
_CELLS = 1 << 9  # of the curve along each axis
_LOOP = 0.03 * EXTENT  # tips that are joined lie nearer than this


def make_graph(recipe: Recipe) -> Graph:
    """Vessel trees whose near tips are joined (``vessels``), or clustered points joined to near ones (``neighbours``).

    Attributes: ``radius`` (float32) of nodes and ``length`` (float32) of edges.
    """
    form = recipe.choose("vessels", "neighbours")
    recipe.need_axes(2, 6)
    positions, offsets, edges, radius = _vessels(recipe) if form == "vessels" else _neighbours(recipe)
    values: dict[str, NDArray[Any]] = {}
    link_values: dict[str, NDArray[Any]] = {}
    if recipe.with_attributes:
        values["radius"] = radius
        between = positions[edges[:, 1]] - positions[edges[:, 0]]
        link_values["length"] = np.sqrt(np.einsum("nd,nd->n", between, between))
    return Graph(
        positions,
        edges=edges,
        offsets=offsets,
        object_ids=np.arange(len(offsets) - 1),
        attributes=values,
        link_attributes=link_values,
    )


def _vessels(
    recipe: Recipe,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Positions, bounds of the objects, edges and radii of trees whose near tips are joined."""
    count = recipe.count_objects(recipe.size // _NODES, 1)
    trees = grow_trees(recipe.rng, recipe.size, recipe.ndim, count)
    children = np.flatnonzero(trees.parents >= 0)
    branches = np.stack((trees.parents[children], children), axis=1)
    tips = np.flatnonzero(np.bincount(trees.parents[children], minlength=recipe.size) == 0)
    owner = trees.of_row
    tips = tips[np.lexsort((_curve_codes(trees.positions[tips], 0.0), owner[tips]))]
    loops = np.stack((tips[:-1:2], tips[1::2]), axis=1)  # neighbours along the curve, each tip once
    between = trees.positions[loops[:, 0]] - trees.positions[loops[:, 1]]
    is_near = np.einsum("nd,nd->n", between, between) < _LOOP**2
    loops = loops[is_near & (owner[loops[:, 0]] == owner[loops[:, 1]])]
    radius = np.float32(6.0) * np.float32(0.75) ** trees.depth.astype(np.float32) + np.float32(0.5)
    return trees.positions, trees.offsets, np.concatenate((branches, loops)), radius


def _neighbours(
    recipe: Recipe,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The same of points, each joined to the nearest of its object that lie close by along two shifted curves."""
    count = recipe.count_objects(1, 1)
    points = make_points(Recipe(recipe.size, recipe.ndim, recipe.seed, recipe.n_objects, with_attributes=False))
    owner = np.zeros(recipe.size, np.int64) if points.object_ids is None else points.object_ids
    order = np.argsort(owner, kind="stable")
    positions, owner = points.positions[order], owner[order]
    codes = np.sort(np.concatenate([_near_pairs(positions, owner, shift) for shift in (0.0, 0.37)]))
    codes = codes[np.diff(codes, prepend=-1) > 0]  # np.unique hashes, which takes many times as long
    edges = np.stack(np.divmod(codes, recipe.size), axis=1)
    offsets = np.searchsorted(owner, np.arange(count + 1))
    degree = np.bincount(edges.ravel(), minlength=recipe.size)
    return positions, offsets, edges, np.sqrt(degree.astype(np.float32))


def _near_pairs(positions: NDArray[np.float32], owner: NDArray[np.int64], shift: float) -> NDArray[np.int64]:
    """Codes ``smaller row * N + larger row`` of each row with the nearest of its object close by along a curve."""
    size = len(positions)
    reach = min(_REACH, size - 1)
    if not reach:
        return np.empty(0, np.int64)
    order = np.lexsort((_curve_codes(positions, shift), owner))
    where, owner = positions[order], owner[order]
    distance = np.full((size, 2 * reach), np.inf, np.float32)  # to those before and after
    for step in range(1, reach + 1):
        between = where[step:] - where[:-step]
        square = np.einsum("nd,nd->n", between, between)
        square[owner[step:] != owner[:-step]] = np.inf
        distance[step:, reach - step] = distance[:-step, reach + step - 1] = square
    rank = min(_NEIGHBOURS, 2 * reach) - 1
    farthest = np.partition(distance, rank, axis=1)[:, rank]
    row, column = np.nonzero((distance <= farthest[:, None]) & (distance < np.inf))
    steps = np.concatenate((np.arange(-reach, 0), np.arange(1, reach + 1)))
    a, b = order[row], order[row + steps[column]]
    codes: NDArray[np.int64] = np.minimum(a, b) * size + np.maximum(a, b)
    return codes


def _curve_codes(positions: NDArray[np.float32], shift: float) -> NDArray[np.int64]:
    """Where along a Z-order curve each position lies; near positions mostly have near codes."""
    bits = _CELLS.bit_length() - 1
    codes = np.zeros(len(positions), np.int64)
    for d in range(positions.shape[1]):
        cell = (np.ascontiguousarray(positions[:, d]) * (_CELLS / (2 * EXTENT)) + shift * _CELLS / 2).astype(np.int64)
        spread = np.arange(_CELLS, dtype=np.int64)
        table = np.zeros(_CELLS, np.int64)
        for bit in range(bits):
            table |= (spread >> bit & 1) << (bit * positions.shape[1] + d)
        codes |= table[np.clip(cell, 0, _CELLS - 1)]
    return codes
