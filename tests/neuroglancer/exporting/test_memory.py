"""What an export holds in memory at a time does not grow with the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from tests.peaks import peak_of
from zvview.pyramid import PyramidOptions, build_pyramid

MOST_GROWTH = 1.35  # 1.15 to 1.2; without the bounds 1.5 to 2
EXPORT = """
import sys
from zvview.neuroglancer.exporting.exporting import export
from zvview.neuroglancer.exporting import planning
from zvview.neuroglancer.sources import chunks, line_source, points, segment_order
init = chunks.Chunks.__init__
chunks.Chunks.__init__ = lambda self, store, budget_bytes=0, **other: init(self, store, 4 << 20, **other)
points._IDENTITY_BYTES = 4 << 20  # what is kept to be used again fills up to a bound of its own, as shards do
line_source._BUDGET_BYTES, segment_order._VERTICES_AT_ONCE = 1 << 20, 15_000
planning._SHARD_BYTES = 1 << 20
export(sys.argv[1], sys.argv[2], format=sys.argv[3], workers=2)
"""


def points(place: Path, size: int) -> Path:
    rng = np.random.default_rng(0)
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(50, 50, 50)) as store:
        positions = rng.uniform(0, (100 * size, 100, 100), (50_000 * size, 3)).astype("f4")
        store.write(zvview.Points(positions, attributes={"value": positions[:, 0].copy()}))
    build_pyramid(place, PyramidOptions(target=10_000))
    return place


def streamlines(place: Path, size: int) -> Path:
    rng = np.random.default_rng(0)
    starts = rng.uniform(0, (100 * size, 60, 60), (80 * size, 1, 3))
    lines = (starts + rng.normal(0, 0.7, (80 * size, 100, 3)).cumsum(axis=1)).astype("f4")
    with zvview.create(place, kind="streamline", axes="xyz", chunk_shape=(25, 25, 25)) as store:
        store.write(zvview.Streamlines.from_list(list(lines), object_ids=np.arange(len(lines))))
    build_pyramid(place, PyramidOptions(target=10_000))
    return place


@pytest.mark.parametrize("make", [points, streamlines])
def test_three_times_the_store_takes_no_more_memory(tmp_path: Path, make: Any) -> None:
    peaks = [peak_of(EXPORT, make(tmp_path / f"{n}.zarrvectors", n), tmp_path / f"{n}.out", "sharded") for n in (8, 24)]
    assert peaks[1] <= MOST_GROWTH * peaks[0], f"{peaks} bytes of memory"
