"""Stores made aside and put into their place, and stores copied byte for byte, in waves of bounded size."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

import zvview
from zvview.cancel import CancelToken
from zvview.errors import Cancelled, ConflictError, DamagedError, UnreachableError
from zvview.store import staging
from zvview.store.places.folder import FolderSource
from zvview.store.places.memory import MemorySource
from zvview.store.places.open import open_sink, open_source
from zvview.store.staging import open_stage, put_copy, put_stage
from zvview.testing import make_store


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)).replace(os.sep, "/"): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class Recorder:
    """A sink that notes the size of each wave; what happens after the first can be given."""

    place, is_local = "recorder", True

    def __init__(self, after: Any = None) -> None:
        self.waves: list[int] = []
        self.held: dict[str, bytes] = {}
        self._after = after

    def put_many(self, items: Iterable[tuple[str, Sequence[Any]]]) -> None:
        new = {key: b"".join(pieces) for key, pieces in items}
        self.waves.append(sum(map(len, new.values())))
        self.held |= new
        if self._after is not None:
            self._after()
            self._after = None

    def commit(self) -> None: ...

    def abort(self) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> Path:
    make_store(tmp_path / "store", "mesh", size=2000, chunk_shape=(200,) * 3).close()
    return tmp_path / "store"


@pytest.mark.parametrize("name", ["copy", "copy.zip"])
def test_copies_are_the_same_bytes(store: Path, tmp_path: Path, name: str) -> None:
    sink = open_sink(tmp_path / name)
    told: list[tuple[int, int]] = []
    put_copy(open_source(store), sink, progress=lambda done, total: told.append((done, total)))
    sink.commit()
    with_keys = open_source(tmp_path / name)
    keys = with_keys.list_keys("")
    assert {k: bytes(v) for k, v in zip(keys, with_keys.get_many([(k, None) for k in keys]), strict=True)} == files_of(
        store
    )
    assert told[-1] == (len(keys), len(keys)) and told == sorted(told)
    with_keys.close()


def test_no_wave_is_larger_than_it_may_be(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_WAVE_BYTES", 20_000)
    recorder = Recorder()
    put_copy(open_source(store), recorder, under="inner")
    largest = max(map(len, files_of(store).values()))
    assert len(recorder.waves) > 5 and max(recorder.waves) <= max(20_000, largest)
    assert recorder.held == {f"inner/{key}": data for key, data in files_of(store).items()}


def test_a_store_that_changes_meanwhile_is_a_conflict(store: Path) -> None:
    def touch() -> None:
        os.utime(store / "zarr.json", ns=(1, 1))

    with pytest.raises(ConflictError, match="while it was copied"):
        put_copy(open_source(store), Recorder(touch))


def test_an_object_that_goes_away_is_named(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_WAVE_KEYS", 1)
    last = sorted(files_of(store))[-2]
    with pytest.raises(DamagedError, match="nothing any more"):
        put_copy(open_source(store), Recorder(lambda: (store / last).unlink()))


def test_copies_can_be_stopped(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_WAVE_KEYS", 1)
    token = CancelToken()
    recorder = Recorder(token.cancel)
    with pytest.raises(Cancelled):
        put_copy(open_source(store), recorder, cancel=token)
    assert len(recorder.waves) == 1


@pytest.mark.parametrize("under", ["", "member"])
def test_what_is_made_aside_is_linked_into_folders(tmp_path: Path, under: str) -> None:
    sink = open_sink(tmp_path / "made")
    with open_stage(tmp_path / "made") as stage:
        assert os.path.dirname(stage) == str(tmp_path)
        make_store(os.path.join(stage, "s"), "streamline", size=500).close()
        before = files_of(Path(stage, "s"))
        inode = os.stat(os.path.join(stage, "s", "0", "zarr.json")).st_ino
        put_stage(os.path.join(stage, "s"), sink, under=under)
        if under:
            sink.put_many([("zarr.json", (b"{}",))])
        sink.commit()
    assert files_of(tmp_path / "made" / under) == before
    assert os.stat(tmp_path / "made" / under / "0" / "zarr.json").st_ino == inode
    assert zvview.check(tmp_path / "made" / under).ok
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_what_is_made_aside_is_copied_into_other_places(tmp_path: Path) -> None:
    memory: dict[str, bytes] = {}
    sink = open_sink(memory)
    with open_stage(memory) as stage:
        make_store(os.path.join(stage, "s"), "graph", size=300).close()
        put_stage(os.path.join(stage, "s"), sink)
        before = files_of(Path(stage, "s"))
    sink.commit()
    assert not os.path.exists(stage)
    source = MemorySource(memory)
    assert {
        key: bytes(data) for key, data in zip(before, source.get_many([(k, None) for k in before]), strict=True)
    } == before


def test_a_stage_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("not here")

    monkeypatch.setattr(staging.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(UnreachableError, match="not here"), open_stage(tmp_path / "made"):
        raise AssertionError("no stage")
    assert FolderSource(str(tmp_path)).list_keys("") == []
