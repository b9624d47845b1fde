"""Quadric decimation of one piece of a surface: vertices that other pieces need are held, what moves stays near.

The collapses are fast-simplification's (Garland and Heckbert's quadrics; S. Forstmann's thresholds that rise from round
to round). What it does not promise is looked at afterwards: that the surface stays within the tolerance, that no edge
is opened and none gets a third triangle, that no part vanishes. Where something of the kind happened, triangles there
are set aside, which holds their corners, and the piece is done again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.pyramid.quadrics import LEAST_FACES, Collapsed, collapse_edges, load_library
from zvview.pyramid.surfaces import Edges, Frame, Nearest, Stars, Surface, nearest_points

__all__ = ["Decimated", "decimate"]

_PLANES = 2.0  # quadrics sum squared distances to many planes: with 1 a half of what is allowed is never reached
_MOST_ROUNDS = 8
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
        Triangles of three different corners. Vertices of no triangle must be held.
    is_held : (N,) bool
        Vertices that keep their place, attributes and triangles at them; those on open edges are held as well.
    target : int
        Number of triangles.
    tolerance : float
        How far the old surface may be from the new one and the new one's vertices from the old one.
    frame : Frame

    Returns
    -------
    Decimated
        Positions, float attributes interpolated on the old surface, all other attributes of the nearest old vertex;
        triangles have the attributes of the one that each of them was.
    """
    library = load_library()
    unchanged = Decimated(surface, np.arange(len(surface.positions)))
    if len(surface.faces) <= max(target, LEAST_FACES) or not tolerance > 0:
        return unchanged
    places, middle = frame.place(surface.positions)
    if len(frame.space) == _PLANE:
        _bend(places)
    edges = Edges.of(surface.faces, len(places))
    is_aside = _joins_different(surface, frame)
    irregular = edges.touched(edges.counts != 2, len(places))
    for attempt in range(_MOST_ROUNDS):
        _set_held_aside(is_aside, surface.faces, is_held, edges)
        done = collapse_edges(library, places, surface.faces, is_aside, target, _PLANES * tolerance)
        if done is None:
            return unchanged
        nearest, bad = _look_over(done, places, surface.faces, tolerance)
        bad |= _spoiled_edges(done, edges, irregular, len(surface.faces))
        if not bad.any():
            return _finish(surface, is_held, done, nearest, middle, frame)
        is_aside |= bad if attempt < _MOST_ROUNDS // 2 else _with_neighbours(bad, surface.faces, len(places))
    return unchanged


def _with_neighbours(bad: NDArray[np.bool_], faces: NDArray[np.int64], vertices: int) -> NDArray[np.bool_]:
    """Some triangles and those that share a corner with any of them, (F,)."""
    is_corner = np.zeros(vertices, bool)
    is_corner[faces[bad]] = True
    return np.asarray(is_corner[faces].any(axis=1))


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


def _set_held_aside(
    is_aside: NDArray[np.bool_], faces: NDArray[np.int64], is_held: NDArray[np.bool_], edges: Edges
) -> None:
    """Set more triangles aside, in place, until all that must not move lies on open edges of the rest: those are held.

    What must not move are held vertices and the corners of triangles that are set aside.
    """
    while True:
        left = np.flatnonzero(~is_aside)
        now = edges if len(left) == len(faces) else Edges.of(faces[left], len(is_held))
        is_loose = is_held.copy()
        is_loose[faces[is_aside]] = True
        is_loose &= ~now.touched(now.counts == 1, len(is_held))
        anchors = _first_faces(faces, left, len(is_held))[is_loose]
        if not (anchors >= 0).any():
            return
        is_aside[anchors[anchors >= 0]] = True


def _first_faces(corners: NDArray[np.int64], which: NDArray[np.int64], vertices: int) -> NDArray[np.int64]:
    """The first of some triangles at each vertex, (vertices,); -1 where there is none."""
    out = np.full(vertices, -1, np.int64)
    backwards = which[::-1]
    out[corners[backwards].ravel()] = np.repeat(backwards, 3)  # the last to be set is the first of them
    return out


def _look_over(
    done: Collapsed, places: NDArray[np.float64], faces: NDArray[np.int64], tolerance: float
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64], Nearest], NDArray[np.bool_]]:
    """Where the new vertices lie on the old surface, and triangles to be set aside since something is too far.

    Returns
    -------
    moved : (n,) int64
        Vertices that others were merged into.
    members : (n,) int64
        The nearest of the vertices that each of them stands for.
    nearest : Nearest
        The nearest place on the old triangles around that one.
    bad : (F,) bool
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

    far, distances = _far_vertices(done, places, faces, gone[~(apart <= tolerance) & is_used[roots[gone]]], tolerance)
    farthest = far[_largest_of_each(roots[far], distances)]
    lost = gone[~is_used[roots[gone]]]
    lost = lost[_largest_of_each(roots[lost], np.zeros(len(lost)))]
    stray = members[~(nearest.distances <= tolerance)]

    bad = np.zeros(len(faces), bool)
    held = np.concatenate((farthest, lost, stray))
    if len(held):
        bad[_first_faces(faces, np.arange(len(faces)), count)[held]] = True
    return (moved, members, nearest), bad


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


def _spoiled_edges(done: Collapsed, before: Edges, irregular: NDArray[np.bool_], faces: int) -> NDArray[np.bool_]:
    """Triangles of the piece to be set aside, since edges became open or crowded that were not, (F,)."""
    out = np.zeros(faces, bool)
    count = len(done.places)
    after = Edges.of(done.faces, count)
    was_irregular = np.zeros(count, bool)
    was_irregular[done.roots[irregular]] = True
    for is_odd, allowed in ((after.counts == 1, before.open_count), (after.counts > 2, before.crowded_count)):
        if is_odd.sum() > allowed:
            is_fresh = is_odd & ~was_irregular[after.ends].all(axis=1)
            out[done.origins[after.faces_at(is_fresh if is_fresh.any() else is_odd, done.faces, count)]] = True
    return out


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
    positions[at] = frame.store(done.places[moved], middle, positions[at])
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
