"""Annotations of the segment that is selected in a linked layer: those and no others are drawn, where they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zvview
from tests.neuroglancer.browser.pages import Page
from zvview.neuroglancer.viewing import view
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.style.colourmaps import colour_ids
from zvview.testing import make_store


@pytest.mark.parametrize("levels", [True, False])
def test_a_selected_segment_shows_its_own_nodes(page: Page, tmp_path: Path, levels: bool) -> None:
    place = tmp_path / "s.zarrvectors"
    make_store(place, "skeleton", size=3000, n_objects=30, seed=3).close()
    if levels:
        build_pyramid(place, PyramidOptions(target=300))
    with zvview.open(place) as store, view(store) as shown:
        state = shown.viewer.state.to_json()
        for layer in state["layers"]:
            layer["visible"] = layer["name"].endswith("nodes")
            told = {"filterBySegmentation": ["object"]} if layer["type"] == "annotation" else {"segments": ["5"]}
            layer.update(told)
        page.show(shown.viewer, layers=state["layers"])
        picture = page.look(shown.viewer, f"related_{levels}")
        whole = store.level(0).read_objects([4])  # there is an object 0
        at, rows = picture.find(whole.positions, [axis.name for axis in store.axes])
        colours = np.rint(colour_ids(np.full(len(rows), 4))[:, :3] * 255)
        assert len(rows) > 20
        assert picture.share_found(at, colours) == 1
        assert picture.share_stray(at) == 0
