"""What is known of a store before it is read costs no more than it must."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zvview
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.store.index_view import read_index
from zvview.stream.facts import gather_facts
from zvview.testing import make_store


def test_the_index_is_read_once_and_tells_the_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "s.zarrvectors"
    make_store(place, "point_cloud", size=2000, chunk_shape=(250.0,) * 3).close()
    build_pyramid(place, PyramidOptions(target=100))
    reads: list[object] = []
    monkeypatch.setattr("zvview.store.store.read_index", lambda source: (reads.append(source), read_index(source))[1])
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        facts = gather_facts(store)
        counts = [store.count_vertices(number) for number in store.levels]
        assert store.statistics and len(reads) == 1
        for level, told in zip(facts.levels, counts, strict=True):
            assert level.counts is not None and np.array_equal(level.counts, told)
        assert facts.total_vertices == 2000
