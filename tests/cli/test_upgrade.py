"""``zvview upgrade``: in place, elsewhere, nothing to do, collections, and what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import zvview
from zvview.cli.app import app
from zvview.format.names import WRITTEN_VERSION

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["upgrade", *map(str, arguments)])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with zipfile.ZipFile(GOLDEN / "old07_graph.zip") as archive:
        archive.extractall(tmp_path / "old")
    return tmp_path / "old"


def version_of(place: Path) -> str:
    with zvview.open(place) as store:
        return store.version  # type: ignore[no-any-return]


def test_a_store_is_upgraded_in_its_place_once(old: Path) -> None:
    result = run(old)
    assert result.exit_code == 0
    assert f"format 0.7.0, made anew in format {WRITTEN_VERSION}" in result.stdout
    assert "note:" in result.stdout and "'w'" in result.stdout  # values that 0.7.0 had no place for
    assert version_of(old) == WRITTEN_VERSION
    again = run(old)
    assert again.exit_code == 0
    assert "there is nothing to do" in again.stdout


def test_a_store_is_upgraded_elsewhere(old: Path, tmp_path: Path) -> None:
    result = run(old, tmp_path / "new.zip", "--json")
    assert json.loads(result.stdout)[str(tmp_path / "new.zip")]["from"] == "0.7.0"
    assert (version_of(old), version_of(tmp_path / "new.zip")) == ("0.7.0", WRITTEN_VERSION)
    taken = run(old, tmp_path / "new.zip")
    assert taken.exit_code == 2 and "error:" in taken.stderr
    assert run(old, tmp_path / "new.zip", "--mode", "w").exit_code == 0


def test_the_stores_of_a_collection_are_upgraded_in_their_place(old: Path, tmp_path: Path) -> None:
    with zvview.create_collection(tmp_path / "both") as both:
        for name in ("a", "b"):
            both.create(name, kind="point_cloud").write(zvview.Points([[0, 0, 0]]))
    for path in (tmp_path / "both" / "a").rglob("*"):
        path.unlink() if path.is_file() else None
    with zipfile.ZipFile(GOLDEN / "old07_mesh.zip") as archive:
        archive.extractall(tmp_path / "both" / "a")
    assert run(tmp_path / "both", tmp_path / "new").exit_code == 2
    result = run(tmp_path / "both", "--json")
    assert [told["is_new"] for told in json.loads(result.stdout).values()] == [True, False]
    assert version_of(tmp_path / "both" / "a") == WRITTEN_VERSION


@pytest.mark.parametrize("mode", ["x", ""])
def test_other_modes_are_refused(old: Path, mode: str) -> None:
    assert run(old, "--mode", mode).exit_code == 2
    assert version_of(old) == "0.7.0"
