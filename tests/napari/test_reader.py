"""The reader: what it takes, what it declines, how long it holds up the window, and what it adds later."""

from __future__ import annotations

import functools
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.settings import get_settings

import zvview
from zvview.napari.opening import name_of
from zvview.napari.preference import PATTERNS, prefer_zvview
from zvview.napari.reader import get_reader
from zvview.testing import make_batch, make_store


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """An http server of the temporary folder."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined, method-assign]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}"
        listening.shutdown()
        thread.join(5)


def test_places_that_are_no_stores_are_declined_in_a_moment(tmp_path: Path) -> None:
    (tmp_path / "image.zarr").mkdir()
    (tmp_path / "image.zarr" / "zarr.json").write_text('{"attributes": {"ome": {"version": "0.5"}}}')
    begun = time.perf_counter()
    assert get_reader(str(tmp_path / "image.zarr")) is None
    assert get_reader([str(tmp_path), str(tmp_path / "nothing")]) is None
    assert get_reader([]) is None
    assert time.perf_counter() - begun < 0.05


def test_reader_holds_up_the_window_for_less_than_a_tenth_of_a_second(window: Any, tmp_path: Path) -> None:
    place = tmp_path / "a.zarrvectors"
    make_store(str(place), "point_cloud", size=50_000).close()
    times = []
    for _ in range(4):
        begun = time.perf_counter()
        reader = get_reader(str(place))
        assert reader is not None
        (layer,) = reader(str(place))
        times.append(time.perf_counter() - begun)
        assert len(layer.data) == 0 and layer.extent.world.shape == (2, 3)
    assert min(times) < 0.1


def test_zip_and_document_and_folder_are_one_store(window: Any, tmp_path: Path) -> None:
    for name in ("a.zv.zip", "b.zv"):
        make_store(str(tmp_path / name), "point_cloud", size=500).close()
    window.drop(tmp_path / "a.zv.zip", tmp_path / "b.zv", tmp_path / "b.zv" / "zarr.json")
    assert sorted(layer.name for layer in window.viewer.layers) == ["a", "b", "b [1]"]
    window.viewer.dims.ndisplay = 3
    window.settle()
    assert {len(layer.data) for layer in window.viewer.layers} == {500}
    facts = window.viewer.layers[0].metadata["zarr_vectors"]
    assert facts["kind"] == "point_cloud" and facts["levels"] == (0,)


def test_collection_gives_a_layer_for_each_child(window: Any, tmp_path: Path) -> None:
    place = tmp_path / "brain.zv"
    with zvview.create_collection(str(place)) as collection:
        for kind, member in (("skeleton", "neurons"), ("point_cloud", "synapses")):
            collection.create(member, kind=kind).write(make_batch(kind, 2000))
    window.drop(place)
    assert [layer.name for layer in window.viewer.layers] == ["brain neurons", "brain synapses"]
    window.viewer.dims.ndisplay = 3
    window.settle()
    skeletons, points = window.viewer.layers
    assert len(points.data) == 2000 and len(skeletons.segments) > 1500


def test_address_is_opened_off_the_thread_of_the_window(window: Any, tmp_path: Path, server: str) -> None:
    make_store(str(tmp_path / "far.zarrvectors"), "point_cloud", size=3000).close()
    begun = time.perf_counter()
    window.drop(f"{server}/far.zarrvectors")
    assert time.perf_counter() - begun < 5
    window.wait(lambda: len(window.viewer.layers) == 1)
    window.viewer.dims.ndisplay = 3
    window.settle()
    (layer,) = window.viewer.layers
    assert layer.name == "far" and len(layer.data) == 3000


def test_address_that_holds_no_store_is_told_and_leaves_the_viewer_alive(window: Any, server: str) -> None:
    from napari.utils.notifications import notification_manager

    before = len(notification_manager.records)
    window.drop(f"{server}/none.zarrvectors")
    window.wait(lambda: any("none.zarrvectors" in note.message for note in notification_manager.records[before + 1 :]))
    assert len(window.viewer.layers) == 0


def test_question_for_the_reader_comes_once_at_most(window: Any, tmp_path: Path) -> None:
    get_settings().plugins.extension2reader = {"*.zv*": "another"}
    assert prefer_zvview()
    assert get_settings().plugins.extension2reader == {"*.zv*": "another", "*.zarrvectors*": "zvview"}
    assert not prefer_zvview()
    get_settings().plugins.extension2reader = {}
    place = tmp_path / "a.zarrvectors"
    make_store(str(place), "point_cloud", size=100).close()
    window.viewer.open(str(place), plugin="zvview")
    assert set(PATTERNS) <= set(get_settings().plugins.extension2reader)
    window.drop(place)  # would open a dialog and wait for ever
    assert len(window.viewer.layers) == 2


def test_stores_in_different_units_stand_side_by_side(window: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, unit, edge in (("fine", "nanometer", 1e5), ("coarse", "micrometer", 100.0)):
        axes = tuple(zvview.Axis(axis, "space", unit) for axis in "xyz")
        store = zvview.create(str(tmp_path / f"{name}.zv"), kind="point_cloud", axes=axes)
        store.write(zvview.Points(rng.random((2000, 3)) * edge))
        store.close()
    window.drop(tmp_path / "fine.zv", tmp_path / "coarse.zv")
    window.viewer.dims.ndisplay = 3
    window.viewer.reset_view()
    window.settle()
    assert [len(layer.data) for layer in window.viewer.layers] == [2000, 2000]
    boxes = []
    for layer in window.viewer.layers:
        others = [other for other in window.viewer.layers if other is not layer]
        for other in others:
            other.visible = False
        lit = np.argwhere(window.look().max(axis=-1) > 60)
        boxes.append((lit.min(axis=0), lit.max(axis=0)))
        for other in others:
            other.visible = True
    np.testing.assert_allclose(boxes[0], boxes[1], atol=8)
    window.viewer.layers.clear()


def test_two_viewers_show_one_store_each_as_it_likes(
    window: Any, make_napari_viewer: Any, tmp_path: Path, qtbot: Any
) -> None:
    place = tmp_path / "a.zarrvectors"
    make_store(str(place), "point_cloud", size=2000).close()
    other = make_napari_viewer(show=True)
    (first,) = window.viewer.open(str(place), plugin="zvview")
    (second,) = other.open(str(place), plugin="zvview")
    other.dims.ndisplay = window.viewer.dims.ndisplay = 3
    window.settle(first, second)
    assert len(first.data) == len(second.data) == 2000
    other.layers.clear()
    assert second.stream.streamer is None and first.stream.streamer is not None


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("/data/cells.zarrvectors/", "cells"),
        ("https://h/x/cells.zv.zip?sig=1", "cells"),
        ("/data/cells.zv/zarr.json", "cells"),
        (r"C:\data\cells.zarr", "cells"),
        ("/", "store"),
    ],
)
def test_layers_are_named_after_their_place(place: str, name: str) -> None:
    assert name_of(place) == name
