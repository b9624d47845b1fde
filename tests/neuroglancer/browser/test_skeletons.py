"""Skeletons in the stock client, coloured by what their vertices tell, whatever attributes are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from tests.neuroglancer.browser.pages import Page
from zvview.neuroglancer.shaders import skeleton_shader
from zvview.neuroglancer.sources.opening import open_sources
from zvview.neuroglancer.sources.skeletons import SkeletonSource
from zvview.neuroglancer.viewing import view
from zvview.style import Colouring, colour_vertices, with_limits

NAMES = ("color", "xyz", "length", "a", "value", "orientation", "share", "type")
"""Words of the client's shaders, of their language, and parts of vectors."""


def make(place: Path) -> zvview.Store:
    rng = np.random.default_rng(2)
    starts = rng.uniform(10, 90, (60, 3))
    positions = np.repeat(starts, 2, axis=0)
    positions[1::2, 0] += 4
    level = np.repeat(rng.permutation(60), 2)
    attributes: dict[str, Any] = {name: level.astype("f4") for name in NAMES}
    attributes["kind"] = np.array(["soma", "axon", "dendrite"])[level % 3]
    attributes["rgb"] = np.stack((level * 4, 255 - level * 4, np.full(120, 200)), axis=1).astype(np.uint8)
    with zvview.create(place, kind="skeleton", axes="xyz", chunk_shape=(50, 50, 50)) as store:
        parents = np.where(np.arange(120) % 2, np.arange(120) - 1, -1)
        common: dict[str, Any] = {"offsets": np.arange(61) * 2, "object_ids": np.arange(60), "attributes": attributes}
        store.write(zvview.Skeletons.from_parents(positions, parents, **common))
    return zvview.open(place)


@pytest.mark.parametrize(
    "by",
    [
        Colouring("object"),
        Colouring("category", "kind"),
        Colouring("rgba", "rgb"),
        *(Colouring("attribute", name) for name in NAMES),
    ],
    ids=lambda by: f"{by.mode}-{by.name}",
)
def test_vertices_have_their_colours(page: Page, tmp_path: Path, by: Colouring) -> None:
    with make(tmp_path / "s.zarrvectors") as store, view(store) as shown:
        told = with_limits(store, by)
        source = open_sources(store)["skeletons"]
        assert isinstance(source, SkeletonSource)
        state = shown.viewer.state.to_json()
        for layer in state["layers"]:
            if layer["type"] == "segmentation":
                rendering = {"shader": skeleton_shader(told, source.by_attribute), "lineWidth3d": 4}
                layer["skeletonRendering"] = rendering
        page.show(shown.viewer, layers=state["layers"])
        picture = page.look(shown.viewer, f"skeletons_{by.mode}_{by.name}")
        batch = store.level(0).read()
        colours = np.rint(colour_vertices(batch, told)[:, :3] * 255)
        at, rows = picture.find(batch.positions, ["x", "y", "z"])
        assert len(rows) > 100
        assert picture.share_found(at, colours[rows]) >= 0.85
