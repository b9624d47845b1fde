"""A refresh of any kind: what it takes over, where it works, what it leaves alone and what it refuses."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray

import zvview
from tests.pyramid.conftest import (
    CHUNK,
    NESTED,
    OBJECTS,
    Memory,
    assert_refresh_is_rebuild,
    designs_of,
    edit_objects,
    some_points,
    tables_of,
    transplant,
    write,
)
from zvview.errors import ConflictError, DamagedError, InvalidInputError, UnsupportedError
from zvview.pyramid import PyramidOptions, build_pyramid, refresh_pyramid, store_view
from zvview.testing import make_batch

pytestmark = pytest.mark.usefixtures("unsynced")


def test_links_between_levels_are_made_again() -> None:
    for kind in ("point_cloud", "graph", "polyline"):
        rng = np.random.default_rng(4)
        batch: Any = some_points(rng, 300, True) if kind == "point_cloud" else make_batch(kind, 300, n_objects=4)
        options = {} if kind == "point_cloud" else OBJECTS
        place = write(batch, options=options)
        build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED, cross_level_links=True))
        if kind == "point_cloud":
            batch.positions[:9] += 20
        else:
            batch = edit_objects(rng, batch, kind)
        place, chunks = transplant(place, write(batch, options=options))
        report = assert_refresh_is_rebuild(place, chunks)
        assert not any(level.is_whole for level in report.levels)
        assert zvview.open(place).level(1).link_deltas[-1] == 1
        assert list(zvview.check(place)) == []


def test_objects_and_groups_may_change_alone() -> None:
    for kind in ("graph", "polyline"):
        batch: Any = make_batch(kind, 800, n_objects=6)
        place = write(batch, options=OBJECTS, **tables_of(batch))
        build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED))
        ids = np.unique(batch.object_ids)
        tables = {"groups": {"first": ids[:2]}, "object_attributes": {"twice": ids * 2 + 1, "name": list("abcdef")}}
        place, chunks = transplant(place, write(batch, options=OBJECTS, **tables))
        assert not len(chunks)
        assert_refresh_is_rebuild(place, chunks)
        with zvview.open(place) as store:
            assert store.level(2).groups.names == ("first",)
            assert store.level(2).object_attribute("name").tolist() == list("abcdef")


def test_an_index_that_is_still_true_is_not_made_again() -> None:
    batch: Any = make_batch("polyline", 800, n_objects=6)
    ids = np.unique(batch.object_ids)
    place = write(batch, options=OBJECTS, object_attributes={"twice": ids * 2})
    build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED))
    with mock.patch.object(store_view, "build_index", wraps=store_view.build_index) as build:
        edited, chunks = transplant(place, write(batch, options=OBJECTS, object_attributes={"twice": ids * 3}))
        assert_refresh_is_rebuild(edited, chunks)
        assert build.call_count == 0
        edited, chunks = transplant(place, write(batch, options=OBJECTS, object_attributes={"thrice": ids * 3}))
        assert_refresh_is_rebuild(edited, chunks)
        assert build.call_count == 1


def test_a_folder_and_a_zip_and_workers(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    batch: Any = make_batch("mesh", 700, n_objects=4)
    options = {**OBJECTS}
    place = write(batch, options=options)
    build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED))
    moved = replace(batch, positions=batch.positions + rng.normal(0, 1, batch.positions.shape).astype(np.float32))
    place, chunks = transplant(place, write(moved, options=options))
    folder, archive = tmp_path / "store", tmp_path / "store.zip"
    for key, data in place.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    with zipfile.ZipFile(archive, "w") as packed:
        for key, data in place.items():
            packed.writestr(key, data)
    expected = dict(place)
    refresh_pyramid(expected, chunks)
    texts: list[str] = []
    refresh_pyramid(folder, chunks, workers=2, progress=lambda done, total, text: texts.append(text))
    assert {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store", "store.zip"]
    assert {"level 1", "level 2", "writing level 1"} <= set(texts)
    refresh_pyramid(archive, chunks)
    with zipfile.ZipFile(archive) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == expected
    again = refresh_pyramid(folder, chunks)
    assert (again.written_bytes, again.written_keys, again.removed_keys) == (0, 0, 0)


def test_designs_come_back_as_they_were() -> None:
    for kind in ("point_cloud", "graph", "polyline", "mesh"):
        place = write(make_batch(kind, 900), options=OBJECTS)
        built = build_pyramid(place, PyramidOptions(levels=2))
        assert built
        assert designs_of(place) == [level.design for level in built]


def small() -> tuple[Memory, NDArray[np.int64]]:
    place = write(make_batch("polyline", 600), options=OBJECTS)
    build_pyramid(place, PyramidOptions(levels=1))
    return place, zvview.open(place).level(0).chunks[:1]


def test_what_is_refused(tmp_path: Path) -> None:
    place, chunks = small()
    before = dict(place)
    with pytest.raises(InvalidInputError, match="2 components"):
        refresh_pyramid(place, chunks[:, :2])
    with pytest.raises(InvalidInputError, match="chunks"):
        refresh_pyramid(place, ["a"])
    with pytest.raises(UnsupportedError, match=r"0\.7\.0"):
        refresh_pyramid(unpacked("old07_points", tmp_path), chunks)
    assert place == before


@pytest.mark.parametrize("value", [None, {}, {"bin_shape": [1.0]}, {"bin_shape": [1.0] * 3, "parameters": {}}, 7])
@pytest.mark.parametrize("kind", ["point_cloud", "graph", "polyline", "mesh"])
def test_designs_that_are_none(kind: str, value: Any) -> None:
    place = write(make_batch(kind, 600), options=OBJECTS)
    build_pyramid(place, PyramidOptions(levels=1))
    document = json.loads(place["1/zarr.json"])
    document["attributes"]["zarr_vectors_level"]["zvview_pyramid"] = value
    place["1/zarr.json"] = json.dumps(document).encode()
    with pytest.raises(DamagedError, match="level"):
        refresh_pyramid(place, np.zeros((1, 3), int))


def test_a_store_that_is_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "s"
    with zvview.create(place, kind="polyline", axes="xyz", chunk_shape=CHUNK) as store:
        store.write(make_batch("polyline", 600))
    build_pyramid(place, PyramidOptions(levels=1))
    cell = next(p for p in (place / "1/vertices/c").rglob("*") if p.is_file())
    cell.write_bytes(cell.read_bytes()[:-4] + bytes(4))
    note = place / "0" / "note.txt"
    chunks = zvview.open(place).level(0).chunks
    with pytest.raises(ConflictError, match="was changed"):
        refresh_pyramid(place, chunks, progress=lambda done, total, text: note.write_text(text))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s"]
    assert note.exists()


def test_it_can_be_cancelled() -> None:
    place, chunks = small()
    before, token = dict(place), zvview.CancelToken()
    token.cancel()
    with pytest.raises(zvview.Cancelled):
        refresh_pyramid(place, chunks, cancel=token)
    assert place == before


def unpacked(name: str, folder: Path) -> Path:
    with zipfile.ZipFile(Path(__file__).parents[1] / "data" / "golden" / f"{name}.zip") as archive:
        archive.extractall(folder / name)
    return next(p.parent for p in (folder / name).rglob("zarr.json"))
