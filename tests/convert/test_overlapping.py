"""Outputs inside of inputs and around them are refused, and nothing is done to either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from zarr.storage import LocalStore

import zvview
from zvview.convert.converting import convert
from zvview.convert.overlapping import refuse_overlap
from zvview.convert.sources import Source
from zvview.errors import InvalidInputError
from zvview.testing import make_store

CSV = "x,y,z\n1,2,3\n"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store, a collection of two, a folder of files, and a link to the store."""
    monkeypatch.chdir(tmp_path)
    make_store(tmp_path / "n.zv", "point_cloud", size=50)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.csv").write_text(CSV)
    (tmp_path / "in" / "deep" / "b.csv").write_text(CSV)
    convert([Source("in/a.csv", "a"), Source("in/deep/b.csv", "b")], "coll")
    (tmp_path / "link").symlink_to("n.zv")
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("mode", ["w-", "w"])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("n.zv", "n.zv/sub.zv"),
        ("n.zv/zarr.json", "n.zv/sub.zv"),
        ("link", "n.zv/sub.zv"),
        ("n.zv", "link/sub.csv"),
        ("coll/a", "coll"),
        ("coll/a", "./in/../coll/"),
        ("coll", "coll/a"),
        ("coll", "coll/new.zip"),
        ("in", "in/out.zv"),
        ("in", "in/a.csv"),
        ("in", "in/new/out.ply"),
        ("in/a.csv", "in"),
        (["n.zv", "in"], "in/out"),
    ],
)
def test_an_output_inside_or_around_an_input_is_refused(source: Any, target: str, mode: str, places: Path) -> None:
    before = content(places)
    with pytest.raises(InvalidInputError, match="lies inside"):
        convert(source, target, mode=mode)
    assert content(places) == before


def test_addresses_and_store_objects_are_places_too(places: Path) -> None:
    for source, target in [
        ("s3://b/coll/a", "S3://b/coll"),
        ("s3://b/coll", "s3://b/coll/a/"),
        ((places / "coll").as_uri(), places / "coll" / "new"),
        (str(places / "coll" / "a"), LocalStore(places / "coll")),
    ]:
        with pytest.raises(InvalidInputError, match="lies inside"):
            refuse_overlap([Source(source)], target)


def test_places_beside_an_input_are_taken(places: Path) -> None:
    for source, target in [("coll/a", "coll2"), ("n.zv", "n.zv2"), ("in", "in.zv"), ("in", "in.parquet")]:
        assert convert(source, target).written
    assert convert("n.zv", {}).written[0].vertices == 50
    assert convert("n.zv", "n.zv", mode="w").written[0].vertices == 50
    assert zvview.check("n.zv").ok
