"""Meshes in the stock client, live and exported: without cracks, where they lie, in the colours of their objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from tests.neuroglancer.browser.cases import golden
from tests.neuroglancer.browser.pages import HEIGHT, WIDTH, Page, Picture, hosted
from tests.neuroglancer.browser.surfaces import has_hue, outlines
from zvview.neuroglancer.exporting.exporting import export
from zvview.neuroglancer.links.reading import read_state
from zvview.neuroglancer.sources import mesh_parts
from zvview.neuroglancer.viewing import view
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.style.colourmaps import colour_ids
from zvview.testing import make_batch


def made(
    *, far: float = 0.0, levels: bool = False, unit: str | None = None, axes: str = "xyz", form: str = "tori"
) -> Callable[[Path], Path]:
    """Three surfaces in space, which are in many chunks."""

    def make(folder: Path) -> Path:
        batch = make_batch("mesh", 9000, form=form, n_objects=3, seed=5)
        assert isinstance(batch, zvview.Mesh)
        place = folder / "mesh.zarrvectors"
        told = [zvview.Axis(name, "space", unit) for name in axes]
        positions = batch.positions.astype(np.float64) + far
        with zvview.create(place, kind="mesh", axes=told, chunk_shape=(250,) * 3) as store:
            ids = np.array([3, 7, 20])
            store.write(zvview.Mesh(positions, faces=batch.faces, offsets=batch.offsets, object_ids=ids))
        if levels:
            build_pyramid(place, PyramidOptions(target=500))
        return place

    return make


def flat(folder: Path) -> Path:
    """A surface in a plane, and an object without one."""
    place = folder / "flat.zarrvectors"
    steps = np.stack(np.meshgrid(np.arange(12.0), np.arange(9.0), indexing="ij"), axis=-1).reshape(-1, 2)
    corner = np.arange(len(steps)).reshape(12, 9)[:-1, :-1].ravel()
    faces = np.stack((corner, corner + 1, corner + 10, corner + 9), axis=1)
    positions = np.concatenate((steps, [[3.0, 3.0], [4.0, 5.0]]))
    with zvview.create(place, kind="mesh", axes="xy", chunk_shape=(4, 4)) as store:
        offsets, ids = np.array([0, len(steps), len(positions)]), np.array([1, 2])
        store.write(zvview.Mesh(positions, faces=faces, offsets=offsets, object_ids=ids))
    return place


CASES: dict[str, Callable[[Path], Path]] = {
    "golden": golden("mesh"),
    "golden_levels": golden("mesh_tools"),
    "golden_sharded": golden("mesh_zstd_sharded"),
    "golden_old": golden("old07_mesh"),
    "levels_made": made(),
    "levels_stored": made(levels=True, form="ellipsoids"),
    "far": made(far=3e6, unit="nanometer"),
    "units": made(unit="micrometer"),
    "axes": made(axes="zyx"),
    "flat": flat,
}


def check(picture: Picture, store: zvview.Store, *, most_wrong: float = 0.004) -> None:
    """See that each pixel on a surface has the colour of one of the objects there, and none beside is lit.

    Pixels at outlines may be either. Shading makes colours darker, and keeps their hue.
    """
    is_there, is_near = np.zeros((2, HEIGHT, WIDTH), bool)
    is_right = np.zeros((HEIGHT, WIDTH), bool)
    ids = store.level(0).present_object_ids
    assert ids is not None
    for number, colour in zip(ids.tolist(), colour_ids(ids)[:, :3] * 255, strict=True):
        batch = store.level(0).read_objects(number)
        assert isinstance(batch, zvview.Mesh)
        low, high = outlines(picture, batch, [axis.name for axis in store.axes])
        is_there |= low
        is_near |= high
        is_right |= high & has_hue(picture.pixels, colour)
    assert is_there.mean() > 0.05
    assert (is_there & ~is_right).sum() <= most_wrong * is_there.sum()
    assert (picture.is_lit & ~is_near).sum() <= most_wrong * is_there.sum()


@pytest.mark.parametrize("name", CASES)
def test_surfaces_are_shown_where_they_lie_without_cracks(page: Page, tmp_path: Path, name: str) -> None:
    with zvview.open(CASES[name](tmp_path)) as store, view(store) as shown:
        assert isinstance(store, zvview.Store)
        page.show(shown.viewer)
        check(page.look(shown.viewer, f"meshes_{name}"), store)


def test_parts_of_a_large_object_are_one(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh_parts, "MOST_UNDIVIDED", 2000)
    monkeypatch.setattr(mesh_parts, "_PART", 700)
    with zvview.open(made(form="ellipsoids")(tmp_path)) as store, view(store) as shown:
        assert isinstance(store, zvview.Store)
        assert any("several segments" in note for note in shown.notes)
        page.show(shown.viewer)
        check(page.look(shown.viewer, "meshes_parts"), store)
        state = shown.viewer.state.to_json()
        state["layers"][0]["segments"] = ["7"]
        page.show(shown.viewer, layers=state["layers"])
        picture = page.look(shown.viewer, "meshes_parts_of_one")
        batch = store.level(0).read_objects(7)
        assert isinstance(batch, zvview.Mesh)
        inner, outer = outlines(picture, batch, list("xyz"))
        assert not (inner & ~picture.is_lit).any() and not (picture.is_lit & ~outer).any()


@pytest.mark.parametrize("form", ["directory", "sharded", "zip"])
def test_exported_meshes_are_those_of_the_live_view(page: Page, tmp_path: Path, form: Any) -> None:
    place = made(levels=True, form="ellipsoids")(tmp_path)
    folder = tmp_path / "hosted"
    folder.mkdir()
    out = "out.zip" if form == "zip" else "out"
    with hosted(folder) as url:
        export(place, folder / out, format=form, url=f"{url}/{out}")
        picture = page.look_at(read_state(str(folder / out)), f"meshes_export_{form}")
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        check(picture, store)
