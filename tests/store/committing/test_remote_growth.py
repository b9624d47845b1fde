"""Stores at addresses grow by a commit: whole whenever the network is lost, and refused where that takes too much."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

import zvview
from tests.store.committing.test_remote_commit import ADDRESS, Network
from zvview.errors import UnreachableError, UnsupportedError
from zvview.pyramid.build import build_pyramid
from zvview.pyramid.design import PyramidOptions
from zvview.store import growth
from zvview.store.places import remote
from zvview.testing import make_store


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()
    monkeypatch.setattr(remote, "connect", lambda *args, **options: made)
    return made


@pytest.fixture(params=[False, 2])
def held(request: pytest.FixtureRequest) -> dict[str, bytes]:
    """What a store of two levels consists of."""
    content: dict[str, bytes] = {}
    options: dict[str, Any] = {"shards": request.param, "chunk_shape": (250, 250), "ndim": 2}
    make_store(content, "point_cloud", size=300, **options).close()
    build_pyramid(content, PyramidOptions(levels=1))
    return {key: bytes(data) for key, data in content.items()}


def positions() -> np.ndarray:
    with zvview.open(ADDRESS) as store:
        assert isinstance(store, zvview.Store)
        found = store.level(0).read().positions
        return found[np.lexsort(found.T)]


BELOW, ABOVE = ((-600.0, -20.0), (10.0, 10.0)), ((10.0, 10.0), (1900.0, 1001.0))


@pytest.mark.parametrize("bounds", [BELOW, ABOVE])
def test_a_store_at_an_address_grows(network: Network, held: dict[str, bytes], bounds: Any) -> None:
    network.clear(held)
    before = positions()
    zvview.grow(ADDRESS, bounds)
    np.testing.assert_array_equal(positions(), before)
    assert not list(zvview.check(ADDRESS))
    local = dict(held)
    zvview.grow(local, bounds)
    assert network.held() == {key: bytes(data) for key, data in local.items()}
    zvview.grow(ADDRESS, bounds)  # holds them already
    assert network.held().keys() == local.keys()


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("bounds", [BELOW, ABOVE])
def test_growth_that_is_broken_off_is_none_or_whole(
    network: Network, held: dict[str, bytes], bounds: Any, is_done: bool
) -> None:
    network.clear(held)
    before = positions()
    network.requests = 0
    zvview.grow(ADDRESS, bounds)
    requests, grown = network.requests, network.held()
    seen = set()
    for at in range(int(is_done), requests, 1 + requests // 20):
        network.clear(held)
        network.at, network.is_done = at, is_done
        with contextlib.suppress(UnreachableError):
            zvview.grow(ADDRESS, bounds)
        network.at = -1
        np.testing.assert_array_equal(positions(), before)
        zvview.grow(ADDRESS, bounds)
        seen.add(network.held() == grown)
    assert seen == {True}


def test_edits_beyond_the_bounds_of_a_store_at_an_address_are_saved(network: Network, held: dict[str, bytes]) -> None:
    network.clear(held)
    with zvview.open(ADDRESS) as store:
        assert isinstance(store, zvview.Store)
        far = [[-400.0, 1700.0], [5.0, 5.0]]
        values = {name: store.level(0).read().attributes[name][:2] for name in store.attributes}
        session = store.edit()
        session.add(far, attributes=values)
        session.commit()
        assert not session.is_changed
        assert store.level(0).vertex_count == 302
    found = positions()
    assert all((found == place).all(axis=1).any() for place in np.float32(far))


def test_what_is_too_much_for_one_commit_is_told_before_anything_is_written(
    network: Network, held: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    network.clear(held)
    monkeypatch.setattr(growth, "_MOST_MOVED", 100)
    with pytest.raises(UnsupportedError, match=r"too much to be copied in one commit; grow a copy in a folder"):
        zvview.grow(ADDRESS, BELOW)
    assert network.held() == held
    zvview.grow(ADDRESS, ABOVE)  # only documents change


def test_a_commit_asks_for_each_object_once(network: Network, held: dict[str, bytes]) -> None:
    asked: list[tuple[str, str]] = []
    real = Network.__getattr__

    def note(self: Network, name: str) -> Any:
        call = real(self, name)
        if not name.endswith("_async"):
            return call

        async def ask(*args: Any, **options: Any) -> Any:
            asked.append((name, str(args[0]) if args else ""))
            return await call(*args, **options)

        return ask

    network.clear(held)
    with zvview.open(ADDRESS) as store:
        assert isinstance(store, zvview.Store)
        session = store.edit()
        chunks = store.level(0).chunks
        rows = [store.level(0).read_chunks([chunk]).positions[0].tolist() for chunk in chunks]
        values = {name: store.level(0).read().attributes[name][: len(rows)] for name in store.attributes}
        session.add(rows, attributes=values)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Network, "__getattr__", note)
            session.commit()
    read = [key for name, key in asked if name.startswith("get") and "/c/" in key and key.startswith("0/vertices")]
    heads = [key for name, key in asked if name == "head_async"]
    written = {key for name, key in asked if name == "put_async"}
    assert read and len(heads) <= len(written) + 2, "versions come with the answers; what is written is looked at once"
    assert len(heads) == len(set(heads))
