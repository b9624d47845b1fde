"""Points of a coarse level that stand in, without those in whose place finer chunks are shown already.

So a picture grows chunk by chunk as a slow source answers, also beneath a coarse cell that covers all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.grid import ChunkTable, locate_chunks
from zvview.stream.cut import Masks
from zvview.stream.facts import StoreFacts
from zvview.stream.parts import ChunkPart

__all__ = ["can_patch", "give_way"]


def can_patch(facts: StoreFacts) -> bool:
    """Whether finer chunks can take their place out of coarser ones: each point lies in one chunk, for itself."""
    is_plain = all(not level.is_added and level.chunks.shape[1] == facts.ndim for level in facts.levels)
    return is_plain and facts.kind == names.POINT_CLOUD


def give_way(
    facts: StoreFacts, levels: Sequence[tuple[NDArray[np.int64], list[ChunkPart]]], patches: Masks
) -> list[tuple[NDArray[np.int64], list[ChunkPart]]]:
    """The rows and parts of each level, without the points in the place of chunks of `patches` of a finer one."""
    out: list[tuple[NDArray[np.int64], list[ChunkPart]]] = []
    places: list[tuple[NDArray[np.float64], ChunkTable]] = []
    for level, (rows, parts), mask in zip(facts.levels, levels, patches, strict=True):
        if places:
            parts = [_outside(part, facts.offset, places) for part in parts]
        out.append((rows, parts))
        if mask.any():
            places.append((level.chunk_shape, ChunkTable.of(level.chunks[mask])))
    return out


def _outside(
    part: ChunkPart, offset: NDArray[np.float64], places: Sequence[tuple[NDArray[np.float64], ChunkTable]]
) -> ChunkPart:
    is_kept = np.ones(len(part), bool)
    for shape, table in places:
        is_kept &= table.find(locate_chunks(part.positions - offset, shape)) < 0
    if is_kept.all():
        return part
    return replace(
        part,
        positions=part.positions[is_kept],
        attributes={name: values[is_kept] for name, values in part.attributes.items()},
        object_ids=None if part.object_ids is None else part.object_ids[is_kept],
        rows=np.flatnonzero(is_kept) if part.rows is None else part.rows[is_kept],
    )
