"""Skeletons and graphs after edits: the levels are those of a rebuild, made from what is near the edits alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pyramid.conftest import (
    NESTED,
    OBJECTS,
    assert_refresh_is_rebuild,
    edit_objects,
    tables_of,
    transplant,
    write,
)
from zvview.errors import InvalidInputError
from zvview.geometry.select import keep_objects
from zvview.pyramid import PyramidOptions, build_pyramid, refresh_pyramid
from zvview.testing import make_batch

pytestmark = pytest.mark.usefixtures("unsynced")


@pytest.mark.parametrize("kind", ["graph", "skeleton"])
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), sparsity=st.sampled_from([None, 0.5]))
def test_levels_after_random_edits_are_those_of_a_rebuild(kind: str, seed: int, sparsity: float | None) -> None:
    rng = np.random.default_rng(seed)
    batch: Any = make_batch(kind, 500, seed=seed % 7, n_objects=10)
    place = write(batch, options=OBJECTS, **tables_of(batch))
    build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED, object_sparsity=sparsity))
    for _ in range(2):
        batch = edit_objects(rng, batch, kind)
        place, chunks = transplant(place, write(batch, options=OBJECTS, **tables_of(batch)))
        report = assert_refresh_is_rebuild(place, chunks)
        assert sparsity is not None or not any(level.is_whole for level in report.levels)


def test_chunks_that_were_forgotten_are_noticed() -> None:
    batch: Any = make_batch("graph", 800, n_objects=6)
    place = write(batch, options=OBJECTS)
    build_pyramid(place, PyramidOptions(levels=1, chunk_shapes=NESTED[:1]))
    place, _ = transplant(place, write(keep_objects(batch, np.unique(batch.object_ids)[1:]), options=OBJECTS))
    with pytest.raises(InvalidInputError, match="all chunks that were edited"):
        refresh_pyramid(place, np.empty((0, 3), int))
