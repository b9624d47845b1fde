"""Which segments of a store come first: the largest in the picture, neighbours together in exports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.neuroglancer.sources.segments import Segments
from zvview.store.store import Store

__all__ = ["MOST_SHOWN", "count_at_once", "largest_segments", "segments_by_place"]

MOST_SHOWN: Final = 100
"""Objects that are shown at first: each is a request of its own."""

_MOST_WEIGHED: Final = 1_000_000  # objects whose pieces are counted to find the largest
_AT_ONCE, _VERTICES_AT_ONCE = 20_000, 500_000  # lines of 30 vertices take a third of the time that they take by 2,000


def largest_segments(store: Store, number: int, segments: Segments, vertices: int) -> NDArray[np.uint64]:
    """Segments of the most pieces, no more than can be drawn at once.

    Pieces are counted, not vertices, of which the index of objects does not tell.

    Parameters
    ----------
    store : Store
    number : int
        Of a level.
    segments : Segments
    vertices : int
        That they may have together, about.
    """
    objects = store.reader(number).objects
    if objects is None or len(objects) > _MOST_WEIGHED:
        return np.empty(0, np.uint64)
    pieces = np.diff(objects.manifests().offsets)
    ids = objects.ids
    rows = np.flatnonzero((pieces > 0) & (ids >= 0))
    rows = rows[np.lexsort((ids[rows], -pieces[rows]))][:MOST_SHOWN]
    per_piece = float(store.count_vertices(number).sum()) / max(1, int(pieces.sum()))
    fits = np.cumsum(pieces[rows]) * per_piece <= vertices
    return segments.of_objects(ids[rows][: max(1, int(fits.sum()))])


def count_at_once(store: Store, number: int, count: int) -> int:
    """How many of the `count` objects of a level are read together."""
    mean = float(store.count_vertices(number).sum()) / max(count, 1)
    return int(np.clip(_VERTICES_AT_ONCE / max(mean, 1.0), 1, _AT_ONCE))


def segments_by_place(store: Store, number: int, segments: Segments) -> Iterator[NDArray[np.uint64]]:
    """Segments of all objects, those that begin near each other at once."""
    level = store.level(number)
    present = level.present_object_ids
    assert present is not None
    present = present[present >= 0]
    if not len(present):
        return
    first = level.first_chunks(present)
    ordered = present[np.lexsort((present, *first.T[::-1]))]
    step = count_at_once(store, number, len(present))
    for start in range(0, len(ordered), step):
        yield segments.of_objects(ordered[start : start + step])
