"""What a new store holds is on the disk before the store appears, by one call or by one for each folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from zvview.errors import UnreachableError
from zvview.store.places import syncing
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.syncing import sync_folders, sync_path

Log = list[tuple[str, str]]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """What is synced and renamed, in order."""
    seen: Log = []
    opened: dict[int, str] = {}
    open_it = os.open

    def remember(path: str, *given: int) -> int:
        handle = open_it(path, *given)
        opened[handle] = os.fspath(path)
        return handle

    def record(name: str, call: Callable[..., None], path_of: Callable[..., str]) -> None:
        def recorded(*given: object, **named: object) -> None:
            seen.append((name, os.path.basename(path_of(*given))))
            call(*given, **named)

        monkeypatch.setattr(os, name, recorded)

    monkeypatch.setattr(os, "open", remember)
    record("fsync", os.fsync, lambda handle: opened[handle])
    record("rename", os.rename, lambda source, target: target)
    return seen


def use_syncfs(monkeypatch: pytest.MonkeyPatch, log: Log, answer: int | None) -> None:
    """A `syncfs` that answers so; None where the system has none."""

    def call(handle: int) -> int:
        log.append(("syncfs", str(os.fstat(handle).st_ino)))
        assert answer is not None
        return answer

    monkeypatch.setattr(syncing, "_find_syncfs", lambda: None if answer is None else call)


def write(place: Path, content: dict[str, bytes], folders: int) -> None:
    sink = FolderSink(str(place))
    sink.put_many((key, [value]) for key, value in content.items())
    sink.make_folders(f"folder {i}" for i in range(folders))
    sink.commit()


def test_many_folders_are_synced_at_once_before_the_store_appears(
    tmp_path: Path, content: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    use_syncfs(monkeypatch, log, 0)
    write(tmp_path / "a.zv", content, 100)
    folder = str((tmp_path / "a.zv").stat().st_ino)
    assert log == [("fsync", "zarr.json"), ("syncfs", folder), ("rename", "a.zv"), ("fsync", tmp_path.name)]


@pytest.mark.parametrize("answer", [None, -1])
def test_without_the_call_each_folder_is_synced_before_the_store_appears(
    tmp_path: Path, content: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, log: Log, answer: int | None
) -> None:
    use_syncfs(monkeypatch, log, answer)
    write(tmp_path / "a.zv", content, 100)
    assert log[-2:] == [("rename", "a.zv"), ("fsync", tmp_path.name)]
    synced = {name for call, name in log[:-2] if call == "fsync"}
    assert {"zarr.json", *(f"folder {i}" for i in range(100))} < synced
    assert {os.path.basename(folder) for folder, _, _ in os.walk(tmp_path / "a.zv")} - {"a.zv"} < synced


def test_few_folders_do_not_wait_for_all_that_others_write(
    tmp_path: Path, content: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    use_syncfs(monkeypatch, log, 0)
    write(tmp_path / "a.zv", content, 0)
    assert not [name for call, name in log if call == "syncfs"]
    assert log[-2:] == [("rename", "a.zv"), ("fsync", tmp_path.name)]


def test_what_cannot_be_written_is_told_and_nothing_appears(
    tmp_path: Path, content: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    use_syncfs(monkeypatch, log, -1)

    def refuse(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(UnreachableError, match="Input/output error"):
        write(tmp_path / "a.zv", content, 100)
    assert not (tmp_path / "a.zv").exists()


def test_this_system_syncs(tmp_path: Path) -> None:
    folders = [tmp_path / str(i) for i in range(100)]
    for folder in folders:
        folder.mkdir()
    sync_folders(str(tmp_path), [str(folder) for folder in folders])
    sync_path(str(folders[0]))
    with pytest.raises(FileNotFoundError):
        sync_path(str(tmp_path / "none"))
    assert all(folder.is_dir() for folder in folders)


@pytest.mark.parametrize(
    ("release", "told"), [("6.18.44-fc", (6, 18)), ("5.4.0-1-generic", (5, 4)), ("4.19", (4, 19)), ("odd", ())]
)
def test_kernels_that_do_not_tell_of_errors_are_known(
    monkeypatch: pytest.MonkeyPatch, release: str, told: tuple[int, ...]
) -> None:
    monkeypatch.setattr(os, "uname", lambda: type("Name", (), {"release": release}), raising=False)
    assert syncing._kernel() == told
    is_new = told >= (5, 8)
    monkeypatch.setattr(syncing.sys, "platform", "linux")
    syncing._find_syncfs.cache_clear()
    assert (syncing._find_syncfs() is None) or is_new
    syncing._find_syncfs.cache_clear()
