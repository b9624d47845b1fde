"""The streaming engine without a viewer: how soon a view is shown and settled, what updates and cancelling cost.

``python benchmarks/streaming.py`` measures 1 and 10 million points; ``python benchmarks/streaming.py large`` also 100
million, which takes minutes and 8 GB of disk. Stores lie in a folder, warm in the page cache.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from geometry import mesh, streamlines
from grown import EDGE, grow_store
from harness import Claim, save, timed
from memory import resident

import zvview
from zvview.pyramid import build_pyramid
from zvview.store.places.open import open_source
from zvview.store.places.source import Request
from zvview.store.store import Store
from zvview.stream import Streamer, StreamSettings, Update, ViewState

ROUNDS = 5
CANVAS_PX = 800
BUDGET = 400_000
MB = 1e6


class Watch:
    """Notes when updates come, and waits for a settled one."""

    def __init__(self) -> None:
        self.news = threading.Condition()
        self.first: dict[int, float] = {}
        self.settled: dict[int, float] = {}

    def __call__(self, update: Update) -> None:
        """Take in an update."""
        with self.news:
            now = time.perf_counter()
            if len(update.batch):
                self.first.setdefault(update.generation, now)
            if update.is_settled:
                self.settled[update.generation] = now
            self.news.notify_all()

    def wait(self, generation: int) -> None:
        """Until the view is settled."""
        with self.news:
            assert self.news.wait_for(lambda: generation in self.settled, 60)


def cube(middle: Sequence[float], half: float) -> ViewState:
    """A view of a cube that fills the canvas."""
    at = np.array(middle)
    return ViewState(tuple(at - half), tuple(at + half), CANVAS_PX / (2 * half), budget_vertices=BUDGET)


def first_picture(place: str, edge: float = EDGE) -> tuple[float, float]:
    """Seconds from opening the store to the first update with points, and to the settled one; medians."""
    first, settled = [], []
    for _ in range(ROUNDS + 1):
        watch, start = Watch(), time.perf_counter()
        store = zvview.open(place)
        assert isinstance(store, Store)
        with Streamer(store, on_update=watch) as streamer:
            generation = streamer.look(cube((edge / 2,) * 3, edge / 2))
            watch.wait(generation)
        store.close()
        first.append(watch.first[generation] - start)
        settled.append(watch.settled[generation] - start)
    return statistics.median(first[1:]), statistics.median(settled[1:])


def flight(place: str) -> dict[str, float]:
    """Zooms and pans to fresh places: seconds from each view to the settled update, and what joining cost."""
    watch, rng = Watch(), np.random.default_rng(0)
    store = zvview.open(place)
    assert isinstance(store, Store)
    seconds, assembly = [], []
    before = resident()[0]
    with Streamer(store, settings=StreamSettings(cache_bytes=64 << 20), on_update=watch) as streamer:
        peak = 0
        for _ in range(60):
            half = EDGE / 2 ** rng.uniform(1, 6)
            middle = rng.uniform(half, EDGE - half, 3)
            start = time.perf_counter()
            generation = streamer.look(cube(middle, half))
            watch.wait(generation)
            seconds.append(watch.settled[generation] - start)
            assembly.append(streamer.stats.assembly_s)
            peak = max(peak, streamer.stats.cache_bytes)
        grown = resident()[0] - before
    store.close()
    return {
        "settled": statistics.median(seconds),
        "slowest": max(seconds),
        "assembly": statistics.median(assembly),
        "assembly_most": max(assembly),
        "cache_share": peak / (64 << 20),
        "grown_mb": grown / MB,
    }


def fast_pan(place: str) -> float:
    """Share of what was read that was read for chunks that were never shown, after a pan across the store."""
    watch = Watch()
    store = zvview.open(place)
    assert isinstance(store, Store)
    half = EDGE / 16
    with Streamer(store, on_update=watch) as streamer:
        for at in np.linspace(half, EDGE - half, 60):
            generation = streamer.look(cube((at, EDGE / 2, EDGE / 2), half))
            time.sleep(0.016)  # a camera that moves at every frame
        watch.wait(generation)
        stats = streamer.stats
    store.close()
    return stats.bytes_wasted / max(stats.bytes_read - stats.bytes_prefetched, 1)


class Slow:
    """A source that takes its time over each wave of cells, and stops when it is told to."""

    def __init__(self, place: str, seconds: float) -> None:
        self._inner, self._seconds = open_source(place), seconds
        self.place, self.is_local, self.can_list = self._inner.place, self._inner.is_local, self._inner.can_list
        self.list_names, self.list_keys = self._inner.list_names, self._inner.list_keys
        self.stat_many, self.close, self.aget_many = self._inner.stat_many, self._inner.close, self._inner.aget_many

    def get_many(self, requests: Sequence[Request], cancel: zvview.CancelToken | None = None) -> list[object]:
        """The answers, late."""
        if cancel is not None:
            stop = threading.Event()
            cancel.on_cancel(stop.set)
            stop.wait(self._seconds)
            cancel.raise_if_cancelled()
        return self._inner.get_many(requests, cancel)


def cancelling(place: str, wrap: Callable[[str], Store], edge: float = EDGE) -> float:
    """Longest time that a superseded read took to stop, over many views in quick succession."""
    watch, rng = Watch(), np.random.default_rng(1)
    store = wrap(place)
    with Streamer(store, settings=StreamSettings(prefetch_margin=0), on_update=watch) as streamer:
        for _ in range(60):
            generation = streamer.look(cube(rng.uniform(edge / 16, edge * 15 / 16, 3), edge / 32))
            time.sleep(0.01)
        watch.wait(generation)
        stats = streamer.stats
    store.close()
    return stats.longest_cancel_s


def linked(folder: str) -> list[Claim]:
    """First picture of streamlines and of a mesh, and how soon their reads stop."""
    claims = []
    for name, batch in (("5 M vertices of streamlines", streamlines(170_000)), ("2 M faces", mesh(1000))):
        place = f"{folder}/{batch.kind}.zarrvectors"
        with zvview.create(place, kind=batch.kind) as new:
            new.write(batch)
        build_pyramid(place)
        first, settled = first_picture(place, 1000.0)
        claims.append(Claim(f"open to first picture, {name}", first, 0.5, "s", "at most", timed(first)))
        claims.append(Claim(f"open to settled, {name}", settled, 1.0, "s", "at most", timed(settled)))
        stopped = cancelling(place, opened, 1000.0)
        claims.append(Claim(f"stopping superseded reads, {name}", stopped, 0.05, "s", "at most", timed(stopped)))
    return claims


def opened(place: str) -> Store:
    """The store at `place`."""
    store = zvview.open(place)
    assert isinstance(store, Store)
    return store


def main(millions: Sequence[int]) -> None:
    """Measure each size and save the claims."""
    claims, firsts = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for count in millions:
            place, size = f"{folder}/{count}m.zarrvectors", f"{count} M points"
            grow_store(place, count * 1_000_000)
            build_pyramid(place)
            first, settled = first_picture(place)
            firsts[count] = first
            claims.append(Claim(f"open to first picture, {size}", first, 0.3, "s", "at most", timed(first)))
            claims.append(Claim(f"open to settled, {size}", settled, 0.5, "s", "at most", timed(settled)))
            flown = flight(place)
            how = f"60 views; slowest {timed(flown['slowest'])}"
            claims.append(Claim(f"view change to settled, {size}", flown["settled"], 0.5, "s", "at most", how, flown))
            how = f"longest {timed(flown['assembly_most'])}"
            claims.append(Claim(f"joining a batch, {size}", flown["assembly"], None, "s", "at most", how))
            share = flown["cache_share"]
            claims.append(Claim(f"cache, of its budget, {size}", share, 1.1, "x", "at most", "64 MiB"))
            wasted = [fast_pan(place) for _ in range(ROUNDS)]
            how = f"median of {ROUNDS} pans, 60 views in 1 s each; worst {max(wasted):.3g} x"
            claims.append(
                Claim(f"read and never shown, fast pan, {size}", statistics.median(wasted), 0.2, "x", "at most", how)
            )
            local = cancelling(place, opened)
            slow = cancelling(place, lambda where: Store(Slow(where, 0.3)))
            how = f"from a folder {timed(local)}; from a source that answers in 0.3 s {timed(slow)}"
            claims.append(Claim(f"stopping superseded reads, {size}", max(local, slow), 0.05, "s", "at most", how))
        claims += linked(folder)
    ratio = firsts[max(millions)] / firsts[min(millions)]
    claims.append(Claim(f"first picture, {max(millions)} M against {min(millions)} M", ratio, 1.5, "x", "at most"))
    save("streaming", claims)


if __name__ == "__main__":
    main([1, 10, 100] if sys.argv[1:] == ["large"] else [1, 10])
