"""Batches of every kind by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import MissingError
from zvview.format import names
from zvview.geometry.batches import Batch, Pieces, Points, Polylines, Streamlines
from zvview.testing import graphs, lines, meshes, points, skeletons
from zvview.testing.recipe import Recipe

__all__ = ["KINDS", "make_batch", "make_groups"]

_FAMILIES: Final[Mapping[str, tuple[Callable[[Recipe], Batch], tuple[str, ...]]]] = MappingProxyType(
    {
        names.POINT_CLOUD: (points.make_points, points.GROUP_NAMES),
        names.LINE: (lines.make_lines, lines.GROUP_NAMES),
        names.POLYLINE: (partial(lines.make_polylines, cls=Polylines), lines.GROUP_NAMES),
        names.STREAMLINE: (partial(lines.make_polylines, cls=Streamlines), lines.GROUP_NAMES),
        names.GRAPH: (graphs.make_graph, graphs.GROUP_NAMES),
        names.SKELETON: (skeletons.make_skeletons, skeletons.GROUP_NAMES),
        names.MESH: (meshes.make_mesh, meshes.GROUP_NAMES),
    }
)
KINDS: Final = tuple(_FAMILIES)
"""Kinds that can be made: all that the format has."""


def make_batch(
    kind: str,
    size: int = 10_000,
    ndim: int = 3,
    seed: int = 0,
    n_objects: int | None = None,
    with_attributes: bool = True,
    *,
    form: str | None = None,
) -> Batch:
    """Synthetic geometry of a kind; the same arguments always give the same bytes.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    size : int
        Number of vertices: exact for points, polylines, streamlines, graphs and skeletons; lines take an even number
        and meshes the finest surfaces that stay within it.
    ndim : int
        Number of axes; meshes have 3. All vertices lie between 0 and :data:`EXTENT`.
    seed : int
    n_objects : int, optional
        Objects; by default none for points, one for each line, and some thousand vertices for each tree or surface.
    with_attributes : bool
        Whether vertices, edges and faces carry values.
    form : str, optional
        Points: ``clustered`` (default) or ``uniform``; graphs: ``vessels`` (default) or ``neighbours``; meshes:
        ``ellipsoids`` (default) or ``tori``.

    Raises
    ------
    MissingError
        There is no such kind.
    InvalidInputError
        Sizes, axes, objects or a form that the kind can not have.

    Examples
    --------
    >>> batch = make_batch("mesh", 500, form="tori", n_objects=2)
    >>> batch.faces.shape, sorted(batch.attributes)
    ((972, 3), ['curvature', 'normal'])
    """
    make, _ = _family(kind)
    return make(Recipe(size, ndim, seed, n_objects, with_attributes, form))


def make_groups(batch: Batch) -> dict[str, NDArray[np.int64]]:
    """Object ids by group name: object i is in group i modulo their number. Empty for a batch without objects.

    Examples
    --------
    >>> groups = make_groups(make_batch("streamline", 1000))
    >>> groups["arcuate_left"].tolist()
    [0, 6, 12, 18]
    """
    _, group_names = _family(batch.kind)
    if not isinstance(batch, Points | Pieces) or batch.object_ids is None:
        return {}
    ids = np.unique(batch.object_ids)
    return {name: ids[ids % len(group_names) == g] for g, name in enumerate(group_names)}


def _family(kind: str) -> tuple[Callable[[Recipe], Batch], tuple[str, ...]]:
    if kind not in _FAMILIES:
        raise MissingError("kind", kind, _FAMILIES)
    return _FAMILIES[kind]
