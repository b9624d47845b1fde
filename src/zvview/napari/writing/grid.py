"""The grid of a store along time: bins are the moments of the data, so that sliders step from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.format.metadata import Axis
from zvview.geometry.batches import Batch, Points
from zvview.store.writing.choose import choose_bin_shape, choose_chunk_shape

__all__ = ["choose_grid", "step_of"]

_SAMPLE: Final = 20_000
_MOST_MOMENTS: Final = 1024  # of a chunk: with its bins of space they stay well below what a chunk may have


def choose_grid(batch: Batch, axes: Sequence[Axis]) -> dict[str, Any]:
    """Chunk and bin shape of a batch along evenly spaced moments, as :func:`zvview.create` takes them; else nothing."""
    times = [i for i, axis in enumerate(axes) if axis.type == "time"]
    steps = {axis: step_of(batch.positions[:, axis]) for axis in times}
    if not times or None in steps.values():
        return {}
    lo, hi = batch.positions.min(axis=0).astype(np.float64), batch.positions.max(axis=0).astype(np.float64)
    sample = batch.positions[:: max(1, len(batch) // _SAMPLE)]
    chunk = np.array(choose_chunk_shape(sample, lo, hi, axes, batch.nbytes))
    bins = np.array(choose_bin_shape(chunk.tolist(), isinstance(batch, Points)))
    for axis, step in steps.items():
        assert step is not None
        chunk[axis] = step * np.clip(np.rint(chunk[axis] / step), 1, _MOST_MOMENTS)
        bins[axis] = step
    return {"chunk_shape": chunk.tolist(), "bin_shape": bins.tolist()}


def step_of(times: NDArray[np.floating]) -> float | None:
    """The distance of which all distances of moments are multiples; None where there is no such."""
    moments = np.unique(times.astype(np.float64))
    if len(moments) < 2:
        return 1.0 if len(moments) else None
    distances = np.diff(moments)
    step = float(distances.min())
    multiples = distances / step
    is_even = bool((np.abs(multiples - np.rint(multiples)) < 1e-3).all())
    return step if is_even and multiples.sum() < 1e9 else None
