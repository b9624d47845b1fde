"""How lines of a real window look in a real browser: colours along them, and how thick they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from tests.handover.opening import opened
from tests.neuroglancer.browser.pages import Page, Picture
from zvview.handover.twins import Twin
from zvview.style import Colouring

AXES = [zvview.Axis(name, "space", "micrometer") for name in "xyz"]
BENT = np.array([[10.0, 10, 20], [30, 10, 20], [50, 10, 20], [50, 30, 20], [50, 50, 20], [60, 60, 20]])
MIDDLES = (BENT[1:] + BENT[:-1]) / 2
LABELS = ["axon", "dendrite", "soma", "tip"]


def shown_from_above(window: Any, twin: Twin, page: Page, ndisplay: int, name: str) -> Picture:
    """The store of the window's layer, 5 pixels for a unit, from along z."""
    viewer = window.viewer
    viewer.dims.ndisplay = ndisplay
    camera = viewer.scene.camera
    camera.center, camera.zoom = (20.0, 35.0, 35.0), 5.0
    if ndisplay == 3:
        camera.set_view_direction((1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
    else:
        viewer.dims.set_point(0, 20.0)
    window.settle()
    view = opened(window, twin)
    page.show(view.viewer)
    return page.look(view.viewer, name)


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_lines_that_turn_have_the_colour_of_their_direction_everywhere(
    window: Any, twin: Twin, page: Page, tmp_path: Path, ndisplay: int
) -> None:
    place = tmp_path / "bent.zarrvectors"
    with zvview.create(place, kind="streamline", axes=AXES, chunk_shape=(80.0,) * 3) as made:
        made.write(zvview.Streamlines.from_list([BENT.astype("f4")], object_ids=[3]))
    window.drop(place)
    window.viewer.layers[0].stream.colouring = Colouring("direction")
    picture = shown_from_above(window, twin, page, ndisplay, f"lines_direction_{ndisplay}")
    at, rows = picture.find(MIDDLES, "xyz")
    slope = 255 * np.sqrt(0.5)
    expected = np.array([[255, 0, 0], [255, 0, 0], [0, 255, 0], [0, 255, 0], [slope, slope, 0]])
    assert len(rows) == 5
    assert picture.share_found(at, expected[rows]) == 1


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A skeleton whose categories lie far from one another in the order of their labels."""
    place = tmp_path / "tree.zarrvectors"
    kinds = np.array([LABELS[0], LABELS[0], LABELS[0], LABELS[3], LABELS[3], LABELS[3]])
    attributes = {"kind": np.append(kinds, ["dendrite", "soma"])}  # all four are used
    positions = np.vstack((BENT, [[70, 10, 70], [70, 12, 70]]))
    parents = np.array([-1, 0, 1, 2, 3, 4, -1, 6])
    with zvview.create(place, kind="skeleton", axes=AXES, chunk_shape=(80.0,) * 3) as made:
        made.write(
            zvview.Skeletons.from_parents(
                positions, parents, offsets=[0, 6, 8], object_ids=[1, 2], attributes=attributes
            )
        )
    return place


def test_between_two_categories_no_third_one_is_seen(window: Any, twin: Twin, page: Page, tree: Path) -> None:
    window.drop(tree)
    layer = window.viewer.layers[0]
    layer.stream.colouring = Colouring("category", "kind")
    legend = {entry.label: np.rint(np.array(entry.colour[:3]) * 255) for entry in layer.stream.legend}
    picture = shown_from_above(window, twin, page, 3, "lines_categories")
    at, _ = picture.find(MIDDLES, "xyz")
    expected = np.array([legend["axon"], legend["axon"], [128] * 3, legend["tip"], legend["tip"]])
    assert picture.share_found(at, expected) == 1
    along = BENT[2] + (BENT[3] - BENT[2]) * np.linspace(0.05, 0.95, 40)[:, None]
    at, _ = picture.find(along, "xyz")
    for label in ("dendrite", "soma"):
        assert picture.share_found(at, np.tile(legend[label], (len(at), 1)), reach=1) == 0


def test_skeletons_are_as_thin_in_a_plane_as_in_the_window(window: Any, twin: Twin, page: Page, tmp_path: Path) -> None:
    place = tmp_path / "dense.zarrvectors"
    along = np.full((301, 3), 20.0)
    along[:, 0] = np.linspace(10, 70, 301)  # a vertex for each pixel, whose soft discs would add up
    with zvview.create(place, kind="skeleton", axes=AXES, chunk_shape=(80.0,) * 3) as made:
        made.write(zvview.Skeletons.from_parents(along, np.arange(301) - 1, offsets=[0, 301], object_ids=[1]))
    window.drop(place)
    picture = shown_from_above(window, twin, page, 2, "lines_thin")
    (skeletons,) = [layer for layer in picture.state["layers"] if layer["type"] == "segmentation"]
    assert skeletons["skeletonRendering"]["lineWidth2d"] < 0.1  # and half a pixel on both sides that is soft
    at, _ = picture.find(along[10:-10:20], "xyz")
    thick = picture.is_lit[:, at[:, 1]].sum(axis=0)
    assert (thick >= 1).all() and (thick <= 2).all()


def test_tails_that_do_not_go_over_are_told(window: Any, twin: Twin, tmp_path: Path) -> None:
    place = tmp_path / "tracks.zarrvectors"
    axes = [*AXES[:2], zvview.Axis("t", "time", "second")]
    with zvview.create(place, kind="polyline", axes=axes, chunk_shape=(80.0, 80.0, 80.0)) as made:
        track = np.column_stack((BENT[:, :2], np.arange(6.0) * 10)).astype("f4")
        made.write(zvview.Polylines.from_list([track], object_ids=[1]))
    window.drop(place)
    window.settle()
    assert window.viewer.layers[0].stream.tail > 0
    opened(window, twin)
    assert any("without a tail of their past" in note for note in twin.notes)
