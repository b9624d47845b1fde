"""What of a store cannot be edited, told when an edit is made: who hears it on saving has worked for nothing."""

from __future__ import annotations

from zvview.errors import UnsupportedError
from zvview.store.editing.edits import Edits
from zvview.store.editing.renewable import check_arrays, check_renewable
from zvview.store.editing.vertex_plan import plan_vertices
from zvview.store.patching.nodes import read_nodes
from zvview.store.reading.reader import LevelReader

__all__ = ["find_limit", "refuse_beyond"]


def find_limit(reader: LevelReader) -> str:
    """Why no vertex of a level can change its place, and what to do; empty where they can, or nobody can tell yet.

    Raises
    ------
    UnsupportedError
        Nothing of the level can be edited.
    """
    source = reader.hierarchy.source
    if not source.can_list:
        return ""
    nodes, _ = read_nodes(source, reader.layout.path)
    check_arrays(nodes)
    try:
        check_renewable(reader, nodes)
    except UnsupportedError as error:
        if reader.is_sequence:  # lines are made again as wholes, whatever is edited of them
            raise
        return str(error)
    return ""


def refuse_beyond(limit: str, reader: LevelReader, edits: Edits) -> None:
    """Raise UnsupportedError where there is a limit, and edits go beyond it: a vertex changes its place."""
    if limit and len(plan_vertices(reader, edits).renewed):
        raise UnsupportedError(limit)
