"""A place that cannot list and where each wave is a round trip: stores by zvview open and show a view in two waves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.cancel import CancelToken
from zvview.errors import MissingError, UnsupportedError
from zvview.store.places.memory import MemorySource
from zvview.store.places.source import Request
from zvview.store.store import Store


class Remote:
    """A memory that behaves as a plain http server does, and counts waves."""

    is_local = False
    can_list = False
    place = "https://127.0.0.1/s"

    def __init__(self, memory: dict[str, bytes]) -> None:
        self._memory = MemorySource(memory)
        self.waves: list[list[str]] = []

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Any]:
        self.waves.append([key for key, _ in requests])
        return self._memory.get_many(requests, cancel)

    async def aget_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Any]:
        return self.get_many(requests, cancel)

    def list_names(self, path: str) -> list[str]:
        raise UnsupportedError("this place cannot list")

    def list_keys(self, path: str) -> list[str]:
        raise UnsupportedError("this place cannot list")

    def stat_many(self, keys: Sequence[str]) -> list[int | None]:
        return self._memory.stat_many(keys)

    def close(self) -> None:
        self._memory.close()


def make_batches() -> Iterator[zvview.Batch]:
    rng = np.random.default_rng(1)
    positions = rng.uniform(0, 100, (900, 3)).astype(np.float32)
    labels = np.array(["axon", "soma", None], object)[rng.integers(0, 3, 900)]
    offsets = np.arange(0, 901, 30)
    first = np.arange(900).reshape(30, 30)
    edges = np.stack((first[:, 1:].ravel(), first[:, :-1].ravel()), axis=1)
    faces = np.stack((first[:, :-2].ravel(), first[:, 1:-1].ravel(), first[:, 2:].ravel()), axis=1)
    attributes = {"value": positions[:, 0], "label": labels}
    yield zvview.Points(positions, attributes=attributes)
    yield zvview.Points(positions, attributes=attributes, object_ids=np.repeat(np.arange(30), 30))
    yield zvview.Streamlines(positions, offsets=offsets, attributes=attributes)
    yield zvview.Skeletons(positions, offsets=offsets, edges=edges, attributes=attributes)
    yield zvview.Graph(positions, offsets=offsets, edges=edges, link_attributes={"weight": np.arange(len(edges))})
    yield zvview.Mesh(positions, offsets=offsets, faces=faces, attributes=attributes)


BATCHES = list(make_batches())
NAMES = ["points", "points with objects", "streamlines", "skeletons", "graph", "mesh"]


def write(batch: zvview.Batch) -> tuple[dict[str, bytes], zvview.Store]:
    memory: dict[str, bytes] = {}
    store = zvview.create(memory, kind=batch.kind, chunk_shape=(25, 25, 25))
    store.write(batch)
    return memory, store


def equal(a: zvview.Batch, b: zvview.Batch) -> bool:
    return np.array_equal(a.positions, b.positions) and all(
        np.array_equal(a.labels(name), b.labels(name)) for name in {*a.attributes, *b.attributes}
    )


@pytest.mark.parametrize("batch", BATCHES, ids=NAMES)
def test_open_and_first_view_take_two_waves(batch: zvview.Batch) -> None:
    memory, local = write(batch)
    for view in ("chunks", "box"):
        remote = Remote(memory)
        level = Store(remote).level(0)
        if view == "chunks":
            wanted = local.level(0).chunks[:9]
            assert equal(level.read_chunks(wanted), local.level(0).read_chunks(wanted))
        else:
            box = ((20, 20, 20), (60, 45, 60))
            assert equal(level.read(box), local.level(0).read(box))
        assert len(remote.waves) == 2


@pytest.mark.parametrize("batch", BATCHES, ids=NAMES)
def test_real_documents_win_over_a_stale_index(batch: zvview.Batch) -> None:
    memory, local = write(batch)
    document = json.loads(memory["0/vertices/zarr.json"])
    lost = document["attributes"]["nonempty_chunks"].pop(3)
    memory["0/vertices/zarr.json"] = json.dumps(document).encode()
    remote = Remote(memory)
    level = Store(remote).level(0)
    whole = level.read(clip="chunks")
    assert len(remote.waves) == 3  # the third with what was true
    assert lost not in [".".join(map(str, c)) for c in level.chunks.tolist()]
    inside = local.level(0).read_chunks(level.chunks)
    assert equal(whole, inside)


def test_node_that_the_index_does_not_know_is_found() -> None:
    memory, _ = write(BATCHES[0])
    document = json.loads(memory["0/vertex_attributes/value/zarr.json"])
    for key in [k for k in memory if k.startswith("0/vertex_attributes/value/c/")]:
        memory[key.replace("value", "later")] = memory[key]
    document["attributes"]["name"] = "later"
    memory["0/vertex_attributes/later/zarr.json"] = json.dumps(document).encode()
    store = Store(Remote(memory))
    assert "later" not in store.level(0).read().attributes  # nothing can list it
    assert zvview.open(memory).level(0).read().attributes["later"].shape == (900,)  # type: ignore[union-attr]


def test_store_of_others_that_cannot_be_listed_says_so_and_reads_what_is_named() -> None:
    memory, local = write(BATCHES[0])
    bare = {key: data for key, data in memory.items() if not key.startswith("zvview/")}
    store = Store(Remote(bare))
    assert any("cannot list" in note for note in store.notes)
    assert equal(store.level(0).read(attributes=["value", "label"]), local.level(0).read())
    with pytest.raises(MissingError, match="nothing_such"):
        store.level(0).read(attributes=["nothing_such"])


def test_damaged_index_is_ignored() -> None:
    memory, local = write(BATCHES[2])
    for key in [k for k in memory if k.startswith("zvview/")]:
        damaged = {**memory, key: memory[key][: len(memory[key]) // 2]}
        assert equal(zvview.open(damaged).level(0).read(), local.level(0).read())  # type: ignore[union-attr]
        store = Store(Remote(damaged))
        assert len(store.level(0).read(attributes=["value"])) == 900


def test_counts_come_from_the_index_only_while_it_is_true() -> None:
    memory, local = write(BATCHES[1])
    assert local.level(0).vertex_count == 900
    document = json.loads(memory["0/zarr.json"])
    document["attributes"]["zarr_vectors_level"]["vertex_count"] = 7
    memory["0/zarr.json"] = json.dumps(document).encode()
    store = zvview.open(memory)
    assert isinstance(store, Store)
    assert store.level(0).declared_vertex_count == 7
    assert store.level(0).vertex_count == 900
    assert store.level(0).chunk_vertex_counts.sum() == 900
