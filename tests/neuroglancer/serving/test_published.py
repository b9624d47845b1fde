"""A store that changes while it is served: each answer is of one state of it, or tells that there is none."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.errors import ConflictError, UnsupportedError, ZvviewError
from zvview.neuroglancer.exporting.exporting import export
from zvview.neuroglancer.serving.published import Published
from zvview.neuroglancer.sources import ranked_points
from zvview.neuroglancer.sources.contract import Block, Section
from zvview.neuroglancer.sources.opening import open_sources
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.testing import make_store

COUNT = 600


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    place = tmp_path / "points.zarrvectors"
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(25, 25, 25)) as store:
        positions = rng.uniform(0, 100, (COUNT, 3)).astype("f4")
        store.write(zvview.Points(positions, attributes={"value": np.zeros(COUNT, "f4")}))
    return place


def set_values(place: Path, value: float) -> None:
    with zvview.open(place) as store, store.edit() as edit:
        edit.set_attributes(edit.find(), {"value": value})


def values_in(body: bytes) -> set[float]:
    count = int(np.frombuffer(body[:8], "<u8")[0])
    return set(np.frombuffer(body[8 : 8 + 16 * count], "<f4").reshape(count, 4)[:, 3].tolist())


class Told:
    """A source whose contents tell how often the store was changed; reading calls back."""

    info: Mapping[str, Any] = {"@type": "test"}
    sections = (Section("by_id", None, ("by_id",)),)
    notes = ()

    def __init__(self, changes: list[int], on_read: Any) -> None:
        self.changes, self.on_read = changes, on_read

    def read(self, section: Section, keys: np.ndarray) -> Block:
        first = len(self.changes)
        self.on_read()
        return Block.of(keys, [f"{first} {len(self.changes)}".encode() for _ in keys])

    def keys(self, section: Section) -> Iterator[np.ndarray]:
        yield np.zeros(1, np.uint64)


def test_what_was_read_while_the_store_changed_is_read_again(place: Path) -> None:
    changes: list[int] = []

    def change() -> None:
        if not changes:
            changes.append(1)
            set_values(place, 1)

    with zvview.open(place) as store:
        published = Published(store, lambda store: {"one": Told(changes, change)})
        assert published.answer("one/by_id/0", {}).body == b"1 1"


def test_a_store_that_changes_with_every_read_is_told(place: Path) -> None:
    changes: list[int] = []

    def change() -> None:
        changes.append(1)
        set_values(place, len(changes))

    with zvview.open(place) as store:
        published = Published(store, lambda store: {"one": Told(changes, change)})
        with pytest.raises(ConflictError, match="try again later"):
            published.answer("one/by_id/0", {})


def test_a_state_that_cannot_be_shown_is_told_each_time(place: Path) -> None:
    is_bad: list[bool] = []

    def make(store: zvview.Store) -> Any:
        if is_bad:
            raise UnsupportedError("not now")
        return open_sources(store)

    with zvview.open(place) as store:
        published = Published(store, make)
        before = published.answer("points/spatial0/0_0_0", {})
        is_bad.append(True)
        set_values(place, 1)
        for _ in range(3):  # and not by what was read of the state before
            with pytest.raises(UnsupportedError):
                published.answer("points/spatial0/0_0_0", {})
        is_bad.clear()
        after = published.answer("points/spatial0/0_0_0", {})
        assert values_in(after.body) == {1.0} and after.headers["ETag"] != before.headers["ETag"]


def test_a_store_that_went_away_is_told_and_served_again_when_it_is_back(place: Path) -> None:
    with zvview.open(place) as store:
        published = Published(store, open_sources)
        before = published.answer("points/spatial0/0_0_0", {})
        place.rename(place.with_name("elsewhere"))
        for _ in range(2):
            with pytest.raises(ZvviewError, match="it is not a Zarr v3 store"):
                published.answer("points/spatial0/0_0_0", {})
        place.with_name("elsewhere").rename(place)
        assert published.answer("points/spatial0/0_0_0", {}).body == before.body


COMMITS = """
import sys, zvview
with zvview.open(sys.argv[1]) as store:
    for value in range(1, int(sys.argv[2]) + 1):
        with store.edit(journal=False) as edit:
            edit.set_attributes(edit.find(), {"value": float(value)})
"""


def test_many_threads_while_another_process_commits(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranked_points, "_AT_ONCE", 2)  # so that a cell takes many reads
    commits = 40
    seen: dict[int, list[set[float]]] = {number: [] for number in range(6)}
    problems: list[BaseException] = []
    with zvview.open(place) as store:
        published = Published(store, open_sources)
        assert values_in(published.answer("points/spatial0/0_0_0", {}).body) == {0.0}
        command = [sys.executable, "-c", COMMITS, str(place), str(commits)]
        with subprocess.Popen(command) as other:

            def ask(number: int) -> None:
                while other.poll() is None:
                    try:
                        answer = published.answer("points/spatial0/0_0_0", {})
                    except ZvviewError:
                        continue
                    except BaseException as error:
                        problems.append(error)
                        return
                    assert answer.status == 200
                    seen[number].append(values_in(answer.body))

            threads = [threading.Thread(target=ask, args=(number,)) for number in seen]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(100)
        assert other.returncode == 0 and problems == []
        assert values_in(published.answer("points/spatial0/0_0_0", {}).body) == {float(commits)}
    for told in seen.values():
        assert all(len(values) == 1 for values in told)  # of one state
        order = [next(iter(values)) for values in told]
        assert order == sorted(order)  # and none of one before it
    assert len({value for told in seen.values() for values in told for value in values}) > 3


KINDS = ["point_cloud", "line", "polyline", "streamline", "graph", "skeleton", "mesh"]


@pytest.mark.parametrize("levels", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_store_that_was_emptied_has_nothing(tmp_path: Path, kind: str, levels: bool) -> None:
    place = tmp_path / "s.zarrvectors"
    make_store(place, kind, size=8 if kind == "line" else 300, n_objects=4, chunk_shape=(300, 300, 300)).close()
    if levels:
        build_pyramid(place, PyramidOptions(target=20))
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        published = Published(store, open_sources)
        names = set(published.sources)
        export(place, tmp_path / "out")
        with zvview.open(place) as other, other.edit() as edit:
            edit.delete_objects(other.level(0).present_object_ids)
        for name, source in open_sources(store).items():
            answer = published.answer(f"{name}/info", {})
            assert answer.status == 200 and "NaN" not in answer.body.decode()
            assert set(published.sources) == names
            for section in source.sections:
                assert sum(len(source.read(section, keys)) for keys in source.keys(section)) == 0
                first = "0_0_0" if section.grid_shape else "1"
                assert published.answer("/".join(filter(None, (name, section.key, first))), {}).status == 404
        done = export(place, tmp_path / "out")
        assert done.removed > 0
        left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
        assert left == {"info", "state.json", "index.html", "export.json"}
        assert json.loads((tmp_path / "out" / "state.json").read_text())["layers"]
