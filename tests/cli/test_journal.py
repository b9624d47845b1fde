from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import zvview
from zvview.cli.app import app
from zvview.testing import make_store


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A store with edits that were left behind: four points deleted."""
    place = str(tmp_path / "a.zarrvectors")
    session = make_store(place, "point_cloud", size=200).edit()
    session.delete(session.find().take(np.arange(4)))
    session.close()
    return place


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["journal", *args])
    return result.exit_code, result.output


def count(place: str) -> int:
    with zvview.open(place) as store:
        return len(store.level(0).read())


def test_edits_are_shown_and_stay(place: str) -> None:
    for args in ((place,), (place, "--show")):
        code, text = run(*args)
        assert code == 0
        assert "4 deleted" in text
        assert "not saved" in text
    code, text = run(place, "--json")
    assert json.loads(text)[place][0]["edits"]["deleted"] == 4
    assert count(place) == 200


def test_edits_are_committed_once(place: str) -> None:
    code, text = run(place, "--commit")
    assert code == 0
    assert "4 deleted" in text
    assert "all edits were kept" in text
    assert count(place) == 196
    assert "no edits" in run(place, "--commit")[1]
    assert count(place) == 196


def test_edits_are_discarded(place: str) -> None:
    assert "thrown away" in run(place, "--discard")[1]
    assert "no edits" in run(place)[1]
    assert count(place) == 200


def test_edits_that_are_not_found_again_are_committed_only_when_asked_for(place: str) -> None:
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        with store.edit() as edit:
            edit.move(edit.find().take(np.arange(2)), np.full((2, 3), 500.0))
    code, text = run(place, "--commit")
    assert code == 2
    assert "2 vertices" in text
    assert count(place) == 200
    code, text = run(place, "--commit", "--partly")
    assert code == 0
    assert count(place) == 198
    assert "no edits" in run(place)[1]


def test_two_wishes_at_once_and_no_store_are_refused(place: str, tmp_path: Path) -> None:
    code, text = run(place, "--commit", "--discard")
    assert code == 2
    assert "one of them" in text
    assert run(str(tmp_path / "none"))[0] == 2
