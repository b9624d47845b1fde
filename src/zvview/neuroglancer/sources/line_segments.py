"""The edges of graphs and skeletons as annotations."""

from __future__ import annotations

from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.line_columns import LineColumns
from zvview.neuroglancer.sources.line_source import LineSource
from zvview.neuroglancer.sources.object_columns import ObjectColumns
from zvview.neuroglancer.sources.pieces import steps_of_network
from zvview.neuroglancer.sources.tiers import plan_tiers

__all__ = ["open_edges"]

_MANY_OBJECTS = 500
"""From here on edges are thinned out by object: whole skeletons look like what they are, single edges like dust."""


def open_edges(chunks: Chunks, frame: SourceFrame) -> LineSource:
    """The edges of a store of graphs or skeletons, all of them as the finest level has them.

    Coarse levels, which draw edges between vertices that are not joined in the finest, are not looked at.

    Parameters
    ----------
    chunks : Chunks
    frame : SourceFrame

    Raises
    ------
    UnsupportedError
        More chunks than edges can be named by.
    """
    level = chunks.store.level(chunks.levels[0].number)
    columns = LineColumns.of(chunks.store.axes, chunks.facts.attributes, ObjectColumns.of(level))
    objects = chunks.store.reader(level.number).objects
    is_many = objects is not None and len(objects) >= _MANY_OBJECTS
    tiers = plan_tiers(chunks, is_nested=False, by_object=is_many)
    return LineSource(chunks, frame, columns, tiers, "line", steps_of_network, has_objects=False)
