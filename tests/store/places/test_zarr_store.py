"""Foreign store objects: their failures in our words, and the loop they belong to."""

from __future__ import annotations

import asyncio

import pytest
import zarr
from zarr.storage import MemoryStore
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
