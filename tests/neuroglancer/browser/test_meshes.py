"""Meshes in the stock client, live and exported: without cracks, where they lie, in the colours of their objects."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import neuroglancer
import numpy as np
import pytest
from neuroglancer.static_file_server import StaticFileServer
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import zvview
from tests.neuroglancer.browser.cases import golden
from tests.neuroglancer.browser.pages import HEIGHT, WIDTH, Page, Picture
from zvview.neuroglancer.exporting.exporting import export
from zvview.neuroglancer.sources import mesh_parts
from zvview.neuroglancer.viewing import view
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.style.colourmaps import colour_ids
from zvview.testing import make_batch

_LEAST_DARK, _ALIKE = 0.15, 0.12  # of the colour: shading leaves as much, and its hue


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


def outlines(picture: Picture, batch: zvview.Mesh, axes: list[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pixels that lie inside of what the faces of an object cover, by a pixel or more, and those that touch it."""
    at, rows = picture.find(batch.positions, axes)
    assert len(rows) == len(batch), "all of it is in view"
    image = Image.new("1", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(image)
    for face in at[batch.faces]:
        draw.polygon([(int(column), int(row)) for row, column in face], fill=1, outline=1)
    covered = np.asarray(image)
    padded = np.pad(covered, 2)
    shifted = [padded[2 + i : 2 + i + HEIGHT, 2 + j : 2 + j + WIDTH] for i in range(-2, 3) for j in range(-2, 3)]
    return np.logical_and.reduce(shifted), np.logical_or.reduce(shifted)


def has_hue(pixels: NDArray[np.uint8], colour: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Whether pixels are a colour, or a darker tone of it."""
    brightness = pixels.max(axis=-1, keepdims=True) / colour.max()
    distance = np.abs(pixels - brightness * colour).max(axis=-1) / colour.max()
    return np.asarray((distance < _ALIKE) & (brightness[..., 0] > _LEAST_DARK))


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
    neuroglancer.set_server_bind_address("127.0.0.1")
    server = StaticFileServer(str(folder), bind_address="127.0.0.1")
    out = "out.zip" if form == "zip" else "out"
    export(place, folder / out, format=form, url=f"{server.url}/{out}")
    if form == "zip":
        with zipfile.ZipFile(folder / out) as archive:
            state = json.loads(archive.read("state.json"))
    else:
        state = json.loads((folder / out / "state.json").read_bytes())
    viewer = neuroglancer.Viewer()
    viewer.set_state(state)
    page.show(viewer)
    picture = page.look(viewer, f"meshes_export_{form}")
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        check(picture, store)


def test_a_collection_of_kinds_is_a_layer_for_each(page: Page, tmp_path: Path) -> None:
    place = tmp_path / "all.zarr"
    with zvview.create_collection(place) as new:
        for kind in ("point_cloud", "streamline", "skeleton", "mesh"):
            batch = make_batch(kind, 800, n_objects=3, seed=2)
            new.create(kind, kind=kind, axes="xyz", chunk_shape=(250,) * 3).write(batch)
    with view(place) as shown:
        types = {layer.name: layer.layer.type for layer in shown.viewer.state.layers}
        assert types["mesh"] == types["skeleton skeletons"] == "segmentation"
        assert types["point_cloud"] == types["streamline lines"] == "annotation"
        page.show(shown.viewer)
        picture = page.look(shown.viewer, "meshes_in_a_collection")
        with zvview.open(place / "mesh") as store:
            assert isinstance(store, zvview.Store)
            ids = store.level(0).present_object_ids
            assert ids is not None
            is_there, is_right = np.zeros((2, HEIGHT, WIDTH), bool)
            for number, colour in zip(ids.tolist(), colour_ids(ids)[:, :3] * 255, strict=True):
                surface = store.level(0).read_objects(number)
                assert isinstance(surface, zvview.Mesh)
                inner, _ = outlines(picture, surface, list("xyz"))
                is_there |= inner
                is_right |= inner & has_hue(picture.pixels, colour)
            assert is_right.sum() > 0.7 * is_there.sum() > 0  # the others lie before them
