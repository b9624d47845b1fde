"""Nodes of graphs and skeletons as annotations, so that many networks can be browsed at once.

What a coarse level of a network keeps are nodes of the finer one: roots, tips, branch points, and what its runs need.
So nodes are in spatial levels that add up as points are (:mod:`~zvview.neuroglancer.sources.points`); those of stores
without such levels by rank (:mod:`~zvview.neuroglancer.sources.ranked_points`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from zvview.cancel import CancelToken
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.contract import Source
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.line_segments import open_edges
from zvview.neuroglancer.sources.owners import Owners
from zvview.neuroglancer.sources.points import STALE, NestedPoints, has_nested_levels
from zvview.neuroglancer.sources.properties import Properties
from zvview.neuroglancer.sources.ranked_points import RankedPoints
from zvview.neuroglancer.sources.skeletons import MOST_WHOLE, open_skeletons
from zvview.pyramid.trees import METHOD
from zvview.store.store import Store
from zvview.stream.parts import ChunkPart

__all__ = ["NodeChunks", "open_networks", "open_nodes"]

_BUDGET_BYTES: Final = 128 << 20  # edges keep the chunks of their own reading


class NodeChunks(Chunks):
    """The chunks of a store of networks as chunks of points: nodes, each with its object and what that tells.

    Parameters
    ----------
    store : Store
    levels : int, optional
        How many of the levels, the finest first; all by default.
    """

    def __init__(self, store: Store, *, levels: int | None = None) -> None:
        super().__init__(store, _BUDGET_BYTES, levels=levels)
        self.owners = Owners.of(store, self.facts.attributes)

    def read(self, level: int, rows: Sequence[int], cancel: CancelToken | None = None) -> list[ChunkPart]:
        """Chunks at `rows` of the table of a level, which counts from the finest."""
        return [self._as_points(part) for part in super().read(level, rows, cancel)]

    def _as_points(self, part: ChunkPart) -> ChunkPart:
        if part.object_ids is None:
            return ChunkPart(part.positions, part.attributes)
        sizes = np.diff(part.offsets)
        told = {name: np.repeat(of, sizes, axis=0) for name, of in self.owners.tell(part.object_ids).items()}
        return ChunkPart(part.positions, {**part.attributes, **told}, np.repeat(part.object_ids, sizes))


def open_networks(chunks: Chunks, frame: SourceFrame, *, with_levels: bool = True) -> dict[str, Source]:
    """The sources of a store of graphs or skeletons by name: skeletons of objects, and all edges and nodes.

    Parameters
    ----------
    chunks : Chunks
    frame : SourceFrame
    with_levels : bool
        Whether levels that tell to be nested are taken to be.

    Raises
    ------
    UnsupportedError
        More chunks than edges or nodes can be named by; grids that do not share a corner.
    """
    skeletons = open_skeletons(chunks, frame)
    told = () if skeletons else (f"a store without objects, of more than {MOST_WHOLE:,} vertices, is no skeleton",)
    nodes = open_nodes(chunks.store, frame, told, with_levels=with_levels)
    return {**skeletons, "edges": open_edges(chunks, frame), "nodes": nodes}


def open_nodes(
    store: Store, frame: SourceFrame, notes: tuple[str, ...] = (), *, with_levels: bool = True
) -> NestedPoints | RankedPoints:
    """The nodes of a store of graphs or skeletons.

    Parameters
    ----------
    store : Store
    frame : SourceFrame
    notes : tuple of str
        What else is to be told.
    with_levels : bool
        Whether levels that tell to be nested are taken to be.

    Raises
    ------
    UnsupportedError
        More chunks than nodes can be named by; grids that do not share a corner.
    """
    is_nested = has_nested_levels(store, METHOD)
    if is_nested and not with_levels:
        is_nested, notes = False, (*notes, STALE)
    chunks = NodeChunks(store, levels=None if is_nested else 1)
    properties = Properties.of({**chunks.facts.attributes, **chunks.owners.attributes})
    properties = replace(properties, notes=(*properties.notes, *notes))
    return (NestedPoints if is_nested else RankedPoints)(chunks, frame, properties)
