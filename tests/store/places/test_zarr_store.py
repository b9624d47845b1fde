"""Foreign store objects: their failures in our words, and the loop they belong to."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Callable
from pathlib import Path

import obstore.store
import pytest
import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore, LoggingStore, MemoryStore, ObjectStore, ZipStore
from zarr.storage._wrapper import WrapperStore

from zvview.errors import UnreachableError, UnsupportedError
from zvview.store.places.io_loop import gather_bounded, io_loop, run_on_loop
from zvview.store.places.open import open_sink, open_source


class Failing(WrapperStore):
    """Fails as a foreign library would."""

    async def get(self, *_: object, **__: object) -> None:
        raise RuntimeError("session expired")


class Loopbound(WrapperStore):
    """Belongs to the loop it was first used on, as aiohttp's sessions do."""

    loop = None

    async def get(self, *args, **kwargs):
        self.loop = self.loop or asyncio.get_running_loop()
        assert self.loop is asyncio.get_running_loop()
        return await super().get(*args, **kwargs)


class Blind(WrapperStore):
    """Cannot list."""

    supports_listing = False


def test_foreign_failures_name_the_store() -> None:
    source = open_source(Failing(MemoryStore()))
    with pytest.raises(UnreachableError, match="session expired"):
        source.get_many([("zarr.json", None)])
    with pytest.raises(UnreachableError, match="session expired"):
        asyncio.run(source.aget_many([("zarr.json", None)]))


def test_a_store_that_zarr_used_first_can_be_read() -> None:
    store = Loopbound(MemoryStore())
    zarr.create_group(store)
    zarr.open_group(store, mode="r")
    assert store.loop is not None
    assert open_source(store).get_many([("zarr.json", None)]) != [None]
    assert asyncio.run(open_source(store).aget_many([("zarr.json", None)])) != [None]


def makers(folder: Path) -> dict[str, Callable[[], Store]]:
    """Kinds of store objects, none of them opened; each call makes one at the same place."""
    memory, objects = MemoryStore(), obstore.store.MemoryStore()
    return {
        "memory": lambda: memory,
        "local": lambda: LocalStore(folder / "s.zv"),
        "zip": lambda: ZipStore(folder / "s.zip", mode="a"),
        "wrapped": lambda: WrapperStore(LocalStore(folder / "w.zv")),
        "logging": lambda: LoggingStore(memory, log_level="CRITICAL"),
        "object": lambda: ObjectStore(objects),
    }


@pytest.mark.parametrize("kind", makers(Path()))
def test_stores_that_nobody_opened_are_opened(kind: str, tmp_path: Path, content: dict[str, bytes]) -> None:
    make = makers(tmp_path)[kind]
    place = make()
    sink = open_sink(place)
    sink.put_many((key, [value]) for key, value in content.items())
    sink.commit()
    place.close()
    place = make()
    source = open_source(place)
    found = source.get_many([(key, None) for key in content])
    assert [bytes(value) for value in found] == list(content.values())
    assert source.list_keys("") == sorted(content)
    assert source.get_many([("0/vertices/c/0/0/0", (-5, 0))]) == [bytes(range(251, 256))]
    place.close()


def test_a_zip_store_for_reading(tmp_path: Path, content: dict[str, bytes]) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for key, value in content.items():
            archive.writestr(key, value)
    with ZipStore(tmp_path / "s.zip", mode="r") as opened:
        assert open_source(opened).list_keys("") == sorted(content)
    closed = ZipStore(tmp_path / "s.zip", mode="r")
    assert open_source(closed).get_many([("zarr.json", None)]) == [content["zarr.json"]]
    closed.close()
    with pytest.raises(UnreachableError, match=r"none\.zip"):
        open_source(ZipStore(tmp_path / "none.zip", mode="r"))


def test_a_zip_store_is_replaced_as_a_whole(tmp_path: Path) -> None:
    root = b'{"node_type": "group", "attributes": {"zarr_vectors": {}}}'
    place = ZipStore(tmp_path / "s.zip", mode="w")
    for name in ("old", "new"):
        sink = open_sink(place, overwrite=name == "new")
        sink.put_many([("zarr.json", [root]), (name, [b"x"])])
        sink.commit()
    assert open_source(place).list_keys("") == ["new", "zarr.json"]
    place.close()


def test_stores_that_cannot_list_say_so() -> None:
    source = open_source(Blind(MemoryStore()))
    assert not source.can_list
    with pytest.raises(UnsupportedError):
        source.list_keys("")


def test_an_aborted_store_leaves_nothing() -> None:
    held = MemoryStore()
    sink = open_sink(WrapperStore(held))
    sink.put_many((f"c/{i}", [b"x"]) for i in range(600))
    assert len(held._store_dict) == 600
    sink.abort()
    assert held._store_dict == {}


def test_the_first_failure_drops_the_rest() -> None:
    started: list[int] = []

    async def call(i: int) -> int:
        started.append(i)
        await asyncio.sleep(0.01)
        if i == 3:
            raise ValueError("three")
        return i

    with pytest.raises(ValueError, match="three"):
        run_on_loop(gather_bounded([lambda i=i: call(i) for i in range(100)], width=4))
    assert len(started) <= 8
    assert run_on_loop(gather_bounded([lambda i=i: call(i) for i in (1, 2)], width=4)) == [1, 2]
    assert io_loop() is io_loop()
