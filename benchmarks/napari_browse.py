"""Browsing in a real napari window: how soon there is a picture, what the window's thread pays, what memory it takes.

``python benchmarks/napari_browse.py [FOLDER] [large]``: stores are grown from real data and kept in FOLDER, by default
a temporary one; ``large`` adds 100 million points: minutes, and 3 GB. Without a display it starts an Xvfb of its own.
Needs navis' and dipy's data files (see ``grown_from_real.py``). Drawing itself is software there and is shown apart.

"First batch" is from the reader's call, in a process that has opened another store before, until the points are in the
vertex buffer; the peer is zarr-vectors 0.9.2 reading everything and ``viewer.add_points``, in a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from grown_from_real import fornix, neuropil, synapse_bounds, synapses
from harness import Claim, save, timed
from memory import resident

import zvview
from zvview.pyramid import build_pyramid

ROUNDS = 5
FLIGHT_S = 30.0
CACHE_BYTES = 64 << 20
MB = 1e6
POINTS = {"points_1m": 1_000_000, "points_10m": 10_000_000, "points_100m": 100_000_000}
LABELS = {
    "points_1m": "1 M points",
    "points_10m": "10 M points",
    "points_100m": "100 M points",
    "lines_100k": "100,000 streamlines",
    "faces_1m": "1 M faces",
    "faces_5m": "5 M faces",
}
NOT_FLOWN = ("points_1m", "faces_5m")  # the others of their kind tell as much


def grow(folder: Path, name: str) -> str:
    """The place of a store with its levels; made where it is not there."""
    place = folder / f"{name}.zarrvectors"
    if not place.exists():
        part = folder / f"{name}.part.zv"
        shutil.rmtree(part, ignore_errors=True)
        if name in POINTS:
            store = zvview.create(str(part), kind="point_cloud", axes="xyz", bounds=synapse_bounds())
            with store, store.writer() as writer:
                for some in synapses(POINTS[name]):
                    writer.append(some)
        else:
            batch = fornix(100_000) if name == "lines_100k" else neuropil(3 if name == "faces_1m" else 4)
            with zvview.create(str(part), kind=batch.kind, axes="xyz") as store:
                store.write(batch)
        build_pyramid(str(part))
        part.rename(place)
    return str(place)


@contextmanager
def display() -> Iterator[None]:
    """A display: the one that there is, else an Xvfb of our own."""
    if os.environ.get("DISPLAY") or os.name == "nt":
        yield
        return
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=(write,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        os.environ["DISPLAY"] = f":{os.read(read, 16).decode().strip()}"
        yield
    finally:
        os.close(read)
        server.terminate()
        server.wait(10)


class Window:
    """A napari window, and how long its thread was busy with what."""

    def __init__(self) -> None:
        import napari
        import npe2
        from qtpy.QtWidgets import QApplication

        manager = npe2.PluginManager.instance()
        manager.discover()
        if "zvview" not in {manifest.name for manifest in manager.iter_manifests()}:  # a checkout, not installed
            manager.register(npe2.PluginManifest.from_file(Path(zvview.__file__).with_name("napari.yaml")))
        self.viewer = napari.Viewer(show=True)
        self._app = QApplication.instance()
        self.paints_ms: list[float] = []
        draws = self.viewer.window._qt_viewer.canvas._scene_canvas.events.draw
        draws.connect(self._begin_paint, position="first")
        draws.connect(self._end_paint, position="last")
        self.live(0.3)

    def _begin_paint(self, event: Any) -> None:
        self._painting = time.perf_counter()

    def _end_paint(self, event: Any) -> None:
        self.paints_ms.append((time.perf_counter() - self._painting) * 1e3)

    def live(self, seconds: float) -> None:
        """Let the window live for a while."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self._app.processEvents()
            time.sleep(0.001)

    def wait(self, condition: Callable[[], Any], seconds: float = 60) -> None:
        """Let the window live until something is true."""
        end = time.perf_counter() + seconds
        while not condition():
            if time.perf_counter() > end:
                raise SystemExit(
                    f"nothing in {seconds} s: {[str(layer.stream.update) for layer in self.viewer.layers]}"
                )
            self._app.processEvents()
            time.sleep(0.001)  # the loop of a window rests while nothing happens; one that spins takes time from others

    def open(self, place: str) -> tuple[Any, float, float]:
        """The layer of a store, and seconds from the reader's call to the first batch, and to the settled view."""
        from zvview.napari.reader import get_reader

        self.viewer.dims.ndisplay = 3
        self.live(0.2)
        begun = time.perf_counter()
        reader = get_reader(place)
        assert reader is not None
        (layer,) = reader(place)
        shown: list[float] = []

        def note() -> None:  # a paint may follow before the loop comes round
            if count_of(layer):
                shown.append(time.perf_counter() - begun)

        layer.stream.changed.connect(note)
        self.viewer.add_layer(layer)
        self.wait(lambda: layer.stream.is_settled)
        layer.stream.changed.disconnect(note)
        return layer, shown[0], shown[-1]

    def close_layers(self) -> None:
        """Remove all layers."""
        self.viewer.layers.clear()
        self.live(0.3)

    def close(self) -> None:
        """Close the window."""
        self.viewer.close()
        self.live(0.2)


def count_of(layer: Any) -> int:
    """Vertices that a layer of ours shows."""
    update = layer.stream.update
    return 0 if update is None else len(update.batch)


def openings(window: Window, places: dict[str, str]) -> dict[str, dict[str, float]]:
    """Medians of seconds to the first batch and to the settled view, of each store; the first round does not count."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in places}
    for _ in range(ROUNDS + 1):
        for name, place in places.items():
            _, first, settled = window.open(place)
            found[name].append((first, settled))
            window.close_layers()
    out = {}
    for name, pairs in found.items():
        first, settled = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
        out[name] = {"first": first, "settled": settled, "slowest_first": max(pair[0] for pair in pairs[1:])}
    return out


def changes(window: Window, place: str) -> dict[str, float]:
    """Seconds from a change of the camera to the settled view; jumps to places of the store, near and far."""
    layer, *_ = window.open(place)
    rng, camera = np.random.default_rng(0), window.viewer.scene.camera
    lo, hi = layer.extent.world
    zoom = camera.zoom
    seconds = []
    for _ in range(20):
        begun = time.perf_counter()
        camera.center = tuple(rng.uniform(lo * 0.7 + hi * 0.3, lo * 0.3 + hi * 0.7))
        camera.zoom = zoom * 2 ** rng.uniform(0, 6)
        window.wait(lambda: layer.stream._timer.isActive())
        window.wait(lambda: layer.stream.is_settled)
        seconds.append(time.perf_counter() - begun)
    window.close_layers()
    return {"median": statistics.median(seconds), "slowest": max(seconds)}


def fly(window: Window, place: str) -> dict[str, float]:
    """A camera that turns, pans and zooms all the time, with a small cache: what updates cost the window's thread."""
    layer, *_ = window.open(place)
    layer.stream.work_ms.clear()
    window.paints_ms.clear()
    camera, zoom = window.viewer.scene.camera, window.viewer.scene.camera.zoom
    lo, hi = layer.extent.world
    work: list[float] = []
    begun, peak, at = time.perf_counter(), 0, 0.0
    while (now := time.perf_counter() - begun) < FLIGHT_S:
        t = now / FLIGHT_S * 2 * np.pi
        share = 0.5 + 0.3 * np.array([np.sin(3 * t), np.sin(5 * t + 1), np.sin(7 * t + 2)])
        camera.center = tuple(lo + share * (hi - lo))
        camera.zoom = zoom * 2 ** (2.5 - 2.5 * np.cos(6 * t))
        camera.angles = (20 * np.sin(2 * t), 40 * np.sin(3 * t), 60)
        window.live(0.016)
        if now - at > 0.5:
            at = now
            work += layer.stream.work_ms
            layer.stream.work_ms.clear()
        streamer = layer.stream.streamer
        peak = max(peak, streamer.stats.cache_bytes)
    work += layer.stream.work_ms
    stats = layer.stream.streamer.stats
    window.wait(lambda: layer.stream.is_settled)
    window.close_layers()
    return {
        "updates": len(work),
        "median_ms": statistics.median(work),
        "p99_ms": float(np.percentile(work, 99)),
        "most_ms": max(work),
        "paint_median_ms": statistics.median(window.paints_ms),
        "paint_most_ms": max(window.paints_ms),
        "cache_share": peak / stats.cache_budget_bytes,
        "read_mb": stats.bytes_read / MB,
        "longest_cancel_s": stats.longest_cancel_s,
    }


def pans(window: Window, place: str) -> dict[str, float]:
    """Some fast pans across the store: what of all bytes read was for chunks that were never shown."""
    found = [pan(window, place) for _ in range(ROUNDS)]
    read = sum(one["read_mb"] for one in found)
    return {
        "share": sum(one["share"] * one["read_mb"] for one in found) / max(read, 1e-6),
        "worst_share": max(one["share"] for one in found),
        "read_mb": read,
        "cancel_s": max(one["cancel_s"] for one in found),
    }


def pan(window: Window, place: str) -> dict[str, float]:
    """A fast pan across the store, zoomed in: what of the bytes read was for chunks that were never shown."""
    layer, *_ = window.open(place)
    camera = window.viewer.scene.camera
    lo, hi = layer.extent.world
    middle = np.array(layer.data_to_world(np.median(layer.data, axis=0)))  # where points are
    camera.zoom *= 64
    window.live(0.2)
    window.wait(lambda: layer.stream.is_settled)
    before = layer.stream.streamer.stats
    for share in np.linspace(0.1, 0.9, 60):
        camera.center = (middle[0], lo[1] + share * (hi[1] - lo[1]), middle[2])
        window.live(0.016)
    window.live(0.1)
    window.wait(lambda: layer.stream.is_settled)
    stats = layer.stream.streamer.stats
    window.close_layers()
    own = stats.bytes_read - before.bytes_read - (stats.bytes_prefetched - before.bytes_prefetched)
    wasted = stats.bytes_wasted - before.bytes_wasted
    return {"share": wasted / max(own, 1), "read_mb": own / MB, "cancel_s": stats.longest_cancel_s}


def measure(places: dict[str, str]) -> dict[str, Any]:
    """All that one window tells of all stores."""
    from zvview.napari import reader

    settings = reader.read_settings
    window = Window()
    window.open(next(iter(places.values())))
    window.close_layers()
    found: dict[str, Any] = {"openings": openings(window, places)}
    found["changes"] = {name: changes(window, place) for name, place in places.items()}
    reader.read_settings = lambda: replace(settings(), cache_bytes=CACHE_BYTES)
    try:
        flown = {name: place for name, place in places.items() if name not in NOT_FLOWN}
        found["flights"] = {name: fly(window, place) for name, place in flown.items()}
        found["pans"] = {name: pans(window, place) for name, place in flown.items() if name in POINTS}
    finally:
        reader.read_settings = settings
    window.close()
    return found


def show_once(place: str, way: str) -> dict[str, float]:
    """Seconds to the first batch in the vertex buffer, and growth of memory above an empty viewer, of one way."""
    window = Window()
    with tempfile.TemporaryDirectory() as folder:  # imports are paid by a few points
        few = str(Path(folder, "few.zarrvectors"))
        with zvview.create(few, kind="point_cloud", axes="xyz") as store:
            store.write(zvview.Points(np.random.default_rng(0).random((1000, 3))))
        if way == "ours":
            window.open(few)
        else:
            add_whole(window, few)
        window.live(0.5)
        window.close_layers()
    empty = resident()[0]
    if way == "ours":
        layer, seconds, _ = window.open(place)
        window.viewer.scene.camera.zoom *= 4
        window.live(0.2)
        window.wait(lambda: layer.stream.is_settled)
    else:
        seconds = add_whole(window, place)
    window.live(1.0)
    now, highest = resident()
    found = {"seconds": seconds, "grown_mb": (now - empty) / MB, "peak_mb": (highest - empty) / MB}
    window.close()
    return found


def add_whole(window: Window, place: str) -> float:
    """Seconds that reading all and adding a points layer take."""
    import zarr_vectors

    window.viewer.dims.ndisplay = 3
    window.live(0.2)
    begun = time.perf_counter()
    points = zarr_vectors.open(place).select().read()
    window.viewer.add_points(np.asarray(points.positions), size=20)
    return time.perf_counter() - begun


def in_a_process(place: str, way: str) -> dict[str, float]:
    """:func:`show_once` in a process of its own."""
    run = subprocess.run([sys.executable, __file__, "--once", way, place], check=True, capture_output=True, text=True)
    return dict(json.loads(run.stdout.splitlines()[-1]))


def claims_of(found: dict[str, Any], whole: dict[str, dict[str, dict[str, float]]]) -> Iterator[Claim]:
    """The claims that the measurements come to."""
    facts = {"napari": version("napari"), "vispy": version("vispy")}
    for name, times in found["openings"].items():
        label, is_lines = LABELS[name], name.startswith("lines")
        asked = 0.5 if is_lines else 0.3 if name in POINTS else None
        how = f"slowest {timed(times['slowest_first'])}"
        yield Claim(f"reader's call to first batch, {label}", times["first"], asked, "s", "at most", how, facts)
        yield Claim(f"reader's call to settled, {label}", times["settled"], 1.0 if is_lines else None, "s", "at most")
    sizes = [found["openings"][name]["first"] for name in POINTS if name in found["openings"]]
    yield Claim("first batch, largest against smallest points", sizes[-1] / sizes[0], 1.5, "x", "at most")
    for name, times in found["changes"].items():
        how = f"20 jumps, slowest {timed(times['slowest'])}; paints in between included"
        yield Claim(f"view change to settled, {LABELS[name]}", times["median"], 0.5, "s", "at most", how)
    for name, flight in found["flights"].items():
        label = LABELS[name]
        paint = f"median paint {flight['paint_median_ms']:.0f} ms"
        how = f"{flight['updates']:.0f} pieces of work in {FLIGHT_S:.0f} s; {paint}"
        p99, most = flight["p99_ms"] / 1e3, flight["most_ms"] / 1e3
        yield Claim(f"work on the window's thread, p99, {label}", p99, 0.016, "s", "at most", how, flight)
        yield Claim(f"the longest of it, {label}", most, 0.05, "s", "at most", timed(most))
        yield Claim(f"cache, of its budget, {label}", flight["cache_share"], 1.1, "x", "at most", "64 MiB")
    for name, panned in found["pans"].items():
        how = f"{ROUNDS} pans, 60 views in 1 s; {panned['read_mb']:.3g} MB read; worst {panned['worst_share']:.3g} x"
        yield Claim(f"read and never shown, fast pan, {LABELS[name]}", panned["share"], 0.2, "x", "at most", how)
    for name, flight in found["flights"].items():
        longest = max(flight["longest_cancel_s"], found["pans"].get(name, {}).get("cancel_s", 0.0))
        yield Claim(f"stopping superseded reads, {LABELS[name]}", longest, 0.05, "s", "at most", timed(longest))
    for name, both in whole.items():
        ours, peer = both["ours"], both["peer"]
        how = f"{timed(ours['seconds'])} against {timed(peer['seconds'])}"
        asked = 20 if name == "points_10m" else None
        yield Claim(
            f"first picture against reading all, {LABELS[name]}", peer["seconds"] / ours["seconds"], asked, how=how
        )
        how = f"{ours['grown_mb']:.0f} MB against {peer['grown_mb']:.0f} MB"
        share = ours["grown_mb"] / peer["grown_mb"]
        asked = 0.1 if name == "points_10m" else None
        yield Claim(f"memory against reading all, {LABELS[name]}", share, asked, "x", "at most", how, both)


def main(folder: Path, *, is_large: bool) -> None:
    """Grow what is missing, measure and save the claims."""
    names = [name for name in LABELS if name != "points_100m" or is_large]
    places = {name: grow(folder, name) for name in names}
    with display():
        found = measure(places)
        whole = {
            name: {way: in_a_process(places[name], way) for way in ("ours", "peer")}
            for name in ("points_1m", "points_10m")
        }
    save("napari_browse", list(claims_of(found, whole)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as own:
        os.environ["NAPARI_CONFIG"] = str(Path(own, "settings.yaml"))  # read when napari is first imported
        words = sys.argv[1:]
        if words[:1] == ["--once"]:
            print(json.dumps(show_once(words[2], words[1])))
        else:
            folders = [Path(word) for word in words if word != "large"]
            main(folders[0] if folders else Path(own), is_large="large" in words)
