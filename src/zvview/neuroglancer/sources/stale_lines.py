"""Whether lines of coarse levels are still those of the finest, as far as objects and a sample of them tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.format.sequences import is_among
from zvview.geometry.batches import Polylines
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.tiers import TierTable

__all__ = ["STALE_LINES", "are_stale"]

STALE_LINES: Final = (
    "coarse levels hold other lines than the finest, so that they are not used (zvview pyramid makes them anew)"
)
_SAMPLE: Final = 8  # lines of a tier that are compared


def are_stale(chunks: Chunks, tiers: TierTable) -> bool:
    """Whether a tier draws lines as a coarse level has them, but the finest has others.

    It is when the finest level lacks objects, or when of a sample, the same for the same store, a line ends or reaches
    elsewhere by more than a bin: another program edited the finest level alone. Edits of a few lines among many are
    not found out.

    Parameters
    ----------
    chunks : Chunks
    tiers : TierTable
    """
    finest = chunks.store.level(chunks.levels[0].number)
    present = finest.present_object_ids
    if present is None or chunks.levels[0].is_added:
        return False
    for tier in tiers.tiers:
        if not tier.level or tier.ids is None:
            continue
        if not is_among(tier.ids, present).all():
            return True
        sample = tier.ids[np.unique(np.linspace(0, len(tier.ids) - 1, _SAMPLE).astype(np.int64))]
        coarse = chunks.levels[tier.level]
        own = dict(_extremes(chunks, coarse.number, sample))
        known = dict(_extremes(chunks, finest.number, sample))
        for line in own.keys() & known.keys():  # what is damaged is told elsewhere
            if (np.abs(own[line] - known[line]) > coarse.bin_shape).any():
                return True
    return False


def _extremes(chunks: Chunks, level: int, ids: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Of each line: where it begins and ends, and its least and greatest coordinates, (4, D)."""
    batch = chunks.store.level(level).read_objects(ids, (), on_damage="skip")
    assert isinstance(batch, Polylines) and batch.object_ids is not None
    for row, line in enumerate(batch.object_ids.tolist()):
        at = batch.positions[batch.offsets[row] : batch.offsets[row + 1]].astype(np.float64)
        if len(at):
            yield line, np.stack((at[0], at[-1], at.min(axis=0), at.max(axis=0)))
