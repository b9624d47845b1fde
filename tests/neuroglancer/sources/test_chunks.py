"""Chunks are read once, by whatever thread asks for them first, and kept within a budget."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.neuroglancer.sources import chunks as module
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.opening import open_sources
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.stream.loading import load_chunks
from zvview.testing import make_store


@pytest.fixture
def store(tmp_path: Path) -> zvview.Store:
    positions = np.random.default_rng(0).uniform(0, 100, (4000, 3)).astype("f4")
    with zvview.create(tmp_path / "s", kind="point_cloud", axes="xyz", chunk_shape=(25, 25, 25)) as store:
        store.write(zvview.Points(positions))
    return zvview.open(tmp_path / "s")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Rows of each read of the store."""
    rows: list[list[int]] = []

    def load(store: Any, facts: Any, level: Any, wanted: Any, **options: Any) -> Any:
        rows.append(wanted.tolist())
        return load_chunks(store, facts, level, wanted, **options)

    monkeypatch.setattr(module, "load_chunks", load)
    return rows


def test_what_was_read_is_kept(store: zvview.Store, reads: list[list[int]]) -> None:
    chunks = Chunks(store)
    first = chunks.read(0, [3, 1, 3])
    again = chunks.read(0, [1, 2, 3])
    assert first[0] is first[2] is again[2] and first[1] is again[0]
    assert reads == [[1, 3], [2]]


def test_no_more_is_kept_than_the_budget_allows(store: zvview.Store, reads: list[list[int]]) -> None:
    every = range(len(Chunks(store).levels[0].chunks))
    sizes = [part.nbytes for part in Chunks(store).read(0, every)]
    chunks = Chunks(store, sum(sizes) // 2)
    for _ in range(2):
        assert [part.nbytes for part in chunks.read(0, every)] == sizes
        assert chunks._held.currsize <= sum(sizes) // 2
    reads.clear()
    tiny = Chunks(store, 10)
    assert tiny.read(0, [0])[0].nbytes == tiny.read(0, [0])[0].nbytes == sizes[0]
    assert reads == [[0], [0]]


def test_many_threads_read_each_chunk_once(store: zvview.Store, reads: list[list[int]]) -> None:
    chunks = Chunks(store)
    every = list(range(len(chunks.levels[0].chunks)))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda shift: chunks.read(0, every[shift:] + every[:shift]), range(0, 64, 8)))
    assert sorted(row for rows in reads for row in rows) == every
    assert {id(part) for part in found[0]} == {id(part) for parts in found for part in parts}


@pytest.mark.parametrize("kind", ["point_cloud", "streamline", "graph", "mesh"])
def test_opening_a_store_reads_no_chunk_and_a_first_cell_those_of_the_coarsest_level(
    tmp_path: Path, reads: list[list[int]], kind: str
) -> None:
    place = tmp_path / "levels.zarrvectors"
    make_store(place, kind, size=3000, chunk_shape=(150, 150, 150)).close()
    build_pyramid(place, PyramidOptions(target=200))
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        sources = open_sources(store)
        assert all(source.info for source in sources.values())
        assert reads == []
        if kind == "point_cloud":
            (source,) = sources.values()
            first = source.sections[0]
            (keys,) = source.keys(first)
            assert len(source.read(first, keys))
            assert 0 < sum(map(len, reads)) <= 2
