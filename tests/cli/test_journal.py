from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import zvview
from tests.store.editing.models import needed
from tests.store.places.conftest import Serving, serve
from zvview.cli.app import app
from zvview.store.editing.state_folder import journal_folder
from zvview.testing import make_batch, make_store


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


def leave(place: str, *rows: int) -> None:
    with zvview.open(place) as store:
        session = store.edit()
        session.delete(session.find().take(np.array(rows)))
        session.close()


def test_what_was_committed_is_told_also_where_the_next_cannot_be(place: str) -> None:
    leave(place, 2, 3, 100)
    code, text = run(place, "--commit")
    assert code == 2 and "4 deleted" in text and "committed" in text and "could not be found again: 2 vertices" in text
    assert count(place) == 196
    code, text = run(place, "--commit", "--partly")
    assert code == 0 and count(place) == 195


def test_edits_of_a_store_that_is_gone_are_shown_and_discarded(place: str) -> None:
    shutil.rmtree(place)
    code, text = run(place)
    assert code == 0 and "4 deleted" in text and "warning" in text
    code, text = run(place, "--commit")
    assert code == 2 and "does not exist" in text and "edits of it are kept" in text
    code, text = run(place, "--discard")
    assert code == 0 and "thrown away" in text
    assert run(place)[0] == 2


def test_a_journal_that_cannot_be_read_is_told(place: str) -> None:
    (name,) = os.listdir(journal_folder())
    path = os.path.join(journal_folder(), name)
    with open(path, "wb") as file:
        file.write(b"zvview journal 9\n")
    code, text = run(place)
    assert code == 0 and path in text and "no edits" in text and os.path.exists(path)


def make_collection(place: str, *names: str) -> None:
    """A collection of points and skeletons, with edits of the members that are named: two vertices deleted."""
    with zvview.create_collection(place) as collection:
        collection.create("points", kind="point_cloud").write(make_batch("point_cloud", 50))
        collection.create("trees", kind="skeleton").write(make_batch("skeleton", 60, n_objects=2))
    leave_in_members(place, *names)


def leave_in_members(place: str, *names: str, **options: Any) -> None:
    with zvview.open(place, **options) as collection:
        assert isinstance(collection, zvview.Collection)
        for name in names:
            session = collection[name].edit()
            session.delete(session.find().take(np.arange(2)))
            session.close()


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_edits_of_members_of_a_collection_are_shown_committed_and_discarded(form: str, tmp_path: Path) -> None:
    place = str(tmp_path / ("c.zip" if form == "zip" else "c"))
    make_collection(place, "points", "trees")
    code, text = run(place)
    assert code == 0 and text.count("2 deleted") == 2 and f"{place}/trees" in text
    assert run(place, "--commit")[0] == 0
    leave_in_members(place, "points")
    assert run(place, "--discard")[1].count("thrown away") == 1
    assert run(place)[1].count("no edits") == 2
    with zvview.open(place) as collection:
        assert isinstance(collection, zvview.Collection)
        assert [len(member.level(0).read()) for member in collection.values()] == [48, 58]


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_edits_of_members_of_a_collection_that_is_gone_are_shown_and_discarded(form: str, tmp_path: Path) -> None:
    place = str(tmp_path / ("c.zip" if form == "zip" else "c"))
    make_collection(place, "points", "trees")
    Path(place).rename(tmp_path / "elsewhere")
    assert run(str(tmp_path))[0] == 2 and run(str(tmp_path), "--discard")[0] == 2  # a folder that is no collection
    code, text = run(place)
    assert code == 0 and text.count("2 deleted") == 2
    code, text = run(f"{place}/points", "--discard")
    assert code == 0 and text.count("thrown away") == 1
    assert "edits of it are kept" in run(place, "--commit")[1]
    (tmp_path / "elsewhere").rename(place)
    assert run(place, "--commit")[1].count("2 deleted") == 1


def test_a_member_that_is_damaged_is_told_and_the_others_are_shown(tmp_path: Path) -> None:
    place = str(tmp_path / "c")
    make_collection(place, "points", "trees")
    (tmp_path / "c" / "points" / "zarr.json").write_text("{")
    code, text = run(place)
    assert code == 0 and text.count("2 deleted") == 1 and "warning: member 'points' is left out" in text


def test_edits_at_an_address_are_shown_committed_and_discarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_store(str(tmp_path / "s"), "point_cloud", size=60).close()
    make_collection(str(tmp_path / "c"))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    held = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in files}
    with serve(Serving(held, conditions=True)) as serving:
        endpoint = serving.address.removesuffix("/data")
        options = {"storage_options": {"endpoint": endpoint}}
        with zvview.open("s3://data/s", **options) as store:
            session = store.edit()  # type: ignore[union-attr]
            session.add(session.find().positions[:2].mean(axis=0, keepdims=True), attributes=needed(session))
            session.close()
        leave_in_members("s3://data/c", "points", "trees", **options)
        secrets = {"AWS_ACCESS_KEY_ID": "one", "AWS_SECRET_ACCESS_KEY": "two", "AWS_REGION": "eu-west-1"}
        for name, value in {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", **secrets}.items():
            monkeypatch.setenv(name, value)
        assert "1 added" in run("s3://data/s/")[1]
        assert run("s3://data/c")[1].count("2 deleted") == 2
        for place in ("s3://data/s", "s3://data/c/trees"):
            code, text = run(place, "--commit", "--signed")
            assert (code, "all edits were kept" in text) == (0, True), text
        with zvview.open("s3://data/s", **options) as store:
            assert len(store.level(0).read()) == 61  # type: ignore[union-attr]
        assert "not a Zarr" in run("s3://data/none")[1]
    code, text = run("s3://data/c")
    assert code == 0 and "does not answer" in text and text.count("2 deleted") == 1
    code, text = run("s3://data/c", "--commit")
    assert code == 2 and "edits of it are kept" in text
    assert "thrown away" in run("s3://data/c/points", "--discard")[1]
