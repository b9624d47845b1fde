"""Which sources a store has, by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from zvview.errors import UnsupportedError
from zvview.format import names
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.contract import Source, StaleLevelsError
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.meshes import open_meshes
from zvview.neuroglancer.sources.networks import open_networks
from zvview.neuroglancer.sources.owners import OwnedChunks
from zvview.neuroglancer.sources.parametric import open_parametric
from zvview.neuroglancer.sources.points import STALE, NestedPoints, has_nested_levels
from zvview.neuroglancer.sources.polylines import open_polylines
from zvview.neuroglancer.sources.properties import Properties
from zvview.neuroglancer.sources.ranked_points import RankedPoints
from zvview.neuroglancer.sources.skeletons import open_skeletons
from zvview.pyramid.points import METHOD
from zvview.store.store import Store

__all__ = ["open_sources"]


def open_sources(store: Store, *, with_levels: bool = True) -> Mapping[str, Source]:
    """The sources of the state in which a store is, by name.

    Parameters
    ----------
    store : Store
    with_levels : bool
        Whether levels that tell to be nested are taken to be; otherwise points are shown from the finest alone.

    Raises
    ------
    UnsupportedError
        A kind, or levels, that cannot be shown.
    DamagedError
        No level can be read.
    """
    chunks = Chunks(store)
    frame = SourceFrame.of(store.axes, store.bounds, store.level(store.levels[0]).resolution)
    parametric = open_parametric(store, frame)
    if parametric and not len(chunks.levels[0].chunks):
        return parametric
    try:
        return {**_open_kind(store, chunks, frame, with_levels), **parametric}
    except StaleLevelsError:
        return {**_open_kind(store, chunks, frame, False), **parametric}


def _open_kind(store: Store, chunks: Chunks, frame: SourceFrame, with_levels: bool) -> Mapping[str, Source]:
    """The sources of what a store is of."""
    if store.kind == names.POINT_CLOUD:
        is_nested = len(chunks.levels) > 1 and has_nested_levels(store, METHOD)
        points = OwnedChunks(store, levels=None if is_nested and with_levels else 1, facts=chunks.facts)
        properties = Properties.of({**chunks.facts.attributes, **points.owners.attributes})
        if is_nested and with_levels:
            return {"points": NestedPoints(points, frame, properties)}
        if is_nested:
            properties = replace(properties, notes=(*properties.notes, STALE))
        return {"points": RankedPoints(points, frame, properties)}
    if store.kind in (names.POLYLINE, names.STREAMLINE):
        return {"lines": open_polylines(chunks, frame), **open_skeletons(chunks, frame)}
    if store.kind == names.LINE:
        return {"lines": open_polylines(chunks, frame, "line")}
    if store.kind in (names.GRAPH, names.SKELETON):
        return open_networks(chunks, frame, with_levels=with_levels)
    if store.kind == names.MESH:
        return open_meshes(chunks, frame)
    raise UnsupportedError(f"{store.place} holds {store.kind}, which Neuroglancer is not given yet")
