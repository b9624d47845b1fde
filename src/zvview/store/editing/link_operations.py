"""Operations on the links of graphs, skeletons and meshes: edits and ends of links give new edits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.grid import ChunkTable
from zvview.store.editing.edits import Edits, LinkEdits, VertexRefs
from zvview.store.editing.identity import RefTable, find_refs, join_refs, take_refs

__all__ = ["add_links", "drop_links_of", "remove_links"]


def add_links(edits: Edits, ends: VertexRefs, columns: Mapping[str, NDArray[Any]], width: int) -> Edits:
    """With new links.

    Parameters
    ----------
    edits : Edits
    ends : VertexRefs
        Of (a * width) vertices, as :class:`LinkEdits` orders them.
    columns : mapping of str to (a,) or (a, C) array
        All link attributes of the store.
    width : int
        Ends of a link.
    """
    if not len(ends):
        return edits
    known = edits.links
    if known is None or not len(known.added):
        removed = _none_like(ends) if known is None else known.removed
        return replace(edits, links=LinkEdits(removed, ends, dict(columns), width))
    joined = {name: np.concatenate((values, columns[name])) for name, values in known.columns.items()}
    return replace(edits, links=LinkEdits(known.removed, join_refs([known.added, ends]), joined, width))


def remove_links(edits: Edits, ends: VertexRefs, width: int) -> Edits:
    """Without the links of which `ends` names the (r * width) vertices, be they stored or new."""
    if not len(ends):
        return edits
    links = edits.links
    if links is not None and len(links.added):
        everything = RefTable.of(join_refs([links.added, ends]))
        gone = np.sort(everything.find(ends).reshape(-1, width), axis=1)
        own = np.sort(everything.find(links.added).reshape(-1, width), axis=1)
        links = _keep_added(links, ChunkTable.of(gone).find(own) < 0)
    is_stored = (ends.rows.reshape(-1, width) >= 0).all(axis=1)
    stored = take_refs(ends, np.repeat(is_stored, width))
    if links is None:
        if not len(stored):
            return edits
        return replace(edits, links=LinkEdits(stored, _none_like(ends), {}, width))
    return replace(edits, links=_settled(replace(links, removed=join_refs([links.removed, stored]))))


def drop_links_of(edits: Edits, deleted: VertexRefs) -> Edits:
    """Without those new links that end in vertices that were `deleted`."""
    links = edits.links
    if links is None or not len(links.added):
        return edits
    kept = np.asarray((find_refs(deleted, links.added) < 0).reshape(-1, links.width).all(axis=1))
    return edits if kept.all() else replace(edits, links=_settled(_keep_added(links, kept)))


def _keep_added(links: LinkEdits, kept: NDArray[np.bool_]) -> LinkEdits:
    if kept.all():
        return links
    columns = {name: values[kept] for name, values in links.columns.items()}
    return replace(links, added=take_refs(links.added, np.repeat(kept, links.width)), columns=columns)


def _settled(links: LinkEdits) -> LinkEdits | None:
    """None where nothing is left of them, and no columns where none is new."""
    if len(links.added):
        return links
    return replace(links, columns={}) if len(links.removed) else None


def _none_like(refs: VertexRefs) -> VertexRefs:
    return VertexRefs(refs.chunks[:0], refs.rows[:0])
