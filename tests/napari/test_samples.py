"""File > Open Sample: made in the background, dressed, shown in 3-D; the scripted flight; ``zvview demo``."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import npe2
import numpy as np
import pytest

import zvview
from zvview.errors import MissingError, UnreachableError
from zvview.napari import samples as sample_menu
from zvview.napari.flight import play
from zvview.napari.opening import open_stores
from zvview.napari.samples import SCHEME, get_reader
from zvview.napari.showing import add_sample, add_stores, check_level, fly_to, has_space
from zvview.samples import SAMPLES, Stop, find_sample, prepare_sample
from zvview.testing import make_store

SYNTHETIC = [sample.name for sample in SAMPLES if "synthetic" in sample.about]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One cache folder for the module, so that each sample is made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZVVIEW_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("name", SYNTHETIC)
def test_synthetic_ones_open_from_the_menu(window: Any, plugin: str, pixels_lit: Any, name: str) -> None:
    assert window.viewer.open_sample(plugin, name) == []  # at once; the layer comes when it is there
    window.wait(lambda: len(window.viewer.layers) == 1, seconds=60)
    (layer,) = window.viewer.layers
    window.settle()
    assert layer.name == name and window.viewer.dims.ndisplay == 3
    assert layer.stream.update.status.level_count > 1
    colouring = layer.stream.colouring
    look = find_sample(name).looks.get("")
    if look is not None and look.colouring is not None:
        assert (colouring.mode, colouring.name) == (look.colouring.mode, look.colouring.name)
    assert pixels_lit(window.look(f"sample_{name}")) > 1500
    assert window.viewer.canvas.overlays.scale_bar.visible


def test_real_neurons_open_in_one_frame(window: Any, monkeypatch: pytest.MonkeyPatch, pixels_lit: Any) -> None:
    for folder in filter(None, os.environ.get("ZVVIEW_TEST_DATA", "").split(os.pathsep)):
        monkeypatch.syspath_prepend(folder)
    assert importlib.util.find_spec("navis") is not None, "install navis, or name its parent in ZVVIEW_TEST_DATA"
    window.viewer.open_sample("zvview", "hemibrain")
    window.wait(lambda: len(window.viewer.layers) == 4, seconds=60)
    layers = {layer.name.removeprefix("hemibrain "): layer for layer in window.viewer.layers}
    assert set(layers) == set(find_sample("hemibrain").looks)
    assert not layers["surfaces"].visible and layers["neuropil"].opacity < 0.5
    window.settle(*(layer for layer in layers.values() if layer.visible))
    whole = window.look("sample_hemibrain")
    assert pixels_lit(whole) > 50_000
    window.viewer.layers["hemibrain neuropil"].visible = False
    assert 500 < pixels_lit(window.look()) < 0.5 * pixels_lit(whole)


def test_window_lives_while_a_sample_is_made(window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(sample: Any, progress: Any, cancel: Any) -> Path:
        progress(1, 3, "on the way")
        begun.set()
        go_on.wait(20)
        return prepare_sample(sample)

    monkeypatch.setattr(sample_menu, "prepare_sample", slow)
    start = time.perf_counter()
    window.viewer.open_sample("zvview", "vessels")
    assert time.perf_counter() - start < 1.0
    window.wait(begun.is_set)
    (opening,) = sample_menu._SampleOpening._pending
    window.wait(lambda: opening._bar.n == 1)
    assert opening._bar.total == 3 and "on the way" in str(opening._bar)
    assert not window.viewer.layers
    go_on.set()
    window.wait(lambda: window.viewer.layers, seconds=60)
    window.settle()


def test_errors_and_a_stop_by_the_user_are_told(window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(sample_menu, "show_error", told.append)
    monkeypatch.setattr(sample_menu, "show_info", told.append)

    def unreachable(sample: Any, progress: Any, cancel: Any) -> Path:
        raise UnreachableError("no network here")

    monkeypatch.setattr(sample_menu, "prepare_sample", unreachable)
    window.viewer.open_sample("zvview", "bundles")
    window.wait(lambda: told)
    assert "no network here" in told.pop() and not window.viewer.layers

    def endless(sample: Any, progress: Any, cancel: Any) -> Path:
        while True:
            cancel.raise_if_cancelled()
            time.sleep(0.01)

    monkeypatch.setattr(sample_menu, "prepare_sample", endless)
    window.viewer.open_sample("zvview", "bundles")
    (opening,) = sample_menu._SampleOpening._pending
    opening._cancel.cancel()  # what the button of napari's progress bar calls
    window.wait(lambda: told)
    assert "stopped" in told.pop() and not sample_menu._SampleOpening._pending


def test_addresses_of_no_sample_are_declined() -> None:
    assert get_reader(f"{SCHEME}unicorn") is None
    assert get_reader("/somewhere") is None
    assert get_reader([f"{SCHEME}cells"]) is None


def test_flight_keeps_pictures_and_figures(window: Any, tmp_path: Path) -> None:
    sample = find_sample("vessels")
    layers = add_sample(window.viewer, sample, open_stores(str(prepare_sample(sample))))
    told: list[Any] = []
    stops = play(window.viewer, layers, sample.stops[:2], tmp_path, tell=told.append)
    assert [stop.stop for stop in stops] == ["overview", "closer"] == [stop.stop for stop in told]
    for stop in stops:
        assert stop.is_settled and (tmp_path / stop.picture).stat().st_size > 10_000
        (figures,) = stop.layers
        assert figures.vertices_total == 114_676 and 0 < figures.vertices_shown <= 114_676
        assert figures.chunks_ready == figures.chunks_wanted > 0
        assert 0 < figures.work_p99_ms <= figures.work_most_ms
    assert stops[0].layers[0].bytes_read > 0
    assert json.loads(json.dumps([stop.to_dict() for stop in stops]))[1]["stop"] == "closer"


def test_camera_goes_where_a_stop_says(window: Any, tmp_path: Path) -> None:
    make_store(str(tmp_path / "dots.zv"), "point_cloud", size=2000, seed=1).close()
    (layer,) = add_stores(window.viewer, open_stores(str(tmp_path / "dots.zv")))
    window.viewer.dims.ndisplay = 3
    window.viewer.reset_view()
    camera = window.viewer.scene.camera
    fit = camera.zoom
    fly_to(window.viewer, layer, Stop("there", (100.0, 200.0, 300.0), 5.0, view=(1, 0, 0), up=(0, 0, 1)))
    np.testing.assert_allclose(camera.center, (300, 200, 100), atol=1)  # z, y, x
    assert camera.zoom == pytest.approx(5 * fit, rel=0.01)
    np.testing.assert_allclose(camera.view_direction, (0, 0, 1), atol=1e-6)  # along x
    np.testing.assert_allclose(camera.up_direction, (1, 0, 0), atol=1e-6)  # z is up
    fly_to(window.viewer, layer, Stop("back"), share=0.5)
    assert fit < camera.zoom < 5 * fit
    window.settle()


def test_level_and_slab_of_the_command_line(window: Any, tmp_path: Path) -> None:
    make_store(str(tmp_path / "dots.zv"), "point_cloud", size=5000, seed=1).close()
    opened = open_stores(str(tmp_path / "dots.zv"))
    assert has_space(opened)
    check_level(opened, 0)
    with pytest.raises(MissingError, match="level"):
        check_level(opened, 3)
    (layer,) = add_stores(window.viewer, opened, level=0, slab=60.0)
    window.settle()
    assert layer.stream.locked_level == 0
    at = window.viewer.dims.point[0]
    assert len(layer.data) and np.abs(layer.data[:, 0] - at).max() <= 30.001


def test_plugin_offers_all_samples(plugin: str) -> None:
    manager = npe2.PluginManager.instance()
    offered = {entry.key for name, entries in manager.iter_sample_data() if name == plugin for entry in entries}
    assert offered == {sample.name for sample in SAMPLES}


def test_demo_without_a_display_keeps_pictures_and_figures(tmp_path: Path) -> None:
    source = str(Path(zvview.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((source, os.environ.get("PYTHONPATH", "")))}
    environment.pop("DISPLAY", None)
    command = [sys.executable, "-m", "zvview", "demo", "vessels", "--output", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "statistics.json").read_text(encoding="utf-8"))
    assert [stop["stop"] for stop in document["stops"]] == ["overview", "closer", "detail"]
    assert all(stop["is_settled"] and (tmp_path / stop["picture"]).is_file() for stop in document["stops"])
    assert document["stops"][-1]["layers"][0]["chunks_ready"] > 0
    assert "3 pictures" in done.stdout
