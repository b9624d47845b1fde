"""What a scientist does all day with a layer that streams, in a real window: nothing of it raises or shows wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

import zvview
from zvview.errors import NotZarrVectorsError
from zvview.geometry.batches import Points
from zvview.napari.opening import open_stores
from zvview.napari.private.points import StreamPoints
from zvview.napari.private.registering import register_layers

Lit = Callable[[np.ndarray], int]


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_a_single_point_is_a_dot_and_does_not_fill_the_canvas(
    window: Any, tmp_path: Path, pixels_lit: Lit, ndisplay: int
) -> None:
    place = tmp_path / "one.zarrvectors"
    with zvview.create(str(place), kind="point_cloud", chunk_shape=(50,) * 3, bin_shape=(5,) * 3) as store:
        store.write(Points(np.array([[50, 50, 50.0]])))
    window.drop(place)
    window.viewer.dims.ndisplay = ndisplay
    window.viewer.reset_view()
    window.settle()
    assert 4 < pixels_lit(window.look()) < 200


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_small_points_are_at_least_as_large_as_asked_for(window: Any, pixels_lit: Lit, ndisplay: int) -> None:
    register_layers()
    places = np.array([[20, 20, 20], [50, 50, 50], [80, 80, 80]], np.float32)
    layer = window.viewer.add_layer(
        StreamPoints(
            np.array([[0, 0, 0], [100, 100, 100.0]]), size=0.01, canvas_size_limits=(4, 10_000), antialiasing=0.5
        )
    )
    window.viewer.dims.ndisplay = ndisplay
    layer.swap(places, np.ones((3, 4), np.float32), {})
    image = window.look()
    assert (image.min(axis=-1) > 200).sum() > 3 * 0.8 * np.pi * 2**2  # discs of four pixels, and as bright


def test_the_size_slider_changes_all_points_and_stays_for_those_that_come(window: Any, layer: Any) -> None:
    layer.current_size = 7
    assert set(layer.size) == {7}
    layer.current_symbol = "square"
    assert {str(symbol) for symbol in layer.symbol} == {"square"}
    layer.size = 9
    window.turn_wheel(12)
    window.settle()
    assert len(layer.data) < 4000
    assert set(layer.size) == {9} and layer.current_size == 9
    assert {str(symbol) for symbol in layer.symbol} == {"square"}


def test_points_that_are_selected_take_a_look_of_their_own(window: Any, layer: Any) -> None:
    before = layer.current_size
    layer.selected_data = {0, 1}
    layer.current_size = 2 * before
    layer.current_symbol = "square"
    layer.current_border_width = 0.5
    layer.current_border_color = "red"
    layer.current_face_color = "blue"
    window.look()
    np.testing.assert_allclose(layer.size[:3], [2 * before, 2 * before, before])
    assert [str(symbol) for symbol in layer.symbol[:3]] == ["square", "square", "disc"]
    np.testing.assert_array_equal(layer.face_color[:2], [[0, 0, 1, 1]] * 2)
    np.testing.assert_array_equal(layer.border_color[:2], [[1, 0, 0, 1]] * 2)


def test_a_layer_in_two_viewers_streams_on_when_it_leaves_one(window: Any, layer: Any) -> None:
    other = ViewerModel()  # without a window
    layer.stream.watch(other)
    other.layers.append(layer)
    window.viewer.layers.remove(layer)
    window.settle(layer)
    assert layer.stream.view.projection is None  # the other one is 2-D
    other.layers.clear()
    assert layer.stream.streamer is None


def test_a_layer_moved_to_a_window_opened_later_streams_there(window: Any, make_napari_viewer: Any, layer: Any) -> None:
    other = make_napari_viewer(show=True)
    window.viewer.layers.remove(layer)
    assert layer.stream.streamer is None
    other.add_layer(layer)
    window.settle(layer)
    assert layer.stream.is_settled
    other.layers.clear()


@pytest.mark.parametrize("damage", ["metadata that say nothing", "no JSON"])
def test_a_collection_shows_the_members_that_are_whole_and_tells_of_the_other(
    window: Any, tmp_path: Path, damage: str
) -> None:
    place = tmp_path / "both.zarrvectors"
    with zvview.create_collection(str(place)) as collection:
        for name in ("first", "second"):
            with collection.create(name, kind="point_cloud", chunk_shape=(50,) * 3) as store:
                store.write(Points(np.array([[5, 5, 5.0], [9, 9, 9]])))
    document = place / "first" / "zarr.json"
    content = json.loads(document.read_text())
    content["attributes"]["zarr_vectors"] = {}
    document.write_text(json.dumps(content) if damage != "no JSON" else "{")
    since = len(notification_manager.records)
    window.drop(place)
    assert [layer.name for layer in window.viewer.layers] == ["both second"]
    told = [note.message for note in notification_manager.records[since:]]
    assert any("member 'first' is left out" in message for message in told)
    for name in ("first", "second"):
        (place / name / "zarr.json").write_text("[" * 10_000)
    with pytest.raises(NotZarrVectorsError, match=r"member 'first' is left out.*member 'second'"):
        open_stores(str(place))
