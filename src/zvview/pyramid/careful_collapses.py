"""Edges collapsed so that nothing is pinched, doubled or lost: for rough and thin surfaces, where quadrics alone fail.

Slower than the library that :mod:`zvview.pyramid.quadrics` asks, which looks at no more than the way triangles face.
Here a round collapses many edges that do not touch each other, the cheapest of their surroundings, and each only where
its ends have no common neighbours but the corners across it (the link condition: what hangs together does not change;
Dey, Edelsbrunner, Guha and Nekhayev 1999), no triangle turns over, and all old vertices stay near. Along sharp folds
there are planes across the surface as well, as Garland and Heckbert have them along open edges: a thin sheet would
shrink otherwise, since each place in it is without error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.pyramid.quadrics import Collapsed
from zvview.pyramid.surfaces import Edges, Stars, nearest_points
from zvview.store.writing.sorting import run_starts

__all__ = ["collapse_carefully"]

_MOST_ROUNDS = 100
_LEAST_SHARE = 0.01  # of the triangles that a round takes away: where it is less, little is left to gain
_LEAST_TURN = -0.2  # cosine of the angle by which a triangle may turn
_FOLD = 0.0  # cosine of the angle between the normals of two triangles from which on they are a sharp fold
_PASSES = 6  # of choosing in a round
_CHEAP_SHARE = 0.4  # of all edges, that a round chooses from: what is cheap goes first
_NEAR = 0.85  # of the tolerance: what is collapsed next to a vertex later moves its surroundings, too
_LEAST_AREA = 1e-9
_PULL = 1e-3  # towards the middle of an edge, where planes leave the place open

_Flags = NDArray[np.bool_]
_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """A surface on the way: arrays over the vertices and faces of the piece, changed in place.

    Attributes
    ----------
    places : (N, 3) float64
        In units of the tolerance.
    roots : (N,) int64
        The vertex that each one was merged into.
    quadrics : (N, 4, 4) float64
        Sum over planes, weighted with the areas that they stand for.
    weights : (N,) float64
    """

    places: _Floats
    roots: _Ints
    quadrics: _Floats
    weights: _Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """Edges of which none touches another's neighbours: `gone` are to be merged into `kept`, both to be at `places`."""

    kept: _Ints
    gone: _Ints
    places: _Floats

    def take(self, which: Any) -> _Chosen:
        """Some of them, by whatever numpy takes for an index."""
        return _Chosen(self.kept[which], self.gone[which], self.places[which])


def collapse_carefully(
    places: _Floats, faces: _Ints, is_fixed: _Flags, target: int, tolerance: float
) -> Collapsed | None:
    """Collapse edges between vertices that are not fixed until `target` triangles are left, or none is near enough.

    Parameters
    ----------
    places : (N, 3) float64
    faces : (F, 3) int64
        No two with the same corners.
    is_fixed : (N,) bool
        All vertices on edges that have not two triangles at least.
    target : int
    tolerance : float
        How far an old vertex may be from the triangles around that into which it was merged.

    Returns
    -------
    Collapsed or None
        None where nothing was collapsed.
    """
    count = len(places)
    old = places / tolerance  # the unit in which all of this is neither large nor small
    quadrics, weights = _sum_planes(old, faces)
    state = _State(old.copy(), np.arange(count), quadrics, weights)
    left, origins = faces, np.arange(len(faces))
    share = _CHEAP_SHARE
    for _ in range(_MOST_ROUNDS):
        if len(left) <= target:
            break
        most = (len(left) - target + 1) // 2
        done = _choose(state, Edges.of(left, count), left, old, is_fixed, share, most)
        _merge(done, state)
        before = len(left)
        left = state.roots[left]
        is_left = (left[:, 0] != left[:, 1]) & (left[:, 1] != left[:, 2]) & (left[:, 2] != left[:, 0])
        left, origins = left[is_left], origins[is_left]
        if before - len(left) <= _LEAST_SHARE * before:
            if share == 1:
                break
            share = 1.0
    if len(left) == len(faces):
        return None
    is_merged = np.bincount(state.roots, minlength=count)[state.roots] > 1
    moved = np.where(is_merged[:, None], state.places * tolerance, places)
    return Collapsed(state.roots, moved, left, origins)


def _sum_planes(places: _Floats, faces: _Ints) -> tuple[_Floats, _Floats]:
    """The quadrics (N, 4, 4) of each vertex, and their weights."""
    corners = places[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = np.sqrt(np.einsum("nd,nd->n", normals, normals))
    normals /= np.maximum(doubled, np.finfo(np.float64).tiny)[:, None]
    quadrics = np.zeros((len(places), 16))
    weights: _Floats = np.bincount(faces.ravel(), np.repeat(doubled / 6, 3), minlength=len(places)).astype(np.float64)
    _add_planes(quadrics, normals, corners[:, 0], doubled / 6, faces)

    ends = np.stack((faces, np.roll(faces, -1, axis=1)), axis=2).reshape(-1, 2)
    keys = ends.min(axis=1) * len(places) + ends.max(axis=1)
    order = np.argsort(keys, kind="stable")
    starts = run_starts(keys[order])
    pairs = starts[np.diff(np.append(starts, len(keys))) == 2]
    one, other = order[pairs], order[pairs + 1]
    # normals of triangles that run through the edge the same way belong to opposite sides
    turned = np.where(ends[one, 0] == ends[other, 0], -1.0, 1.0)[:, None] * normals[other // 3]
    is_sharp = np.einsum("nd,nd->n", normals[one // 3], turned) < _FOLD
    at = ends[one[is_sharp]]
    along = places[at[:, 1]] - places[at[:, 0]]
    outward = np.cross(along, (normals[one // 3] - turned)[is_sharp])
    sizes = np.sqrt(np.einsum("nd,nd->n", outward, outward))
    outward /= np.maximum(sizes, np.finfo(np.float64).tiny)[:, None]
    _add_planes(quadrics, outward, places[at[:, 0]], np.einsum("nd,nd->n", along, along), at)
    return np.asarray(quadrics.reshape(-1, 4, 4)), weights


def _add_planes(out: _Floats, normals: _Floats, through: _Floats, weights: _Floats, vertices: _Ints) -> None:
    """Add planes to the quadrics (N, 16) of some vertices each, (n, k), in place."""
    planes = np.column_stack((normals, -np.einsum("nd,nd->n", normals, through)))
    for i in range(4):
        for j in range(i, 4):
            values = np.repeat(planes[:, i] * planes[:, j] * weights, vertices.shape[1])
            summed = np.bincount(vertices.ravel(), values, minlength=len(out))
            out[:, 4 * i + j] += summed
            if i != j:
                out[:, 4 * j + i] += summed


def _choose(
    state: _State, edges: Edges, faces: _Ints, old: _Floats, is_fixed: _Flags, share: float, most: int
) -> _Chosen:
    """Edges that can be collapsed at once, cheap ones; `most` at most.

    What is refused leaves room for its neighbours in the next pass.
    """
    count = len(is_fixed)
    free = edges.ends[~is_fixed[edges.ends].any(axis=1)]
    left = _rank_edges(state, free[_count_common(edges, free, count) == 2], share)
    chosen = [left.take(slice(0))]
    for _ in range(_PASSES):
        least = np.full(count, len(left.kept))
        rank = np.arange(len(left.kept))
        np.minimum.at(least, left.kept, rank)
        np.minimum.at(least, left.gone, rank)
        around = least.copy()
        np.minimum.at(around, edges.ends[:, 0], least[edges.ends[:, 1]])
        np.minimum.at(around, edges.ends[:, 1], least[edges.ends[:, 0]])
        is_least = (around[left.kept] == rank) & (around[left.gone] == rank)
        best = left.take(np.flatnonzero(is_least)[:most])
        if not len(best.kept):
            break
        is_good = _keeps_topology(best, edges, faces, count)
        is_good[is_good] = _keeps_shape(best.take(is_good), state, old, faces)
        best = best.take(is_good)
        chosen.append(best)
        most -= len(best.kept)
        is_near = np.zeros(count, bool)
        is_near[best.kept] = is_near[best.gone] = True
        is_near[edges.ends[is_near[edges.ends].any(axis=1)]] = True
        left = left.take(~(is_least | is_near[left.kept] | is_near[left.gone]))
    return _Chosen(*(np.concatenate([getattr(c, name) for c in chosen]) for name in ("kept", "gone", "places")))


def _count_common(edges: Edges, which: _Ints, count: int) -> _Ints:
    """How many neighbours the two ends of some edges have in common."""
    from scipy.sparse import csr_array  # a tenth of a second, which most surfaces need not wait for

    ends = np.concatenate((edges.ends, edges.ends[:, ::-1]))
    near = csr_array((np.ones(len(ends), np.int64), tuple(ends.T)), shape=(count, count))
    return np.asarray(near[which[:, 0]].multiply(near[which[:, 1]]).sum(axis=1)).ravel()


def _rank_edges(state: _State, free: _Ints, share: float) -> _Chosen:
    """The cheaper ones of some edges, the cheapest first, and where their ends shall be."""
    quadrics = state.quadrics[free[:, 0]] + state.quadrics[free[:, 1]]
    weights = state.weights[free].sum(axis=1)
    pull = _PULL * np.maximum(weights, _LEAST_AREA)
    forms = quadrics[:, :3, :3] + pull[:, None, None] * np.eye(3)
    wanted = pull[:, None] * state.places[free].mean(axis=1) - quadrics[:, :3, 3]
    places = np.linalg.solve(forms, wanted[:, :, None])[:, :, 0]
    full = np.column_stack((places, np.ones(len(places))))
    errors = np.einsum("ni,ni->n", (full[:, None] @ quadrics)[:, 0], full)
    along = state.places[free[:, 1]] - state.places[free[:, 0]]
    costs = errors + pull * np.einsum("nd,nd->n", along, along)
    possible = np.flatnonzero(errors <= weights)
    order = possible[np.argsort(costs[possible], kind="stable")]
    order = order[: math.ceil(share * len(order))]
    return _Chosen(free[order, 0], free[order, 1], places[order])


def _keeps_topology(chosen: _Chosen, edges: Edges, faces: _Ints, count: int) -> _Flags:
    """Edges whose ends have two common neighbours, the corners of triangles at the edge, and no two alike triangles."""
    number = len(chosen.kept)
    of = np.full(count, -1, np.int64)
    of[chosen.kept] = of[chosen.gone] = np.arange(number)
    both = np.concatenate((edges.ends, edges.ends[:, ::-1]))
    both = both[(of[both[:, 0]] >= 0) & (of[both[:, 0]] != of[both[:, 1]])]
    keys = np.sort(of[both[:, 0]] * count + both[:, 1])
    common = np.bincount(keys[1:][keys[1:] == keys[:-1]] // count, minlength=number)

    edge_of = of[faces].max(axis=1)  # a triangle has corners of one chosen edge, no two being neighbours
    mine = np.flatnonzero(edge_of >= 0)
    corners, edge = faces[mine], edge_of[mine]
    is_end = of[corners] >= 0
    across = np.bincount(edge[is_end.sum(axis=1) == 2], minlength=number)
    around = is_end.sum(axis=1) == 1
    others = np.sort(corners[around][~is_end[around]].reshape(-1, 2), axis=1)
    order = np.lexsort((*others.T, edge[around]))
    others, edge = others[order], edge[around][order]
    is_alike = (edge[1:] == edge[:-1]) & (others[1:] == others[:-1]).all(axis=1)
    doubled = np.bincount(edge[1:][is_alike], minlength=number)
    return np.asarray((common == 2) & (across == 2) & (doubled == 0))


def _keeps_shape(chosen: _Chosen, state: _State, old: _Floats, faces: _Ints) -> _Flags:
    """Edges with whose collapse no triangle turns over, and all that was merged into the ends stays near."""
    count, number = len(old), len(chosen.kept)
    of = np.full(count, -1, np.int64)
    of[chosen.kept] = of[chosen.gone] = np.arange(number)
    edge = of[faces].max(axis=1, initial=-1)
    mine = np.flatnonzero((edge >= 0) & ((of[faces] >= 0).sum(axis=1) == 1))
    edge, star = edge[mine], faces[mine]
    places = state.places.copy()
    before = _normals(places, star)
    places[chosen.kept] = places[chosen.gone] = chosen.places
    after = _normals(places, star)
    sizes = np.sqrt(np.einsum("nd,nd->n", before, before) * np.einsum("nd,nd->n", after, after))
    is_turned = ~(np.einsum("nd,nd->n", before, after) > _LEAST_TURN * sizes)
    is_good = np.bincount(edge[is_turned], minlength=number) == 0

    members = np.flatnonzero(of[state.roots] >= 0)
    members = members[is_good[of[state.roots[members]]]]
    order = np.argsort(edge, kind="stable")
    first = np.searchsorted(edge[order], np.arange(number + 1))
    found = nearest_points(old[members], of[state.roots[members]], Stars(first, order), places, star)
    is_far = ~(found.distances <= _NEAR)
    is_good[of[state.roots[members[is_far]]]] = False
    return np.asarray(is_good)


def _normals(places: _Floats, faces: _Ints) -> _Floats:
    corners = places[faces]
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _merge(done: _Chosen, state: _State) -> None:
    """Collapse edges, in place."""
    into = np.arange(len(state.roots))
    into[done.gone] = done.kept
    state.roots[:] = into[state.roots]
    state.places[done.kept] = done.places
    state.quadrics[done.kept] += state.quadrics[done.gone]
    state.weights[done.kept] += state.weights[done.gone]
