"""Pyramids of every kind, built, checked by us and by the reference library, rebuilt, interrupted and resumed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.errors import ConflictError, InvalidInputError, UnsupportedError
from zvview.pyramid import PyramidOptions, build_pyramid, plan_pyramid
from zvview.testing import make_batch, make_groups, make_store

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
KINDS = ("point_cloud", "line", "polyline", "streamline", "graph", "skeleton", "mesh")
SMALL = PyramidOptions(levels=2)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def of_level(files: dict[str, bytes], number: int) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name.startswith(f"{number}/")}


def peer_report(place: Path) -> Any:
    import zarr_vectors

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zarr_vectors.open(str(place)).validate(level=5)


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A store of each kind, and what its level 0 looked like."""
    place = tmp_path / "store"
    batch = make_batch(request.param, 6000)
    ids = getattr(batch, "object_ids", None)
    groups = None if ids is None else make_groups(batch)
    attributes = (
        None if ids is None else {"rank": np.arange(len(np.unique(ids))), "name": [f"o{i}" for i in np.unique(ids)]}
    )
    with zvview.create(place, kind=request.param, axes="xyz", chunk_shape=(200,) * 3) as store:
        store.write(batch, groups=groups, object_attributes=attributes)
    return place


def test_levels_of_every_kind_are_sound(made: Path) -> None:
    before = of_level(tree(made), 0)
    allowed = set(map(str, peer_report(made).warnings))
    built = build_pyramid(made, SMALL)
    assert built
    assert of_level(tree(made), 0) == before
    assert [p.name for p in made.parent.iterdir()] == ["store"]
    findings = zvview.check(made)
    assert list(findings) == []
    report = peer_report(made)
    assert report.errors == []
    assert set(map(str, report.warnings)) <= allowed
    with zvview.open(made) as store:
        assert store.levels == tuple(range(len(built) + 1))
        fine = store.level(0)
        for b in built:
            level = store.level(b.design.level)
            assert level.vertex_count == b.vertex_count == len(level.read())
            assert level.vertex_count < fine.vertex_count
            assert dict(level.attributes).keys() == dict(fine.attributes).keys()
            assert level.link_attribute_names == fine.link_attribute_names
            assert level.object_attribute_names == fine.object_attribute_names
            np.testing.assert_allclose(level.resolution, b.design.bin_shape)
            if fine.object_ids is not None:
                assert level.object_ids is not None
                assert np.isin(level.object_ids, fine.object_ids).all()
            assert (level.groups is None) == (fine.groups is None)
            if fine.groups is not None and level.groups is not None:
                assert level.groups.names == fine.groups.names
                for members, all_members in zip(level.groups.members, fine.groups.members, strict=True):
                    np.testing.assert_array_equal(
                        np.sort(members), np.sort(np.intersect1d(all_members, level.object_ids))
                    )
            fine = level


def test_a_rebuild_replaces_the_levels_and_is_the_same(made: Path) -> None:
    build_pyramid(made, SMALL)
    first = tree(made)
    build_pyramid(made, PyramidOptions(levels=1))
    assert len(of_level(tree(made), 2)) == 0
    build_pyramid(made, SMALL, workers=2)
    assert tree(made) == first


def test_object_attributes_stay_with_their_objects(made: Path) -> None:
    build_pyramid(made, SMALL)
    with zvview.open(made) as store:
        fine = store.level(0)
        if fine.object_ids is None:
            assert store.kind == "point_cloud"
            return
        for number in store.levels[1:]:
            level = store.level(number)
            rows = np.searchsorted(fine.object_ids, level.object_ids)
            for name in fine.object_attribute_names:
                np.testing.assert_array_equal(
                    np.ma.getdata(level.object_attribute(name)), np.ma.getdata(fine.object_attribute(name))[rows]
                )


def unpacked(name: str, folder: Path) -> Path:
    place = folder / name
    with zipfile.ZipFile(GOLDEN / f"{name}.zip") as archive:
        archive.extractall(place)
    return place if (place / "zarr.json").exists() else next(p.parent for p in place.rglob("zarr.json"))


NEW = sorted(p.stem for p in GOLDEN.glob("*.zip") if not p.stem.startswith("old07"))


@pytest.mark.parametrize("name", NEW)
def test_every_golden_store_can_be_given_levels(name: str, tmp_path: Path) -> None:
    place = unpacked(name, tmp_path)
    with zvview.open(place) as store:
        if 0 not in store.levels or not store.level(0).vertex_count:
            with pytest.raises(InvalidInputError, match="level 0"):
                build_pyramid(place, PyramidOptions(levels=1))
            return
        before = store.level(0).read()
    codes = {finding.code for finding in zvview.check(place)}
    built = build_pyramid(place, PyramidOptions(levels=1))
    with zvview.open(place) as store:
        assert store.levels == (0, *(b.design.level for b in built))
        np.testing.assert_array_equal(store.level(0).read().positions, before.positions)
        for number in store.levels[1:]:
            assert len(store.level(number).read()) == store.level(number).vertex_count
    assert {finding.code for finding in zvview.check(place)} <= codes
    assert peer_report(place).errors == []


@pytest.mark.parametrize("name", sorted(p.stem for p in GOLDEN.glob("old07*.zip")))
def test_the_old_layout_is_refused_with_a_way_out(name: str, tmp_path: Path) -> None:
    place = unpacked(name, tmp_path)
    before = tree(place)
    with pytest.raises(UnsupportedError, match="zvview convert"):
        build_pyramid(place)
    assert tree(place) == before


def test_zip_and_memory(tmp_path: Path) -> None:
    place = tmp_path / "store.zip"
    make_store(place, "point_cloud", size=6000).close()
    assert build_pyramid(place, SMALL)
    with zvview.open(place) as store:
        assert store.levels[0] == 0
        assert len(store.levels) > 1
    memory: dict[str, bytes] = {}
    make_store(memory, "point_cloud", size=6000).close()
    assert build_pyramid(memory, SMALL)
    assert list(zvview.check(memory)) == []


def test_small_stores_get_no_levels(tmp_path: Path) -> None:
    make_store(tmp_path / "s", "point_cloud", size=500).close()
    before = of_level(tree(tmp_path / "s"), 0)
    assert build_pyramid(tmp_path / "s") == ()
    assert of_level(tree(tmp_path / "s"), 0) == before
    assert zvview.open(tmp_path / "s").levels == (0,)


def test_a_failed_build_leaves_the_old_levels(made: Path) -> None:
    build_pyramid(made, SMALL)
    before = tree(made)
    cell = next(p for p in (made / "0/vertices/c").rglob("*") if p.is_file())
    whole = cell.read_bytes()
    cell.write_bytes(whole[:-3])
    damaged = tree(made)
    with pytest.raises(zvview.DamagedError):
        build_pyramid(made, SMALL)
    assert tree(made) == damaged
    cell.write_bytes(whole)
    build_pyramid(made, SMALL)
    assert tree(made) == before
    assert [p.name for p in made.parent.iterdir()] == ["store"]


def test_a_store_that_is_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "s"
    make_store(place, "point_cloud", size=6000).close()
    note = place / "0" / "note.txt"

    def meddle(done: int, total: int, text: str) -> None:
        note.write_text("changed")

    with pytest.raises(ConflictError, match="was changed"):
        build_pyramid(place, SMALL, progress=meddle)
    assert note.read_text() == "changed"
    assert zvview.open(place).levels == (0,)


_KILLED = """
import os, signal, sys
import zvview.pyramid.build as b
from zvview.pyramid import PyramidOptions, build_pyramid
seen = []
def progress(done, total, text):
    if text.startswith("writing level 2"):
        os.kill(os.getpid(), signal.SIGKILL)
build_pyramid(sys.argv[1], PyramidOptions(levels=2), progress=progress)
"""


def test_a_killed_build_leaves_the_store_and_is_taken_up_again(made: Path) -> None:
    reference = made.parent / "reference"
    shutil.copytree(made, reference)
    build_pyramid(reference, SMALL)
    before = tree(made)
    run = subprocess.run([sys.executable, "-c", _KILLED, str(made)], env={**os.environ}, check=False)
    if len(zvview.open(reference).levels) < 3:
        assert run.returncode == 0  # one level was all there was to make
        return
    assert run.returncode == -9
    assert tree(made) == before
    texts: list[str] = []
    build_pyramid(made, SMALL, progress=lambda done, total, text: texts.append(text))
    assert not any(text.startswith("level 1") for text in texts)
    assert of_level(tree(made), 1) == of_level(tree(reference), 1)
    assert of_level(tree(made), 2) == of_level(tree(reference), 2)
    assert sorted(p.name for p in made.parent.iterdir()) == ["reference", "store"]


def test_a_plan_writes_nothing_and_tells_what_is_built(made: Path) -> None:
    before = tree(made)
    planned = plan_pyramid(made, SMALL)
    assert tree(made) == before
    built = build_pyramid(made, SMALL)
    assert [p.vertex_count for p in planned] == [b.vertex_count for b in built]
    assert [p.design for p in planned] == [b.design for b in built]
    assert all(p.is_exact for p in planned)


@pytest.mark.parametrize("name", NEW)
def test_a_plan_of_every_golden_store_is_what_is_built(name: str, tmp_path: Path) -> None:
    place = unpacked(name, tmp_path)
    if not zvview.open(place).levels:
        return
    planned = plan_pyramid(place, PyramidOptions(levels=2))
    built = build_pyramid(place, PyramidOptions(levels=2))
    assert [(p.design, p.vertex_count) for p in planned] == [(b.design, b.vertex_count) for b in built]


def test_a_plan_knows_the_offset_of_coordinates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    with zvview.create(tmp_path / "s", kind="point_cloud", axes="xyz", chunk_shape=(20,) * 3) as store:
        store.write(zvview.Points(rng.random((100_000, 3), np.float32) * 100))
    document = tmp_path / "s" / "zarr.json"
    root = json.loads(document.read_text())
    root["attributes"]["zarr_vectors"]["coordinate_offset"] = [1000.0, -2000.0, 0.5]
    document.write_text(json.dumps(root))
    wishes = PyramidOptions(target=5_000)
    whole = plan_pyramid(tmp_path / "s", wishes)
    monkeypatch.setattr("zvview.pyramid.planning._SAMPLE_BYTES", 200_000)
    assert len(plan_pyramid(tmp_path / "s", wishes)) == len(whole)
    built = build_pyramid(tmp_path / "s", wishes)
    assert [p.vertex_count for p in whole] == [b.vertex_count for b in built]


def test_a_plan_of_a_large_store_is_an_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zvview.pyramid.planning._SAMPLE_BYTES", 200_000)
    rng = np.random.default_rng(5)
    with zvview.create(tmp_path / "s", kind="point_cloud", axes="xyz", chunk_shape=(20,) * 3) as store:
        store.write(zvview.Points(rng.random((100_000, 3), np.float32) * 100))
    planned = plan_pyramid(tmp_path / "s", PyramidOptions(target=5_000))
    built = build_pyramid(tmp_path / "s", PyramidOptions(target=5_000))
    assert len(planned) == len(built)
    assert not any(p.is_exact for p in planned)
    for p, b in zip(planned, built, strict=True):
        assert 0.5 < p.vertex_count / b.vertex_count < 2


@pytest.mark.parametrize(
    "wishes",
    [
        {"levels": -1},
        {"levels": 1.5},
        {"factor": 1.0},
        {"factor": "x"},
        {"target": 0},
        {"method": "magic"},
        {"object_sparsity": 0.0},
        {"object_sparsity": 2.0},
        {"bin_shapes": [(1.0,)]},
        {"chunk_shapes": [(7.0, 7.0, 7.0)]},
        {"seed": "x"},
    ],
)
def test_wishes_that_cannot_be(made: Path, wishes: dict[str, Any]) -> None:
    before = tree(made)
    with pytest.raises(InvalidInputError):
        build_pyramid(made, PyramidOptions(**wishes))
    assert tree(made) == before


def test_shapes_that_are_wished_for(made: Path) -> None:
    with zvview.open(made) as store:
        ndim = len(store.axes)
        chunk = [tuple((store.level(0).chunk_shape * 2 ** (k + 1)).tolist()) for k in range(2)]
    built = build_pyramid(made, PyramidOptions(levels=2, chunk_shapes=chunk))
    assert [b.design.chunk_shape for b in built] == chunk[: len(built)]
    with zvview.open(made) as store:
        for b in built:
            assert store.level(b.design.level).chunk_shape.tolist() == list(b.design.chunk_shape)
            assert len(b.design.bin_shape) == ndim
