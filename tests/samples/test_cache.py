"""A sample is made once, found again, made anew when damaged, and never seen half-made."""

from __future__ import annotations

import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import zvview
from zvview.cancel import CancelToken
from zvview.errors import Cancelled, UnreachableError
from zvview.samples import Sample, prepare_sample, sample_folder, sample_place
from zvview.samples.sample import Progress
from zvview.testing import make_store


class Maker:
    """Writes a small store, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, place: str, progress: Progress | None, cancel: CancelToken | None) -> None:
        self.calls += 1
        make_store(place, "point_cloud", size=500, seed=1).close()


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def sample(maker: Maker) -> Sample:
    return Sample("dots", "Dots", maker, version=1, about="made for a test")


def test_second_time_finds_what_the_first_made(sample: Sample, maker: Maker, cache: Path) -> None:
    place = prepare_sample(sample)
    assert place == sample_place(sample) == cache / "v1" / "dots.zarrvectors"
    assert sample_folder() == cache
    assert prepare_sample(sample) == place
    assert maker.calls == 1
    assert len(zvview.open(place).level(0).read()) == 500
    assert [entry.name for entry in place.parent.iterdir()] == ["dots.zarrvectors"]


def test_another_version_is_made_beside_the_old_one(sample: Sample, maker: Maker) -> None:
    first = prepare_sample(sample)
    second = prepare_sample(replace(sample, version=2))
    assert maker.calls == 2 and first != second and first.exists()


@pytest.mark.parametrize("harm", ["cut", "lost", "emptied", "a file"])
def test_damaged_ones_are_made_anew(sample: Sample, maker: Maker, harm: str) -> None:
    place = prepare_sample(sample)
    cell = next(file for file in sorted((place / "0" / "vertices" / "c").rglob("*")) if file.is_file())
    match harm:
        case "cut":
            cell.write_bytes(cell.read_bytes()[:-5])
        case "lost":
            cell.unlink()
        case "emptied":
            (place / "zarr.json").write_bytes(b"")
        case "a file":
            shutil.rmtree(place)
            place.write_text("no store")
    assert prepare_sample(sample) == place
    assert maker.calls == 2
    assert zvview.check(place).ok and len(zvview.open(place).level(0).read()) == 500
    assert [entry.name for entry in place.parent.iterdir()] == ["dots.zarrvectors"]


def test_what_was_edited_and_is_sound_is_kept(sample: Sample, maker: Maker) -> None:
    place = prepare_sample(sample)
    with zvview.create(place, kind="point_cloud", axes="xyz", mode="w") as store:
        store.write(zvview.Points(np.ones((3, 3), np.float32)))
    assert len(zvview.open(prepare_sample(sample)).level(0).read()) == 3
    assert maker.calls == 1


def test_failure_and_cancellation_leave_nothing(sample: Sample, cache: Path) -> None:
    token = CancelToken()

    def cancel_midway(place: str, progress: Progress | None, cancel: CancelToken | None) -> None:
        make_store(place, "point_cloud", size=100).close()
        token.cancel()

    def fail(place: str, progress: Progress | None, cancel: CancelToken | None) -> None:
        make_store(place, "point_cloud", size=100).close()
        raise UnreachableError("no network")

    with pytest.raises(Cancelled):
        prepare_sample(replace(sample, make=cancel_midway), cancel=token)
    with pytest.raises(UnreachableError, match="no network"):
        prepare_sample(replace(sample, make=fail))
    assert list((cache / "v1").iterdir()) == []


def test_two_at_once_both_get_a_whole_one(sample: Sample) -> None:
    meet = threading.Barrier(2, timeout=20)

    def make(place: str, progress: Progress | None, cancel: CancelToken | None) -> None:
        make_store(place, "point_cloud", size=300, seed=2).close()
        meet.wait()

    places: list[Path] = []
    threads = [
        threading.Thread(target=lambda: places.append(prepare_sample(replace(sample, make=make)))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert places == [sample_place(sample)] * 2
    assert zvview.check(places[0]).ok


def test_one_that_comes_in_between_serves_and_a_damaged_one_does_not(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, rename, came = sample_place(sample), Path.rename, ["sound", "damaged"]

    def rename_too_late(self: Path, target: Path) -> Path:
        if target == place and came:  # another process is quicker by a moment
            make_store(str(place), "point_cloud", size=200, seed=4).close()
            if came.pop() == "damaged":
                (place / "0" / "zarr.json").write_text("{")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_too_late)
    assert prepare_sample(sample) == place and not came
    with zvview.open(place) as store:
        assert store.count_vertices(0).sum() == 200, "the sound one that came is kept"
    assert zvview.check(place).ok and list(place.parent.iterdir()) == [place]


def test_what_killed_ones_left_is_removed_after_a_while(sample: Sample, cache: Path) -> None:
    old, new = cache / "v1" / ".dots-old", cache / "v1" / ".dots-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 1e6,) * 2)
    prepare_sample(sample)
    assert not old.exists() and new.exists()


def test_folder_that_cannot_be_is_told(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZVVIEW_CACHE", str(tmp_path / "file"))
    with pytest.raises(UnreachableError, match="ZVVIEW_CACHE"):
        prepare_sample(sample)


def test_without_a_wish_it_is_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZVVIEW_CACHE")
    assert sample_folder().name == "samples" and "zvview" in sample_folder().parts
