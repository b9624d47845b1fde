"""Commits where there is no folder: zips, memory, members of collections; and where there can be none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zarr.storage import LocalStore, MemoryStore, WrapperStore

import zvview
from tests.store.committing.conftest import Versions, changes_between, commit, content_of
from zvview.errors import ConflictError, InvalidInputError, NotZarrVectorsError, UnreachableError, UnsupportedError
from zvview.store.committing.opening import open_commit
from zvview.store.places.open import Place, open_sink, open_source
from zvview.testing import make_store

PLACES: dict[str, Callable[[Path], Any]] = {
    "folder": lambda folder: folder / "s",
    "zip": lambda folder: folder / "s.zip",
    "memory": lambda folder: {},
    "memory store": lambda folder: MemoryStore(),
    "local store": lambda folder: LocalStore(folder / "s"),
}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, versions: Versions) -> Place:
    """The first version at every kind of place."""
    made: Place = PLACES[request.param](tmp_path)
    sink = open_sink(made)
    sink.put_many((key, (data,)) for key, data in versions[0].items())
    sink.commit()
    return made


def test_all_changes_appear_and_open_stores_read_them(place: Place, versions: Versions) -> None:
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        for number in (1, 2, 0):
            commit(place, versions[number])
            assert versions.tell(content_of(open_source(place))) == str(number)
            assert len(store.level(0).read()) == 40 + number and len(store.attributes) == (2 if number != 1 else 0)
            with open_commit(store._source, "by its source") as opened:
                assert versions.tell(content_of(opened.source)) == str(number)


def test_what_cannot_be_is_refused(place: Place, versions: Versions) -> None:
    for changes in ({"zarr.json": None}, {"../x": b""}, {"a": b"", "a/b": b""}):
        with pytest.raises(InvalidInputError), open_commit(place, "testing") as opened:
            opened.apply(changes)  # type: ignore[arg-type]
    with open_commit(place, "testing"), pytest.raises(ConflictError, match="this process itself has been testing"):
        commit(place, versions[1])
    with pytest.raises(KeyError), open_commit(place, "testing"):
        raise KeyError
    assert versions.tell(content_of(open_source(place))) == "0"


def test_what_changed_since_it_was_read_is_a_conflict(place: Place, versions: Versions) -> None:
    changes = changes_between(versions[0], versions[1])
    with open_commit(place, "testing") as opened:
        opened.source.get_many([(key, None) for key in changes])
        sink = open_sink(place, overwrite=True)
        sink.put_many((key, (data,)) for key, data in versions[2].items())
        sink.commit()
        with pytest.raises(ConflictError):
            opened.apply(changes)
    assert versions.tell(content_of(open_source(place))) == "2"


def test_reads_of_memory_while_it_changes_are_whole() -> None:
    held: dict[str, bytes] = {}
    make_store(held, "point_cloud", size=10, ndim=2).close()
    keys = [f"cells/{i}" for i in range(300)]
    store = zvview.open(held)
    assert isinstance(store, zvview.Store)
    source = store._source
    begun, done = threading.Event(), threading.Event()

    def write() -> None:
        begun.wait(60)
        for generation in range(150):
            with open_commit(held, "counting") as opened:
                kept = keys[generation % 7 :]
                changes: dict[str, bytes | None] = dict.fromkeys(kept, b"%d" % generation)
                opened.apply(changes | dict.fromkeys(keys[: generation % 7]))
        done.set()

    def read() -> set[bytes | None]:
        first, second = (source.get_many([(key, None) for key in half]) for half in (keys[7::2], keys[8::2]))
        return {None if data is None else bytes(data) for data in first + second}

    thread = threading.Thread(target=write)
    thread.start()
    seen = set()
    is_last = False
    while not is_last:
        is_last = done.is_set()
        generation = store.retry(read)
        assert len(generation) == 1
        seen |= generation
        begun.set()
    thread.join()
    assert {None, b"149"} <= seen


def test_a_mapping_that_fails_is_as_it_was(versions: Versions) -> None:
    class Failing(dict[str, bytes]):
        def pop(self, *_: Any) -> Any:
            raise RuntimeError("no more")

    held = Failing(versions[0])
    with pytest.raises(RuntimeError):
        commit(held, versions[1])
    assert versions.tell(held) == "0"


@pytest.mark.parametrize("kind", PLACES)
def test_a_member_of_a_collection_is_changed_alone(tmp_path: Path, kind: str) -> None:
    place = PLACES[kind](tmp_path)
    points = zvview.Points(np.arange(30.0).reshape(10, 3))
    with zvview.create_collection(place) as made:
        for name in ("a", "b"):
            made.create(name, kind="point_cloud", chunk_shape=(100.0,) * 3).write(points)
    collection = zvview.open(place)
    assert isinstance(collection, zvview.Collection)
    before, other = content_of(collection["a"]._source), content_of(collection["b"]._source)
    bigger: dict[str, bytes] = {}
    zvview.create(bigger, kind="point_cloud", chunk_shape=(100.0,) * 3).write(
        zvview.Points(np.arange(60.0).reshape(20, 3))
    )
    with open_commit(collection["a"]._source, "testing") as opened:
        opened.apply(changes_between(before, bigger))
        with pytest.raises(InvalidInputError):
            opened.apply({"zarr.json": None})
    assert len(collection["a"].level(0).read()) == 20 and len(collection["b"].level(0).read()) == 10
    assert content_of(collection["a"]._source) == bigger and content_of(collection["b"]._source) == other
    assert zvview.check(place).ok


@pytest.mark.parametrize("kind", ["folder", "zip", "memory"])
def test_where_no_store_is_there_is_nothing_to_change(tmp_path: Path, kind: str) -> None:
    place = PLACES[kind](tmp_path)
    sink = open_sink(place)
    sink.put_many([("a", (b"precious",))])
    sink.commit()
    with pytest.raises(NotZarrVectorsError), open_commit(place, "testing"):
        pass
    assert content_of(open_source(place)) == {"a": b"precious"}


def test_places_that_cannot_be_changed_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(UnsupportedError, match="has no writer lock"),
        open_commit(WrapperStore(MemoryStore()), "testing"),
    ):
        pass
    with pytest.raises(UnreachableError, match="does not exist"), open_commit(tmp_path / "none", "testing"):
        pass


def test_a_read_only_store_is_told_before_any_work(
    tmp_path: Path, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    sink = open_sink(tmp_path / "s")
    sink.put_many((key, (data,)) for key, data in versions[0].items())
    sink.commit()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UnreachableError, match="is read-only"), open_commit(tmp_path / "s", "testing"):
        pass
