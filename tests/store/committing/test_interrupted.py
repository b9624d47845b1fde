"""Stopped between any two steps, by death, a full disk or a loss of power: all of a commit is there, or nothing."""

from __future__ import annotations

import contextlib
import errno
import shutil
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from tests.store.committing.conftest import (
    Content,
    DyingDisk,
    FullDisk,
    Killed,
    RecordingDisk,
    Step,
    Versions,
    after_power_cut,
    bytes_in,
    changes_between,
    content_of,
    lay_out,
    reader,
)
from zvview.errors import UnreachableError
from zvview.store.committing.finishing import settle
from zvview.store.committing.folder_commit import FolderCommit
from zvview.store.places.redo_log import LOG_KEY


def steps_of(folder: Path, before: Content, after: Content) -> int:
    """How many steps a commit takes that nothing interrupts."""
    disk = DyingDisk()
    FolderCommit(reader(lay_out(folder, before)), disk).apply(changes_between(before, after))
    assert bytes_in(folder) == after
    shutil.rmtree(folder)
    return disk.steps


def without_group(content: Content) -> Content:
    """What a reader sees, without the group that a commit makes around its files where there is none."""
    return {key: data for key, data in content.items() if b'"zvview_commit"' not in data}


def test_contents_are_sound(tmp_path: Path, versions: Versions) -> None:
    for number, version in enumerate(versions):
        assert zvview.check(lay_out(tmp_path / str(number), version)).ok


def test_death_between_any_two_steps_leaves_all_or_nothing(tmp_path: Path, versions: Versions) -> None:
    before, after, _ = versions
    seen = []
    for at in range(steps_of(tmp_path / "s", before, after)):
        folder = lay_out(tmp_path / "s", before)
        with pytest.raises(Killed):
            FolderCommit(reader(folder), DyingDisk(at)).apply(changes_between(before, after))
        is_pending = (folder / LOG_KEY).exists()
        found = versions.tell(without_group(content_of(reader(folder))))
        assert found in ("1" if is_pending else "01")
        assert list(zvview.check(folder)) == []
        assert settle(reader(folder), DyingDisk()) == is_pending
        assert versions.tell(bytes_in(folder)) == found
        seen.append(found)
        shutil.rmtree(folder)
    assert seen == sorted(seen) and set(seen) == {"0", "1"}


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_death_while_finishing_after_deaths_is_no_harm(data: st.DataObject, versions: Versions) -> None:
    before, after, last = versions
    with TemporaryDirectory() as parent:
        count = len(recorded(versions)[0]) // 2
        folder = lay_out(Path(parent) / "s", before)
        at = data.draw(st.integers(count // 3, count))
        with contextlib.suppress(Killed):
            FolderCommit(reader(folder), DyingDisk(at)).apply(changes_between(before, after))
        expected = versions.tell(without_group(content_of(reader(folder))))
        for again in data.draw(st.lists(st.integers(0, count // 2), max_size=3)):
            with contextlib.suppress(Killed):
                settle(reader(folder), DyingDisk(again))
            assert versions.tell(without_group(content_of(reader(folder)))) == expected
        settle(reader(folder), DyingDisk())
        assert versions.tell(bytes_in(folder)) == expected
        changes = changes_between(content_of(reader(folder)), last)
        FolderCommit(reader(folder), DyingDisk()).apply(changes)
        assert versions.tell(bytes_in(folder)) == "2"


def test_a_disk_that_fills_up_at_any_step_loses_nothing(tmp_path: Path, versions: Versions) -> None:
    before, after, _ = versions
    notes = []
    count = steps_of(tmp_path / "s", before, after)
    for code, every in ((errno.ENOSPC, 1), (errno.EIO, 7)):
        for at in range(0, count, every):
            folder = lay_out(tmp_path / "s", before)
            told = ""
            try:
                applied = FolderCommit(reader(folder), FullDisk(at, code)).apply(changes_between(before, after))
            except UnreachableError as error:
                told = str(error)
            if told:
                assert ("disk full" in told) == (code == errno.ENOSPC) and "it is as it was" in told
                assert versions.tell(bytes_in(folder)) == "0"
            else:
                assert versions.tell(content_of(reader(folder))) == "1"
                notes.append(applied.note)
                settle(reader(folder), DyingDisk())
                assert versions.tell(bytes_in(folder)) == "1"
            shutil.rmtree(folder)
    assert "disk full" in notes[0] and "the changes are saved" in notes[0]


def test_too_little_space_is_told_before_anything_is_written(tmp_path: Path, versions: Versions) -> None:
    class Small(DyingDisk):
        def free_bytes(self, path: str) -> int:
            return 1 << 20

    before, after, _ = versions
    folder = lay_out(tmp_path / "s", before)
    with pytest.raises(UnreachableError, match=r"disk full, 1,048 kB are free and 1,\d+ kB needed; it is as"):
        FolderCommit(reader(folder), Small(at=0)).apply(changes_between(before, after))
    assert versions.tell(bytes_in(folder)) == "0"


@given(data=st.data(), seed=st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_a_loss_of_power_leaves_all_or_nothing(data: st.DataObject, seed: int, versions: Versions) -> None:
    steps, (one, two) = recorded(versions)
    cut = data.draw(st.integers(0, two))
    files, folders = after_power_cut(versions[0], steps[:cut], Random(seed))
    with TemporaryDirectory() as parent:
        folder = lay_out(Path(parent) / "s", files, folders)
        found = versions.tell(without_group(content_of(reader(folder))))
        settle(reader(folder), DyingDisk())
        now = bytes_in(folder)
        assert versions.tell({key: data for key, data in now.items() if not key.endswith("/")}) == found
        assert found in ("1" if cut == one else "2" if cut == two else "01" if cut < one else "12")


_recorded: dict[int, tuple[list[Step], tuple[int, int]]] = {}


def recorded(versions: Versions) -> tuple[list[Step], tuple[int, int]]:
    """Steps of two commits one after the other, and how many there are when each of them ends."""
    key = id(versions)
    if key not in _recorded:
        with TemporaryDirectory() as parent:
            folder = lay_out(Path(parent) / "s", versions[0])
            disk = RecordingDisk(str(folder.resolve()))
            ends = []
            for before, after in pairwise(versions):
                FolderCommit(reader(folder), disk).apply(changes_between(before, after))
                ends.append(len(disk.steps))
            _recorded[key] = list(disk.steps), (ends[0], ends[1])
    return _recorded[key]
