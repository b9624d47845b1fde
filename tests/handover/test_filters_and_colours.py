"""What a window filters and how it colours, in a real browser: the same vertices in the same colours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.handover.opening import opened
from tests.neuroglancer.browser.pages import Page, Picture
from zvview.geometry.batches import Batch
from zvview.handover.looks import find_look
from zvview.handover.twins import Twin
from zvview.napari.camera import read_placement, read_viewer
from zvview.stream import Filter
from zvview.stream.filtering import apply_filter, wanted_objects
from zvview.style import Colouring, Membership, colour_vertices
from zvview.testing import make_store

KINDS: Mapping[str, dict[str, Any]] = {
    "point_cloud": {"size": 1500, "n_objects": 9},
    "streamline": {"size": 1500, "n_objects": 30},
    "skeleton": {"size": 1500, "n_objects": 12},
    "mesh": {"size": 1500, "n_objects": 6},
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kinds")
    for kind, options in KINDS.items():
        make_store(str(folder / f"{kind}.zarrvectors"), kind, seed=4, **options).close()
    return {kind: folder / f"{kind}.zarrvectors" for kind in KINDS}


def drop(window: Any, place: Path) -> Any:
    window.drop(place)
    window.viewer.dims.ndisplay = 3
    window.settle()
    window.viewer.reset_view()
    window.settle()
    return window.viewer.layers[0]


def whole(layer: Any) -> Batch:
    return layer.stream.store.level(0).read()  # type: ignore[no-any-return]


def wanted(layer: Any) -> tuple[Batch, NDArray[Any]]:
    """What the window shows of the finest level, and its colours of 255."""
    store, filter = layer.stream.store, layer.stream.filter
    batch = apply_filter(whole(layer), filter, wanted_objects(filter, store.groups))
    groups = store.groups
    membership = None if groups is None else Membership.of(groups.members, groups.names)
    return batch, np.rint(colour_vertices(batch, layer.stream.colouring, membership=membership)[:, :3] * 255)


def looked(window: Any, twin: Twin, page: Page, name: str) -> Picture:
    view = opened(window, twin)
    page.show(view.viewer, projectionAnnotationSpacing=1)
    return page.look(view.viewer, name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["object", "group"])
def test_chosen_objects_alone_are_seen_in_their_colours(
    window: Any, twin: Twin, page: Page, places: dict[str, Path], kind: str, by: str
) -> None:
    layer = drop(window, places[kind])
    store = layer.stream.store
    ids = store.level(0).present_object_ids
    layer.stream.colouring = Colouring("object" if by == "object" else "group")
    layer.stream.filter = Filter(object_ids=ids[1:3]) if by == "object" else Filter(groups=(0,))
    window.settle()
    picture = looked(window, twin, page, f"chosen_{kind}_{by}")
    batch, colours = wanted(layer)
    assert 0 < len(batch) < len(whole(layer))
    at, rows = picture.find(batch.positions, [axis.name for axis in store.axes])
    if kind != "mesh":  # lit from one side
        assert picture.share_found(at, colours[rows]) > 0.4
    reach = 30 if kind == "mesh" else 6
    assert picture.is_lit.sum() > 20
    assert picture.share_stray(at, reach=reach) < 0.02
    assert twin.view is not None
    assert not any("chosen" in note or "cannot" in note for note in twin.view.notes)


@pytest.mark.parametrize("kind", ["streamline", "skeleton"])
def test_lines_are_filtered_by_attribute_wherever_they_are_drawn(
    window: Any, twin: Twin, page: Page, places: dict[str, Path], kind: str
) -> None:
    layer = drop(window, places[kind])
    store = layer.stream.store
    name = next(n for n, a in store.attributes.items() if a.categories is None and not a.row_shape)
    values = whole(layer).attributes[name]
    middle = float(np.median(values))
    layer.stream.colouring = Colouring("attribute", name, colourmap="inferno")
    layer.stream.filter = Filter(
        ranges={name: (middle, float(values.max()))}, object_ids=store.level(0).present_object_ids[:8]
    )
    window.settle()
    picture = looked(window, twin, page, f"filtered_{kind}")
    batch, _ = wanted(layer)
    at, _ = picture.find(batch.positions, [axis.name for axis in store.axes])
    assert picture.is_lit.sum() > 20
    assert picture.share_stray(at, reach=8) < 0.05


def test_colours_set_by_hand_go_over(window: Any, twin: Twin, page: Page, places: dict[str, Path]) -> None:
    layer = drop(window, places["point_cloud"])
    layer.face_color = "#00ff80"
    window.settle()
    picture = looked(window, twin, page, "by_hand")
    lit = picture.pixels[picture.is_lit]
    np.testing.assert_allclose(np.median(lit, axis=0), [0, 255, 128], atol=3)


def test_a_colour_map_with_limits_and_hidden_categories_go_over(
    window: Any, twin: Twin, page: Page, places: dict[str, Path]
) -> None:
    layer = drop(window, places["point_cloud"])
    store = layer.stream.store
    number = next(n for n, a in store.attributes.items() if a.categories is None and not a.row_shape)
    label, known = next((n, a) for n, a in store.attributes.items() if a.categories is not None)
    values = whole(layer).attributes[number]
    limits = tuple(map(float, np.quantile(values, [0.3, 0.6])))
    layer.stream.colouring = Colouring("attribute", number, colourmap="inferno", limits=limits)
    layer.stream.filter = Filter(categories={label: known.categories.labels[1:]})
    window.settle()
    picture = looked(window, twin, page, "limits")
    batch, colours = wanted(layer)
    assert 0 < len(batch) < len(whole(layer))
    at, rows = picture.find(batch.positions, [axis.name for axis in store.axes])
    bright = colours[rows].max(axis=1) > 100  # those that can be told from the background
    assert picture.share_found(at[bright], colours[rows][bright]) > 0.6
    assert picture.share_stray(at, reach=5) < 0.01


def test_what_cannot_go_over_is_told(window: Any, twin: Twin, places: dict[str, Path]) -> None:
    layer = drop(window, places["mesh"])
    name = next(n for n, a in layer.stream.store.attributes.items() if not a.row_shape and a.categories is None)
    layer.stream.colouring = Colouring("attribute", name)
    layer.stream.filter = Filter(ranges={name: (0.0, 1e9)})
    window.settle()
    notes = opened(window, twin).notes
    assert any("cannot colour this by" in note and name in note for note in notes)
    assert any("cannot filter this by" in note and name in note for note in notes)


def test_symbols_of_their_own_are_told_and_hidden_points_filtered(window: Any, places: dict[str, Path]) -> None:
    layer = drop(window, places["point_cloud"])
    name = next(n for n, a in layer.stream.store.attributes.items() if a.categories is None and not a.row_shape)
    layer.columns = type(layer.columns)(symbol=name, shown=name)
    look, notes = find_look(layer, read_viewer(window.viewer), read_placement(layer, window.viewer))
    assert any("symbols" in note and name in note for note in notes)
    assert look.filter.ranges[name][0] > 0
