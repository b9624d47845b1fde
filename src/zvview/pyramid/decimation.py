"""Quadric decimation of one piece of a surface: vertices that other pieces need are held, what moves stays near.

The collapses are fast-simplification's (Garland and Heckbert's quadrics; S. Forstmann's thresholds that rise from round
to round). What it does not promise is looked at afterwards: that the surface stays within the tolerance, that no edge
is opened and none gets a third triangle, that no part vanishes, that no two triangles come to have the same corners.
Where something of the kind happened vertices are fixed, and the piece is done again. Where it happens all over, as on
rough surfaces hardly wider than their triangles, :mod:`zvview.pyramid.careful_collapses` does what the library cannot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.trees import label_components
from zvview.pyramid.careful_collapses import collapse_carefully
from zvview.pyramid.quadrics import LEAST_FACES, Collapsed, collapse_edges, load_library
from zvview.pyramid.surfaces import Edges, Frame, Nearest, Stars, Surface, find_doubles, nearest_points

__all__ = ["Decimated", "decimate"]

_PLANES = 2.0  # quadrics sum squared distances to many planes: with 1 a half of what is allowed is never reached
_MOST_ROUNDS, _WIDER_FROM, _WHOLE_FROM = 12, 6, 10
_MANY = 0.03  # of the vertices: where so many would have to be held, the library's way is no good
_EVEN = 2  # corners of three that are less than the next one, where the three are turned, not swapped
_PLANE = 2
_SLOPE = 0.5  # at the rim of a bent plane: areas grow by an eighth at most


@dataclass(frozen=True, slots=True, eq=False)
class Decimated:
    """What became of a piece.

    Attributes
    ----------
    surface : Surface
    rows : (N,) int64
        The vertex of the piece that each one comes from; held vertices come from themselves.
    """

    surface: Surface
    rows: NDArray[np.int64]


def decimate(surface: Surface, is_held: NDArray[np.bool_], target: int, tolerance: float, frame: Frame) -> Decimated:
    """Take triangles away until about `target` are left, or no more can go.

    Parameters
    ----------
    surface : Surface
        Triangles of three different corners; of those with the same ones, whatever their order, the first counts.
        Vertices of no triangle must be held.
    is_held : (N,) bool
        Vertices that keep their place and attributes; those on open edges, or on edges of more than two triangles, keep
        their place as well.
    target : int
        Number of triangles.
    tolerance : float
        How far the old surface may be from the new one and the new one's vertices from the old one.
    frame : Frame

    Returns
    -------
    Decimated
        Positions, float attributes interpolated on the old surface, all other attributes of the nearest old vertex;
        triangles have the attributes of the one that each of them was. No vertex leaves the box of the old ones, and so
        the block of a grid that they all lie in.
    """
    library = load_library()
    surface = surface.with_faces_once()
    faces, count = surface.faces, len(surface.positions)
    unchanged = Decimated(surface, np.arange(count))
    if len(faces) <= max(target, LEAST_FACES) or not tolerance > 0:
        return unchanged
    places, middle = frame.place(surface.positions)
    if len(frame.space) == _PLANE:
        _bend(places)
    box = places.min(axis=0), places.max(axis=0)
    edges = Edges.of(faces, count)
    is_fixed = is_held | edges.touched(edges.counts != 2, count)
    is_fixed[faces[_joins_different(surface, frame)]] = True
    careful: Collapsed | None = None
    for attempt in range(_MOST_ROUNDS):
        if careful is None:
            raw = collapse_edges(library, places, faces, is_fixed, target, _PLANES * tolerance)
        else:
            raw = careful.without(is_fixed, places, faces)
        if raw is None:
            return unchanged
        raw = replace(raw, places=np.clip(raw.places, *box))
        done, is_bad = _drop_flaps(raw, faces, is_fixed)
        found, is_far = _look_over(done, places, faces, tolerance)
        is_bad |= is_far | _spoiled_edges(raw, done, edges, faces)
        if not is_bad.any():
            return _finish(surface, is_held, done, found, middle, frame)
        if not attempt and is_bad.sum() > _MANY * count:
            careful = collapse_carefully(places, faces, is_fixed, target, tolerance)
            if careful is None:
                return unchanged
            continue
        # A fixed vertex is bad where all around it is gone.
        is_bad |= _with_neighbours(is_bad if attempt >= _WIDER_FROM else is_bad & is_fixed, faces)
        if attempt >= _WHOLE_FROM:
            is_bad = _with_components(is_bad, edges)
        is_fixed |= is_bad
    return unchanged


def _with_neighbours(is_in: NDArray[np.bool_], faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Some vertices and those that share a triangle with any of them, (N,)."""
    out = is_in.copy()
    out[faces[is_in[faces].any(axis=1)]] = True
    return out


def _with_components(is_in: NDArray[np.bool_], edges: Edges) -> NDArray[np.bool_]:
    """Some vertices and all that hang together with any of them, (N,)."""
    labels = label_components(len(is_in), edges.ends)
    out = np.zeros(len(is_in), bool)
    out[labels[is_in]] = True
    return out[labels]


def _bend(places: NDArray[np.float64]) -> None:
    """Bend a plane into a shallow bowl, in place: where all errors are zero, any triangle would do, however long."""
    squares = places[:, 0] ** 2 + places[:, 1] ** 2
    radius = np.sqrt(squares.max(initial=0))
    if radius > 0:
        places[:, 2] = squares * (_SLOPE / 2 / radius)


def _joins_different(surface: Surface, frame: Frame) -> NDArray[np.bool_]:
    """Triangles between vertices of several objects, or of several times, (F,)."""
    out = np.zeros(len(surface.faces), bool)
    others = [axis for axis in range(surface.positions.shape[1]) if axis not in frame.space]
    for values in (surface.objects, *(surface.positions[:, axis] for axis in others)):
        if values is not None:
            corners = values[surface.faces]
            out |= (corners[:, 1] != corners[:, 0]) | (corners[:, 2] != corners[:, 0])
    return out


def _drop_flaps(
    raw: Collapsed, faces: NDArray[np.int64], is_fixed: NDArray[np.bool_]
) -> tuple[Collapsed, NDArray[np.bool_]]:
    """No two triangles with the same corners: opposite ones, which hold no volume, go both.

    Returns
    -------
    done : Collapsed
    is_bad : (N,) bool
        Vertices to be fixed, since triangles became alike that do not cancel each other.
    """
    is_bad = np.zeros(len(is_fixed), bool)
    rows, starts = find_doubles(raw.faces)
    if not len(rows):
        return raw, is_bad
    sizes = np.diff(np.append(starts, len(rows)))
    a, b, c = raw.faces[rows].T
    is_even = ((a < b).astype(np.int64) + (b < c) + (c < a)) == _EVEN
    net = np.add.reduceat(np.where(is_even, 1, -1), starts)
    is_still = np.logical_or.reduceat(is_fixed[faces[raw.origins[rows]]].all(axis=1), starts)
    is_wrong = np.repeat(is_still | (net != 0), sizes)
    is_bad[_merged_corners(raw, faces, rows[is_wrong])] = True
    kept = np.delete(np.arange(len(raw.faces)), rows[~is_wrong])
    return Collapsed(raw.roots, raw.places, raw.faces[kept], raw.origins[kept]), is_bad


def _merged_corners(raw: Collapsed, faces: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.int64]:
    """Vertices of the piece at some of the triangles that are left, but those that no other was merged with."""
    corners = faces[raw.origins[which]].ravel()
    return np.asarray(corners[np.bincount(raw.roots, minlength=len(raw.roots))[raw.roots[corners]] > 1])


def _look_over(
    done: Collapsed, places: NDArray[np.float64], faces: NDArray[np.int64], tolerance: float
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64], Nearest], NDArray[np.bool_]]:
    """Where the new vertices lie on the old surface, and vertices to be fixed since something is too far.

    Returns
    -------
    moved : (n,) int64
        Vertices that others were merged into.
    members : (n,) int64
        The nearest of the vertices that each of them stands for.
    nearest : Nearest
        The nearest place on the old triangles around that one.
    is_bad : (N,) bool
    """
    count = len(places)
    roots = done.roots
    is_used = np.zeros(count, bool)
    is_used[done.faces] = True
    gone = np.flatnonzero((roots != np.arange(count)) | (np.bincount(roots, minlength=count) > 1))
    moved = np.flatnonzero(is_used & (np.bincount(roots[gone], minlength=count) > 1))

    shift = places[gone] - done.places[roots[gone]]
    apart = np.sqrt(np.einsum("nd,nd->n", shift, shift))
    order = np.lexsort((apart, roots[gone]))
    is_first = np.ones(len(order), bool)
    is_first[1:] = roots[gone][order][1:] != roots[gone][order][:-1]
    members = gone[order[is_first]][is_used[roots[gone[order[is_first]]]]]  # ascending by root, as `moved` is
    wanted = np.zeros(count, bool)
    wanted[members] = True
    nearest = nearest_points(done.places[moved], members, Stars.of(faces, wanted), places, faces)

    is_lost = np.zeros(count, bool)
    is_lost[faces] = True
    is_lost &= ~is_used[roots]
    is_doubtful = is_lost.copy()
    is_doubtful[gone[~(apart <= tolerance)]] = True
    far, distances = _far_vertices(done, places, faces, np.flatnonzero(is_doubtful), tolerance)
    is_bad = np.zeros(count, bool)
    is_bad[far[_largest_of_each(roots[far], distances)]] = True
    is_bad[members[~(nearest.distances <= tolerance)]] = True
    return (moved, members, nearest), is_bad


def _far_vertices(
    done: Collapsed, places: NDArray[np.float64], faces: NDArray[np.int64], rows: NDArray[np.int64], tolerance: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Those of some vertices that lie farther from the new surface than the tolerance, and how far.

    What is looked at are the triangles around the vertex that each was merged into, then those around its neighbours'.
    """
    is_used = np.zeros(len(places), bool)
    is_used[done.faces] = True
    around = Stars.of(done.faces, is_used)
    found = nearest_points(places[rows], done.roots[rows], around, done.places, done.faces).distances
    rows, found = rows[~(found <= tolerance)], found[~(found <= tolerance)]
    if len(rows):
        is_far = np.zeros(len(places), bool)
        is_far[rows] = True
        own = Stars.of(faces, is_far)
        order = np.argsort(rows)
        rows, found = rows[order], found[order]
        near = done.roots[faces[own.members]].ravel()  # by vertex, ascending as `rows` are
        point = np.repeat(np.repeat(np.arange(len(rows)), np.diff(own.first)[rows]), 3)
        more = nearest_points(places[rows[point]], near, around, done.places, done.faces).distances
        np.minimum.at(found, point, more)
    is_far = ~(found <= tolerance)
    return rows[is_far], found[is_far]


def _largest_of_each(groups: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index of the (first) largest value of each group."""
    order = np.lexsort((-values, groups))
    is_first = np.ones(len(order), bool)
    is_first[1:] = groups[order][1:] != groups[order][:-1]
    return order[is_first]


def _spoiled_edges(raw: Collapsed, done: Collapsed, before: Edges, faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Vertices to be fixed, (N,), since edges became open or crowded that were not; `raw` has flaps still."""
    count = len(done.places)
    after = Edges.of(done.faces, count)
    is_open = after.fresh(after.counts == 1, before, before.counts == 1)
    is_crowded = after.fresh(after.counts > 2, before, before.counts > 2)
    is_bad = np.zeros(count, bool)
    if is_open.any():
        is_bad[_merged_corners(raw, faces, np.flatnonzero(after.faces_at(is_open, raw.faces, count)))] = True
    if is_crowded.any():
        is_bad[_merged_corners(raw, faces, after.first_faces_at(is_crowded, raw.faces, count))] = True
    return is_bad


def _finish(
    surface: Surface,
    is_held: NDArray[np.bool_],
    done: Collapsed,
    found: tuple[NDArray[np.int64], NDArray[np.int64], Nearest],
    middle: NDArray[np.float64],
    frame: Frame,
) -> Decimated:
    """The surface after the collapses, its attributes taken from where its vertices lie on the old one."""
    is_kept = is_held.copy()
    is_kept[done.faces] = True
    rows = np.flatnonzero(is_kept)
    place = np.full(len(is_kept), -1, np.int64)
    place[rows] = np.arange(len(rows))
    order = np.argsort(done.origins)
    moved, members, nearest = found
    at = place[moved]
    positions = surface.positions[rows]
    positions[at] = frame.store(done.places[moved], middle, positions[at], surface.positions)
    columns = {}
    for name, values in surface.columns.items():
        column = values[rows]
        if values.dtype.kind == "f":
            corners = values[surface.faces[nearest.faces]].astype(np.float64)
            weights = nearest.weights if values.ndim == 1 else nearest.weights[:, :, None]
            # a corner without weight does not count, even where its value is NaN
            column[at] = np.multiply(corners, weights, out=np.zeros_like(corners), where=weights > 0).sum(axis=1)
        else:
            column[at] = values[members]
        columns[name] = column
    return Decimated(
        Surface(
            positions,
            columns,
            None if surface.objects is None else surface.objects[rows],
            place[done.faces[order]],
            {name: values[done.origins[order]] for name, values in surface.face_columns.items()},
        ),
        rows,
    )
