"""Made-up trees of levels, a receiver of updates that can be waited for, and sources that misbehave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

import zvview
from zvview.cancel import CancelToken
from zvview.errors import Cancelled
from zvview.store.places.open import open_source
from zvview.store.places.source import Request
from zvview.stream import Streamer, StreamSettings, Update, ViewState
from zvview.stream.cells import CellLevel, build_cells
from zvview.stream.cut import splitting_of
from zvview.stream.facts import LevelFacts, StoreFacts
from zvview.stream.plan import Limits
from zvview.stream.reach import Reach

PATIENCE_S = 5


def all_chunks(extent: float, edges: Sequence[float]) -> NDArray[np.int64]:
    """Every chunk of a cube at the origin."""
    counts = [range(int(np.ceil(extent / edge))) for edge in edges]
    return np.array(list(product(*counts)), np.int64).reshape(-1, len(edges))


def make_facts(
    edges: Sequence[float],
    *,
    extent: float = 64.0,
    ndim: int = 2,
    bins: Sequence[float] | None = None,
    vertices: Sequence[int] | None = None,
    **level: Sequence[Any],
) -> StoreFacts:
    """Facts of levels with cubic chunks that fill a cube; `vertices` of each chunk, `level` more of each level."""
    levels = []
    for k, edge in enumerate(edges):
        chunks = all_chunks(extent, [edge] * ndim)
        count = 100 if vertices is None else vertices[k]
        width = edge / 8 if bins is None else bins[k]
        more = {name: values[k] for name, values in level.items()}
        counts = np.full(len(chunks), count)
        shapes = np.full(ndim, float(edge)), np.full(ndim, float(width))
        levels.append(LevelFacts(k, *shapes, chunks, counts=counts, **more))
    return StoreFacts("point_cloud", np.zeros(ndim), tuple(levels), np.ones(ndim, bool), {}, None)


def make_tree(edges: Sequence[float], **options: Any) -> tuple[StoreFacts, tuple[CellLevel, ...]]:
    facts = make_facts(edges, **options)
    return facts, build_cells(facts)


def make_limits(facts: StoreFacts, tree: Sequence[CellLevel], **options: Any) -> Limits:
    counts = [np.asarray(level.counts, np.float64) for level in facts.levels]
    rule = splitting_of(tree, range(facts.ndim), facts.is_spatial)
    options.setdefault("most_bytes", 1e12)
    margins = tuple(np.zeros(facts.ndim) for _ in tree)
    options.setdefault("reach", Reach(margins, tuple(np.empty((0, 2), np.int64) for _ in tree)))
    return Limits(rule, counts, np.full(len(tree), 24.0), **options)


def make_view(lo: Sequence[float], hi: Sequence[float], zoom: float = 1.0, **options: Any) -> ViewState:
    return ViewState(tuple(lo), tuple(hi), zoom, **options)


nested_edges = st.lists(st.sampled_from([1, 2, 4]), min_size=0, max_size=3).map(
    lambda factors: np.cumprod([4.0, *factors]).tolist()
)
any_edges = st.lists(st.sampled_from([4.0, 6.0, 8.0, 10.0, 12.0, 24.0, 30.1]), min_size=1, max_size=4).map(sorted)


class Receiver:
    """Keeps all updates; tests wait for what they expect, never for time to pass."""

    def __init__(self) -> None:
        self.updates: list[Update] = []
        self._news = threading.Condition()

    def __call__(self, update: Update) -> None:
        with self._news:
            self.updates.append(update)
            self._news.notify_all()

    def wait(self, test: Callable[[Update], bool], what: str = "update") -> Update:
        """The first update that passes, of those that came and those to come."""
        with self._news:
            at = 0
            while True:
                for at in range(at, len(self.updates)):  # noqa: B020 - goes on where it stopped
                    if test(self.updates[at]):
                        return self.updates[at]
                at = len(self.updates)
                if not self._news.wait(PATIENCE_S):
                    last = self.updates[-1].status if self.updates else "nothing"
                    raise AssertionError(f"no such {what} in {PATIENCE_S} s; the last was {last}")

    def settled(self, generation: int) -> Update:
        return self.wait(lambda u: u.is_settled and u.generation == generation, f"settled view {generation}")


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def stream(receiver: Receiver) -> Iterator[Callable[..., Streamer]]:
    """Starts streamers that report to `receiver`, and closes them."""
    started: list[Streamer] = []

    def start(store: zvview.Store, **settings: Any) -> Streamer:
        settings.setdefault("prefetch_margin", 0)
        started.append(Streamer(store, settings=StreamSettings(**settings), on_update=receiver))
        return started[-1]

    yield start
    for streamer in started:
        streamer.close()


class Source:
    """A source whose reads of cells do what a test wants; `before` is called with the keys of each such wave."""

    def __init__(self, place: Any, before: Callable[[Sequence[str], CancelToken | None], None]) -> None:
        self._inner, self.before = open_source(place), before
        self.place = self._inner.place
        self.is_local, self.can_list = self._inner.is_local, self._inner.can_list
        self.list_names, self.list_keys = self._inner.list_names, self._inner.list_keys
        self.stat_many, self.close = self._inner.stat_many, self._inner.close
        self.aget_many = self._inner.aget_many

    def get_many(self, requests: Sequence[Request], cancel: CancelToken | None = None) -> list[Any]:
        keys = [key for key, _ in requests if "/c/" in key and not key.startswith("zvview/")]
        if keys:
            self.before(keys, cancel)
        return self._inner.get_many(requests, cancel)


class Gate:
    """Holds reads up until it is opened, or until they are cancelled; counts them."""

    def __init__(self, *, heeds_cancel: bool = True) -> None:
        self.opened, self.reached = threading.Event(), threading.Event()
        self.heeds_cancel = heeds_cancel
        self.waves: list[Sequence[str]] = []

    def __call__(self, keys: Sequence[str], cancel: CancelToken | None) -> None:
        self.waves.append(keys)
        self.reached.set()
        stop = threading.Event()
        if cancel is not None and self.heeds_cancel:
            cancel.on_cancel(stop.set)
        while not self.opened.wait(0.002):
            if stop.is_set():
                raise Cancelled("the call was cancelled")


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that lets everything through when the test ends."""
    made = Gate()
    yield made
    made.opened.set()
