"""The live view: names, notes, layers and looks; what cannot be shown is told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import zvview
from zvview.errors import InvalidInputError
from zvview.neuroglancer import export, view
from zvview.neuroglancer.layers import Look
from zvview.neuroglancer.markers import Markers
from zvview.neuroglancer.viewing import View
from zvview.stream.filtering import Filter
from zvview.style import Colouring
from zvview.testing import make_store


def make(place: Path, *, axes: str = "xyz", at: float = 0.0, unit: str | None = None) -> zvview.Store:
    rng = np.random.default_rng(0)
    told = [zvview.Axis(n, "time" if n == "t" else "space", unit) for n in axes]
    columns = {"value": rng.uniform(0, 1, 50).astype("f4"), "kind": rng.choice(["a", "b"], 50)}
    with zvview.create(place, kind="point_cloud", axes=told, chunk_shape=(50.0,) * len(axes)) as store:
        store.write(zvview.Points(rng.uniform(at, at + 100, (50, len(axes))), attributes=columns))
    return zvview.open(place)


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[View]:
    first, second = tmp_path / "a" / "cells.zarrvectors", tmp_path / "b" / "cells.zarrvectors"
    make(first)
    make(second, at=200)
    with view(first, second, images=["https://h.org/em.zarr", "precomputed://gs://b/em"]) as opened:
        yield opened


def test_stores_are_layers_of_their_own_above_the_images(shown: View) -> None:
    state = shown.state()
    assert [layer["name"] for layer in state["layers"]] == ["image", "image 2", "cells", "cells_2"]
    assert "https://h.org/em.zarr/|zarr:" in str(state["layers"][0]["source"])
    assert state["position"] == pytest.approx([150, 150, 150], abs=5)
    assert state["projectionScale"] == pytest.approx(330, rel=0.05)
    assert state["crossSectionScale"] == pytest.approx(330 / 600, rel=0.05)  # of a window of 600 pixels
    assert state["selectedLayer"] == {"layer": "cells"}


def test_looks_and_filters_become_shaders(shown: View) -> None:
    by = Colouring("attribute", "value", limits=(0.25, 0.75))
    look = Look(by, size=7.0, opacity=0.5, filter=Filter(ranges={"value": (0.5, 1)}, categories={"kind": ["a"]}))
    shown.show(lambda exhibit: look if exhibit.name == "cells" else None, {"position": [1, 2, 3]})
    state = shown.state()
    layers = {layer["name"]: layer for layer in state["layers"]}
    assert state["position"] == [1, 2, 3]
    assert list(layers) == ["image", "image 2", "cells", "cells_2"]
    shader = layers["cells"]["shader"]
    assert shader.count("discard") == 2
    assert "range=[0.25, 0.75]" in shader
    assert "default=7" in shader
    assert "opacity slider(min=0, max=1, default=0.5)" in shader
    assert "discard" not in layers["cells_2"]["shader"]


def test_what_a_source_lacks_is_left_out_of_its_look(shown: View) -> None:
    markers = Markers(size_by="depth", border_width_by="value")
    look = Look(Colouring("attribute", "depth"), filter=Filter(ranges={"value": (0.5, 1)}), markers=markers)
    shown.show(lambda exhibit: look, {})
    shaders = [layer["shader"] for layer in shown.state()["layers"][2:]]
    assert all("discard" in shader and "float border = diameter * clamp(" in shader for shader in shaders)
    assert any("no 'depth' to size or border this by" in note for note in shown.notes)


def test_axes_of_other_names_units_and_times_have_one_space(tmp_path: Path) -> None:
    make(tmp_path / "micro.zarrvectors", unit="micrometer")
    make(tmp_path / "nano.zarrvectors", unit="nanometer", at=1e5)
    make(tmp_path / "film.zarrvectors", axes="tzyx", unit="micrometer")
    with view(*(tmp_path / f"{name}.zarrvectors" for name in ("micro", "nano", "film"))) as opened:
        state = opened.state()
        assert list(state["dimensions"]) == ["x", "y", "z", "t"]
        assert state["position"][:3] == pytest.approx([50, 50, 50], abs=2)
        assert opened.notes is not None
    with view(tmp_path / "film.zarrvectors") as opened:
        assert opened.state()["displayDimensions"] == ["x", "y", "z"]


def test_stores_without_a_unit_count_in_that_of_the_others_with_every_look(tmp_path: Path) -> None:
    make(tmp_path / "plain.zarrvectors")
    make(tmp_path / "micro.zarrvectors", unit="micrometer", at=100)
    make(tmp_path / "nano.zarrvectors", unit="nanometer", at=1e5)  # the first one with a unit counts
    told = "plain: x, y, z without a unit, taken for that of what is shown with it"
    with view(*(tmp_path / f"{name}.zarrvectors" for name in ("plain", "micro", "nano"))) as opened:
        for _ in range(2):
            state = opened.state()
            assert set(map(tuple, state["dimensions"].values())) == {(1e-6, "m")}
            assert state["position"] == pytest.approx([100] * 3, abs=5)
            plain, micro, nano = (layer["source"].get("transform", {}) for layer in state["layers"])
            assert plain["inputDimensions"] == plain["outputDimensions"] == state["dimensions"]
            assert np.allclose(plain["matrix"], np.eye(3, 4)) and not micro and not nano
            assert opened.notes.count(told) == 1
            opened.show(lambda exhibit: Look(), {})
    with view(tmp_path / "plain.zarrvectors") as opened:
        assert set(map(tuple, opened.state()["dimensions"].values())) == {(1, "")}
        assert told not in opened.notes


def test_a_collection_is_shown_without_what_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make(tmp_path / "a.zarrvectors")
    other = make(tmp_path / "b.zarrvectors")
    from zvview.neuroglancer import viewing

    real = viewing.open_sources

    def choosy(given: zvview.Store) -> object:
        if given.place == other.place:
            raise zvview.UnsupportedError("b is of a kind that is not known")
        return real(given)

    monkeypatch.setattr(viewing, "open_sources", choosy)
    with view(store, other) as opened:
        assert opened.notes[0] == "b is of a kind that is not known"
        assert [layer["name"] for layer in opened.state()["layers"]] == ["a"]
    with pytest.raises(zvview.UnsupportedError, match="not known"):
        view(other)


def test_two_views_at_once_and_one_after_the_other(tmp_path: Path) -> None:
    store = make(tmp_path / "a.zarrvectors")
    with view(store) as first, view(store) as second:
        assert first.url != second.url
    with view(store) as third:
        assert third.url not in (first.url, second.url)


def test_a_layer_to_draw_in_is_made_once(shown: View) -> None:
    assert len(shown.drawn()) == 0
    shown.let_draw()
    with pytest.raises(InvalidInputError, match="already"):
        shown.let_draw()


def test_exports_are_shown_beside_stores_by_names_of_their_own(tmp_path: Path) -> None:
    make_store(tmp_path / "trees.zarrvectors", "skeleton", size=300, n_objects=3, seed=1).close()
    export(tmp_path / "trees.zarrvectors", tmp_path / "trees")
    export(tmp_path / "trees.zarrvectors", tmp_path / "trees.zip", format="zip")
    with view(tmp_path / "trees.zarrvectors", tmp_path / "trees", str(tmp_path / "trees.zip")) as shown:
        layers = {layer["name"]: layer for layer in shown.state()["layers"]}
        own = [f"trees {what}" for what in ("skeletons", "edges", "nodes")]
        assert list(layers) == [f"{name}{end}" for end in ("", " 2", " 3") for name in own]
        for end in (" 2", " 3"):
            assert layers[f"trees nodes{end}"]["linkedSegmentationLayer"] == {"object": f"trees skeletons{end}"}
        assert {layer["type"] for name, layer in layers.items() if "skeletons" in name} == {"segmentation"}
        assert len(shown.drawn().points) == 0


def test_exports_alone_are_shown_as_they_begin(tmp_path: Path) -> None:
    make(tmp_path / "cells.zarrvectors", unit="um").close()
    export(tmp_path / "cells.zarrvectors", tmp_path / "cells")
    state = json.loads((tmp_path / "cells" / "state.json").read_text())
    make(tmp_path / "plain.zarrvectors").close()
    with view(tmp_path / "cells", images=["https://h.org/em.zarr"]) as shown:
        now = shown.state()
        assert [layer["name"] for layer in now["layers"]] == ["image", "cells"]
        assert now["position"] == pytest.approx(state["position"]) and now["dimensions"] == state["dimensions"]
        with pytest.raises(InvalidInputError, match="in whose coordinates"):
            shown.drawn()
        with zvview.open(tmp_path / "cells.zarrvectors") as store:
            assert len(shown.drawn(store).points) == 0
    with view(tmp_path / "plain.zarrvectors", tmp_path / "cells") as shown:
        assert any("without a unit" in note for note in shown.notes)


@pytest.mark.parametrize("wrong", [{"images": ["em.zarr"]}, {"allow_origin": "h.org"}])
def test_what_is_asked_wrongly_is_told(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        view(make(tmp_path / "a.zarrvectors"), **wrong)  # type: ignore[arg-type]


def test_importing_the_package_does_not_import_the_client() -> None:
    code = (
        "import sys, zvview.neuroglancer as n; n.make_link; assert not {'neuroglancer', 'tornado'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_the_package_gives_what_it_names() -> None:
    import zvview.neuroglancer as package

    assert all(callable(getattr(package, name)) for name in package.__all__)
    assert package.view is view  # not the module of that name
    with pytest.raises(AttributeError):
        _ = package.nothing
