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
        The triangles that are left, those set aside as well.
    origins : (K,) int64
        The triangle of the piece that each of them was.
    """

    roots: NDArray[np.int64]
    places: NDArray[np.float64]
    faces: NDArray[np.int64]
    origins: NDArray[np.int64]


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
    is_aside: NDArray[np.bool_],
    target: int,
    tolerance: float,
) -> Collapsed | None:
    """The library's collapses of the triangles that are not set aside; None where there are none."""
    active, aside = np.flatnonzero(~is_aside), np.flatnonzero(is_aside)
    goal = max(0, target - len(aside))
    if len(active) <= max(goal, LEAST_FACES):
        return None
    # The library's thresholds are absolute: this unit makes its last one the tolerance.
    scale = np.sqrt(_LAST_THRESHOLD) / tolerance
    with _LIBRARY_LOCK:
        found, left, collapses = library.simplify(
            places * scale,
            faces[active].astype(np.int32),
            target_count=goal,
            agg=_AGGRESSIVENESS,
            return_collapses=True,
            preserve_border=True,
        )
    if not len(collapses):
        return None
    roots = np.arange(len(places))
    roots[collapses[:, 1]] = collapses[:, 0]
    while True:
        above = roots[roots]
        if (above == roots).all():
            break
        roots = above
    merged = roots[faces[active]]
    is_left = (merged[:, 0] != merged[:, 1]) & (merged[:, 1] != merged[:, 2]) & (merged[:, 2] != merged[:, 0])
    merged = merged[is_left]
    used = np.zeros(len(places), bool)
    used[merged] = True
    rows = np.flatnonzero(used)
    if len(rows) != len(found) or len(merged) != len(left) or not (rows[left] == merged).all():
        raise UnsupportedError("this release of fast-simplification gives collapses that are not those of its faces")
    moved = places.copy()
    is_changed = np.bincount(roots, minlength=len(places))[rows] > 1
    moved[rows[is_changed]] = found[is_changed] / scale
    return Collapsed(roots, moved, np.concatenate((merged, faces[aside])), np.concatenate((active[is_left], aside)))
