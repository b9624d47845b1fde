"""``zvview export``: what it writes, what it says, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import zvview
from zvview.cli.app import app
from zvview.testing import make_store


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["export", *(str(a) for a in arguments)])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_store(tmp_path / "points", "point_cloud", size=300).close()
    return tmp_path / "points"


@pytest.mark.parametrize("form", ["directory", "sharded", "zip"])
def test_a_store_is_written_once(place: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "out.zip"
    command = (place, out, "--format", form, "--workers", "0")
    first = run(*command)
    assert first.exit_code == 0 and first.stderr == ""
    assert "out.zip: " in first.stdout and " written" in first.stdout
    again = run(*command)
    assert again.exit_code == 0 and "nothing changed" in again.stdout


def test_one_json_document(place: Path, tmp_path: Path) -> None:
    told = json.loads(run(place, tmp_path / "out", "--json", "--url", "https://example.org/out").stdout)
    assert (told["format"], told["written"], told["removed"]) == ("directory", told["files"], 0)
    state = json.loads((tmp_path / "out" / "state.json").read_bytes())
    assert state["layers"][0]["source"]["url"].startswith("https://example.org/out/points/")


def test_errors_are_one_plain_line(place: Path, tmp_path: Path) -> None:
    for out in (place, place / "inside"):
        result = run(place, out)
        assert result.exit_code == 2 and result.stdout == ""
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert run(tmp_path / "nothing", tmp_path / "out").exit_code == 2
    assert run(place, tmp_path / "out", "--format", "tar").exit_code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["s3://bucket/out", "https://example.org/out"])
def test_an_address_is_no_place_to_write_to(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    found = run(place, out)
    assert found.exit_code == 2 and "is an address, expected a folder or a zip on this machine" in found.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_where_it_is_going_to_be_is_an_address(place: Path, tmp_path: Path) -> None:
    found = run(place, tmp_path / "out", "--url", "example")
    assert found.exit_code == 2 and "such as https://host/path" in found.stderr
    assert not (tmp_path / "out").exists()


def test_what_is_broken_off_says_how_to_go_on(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("zvview.neuroglancer.exporting.exporting.export", interrupt)
        found = run(place, tmp_path / "out")
    assert found.exit_code == 130 and "the same command goes on" in found.stderr and found.stdout == ""
    assert run(place, tmp_path / "out").exit_code == 0


def test_an_empty_store_is_told(tmp_path: Path) -> None:
    with zvview.create(tmp_path / "a", kind="point_cloud", axes="xyz", chunk_shape=(9,) * 3) as store:
        store.write(zvview.Points(np.empty((0, 3), np.float32)))
    found = run(tmp_path / "a", tmp_path / "out")
    assert found.exit_code == 0 and "is empty: there is nothing to see" in found.stdout
