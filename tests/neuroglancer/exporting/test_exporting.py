"""Exports of real stores: the bytes of the live server, written once, brought up to date, and never half."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from tests.neuroglancer.exporting.reading import content, contents_of, snapshot
from zvview.cancel import CancelToken
from zvview.errors import Cancelled, ConflictError, ExistsError, InvalidInputError, UnsupportedError
from zvview.neuroglancer.exporting import runs
from zvview.neuroglancer.exporting.exporting import export
from zvview.neuroglancer.exporting.targets import WITHIN, Target, held
from zvview.neuroglancer.exporting.writing import write_unit
from zvview.neuroglancer.serving.answers import Answers
from zvview.neuroglancer.sources.opening import open_sources
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.testing import make_store

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
NAMES = sorted(path.name for path in GOLDEN.glob("*.zip"))
FORMATS = ("directory", "sharded", "zip")
MOST_KEYS = 60  # of a section that are compared


def make(place: Path, count: int = 4000, seed: int = 5) -> Path:
    rng = np.random.default_rng(seed)
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(25, 25, 25)) as store:
        positions = rng.uniform(0, 100, (count, 3)).astype("f4")
        store.write(zvview.Points(positions, attributes={"value": rng.normal(size=count).astype("f4")}))
    build_pyramid(place, PyramidOptions(target=100))
    return place


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return make(tmp_path / "points.zarrvectors")


def unpack(out: Path, folder: Path) -> Path:
    """A folder with what a zip holds, to be read as other exports are."""
    with zipfile.ZipFile(out) as archive:
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
        archive.extractall(folder)
    for path in list((folder / WITHIN).iterdir()):
        path.rename(folder / path.name)
    (folder / WITHIN).rmdir()
    return folder


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", NAMES)
def test_an_export_is_what_the_live_server_answers(tmp_path: Path, name: str, form: Any) -> None:
    out = tmp_path / ("out.zip" if form == "zip" else "out")
    with zvview.open(GOLDEN / name) as store:
        assert isinstance(store, zvview.Store)
        try:
            sources = open_sources(store)
        except UnsupportedError:
            with pytest.raises(UnsupportedError):
                export(GOLDEN / name, out, format=form)
            assert not out.exists()
            return
        export(GOLDEN / name, out, format=form)
        folder = unpack(out, tmp_path / "unpacked") if form == "zip" else out
        answers = Answers(sources, "v")
        for source_name, source in sources.items():
            shown = json.loads((folder / source_name / "info").read_bytes())
            assert without_shards(shown) == json.loads(answers.answer(f"{source_name}/info").body)
            for section in source.sections:
                keys = np.unique(np.concatenate([np.empty(0, np.uint64), *source.keys(section)]))
                for key in keys[:: -(-len(keys) // MOST_KEYS) or 1].tolist():
                    block = source.read(section, np.array([key], np.uint64))
                    head, body = content(folder / source_name, section, key)
                    live = block.content(0) if len(block) else (None, None)
                    assert body == live[1]
                    assert head in (None, b"", live[0])
                    if form == "directory" and section.grid_shape is not None and len(block):
                        cell = source.cell(section, key) if hasattr(source, "cell") else None
                        if cell is not None:
                            path = "_".join(map(str, [*cell.tolist(), *[0] * (len(section.grid_shape) - len(cell))]))
                            assert answers.answer(f"{source_name}/{section.key}/{path}").body == body
        state = json.loads((folder / "state.json").read_bytes())
        assert state["layers"]


def without_shards(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: without_shards(value) for key, value in document.items() if key != "sharding"}
    return [without_shards(item) for item in document] if isinstance(document, list) else document


@pytest.mark.parametrize("form", FORMATS)
def test_a_second_run_with_nothing_changed_writes_nothing(tmp_path: Path, place: Path, form: Any) -> None:
    out = tmp_path / ("out.zip" if form == "zip" else "out")
    first = export(place, out, format=form)
    before = {p: p.stat().st_mtime_ns for p in [out, *out.rglob("*")]}
    again = export(place, out, format=form)
    assert {p: p.stat().st_mtime_ns for p in [out, *out.rglob("*")]} == before
    assert first.written == first.files == again.files and (again.written, again.removed) == (0, 0)
    assert (first.nbytes, first.notes) == (again.nbytes, again.notes)
    assert {p.name for p in tmp_path.iterdir()} == {"points.zarrvectors", out.name}  # nothing is left beside it


def test_what_is_in_memory_is_compared_by_its_bytes(tmp_path: Path, place: Path) -> None:
    held_in_memory = {p.relative_to(place).as_posix(): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    first = export(held_in_memory, tmp_path / "out")
    before = snapshot(tmp_path / "out")
    assert export(held_in_memory, tmp_path / "out").written == 0
    assert snapshot(tmp_path / "out") == before and first.written == len(before)


@pytest.mark.parametrize("form", ["directory", "sharded"])
def test_after_an_edit_only_what_changed_is_written(tmp_path: Path, form: Any) -> None:
    place = make(tmp_path / "points.zarrvectors", 20_000)
    out = tmp_path / "out"
    export(place, out, format=form)
    before = snapshot(out)
    with zvview.open(place) as store, store.edit() as edit:  # type: ignore[union-attr]
        found = edit.find(box=((2, 2, 2), (20, 20, 20)))
        edit.set_attributes(found.take(np.arange(5)), {"value": 9.0})
    done = export(place, out, format=form)
    after = snapshot(out)
    changed = {name for name in after if after[name][0] != before.get(name, (0, b""))[0]}
    assert done.written == len(changed)
    assert {name for name in changed if after[name][1] == before[name][1]} == set()
    cells = {name for name in changed if "spatial" in name}
    if form == "directory":
        with zvview.open(place) as store:
            spatial = [s for s in open_sources(store)["points"].sections if s.grid_shape is not None]  # type: ignore[arg-type]
        assert cells <= {f"points/{section.key}/0_0_0" for section in spatial}
    assert 0 < len(cells) < len([name for name in after if "spatial" in name])
    assert contents_of(out) == fresh(place, tmp_path, form)


@pytest.mark.parametrize("form", ["directory", "sharded"])
def test_what_was_not_touched_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Any) -> None:
    place = make(tmp_path / "points.zarrvectors", 20_000)
    out = tmp_path / "out"
    read: list[str] = []
    monkeypatch.setattr(
        "zvview.neuroglancer.exporting.workers.write_unit",
        lambda folder, source, unit, known: (read.append(unit.name), write_unit(folder, source, unit, known))[1],
    )
    export(place, out, format=form)
    every, rng = len(read), np.random.default_rng(3)
    for step in range(4):
        read.clear()
        with zvview.open(place) as store, store.edit() as edit:  # type: ignore[union-attr]
            corner = rng.uniform(0, 80, 3)
            found = edit.find(box=(corner, corner + 12))
            if step % 2:
                edit.delete(found.take(np.arange(3)))
            else:
                edit.move(found.take(np.arange(3)), found.positions[:3] + 0.25)
        export(place, out, format=form)
        assert 0 < len(read) < every or form == "sharded"
        assert contents_of(out) == fresh(place, tmp_path / str(step), form)
    read.clear()
    os.utime(place / "zarr.json")
    assert export(place, out, format=form).written == 0
    assert read == []  # the chunks are what they were


def test_objects_may_change_without_their_points(tmp_path: Path) -> None:
    place = tmp_path / "points.zarrvectors"
    rng = np.random.default_rng(0)
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(25, 25, 25)) as store:
        positions = rng.uniform(0, 100, (500, 3)).astype("f4")
        store.write(zvview.Points(positions, object_ids=rng.integers(0, 9, 500)))
    build_pyramid(place, PyramidOptions(target=50))
    export(place, tmp_path / "out")
    with zvview.open(place) as store, store.edit() as edit:  # type: ignore[union-attr]
        edit.delete_objects([4])
    export(place, tmp_path / "out")
    assert contents_of(tmp_path / "out") == fresh(place, tmp_path, "directory")


@pytest.mark.parametrize("form", ["directory", "sharded"])
def test_levels_made_anew_change_what_the_finest_cells_hold(tmp_path: Path, form: Any) -> None:
    """No file of the finest level is another one, but what its coarser ones lack is."""
    place = make(tmp_path / "points.zarrvectors", 6000)
    export(place, tmp_path / "out", format=form)
    build_pyramid(place, PyramidOptions(target=100, seed=1))
    done = export(place, tmp_path / "out", format=form)
    assert done.written > 0
    assert contents_of(tmp_path / "out") == fresh(place, tmp_path, form)


@pytest.mark.parametrize("form", ["directory", "sharded"])
def test_nothing_is_left_of_sources_that_the_next_store_has_not(tmp_path: Path, place: Path, form: Any) -> None:
    lines = tmp_path / "lines.zarrvectors"
    make_store(lines, "streamline", size=300, n_objects=3, chunk_shape=(400, 400, 400)).close()
    export(lines, tmp_path / "out", format=form)
    export(place, tmp_path / "out", format=form)
    assert contents_of(tmp_path / "out") == fresh(place, tmp_path, form)
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {"points", ".zvview-export"}


def fresh(place: Path, folder: Path, form: Any) -> dict[str, bytes]:
    """An export to a new place, of the same name."""
    out = folder / "fresh" / "out"
    out.parent.mkdir(parents=True)
    export(place, out, format=form)
    return contents_of(out)


def test_another_store_of_another_form_takes_the_place_of_the_first(tmp_path: Path, place: Path) -> None:
    out = tmp_path / "out"
    export(place, out, format="directory")
    other = make(tmp_path / "other.zarrvectors", 700, seed=6)
    (out / "README.md").write_text("of the user")
    (out / "points" / "spatial0" / "notes.txt").write_text("of the user")
    done = export(other, out, format="sharded")
    assert done.removed > 0
    left = contents_of(out)
    assert left.pop("README.md") == left.pop("points/spatial0/notes.txt") == b"of the user"
    assert left == fresh(other, tmp_path, "sharded")


def test_what_was_lost_or_damaged_is_written_again(tmp_path: Path, place: Path) -> None:
    out = tmp_path / "out"
    export(place, out, format="sharded")
    expected = contents_of(out)
    (out / "points" / "info").unlink()
    shard = out / "points" / "by_id" / "0.shard"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    assert export(place, out, format="sharded").written == 2
    assert contents_of(out) == expected


class Death(BaseException):
    """What a process that is killed does not catch, more or less."""


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_that_ends_at_any_step_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Any
) -> None:
    place = make(tmp_path / "points.zarrvectors", 1500)
    name = "out.zip" if form == "zip" else "out"
    whole = tmp_path / "whole" / name
    whole.parent.mkdir()
    export(place, whole, format=form)
    expected = {"zip": whole.read_bytes()} if form == "zip" else contents_of(whole)
    steps = Deaths(monkeypatch)
    before = 0
    for death in range(0, 400, 4):
        out = tmp_path / f"at{death}" / name
        out.parent.mkdir()
        steps.arm(death)
        try:
            export(place, out, format=form)
        except Death:
            pass
        else:
            break
        finally:
            steps.arm(None)
        if form == "zip":
            assert not out.exists()
        elif out.exists():
            left = contents_of(out)
            assert {key: expected[key] for key in left} == left  # nothing half under its own name
            assert len(left) >= before  # and what was done counts
            before = len(left)
        done = export(place, out, format=form)
        assert ({"zip": out.read_bytes()} if form == "zip" else contents_of(out)) == expected
        assert form == "zip" or done.written >= len(expected) - before - 1
        assert export(place, out, format=form).written == 0
    else:
        pytest.fail("there are more steps than were tried")
    assert death > 10


@pytest.mark.parametrize("form", ["directory", "sharded"])
def test_what_a_broken_off_run_has_done_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Any
) -> None:
    place = make(tmp_path / "points.zarrvectors", 20_000)
    read: list[str] = []

    def write(folder: Any, source: Any, unit: Any, known: Any) -> Any:
        read.append(unit.name)
        return write_unit(folder, source, unit, known)

    monkeypatch.setattr("zvview.neuroglancer.exporting.workers.write_unit", write)
    export(place, tmp_path / "whole", format=form)
    every = sorted(read)
    read.clear()
    token = CancelToken()

    def stop(*_: Any) -> None:
        if len(read) == 3:
            token.cancel()

    with pytest.raises(Cancelled):
        export(place, tmp_path / "out", format=form, cancel=token, progress=stop)
    done = len(read)
    export(place, tmp_path / "out", format=form)
    assert 0 < done < len(every) and sorted(read) == every


def test_what_was_left_out_is_told_also_by_a_run_that_goes_on(tmp_path: Path) -> None:
    place = make(tmp_path / "points.zarrvectors", 20_000)
    cell = max(path for path in (place / "0" / "vertices" / "c").rglob("*") if path.is_file())
    cell.write_bytes(cell.read_bytes()[:-3])
    expected = export(place, tmp_path / "whole" / "out").notes
    assert any("0/vertices" in note for note in expected)

    def die_at_the_end(done: int, total: int, _: str) -> None:
        if done == total:
            raise Death

    with pytest.raises(Death):
        export(place, tmp_path / "out", progress=die_at_the_end)
    assert not (tmp_path / "out" / "points" / "info").exists()
    assert export(place, tmp_path / "out").notes == expected
    assert export(place, tmp_path / "both" / "out", workers=2).notes == expected


@pytest.mark.parametrize("kind", ["streamline", "mesh", "graph"])
def test_a_zip_is_the_same_wherever_a_run_before_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    place = tmp_path / "s.zarrvectors"
    make_store(place, kind, size=300, n_objects=3, chunk_shape=(400, 400, 400)).close()
    (tmp_path / "whole").mkdir()
    export(place, tmp_path / "whole" / "out.zip", format="zip")
    steps = Deaths(monkeypatch)
    for death in range(1, 8):
        out = tmp_path / str(death) / "out.zip"
        out.parent.mkdir()
        steps.arm(death)
        with pytest.raises(Death):
            export(place, out, format="zip", workers=2 * (death % 2))
        steps.arm(None)
        export(place, out, format="zip")
        assert out.read_bytes() == (tmp_path / "whole" / "out.zip").read_bytes()


class Deaths:
    """Ends a run when it is about to rename a file for the n-th time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        self.replace: Callable[..., None] = os.replace
        monkeypatch.setattr(os, "replace", self._replace)

    def arm(self, steps: int | None) -> None:
        self.left = steps

    def _replace(self, source: Any, target: Any) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Death
        self.replace(source, target)


KILLED = """
import os, signal, sys
from zvview.neuroglancer.exporting.exporting import export
replace, left = os.replace, [int(sys.argv[3])]
def dying(source, target):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = dying
export(sys.argv[1], sys.argv[2])
"""


def test_a_process_that_is_killed_leaves_nothing_half(tmp_path: Path, place: Path) -> None:
    out = tmp_path / "out"
    for steps in (9, 14):
        done = subprocess.run([sys.executable, "-c", KILLED, str(place), str(out), str(steps)], check=False)
        assert done.returncode == -signal.SIGKILL
    left = contents_of(out)
    done_before = len(left)
    assert done_before > 10 and "points/info" not in left
    result = export(place, out)
    assert result.written == result.files - done_before
    expected = fresh(place, tmp_path, "directory")
    assert contents_of(out) == expected and left == {name: expected[name] for name in left}
    assert list((out / ".zvview-export").iterdir()) == [out / ".zvview-export" / "export.json"]


@pytest.mark.parametrize("workers", [2, 3])
def test_threads_and_processes_write_the_same_bytes(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr("zvview.neuroglancer.exporting.runs._FEW", 0)
    for form in ("directory", "sharded"):
        out = tmp_path / form / "out"
        export(place, out, format=form, workers=workers)  # type: ignore[arg-type]
        (tmp_path / "fresh").exists() and (tmp_path / "fresh").rename(tmp_path / f"fresh_{form}")
        assert contents_of(out) == fresh(place, tmp_path, form)


@pytest.mark.parametrize("kind", ["mesh", "skeleton", "streamline"])
def test_objects_have_the_same_bytes_whoever_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("zvview.neuroglancer.exporting.planning._UNIT_FILES", 8)
    monkeypatch.setattr("zvview.neuroglancer.exporting.planning._MESH_BYTES", 1 << 13)
    monkeypatch.setattr("zvview.neuroglancer.exporting.planning._SHARD_BYTES", 1 << 15)
    monkeypatch.setattr("zvview.neuroglancer.exporting.runs._FEW", 0)
    place = tmp_path / "s.zarrvectors"
    make_store(place, kind, size=4000, n_objects=40, seed=3).close()
    for form in ("directory", "sharded"):
        found = []
        for workers in (1, 2, 3):
            out = tmp_path / f"{form}{workers}" / "out"
            export(place, out, format=form, workers=workers)  # type: ignore[arg-type]
            found.append(contents_of(out))
        assert found[0] == found[1] == found[2]
        assert len([name for name in found[0] if name.startswith(("meshes/", "skeletons/"))]) > 3


def test_few_contents_that_are_much_work_are_given_to_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    perform = runs.perform_all

    def noted(*args: Any, workers: int, **other: Any) -> Any:
        used.append(workers)
        return perform(*args, workers=1, **other)

    monkeypatch.setattr(runs, "perform_all", noted)
    for kind, size in (("mesh", 60_000), ("point_cloud", 3000)):
        make_store(tmp_path / f"{kind}.zarrvectors", kind, size=size, n_objects=30, seed=3).close()
        export(tmp_path / f"{kind}.zarrvectors", tmp_path / kind, format="sharded", workers=4)
    assert used == [4, 2]


def test_sections_are_planned_by_two_threads(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    met = threading.Barrier(2, timeout=60)
    plan = runs.plan_section
    first = iter([True, True])

    def together(*args: Any, **options: Any) -> Any:
        if next(first, False):
            met.wait()
        return plan(*args, **options)

    monkeypatch.setattr(runs, "plan_section", together)
    export(place, tmp_path / "both" / "out", format="sharded", workers=2)
    monkeypatch.undo()
    assert contents_of(tmp_path / "both" / "out") == fresh(place, tmp_path, "sharded")


ORPHANING = """
import os, signal, sys
from zvview.neuroglancer.exporting import runs
from zvview.neuroglancer.exporting.exporting import export
if __name__ == "__main__":
    runs._FEW = 0
    die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    export(sys.argv[1], sys.argv[2], workers=3, progress=die)
"""


def test_processes_end_with_the_one_that_started_them(tmp_path: Path, place: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(ORPHANING)
    command = [sys.executable, str(script), str(place), str(tmp_path / "out")]
    # what it and its processes print ends when the last of them has
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, timeout=100)
    assert done.returncode == -signal.SIGKILL
    export(place, tmp_path / "out")
    assert contents_of(tmp_path / "out") == fresh(place, tmp_path, "directory")


def test_a_collection_has_a_folder_for_each_member(tmp_path: Path, place: Path) -> None:
    together = tmp_path / "both.zarr"
    with zvview.create_collection(together) as new:
        for name in ("cells", "CELLS", "con"):
            batch = zvview.open(place).level(0).read()  # type: ignore[union-attr]
            new.create(name, kind="point_cloud", axes="xyz").write(zvview.Points(batch.positions[:50]))
    out = tmp_path / "out"
    done = export(together, out, url="https://example.org/data/")
    assert {p.name for p in out.iterdir()} == {"cells", "CELLS_2", "con_", "index.html", "state.json", ".zvview-export"}
    state = json.loads((out / "state.json").read_bytes())
    urls = [layer["source"]["url"] for layer in state["layers"]]
    assert urls[0] == "https://example.org/data/cells/points/|neuroglancer-precomputed:" and len(set(urls)) == 3
    assert done.files == len(contents_of(out))


def test_a_zip_names_its_sources_within(tmp_path: Path, place: Path) -> None:
    export(place, tmp_path / "out.zip", format="zip", url="https://example.org/out.zip")
    folder = unpack(tmp_path / "out.zip", tmp_path / "unpacked")
    (layer,) = json.loads((folder / "state.json").read_bytes())["layers"]
    assert layer["source"]["url"] == "https://example.org/out.zip|zip:sources/points/|neuroglancer-precomputed:"


@pytest.mark.parametrize("form", ["directory", "zip"])
def test_what_is_no_export_is_not_touched(tmp_path: Path, place: Path, form: Any) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file.zip"
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("thesis.tex", "mine")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    for out in (folder, file):
        with pytest.raises(ExistsError):
            export(place, out, format=form)
    for out in (place, place / "inside", place / "0" / "vertices", tmp_path / "points.zarrvectors" / ".." / place.name):
        with pytest.raises(InvalidInputError, match="lies in the store"):
            export(place, out, format=form)
    with pytest.raises(ExistsError):
        export(place, tmp_path, format=form)  # the folder that the store lies in
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_link_to_the_store_is_the_store(tmp_path: Path, place: Path) -> None:
    (tmp_path / "link").symlink_to(place, target_is_directory=True)
    with pytest.raises(InvalidInputError, match="lies in the store"):
        export(place, tmp_path / "link" / "out")


def test_it_can_be_cancelled_and_gone_on_with(tmp_path: Path, place: Path) -> None:
    token = CancelToken()
    told: list[tuple[int, int, str]] = []

    def stop(*progress: Any) -> None:
        told.append(progress)
        token.cancel()

    with pytest.raises(Cancelled):
        export(place, tmp_path / "out", cancel=token, progress=stop)
    assert not (tmp_path / "out" / "points" / "info").exists()
    export(place, tmp_path / "out", progress=lambda *progress: told.append(progress))
    assert told[-1][0] == told[-1][1] and told[-1][2] == "points"
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)
    assert contents_of(tmp_path / "out") == fresh(place, tmp_path, "directory")


@pytest.mark.parametrize("workers", [0, 2])
def test_two_threads_share_the_work_also_of_a_store_that_is_open(tmp_path: Path, place: Path, workers: int) -> None:
    with zvview.open(place) as store, pytest.MonkeyPatch.context() as patch:
        threads: set[int] = set()
        both = threading.Barrier(2)

        def written(*asked: Any) -> Any:
            if workers and threading.get_ident() not in threads:
                both.wait(20)  # neither goes on before the other has begun
            threads.add(threading.get_ident())
            return write_unit(*asked)

        patch.setattr("zvview.neuroglancer.exporting.workers.write_unit", written)
        export(store, tmp_path / "out", workers=workers)
    assert len(threads) == max(workers, 1)
    assert contents_of(tmp_path / "out") == fresh(place, tmp_path, "directory")


def test_threads_can_be_cancelled(tmp_path: Path, place: Path) -> None:
    token = CancelToken()
    with pytest.raises(Cancelled):
        export(place, tmp_path / "out", workers=2, cancel=token, progress=lambda *_: token.cancel())
    assert not (tmp_path / "out" / "points" / "info").exists()
    export(place, tmp_path / "out", workers=2)
    assert contents_of(tmp_path / "out") == fresh(place, tmp_path, "directory")


def test_two_exports_to_one_place_do_not_meet(tmp_path: Path, place: Path) -> None:
    with held(Target(str(tmp_path / "out"), False)), pytest.raises(ConflictError, match="another process"):
        export(place, tmp_path / "out")
    assert export(place, tmp_path / "out").written > 0


def test_a_store_that_changes_meanwhile_is_exported_as_it_is_in_the_end(tmp_path: Path, place: Path) -> None:
    edits = []

    def change(*_: Any) -> None:
        if not edits:
            with zvview.open(place) as store, store.edit() as edit:  # type: ignore[union-attr]
                edits.append(edit.delete(edit.find(box=((0, 0, 0), (30, 30, 30)))))

    export(place, tmp_path / "out", progress=change)
    assert edits and contents_of(tmp_path / "out") == fresh(place, tmp_path, "directory")


@pytest.mark.parametrize("wrong", [{"format": "tar"}, {"workers": -1}, {"workers": 1.5}])
def test_what_cannot_be_is_refused(tmp_path: Path, place: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        export(place, tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


def test_skeletons_are_compressed_and_tensorstore_reads_them(tmp_path: Path) -> None:
    import tensorstore as ts

    make_store(tmp_path / "s.zarrvectors", "skeleton", size=9000, n_objects=90, seed=1).close()
    export(tmp_path / "s.zarrvectors", tmp_path / "out", format="sharded")
    folder = tmp_path / "out" / "skeletons"
    spec = json.loads((folder / "info").read_bytes())["sharding"]
    assert spec["data_encoding"] == "gzip"
    there = ts.KvStore.open(
        {"driver": "neuroglancer_uint64_sharded", "metadata": spec, "base": f"file://{folder}/"}
    ).result()
    with zvview.open(tmp_path / "s.zarrvectors") as store:
        source = open_sources(store)["skeletons"]  # type: ignore[arg-type]
        blocks = [source.read(source.sections[0], keys) for keys in source.keys(source.sections[0])]
    held = {int(key): block.content(row)[1] for block in blocks for row, key in enumerate(block.keys)}
    assert len(held) == 90
    for key, body in held.items():
        assert there.read(key.to_bytes(8, "big")).result().value == body
    assert sum(path.stat().st_size for path in folder.glob("*.shard")) < 0.75 * sum(map(len, held.values()))
