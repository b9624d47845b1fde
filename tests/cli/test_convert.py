"""``zvview convert``: what its words mean, what it says, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import zvview
from zvview.cli.app import app
from zvview.cli.inputs import parse_inputs, parse_selection
from zvview.cli.output import count_text
from zvview.errors import InvalidInputError
from zvview.testing import make_store


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["convert", *(str(a) for a in arguments)])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "points.csv").write_text("x,y,z,cell\n" + "".join(f"{i},{2 * i},{3 * i},{i % 4}\n" for i in range(40)))
    return tmp_path / "points.csv"


def test_a_file_to_a_store_and_back(table: Path, tmp_path: Path) -> None:
    result = run(table, tmp_path / "store", "--unit", "micrometer", "--scale", "2", "--column", "object_id=cell")
    assert result.exit_code == 0 and result.stderr == ""
    assert "point_cloud, 40 vertices, 4 objects" in result.stdout
    store: Any = zvview.open(tmp_path / "store")
    assert {a.unit for a in store.axes} == {"micrometer"} and store.level(0).read().positions.max() == 234
    result = run(tmp_path / "store", tmp_path / "a.csv", "--objects", "1,3", "--box=0,0,0,20,1000,1000", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["written"][0]["format"] == "csv"
    rows = sorted((tmp_path / "a.csv").read_text().splitlines()[1:])
    assert rows == ["10,20,30,1", "14,28,42,3", "18,36,54,1", "2,4,6,1", "6,12,18,3"]


def test_groups_levels_and_options_of_stores(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", "streamline", size=900)
    groups: Any = store.groups
    name = groups.names[0]
    command = ("--groups", name, "--chunk-shape", "50,50,50", "--codec", "zstd", "--name", "part", "--level", "0")
    assert run(tmp_path / "store", tmp_path / "part", *command).exit_code == 0
    part: Any = zvview.open(tmp_path / "part")
    assert part.level(0).chunk_shape.tolist() == [50, 50, 50]
    assert np.array_equal(part.groups.members[0], groups.members[0])


def test_several_inputs_with_names_and_a_statement_for_each(table: Path, tmp_path: Path) -> None:
    make_store(tmp_path / "mesh", "mesh", size=200)
    inputs = (f"a={table}", tmp_path / "mesh", f"b={table}")
    stated = ("--unit", "a:micrometer", "--unit", "b:micrometer", "--scale", "b:10", "--drop", "a:cell")
    result = run(*inputs, tmp_path / "all", *stated, "--column", "b:object_id=cell")
    assert result.exit_code == 0 and "a collection of 3 stores" in result.stdout
    both: Any = zvview.open(tmp_path / "all")
    assert sorted(both) == ["a", "b", "mesh"]
    assert both["b"].level(0).read().positions.max() == 1170 and both["a"].level(0).object_ids is None
    assert list(both["a"].attributes) == [] and len(both["b"].level(0).object_ids) == 4


def test_what_was_left_out_is_listed_and_told_by_the_exit_code(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(30):
        (folder / f"{i:03}.csv").write_text("x,y\n1,2\n" if i < 5 else "x,y\n1\n")
    result = run(folder, tmp_path / "store")
    assert result.exit_code == 1
    assert "25 left out" in result.stdout and "line 2" in result.stdout and "and 5 more" in result.stdout
    document = json.loads(run(folder, tmp_path / "store", "--mode", "w", "--json").stdout)
    assert len(document["written"][0]["skipped"]) == 25


@pytest.mark.parametrize(
    "words",
    [
        ("points.csv",),
        ("nothing.csv", "out"),
        ("points.csv", "out", "--box", "1,2,3"),
        ("points.csv", "out", "--scale", "two"),
        ("points.csv", "out", "--objects", "a"),
        ("points.csv", "out", "--column", "object_id"),
        ("points.csv", "out", "--affine", "1,2,3"),
        ("points.csv", "out", "--to", "xyz"),
        ("points.csv", "out", "--format", "trx"),
        ("points.csv", "out", "--unit", "a", "--unit", "b"),
        ("points.csv", "points.csv"),
        (".", "points.zv"),
    ],
)
def test_errors_are_one_plain_line(words: tuple[str, ...], table: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*words)
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["points.csv"]


def test_the_words_of_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd=name.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    np.savetxt(tmp_path / "map.txt", np.eye(4))
    single = {"scale": ["2", "odd=name:1,2,3"], "affine": ["b:map.txt"], "axes": ["x, y"], "format": ["csv"]}
    odd, b = parse_inputs(["odd=name.csv", "b.csv"], single=single, columns=["b:x=y"], drop=["w"])
    assert (odd.given_name, b.given_name) == ("odd=name", "b")
    assert odd.scale == [1, 2, 3] and b.scale == [2] and odd.affine is None and np.shape(b.affine) == (4, 4)
    assert odd.columns == {} and b.columns == {"x": "y"} and odd.drop == b.drop == ("w",)
    assert odd.axes == ["x", "y"] and odd.format == "csv"
    assert np.shape(parse_inputs(["b.csv"], single={"affine": ["1,0,0,5,0,1,0,6,0,0,1,7"]})[0].affine) == (3, 4)
    selection = parse_selection(2, "0,1,2,3", ["1,2", "3"], [])
    assert selection.box == ([0, 1], [2, 3]) and selection.objects == [1, 2, 3] and selection.groups is None
    with pytest.raises(InvalidInputError, match="twice"):
        parse_inputs(["b.csv"], single={}, columns=["x=a", "x=b"])


def test_coarser_levels_are_built_unless_they_are_not_wanted(tmp_path: Path) -> None:
    positions = np.random.default_rng(0).uniform(0, 1000, (80_000, 3)).astype("f4")
    zvview.create(tmp_path / "flat", kind="point_cloud").write(zvview.Points(positions))
    assert run(tmp_path / "flat", tmp_path / "deep").exit_code == 0
    assert run(tmp_path / "flat", tmp_path / "again", "--no-pyramid").exit_code == 0
    levels = [zvview.open(tmp_path / name).levels for name in ("deep", "again")]  # type: ignore[union-attr]
    assert len(levels[0]) > 1 and levels[1] == (0,)
    result = run(f"a={tmp_path / 'flat'}", f"b={tmp_path / 'again'}", tmp_path / "both.zip")
    assert result.exit_code == 0 and result.stderr.count("no pyramid in") == 2


def test_one_thing_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y,object_id\n1,2,5\n")
    result = run(tmp_path / "a.csv", tmp_path / "store", "--memory", "1")
    assert result.exit_code == 0 and "point_cloud, 1 vertex, 1 object, from" in result.stdout
    assert [count_text(n, "object") for n in (0, 1, 2, 1000)] == ["0 objects", "1 object", "2 objects", "1,000 objects"]
    assert [count_text(n, "vertex", "vertices") for n in (1, 2)] == ["1 vertex", "2 vertices"]
