"""``zvview export``: what it writes, what it says, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

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
