"""Samples that are drawn from a seed: they need no data, and are made in a second or two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.format.metadata import Axis
from zvview.geometry.batches import Batch
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.samples.brain import make_brain
from zvview.samples.cells import make_cells
from zvview.samples.neurons import make_neurons
from zvview.samples.tracks import make_tracks
from zvview.samples.tracts import make_tracts
from zvview.samples.vessels import make_vessels
from zvview.store.creating import create

__all__ = ["write_brain", "write_cells", "write_neurons", "write_tracks", "write_tracts", "write_vessels"]

Progress = Callable[[int, int, str], None]

_SEED: Final = 2026
_TARGET: Final = 10_000  # these stores are small: with the usual target they would hardly have levels


def write_cells(place: str, progress: Progress | None, cancel: CancelToken | None) -> None:
    """Cells of a strip of cortex, in micrometres."""
    _write(place, make_cells(_rng()), "micrometer", progress, cancel, chunk_shape=(600.0, 600.0, 240.0))


def write_tracts(place: str, progress: Progress | None, cancel: CancelToken | None) -> None:
    """Streamlines of a brain with its tracts as groups, in millimetres."""
    batch, groups = make_tracts(_rng())
    _write(place, batch, "millimeter", progress, cancel, groups=groups)


def write_neurons(place: str, progress: Progress | None, cancel: CancelToken | None) -> None:
    """Pyramidal neurons as skeletons, in micrometres."""
    _write(place, make_neurons(_rng()), "micrometer", progress, cancel)


def write_vessels(place: str, progress: Progress | None, cancel: CancelToken | None) -> None:
    """Arteries, capillaries and veins as a graph, in micrometres."""
    _write(place, make_vessels(_rng()), "micrometer", progress, cancel)


def write_brain(place: str, progress: Progress | None, cancel: CancelToken | None) -> None:
    """The folded surface of two hemispheres, in millimetres."""
    _write(place, make_brain(_rng()), "millimeter", progress, cancel)


def write_tracks(place: str, progress: Progress | None, cancel: CancelToken | None) -> None:
    """Tracks of dividing cells over time, in micrometres and minutes; each track knows its parent."""
    batch, parents = make_tracks(_rng())
    _write(
        place,
        batch,
        "micrometer",
        progress,
        cancel,
        more_axes=(Axis("t", "time", "minute"),),
        object_attributes={"parent": parents},
        chunk_shape=(200.0, 200.0, 200.0, 20.0),
        bin_shape=(10.0, 10.0, 10.0, 1.0),  # a minute is a step of the time slider
    )


def _rng() -> np.random.Generator:
    return np.random.default_rng(_SEED)


def _write(
    place: str,
    batch: Batch,
    unit: str,
    progress: Progress | None,
    cancel: CancelToken | None,
    *,
    more_axes: tuple[Axis, ...] = (),
    groups: Mapping[str, NDArray[np.int64]] | None = None,
    object_attributes: Mapping[str, NDArray[Any]] | None = None,
    chunk_shape: tuple[float, ...] | None = None,
    bin_shape: tuple[float, ...] | None = None,
) -> None:
    """Write a store of one batch and its coarser levels."""
    axes = (*(Axis(name, "space", unit) for name in "xyz"), *more_axes)
    with create(place, kind=batch.kind, axes=axes, chunk_shape=chunk_shape, bin_shape=bin_shape) as store:
        store.write(batch, object_attributes, groups, cancel=cancel)
    build_pyramid(place, PyramidOptions(target=_TARGET), progress=progress, cancel=cancel)
