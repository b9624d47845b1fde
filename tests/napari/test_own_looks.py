"""Colours and borders of points that a user chose: they hold while the view changes, and until another colouring."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from zvview.napari.private.points import StreamPoints
from zvview.napari.private.registering import register_layers
from zvview.style import Colouring

RED, BLUE = [1, 0, 0, 1], [0, 0, 1, 1]


def look_closer(window: Any, layer: Any, notches: int = 10) -> None:
    """Another view, for which other points come."""
    before = layer.data
    window.turn_wheel(notches)
    window.settle()
    window.wait(lambda: layer.data is not before)


def red_and_blue(image: np.ndarray) -> tuple[int, int]:
    """Pixels that are rather red, and rather blue."""
    red, _, blue = image.astype(int).transpose(2, 0, 1)
    return int((red > blue + 100).sum()), int((blue > red + 100).sum())


def test_the_face_colour_of_napari_s_controls_holds_until_another_colouring_is_chosen(window: Any, layer: Any) -> None:
    panel = window.viewer.window._qt_viewer.controls.widgets[layer]
    panel._face_color_control.face_color_edit.setColor(np.array(RED, np.float32))
    assert layer.current_face_color == "red"
    np.testing.assert_array_equal(layer.face_color, [RED] * len(layer.data))
    look_closer(window, layer)
    np.testing.assert_array_equal(layer.face_color, [RED] * len(layer.data))
    np.testing.assert_array_equal(layer.border_color, layer.face_color)
    red, blue = red_and_blue(window.look("own_face"))
    assert red > 500 and blue == 0
    layer.stream.colouring = layer.stream.colouring  # the same once more, as a change of size has it
    window.settle()
    assert layer.face_color.tolist()[0] == RED
    layer.stream.colouring = Colouring("constant", colour=(0, 0, 1, 1))
    window.wait(lambda: layer.face_color.tolist()[0] == BLUE)
    assert red_and_blue(window.look())[0] == 0


def test_borders_hold_as_well_and_are_seen_as_soon_as_they_have_a_colour(window: Any, layer: Any) -> None:
    layer.size = 40
    layer.current_face_color = "blue"
    assert not layer.border_width.any()
    layer.current_border_color = "red"
    assert set(layer.border_width.tolist()) == {np.float32(0.05)} or np.allclose(layer.border_width, 0.05)
    layer.current_border_width = 0.3
    look_closer(window, layer)
    np.testing.assert_allclose(layer.border_width, 0.3)
    np.testing.assert_array_equal(layer.border_color, [RED] * len(layer.data))
    np.testing.assert_array_equal(layer.face_color, [BLUE] * len(layer.data))
    red, blue = red_and_blue(window.look("own_border"))
    assert red > 1000 and blue > 300
    layer.stream.colouring = Colouring("object")
    window.wait(lambda: not layer.border_width.any())
    assert layer.border_color is layer.face_color


def test_one_colour_set_by_a_program_holds_and_one_each_does_not(window: Any, layer: Any) -> None:
    own = layer.face_color.copy()
    layer.face_color = "red"
    assert layer.current_face_color == "red"
    look_closer(window, layer)
    np.testing.assert_array_equal(layer.face_color, [RED] * len(layer.data))
    layer.border_color = "blue"
    look_closer(window, layer, -10)
    np.testing.assert_array_equal(layer.border_color, [BLUE] * len(layer.data))
    layer.stream.colouring = Colouring("object")
    window.wait(lambda: layer.face_color.tolist()[0] != RED)
    layer.stream.colouring = Colouring("category", "type")
    window.settle()
    layer.face_color = np.tile(np.array(BLUE, float), (len(layer.data), 1))
    look_closer(window, layer)
    assert layer.face_color.tolist()[0] in own.tolist()


def test_what_is_chosen_for_points_selected_or_added_is_for_these_alone(window: Any, layer: Any) -> None:
    before = layer.face_color.copy()
    layer.selected_data = {0}
    layer.current_face_color = "red"
    layer.selected_data = set()
    layer.mode = "add"
    layer.current_face_color = "blue"
    layer.mode = "pan_zoom"
    np.testing.assert_array_equal(layer.face_color[1:], before[1:])
    assert layer.face_color[0].tolist() == RED and not layer._own_colours
    layer.stream.discard_edits()


@pytest.mark.parametrize("is_relative", [True, False])
def test_borders_are_drawn_as_napari_draws_them(window: Any, is_relative: bool) -> None:
    register_layers()
    places = np.array([[20, 20, 20], [50, 50, 50], [80, 80, 80]], np.float32)
    layer = StreamPoints(np.array([[0, 0, 0], [100, 100, 100.0]]), size=20, border_width_is_relative=is_relative)
    window.viewer.add_layer(layer)
    window.viewer.dims.ndisplay = 3
    layer.swap(places, np.tile(np.array(BLUE, np.float32), (3, 1)), {})
    layer.current_border_color, layer.current_border_width = "red", 0.2 if is_relative else 4
    ours = window.look()
    plain = window.viewer.add_points(
        places,
        size=20,
        border_width=layer.current_border_width,
        border_width_is_relative=is_relative,
        border_color="red",
        face_color="blue",
    )
    layer.visible = False
    window.viewer.layers.selection.active = layer
    np.testing.assert_allclose(window.look().astype(int), ours, atol=2)
    assert plain.visible and red_and_blue(ours)[0] > 100


def test_a_swap_with_colours_of_ones_own_takes_no_longer(window: Any) -> None:
    register_layers()
    layer = window.viewer.add_layer(StreamPoints(np.array([[0, 0, 0], [1, 1, 1.0]]), size=1e-3))
    positions, colours = np.random.default_rng(0).random((100_000, 3), np.float32), np.ones((100_000, 4), np.float32)
    times = []
    for colour in ("red", "blue"):
        layer.current_face_color = layer.current_border_color = colour
        for _ in range(4):
            begun = time.perf_counter()
            layer.swap(positions, colours, {})
            times.append(time.perf_counter() - begun)
    assert np.median(times) < 0.05
