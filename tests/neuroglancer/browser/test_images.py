"""Images on this machine below what is in a store, in the browser: there, in the right place and colour."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr

import zvview
from tests.neuroglancer.browser.pages import Page
from zvview.errors import InvalidInputError
from zvview.neuroglancer import view
from zvview.neuroglancer.encoding.space import space_of
from zvview.neuroglancer.images import Image


@pytest.fixture(params=["micrometer", None])
def places(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """A store of points in one octant, which may tell no unit, and an OME-Zarr that is bright there."""
    store = tmp_path / "cells.zarrvectors"
    axes = [zvview.Axis(name, "space", request.param) for name in "xyz"]
    rng = np.random.default_rng(0)
    with zvview.create(
        store, kind="point_cloud", axes=axes, chunk_shape=(40.0,) * 3, bounds=([0] * 3, [40] * 3)
    ) as made:
        made.write(zvview.Points(rng.uniform([2, 2, 18], [12, 18, 22], (50, 3))))
    image = tmp_path / "image.ome.zarr"
    group = zarr.create_group(image, zarr_format=2)
    voxels = np.zeros((40, 40, 40), np.uint16)
    voxels[:, :20, :15] = 900  # z, y, x
    array = group.create_array("0", shape=voxels.shape, chunks=(20, 20, 20), dtype=voxels.dtype)
    array[:] = voxels
    units = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [1.0, 1.0, 1.0]}]
    told = {"version": "0.4", "axes": units, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    (image / ".zattrs").write_text(json.dumps({"multiscales": [told]}))
    return store, image


def test_an_image_on_this_machine_lies_under_the_points(page: Page, places: tuple[Path, Path]) -> None:
    store, image = places
    look = Image(str(image), "em", (0.0, 1000.0), ((0.0, 0.0, 0.0), (0.0, 1.0, 0.0)))
    with view(store, images=[look]) as shown:
        page.show(shown.viewer, layout="xy", position=[20.5, 20.5, 20.5], crossSectionScale=0.1)
        picture = page.look(shown.viewer, "image")
        shown.show(lambda exhibit: None, {"dimensions": shown.state()["dimensions"]}, [look])
        assert set(map(tuple, shown.state()["dimensions"].values())) == {(1e-6, "m")}
    with zvview.open(store) as opened, view(opened) as shown:  # the image comes later
        assert isinstance(opened, zvview.Store)
        pose = {"dimensions": {name: list(told) for name, told in space_of(opened.axes).dimensions.items()}}
        shown.show(lambda exhibit: None, pose, [look])
        assert set(map(tuple, shown.state()["dimensions"].values())) == {(1e-6, "m")}
        page.show(shown.viewer, layout="xy", position=[20.5, 20.5, 20.5], crossSectionScale=0.1)
        later = page.look(shown.viewer, "image_later")
    assert (later.pixels == picture.pixels).mean() > 0.999
    inside = np.stack(np.meshgrid(np.arange(1, 14, 2.0), np.arange(1, 19, 2.0), [20.5]), axis=-1).reshape(-1, 3)
    outside = inside + np.array([18, 0, 0])
    at, _ = picture.find(inside, "xyz")
    assert len(at) and picture.share_found(at, np.tile([0, 230, 0], (len(at), 1))) > 0.8
    with zvview.open(store) as opened:
        assert isinstance(opened, zvview.Store)
        at, _ = picture.find(opened.level(0).read().positions, "xyz")
        assert picture.pixels[tuple(at.T)].min(axis=1).max() > 150  # white of points on the green of the image
    dark, _ = picture.find(outside, "xyz")
    assert not picture.is_lit[tuple(dark.T)].any()


def test_images_that_are_none_are_refused_before_anything_is_opened(places: tuple[Path, Path], tmp_path: Path) -> None:
    store, _ = places
    for wrong in (str(tmp_path), str(store / "nothing"), "em.zarr"):
        with pytest.raises(InvalidInputError, match="image"):
            view(store, images=[wrong])
