"""Layers of the state: how densely each kind of annotation is drawn at first."""

from __future__ import annotations

from pathlib import Path

import pytest

from zvview.neuroglancer.layers import Look
from zvview.neuroglancer.links.states import Exhibit, layers_of
from zvview.neuroglancer.sources.opening import open_sources
from zvview.testing import make_store


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("point_cloud", {"points": 6.0}), ("streamline", {"lines": 2.0}), ("skeleton", {"edges": 2.0, "nodes": 6.0})],
)
def test_lines_are_drawn_more_densely_than_points(tmp_path: Path, kind: str, expected: dict[str, float]) -> None:
    with make_store(tmp_path / "s.zarrvectors", kind, size=300) as store:
        exhibit = Exhibit("s", store, open_sources(store), "http://h/{}".format)
        for look, wished in ((None, expected), (Look(spacing_px=3.0), dict.fromkeys(expected, 3.0))):
            layers = [layer for layer in layers_of(exhibit, look).layers if layer["type"] == "annotation"]
            told = {layer["source"]["url"].split("/")[3]: layer for layer in layers}
            for spacing in ("projectionAnnotationSpacing", "crossSectionAnnotationSpacing"):
                assert {name: layer[spacing] for name, layer in told.items()} == wished


@pytest.mark.parametrize(("count", "hidden"), [(20, {"edges", "nodes"}), (120, {"nodes"})])
def test_edges_show_the_networks_that_are_too_many_to_be_shown_as_skeletons(
    tmp_path: Path, count: int, hidden: set[str]
) -> None:
    with make_store(tmp_path / "s.zarrvectors", "skeleton", size=10 * count, n_objects=count) as store:
        layers = layers_of(Exhibit("s", store, open_sources(store), "http://h/{}".format)).layers
        assert {layer["name"].removeprefix("s ") for layer in layers if not layer.get("visible", True)} == hidden
