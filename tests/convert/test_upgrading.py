"""Stores of 0.7.0 made anew: equal to the old ones, sound for the reference library, whole or not at all."""

from __future__ import annotations

import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr_vectors
from numpy.typing import NDArray

import zvview
from zvview.cancel import CancelToken
from zvview.convert.upgrading import upgrade
from zvview.errors import Cancelled, ConflictError, DamagedError, ExistsError, InvalidInputError, UnsupportedError
from zvview.store.locking import hold_store
from zvview.store.places.open import open_source

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
OLD = sorted(path.stem for path in GOLDEN.glob("old07_*.zip"))
DEEP = ("old07_points", "old07_streamlines")  # with coarse levels


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """That folders reach the disk is tested elsewhere, and takes most of the time here."""
    monkeypatch.setattr("zvview.store.places.folder_sink.sync_path", lambda path: None)
    monkeypatch.setattr("zvview.store.places.folder_sink.sync_folders", lambda root, folders: None)


def unpack(name: str, folder: Path) -> Path:
    with zipfile.ZipFile(GOLDEN / f"{name}.zip") as archive:
        archive.extractall(folder / name)
    return folder / name


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def tables_of(batch: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Vertices with all that is known of them in an order that does not depend on the store; links as rows of these."""
    owners = getattr(batch, "vertex_object_ids", getattr(batch, "object_ids", None))
    columns = [batch.positions, *(() if owners is None else (owners[:, None],))]
    columns += [values.reshape(len(batch), -1) for _, values in sorted(batch.attributes.items())]
    rows = np.column_stack(columns).astype(np.float64)
    order = np.lexsort(rows.T)
    rank = np.argsort(order)
    links = batch.faces if hasattr(batch, "faces") else getattr(batch, "edges", getattr(batch, "segments", None))
    if links is None:
        return rows[order], np.empty((0, 2))
    values = [v.reshape(len(links), -1) for v in getattr(batch, "link_attributes", {}).values()]
    found = np.column_stack((np.sort(rank[links], axis=1), *values)).astype(np.float64)
    return rows[order], found[np.lexsort(found.T[::-1])]


def assert_same_content(old: Any, new: Any) -> None:
    a, b = old.level(0), new.level(0)
    assert (old.kind, old.axes, old.metadata.crs) == (new.kind, new.axes, new.metadata.crs)
    assert (a.dtype, a.attribute_names, a.link_attribute_names) == (b.dtype, b.attribute_names, b.link_attribute_names)
    np.testing.assert_array_equal(old.bounds, new.bounds)
    np.testing.assert_array_equal(a.chunk_shape, b.chunk_shape)
    np.testing.assert_array_equal(a.resolution, b.resolution)
    for before, after in zip(tables_of(a.read()), tables_of(b.read()), strict=True):
        np.testing.assert_array_equal(before, after)
    assert (a.object_ids is None) == (b.object_ids is None)
    if a.object_ids is not None:
        np.testing.assert_array_equal(a.object_ids, b.object_ids)
    assert a.object_attribute_names == b.object_attribute_names
    for name in a.object_attribute_names:
        np.testing.assert_array_equal(np.ma.filled(a.object_attribute(name)), np.ma.filled(b.object_attribute(name)))
    assert (old.groups is None) == (new.groups is None)
    if old.groups is not None:
        assert old.groups.names == new.groups.names
        assert [m.tolist() for m in old.groups.members] == [m.tolist() for m in new.groups.members]
        for name in a.group_attribute_names:
            np.testing.assert_array_equal(a.group_attribute(name), b.group_attribute(name))
    assert repr(old.parametric) == repr(new.parametric)
    assert (old.headers, old.user_metadata) == (new.headers, new.user_metadata)
    assert (len(old.levels) > 1) == (len(new.levels) > 1)


@pytest.mark.parametrize("is_in_place", [True, False])
@pytest.mark.parametrize("name", OLD)
def test_new_stores_hold_what_the_old_ones_held(name: str, is_in_place: bool, tmp_path: Path) -> None:
    place = unpack(name, tmp_path)
    before = files_of(place)
    told = upgrade(place, None if is_in_place else tmp_path / "new")
    made = place if is_in_place else tmp_path / "new"
    assert (told.place, told.old_version, told.is_new) == (str(made), "0.7.0", True)
    with zvview.open(GOLDEN / f"{name}.zip") as old, zvview.open(made) as new:
        assert new.version == "0.9.2"
        assert_same_content(old, new)
        if name in DEEP:
            assert all(0 < new.level(k).vertex_count < new.level(k - 1).vertex_count for k in new.levels[1:])
    assert zvview.check(made).ok
    assert is_in_place or files_of(place) == before
    names = {path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")}
    assert names == ({name} if is_in_place else {name, "new"})


@pytest.mark.parametrize("name", OLD)
def test_the_reference_library_opens_and_validates_them(name: str, tmp_path: Path) -> None:
    upgrade(GOLDEN / f"{name}.zip", tmp_path / "new")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert zarr_vectors.open(str(tmp_path / "new")).validate(level=5).errors == []


def test_zips_are_upgraded_in_their_place_and_elsewhere(tmp_path: Path) -> None:
    place = tmp_path / "old.zip"
    shutil.copy(GOLDEN / "old07_streamlines.zip", place)
    upgrade(place, tmp_path / "new.zip")
    upgrade(place)
    memory: dict[str, bytes] = {}
    upgrade(GOLDEN / "old07_streamlines.zip", memory)
    with zipfile.ZipFile(GOLDEN / "old07_streamlines.zip") as archive:
        there = {name: archive.read(name) for name in archive.namelist()}
    upgrade(there)
    with zvview.open(GOLDEN / "old07_streamlines.zip") as old:
        for made in (place, tmp_path / "new.zip", memory, there):
            with zvview.open(made) as new:
                assert_same_content(old, new)


def test_stores_of_today_are_left_alone(tmp_path: Path) -> None:
    place = unpack("graph", tmp_path)
    before = files_of(place)
    for target in (None, tmp_path / "new"):
        told = upgrade(place, target)
        assert (told.is_new, told.old_version) == (False, "0.9.2")
    assert files_of(place) == before
    assert not (tmp_path / "new").exists()


def test_what_else_lies_in_the_store_goes_along(tmp_path: Path) -> None:
    place = unpack("old07_lines", tmp_path)
    (place / "notes").mkdir()
    (place / "notes" / "of_hers.txt").write_text("keep me")
    (place / "README.md").write_text("and me")
    upgrade(place)
    assert (place / "notes" / "of_hers.txt").read_text() == "keep me"
    assert (place / "README.md").read_text() == "and me"


def test_nothing_changes_when_it_is_stopped_damaged_or_locked(tmp_path: Path) -> None:
    place = unpack("old07_streamlines", tmp_path)
    before = files_of(place)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        upgrade(place, cancel=token)
    with hold_store(open_source(str(place)), "testing"), pytest.raises(ConflictError, match="testing"):
        upgrade(place)
    assert files_of(place) == before
    cell = next(p for p in sorted((place / "0" / "vertices").rglob("c/*")) if p.is_file())
    cell.write_bytes(cell.read_bytes()[:-3])
    before = files_of(place)
    with pytest.raises(DamagedError):
        upgrade(place)
    assert files_of(place) == before
    assert {path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")} == {place.name}


def test_places_that_are_taken_or_overlap_are_refused(tmp_path: Path) -> None:
    place = unpack("old07_lines", tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(ExistsError):
            upgrade(place, tmp_path / "taken", overwrite=overwrite)
    with pytest.raises(InvalidInputError, match="inside"):
        upgrade(place, place / "inner")
    upgrade(place, tmp_path / "new")
    with pytest.raises(ExistsError):
        upgrade(place, tmp_path / "new")
    upgrade(GOLDEN / "old07_mesh.zip", tmp_path / "new", overwrite=True)
    with zvview.open(tmp_path / "new") as new:
        assert new.kind == "mesh"


def test_collections_and_several_kinds_are_refused(tmp_path: Path) -> None:
    with zvview.create_collection(tmp_path / "both") as both:
        both.create("a", kind="point_cloud").write(zvview.Points(np.zeros((3, 3))))
    with pytest.raises(UnsupportedError, match="one by one"):
        upgrade(tmp_path / "both")
    place = unpack("old07_points", tmp_path)
    root = place / "zarr.json"
    root.write_text(root.read_text().replace('"point_cloud"', '"point_cloud", "mesh"'))
    with pytest.raises(UnsupportedError, match="point_cloud, mesh"):
        upgrade(place)
