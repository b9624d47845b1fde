"""Fewer vertices for lines: Douglas and Peucker's rule for all open stretches of all lines at once, round by round.

Between two vertices that stay, the vertex farthest from their segment stays as well if it is farther than the
tolerance. Then nothing of the old line is farther from the new one than that: distance from a segment is convex, so it
is largest at vertices. And the other way round: the nearest point of the segment moves along all of it, without jumps,
as a point moves along the old line from end to end.

Axes that are not space (time) count otherwise: a dropped vertex is compared with the place that the segment has *at the
vertex's own time*, so at each time a slider can show the line is where it was; a vertex to which the segment has no
moment, since time stands still or runs back there, always stays.

Source: Douglas and Peucker, Algorithms for the reduction of the number of points required to represent a digitized line
or its caricature (1973); for time: Meratnia and de By, Spatiotemporal compression techniques (2004).
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zvview.format.cells import spread

__all__ = ["measure_significance", "simplify_lines"]

_BLOCK = 1 << 15  # vertices at a time: the dozen columns of a round stay in the cache
_DEEP = 32  # rounds after which every other one halves: a comb of n teeth would take n rounds
_ROUNDINGS = 8  # of the residual, in units of the chord's last place
_MOMENT = 16  # the same for times that count as equal


def simplify_lines(
    positions: NDArray[np.floating], offsets: NDArray[np.int64], tolerance: float, is_space: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Rows of the vertices that stay, ascending.

    Parameters
    ----------
    positions : (N, D) float32 or float64
    offsets : (P + 1,) int64
        Bounds of the lines; they begin at row 0 and end at row N.
    tolerance : float
        In coordinate units; 0 keeps all.
    is_space : (D,) bool
        Axes in which distance is measured.

    Returns
    -------
    (n,) int64
        With both ends of each line, and of a closed line the vertex farthest from them, so that it is still seen.
    """
    if tolerance <= 0:
        return np.arange(len(positions))
    return np.flatnonzero(measure_significance(positions, offsets, tolerance, is_space) > tolerance)


def measure_significance(
    positions: NDArray[np.floating], offsets: NDArray[np.int64], floor: float, is_space: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The tolerance below which each vertex stays, (N,): ``> tolerance`` is what :func:`simplify_lines` keeps.

    Right for all tolerances from `floor` on; what goes at `floor` already is 0, what always stays is infinite.
    """
    out = np.zeros(len(positions), np.float64)
    top = float(np.abs(positions).max(initial=0))
    scale = -math.frexp(top)[1] if top > 0 else 0  # a power of two changes no rounding, and squares cannot overflow
    limit = math.ldexp(floor, scale)
    bounds = np.append(np.searchsorted(offsets, np.arange(0, len(positions), _BLOCK)), len(offsets) - 1)
    for first, last in pairwise(np.unique(bounds)):
        rows = slice(int(offsets[first]), int(offsets[last]))
        columns = np.ldexp(np.ascontiguousarray(positions[rows].T), scale)
        space, others = columns[is_space], columns[~is_space]
        out[rows] = _measure(space, others, offsets[first : last + 1] - offsets[first], limit)
    finite = np.isfinite(out)
    out[finite] = np.ldexp(out[finite], -scale)
    return out


def _measure(
    space: NDArray[np.floating], others: NDArray[np.floating], offsets: NDArray[np.int64], floor: float
) -> NDArray[np.float64]:
    """Significance of the vertices of some lines, given as contiguous columns; a stretch is its two ends."""
    out = np.zeros(space.shape[1] if len(space) else others.shape[1], np.float64)
    full = np.diff(offsets) > 0
    a, b = offsets[:-1][full], offsets[1:][full] - 1
    out[a] = out[b] = np.inf
    bound = np.full(len(a), np.inf)
    number = 0
    while True:
        is_open = b - a > 1
        a, b, bound = a[is_open], b[is_open], bound[is_open]
        if not len(a):
            return out
        farthest, worth, chord = _find_farthest(space, others, a, b)
        if number == 0:
            worth[(chord == 0) & (worth > 0)] = np.inf  # closed lines
        is_far = worth > floor
        a, b, bound = a[is_far], b[is_far], np.minimum(bound, worth)[is_far]
        middle = farthest[is_far] if number < _DEEP or number % 2 else (a + b) // 2
        out[middle] = bound
        a, b, bound = _interleave(a, middle), _interleave(middle, b), np.repeat(bound, 2)
        number += 1


def _find_farthest(
    space: NDArray[np.floating], others: NDArray[np.floating], a: NDArray[np.int64], b: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.floating]]:
    """The first farthest vertex between each two, its distance with what rounding may hide, and the chord's length."""
    sizes = b - a - 1
    first, stretch, local = spread(sizes)
    starts = first[:-1]
    rows = local + (a + 1)[stretch]
    lead, along = _differences(space, a, b, rows, stretch)
    chord2 = _squares(along)
    offset = _dots(lead, along, stretch)
    moment = np.zeros(len(rows), bool)
    if len(others):
        lag, pace = _differences(others, a, b, rows, stretch)
        pace2 = _squares(pace)
        timed = pace2 > 0
        share = _dots(lag, pace, stretch)
        share = np.where(timed[stretch], share * _inverse(pace2)[stretch], offset * _inverse(chord2)[stretch])
        np.clip(share, 0, 1, out=share)
        slack = _MOMENT * np.finfo(space.dtype).eps
        for w, u in zip(lag, pace, strict=True):
            moment |= np.abs(w - share * u[stretch]) > slack * np.abs(u)[stretch]
    else:
        share = offset
        share *= _inverse(chord2)[stretch]
        np.clip(share, 0, 1, out=share)
    far2 = np.zeros(len(rows), space.dtype)
    for w, u in zip(lead, along, strict=True):
        w -= share * u[stretch]  # before it is squared: the difference of squares would cancel
        w *= w
        far2 += w
    far2[moment] = np.inf
    top = np.maximum.reduceat(far2, starts)
    hits = np.flatnonzero(far2 == top[stretch])
    farthest = rows[hits[np.searchsorted(hits, starts)]]
    chord = np.sqrt(chord2)
    hidden = _ROUNDINGS * np.finfo(space.dtype).eps * chord.astype(np.float64)
    worth = np.sqrt(top, dtype=np.float64)
    worth[worth > 0] += hidden[worth > 0]
    if len(others):
        chord = np.maximum(chord, np.sqrt(pace2))
    return farthest, worth, chord


def _differences(
    columns: NDArray[np.floating],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    rows: NDArray[np.int64],
    stretch: NDArray[np.int64],
) -> tuple[list[NDArray[np.floating]], list[NDArray[np.floating]]]:
    """By axis: from the beginning of its stretch to each row, and from the beginning to the end of each stretch."""
    begin = [x[a] for x in columns]
    return (
        [x[rows] - y[stretch] for x, y in zip(columns, begin, strict=True)],
        [x[b] - y for x, y in zip(columns, begin, strict=True)],
    )


def _dots(
    rows: list[NDArray[np.floating]], along: list[NDArray[np.floating]], stretch: NDArray[np.int64]
) -> NDArray[np.floating]:
    out = np.zeros(len(stretch), along[0].dtype if along else np.float64)
    for w, u in zip(rows, along, strict=True):
        out += w * u[stretch]
    return out


def _squares(along: list[NDArray[np.floating]]) -> NDArray[np.floating]:
    return np.asarray(sum(u * u for u in along))


def _inverse(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """One over each value, 0 for 0."""
    tiny = np.finfo(values.dtype).tiny
    return np.where(values < tiny, 0, 1 / np.maximum(values, tiny)).astype(values.dtype)


def _interleave(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack((first, second), axis=1).ravel()
