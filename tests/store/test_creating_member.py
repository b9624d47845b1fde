"""Members of a collection that could not be written: nothing of them is in the whole, wherever that stands."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.errors import ExistsError, InvalidInputError, UnreachableError
from zvview.store.creating_member import MemberSink
from zvview.store.places.memory import MemorySink

POINTS = zvview.Points(np.random.default_rng(0).uniform(0, 9, (50, 3)).astype("f4"))
MESH = zvview.Mesh(np.eye(3, dtype="f4"), faces=[[0, 1, 2]])


@pytest.fixture(params=["folder", "zip", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return {} if request.param == "memory" else tmp_path / ("c.zip" if request.param == "zip" else "c")


def keys_at(place: Any) -> list[str]:
    if isinstance(place, dict):
        return sorted(place)
    if place.suffix == ".zip":
        return sorted(zipfile.ZipFile(place).namelist())
    return sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file())


def write_two(place: Any, fail: Callable[[zvview.NewCollection], None]) -> zvview.NewCollection:
    """A collection of two members, between which `fail` is called and refused."""
    with zvview.create_collection(place) as collection:
        collection.create("first", kind="point_cloud").write(POINTS)
        with pytest.raises((InvalidInputError, ExistsError)):
            fail(collection)
        collection.create("last", kind="mesh").write(MESH)
    return collection


def write_the_wrong_kind(collection: zvview.NewCollection) -> None:
    collection.create("failed", kind="mesh").write(POINTS)


def stop_half_way(collection: zvview.NewCollection) -> None:
    with collection.create("failed", kind="point_cloud").writer() as writer:
        writer.append(POINTS)
        raise InvalidInputError("no more")


def end_badly(collection: zvview.NewCollection) -> None:
    collection.create("failed", kind="point_cloud").write(POINTS, user_metadata={"app": object()})


def name_twice(collection: zvview.NewCollection) -> None:
    collection.create("first", kind="mesh").write(MESH)


def write_twice(collection: zvview.NewCollection) -> None:
    stores = [collection.create("both", kind="point_cloud") for _ in range(2)]
    stores[0].write(POINTS)
    stores[1].write(POINTS)


@pytest.mark.parametrize("fail", [write_the_wrong_kind, stop_half_way, end_badly, name_twice])
def test_only_members_that_were_written_are_listed(place: Any, fail: Callable[[Any], None]) -> None:
    with write_two(place, fail).open() as collection:
        assert list(collection) == ["first", "last"]
        assert collection.notes == ()
        assert len(collection["first"].level(0).read()) == 50
        assert len(collection["last"].level(0).read()) == 3
    assert not [key for key in keys_at(place) if key.startswith("failed")]
    assert zvview.check(place).ok


def test_a_name_is_taken_by_the_first_that_is_written(place: Any) -> None:
    with write_two(place, write_twice).open() as collection:
        assert list(collection) == ["first", "both", "last"]


def test_a_member_that_failed_can_be_written_again(place: Any) -> None:
    def fail_and_repeat(collection: zvview.NewCollection) -> None:
        with pytest.raises(InvalidInputError):
            write_the_wrong_kind(collection)
        collection.create("failed", kind="point_cloud").write(POINTS)
        raise InvalidInputError("as expected")

    with write_two(place, fail_and_repeat).open() as collection:
        assert list(collection) == ["first", "failed", "last"]


def test_members_that_are_never_written_are_not_listed(place: Any) -> None:
    with write_two(place, lambda c: c.create("failed", kind="mesh").writer().close()).open() as collection:
        assert list(collection) == ["first", "last"]
    late = None
    again: dict[str, bytes] = {}
    with zvview.create_collection(again) as members:
        late = members.create("late", kind="mesh")
    with pytest.raises(InvalidInputError, match="the collection was closed before"):
        late.write(MESH)


def test_members_are_read_through_the_collection(place: Any) -> None:
    with zvview.create_collection(place) as collection:
        store = collection.create("only", kind="mesh")
        with pytest.raises(InvalidInputError, match="nothing was written to"):
            _ = store.levels
        store.write(MESH)
        with pytest.raises(InvalidInputError, match="only is read through its collection"):
            _ = store.levels
        with pytest.raises(ExistsError, match="holds data already"):
            store.write(MESH)


def test_what_is_put_waits_for_the_commit() -> None:
    held: dict[str, bytes] = {}
    whole = MemorySink(held)
    names: list[str] = []

    @contextmanager
    def admit(name: str) -> Iterator[None]:
        yield
        names.append(name)

    kept, dropped = (MemberSink(whole, name, admit) for name in ("kept", "dropped"))
    kept.put_many([("a", (b"12", memoryview(b"3"))), ("b/c", ())])
    dropped.put_many([("a", (b"4",))])
    kept.put_many([("zarr.json", (b"{}",))])
    dropped.abort()
    kept.commit()
    dropped.abort()
    whole.commit()
    assert names == ["kept"]
    assert held == {"kept/a": b"123", "kept/b/c": b"", "kept/zarr.json": b"{}"}


def test_a_member_whose_bytes_could_not_be_put_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    put_many = MemorySink.put_many

    def fail_late(self: MemorySink, items: Any) -> None:
        for key, pieces in items:
            if key == "failed/0/zarr.json":
                raise UnreachableError("the disk is full")
            put_many(self, [(key, pieces)])

    held: dict[str, bytes] = {}
    monkeypatch.setattr(MemorySink, "put_many", fail_late)
    with zvview.create_collection(held) as collection:
        with pytest.raises(UnreachableError):
            collection.create("failed", kind="mesh").write(MESH)
        with pytest.raises(InvalidInputError, match="is taken"):
            collection.create("failed", kind="mesh")
        collection.create("last", kind="mesh").write(MESH)
    assert list(zvview.open(held)) == ["last"]  # type: ignore[call-overload]
    assert zvview.check(held).ok


def test_members_of_any_size_leave_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zvview.store.creating_member._MEMORY_BYTES", 100)
    held: dict[str, bytes] = {}
    with zvview.create_collection(held) as collection:
        collection.create("a", kind="point_cloud").write(POINTS)
    assert len(zvview.open(held)["a"].level(0).read()) == 50  # type: ignore[index]
