"""Streamlines, polylines and single lines as annotations."""

from __future__ import annotations

from typing import Literal

from zvview.errors import UnsupportedError
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.line_columns import LineColumns
from zvview.neuroglancer.sources.line_source import LineSource
from zvview.neuroglancer.sources.object_columns import ObjectColumns
from zvview.neuroglancer.sources.pieces import pieces_of_lines
from zvview.neuroglancer.sources.stale_lines import STALE_LINES, are_stale
from zvview.neuroglancer.sources.tiers import plan_tiers

__all__ = ["open_polylines"]


def open_polylines(chunks: Chunks, frame: SourceFrame, kind: Literal["polyline", "line"] = "polyline") -> LineSource:
    """The annotations of a store of polylines or streamlines, or of lines of two vertices each.

    Their levels follow those of the store where the grids of these fit each other. Of a large store the lines that
    coarse levels hold are drawn as a finer level has them, simplified within half of its bin, so that a first view
    needs little; all others are their exact fragments, and by its id each line is. Levels that hold other lines than
    the finest are told of, and not used.

    Parameters
    ----------
    chunks : Chunks
    frame : SourceFrame
    kind : {"polyline", "line"}

    Raises
    ------
    UnsupportedError
        More chunks than lines can be named by.
    """
    level = chunks.store.level(chunks.levels[0].number)
    columns = LineColumns.of(chunks.store.axes, chunks.facts.attributes, ObjectColumns.of(level))
    tiers = plan_tiers(chunks)
    if are_stale(chunks, tiers):
        tiers, notes = plan_tiers(chunks, is_nested=False), (STALE_LINES,)
        return LineSource(chunks, frame, columns, tiers, kind, pieces_of_lines, notes=notes)
    try:
        return LineSource(chunks, frame, columns, tiers, kind, pieces_of_lines)
    except UnsupportedError:  # chunks of other writers need not be multiples of each other
        return LineSource(chunks, frame, columns, plan_tiers(chunks, is_nested=False), kind, pieces_of_lines)
