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
    points = make_points(Recipe(recipe.size, recipe.ndim, recipe.seed, count, with_attributes=False))
    owner = np.zeros(recipe.size, np.int64) if points.object_ids is None else points.object_ids
    order = np.argsort(owner, kind="stable")
    positions, owner = points.positions[order], owner[order]
    edges = np.unique(np.concatenate([_near_pairs(positions, owner, shift) for shift in (0.0, 0.37)]), axis=0)
    offsets = np.searchsorted(owner, np.arange(count + 1))
    degree = np.bincount(edges.ravel(), minlength=recipe.size)
    return positions, offsets, edges, np.sqrt(degree.astype(np.float32))


def _near_pairs(positions: NDArray[np.float32], owner: NDArray[np.int64], shift: float) -> NDArray[np.int64]:
    """Each row with the nearest rows of its object among those close by along a curve, smaller row first, (M, 2)."""
    order = np.lexsort((_curve_codes(positions, shift), owner))
    ahead = np.arange(1, min(_REACH, len(order) - 1) + 1)
    steps = np.concatenate((-ahead[::-1], ahead))
    found = np.clip(np.arange(len(order))[:, None] + steps, 0, len(order) - 1)
    where = positions[order]
    distance = np.zeros(found.shape, np.float32)
    for d in range(positions.shape[1]):
        column = np.ascontiguousarray(where[:, d])
        distance += np.square(column[found] - column[:, None])
    is_other = (owner[order][found] != owner[order][:, None]) | (found == np.arange(len(order))[:, None])
    distance[is_other] = np.inf
    most = min(_NEIGHBOURS, len(steps))
    best = np.argpartition(distance, most - 1, axis=1)[:, :most] if most else np.empty((len(order), 0), np.int64)
    is_near = np.isfinite(np.take_along_axis(distance, best, axis=1))
    others = order[np.take_along_axis(found, best, axis=1)]
    pairs = np.stack((np.broadcast_to(order[:, None], best.shape), others), axis=2)
    return np.sort(pairs[is_near], axis=1)


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
