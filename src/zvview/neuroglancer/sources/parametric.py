"""Planes, lines and spheres of a store as annotations: outlines, lines and ellipsoids, in its bounds.

What reaches beyond the bounds is cut off there, but for spheres, of which the client draws no parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format.metadata import space_axes
from zvview.format.sequences import offsets_of
from zvview.geometry.parametric import ParametricObjects
from zvview.neuroglancer.encoding.annotations import Property
from zvview.neuroglancer.encoding.columns import plan_column
from zvview.neuroglancer.sources.fixed import FixedAnnotations, FixedColumns
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.store.store import Store
from zvview.style.colourmaps import colour_ids

__all__ = ["open_parametric"]

_OBJECT: Final = Property("object", "rgb", "Colour of the object")
_SIZES: Final = {"plane": 4, "line": 6, "sphere": 4}
_MOST_NAMES: Final = 1 << 16
_EDGES: Final = np.array(
    [(a, b) for a, b in product(range(8), range(8)) if a < b and (a ^ b).bit_count() == 1]
)  # of a box, between corners that differ in one bit


def open_parametric(store: Store, frame: SourceFrame) -> dict[str, FixedAnnotations]:
    """Sources of the parametric objects of a store by name: ``spheres``, ``axes`` (lines) and ``planes``.

    Those that hold anything: in a store of three axes of space, which coefficients are of. The notes of each tell of
    what of all objects is not shown.

    Parameters
    ----------
    store : Store
    frame : SourceFrame
    """
    objects = store.parametric
    if objects is None or not len(objects):
        return {}
    columns = _columns_of(store)
    if columns is None:
        return {}
    lo, hi = (np.asarray(corner, np.float64) for corner in store.bounds)
    drawn: dict[str, list[tuple[int, NDArray[np.float64]]]] = {"sphere": [], "line": [], "plane": []}
    unknown: Counter[str] = Counter()
    outside = 0
    for row in range(len(objects)):
        kind = objects.types[int(objects.type_ids[row])]
        values = objects.coefficients[row, : len(kind.coefficients)]
        if _SIZES.get(kind.name) != len(values):
            unknown[kind.name] += 1
            continue
        found = _SHAPES[kind.name](values, lo[columns], hi[columns])
        if found is None:
            outside += 1
        else:
            drawn[kind.name].append((row, found))
    notes = [f"parametric objects of type {name} are not shown ({count})" for name, count in unknown.items()]
    if outside:
        notes.append(f"parametric objects outside of the bounds ({outside})")
    if len(columns) < len(lo):
        notes.append("parametric objects, which know space only, are shown at the lower bound of all other axes")
    sources = {}
    for name, kind_name in (("spheres", "sphere"), ("axes", "line"), ("planes", "plane")):
        if drawn[kind_name]:
            sources[name] = _source_of(kind_name, drawn[kind_name], objects, frame, columns, (lo, hi), notes)
    return sources


def _columns_of(store: Store) -> list[int] | None:
    """The axes of x, y and z; those of space in their order where they have other names."""
    space: list[int] = np.flatnonzero(space_axes(store.axes)).tolist()
    if len(space) != 3:
        return None
    labels = [store.axes[axis].name.lower() for axis in space]
    return [space[labels.index(name)] for name in "xyz"] if sorted(labels) == ["x", "y", "z"] else space


def _source_of(
    kind: str,
    drawn: list[tuple[int, NDArray[np.float64]]],
    objects: ParametricObjects,
    frame: SourceFrame,
    columns: list[int],
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
    notes: list[str],
) -> FixedAnnotations:
    rows = np.array([row for row, _ in drawn], np.int64)
    given = np.concatenate([vertices for _, vertices in drawn])
    places = np.repeat(bounds[0][None], len(given), axis=0)
    places[:, columns] = given
    ids, told = rows.astype(np.uint64), _columns(objects, rows)
    if kind == "plane":
        offsets = offsets_of([len(vertices) for _, vertices in drawn])
        return FixedAnnotations(frame, "polyline", (frame.place(places), offsets), ids, told, bounds, notes)
    if kind == "line":
        ends = frame.place(places).reshape(len(rows), 2, -1)
        return FixedAnnotations(frame, "line", ends, ids, told, bounds, notes)
    half = np.full((len(rows), bounds[0].size), 0.5)  # along axes that are none of space
    half[:, columns] = given[1::2]
    middles = places[::2]
    reach = (
        np.append([bounds[0]], middles - half, axis=0).min(0),
        np.append([bounds[1]], middles + half, axis=0).max(0),
    )
    radii = np.ones((len(rows), frame.space.rank))
    radii[:, : half.shape[1]] = half
    return FixedAnnotations(
        frame, "ellipsoid", np.stack((frame.place(middles), radii), axis=1), ids, told, reach, notes
    )


def _columns(objects: ParametricObjects, rows: NDArray[np.int64]) -> FixedColumns:
    """Colour, name and attributes of some objects."""
    by_attribute: dict[str, tuple[Property, ...]] = {"object": (_OBJECT,)}
    values: dict[str, NDArray[Any]] = {"object": np.rint(colour_ids(rows)[:, :3] * 255).astype(np.uint8)}
    given: list[tuple[str, NDArray[Any], tuple[str, ...] | None]] = []
    if objects.names and len(rows) < _MOST_NAMES:
        given.append(("name", np.arange(len(rows)), tuple(objects.names[row] or str(row) for row in rows.tolist())))
    given += [(name, values[rows], None) for name, values in _numbers(objects).items()]
    for name, column, labels in given:
        whole = column.dtype.kind in "iu" and len(column) > 0
        span = (float(column.min()), float(column.max())) if whole else None
        try:
            plan = plan_column(name, column.dtype, column.shape[1:], taken=values, value_range=span, labels=labels)
        except InvalidInputError:  # texts
            continue
        by_attribute[name] = plan.properties
        values |= plan.encode(column)
    return FixedColumns(by_attribute, values)


def _numbers(objects: ParametricObjects) -> Mapping[str, NDArray[Any]]:
    return {name: v for name, v in objects.object_attributes.items() if len(v) == len(objects) and v.ndim in (1, 2)}


def _place_sphere(
    values: NDArray[np.float64], lo: NDArray[np.float64], hi: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Centre and radii, (2, 3)."""
    if not (np.isfinite(values).all() and values[3] > 0):
        return None
    nearest = np.clip(values[:3], lo, hi)
    if np.linalg.norm(nearest - values[:3]) > values[3]:
        return None
    return np.stack((values[:3], np.full(3, values[3])))


def _cut_line(
    values: NDArray[np.float64], lo: NDArray[np.float64], hi: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """The two ends, (2, 3), of what of an endless line lies in a box."""
    origin, step = values[:3], values[3:]
    if not np.isfinite(values).all() or not step.any():
        return None
    still = step == 0
    if ((origin < lo) | (origin > hi))[still].any():
        return None
    with np.errstate(over="ignore"):
        near, far = np.sort(np.stack(((lo - origin)[~still], (hi - origin)[~still])) / step[~still], axis=0)
    first, last = float(near.max()), float(far.min())
    return origin + np.outer((first, last), step) if first < last else None


def _outline_plane(
    values: NDArray[np.float64], lo: NDArray[np.float64], hi: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """The closed outline, (n + 1, 3), of where the plane A x + B y + C z + D = 0 cuts a box."""
    length = float(np.linalg.norm(values[:3]))
    if not np.isfinite(values).all() or not 0 < length < np.inf:
        return None
    normal, distance = values[:3] / length, values[3] / length
    corners = np.array([np.where([c & 1, c & 2, c & 4], hi, lo) for c in range(8)])
    heights = corners @ normal + distance
    a, b = heights[_EDGES].T
    crossed = (a > 0) != (b > 0)
    if not crossed.any():
        return None
    share = (a / np.where(crossed, a - b, 1))[crossed, None]
    first, second = corners[_EDGES[crossed]].swapaxes(0, 1)
    points: NDArray[np.float64] = first + share * (second - first)
    across = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    around = points - points.mean(axis=0)
    order = np.argsort(np.arctan2(around @ np.cross(normal, across), around @ across))
    return points.take(np.append(order, order[0]), axis=0)


_SHAPES: Final = {"sphere": _place_sphere, "line": _cut_line, "plane": _outline_plane}
