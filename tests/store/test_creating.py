"""Created stores: nothing is there before the content is, and afterwards they are stores like any other."""

from __future__ import annotations

import asyncio
import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.errors import Cancelled, ExistsError, InvalidInputError
from zvview.store.writing.options import WriteOptions
from zvview.store.writing.store_writer import StoreWriter

POSITIONS = np.random.default_rng(3).uniform(0, 50, (400, 3))


def test_created_store_is_not_there_until_it_is_written(tmp_path: Path) -> None:
    store = zvview.create(tmp_path / "s", kind="point_cloud")
    assert not (tmp_path / "s").exists()
    assert "not written" in repr(store)
    with pytest.raises(InvalidInputError, match="nothing was written"):
        _ = store.levels
    store.write(zvview.Points(POSITIONS))
    assert store.levels == (0,)
    assert store.level(0).read().positions.dtype == np.float32
    store.close()


def test_written_store_is_not_written_again(tmp_path: Path) -> None:
    store = zvview.create(tmp_path / "s", kind="point_cloud")
    store.write(zvview.Points(POSITIONS))
    for again in (store, zvview.create(tmp_path / "s", kind="point_cloud")):
        with pytest.raises(ExistsError, match='mode="w"'):
            again.write(zvview.Points(POSITIONS[:5]))
        with pytest.raises(ExistsError, match='mode="w"'):
            again.writer()
    assert len(store.level(0).read()) == 400
    zvview.create(tmp_path / "s", kind="point_cloud", mode="w").write(zvview.Points(POSITIONS[:5]))
    assert len(zvview.open(tmp_path / "s").level(0).read()) == 5  # type: ignore[union-attr]


def test_writer_takes_batches_and_drops_all_on_an_error(tmp_path: Path) -> None:
    store = zvview.create(tmp_path / "s", kind="streamline", attributes={"fa": {"unit": "1"}})

    def write(stop: bool) -> None:
        with store.writer() as writer:
            for part in np.array_split(POSITIONS, 8):
                writer.append(zvview.Streamlines(part, attributes={"fa": part[:, 0]}))
                if stop:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(stop=True)
    assert list(tmp_path.iterdir()) == []
    write(stop=False)
    assert store.level(0).object_ids is not None
    assert store.level(0).object_ids.tolist() == list(range(8))
    assert store.attributes["fa"].unit == "1"


def test_nothing_of_an_unwritten_store_is_told() -> None:
    store = zvview.create({}, kind="mesh")
    told = (
        lambda: store.metadata,
        lambda: store.kind,
        lambda: store.bounds,
        lambda: store.level(0),
        lambda: store.attributes,
        lambda: store.groups,
        lambda: store.parametric,
        lambda: store.headers,
        lambda: store.user_metadata,
        lambda: store.statistics,
        lambda: store.notes,
        lambda: store.reader(0),
        lambda: store.count_vertices(0),
    )
    for ask in told:
        with pytest.raises(InvalidInputError, match="nothing was written to memory yet"):
            ask()
    store.close()
    assert store.place == "memory"


def test_specs_of_all_attributes_arrive(tmp_path: Path) -> None:
    spec = {"unit": "meter", "description": "how far"}
    store = zvview.create(
        tmp_path / "s",
        kind="graph",
        attributes={"v": spec},
        object_attributes={"o": spec, "not given": spec},
        link_attributes={"w": zvview.AttributeSpec(unit="second", channel_names=("to", "fro"))},
    )
    graph = zvview.Graph(
        POSITIONS[:3],
        edges=[[0, 1], [1, 2]],
        attributes={"v": np.arange(3)},
        link_attributes={"w": np.ones((2, 2), np.float32)},
    )
    store.write(graph, object_attributes={"o": [1.5]})
    declared = store.metadata.raw["zarr_vectors"]["attribute_specs"]
    assert declared["vertex"]["v"] == {"dtype": "int64", **spec}
    assert declared["object"] == {"o": {"dtype": "float64", **spec}}
    assert declared["link"]["w"] == {"dtype": "float32", "channels": 2, "unit": "second"}
    for path in ("vertex_attributes/v", "object_attributes/o"):
        own = json.loads((tmp_path / "s" / "0" / path / "zarr.json").read_text())["attributes"]
        assert own.items() >= spec.items()
    links = [json.loads(p.read_text())["attributes"] for p in (tmp_path / "s/0/link_attributes/w").rglob("zarr.json")]
    assert any(own.get("channel_names") == ["to", "fro"] and own.get("unit") == "second" for own in links)


def test_forgotten_writers_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spool))
    options = WriteOptions(kind="point_cloud", memory_bytes=1000)
    writer = StoreWriter(tmp_path / "s", options)
    writer.append(zvview.Points(np.zeros((50_000, 3), np.float32)))
    collection = zvview.create_collection(tmp_path / "c")
    member = collection.create("a", kind="point_cloud").writer()
    member.append(zvview.Points(POSITIONS))
    assert list(spool.iterdir())
    assert len(list(tmp_path.iterdir())) == 3  # two of them hidden
    del writer, member, collection
    gc.collect()
    assert list(spool.iterdir()) == []
    assert list(tmp_path.iterdir()) == [spool]


def test_writers_that_were_closed_keep_what_they_wrote(tmp_path: Path) -> None:
    for name in ("s", "s.zip"):
        writer = StoreWriter(tmp_path / name, WriteOptions(kind="point_cloud"))
        writer.append(zvview.Points(POSITIONS))
        writer.close()
        del writer
        gc.collect()
        with zvview.open(tmp_path / name) as store:
            assert store.level(0).vertex_count == 400  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": "cloud"},
        {"kind": "mesh", "mode": "r+"},
        {"kind": "mesh", "attributes": {"a": {"units": "m"}}},
        {"kind": "mesh", "object_attributes": {"a": 5}},
        {"kind": "mesh", "link_attributes": 5},
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments: Any) -> None:
    with pytest.raises(InvalidInputError):
        zvview.create({}, **arguments)


def test_reads_can_be_awaited_and_cancelled() -> None:
    memory: dict[str, bytes] = {}
    store = zvview.create(memory, kind="point_cloud", chunk_shape=(10, 10, 10))
    store.write(zvview.Points(POSITIONS))
    level = store.level(0)

    async def read() -> list[int]:
        batches = await asyncio.gather(level.aread(((0,) * 3, (20,) * 3)), level.aread_chunks(level.chunks[:5]))
        return [len(b) for b in batches]

    inside = int((POSITIONS.astype("f4") <= 20).all(axis=1).sum())
    assert asyncio.run(read())[0] == inside
    token = zvview.CancelToken()
    token.cancel()
    for call in (lambda: level.read(cancel=token), lambda: level.read_chunks(level.chunks, cancel=token)):
        with pytest.raises(Cancelled):
            call()
    assert len(level.read()) == 400
