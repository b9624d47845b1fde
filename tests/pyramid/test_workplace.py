"""What a build leaves in and beside a folder: nothing lost, nothing run or removed that it did not make itself."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.cancel import CancelToken
from zvview.errors import Cancelled, ConflictError, UnreachableError, UnsupportedError
from zvview.pyramid import PyramidOptions, build_pyramid, refresh_pyramid
from zvview.pyramid.kinds import _KINDS
from zvview.pyramid.points import PointsKind
from zvview.testing import make_store

SMALL = PyramidOptions(levels=1)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def build(place: Path) -> None:
    build_pyramid(place, SMALL)


def refresh(place: Path) -> None:
    cell = next(p for p in sorted((place / "1/vertices/c").rglob("*")) if p.is_file())
    cell.write_bytes(cell.read_bytes()[:-4] + bytes(4))
    chunks = [tuple(map(int, p.relative_to(place / "0/vertices/c").parts)) for p in place.glob("0/vertices/c/*/*/*")]
    refresh_pyramid(place, np.array(chunks))


def grow(place: Path) -> None:
    zvview.grow(place, ([-5000.0] * 3, [5000.0] * 3))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Points with one coarse level."""
    folder = tmp_path / "s"
    make_store(folder, "point_cloud", size=3000).close()
    build(folder)
    return folder


def move_away(place: Path, name: str) -> Path:
    away = place.parent / "away"
    (place / name).rename(away)
    (place / name).symlink_to(Path("../" * (1 + name.count("/"))) / "away")
    return away


@pytest.mark.parametrize("name", ["0", "0/vertices", "0/vertices/zarr.json", "zarr.json"])
@pytest.mark.parametrize("remake", [build, refresh])
def test_what_lies_behind_a_link_is_not_lost(place: Path, name: str, remake: Callable[[Path], None]) -> None:
    away = move_away(place, name)
    link = os.readlink(place / name)
    with pytest.raises(UnsupportedError, match=f"{name} is a link inside the store"):
        remake(place)
    assert os.readlink(place / name) == link
    assert away.exists()
    assert sorted(p.name for p in place.parent.iterdir()) == ["away", "s"]
    assert sorted(p.name for p in place.glob("[0-9]")) == ["0", "1"]


def test_growth_does_not_lose_it_either(place: Path) -> None:
    away = move_away(place, "0/vertices")
    before = tree(away)
    with pytest.raises(UnsupportedError, match="0/vertices is a link"):
        grow(place)
    assert tree(away) == before
    assert (place / "0/vertices").is_symlink()
    assert sorted(p.name for p in place.parent.iterdir()) == ["away", "s"]


def test_links_to_nothing_are_named(place: Path) -> None:
    (place / "0/note").symlink_to("nowhere")
    with pytest.raises(UnsupportedError, match="0/note is a link"):
        build(place)


def test_a_link_to_the_store_is_followed(place: Path) -> None:
    link = place.parent / "link"
    link.symlink_to("s")
    build_pyramid(link, PyramidOptions(levels=1))
    assert link.is_symlink()
    assert sorted(p.name for p in place.parent.iterdir()) == ["link", "s"]


@pytest.mark.parametrize("remake", [build, refresh])
def test_modes_empty_folders_and_unknown_files_stay(place: Path, remake: Callable[[Path], None]) -> None:
    (place / "0/mine/empty").mkdir(parents=True)
    (place / "0/mine/note.txt").write_text("note")
    modes = {place: 0o700, place / "0": 0o750, place / "0/mine": 0o2775, place / "0/mine/empty": 0o711}
    for folder, mode in modes.items():
        folder.chmod(mode)
    inode = place.stat().st_ino
    remake(place)
    assert place.stat().st_ino != inode
    assert {folder: folder.stat().st_mode & 0o7777 for folder in modes} == modes
    assert (place / "0/mine/note.txt").read_text() == "note"


def test_nobody_else_reads_a_private_store_while_it_is_made(place: Path) -> None:
    place.chmod(0o700)
    seen: set[int] = set()

    def look(done: int, total: int, text: str) -> None:
        seen.update(p.stat().st_mode & 0o777 for p in place.parent.iterdir() if p.is_dir())

    build_pyramid(place, SMALL, progress=look)
    assert seen == {0o700}


class _Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def test_scratch_that_others_could_write_is_neither_read_nor_removed(place: Path) -> None:
    seen: list[Path] = []

    def meddle(done: int, total: int, text: str) -> None:
        seen.extend(p for p in place.parent.glob(".s.zvview-pyramid-*") if p.is_dir())
        (place / "late").touch()

    with pytest.raises(ConflictError):
        build_pyramid(place, SMALL, progress=meddle)
    (place / "late").unlink()
    planted, mark, precious = seen[0], place.parent / "mark", place.parent / "precious"
    precious.mkdir()
    for name in [p.name for p in planted.glob("*.pickle")] + ["level-1.pickle"]:
        (planted / name).write_bytes(pickle.dumps(("", _Evil(mark))))
    planted.chmod(0o777)
    build(place)
    assert not mark.exists()
    assert precious.exists()
    assert planted.exists()
    assert sorted(p.name for p in place.glob("[0-9]")) == ["0", "1"]


@pytest.mark.parametrize("remake", [build, refresh])
def test_what_was_put_aside_by_a_dead_process_is_swept(place: Path, remake: Callable[[Path], None]) -> None:
    old, other = place.parent / ".s.zvview-old-0123abcd", place.parent / ".s.zvview-old-mine"
    for folder in (old, other):
        folder.mkdir()
        (folder / "zarr.json").touch()
    staged = place.parent / ".s.zvview-01234567"
    staged.mkdir()
    (staged / "zarr.json").touch()  # a swap broken off in the middle: the old store may be all there is
    build(place)
    assert old.exists()
    (staged / "zarr.json").unlink()
    remake(place)
    assert sorted(p.name for p in place.parent.iterdir()) == sorted([staged.name, other.name, "s"])


@pytest.mark.parametrize("number", [errno.ENOSPC, None, errno.EIO])
def test_a_full_disk_is_told_and_scratch_goes(place: Path, monkeypatch: pytest.MonkeyPatch, number: int | None) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError(number, "no luck") if number else OSError("1 requested and 0 written")

    with monkeypatch.context() as patched:
        patched.setattr("zvview.pyramid.scratch.pickle.dump", fail)
        with pytest.raises(UnreachableError, match=r"cannot write .*(no luck|0 written)"):
            build(place)
    left = [p for p in place.parent.iterdir() if p != place]
    assert len(left) == (number == errno.EIO)
    assert all(not list(p.glob("*.npy")) + list(p.glob("*.part")) for p in left)
    build(place)
    assert [p.name for p in place.parent.iterdir()] == ["s"]


@pytest.mark.parametrize("remake", [build, refresh, grow])
def test_mount_points_are_refused_early(
    place: Path, monkeypatch: pytest.MonkeyPatch, remake: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(place))
    with pytest.raises(UnsupportedError, match="is a mount point"):
        remake(place)
    assert [p.name for p in place.parent.iterdir()] == ["s"]


@pytest.mark.parametrize("name", ["s", "s.zip"])
def test_what_goes_wrong_on_the_way_is_told_of_the_store_not_of_scratch(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = tmp_path / name
    make_store(where, "point_cloud", size=300).close()
    seen: list[str] = []

    def look(store: zvview.Store) -> str:
        seen.append(store.place)
        raise UnsupportedError("enough")

    monkeypatch.setattr("zvview.pyramid.build.check_kind", look)
    with pytest.raises(UnsupportedError):
        build(where)
    assert seen == [str(where)]


def test_a_build_that_broke_off_is_taken_up_by_the_same_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "s"
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(25.0,) * 3) as store:
        store.write(zvview.Points(np.random.default_rng(0).uniform(0, 50, (2000, 3)).astype(np.float32)))
    wishes = PyramidOptions(levels=2, chunk_shapes=[(25.0,) * 3] * 2)
    monkeypatch.setitem(_KINDS, "point_cloud", lambda: PointsKind(part_bytes=1))
    token = CancelToken()

    def stop(done: int, total: int, text: str) -> None:
        assert total > 2
        if done == 2:
            token.cancel()

    with pytest.raises(Cancelled):
        build_pyramid(place, wishes, progress=stop, cancel=token)
    assert len(list(place.parent.glob(".s.zvview-pyramid-*"))) == 1
    other = place.parent / "other"
    shutil.copytree(place, other)
    for where in (place, other):
        build_pyramid(where, wishes)
    assert tree(place / "1") == tree(other / "1")
    assert tree(place / "2") == tree(other / "2")
