"""The ends of links that came or went: what they were, and where they are in chunks that changed since."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zvview.store.editing.bases import ChunkBase, match_marks, vertex_marks
from zvview.store.editing.edits import ChunkKey, Edits, LinkEnds
from zvview.store.editing.identity import join_refs
from zvview.store.editing.vertex_operations import rows_by_chunk

__all__ = ["describe_ends", "find_ends"]


def describe_ends(edits: Edits, base_of: Callable[[ChunkKey], ChunkBase]) -> Edits:
    """Edits that tell of all stored vertices that their links name what these were.

    Parameters
    ----------
    edits : Edits
    base_of : callable
        The chunk as the edits rely on it.
    """
    if edits.links is None:
        return replace(edits, ends={}) if edits.ends else edits
    refs = join_refs([edits.links.removed, edits.links.added])
    ends = dict(edits.ends)
    for key, index in rows_by_chunk(refs):
        rows = np.unique(refs.rows[index])
        known = ends.get(key)
        if known is None or not np.isin(rows, known.rows, assume_unique=True).all():
            base = base_of(key)
            wanted = rows if known is None else np.union1d(rows, known.rows)
            ends[key] = _ends_of(base, wanted[wanted < len(base.positions)])
    return replace(edits, ends=ends)


def find_ends(
    ends: Mapping[ChunkKey, LinkEnds], now: Mapping[ChunkKey, ChunkBase]
) -> dict[ChunkKey, NDArray[np.int64]]:
    """Row of today of each end, or -1, of the chunks that are told as they are `now`.

    An end is found where exactly one vertex of the same object stands at its very position, as there was one then.
    """
    out = {}
    for key, own in ends.items():
        if key in now:
            base = now[key]
            rows = match_marks(vertex_marks(own.origins, own.owners), vertex_marks(base.positions, base.owners))
            is_found = own.is_alone & (rows >= 0)
            is_found[is_found] = _are_alone(base, rows[is_found])
            out[key] = np.where(is_found, rows, -1)
    return out


def _ends_of(base: ChunkBase, rows: NDArray[np.int64]) -> LinkEnds:
    owners = None if base.owners is None else base.owners[rows]
    return LinkEnds(rows, base.positions[rows], owners, _are_alone(base, rows))


def _are_alone(base: ChunkBase, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether no other vertex of a chunk is of the same object at the same position, for each of `rows`."""
    if not len(rows):
        return np.zeros(0, bool)
    _, numbers, counts = np.unique(vertex_marks(base.positions, base.owners), return_inverse=True, return_counts=True)
    return np.asarray(counts[numbers[rows]] == 1)
