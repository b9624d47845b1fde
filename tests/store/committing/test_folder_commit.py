"""A commit in a folder that nothing interrupts: what it gives, what it refuses, and what it leaves alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest
from zarr_vectors.validate import validate

import zvview
from tests.store.committing.conftest import (
    DyingDisk,
    Killed,
    Versions,
    bytes_in,
    changes_between,
    commit,
    content_of,
    lay_out,
    reader,
)
from zvview.cancel import CancelToken
from zvview.errors import (
    ConflictError,
    DamagedError,
    InvalidInputError,
    NotZarrVectorsError,
    UnreachableError,
    UnsupportedError,
)
from zvview.store.committing.disk import Disk
from zvview.store.committing.folder_commit import FolderCommit
from zvview.store.committing.opening import open_commit
from zvview.store.places.redo_log import COMMIT_FOLDER, LOG_KEY
from zvview.store.places.source import Request

if TYPE_CHECKING:
    from typing_extensions import Buffer


def interrupt(folder: Path, versions: Versions) -> None:
    """Leave a commit from the first to the second version that is final, a few of its cells in place."""
    before, after, _ = versions
    for at in range(10, 200):
        shutil.rmtree(folder, ignore_errors=True)
        lay_out(folder, before)
        with pytest.raises(Killed):
            FolderCommit(reader(folder), DyingDisk(at)).apply(changes_between(before, after))
        found = bytes_in(folder)
        if (folder / LOG_KEY).exists() and sum(found.get(key) == after[key] != before.get(key) for key in after) > 2:
            return
    raise AssertionError("it never came to that")


def test_all_changes_appear(tmp_path: Path, versions: Versions) -> None:
    folder = lay_out(tmp_path / "s", versions[0])
    for number in (1, 2, 0):
        changes = changes_between(content_of(reader(folder)), versions[number])
        applied = commit(folder, versions[number])
        assert versions.tell(bytes_in(folder)) == str(number)
        written = {key: data for key, data in changes.items() if data is not None}
        assert (applied.written_keys, applied.removed_keys) == (len(written), len(changes) - len(written))
        assert applied.written_bytes == sum(map(len, written.values())) and applied.note == ""
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_the_document_around_the_log_is_the_commits_own(tmp_path: Path, versions: Versions) -> None:
    bare = {key: data for key, data in versions[0].items() if not key.startswith("zvview/")}
    folder = lay_out(tmp_path / "s", bare)
    (cell, *_) = (key for key in bare if key.startswith("0/vertices/c/"))
    with open_commit(folder, "testing") as opened:
        looked_at = [(key, None) for key in ("zvview/zarr.json", cell)]
        none, there = opened.source.get_many(looked_at)
        assert none is None and there is not None
        opened.apply({cell: bytes(there)})
    assert bytes_in(folder) == bare


def test_nothing_to_change_touches_nothing(tmp_path: Path, versions: Versions) -> None:
    folder = lay_out(tmp_path / "s", versions[0])
    before = reader(folder).stamp()
    assert commit(folder, versions[0]).written_keys == 0
    assert reader(folder).stamp() == before


def test_an_open_store_reads_again(tmp_path: Path, versions: Versions) -> None:
    folder = lay_out(tmp_path / "s", versions[0])
    with zvview.open(folder) as store:
        assert isinstance(store, zvview.Store)
        cells = [key for key in versions[0] if key.startswith("0/vertices/c/")]
        assert len(store.level(0).read()) == 40
        stamps = [reader(folder).stamp()]
        with open_commit(folder, "testing") as opened:  # the root's document stays as it is
            opened.apply({cells[0]: bytes(opened.source.get_many([(cells[0], None)])[0] or b"")})
        stamps.append(reader(folder).stamp())
        commit(folder, versions[1])
        assert len(store.level(0).read()) == 41 and not store.attributes
        stamps.append(reader(folder).stamp())
        interrupt(folder, versions)
        stamps.append(reader(folder).stamp())
        commit(folder, versions[2])
        stamps.append(reader(folder).stamp())
        assert len(set(stamps)) == 5
        assert len(store.level(0).read()) == 42 and set(store.attributes) == {"intensity", "type"}


@pytest.mark.parametrize("how", ["other bytes", "the same bytes again", "removed", "a new cell"])
def test_a_cell_that_another_program_changed_is_a_conflict(tmp_path: Path, versions: Versions, how: str) -> None:
    folder = lay_out(tmp_path / "s", versions[0])
    cell = folder / "0/vertices/c/0/0"
    if how == "a new cell":
        cell.unlink()
    with open_commit(folder, "testing") as opened:
        changes = changes_between(content_of(opened.source), versions[1])
        opened.source.stat_many(["0/vertices/c/0/0"])
        if how == "removed":
            cell.unlink()
        else:
            data = versions[0]["0/vertices/c/0/0"]
            cell.write_bytes(data if how == "the same bytes again" else data[:-1] + b"?")
        now = bytes_in(folder)
        with pytest.raises(
            ConflictError, match="has changed 0/vertices/c/0/0 since it was read; nothing was overwritten"
        ):
            opened.apply(changes)
    assert bytes_in(folder) == now


def test_what_changes_while_cells_are_staged_is_a_conflict_too(tmp_path: Path, versions: Versions) -> None:
    folder = lay_out(tmp_path / "s", versions[0])

    class Meddling(DyingDisk):
        def sync(self, root: str, paths: object) -> None:
            (folder / "0/vertices/c/0/0").write_bytes(b"theirs")

    opened = FolderCommit(reader(folder), Meddling())
    changes = changes_between(content_of(opened.source), versions[1])
    with pytest.raises(ConflictError, match="0/vertices/c/0/0"):
        opened.apply(changes)
    assert bytes_in(folder) == {**versions[0], "0/vertices/c/0/0": b"theirs"}


def test_links_to_cells_are_not_written_through(tmp_path: Path, versions: Versions) -> None:
    folder = lay_out(tmp_path / "s", versions[0])
    shared, pointed = tmp_path / "shared", tmp_path / "pointed"
    for link, target, cell in ((os.link, shared, "0/vertices/c/0/0"), (os.symlink, pointed, "0/vertices/c/0/1")):
        shutil.move(folder / cell, target)
        link(target, folder / cell)
    commit(folder, versions[1])
    assert versions.tell(bytes_in(folder)) == "1"
    assert shared.read_bytes() == versions[0]["0/vertices/c/0/0"]
    assert pointed.read_bytes() == versions[0]["0/vertices/c/0/1"]
    assert not (folder / "0/vertices/c/0/1").is_symlink()


@pytest.mark.parametrize("inner", ["0/vertices", "0/vertices/c/0", "zvview"])
def test_links_to_folders_are_refused_before_anything_is_done(tmp_path: Path, versions: Versions, inner: str) -> None:
    folder = lay_out(tmp_path / "s", versions[0])
    (folder / inner).mkdir(exist_ok=True)
    shutil.move(folder / inner, tmp_path / "elsewhere")
    (folder / inner).symlink_to(tmp_path / "elsewhere")
    before = bytes_in(tmp_path)
    with pytest.raises(UnsupportedError, match=f"{inner} is a link, and what lies behind it may be others' too"):
        commit(folder, versions[1])
    assert bytes_in(tmp_path) == before


def test_mount_points_inside_are_refused(tmp_path: Path, versions: Versions, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lay_out(tmp_path / "s", versions[0])
    lstat = os.lstat

    def other_device(path: str) -> os.stat_result:
        found = lstat(path)
        if not str(path).endswith("vertices"):
            return found
        return os.stat_result([*found[:2], found.st_dev + 1, *found[3:]])

    monkeypatch.setattr(os, "lstat", other_device)
    with pytest.raises(UnsupportedError, match="0/vertices is a mount point inside the store"):
        commit(folder, versions[1])
    monkeypatch.undo()
    assert versions.tell(bytes_in(folder)) == "0"


def test_modes_are_taken_over(tmp_path: Path, versions: Versions) -> None:
    folder = lay_out(tmp_path / "s", versions[0])
    cells = ["0/vertices/c/0/0", "zarr.json"]
    for cell in cells:
        (folder / cell).chmod(0o640)
    folder.chmod(0o2750)
    (folder / "0").chmod(0o2770)
    commit(folder, versions[1])
    assert [(folder / cell).stat().st_mode & 0o777 for cell in cells] == [0o640, 0o640]
    commit(folder, versions[2])
    assert (folder / "0/vertex_attributes/type/zarr.json").stat().st_gid == folder.stat().st_gid


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"zarr.json": None}, "would be no store"),
        ({"../x": b""}, "is not a key"),
        ({"a": b"", "a/b": b""}, "'a/b' lies under another key"),
        ({"a": b"", "a/b/c": None}, "'a/b/c' lies under another key"),
        ({"0/vertices": b""}, "key '0/vertices' is a folder"),
        ({"0/vertices": None}, "key '0/vertices' is a folder"),
        ({"zarr.json/x": b""}, "keys lie under 'zarr.json', which is a file"),
        ({f"{COMMIT_FOLDER}/x": b""}, "where commits are kept"),
        ({COMMIT_FOLDER: b""}, "where commits are kept"),
    ],
)
def test_keys_that_cannot_be_are_refused(
    tmp_path: Path, versions: Versions, changes: dict[str, bytes | None], told: str
) -> None:
    folder = lay_out(tmp_path / "s", versions[0])
    with pytest.raises(InvalidInputError, match=told), open_commit(folder, "testing") as opened:
        opened.apply({"0/zarr.json": b"{}", **changes})
    assert versions.tell(bytes_in(folder)) == "0"


def test_a_folder_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "s", {"a": b"precious"})
    with pytest.raises(NotZarrVectorsError), open_commit(folder, "testing"):
        pass
    assert bytes_in(folder) == {"a": b"precious"}


def test_a_pending_commit_is_read_but_not_listed(tmp_path: Path, versions: Versions) -> None:
    folder = tmp_path / "s"
    interrupt(folder, versions)
    source = reader(folder)
    assert (folder / LOG_KEY).exists()
    assert versions.tell(content_of(source)) == "1"
    has_index = "zvview/zarr.json" in versions[1]
    assert source.list_names("zvview") == (["chunks", "zarr.json"] if has_index else [])
    assert "vertex_attributes" not in source.list_names("0")
    keys = sorted({*versions[0], *versions[1]})
    sizes = [len(versions[1][key]) if key in versions[1] else None for key in keys]
    assert source.stat_many(keys) == sizes
    (part,) = source.get_many([("0/vertices/c/0/0", (3, 9))])
    assert part == versions[1]["0/vertices/c/0/0"][3:9]
    assert not list(zvview.check(folder))


@pytest.mark.parametrize("doing", ["grow", "remake"])
def test_a_pending_commit_is_finished_before_the_store_is_made_anew(
    tmp_path: Path, versions: Versions, doing: str
) -> None:
    folder = tmp_path / "s"
    interrupt(folder, versions)
    store = zvview.open(folder)
    assert isinstance(store, zvview.Store)
    before = store.level(0).read()
    if doing == "grow":
        zvview.grow(folder, ([-5000.0] * 2, [5000.0] * 2))
    else:
        zvview.create(folder, kind="point_cloud", mode="w").write(before)
    assert not (folder / COMMIT_FOLDER).exists()
    assert np.array_equal(np.sort(store.level(0).read().positions, 0), np.sort(before.positions, 0))
    assert zvview.check(folder).ok


def test_a_damaged_log_is_an_error_and_never_a_guess(tmp_path: Path, versions: Versions) -> None:
    folder = tmp_path / "s"
    interrupt(folder, versions)
    log = folder / LOG_KEY
    whole = log.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], b"", whole.replace(b"vertices", b"vertixes"), whole + b" "):
        log.write_bytes(damaged)
        before = bytes_in(folder)
        for use in (lambda: content_of(reader(folder)), lambda: commit(folder, versions[2])):
            with pytest.raises(
                DamagedError, match="removing the folder 'zvview/commit' in the store gives that commit up"
            ):
                use()
        assert bytes_in(folder) == before


@pytest.mark.parametrize("damage", ["cut", "gone with its cell"])
def test_a_damaged_staged_file_is_an_error_before_anything_moves(
    tmp_path: Path, versions: Versions, damage: str
) -> None:
    folder = tmp_path / "s"
    interrupt(folder, versions)
    staged = next(path for path in (folder / COMMIT_FOLDER).rglob("*") if path.is_file() and path.name.isdigit())
    if damage == "cut":
        staged.write_bytes(staged.read_bytes()[:-1])
    else:
        staged.unlink()
        for key in versions[1]:
            if (folder / key).exists() and key != "zarr.json":
                (folder / key).unlink()
    before = bytes_in(folder)
    with pytest.raises(DamagedError, match="staged file"):
        commit(folder, versions[2])
    assert bytes_in(folder) == before


def test_the_reference_finds_nothing_new_in_a_store_with_a_commit_that_is_not_final(
    tmp_path: Path, versions: Versions
) -> None:
    def findings(folder: Path) -> tuple[object, ...]:
        found = validate(str(folder), level=5)
        return found.ok, found.errors, found.warnings

    folder = lay_out(tmp_path / "s", versions[0])
    expected = findings(folder)
    disk = DyingDisk(12)
    with pytest.raises(Killed):
        FolderCommit(reader(folder), disk).apply(changes_between(versions[0], versions[1]))
    assert (folder / COMMIT_FOLDER).exists() and not (folder / LOG_KEY).exists()
    assert findings(folder) == expected


def test_a_store_behind_a_link_is_changed_where_it_is(tmp_path: Path, versions: Versions) -> None:
    folder = lay_out(tmp_path / "s", versions[0])
    link = tmp_path / "link"
    link.symlink_to(folder)
    commit(link, versions[1])
    assert link.is_symlink() and versions.tell(bytes_in(folder)) == versions.tell(content_of(reader(link))) == "1"


def test_leftovers_that_are_links_are_not_followed(tmp_path: Path, versions: Versions) -> None:
    folder = lay_out(tmp_path / "s", versions[0])
    precious = lay_out(tmp_path / "precious", {"a/b": b"data"})
    (folder / "zvview").mkdir(exist_ok=True)
    (folder / COMMIT_FOLDER).mkdir()
    (folder / COMMIT_FOLDER / "0123").symlink_to(precious)
    commit(folder, versions[1])
    assert versions.tell(bytes_in(folder)) == "1"
    (folder / "zvview").mkdir(exist_ok=True)
    (folder / COMMIT_FOLDER).symlink_to(precious)
    with pytest.raises(zvview.UnreachableError):
        commit(folder, versions[2])
    assert bytes_in(precious) == {"a/b": b"data"}


def test_a_file_that_others_have_open_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").write_bytes(b"new")
    disk, left = Disk(), [2, 1]
    monkeypatch.setattr(disk, "is_shared_strictly", True, raising=False)
    replace, remove = os.replace, os.remove

    def busy_replace(old: str, new: str) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise PermissionError
        replace(old, new)

    def busy_remove(path: str) -> None:
        left[1] -= 1
        if left[1] >= 0:
            raise PermissionError
        remove(path)

    monkeypatch.setattr(os, "replace", busy_replace)
    monkeypatch.setattr(os, "remove", busy_remove)
    disk.rename(str(tmp_path / "old"), str(tmp_path / "new"))
    assert (tmp_path / "new").read_bytes() == b"new"
    disk.remove(str(tmp_path / "new"))
    disk.remove(str(tmp_path / "new"))
    assert left == [-1, -2] and not list(tmp_path.iterdir())
    left[0] = 99
    monkeypatch.setattr("zvview.store.committing.disk._PAUSE_S", 0.0)
    with pytest.raises(PermissionError):
        disk.rename(str(tmp_path / "old"), str(tmp_path / "new"))
    assert left[0] == 99 - 12


@pytest.mark.parametrize("inner", ["0/vertices/c/0", "zvview", ""])
def test_folders_that_cannot_be_written_are_told_before_any_work(
    tmp_path: Path, versions: Versions, inner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lay_out(tmp_path / "s", {**versions[0], "zvview/x": b""})
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder / inner)
    before = bytes_in(folder)
    with pytest.raises(UnreachableError, match=f"{inner}.* is read-only for this user"):
        commit(folder, versions[1])
    assert bytes_in(folder) == before


def test_nothing_is_read_twice_but_what_the_commit_wrote(tmp_path: Path, versions: Versions) -> None:
    folder = lay_out(tmp_path / "s", versions[0])
    below = reader(folder)
    asked: list[str] = []
    get_versioned = below.get_versioned

    def note(requests: Sequence[Request], cancel: CancelToken | None = None) -> tuple[list[Buffer | None], list[Any]]:
        asked.extend(key for key, _ in requests)
        return get_versioned(requests, cancel)

    with mock.patch.object(below, "get_versioned", note):
        opened = FolderCommit(below)
        changes = changes_between(content_of(below), versions[1])
        wanted: list[Request] = [(key, None) for key in sorted({*changes, *versions[0]})]
        asked.clear()
        first, again = opened.source.get_many(wanted), opened.source.get_many(wanted)
        assert first == again and len(asked) == len(set(asked)) == len(wanted)
        opened.apply(changes)
        after = opened.source.get_many(wanted)
    now = content_of(reader(folder))
    assert [None if data is None else bytes(data) for data in after] == [now.get(key) for key, _ in wanted]
