"""Which of some points is nearest to each of many others of the same group, in one way only: ties go to the first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import UnsupportedError
from zvview.store.writing.sorting import run_starts

__all__ = ["find_nearest", "load_trees"]

_BATCH = 1 << 16  # points at a time: what the queries give stays small
_SAME = 1 + 1e-12  # distances that differ by less are equal: sums of squares are rounded


def load_trees() -> Any:
    """The class ``scipy.spatial.cKDTree``.

    Raises
    ------
    UnsupportedError
        scipy is not installed.
    """
    try:
        from scipy.spatial import cKDTree
    except ImportError as error:
        raise UnsupportedError(
            "links between levels need scipy 1.13 or later: pip install 'zvview[pyramid]'"
        ) from error
    return cKDTree


def find_nearest(
    points: NDArray[np.float64],
    groups: NDArray[np.int64],
    candidates: NDArray[np.float64],
    candidate_groups: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest candidate of the group of each point.

    Points that lie exactly on several equal candidates take them in turn: the n-th of such points the n-th candidate,
    or the last. So copies of a vertex that two levels have go each to itself.

    Parameters
    ----------
    points : (N, D) float64
    groups : (N,) int64
        Small numbers from 0.
    candidates : (M, D) float64
    candidate_groups : (M,) int64

    Returns
    -------
    index : (N,) int64
        -1 where the group has no candidate.
    distance : (N,) float64
        Infinite there.

    Raises
    ------
    UnsupportedError
        scipy is not installed.
    """
    index, distance = np.full(len(points), -1, np.int64), np.full(len(points), np.inf)
    if not len(points) or not len(candidates):
        return index, distance
    points, candidates, bound = _set_apart(points, groups, candidates, candidate_groups)
    tree = load_trees()(candidates)
    is_copied = np.zeros(len(points), bool)
    for start in range(0, len(points), _BATCH):
        here = slice(start, start + _BATCH)
        index[here], distance[here], is_copied[here] = _query(tree, points[here], bound)
    if is_copied.any():
        copied = np.flatnonzero(is_copied)
        index[copied] = _take_turns(index[copied], candidates)
    return index, distance


def _set_apart(
    points: NDArray[np.float64],
    groups: NDArray[np.int64],
    candidates: NDArray[np.float64],
    candidate_groups: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Points and candidates with an axis more along which groups are farther apart than `bound`, and that."""
    low = np.minimum(points.min(axis=0), candidates.min(axis=0))
    high = np.maximum(points.max(axis=0), candidates.max(axis=0))
    bound = 1 + 2 * float(np.sqrt(((high - low) ** 2).sum()))
    least = int(groups.min())
    if (groups == least).all() and (candidate_groups == least).all():
        return points, candidates, bound
    places = np.concatenate((groups, candidate_groups)) * (2 * bound)
    points = np.concatenate((points, places[: len(groups), None]), axis=1)
    return points, np.concatenate((candidates, places[len(groups) :, None]), axis=1), bound


def _query(
    tree: Any, points: NDArray[np.float64], bound: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Index and distance of the first nearest candidate, and whether there are several where the point itself is."""
    found, at = tree.query(points, k=2, distance_upper_bound=bound)
    distance, index = found[:, 0], at[:, 0].astype(np.int64)
    index[np.isinf(distance)] = -1
    tied = np.flatnonzero((found[:, 1] <= distance * _SAME) & np.isfinite(distance))
    is_copied = np.zeros(len(points), bool)
    is_copied[tied] = distance[tied] == 0
    most = 8
    while len(tied):
        limit = distance[tied] * _SAME
        found, at = tree.query(points[tied], k=most, distance_upper_bound=bound)
        is_tie = found <= limit[:, None]
        index[tied] = np.where(is_tie, at, tree.n).min(axis=1)
        tied = tied[is_tie[:, -1]] if most < tree.n else tied[:0]
        most *= 8
    return index, distance, is_copied


def _take_turns(first: NDArray[np.int64], candidates: NDArray[np.float64]) -> NDArray[np.int64]:
    """For points on equal candidates, of which each has the `first`, (n,): the one that it takes."""
    order = np.lexsort(candidates.T)  # stable: equal ones in the order given
    ordered = candidates[order]
    starts = run_starts(*ordered.T)
    ends = np.append(starts[1:], len(order))
    place = np.empty(len(order), np.int64)
    place[order] = np.repeat(np.arange(len(starts)), ends - starts)
    copies = place[first]
    turns = np.argsort(copies, kind="stable")
    begins = run_starts(copies[turns])
    turn = np.empty(len(copies), np.int64)
    turn[turns] = np.arange(len(copies)) - np.repeat(begins, np.diff(np.append(begins, len(copies))))
    return np.asarray(order[np.minimum(starts[copies] + turn, ends[copies] - 1)])
