"""Which sources a store has, by its kind."""

from __future__ import annotations

from collections.abc import Mapping

from zvview.errors import UnsupportedError
from zvview.format import names
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.contract import Source
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.networks import open_networks
from zvview.neuroglancer.sources.parametric import open_parametric
from zvview.neuroglancer.sources.points import NestedPoints
from zvview.neuroglancer.sources.polylines import open_polylines
from zvview.neuroglancer.sources.properties import Properties
from zvview.neuroglancer.sources.skeletons import open_skeletons
from zvview.pyramid.points import METHOD
from zvview.store.store import Store

__all__ = ["open_sources"]


def open_sources(store: Store) -> Mapping[str, Source]:
    """The sources of the state in which a store is, by name.

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
    return {**_open_kind(store, chunks, frame), **parametric}


def _open_kind(store: Store, chunks: Chunks, frame: SourceFrame) -> Mapping[str, Source]:
    """The sources of what a store is of."""
    properties = Properties.of(chunks.facts.attributes)
    if store.kind == names.POINT_CLOUD:
        if not _is_nested(store):  # what coarse levels hold is none of the points: it must not be added to them
            chunks = Chunks(store, levels=1)
        return {"points": NestedPoints(chunks, frame, properties)}
    if store.kind in (names.POLYLINE, names.STREAMLINE):
        return {"lines": open_polylines(chunks, frame), **open_skeletons(chunks, frame)}
    if store.kind == names.LINE:
        return {"lines": open_polylines(chunks, frame, "line")}
    if store.kind in (names.GRAPH, names.SKELETON):
        return open_networks(chunks, frame)
    raise UnsupportedError(f"{store.place} holds {store.kind}, which Neuroglancer is not given yet")


def _is_nested(store: Store) -> bool:
    """Whether each level of points is a part of the next finer one."""
    coarse = [store.reader(number).layout.metadata for number in store.levels[1:]]
    return all(metadata.coarsening_method == METHOD for metadata in coarse)
