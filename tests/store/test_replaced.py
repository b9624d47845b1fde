"""An open store whose place is taken by another: every answer is of the one or of the other, never of both."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.errors import NotZarrVectorsError
from zvview.store.store import read_root

POSITIONS = np.random.default_rng(8).uniform(0, 60, (800, 3))


def write(place: Any, count: int, **options: Any) -> None:
    store = zvview.create(place, kind="point_cloud", mode="w", **options)
    store.write(zvview.Points(POSITIONS[:count]))
    store.close()


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_open_store_follows_its_place(tmp_path: Path, kind: str) -> None:
    place: Any = {} if kind == "memory" else tmp_path / "s"
    write(place, 500, chunk_shape=(30, 30, 30))
    store = zvview.open(place)
    assert isinstance(store, zvview.Store)
    level = store.level(0)
    assert len(level.read()) == 500
    write(place, 800, chunk_shape=(20, 20, 20), dtype="float64")
    again = level.read()
    assert len(again) == 800
    assert again.positions.dtype == np.float64
    assert sorted(again.positions.tolist()) == sorted(POSITIONS.tolist())
    assert store.metadata.chunk_shape.tolist() == [20, 20, 20]
    zvview.grow(place, ((-100, 0, 0), (10, 10, 10)))
    assert sorted(level.read().positions.tolist()) == sorted(POSITIONS.tolist())
    assert level.vertex_count == 800


def test_member_of_a_collection_follows_it_too(tmp_path: Path) -> None:
    for count in (100, 200):
        with zvview.create_collection(tmp_path / "c", mode="w") as collection:
            collection.create("points", kind="point_cloud").write(zvview.Points(POSITIONS[:count]))
        if count == 100:
            member = collection.open()["points"]
        assert len(member.level(0).read()) == count


def test_store_that_went_away_says_so(tmp_path: Path) -> None:
    write(tmp_path / "s", 10)
    store = zvview.open(tmp_path / "s")
    (tmp_path / "s").rename(tmp_path / "elsewhere")
    with pytest.raises(NotZarrVectorsError, match="it is not a Zarr v3 store"):
        store.level(0).read()  # type: ignore[union-attr]


def test_reads_during_replacements_are_whole(tmp_path: Path) -> None:
    write(tmp_path / "s", 400, chunk_shape=(10, 10, 10))
    level = zvview.open(tmp_path / "s").level(0)  # type: ignore[union-attr]
    seen: list[int] = []

    def read() -> None:
        while not done.is_set():
            try:
                seen.append(len(level.read()))
            except NotZarrVectorsError:  # between the two renames nothing is there
                continue

    done = threading.Event()
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for count in (800, 400, 800, 400):
            write(tmp_path / "s", count, chunk_shape=(10, 10, 10) if count == 400 else (15, 15, 15))
    finally:
        done.set()
        reader.join()
    assert seen
    assert set(seen) <= {400, 800}


def test_many_threads_begin_again_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what one of them has built is of no use to the others."""
    write(tmp_path / "s", 400)
    store = zvview.open(tmp_path / "s")
    assert isinstance(store, zvview.Store)
    write(tmp_path / "s", 300)
    begun: list[int] = []

    def read_slowly(source: Any) -> Any:
        begun.append(threading.get_ident())
        time.sleep(0.1)
        return read_root(source)

    monkeypatch.setattr("zvview.store.store.read_root", read_slowly)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: store.reader(0).hierarchy, range(8)))
    assert len(begun) == 1
    assert all(one is found[0] for one in found)


def test_counts_of_a_state_are_not_taken_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "s", 400, chunk_shape=(10, 10, 10))
    store = zvview.open(tmp_path / "s")
    assert isinstance(store, zvview.Store)
    retry = store.retry

    def be_late(read: Any) -> Any:
        found = retry(read)
        late.undo()
        write(tmp_path / "s", 30, chunk_shape=(30, 30, 30))
        assert len(store.level(0).read()) == 30  # another thread has begun again
        return found

    with monkeypatch.context() as late:
        late.setattr(store, "retry", be_late)
        assert store.count_vertices(0).sum() == 400
    assert store.count_vertices(0).sum() == 30
