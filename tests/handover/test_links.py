"""A link to what a window shows: opened elsewhere it is the same picture, and read again the same view."""

from __future__ import annotations

from typing import Any

import neuroglancer
import numpy as np
import pytest

from tests.handover.opening import opened
from tests.neuroglancer.browser.pages import Page
from zvview.handover.poses import find_camera
from zvview.handover.twins import Twin
from zvview.napari.camera import read_placement, read_viewer
from zvview.neuroglancer.encoding.space import space_of
from zvview.neuroglancer.links.poses import Pose
from zvview.neuroglancer.links.urls import parse_link


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_a_link_lands_on_the_view_of_the_window(window: Any, layer: Any, twin: Twin, page: Page, ndisplay: int) -> None:
    window.viewer.dims.ndisplay = ndisplay
    camera = window.viewer.scene.camera
    camera.center, camera.zoom = (420.0, 450.0, 520.0), 0.8
    if ndisplay == 3:
        camera.angles = (20.0, -35.0, 60.0)
    else:
        window.viewer.dims.set_point(0, 250.0)
    window.settle()
    asked, placement = read_viewer(window.viewer), read_placement(layer, window.viewer)
    view = opened(window, twin)
    state = parse_link(view.link("https://ng.example.org"))
    assert isinstance(state, dict)
    found = find_camera(Pose.of_state(state), asked, placement, layer.stream.frame, space_of(layer.stream.store.axes))
    assert found.displayed == asked.displayed and found.zoom == pytest.approx(asked.zoom)
    assert twin._depth is not None  # how deep the middle is makes no difference to the picture
    np.testing.assert_allclose(twin._depth.undone(found).point[list(asked.displayed)], asked.centre, rtol=1e-5)
    if ndisplay == 3:
        np.testing.assert_allclose([found.view, found.up], [asked.view, asked.up], atol=1e-5)
    page.show(view.viewer)
    here = page.look(view.viewer, f"link_here_{ndisplay}")
    other = neuroglancer.Viewer()
    other.set_state(state)
    page.show(other)
    there = page.look(other, f"link_there_{ndisplay}")
    assert here.is_lit.sum() > 200
    assert (here.pixels != there.pixels).any(axis=-1).mean() < 0.001
