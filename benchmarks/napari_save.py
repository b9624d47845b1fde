"""Saving layers from a real napari window: all of a store of which a little is in view, and a million points in memory.

``python benchmarks/napari_save.py [FOLDER]``: stores are grown from real data and kept in FOLDER, as those of
``napari_browse.py``; they are read only. What is written is compared value by value.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from harness import Claim, save
from napari_browse import Window, display, grow

import zvview

RESIDENT, IN_MEMORY = 100_000, 1_000_000
PART = 64  # chunks


def count_equal(one: str, other: str) -> tuple[int, int, int]:
    """Points of the first store, values of them, and how many of these the second has at the same place."""
    points = values = same = 0
    with zvview.open(one) as wanted, zvview.open(other) as found:
        left, right = wanted.level(0), found.level(0)
        assert wanted.levels == found.levels and np.array_equal(left.chunks, right.chunks)
        for start in range(0, len(left.chunks), PART):
            chunks = left.chunks[start : start + PART]
            a, b = left.read_chunks(chunks), right.read_chunks(chunks)
            points += len(a)
            assert list(a.attributes) == list(b.attributes) and len(a) == len(b)
            for name in a.attributes:
                assert name not in a.categories or a.categories[name] == b.categories[name]
            pairs = [(a.positions, b.positions), *((a.attributes[n], b.attributes[n]) for n in a.attributes)]
            values += sum(x.size for x, _ in pairs)
            same += sum(int((x.view(f"V{x.itemsize}") == y.view(f"V{y.itemsize}")).sum()) for x, y in pairs)
    return points, values, same


def save_watched(layer: Any, place: str) -> tuple[float, float, float]:
    """Seconds that saving a layer takes, CPU seconds of it, and the longest in which the window did nothing."""
    from qtpy.QtCore import QTimer

    ticks: list[float] = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    timer.start(10)
    begun, cpu = time.perf_counter(), time.process_time()
    assert layer.save(place) == [place]
    ended = time.perf_counter()
    timer.stop()
    pauses = np.diff([begun, *(tick for tick in ticks if begun < tick < ended), ended])
    return ended - begun, time.process_time() - cpu, float(pauses.max())


def main() -> None:
    """Save both, compare, and write the results."""
    claims = []
    with tempfile.TemporaryDirectory() as scratch, display():
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        place = grow(folder, "points_10m")
        window = Window()
        layer, *_ = window.open(place)
        budget = RESIDENT
        while len(layer.data) < RESIDENT or budget == RESIDENT:  # the coarsest level that has as many
            layer.stream.settings = replace(layer.stream.settings, points=budget)
            window.live(0.2)
            window.wait(lambda: layer.stream.is_settled)
            budget *= 2
        resident, copy = len(layer.data), f"{scratch}/copy.zarrvectors"
        wall, cpu, pause = save_watched(layer, copy)
        points, values, same = count_equal(place, copy)
        facts = {"points": points, "values": values, "equal": same, "resident": resident, "cpu": cpu}
        how = f"{resident:,} of {points:,} points resident; {same:,} of {values:,} coordinates and attributes equal"
        claims.append(Claim("Save As, share of the values that are equal in the new store", same / values, 1.0,
                            how=how, facts=facts))  # fmt: skip
        claims.append(Claim("Save As of 10 M points", wall, unit="s", bound="at most", how=f"{cpu:.2f} s of CPU"))
        claims.append(Claim("the same, longest pause of the window", pause, 0.5, "s", "at most"))
        window.close_layers()
        rng = np.random.default_rng(0)
        data = rng.uniform(0, 1000, (IN_MEMORY, 3)).astype(np.float32)
        plain = window.viewer.add_points(  # hidden: software takes seconds to draw so many
            data, features={"score": data[:, 0]}, size=2, face_color=rng.random(4), visible=False
        )
        wall, cpu, pause = save_watched(plain, f"{scratch}/plain.zarrvectors")
        with zvview.open(f"{scratch}/plain.zarrvectors") as store:
            assert store.level(0).vertex_count == IN_MEMORY and len(store.levels) > 1
        claims.append(
            Claim("a Points layer of 1 M, with its levels", wall, unit="s", bound="at most", how=f"{cpu:.2f} s of CPU")
        )
        claims.append(Claim("the same, longest pause of the window", pause, 0.5, "s", "at most"))
        window.close()
    save("napari_save", claims)


if __name__ == "__main__":
    main()
