"""Edges collapsed by fast-simplification, and what it tells of them brought into the terms of the rows that went in."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import UnsupportedError

__all__ = ["LEAST_FACES", "Collapsed", "collapse_edges", "load_library"]

LEAST_FACES = 4
"""Surfaces of so few triangles are left alone."""

_AGGRESSIVENESS = 3.0  # 2 to 7 give the same error; below 3 the order of collapses suffers, above it time
_LAST_THRESHOLD = 1e-9 * 102**_AGGRESSIVENESS  # of the library's 100 rounds
_LIBRARY_LOCK = threading.Lock()  # it keeps the one mesh that it works on in globals


@dataclass(frozen=True, slots=True, eq=False)
class Collapsed:
    """A piece after its collapses, by rows of the piece.

    Attributes
    ----------
    roots : (N,) int64
        The vertex into which each one was merged.
    places : (N, 3) float64
        Where those are now; the others stand where they stood.
    faces : (K, 3) int64
        The triangles that are left.
    origins : (K,) int64
        The triangle of the piece that each of them was.
    """

    roots: NDArray[np.int64]
    places: NDArray[np.float64]
    faces: NDArray[np.int64]
    origins: NDArray[np.int64]

    def without(self, is_fixed: NDArray[np.bool_], places: NDArray[np.float64], faces: NDArray[np.int64]) -> Collapsed:
        """The same but for what fixed vertices were merged with, which is as it was in the piece."""
        is_back = np.zeros(len(places), bool)
        is_back[self.roots[is_fixed]] = True
        is_back = is_back[self.roots]
        roots = np.where(is_back, np.arange(len(places)), self.roots)
        merged = roots[faces]
        a, b, c = merged.T
        left = np.flatnonzero((a != b) & (b != c) & (c != a))
        return Collapsed(roots, np.where(is_back[:, None], places, self.places), merged[left], left)


def load_library() -> Any:
    """The module ``fast_simplification``.

    Raises
    ------
    UnsupportedError
        It is not installed.
    """
    try:
        import fast_simplification  # type: ignore[import-untyped]
    except ImportError as error:
        raise UnsupportedError(
            "coarser levels of meshes need fast-simplification 0.2 or later: pip install 'zvview[pyramid]'"
        ) from error
    return fast_simplification


def collapse_edges(
    library: Any,
    places: NDArray[np.float64],
    faces: NDArray[np.int64],
    is_fixed: NDArray[np.bool_],
    target: int,
    tolerance: float,
) -> Collapsed | None:
    """The library's collapses of edges between vertices that are not fixed; None where there are none."""
    count = len(places)
    is_still = is_fixed[faces].all(axis=1)
    active, still = np.flatnonzero(~is_still), np.flatnonzero(is_still)
    goal = max(0, target - len(still))
    if len(active) <= max(goal, LEAST_FACES):
        return None
    # The library's thresholds are absolute: this unit makes its last one the tolerance.
    scale = np.sqrt(_LAST_THRESHOLD) / tolerance
    points, fins = _with_fins(places, faces[active], is_fixed, tolerance)
    given = np.concatenate((faces[active], fins))
    with _LIBRARY_LOCK:
        found, left, collapses = library.simplify(
            points * scale,
            given.astype(np.int32),
            target_count=goal + len(fins),
            agg=_AGGRESSIVENESS,
            return_collapses=True,
            preserve_border=True,
        )
    if not len(collapses):
        return None
    roots = np.arange(len(points))
    roots[collapses[:, 1]] = collapses[:, 0]
    while True:
        above = roots[roots]
        if (above == roots).all():
            break
        roots = above
    merged = roots[given]
    is_left = (merged[:, 0] != merged[:, 1]) & (merged[:, 1] != merged[:, 2]) & (merged[:, 2] != merged[:, 0])
    merged = merged[is_left]
    used = np.zeros(len(points), bool)
    used[merged] = True
    rows = np.flatnonzero(used)
    if len(rows) != len(found) or len(merged) != len(left) or not (rows[left] == merged).all():
        raise UnsupportedError("this release of fast-simplification gives collapses that are not those of its faces")
    moved = points.copy()
    is_changed = np.bincount(roots, minlength=len(points))[rows] > 1
    moved[rows[is_changed]] = found[is_changed] / scale
    is_left, merged = is_left[: len(active)], merged[: len(merged) - len(fins)]
    origins = np.concatenate((active[is_left], still))
    return Collapsed(roots[:count], moved[:count], np.concatenate((merged, faces[still])), origins)


def _with_fins(
    places: NDArray[np.float64], faces: NDArray[np.int64], is_fixed: NDArray[np.bool_], size: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """More places, and a triangle (K, 3) at each fixed vertex that has two of them for its other corners.

    The library holds nothing but corners on open edges. A fin opens edges at its vertex, and nowhere else.
    """
    is_wanted = np.zeros(len(places), bool)
    is_wanted[faces] = True
    at = np.flatnonzero(is_wanted & is_fixed)
    tips = places[at, None] + np.eye(3)[:2] * size
    others = len(places) + np.arange(2 * len(at)).reshape(-1, 2)
    return np.concatenate((places, tips.reshape(-1, 3))), np.column_stack((at, others))
