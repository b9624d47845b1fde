"""Stores written anew: what cannot be kept is told, what came out wrong is refused, levels are made as there were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zvview
from zvview.convert.rewriting import rewrite_store
from zvview.errors import DamagedError, UnsupportedError
from zvview.pyramid.build import build_pyramid
from zvview.pyramid.design import PyramidOptions


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """A thousand points of ten objects."""
    rng = np.random.default_rng(0)
    with zvview.create(tmp_path / "cells", kind="point_cloud", axes="xyz", crs={"name": "atlas"}) as store:
        store.write(
            zvview.Points(rng.uniform(0, 100, (1000, 3)).astype("f4"), object_ids=np.arange(1000) % 10),
            {"volume": np.arange(10.0)},
            groups={"odd": range(1, 10, 2)},
            root_attributes={"lab": {"made_by": "us"}},
            user_metadata={"app": {"a": 1}},
        )
    return tmp_path / "cells"


def test_all_is_there_again(cells: Path, tmp_path: Path) -> None:
    build_pyramid(cells, PyramidOptions(target=100))
    with zvview.open(cells) as store:
        assert rewrite_store(store, str(tmp_path / "new"), name="again") == ()
        with zvview.open(tmp_path / "new") as new:
            assert new.metadata.crs == {"name": "atlas"}
            assert new.metadata.raw["lab"] == {"made_by": "us"}
            assert new.metadata.raw["ome"]["name"] == "again"
            assert new.user_metadata == {"app": {"a": 1}}
            assert new.groups is not None and new.groups.names == ("odd",)
            assert new.level(0).object_attribute("volume").tolist() == list(range(10))
            assert len(new.levels) == len(store.levels) > 1
    assert zvview.check(tmp_path / "new").ok


def test_objects_without_a_point_are_told_of(cells: Path, tmp_path: Path) -> None:
    with zvview.open(cells) as store:
        with store.edit(journal=False) as edit:
            edit.delete_objects([3, 4])
        (note,) = rewrite_store(store, str(tmp_path / "new"))
    assert "2 objects without a point" in note
    with zvview.open(tmp_path / "new") as new:
        assert new.level(0).object_ids.tolist() == [0, 1, 2, 5, 6, 7, 8, 9]


def test_what_came_out_as_less_is_refused(cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zvview.convert.copying.LevelInput.batches", lambda self: iter(()))
    with zvview.open(cells) as store, pytest.raises(DamagedError, match="1000 vertices of 10 objects"):
        rewrite_store(store, str(tmp_path / "new"))


def test_stores_of_several_kinds_are_refused(cells: Path, tmp_path: Path) -> None:
    root = cells / "zarr.json"
    root.write_text(root.read_text().replace('"point_cloud"', '"point_cloud","graph"', 1))
    with zvview.open(cells) as store, pytest.raises(UnsupportedError, match="point_cloud, graph"):
        rewrite_store(store, str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()
