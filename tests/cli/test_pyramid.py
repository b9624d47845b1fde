"""``zvview pyramid``: levels made, planned, wished for and refused, of stores and of collections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import zvview
from zvview.cli.app import app
from zvview.testing import make_batch


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["pyramid", *map(str, arguments)])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    with zvview.create(tmp_path / "store", kind="point_cloud", axes="xyz", chunk_shape=(50,) * 3) as store:
        store.write(zvview.Points(rng.random((30_000, 3), np.float32) * 100))
    return tmp_path / "store"


def test_levels_are_made_and_told(place: Path) -> None:
    result = run(place, "--target", "1000")
    assert result.exit_code == 0
    levels = zvview.open(place).levels
    assert len(levels) > 2
    assert "nested_subset" in result.stdout
    assert f"level {levels[-1]} has" in result.stdout
    assert "few enough (--target 1000)" in result.stdout


def test_a_plan_tells_the_same_and_writes_nothing(place: Path) -> None:
    planned = json.loads(run(place, "--plan", "--target", "1000", "--json").stdout)
    assert zvview.open(place).levels == (0,)
    built = json.loads(run(place, "--target", "1000", "--json").stdout)
    ((name, plan),) = planned.items()
    assert [(row["level"], row["vertices"], row["bin_shape"]) for row in plan] == [
        (row["level"], row["vertices"], row["bin_shape"]) for row in built[name]
    ]


def test_small_stores_are_told_so(place: Path) -> None:
    result = run(place)
    assert result.exit_code == 0
    assert "no coarser level" in result.stdout
    assert "level 0 has 30,000 vertices: few enough" in result.stdout


def test_what_cannot_be_thinned_is_told_so(tmp_path: Path) -> None:
    edges = np.array([(i, j) for i in range(60) for j in range(i)])
    with zvview.create(tmp_path / "g", kind="graph", axes="xyz") as store:
        store.write(zvview.Graph(np.random.default_rng(1).random((60, 3)), edges=edges))
    result = run(tmp_path / "g", "--target", "10")
    assert result.exit_code == 0
    assert "no coarser level" in result.stdout
    assert "cannot be thinned without losing its shape" in result.stdout


def test_wished_shapes(place: Path) -> None:
    assert run(place, "--levels", "1", "--chunk-shape", "100,100,100").exit_code == 0
    assert zvview.open(place).level(1).chunk_shape.tolist() == [100.0] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--chunk-shape", "70,70,70"], "multiples"),
        (["--chunk-shape", "a,b"], "edges joined by commas"),
        (["--method", "magic"], "nested_subset"),
        (["--factor", "1"], "factor"),
    ],
)
def test_wishes_that_cannot_be(place: Path, arguments: list[str], message: str) -> None:
    result = run(place, "--target", "1000", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert zvview.open(place).levels == (0,)


def test_members_of_a_collection_get_their_levels(tmp_path: Path) -> None:
    with zvview.create_collection(tmp_path / "all") as collection:
        for kind in ("point_cloud", "streamline"):
            batch = make_batch(kind, 8000)
            collection.create(kind, kind=kind, axes="xyz").write(batch)
    result = run(tmp_path / "all", "--target", "1000")
    assert result.exit_code == 0, result.stderr
    with zvview.open(tmp_path / "all") as stores:
        assert all(len(stores[name].levels) > 1 for name in ("point_cloud", "streamline"))
    assert zvview.check(tmp_path / "all").ok
