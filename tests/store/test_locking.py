"""Whoever replaces a store holds its lock: build, refresh and growth never meet, and the dead are cleaned up after."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import LocalStore, MemoryStore, WrapperStore

import zvview
from zvview.errors import ConflictError, NotZarrVectorsError, UnsupportedError
from zvview.pyramid import PyramidOptions, build_pyramid, refresh_pyramid
from zvview.store.locking import Holder, hold_store
from zvview.store.places.memory import MemorySource
from zvview.store.places.open import Place, open_source
from zvview.store.remaking import open_remaking
from zvview.testing import make_store

# Each begins, has its folder beside the store, tells so and waits to be let go on.
_HOLD = """
import os, sys
import numpy as np
import zvview
from zvview.pyramid import PyramidOptions, build_pyramid, refresh_pyramid
from zvview.store.places.folder_sink import FolderSink
commit = FolderSink.commit
def wait(sink):
    if sink.place == os.path.realpath(sys.argv[2]):
        print("holding", flush=True)
        sys.stdin.read()
    commit(sink)
FolderSink.commit = wait
if sys.argv[1] == "build":
    build_pyramid(sys.argv[2], PyramidOptions(levels=2))
elif sys.argv[1] == "refresh":
    refresh_pyramid(sys.argv[2], zvview.open(sys.argv[2]).level(0).chunks)
else:
    zvview.grow(sys.argv[2], ([-5000.0] * 3, [5000.0] * 3))
"""


def build(place: Place) -> None:
    build_pyramid(place, PyramidOptions(levels=1))


def refresh(place: Place) -> None:
    store = zvview.open(place)
    assert isinstance(store, zvview.Store)
    refresh_pyramid(place, store.level(0).chunks)


def grow(place: Place) -> None:
    zvview.grow(place, ([-9000.0] * 3, [9000.0] * 3))


DOINGS = {"build": "building its levels", "refresh": "refreshing its levels", "grow": "growing its grid"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Points with one coarse level that no longer fits."""
    folder = tmp_path / "s"
    make_store(folder, "point_cloud", size=500).close()
    build(folder)
    cell = next(p for p in sorted((folder / "1/vertices/c").rglob("*")) if p.is_file())
    cell.write_bytes(cell.read_bytes()[:-4] + bytes(4))
    return folder


@contextmanager
def holding(what: str, place: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", _HOLD, what, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"holding\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("first", DOINGS)
def test_two_processes_never_replace_a_store_at_once(place: Path, first: str) -> None:
    with holding(first, place) as process:
        told = f"process {process.pid} on {socket.gethostname()} has been {DOINGS[first]} since 20"
        for second in (build, refresh, grow):
            with pytest.raises(ConflictError, match=re.escape(told)):
                second(place)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0
    assert [p.name for p in place.parent.iterdir()] == ["s"]
    assert zvview.check(place).ok
    for second in (build, grow):
        second(place)


def write_anew(place: Place) -> None:
    zvview.create(place, kind="point_cloud", mode="w").write(zvview.Points(np.zeros((3, 3))))


def collect_anew(place: Place) -> None:
    with zvview.create_collection(place, mode="w") as collection:
        collection.create("p", kind="point_cloud").write(zvview.Points(np.zeros((3, 3))))


@pytest.mark.parametrize("first", DOINGS)
def test_a_store_that_another_process_changes_is_not_replaced(place: Path, first: str) -> None:
    with holding(first, place) as process:
        for write in (write_anew, collect_anew):
            with pytest.raises(ConflictError, match=re.escape(f"process {process.pid} on")):
                write(place)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0
    assert len(zvview.open(place).level(0).read()) == 500  # type: ignore[union-attr]
    for write in (write_anew, collect_anew):
        write(place)
    assert [p.name for p in place.parent.iterdir()] == ["s"]


@pytest.mark.parametrize("kind", ["folder", "zip", "memory", "memory store", "local store"])
def test_a_store_that_is_locked_while_its_replacement_is_written_stays(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_place(kind, tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if kind in ("folder", "zip"):
        assert isinstance(place, Path)
        monkeypatch.chdir(tmp_path)
    near = place.name if isinstance(place, Path) else place
    with closing(open_source(place)) as source:
        writer = zvview.create(near, kind="point_cloud", mode="w").writer()
        writer.append(zvview.Points(np.zeros((3, 3))))
        collection = zvview.create_collection(near, mode="w")
        monkeypatch.chdir(elsewhere)  # what was meant is still the same
        with hold_store(source, "sleeping"):
            for end in (writer.close, lambda: collection.__exit__(None, None, None)):
                with pytest.raises(ConflictError, match="this process itself has been sleeping"):
                    end()
            for write in (write_anew, collect_anew):
                with pytest.raises(ConflictError):
                    write(place)
    assert len(zvview.open(place).level(0).read()) == 100  # type: ignore[union-attr]
    write_anew(place)
    assert len(zvview.open(place).level(0).read()) == 3  # type: ignore[union-attr]
    assert {p.name for p in tmp_path.iterdir()} <= {"s", "s.zip", "elsewhere"}


def test_what_is_no_store_needs_no_lock(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "new", tmp_path / "new.zip", tmp_path / "empty", {}, WrapperStore(MemoryStore())):
        for _ in range(2):
            write_anew(place)
    (tmp_path / "file.zip").write_bytes(b"precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "precious").touch()
    for name in ("file.zip", "folder"):
        with pytest.raises(zvview.ExistsError):
            write_anew(tmp_path / name)


@pytest.mark.parametrize("first", DOINGS)
@pytest.mark.parametrize("second", [build, grow])
def test_a_dead_holder_is_cleaned_up_after(place: Path, first: str, second: Callable[[Path], None]) -> None:
    with holding(first, place) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
    left = {p.name for p in place.parent.iterdir()}
    assert len(left) == 3 + (first == "build")  # the store, the lock, the folder that grew; and scratch
    second(place)
    kept = {p.name for p in place.parent.iterdir()} - {"s"}
    assert all(name.startswith(".s.zvview-pyramid-") for name in kept)
    assert len(kept) == (first == "build" and second is grow)  # scratch is of use to the next build
    assert zvview.check(place).ok


@pytest.mark.parametrize("text", ["../precious", "precious", "/", "..", "", ".s.zvview-old-00000000", "\0", "ß"])
def test_only_the_folder_of_a_dead_holder_is_removed(tmp_path: Path, text: str) -> None:
    place, precious, stage = tmp_path / "s", tmp_path / "precious", tmp_path / ".s.zvview-0123abcd"
    for folder in (place, precious, stage):
        folder.mkdir()
    lock = tmp_path / ".s.zvview.lock"
    for name in (text, stage.name):
        assert stage.exists()
        lock.write_bytes(Holder(1, "h", "s", "d", name).encode())
        with hold_store(open_source(place), "testing"):
            assert precious.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["precious", "s"]


def test_a_note_that_others_could_write_has_nothing_removed(tmp_path: Path) -> None:
    place, stage, lock = tmp_path / "s", tmp_path / ".s.zvview-0123abcd", tmp_path / ".s.zvview.lock"
    place.mkdir()
    stage.mkdir()
    lock.write_bytes(Holder(1, "h", "s", "d", stage.name).encode())
    lock.chmod(0o666)
    with hold_store(open_source(place), "testing"):
        assert stage.exists()


@given(st.binary(max_size=60) | st.builds(Holder, st.just(1), *[st.text(max_size=9)] * 4).map(Holder.encode))
@settings(max_examples=60)
def test_no_note_breaks_the_reading_of_notes(note: bytes) -> None:
    found = Holder.parse(note)
    assert found is None or Holder.parse(found.encode()) == found


@pytest.mark.parametrize(
    "note", [b"[" * 100_000, b"{}", b"null", b"7", b'{"pid":true,"host":"","since":"","doing":"","stage":""}']
)
def test_notes_of_another_form_say_nothing(note: bytes) -> None:
    assert Holder.parse(note) is None


def make_place(kind: str, folder: Path) -> Place:
    made: dict[str, Place] = {
        "folder": folder / "s",
        "zip": folder / "s.zip",
        "memory": {},
        "memory store": MemoryStore(),
        "local store": LocalStore(folder / "s"),
    }
    make_store(made[kind], "point_cloud", size=100).close()
    return made[kind]


@pytest.mark.parametrize("kind", ["folder", "zip", "memory", "memory store", "local store"])
def test_it_is_held_once_only_and_let_go_of_after_errors(kind: str, tmp_path: Path) -> None:
    place = make_place(kind, tmp_path)
    with closing(open_source(place)) as source, hold_store(source, "sleeping") as lock:
        assert lock.holder.pid == os.getpid()
        for change in (build, grow):
            told = f"this process itself has been sleeping since {lock.holder.since}"
            with pytest.raises(ConflictError, match=re.escape(told)):
                change(place)
    with pytest.raises(KeyError), closing(open_source(place)) as source, hold_store(source, "failing"):
        raise KeyError
    build(place)
    grow(place)
    assert zvview.check(place).ok


def test_stores_in_memory_are_told_apart_though_they_are_equal() -> None:
    with hold_store(MemorySource({}), "a"), hold_store(MemorySource({}), "b") as other:
        assert other.holder.doing == "b"


def test_a_holder_that_has_not_said_who_it_is_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s").mkdir()
    source = open_source(tmp_path / "s")
    naps: list[float] = []
    with hold_store(source, "hiding"):
        (tmp_path / ".s.zvview.lock").write_bytes(b"")
        monkeypatch.setattr("zvview.store.locking.time.sleep", naps.append)
        with pytest.raises(ConflictError, match=r"another process is changing .*/s; wait"), hold_store(source, "x"):
            pass
    assert len(naps) == 4


def test_a_link_to_a_store_has_the_same_lock(place: Path) -> None:
    link = place.parent / "link"
    link.symlink_to("s")
    with hold_store(open_source(place), "sleeping"), pytest.raises(ConflictError):
        grow(link)


def test_places_that_are_changed_in_pieces_are_left_alone() -> None:
    held = MemoryStore()
    make_store(held, "point_cloud", size=100).close()
    before = {key: value.to_bytes() for key, value in held._store_dict.items()}
    for change in (grow, build, refresh):
        with pytest.raises(UnsupportedError, match="is changed as a whole in a folder, a zip or memory"):
            change(WrapperStore(held))
    assert {key: value.to_bytes() for key, value in held._store_dict.items()} == before


@pytest.mark.parametrize("kind", ["folder", "zip", "memory"])
def test_what_was_changed_meanwhile_is_not_replaced(kind: str, tmp_path: Path) -> None:
    place = make_place(kind, tmp_path)
    other = make_place(kind, tmp_path / "other")

    def replace_late() -> None:
        with open_remaking(place, "testing") as remaking, remaking.replace() as sink:
            sink.put_many([("zarr.json", (b"new",))])
            if isinstance(place, dict):
                place["zarr.json"] = b"changed"
            elif kind == "zip":
                os.replace(other, place)  # type: ignore[arg-type]
            else:
                (place / "late").touch()  # type: ignore[operator]

    with pytest.raises(ConflictError, match="was changed while"):
        replace_late()
    if isinstance(place, dict):
        assert place.pop("zarr.json") == b"changed"
    else:
        assert zvview.check(place).ok


def test_there_must_be_a_store() -> None:
    with pytest.raises(NotZarrVectorsError), open_remaking({"a": b""}, "testing"):
        pass


def test_levels_are_the_same_whoever_else_tried(place: Path, tmp_path: Path) -> None:
    with holding("grow", place) as process:
        with pytest.raises(ConflictError):
            build(place)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0
    build(place)
    other = tmp_path / "other"
    make_store(other, "point_cloud", size=500).close()
    zvview.grow(other, ([-5000.0] * 3, [5000.0] * 3))
    build(other)
    mine, theirs = (zvview.open(p).level(1).read() for p in (place, other))  # type: ignore[union-attr]
    assert np.array_equal(mine.positions, theirs.positions)
