"""``zvview info``: what it shows, as text and as JSON."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from zvview.cli.app import app
from zvview.testing import KINDS, make_store

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_described(kind: str, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", kind, size=600)
    result = run("info", tmp_path / "store", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert document["kind"] == kind
    assert document["size_bytes"] == sum(p.stat().st_size for p in (tmp_path / "store").rglob("*") if p.is_file())
    (level,) = document["levels"]
    assert level["is_counted"] and level["vertices"] == store.level(0).vertex_count
    assert level["chunks"] == len(store.level(0).chunks)
    assert set(level["attributes"]) == set(store.attributes)
    text = run("info", tmp_path / "store")
    assert text.exit_code == 0
    assert kind in text.stdout and str(level["vertices"]) in text.stdout


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.zip")))
def test_every_golden_store_is_described(name: str) -> None:
    document = json.loads(run("info", GOLDEN / f"{name}.zip", "--json").stdout)
    assert document["levels"] and all("error" not in level for level in document["levels"])
    assert document["version"] in ("0.7.0", "0.9.2")
    assert run("info", GOLDEN / f"{name}.zip").exit_code == 0


def test_attributes_groups_and_parametric_objects_are_shown() -> None:
    text = run("info", GOLDEN / "points_objects.zip").stdout
    assert all(word in text for word in ("intensity", "float32", "axon", "volume", "groups", "x, y, z"))
    assert "sphere" in run("info", GOLDEN / "parametric.zip").stdout


def test_a_count_that_was_not_made_is_marked(tmp_path: Path) -> None:
    make_store(tmp_path / "store", "point_cloud", size=4000, chunk_shape=(60, 60, 60), shards=True, form="uniform")
    shutil.rmtree(tmp_path / "store" / "zvview")
    level = json.loads(run("info", tmp_path / "store", "--json").stdout)["levels"][0]
    assert level["chunks"] > 512
    assert not level["is_counted"] and level["vertices"] == 4000
    assert "declared" in run("info", tmp_path / "store").stdout


def test_a_damaged_level_does_not_hide_the_others(tmp_path: Path) -> None:
    with zipfile.ZipFile(GOLDEN / "mesh.zip") as archive:
        archive.extractall(tmp_path / "store")
    (tmp_path / "store" / "1" / "vertices" / "zarr.json").write_text("{")
    result = run("info", tmp_path / "store", "--json")
    levels = json.loads(result.stdout)["levels"]
    assert result.exit_code == 0
    assert ["error" in level for level in levels] == [False, True, False]
    assert "level 1" in run("info", tmp_path / "store").stdout


def test_the_stores_of_a_collection_are_described(tmp_path: Path) -> None:
    for name in ("cells", "fibres"):
        make_store(tmp_path / name, "point_cloud" if name == "cells" else "streamline", size=100)
    nodes = [{"name": n, "type": "collection", "path": f"./{n}"} for n in ("cells", "fibres")]
    root = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"type": "collection", "nodes": nodes}}}
    (tmp_path / "zarr.json").write_text(json.dumps(root))
    members = json.loads(run("info", tmp_path, "--json").stdout)["collection"]
    assert {name: member["kind"] for name, member in members.items()} == {
        "cells": "point_cloud",
        "fibres": "streamline",
    }
    (tmp_path / "cells" / "0" / "zarr.json").write_text("[]")
    assert "fibres" in run("info", tmp_path).stdout
