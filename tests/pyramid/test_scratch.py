from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from zvview.errors import UnreachableError
from zvview.pyramid.scratch import Scratch
from zvview.store.writing.runs import LinkRun, Run


def make_run(n: int) -> Run:
    links = LinkRun(
        np.zeros((1, 1, 3), np.int64),
        np.array([0, 1]),
        np.zeros((1, 3), np.int64),
        np.array([0, n]),
        np.zeros(1, np.int64),
        np.arange(3 * n).reshape(n, 3),
        {"w": np.arange(n, dtype=np.float32)},
    )
    positions = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    chunks = np.zeros((1, 3), np.int64)
    ends = np.array([0, n])
    return Run(chunks, ends, ends, np.array([n]), positions, {"v": np.arange(n)}, links=links)


@pytest.mark.parametrize("n", [0, 3, 20_000])
def test_a_run_comes_back_as_it_was_saved(tmp_path: Path, n: int) -> None:
    scratch = Scratch(str(tmp_path / "s"))
    run = make_run(n)
    assert scratch.save("a", run) == "a"
    back = scratch.load("a")
    assert type(back) is Run
    assert back.links is not None
    np.testing.assert_array_equal(back.positions, run.positions)
    np.testing.assert_array_equal(back.columns["v"], run.columns["v"])
    np.testing.assert_array_equal(back.links.records, run.links.records)  # type: ignore[union-attr]
    np.testing.assert_array_equal(back.links.columns["w"], run.links.columns["w"])  # type: ignore[union-attr]
    assert isinstance(back.positions, np.memmap) == (n > 1000)


def test_large_arrays_are_maps_that_cannot_be_written(tmp_path: Path) -> None:
    scratch = Scratch(str(tmp_path))
    scratch.save("a", [np.zeros(1 << 15), {"b": (np.ones(1 << 15), None, "text")}])
    zeros, rest = scratch.load("a")
    assert rest["b"][1:] == (None, "text")
    with pytest.raises(ValueError, match="read-only"):
        zeros[0] = 1


def test_saving_again_replaces_and_dropping_forgets(tmp_path: Path) -> None:
    scratch = Scratch(str(tmp_path))
    assert not scratch.has("a")
    scratch.save("a", np.zeros(1 << 15))
    scratch.save("a", np.ones(1 << 15))
    scratch.save("ab", 1)
    assert scratch.load("a")[0] == 1
    scratch.drop("a")
    assert not scratch.has("a")
    assert scratch.load("ab") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["ab.pickle"]


def test_a_scratch_goes_to_another_process_as_its_folder(tmp_path: Path) -> None:
    scratch = Scratch(str(tmp_path))
    scratch.save("a", 5)
    assert pickle.loads(pickle.dumps(scratch)).load("a") == 5


def test_a_scratch_is_for_this_user_alone(tmp_path: Path) -> None:
    assert (Path(Scratch(str(tmp_path / "s")).folder).stat().st_mode & 0o777) == 0o700


def test_what_cannot_be_written_or_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnreachableError, match="cannot write"):
        Scratch(str(tmp_path / "file" / "s"))
    scratch = Scratch(str(tmp_path / "s"))
    with pytest.raises(UnreachableError, match="cannot read"):
        scratch.load("nothing")
    with pytest.raises(UnreachableError, match="cannot write"):
        scratch.save("no/such/folder", np.zeros(1 << 15))
    assert not scratch.is_full
    with pytest.raises(TypeError):
        scratch.save("a", [np.zeros(1 << 15), (i for i in range(3))])
    assert list((tmp_path / "s").iterdir()) == []


def test_what_there_is_room_for_stays_in_memory(tmp_path: Path) -> None:
    scratch = Scratch(str(tmp_path), most_kept=1 << 21)
    whole = np.arange(1 << 17, dtype=np.float32)
    scratch.save("a", {"own": make_run(20_000), "part": whole[: 1 << 14]})
    assert list(tmp_path.iterdir()) == [] and scratch.has("a")
    back = scratch.load("a")
    np.testing.assert_array_equal(back["own"].positions, make_run(20_000).positions)
    with pytest.raises(ValueError, match="read-only"):
        back["part"][0] = 1
    whole[0] = 7  # another's by now
    assert scratch.load("a")["part"][0] == 0


def test_what_there_is_no_room_for_goes_to_files(tmp_path: Path) -> None:
    scratch, one = Scratch(str(tmp_path), most_kept=3 << 15), np.arange(1 << 13)
    assert one.nbytes == 1 << 16
    scratch.save("a", one)
    assert list(tmp_path.iterdir()) == []
    scratch.save("b", one + 1)
    assert isinstance(scratch.load("b"), np.memmap)
    scratch.save("a", one + 2)  # in the place of what it was, there is room again
    assert not isinstance(scratch.load("a"), np.memmap)
    scratch.drop("a")
    assert not scratch.has("a") and scratch.has("b")
    scratch.save("b", one + 3)  # what others may read is replaced for them too
    assert pickle.loads(pickle.dumps(scratch)).load("b")[0] == scratch.load("b")[0] == 3
