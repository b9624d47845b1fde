"""Grids of cells: numbered in 64 bits however far apart chunks lie, and none where there is nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zvview
from tests.neuroglancer.sources.test_any_store import check_store
from zvview.neuroglancer.encoding.morton import encode_morton
from zvview.neuroglancer.sources.cells import finest_step
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.testing import make_batch

COORDS = st.tuples(*[st.integers(-(2**40), 2**40)] * 3)


@given(st.lists(COORDS, min_size=1, max_size=5), st.integers(-3, 0), st.integers(0, 9))
def test_cells_of_the_step_can_be_numbered(chunks: list[tuple[int, int, int]], least: int, wider: int) -> None:
    rows = np.array(chunks, np.int64)
    step = finest_step(rows, np.ones(3, bool), least)
    cells = (rows >> max(step, 0)) << max(-step, 0)
    corner = (cells.min(axis=0) >> wider) << wider  # one of a coarser grid, no wider than all of this one
    span = cells.max(axis=0) - cells.min(axis=0) + 1
    if step > least and (1 << wider <= span).all():
        encode_morton(cells - corner, (cells.max(axis=0) - corner + 1).tolist())
    assert step == least or np.log2((span >> 1) + 1.0).sum() > 50  # and is no wider than it must be


@pytest.mark.parametrize("levels", [True, False])
@pytest.mark.parametrize("kind", ["point_cloud", "line", "streamline", "graph", "skeleton"])
def test_one_stray_vertex_hides_nothing(tmp_path: Path, kind: str, levels: bool) -> None:
    batch = make_batch(kind, 60, n_objects=None)
    batch.positions[-1] = 3e9
    place = tmp_path / "s.zarrvectors"
    with zvview.create(place, kind=kind, axes="xyz", dtype="float64", chunk_shape=(100, 100, 100)) as store:
        store.write(batch)
    if levels:
        build_pyramid(place, PyramidOptions(levels=2))
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        check_store(store)
