"""Samples of the points of a level: of some chunks all of them, so that it can be seen what each way to thin keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zvview.pyramid.thinning import Thinning, find_least, number_bins

__all__ = ["PointSample", "share_evenly"]


@dataclass(frozen=True, slots=True, eq=False)
class PointSample:
    """Some points of a level, by chunks or other blocks of space, of which all are there.

    Attributes
    ----------
    positions : (N, D)
    hashes : (N,) uint32
    slots : (N,) int64
        Row in `chunks` of the chunk of each point.
    weights : (N,) float64
        How many points of the level each stands for.
    chunks : (C, D) int64
    """

    positions: NDArray[np.floating]
    hashes: NDArray[np.uint32]
    slots: NDArray[np.int64]
    weights: NDArray[np.float64]
    chunks: NDArray[np.int64]

    def measure(self, thinning: Thinning) -> tuple[float, float]:
        """How many points of the level a thinning keeps, and how many of them for their bin only."""
        least = find_least(self.hashes, *number_bins(self.positions, self.slots, self.chunks, thinning))
        is_low = self.hashes < np.uint32(thinning.threshold)
        extras = float(self.weights[least & ~is_low].sum())
        return float(self.weights[is_low].sum()) + extras, extras


def share_evenly(
    counts: NDArray[np.int64], strata: int, rows: int, most: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Chunks to look at: some of each of `strata` ranges of occupancy that hold about equally many points.

    Parameters
    ----------
    counts : (C,) int64
        Points of each chunk.
    strata : int
    rows : int
        Points wanted of each range; a chunk is taken whole.
    most : int
        Chunks of each range at most.

    Returns
    -------
    chunks : (n,) int64
        Indices into `counts`, ascending.
    weights : (n,) float64
        Points of the range over points that are looked at.
    """
    order = np.argsort(-counts, kind="stable")
    ends = np.cumsum(counts[order])
    total = int(ends[-1]) if len(ends) else 0
    of_chunk = ((ends - counts[order] / 2) * strata / max(total, 1)).astype(np.int64)
    picked, weights = [np.empty(0, np.int64)], [np.empty(0)]
    for stratum in range(strata):
        here = order[of_chunk == stratum]
        held = int(counts[here].sum())
        if not held:
            continue
        wanted = min(len(here), most, max(1, -(-rows * len(here) // held)))
        few = here[((np.arange(wanted) + 0.5) * len(here) / wanted).astype(np.int64)]
        picked.append(few)
        weights.append(np.full(wanted, held / max(1, int(counts[few].sum()))))
    chunks, weight = np.concatenate(picked), np.concatenate(weights)
    by_place = np.argsort(chunks)
    return chunks[by_place], weight[by_place]
