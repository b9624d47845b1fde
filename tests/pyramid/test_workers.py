from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.cancel import CancelToken
from zvview.errors import Cancelled, InvalidInputError, ZvviewError
from zvview.pyramid.design import LevelDesign
from zvview.pyramid.kind import TaskContext
from zvview.pyramid.scratch import Scratch
from zvview.pyramid.stage import Stage
from zvview.pyramid.workers import Setting, Workers
from zvview.store.hierarchy import parse_document
from zvview.store.index_view import read_index
from zvview.store.places.folder import FolderSource
from zvview.store.writing.partition import Tiling


def count(context: TaskContext, part: Any) -> tuple[int, int]:
    """Vertices of a chunk, and who counted them."""
    return len(context.fine.read_chunks(part)), os.getpid()


def die_once(context: TaskContext, part: int) -> int:
    """Killed half-way on the first attempt at the second part."""
    if part == 1 and not context.scratch.has("died"):
        context.scratch.save("died", True)
        os.kill(os.getpid(), signal.SIGKILL)
    context.scratch.save(f"done-{part}-{os.getpid()}", part)
    return 10 * part


def die_always(context: TaskContext, part: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(context: TaskContext, part: int) -> None:
    raise InvalidInputError(f"part {part} of level {context.fine.number} is bad")


def note(context: TaskContext, part: int) -> int:
    context.scratch.save(f"note-{part}-{len(os.listdir(context.scratch.folder))}", part)
    return part


def tell_level(context: TaskContext, part: int) -> int:
    return context.design.level


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    rng = np.random.default_rng(3)
    place = tmp_path / "store"
    store = zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(50,) * 3)
    store.write(zvview.Points(rng.random((500, 3), np.float32) * 100))
    source = FolderSource(str(place))
    (root,) = source.get_many([("zarr.json", None)])
    index = read_index(source)
    assert root is not None
    assert index is not None
    scratch = Scratch(str(tmp_path / "scratch"))
    design = LevelDesign(1, (100.0,) * 3, (25.0,) * 3, "none")
    stage = Stage(FolderSource(str(place)), parse_document(root, ""), index)
    scratch.save("setting", Setting(stage, 0, design, Tiling("point_cloud", (100.0,) * 3)))
    return scratch


@pytest.fixture(params=[0, 2])
def workers(request: pytest.FixtureRequest, scratch: Scratch) -> Iterator[Workers]:
    with Workers(scratch, request.param) as pool:
        yield pool


def chunks() -> list[Any]:
    return [np.array([[x, y, z]]) for x in range(2) for y in range(2) for z in range(2)]


def test_results_come_in_the_order_of_the_parts(workers: Workers) -> None:
    seen = []
    results = workers.run_all("setting", count, chunks(), lambda *step: seen.append(step))
    assert sum(n for n, _ in results) == 500
    assert seen == [(i, 8) for i in range(1, 9)]


@pytest.mark.parametrize("processes", [0, 2])
def test_a_build_after_one_that_broke_off_reads_its_own_stage(scratch: Scratch, processes: int) -> None:
    """The folder of scratch and the names in it are the same then; what they stand for is not."""
    setting = scratch.load("setting")
    for number in (1, 2):
        scratch.save("setting", replace(setting, design=replace(setting.design, level=number)))
        with Workers(scratch, processes) as pool:
            assert pool.run_all("setting", tell_level, [number, -number]) == [number, number]


def test_other_processes_do_the_work(scratch: Scratch) -> None:
    with Workers(scratch, 2) as pool:
        assert os.getpid() not in {who for _, who in pool.run_all("setting", count, chunks())}


def test_what_is_done_is_not_done_again(scratch: Scratch) -> None:
    with Workers(scratch) as pool:
        first = pool.run_all("setting", note, [1, 2])
        before = sorted(os.listdir(scratch.folder))
        assert pool.run_all("setting", note, [1, 2]) == first == [1, 2]
        assert sorted(os.listdir(scratch.folder)) == before
        assert pool.run_all("setting", note, [2, 3]) == [2, 3]


def test_a_killed_worker_costs_its_task_only(scratch: Scratch) -> None:
    with Workers(scratch, 2) as pool:
        assert pool.run_all("setting", die_once, range(6)) == [0, 10, 20, 30, 40, 50]
    done = [name for name in os.listdir(scratch.folder) if name.startswith("done-")]
    assert scratch.has("died")
    assert {int(name.split("-")[1]) for name in done} == set(range(6))


def test_workers_that_always_die_are_reported(scratch: Scratch) -> None:
    with Workers(scratch, 2) as pool, pytest.raises(ZvviewError, match=r"ended 3 times in a row.*die_always"):
        pool.run_all("setting", die_always, range(2))


def test_errors_of_tasks_come_through(workers: Workers) -> None:
    with pytest.raises(InvalidInputError, match="part 7 of level 0 is bad"):
        workers.run_all("setting", fail, [7])


@pytest.mark.parametrize("processes", [0, 2])
def test_cancelling_ends_between_tasks(scratch: Scratch, processes: int) -> None:
    token = CancelToken()
    token.cancel()
    with Workers(scratch, processes, token) as pool, pytest.raises(Cancelled):
        pool.run_all("setting", count, chunks())


@pytest.mark.parametrize("processes", [-1, 1.5, True, "2"])
def test_numbers_of_processes_that_cannot_be(scratch: Scratch, processes: Any) -> None:
    with pytest.raises(InvalidInputError, match="workers"):
        Workers(scratch, processes)
