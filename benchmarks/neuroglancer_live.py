"""Live views of Neuroglancer: what the client asks for first, and what the server spends to answer.

``python benchmarks/neuroglancer_live.py [FOLDER]``: stores are grown from filaments; in FOLDER those of 1 M and 100 M
points (``points_1m.zarrvectors``, ``points_100m.zarrvectors``) are read where they are there, such as those of
``napari_browse.py``, and made where not. Chromium and its driver are needed.

The requests are those of the client's own rule (annotation/base.ts): levels, the coarse ones first, until the numbers
that they tell for what is in view reach one annotation for each square of the spacing, of these all cells in view.
"""

from __future__ import annotations

import itertools
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from grown import grow_store
from harness import Claim, save
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

import zvview
from zvview.neuroglancer.layers import spacing_of
from zvview.neuroglancer.serving.answers import Answers
from zvview.neuroglancer.sources.opening import open_sources
from zvview.neuroglancer.viewing import view as live_view
from zvview.pyramid import build_pyramid

WINDOW = 1280 * 720
ROUNDS, CELLS = 5, 200
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--window-size=700,500",
)


def store_in(folder: Path, name: str, count: int, *, levels: bool = True) -> Path:
    """The place of a store; made where it is not there."""
    place = folder / f"{name}.zarrvectors"
    if not place.exists():
        part = folder / f"{name}.part.zarrvectors"
        shutil.rmtree(part, ignore_errors=True)
        grow_store(str(part), count)
        if levels:
            build_pyramid(part)
        part.rename(place)
    return place


def first_view(info: Mapping[str, Any], spacing: float) -> Iterator[str]:
    """Paths of the cells that the client asks for when all of a source is in view."""
    wished, told = WINDOW / spacing**2, 0.0
    for level in info["spatial"]:
        if told >= wished:
            return
        told += level["limit"] * float(np.prod(level["grid_shape"]))
        for cell in itertools.product(*map(range, level["grid_shape"])):
            yield f"{level['key']}/{'_'.join(map(str, cell))}"


def view(place: Path) -> tuple[float, int, int]:
    """CPU seconds from opening a store to the last answer of its first view, requests, and annotations."""
    start = time.process_time()
    with zvview.open(place) as store:
        sources = open_sources(store)  # type: ignore[arg-type]
        answers = Answers(sources, "benchmark")
        requests, found = 1, 0
        answers.answer("points/info")
        for path in first_view(sources["points"].info, spacing_of("point")):
            answer = answers.answer(f"points/{path}")
            requests += 1
            found += int(np.frombuffer(answer.body[:8], "<u8")[0]) if answer.status == 200 else 0
        return time.process_time() - start, requests, found


def finest_cells(place: Path) -> tuple[list[float], list[float]]:
    """Seconds and CPU seconds of cells of the finest level, none asked for before."""
    rng = np.random.default_rng(5)
    walls, cpus = [], []
    with zvview.open(place) as store:
        source = open_sources(store)["points"]  # type: ignore[arg-type]
        section = [section for section in source.sections if section.grid_shape is not None][-1]
        keys = np.concatenate(list(source.keys(section)))
        for key in rng.choice(keys, min(CELLS, len(keys)), replace=False):
            wall, cpu = time.perf_counter(), time.process_time()
            source.read(section, np.array([key], np.uint64))
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
    return walls, cpus


def pictures(*places: Path, profile: Path) -> list[float]:
    """Seconds from opening each store to the client's answer that all in view is drawn, in a browser that runs."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    chrome = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    times: list[list[float]] = [[] for _ in places]
    try:
        for _ in range(ROUNDS + 1):
            for place, own in zip(places, times, strict=True):
                start = time.perf_counter()
                with live_view(place) as shown:
                    answer: Future[Any] = Future()
                    chrome.get(shown.url)
                    shown.viewer.async_screenshot(answer.set_result)
                    answer.result(60)
                    own.append(time.perf_counter() - start)
    finally:
        chrome.quit()
    return [statistics.median(own[1:]) for own in times]


def main() -> None:
    """Measure, and write the results."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        claims = []
        for name, levels in (("2 M points", True), ("2 M points without levels", False)):
            place = store_in(Path(scratch), f"points_2m_{levels}", 2_000_000, levels=levels)
            told = [view(place) for _ in range(ROUNDS)]
            cpu, requests, found = statistics.median(t[0] for t in told), told[0][1], told[0][2]
            how = f"{found:,} points"
            claims += [
                Claim(f"{name}: requests of the first view", requests, 40, "requests", "at most", how),
                Claim(f"{name}: CPU of opening and the first view", cpu, 1.0, "s", "at most", how),
            ]
        small, large = (store_in(folder, f"points_{n}m", n * 1_000_000) for n in (1, 100))
        for name, place in (("1 M", small), ("100 M", large)):
            told = [view(place) for _ in range(ROUNDS)]
            how = f"{told[0][1]} requests, {told[0][2]:,} points"
            cpu = statistics.median(t[0] for t in told)
            claims.append(Claim(f"{name} points: CPU of opening and the first view", cpu, None, "s", "at most", how))
        one, other = pictures(small, large, profile=Path(scratch) / "chromium")
        how = f"{one:.2f} s against {other:.2f} s, from opening on, all in view and drawn"
        claims.append(
            Claim("first picture in Chromium, 100 M against 1 M points", other / one, 1.5, "x", "at most", how)
        )
        walls, cpus = finest_cells(large)
        how = f"95 of 100 within {np.quantile(walls, 0.95) * 1e3:.1f} ms; {statistics.median(cpus) * 1e3:.1f} ms of CPU"
        claims.append(
            Claim("finest cell of 100 M points, median", statistics.median(walls) * 1e3, 10, "ms", "at most", how)
        )
    save("neuroglancer_live", claims)


if __name__ == "__main__":
    main()
