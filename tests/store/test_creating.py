"""Created stores: nothing is there before the content is, and afterwards they are stores like any other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.errors import Cancelled, ExistsError, InvalidInputError

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
    for again in (store, zvview.open(tmp_path / "s"), zvview.create(tmp_path / "s", kind="point_cloud")):
        with pytest.raises(ExistsError, match='mode="w"'):
            again.write(zvview.Points(POSITIONS[:5]))  # type: ignore[union-attr]
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


@pytest.mark.parametrize(
    "arguments",
    [{"kind": "cloud"}, {"kind": "mesh", "mode": "r+"}, {"kind": "mesh", "attributes": {"a": {"units": "m"}}}],
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
