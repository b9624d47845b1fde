"""The streamer on real stores: every kind, every kind of place, all that can go wrong."""

from __future__ import annotations

import gc
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from tests.stream.conftest import PATIENCE_S, Gate, Receiver, Source, make_view
from zvview.cancel import CancelToken
from zvview.errors import Cancelled, InvalidInputError, UnreachableError
from zvview.geometry.select import clip_to_box
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.store.store import Store
from zvview.stream import Filter, Projection, Streamer, StreamSettings, Update, ViewState, delivery, engine
from zvview.testing import make_store
from zvview.testing.batches import KINDS

Start = Callable[..., Streamer]
WORLD = ((0.0,) * 3, (1000.0,) * 3)


def build(place: Any, kind: str = "point_cloud", size: int = 20_000, *, levels: bool = True, **options: Any) -> None:
    """A store with small chunks and, for points, coarse levels."""
    options.setdefault("chunk_shape", (250.0,) * 3)
    make_store(place, kind, size=size, **options).close()
    if levels:
        build_pyramid(place, PyramidOptions(target=500))


def opened(place: Any) -> Store:
    store = zvview.open(place)
    assert isinstance(store, Store)
    return store


@pytest.fixture(scope="module")
def points() -> dict[str, bytes]:
    """Points with coarse levels; not to be changed."""
    place: dict[str, bytes] = {}
    build(place)
    return place


def whole(zoom: float = 100.0, **options: Any) -> ViewState:
    return make_view(*WORLD, zoom, **options)


def rows_of(batch: Any) -> list[tuple[float, ...]]:
    return sorted(map(tuple, batch.positions.tolist()))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_shown_whole_in_the_end(kind: str, stream: Start, receiver: Receiver) -> None:
    place: dict[str, bytes] = {}
    build(place, kind, 3000, levels=False)
    with opened(place) as store:
        generation = stream(store, group_bytes=20_000).look(whole())
        update = receiver.settled(generation)
        expected = store.level(0).read()
        assert update.batch.kind == kind and rows_of(update.batch) == rows_of(expected)
        links = next((n for n in ("faces", "edges", "segments") if hasattr(expected, n)), None)
        assert links is None or len(getattr(update.batch, links)) == len(getattr(expected, links))
        status = update.status
        assert status.vertices_shown == status.vertices_total == len(expected)
        assert status.chunks_ready == status.chunks_wanted == len(store.level(0).chunks)
        assert status.levels == update.levels == (0,) and status.problem is None and status.notes == ()


@pytest.mark.parametrize("where", ["folder", "zip", "memory"])
def test_every_kind_of_place_streams(where: str, stream: Start, receiver: Receiver, tmp_path: Path) -> None:
    place: Any = {"folder": tmp_path / "a.zarrvectors", "zip": tmp_path / "a.zip", "memory": {}}[where]
    build(place, levels=where != "zip")
    with opened(place) as store:
        update = receiver.settled(stream(store).look(whole()))
        assert rows_of(update.batch) == rows_of(store.level(0).read())


def test_the_first_picture_is_coarse_and_all_levels_agree(points: Any, stream: Start, receiver: Receiver) -> None:
    gate = Gate()
    coarsest = max(opened(points).levels)

    def before(keys: Sequence[str], cancel: CancelToken | None) -> None:
        if any(key.startswith("0/") for key in keys):
            gate(keys, cancel)

    store = Store(Source(points, before))
    streamer = stream(store, update_interval_s=0.0)
    generation = streamer.look(whole())
    first = receiver.wait(lambda u: len(u.batch) > 0, "picture")
    assert first.levels == (coarsest,) and not first.is_settled and first.generation == generation
    assert rows_of(first.batch) == rows_of(store.level(coarsest).read())
    gate.opened.set()
    last = receiver.settled(generation)
    assert last.levels == (0,) and len(last.batch) == 20_000
    for update in receiver.updates:
        assert set(update.batch.attributes) == set(last.batch.attributes)
        assert update.batch.categories == last.batch.categories


def test_zooming_out_shows_coarser_levels_and_zooming_in_finer_ones(
    points: Any, stream: Start, receiver: Receiver
) -> None:
    store = opened(points)
    streamer = stream(store)
    levels = [receiver.settled(streamer.look(whole(zoom))).levels for zoom in (1e-3, 1e-2, 1.0, 100.0, 1e-3)]
    assert levels[0] == levels[4] == (max(store.levels),) and levels[3] == (0,)
    assert levels[:4] == sorted(levels[:4], reverse=True)


def test_the_budget_of_vertices_holds(points: Any, stream: Start, receiver: Receiver) -> None:
    streamer = stream(opened(points))
    for budget in (20_000, 6000, 1000, 100):
        update = receiver.settled(streamer.look(whole(budget_vertices=budget)))
        assert len(update.batch) <= budget or update.levels == (max(opened(points).levels),)


def test_a_view_shows_what_lies_in_it(points: Any, stream: Start, receiver: Receiver) -> None:
    store = opened(points)
    lo, hi = np.array((200.0, 300, 400)), np.array((450.0, 500, 700))
    update = receiver.settled(stream(store).look(make_view(lo, hi, 100.0)))
    shown = clip_to_box(update.batch, lo, hi)
    assert rows_of(shown) == rows_of(store.level(0).read(box=(lo, hi))) and len(shown) > 0
    assert update.status.chunks_wanted < len(store.level(0).chunks)


def test_a_slab_is_cut_exactly_on_the_axis_that_is_not_displayed(
    points: Any, stream: Start, receiver: Receiver
) -> None:
    store = opened(points)
    view = make_view((0, 0, 400), (1000, 1000, 420), 100.0, displayed=(0, 1))
    update = receiver.settled(stream(store).look(view))
    assert rows_of(update.batch) == rows_of(store.level(0).read(box=((0, 0, 400), (1000, 1000, 420))))
    assert update.status.vertices_shown == len(update.batch) < update.status.vertices_loaded


def test_lines_in_a_slab_keep_the_segments_that_touch_it(stream: Start, receiver: Receiver) -> None:
    place: dict[str, bytes] = {}
    build(place, "streamline", 3000, levels=False)
    store = opened(place)
    box = ((0, 0, 400), (1000, 1000, 430))
    update = receiver.settled(stream(store).look(make_view(*box, 100.0, displayed=(0, 1))))
    assert isinstance(update.batch, zvview.Streamlines)
    expected = store.level(0).read(box=box)
    assert isinstance(expected, zvview.Streamlines)
    assert len(update.batch.segments) == len(expected.segments) > 0


def test_a_perspective_view_streams_finer_near_the_eye(stream: Start, receiver: Receiver) -> None:
    place: dict[str, bytes] = {}
    build(place, levels=False, chunk_shape=(125.0,) * 3)
    build_pyramid(place, PyramidOptions(levels=2, target=500, chunk_shapes=[(125.0,) * 3, (250.0,) * 3]))
    store = opened(place)
    zoom = 4 / float(store.level(1).resolution[0])
    side = 1381 * zoom
    projection = Projection.from_camera((0, 1, 2), (500, 500, 500), (0, 0, 1), (0, 1, 0), zoom, (side, side), 75)
    update = receiver.settled(stream(store).look(whole(zoom, projection=projection)))
    assert len(update.levels) > 1
    everything = {tuple(p) for p in store.level(0).read().positions.tolist()}
    assert {tuple(p) for p in update.batch.positions.tolist()} <= everything
    assert len(set(rows_of(update.batch))) == len(update.batch), "no place is shown by two levels"


def test_nothing_is_read_twice_and_the_same_picture_is_the_same_object(
    points: Any, stream: Start, receiver: Receiver
) -> None:
    streamer = stream(opened(points))
    first = receiver.settled(streamer.look(whole()))
    read = streamer.stats.bytes_read
    second = receiver.settled(streamer.look(whole(99.0)))
    assert second.batch is first.batch and second.generation == first.generation + 1
    assert streamer.stats.bytes_read == read and streamer.stats.cache_hits > 0


def test_a_view_beside_the_data_is_settled_and_empty(points: Any, stream: Start, receiver: Receiver) -> None:
    update = receiver.settled(stream(opened(points)).look(make_view((5000,) * 3, (6000,) * 3)))
    assert len(update.batch) == 0 and update.status.chunks_wanted == 0 and update.levels == ()


def test_an_empty_level_and_a_store_without_points_do_not_hang(stream: Start, receiver: Receiver) -> None:
    place: dict[str, bytes] = {}
    with zvview.create(
        place, kind="point_cloud", axes="xyz", chunk_shape=(10.0,) * 3, bounds=((0,) * 3, (9,) * 3)
    ) as new:
        new.write(zvview.Points(np.empty((0, 3), np.float32)))
    update = receiver.settled(stream(opened(place)).look(whole()))
    assert len(update.batch) == 0 and update.is_settled


def test_superseded_reads_are_cancelled_and_only_the_last_view_is_settled(
    points: Any, gate: Gate, stream: Start, receiver: Receiver
) -> None:
    def before(keys: Sequence[str], cancel: CancelToken | None) -> None:
        if threading.current_thread().name == "zvview-read" and any(key.startswith("0/") for key in keys):
            gate(keys, cancel)

    streamer = stream(Store(Source(points, before)), group_bytes=1)
    streamer.look(make_view((0,) * 3, (100,) * 3, 100.0))
    assert gate.reached.wait(PATIENCE_S)
    second = streamer.look(make_view((800,) * 3, (900,) * 3, 100.0))
    receiver.wait(lambda u: u.generation == second)
    gate.opened.set()
    update = receiver.settled(second)
    assert (update.batch.positions >= 750).all()
    stats = streamer.stats
    assert stats.reads_cancelled >= 1 and stats.longest_cancel_s < PATIENCE_S
    assert not any(u.is_settled for u in receiver.updates if u.generation < second)


def test_old_data_stay_until_there_is_something_better(
    points: Any, gate: Gate, stream: Start, receiver: Receiver
) -> None:
    is_closed = threading.Event()

    def before(keys: Sequence[str], cancel: CancelToken | None) -> None:
        if is_closed.is_set():
            gate(keys, cancel)

    streamer = stream(Store(Source(points, before)), update_interval_s=0.0)
    coarse = receiver.settled(streamer.look(whole(1e-3)))
    is_closed.set()
    generation = streamer.look(whole(100.0))
    waiting = receiver.wait(lambda u: u.generation == generation)
    assert waiting.batch is coarse.batch and not waiting.is_settled and waiting.status.chunks_ready == 0
    gate.opened.set()
    assert receiver.settled(generation).levels == (0,)


def test_pieces_of_a_picture_are_shown_soon_only_while_the_camera_moves(
    points: Any, gate: Gate, stream: Start, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_PATCHED", 1e9)
    one = ("/c/0/0/0", "/c/1/1/1")  # by the first the level is told, the other is the first of its chunks

    def before(keys: Sequence[str], cancel: CancelToken | None) -> None:
        if any(key.startswith("0/") and not key.endswith(one) for key in keys):
            gate(keys, cancel)

    streamer = stream(
        Store(Source(points, before)), group_bytes=1, concurrent_reads=1, update_interval_s=0.02, hysteresis=0.0
    )
    receiver.settled(streamer.look(whole(1e-3)))
    first = streamer.look(whole(100.0))
    assert gate.reached.wait(PATIENCE_S), "one chunk is there, the next is on its way"
    time.sleep(0.1)
    assert not any(u.generation == first for u in receiver.updates), "what rests is not shown in pieces"
    for step in range(1, 4):
        streamer.look(make_view((step,) * 3, (1000.0 + step,) * 3, 100.0))
    pieces = receiver.wait(lambda u: u.generation == first + 3 and u.levels[:1] == (0,))
    assert not pieces.is_settled and len(pieces.levels) > 1
    gate.opened.set()
    assert receiver.settled(first + 3).levels == (0,)


def test_after_zooming_out_finer_chunks_stand_in(stream: Start, receiver: Receiver, gate: Gate) -> None:
    place: dict[str, bytes] = {}
    build(place)
    coarsest = str(max(opened(place).levels))

    def before(keys: Sequence[str], cancel: CancelToken | None) -> None:
        if threading.current_thread().name == "zvview-read" and any(key.startswith(coarsest + "/") for key in keys):
            gate(keys, cancel)

    streamer = stream(Store(Source(place, before)), update_interval_s=0.0)
    fine = receiver.settled(streamer.look(whole(100.0)))
    generation = streamer.look(whole(1e-3))
    waiting = receiver.wait(lambda u: u.generation == generation)
    assert waiting.batch is fine.batch and not waiting.is_settled
    gate.opened.set()
    assert receiver.settled(generation).levels == (int(coarsest),)


def test_the_cache_never_grows_beyond_its_budget(points: Any, stream: Start, receiver: Receiver) -> None:
    budget = 150_000
    streamer = stream(opened(points), cache_bytes=budget, group_bytes=10_000)
    rng = np.random.default_rng(0)
    for _ in range(25):
        corner = rng.uniform(0, 800, 3)
        update = receiver.settled(streamer.look(make_view(corner, corner + 200, 100.0)))
        assert streamer.stats.cache_bytes <= budget
        assert update.status.bytes_shown > 0
    assert streamer.stats.evictions > 0


def test_a_cache_too_small_for_a_view_shows_a_coarser_one(points: Any, stream: Start, receiver: Receiver) -> None:
    store = opened(points)
    streamer = stream(store, cache_bytes=120_000)
    update = receiver.settled(streamer.look(whole(100.0)))
    assert update.levels and update.levels[0] > 0 and len(update.batch) > 0
    assert streamer.stats.cache_bytes <= 120_000


def test_a_chunk_larger_than_the_cache_is_named_and_the_streamer_lives(stream: Start, receiver: Receiver) -> None:
    place: dict[str, bytes] = {}
    build(place, size=5000, levels=False, chunk_shape=(2000.0,) * 3)
    streamer = stream(opened(place), cache_bytes=10_000)
    streamer.look(whole())
    update = receiver.wait(lambda u: bool(u.status.notes))
    assert "no room for it in the cache" in update.status.notes[0]


def test_a_store_without_index_shows_a_picture_before_anything_is_counted(stream: Start, receiver: Receiver) -> None:
    place: dict[str, bytes] = {}
    build(place)
    without = {key: data for key, data in place.items() if not key.startswith("zvview/")}
    asked: list[str] = []
    store = Store(Source(without, lambda keys, cancel: asked.extend(keys)))
    streamer = stream(store, group_bytes=5000)
    update = receiver.settled(streamer.look(make_view((0,) * 3, (100,) * 3, 100.0)))
    assert update.levels == (0,) and len(update.batch) > 0
    cells = [key for key in asked if key.startswith("0/")]
    assert 0 < len({key.split("/c/")[1] for key in cells if "/vertices/" in key}) <= 2, "no more than what is shown"


def test_counts_that_turn_out_larger_make_the_view_coarser(stream: Start, receiver: Receiver) -> None:
    place: dict[str, bytes] = {}
    build(place)
    import json

    without = {key: data for key, data in place.items() if not key.startswith("zvview/")}
    for key in list(without):
        if key.endswith("/zarr.json") and key.count("/") == 1:
            document = json.loads(without[key])
            document["attributes"].get("zarr_vectors_level", {})["vertex_count"] = 1
            without[key] = json.dumps(document).encode()
    streamer = stream(opened(without), group_bytes=5000)
    update = receiver.settled(streamer.look(whole(budget_vertices=6000)))
    assert update.levels[0] > 0 and 0 < len(update.batch) <= 6000


def test_a_damaged_cell_costs_that_cell_and_is_named(stream: Start, receiver: Receiver) -> None:
    place: dict[str, bytes] = {}
    build(place, levels=False)
    key = sorted(k for k in place if k.startswith("0/vertices/c/"))[5]
    place[key] = bytes(place[key])[:-5]
    update = receiver.settled(stream(opened(place)).look(whole()))
    assert 0 < len(update.batch) < 20_000
    assert any("0/vertices" in note for note in update.status.notes)
    assert update.status.vertices_total == 20_000 and update.status.vertices_shown == len(update.batch)


@pytest.mark.parametrize("kind", ["streamline", "graph", "skeleton", "mesh"])
def test_a_damaged_cell_of_links_or_pieces_costs_no_more_than_it_must(
    kind: str, stream: Start, receiver: Receiver
) -> None:
    place: dict[str, bytes] = {}
    build(place, kind, 3000, levels=False)
    keys = sorted(k for k in place if k.startswith(("0/links/", "0/vertex_fragments/c/")) and "/c/" in k)
    place[keys[0]] = b"\xff" * 7
    place[keys[-1]] = b"\xff" * 7
    with opened(place) as store:
        update = receiver.settled(stream(store).look(whole()))
    assert 0 < len(update.batch) <= 3000 + 200 and update.status.notes


@pytest.mark.parametrize("path", ["1/vertices/zarr.json", "0/vertex_attributes/type/zarr.json"])
def test_a_level_whose_metadata_is_damaged_is_left_out_and_named(path: str, stream: Start, receiver: Receiver) -> None:
    place: dict[str, bytes] = {}
    build(place)
    place[path] = b"{"
    level = path[0]
    update = receiver.settled(stream(opened(place)).look(whole(1e-3 if level == "1" else 100.0)))
    assert len(update.batch) > 0
    assert any(f"level {level} is left out" in note for note in update.status.notes)


def test_a_source_that_is_out_of_reach_is_reported_and_asked_again(
    points: Any, stream: Start, receiver: Receiver
) -> None:
    is_down = threading.Event()
    is_down.set()

    def before(keys: Sequence[str], cancel: CancelToken | None) -> None:
        if is_down.is_set() and threading.current_thread().name == "zvview-read":
            raise UnreachableError("the cable is out")

    streamer = stream(Store(Source(points, before)), backoff_s=1e-3)
    generation = streamer.look(whole())
    told = receiver.wait(lambda u: u.status.problem is not None)
    assert told.status.problem is not None and "the cable is out" in told.status.problem and not told.is_settled
    is_down.clear()
    last = receiver.settled(generation)
    assert last.status.problem is None and len(last.batch) == 20_000
    assert streamer.stats.reads_failed > 0


def test_retry_does_not_wait_for_the_backoff(points: Any, stream: Start, receiver: Receiver) -> None:
    is_down = threading.Event()
    is_down.set()

    def before(keys: Sequence[str], cancel: CancelToken | None) -> None:
        if is_down.is_set() and threading.current_thread().name == "zvview-read":
            raise UnreachableError("the cable is out")

    streamer = stream(Store(Source(points, before)), backoff_s=3600.0)
    generation = streamer.look(whole())
    receiver.wait(lambda u: u.status.problem is not None)
    is_down.clear()
    streamer.retry()
    assert len(receiver.settled(generation).batch) == 20_000


def test_a_source_that_stalls_is_reported_and_given_up_and_the_streamer_goes_on(
    points: Any, gate: Gate, stream: Start, receiver: Receiver
) -> None:
    gate.heeds_cancel = False
    hung: list[int] = []

    def before(keys: Sequence[str], cancel: CancelToken | None) -> None:
        if cancel is not None and len(hung) < 2 and any(key.startswith("0/") for key in keys):
            hung.append(1)
            gate(keys, None)

    streamer = stream(Store(Source(points, before)), stall_s=0.01, give_up_s=0.3, backoff_s=1e-3, update_interval_s=0.0)
    generation = streamer.look(whole())
    told = receiver.wait(lambda u: u.status.problem is not None and "not answered" in u.status.problem)
    assert not told.is_settled
    last = receiver.settled(generation)
    assert len(last.batch) == 20_000 and last.status.problem is None
    gate.opened.set()


class Slow:
    """Answers so many cells after so many seconds, and counts them; stops when it is told to."""

    def __init__(self, cells: int, seconds: float) -> None:
        self.cells, self.seconds, self.answered = cells, seconds, 0

    def __call__(self, keys: Sequence[str], cancel: CancelToken | None) -> None:
        stop = threading.Event()
        if cancel is not None:
            cancel.on_cancel(stop.set)
        for start in range(0, len(keys), self.cells):
            if stop.wait(self.seconds):
                raise Cancelled("the call was cancelled")
            self.answered += len(keys[start : start + self.cells])


@pytest.fixture(scope="module")
def many() -> dict[str, bytes]:
    """Points in 512 chunks, with one coarse level of one chunk; not to be changed."""
    place: dict[str, bytes] = {}
    build(place, chunk_shape=(125.0,) * 3, levels=False)
    build_pyramid(place, PyramidOptions(levels=1, chunk_shapes=[(1000.0,) * 3]))
    return place


def test_a_slow_source_gives_a_picture_at_least_once_a_second(many: Any, stream: Start, receiver: Receiver) -> None:
    slow = Slow(20, 0.06)
    store = Store(Source(many, slow))
    assert store.levels == (0, 1) and len(store.level(1).chunks) == 1
    times: list[float] = []
    shown: list[int] = []

    def receive(update: Update) -> None:
        if not shown or len(update.batch) != shown[-1]:
            shown.append(len(update.batch))
            times.append(time.perf_counter())
        receiver(update)

    with Streamer(store, settings=StreamSettings(prefetch_margin=0, stall_s=1.0), on_update=receive) as streamer:
        update = receiver.settled(streamer.look(whole()))
    assert rows_of(update.batch) == rows_of(opened(many).level(0).read())
    assert times[-1] - times[0] > 1, "it was slow"
    assert max(np.diff(times)) < 1 and len(shown) >= 4 and shown == sorted(shown)
    assert all(u.status.problem is None for u in receiver.updates), "answers came all the while"


def test_a_changed_view_gives_up_what_it_no_longer_wants_of_a_slow_source(
    many: Any, stream: Start, receiver: Receiver
) -> None:
    slow = Slow(8, 0.02)
    streamer = stream(Store(Source(many, slow)))
    streamer.look(whole())
    receiver.wait(lambda u: u.status.chunks_ready > 20)
    before, begun = slow.answered, time.perf_counter()
    update = receiver.settled(streamer.look(make_view((10,) * 3, (100,) * 3, 100.0)))
    assert time.perf_counter() - begun < 1 and slow.answered - before < 200
    assert update.status.chunks_wanted == 1


def test_closing_without_waiting_returns_at_once_while_a_read_hangs(points: Any, gate: Gate, stream: Start) -> None:
    gate.heeds_cancel = False

    def before(keys: Sequence[str], cancel: CancelToken | None) -> None:
        if cancel is not None:
            gate(keys, None)

    streamer = stream(Store(Source(points, before)))
    streamer.look(whole())
    assert gate.reached.wait(PATIENCE_S)
    begun = time.perf_counter()
    streamer.close(wait=False)
    assert time.perf_counter() - begun < 0.5
    streamer.close(wait=False)


def test_the_first_picture_of_ten_times_as_many_points_reads_no_more(stream: Start, receiver: Receiver) -> None:
    read = []
    for size in (20_000, 200_000):
        place: dict[str, bytes] = {}
        build(place, size=size, chunk_shape=(125.0,) * 3)
        streamer = stream(opened(place))
        generation = streamer.look(whole(1e-3))
        assert receiver.settled(generation).levels != (0,)
        read.append(streamer.stats.bytes_read)
        streamer.close()
        receiver.updates.clear()
    assert 0 < read[1] <= 2 * read[0]


def test_a_store_that_vanishes_leaves_the_streamer_alive(tmp_path: Path, stream: Start, receiver: Receiver) -> None:
    place = tmp_path / "a.zarrvectors"
    build(place)
    streamer = stream(opened(place), backoff_s=1e-3)
    first = receiver.settled(streamer.look(whole(1e-3)))
    kept = tmp_path / "kept"
    place.rename(kept)
    generation = streamer.look(whole(100.0))
    told = receiver.wait(lambda u: u.generation == generation and u.status.problem is not None)
    assert told.batch is first.batch and not told.is_settled
    assert told.status.problem is not None and "no zarr.json" in told.status.problem and not told.status.notes
    kept.rename(place)
    streamer.retry()
    assert len(receiver.settled(generation).batch) == 20_000


def test_a_store_that_is_replaced_is_read_anew(tmp_path: Path, stream: Start, receiver: Receiver) -> None:
    place = tmp_path / "a.zarrvectors"
    build(place)
    streamer = stream(opened(place))
    receiver.settled(streamer.look(make_view((0,) * 3, (100,) * 3, 100.0)))
    shutil.rmtree(place)
    build(place, size=9000, seed=5)
    update = receiver.settled(streamer.look(whole()))
    assert rows_of(update.batch) == rows_of(opened(place).level(0).read())


def test_a_slow_source_over_http(stream: Start, receiver: Receiver, points: Any) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = points.get(self.path.removeprefix("/data/"))
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(bytes(body or b""))

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with opened(f"http://127.0.0.1:{server.server_port}/data") as store:
            streamer = stream(store)
            update = receiver.settled(streamer.look(whole()))
            assert len(update.batch) == 20_000
            streamer.close()
    finally:
        server.shutdown()
        thread.join(PATIENCE_S)
        server.server_close()


def test_a_filter_hides_at_every_level_and_counts_stay_true(points: Any, stream: Start, receiver: Receiver) -> None:
    store = opened(points)
    streamer = stream(store)
    everything = store.level(0).read()
    middle = float(np.median(everything.attributes["intensity"]))
    label = everything.categories["type"].labels[0]
    wanted = Filter({"intensity": (0, middle)}, {"type": {label}})
    for zoom in (1e-3, 100.0):
        update = receiver.settled(streamer.look(whole(zoom, filter=wanted)))
        batch = update.batch
        assert len(batch) and (batch.attributes["intensity"] <= middle).all()
        assert set(batch.labels("type")) == {label}
        assert update.status.vertices_shown == len(batch) < update.status.vertices_loaded
        assert update.status.vertices_total == 20_000
    level = store.level(0).read()
    passed = (level.attributes["intensity"] <= middle) & (level.labels("type") == label)
    assert len(batch) == int(passed.sum())


def test_only_the_chunks_of_wanted_objects_are_read(stream: Start, receiver: Receiver) -> None:
    place: dict[str, bytes] = {}
    build(place, "streamline", 6000, levels=False)
    store = opened(place)
    ids = store.level(0).object_ids
    assert ids is not None
    streamer = stream(store)
    update = receiver.settled(streamer.look(whole(filter=Filter(object_ids=ids[:2]))))
    assert isinstance(update.batch, zvview.Streamlines) and update.batch.object_ids is not None
    assert set(update.batch.object_ids.tolist()) == set(ids[:2].tolist())
    assert len(update.batch) == len(store.level(0).read_objects(ids[:2]))
    assert update.status.chunks_wanted < len(store.level(0).chunks)
    groups = store.groups
    assert groups is not None
    update = receiver.settled(streamer.look(whole(filter=Filter(groups=(groups.names[0],)))))
    assert isinstance(update.batch, zvview.Streamlines) and update.batch.object_ids is not None
    assert set(update.batch.object_ids.tolist()) == set(groups.members[0].tolist())


def test_a_filter_of_objects_fits_what_is_in_memory_where_another_saved_meanwhile(
    tmp_path: Path, stream: Start, receiver: Receiver
) -> None:
    place = str(tmp_path / "a.zarrvectors")
    build(place, size=2000, n_objects=5, levels=False)
    store = opened(place)
    streamer = stream(store)
    receiver.settled(streamer.look(whole()))
    with opened(place).edit(journal=False) as edit:
        of_two = edit.vertices_of(2)
        edit.move(of_two, np.full((len(of_two), 3), 10.0))
    update = receiver.settled(streamer.look(whole(filter=Filter(object_ids=[2]))))
    assert len(of_two) == len(update.batch) and (update.batch.positions == 10).all()


def test_a_group_that_is_not_there_shows_nothing_and_says_so(points: Any, stream: Start, receiver: Receiver) -> None:
    place: dict[str, bytes] = {}
    build(place, "streamline", 2000, levels=False)
    streamer = stream(opened(place))
    streamer.look(whole(filter=Filter(groups=("nobody",))))
    update = receiver.wait(lambda u: u.is_settled)
    assert any("nobody" in note for note in update.status.notes) and len(update.batch) == 0
    assert len(receiver.settled(streamer.look(whole())).batch) == 2000


def test_a_filter_by_what_the_store_does_not_have_shows_nothing_and_says_so(
    points: Any, stream: Start, receiver: Receiver
) -> None:
    update = receiver.settled(stream(opened(points)).look(whole(filter=Filter({"mass": (0, 1)}))))
    assert len(update.batch) == 0 and any("mass" in note for note in update.status.notes)


def test_only_the_attributes_that_are_asked_for_are_read(points: Any, stream: Start, receiver: Receiver) -> None:
    update = receiver.settled(stream(opened(points), attributes=("type", "nothing")).look(whole()))
    assert set(update.batch.attributes) == {"type"}


def test_prefetching_begins_when_idle_and_saves_the_next_read(points: Any, stream: Start, receiver: Receiver) -> None:
    streamer = stream(opened(points), prefetch_margin=0.5, idle_s=0.0)
    view = make_view((400,) * 3, (499,) * 3, 100.0)
    receiver.settled(streamer.look(view))
    done = threading.Event()
    for _ in range(int(PATIENCE_S / 0.01)):
        if streamer.stats.bytes_prefetched and streamer.stats.chunks_read >= 8:
            break
        done.wait(0.01)
    before = streamer.stats
    assert before.bytes_prefetched > 0 and before.bytes_wasted == 0
    receiver.settled(streamer.look(make_view((440,) * 3, (564,) * 3, 100.0)))
    assert streamer.stats.bytes_read == before.bytes_read
    assert streamer.stats.bytes_shown > before.bytes_shown


def test_updates_of_a_view_that_is_not_settled_keep_their_distance(
    points: Any, stream: Start, receiver: Receiver
) -> None:
    streamer = stream(opened(points), group_bytes=2000, update_interval_s=3600.0)
    receiver.settled(streamer.look(whole()))
    assert len(receiver.updates) <= 2, "the first picture, and all of it"


def test_what_takes_long_to_join_waits_longer_while_it_is_not_settled(
    points: Any, stream: Start, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_PATIENCE", 1e9)
    streamer = stream(opened(points), group_bytes=2000, update_interval_s=0.0)
    receiver.settled(streamer.look(whole()))
    pictures = {id(update.batch) for update in receiver.updates if len(update.batch)}
    assert len(pictures) <= 2, "the first, and all of it"


def test_statistics_add_up(points: Any, stream: Start, receiver: Receiver) -> None:
    streamer = stream(opened(points))
    receiver.settled(streamer.look(whole()))
    streamer.close()
    stats = streamer.stats
    assert stats.bytes_shown + stats.bytes_wasted <= stats.bytes_read and stats.views == 1 and stats.updates >= 1
    assert stats.chunks_read >= stats.reads > 0 and stats.cache_budget_bytes == StreamSettings().cache_bytes
    with pytest.raises(AttributeError):
        stats.reads = 0  # type: ignore[misc]


def threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name in ("zvview-read", "zvview-stream")]


def test_closing_ends_all_threads_and_updates(points: Any, gate: Gate, receiver: Receiver) -> None:
    store = Store(Source(points, lambda keys, cancel: gate(keys, cancel) if cancel else None))
    streamer = Streamer(store, on_update=receiver)
    streamer.look(whole())
    assert gate.reached.wait(PATIENCE_S)
    streamer.close()
    assert not threads()
    count = len(receiver.updates)
    streamer.look(whole())
    streamer.retry()
    streamer.close()
    gate.opened.set()
    assert len(receiver.updates) == count


def test_a_forgotten_streamer_ends_its_threads_and_frees_its_memory(points: Any) -> None:
    settled = threading.Event()
    batches: list[weakref.ref[Any]] = []

    def receive(update: Update) -> None:
        batches.append(weakref.ref(update.batch.positions))
        if update.is_settled:
            settled.set()

    with opened(points) as store:
        streamer = Streamer(store, on_update=receive)
        streamer.look(whole())
        assert settled.wait(PATIENCE_S)
        alive = weakref.ref(streamer)
        del streamer
        gc.collect()
        assert alive() is None and not threads()
        gc.collect()
        assert all(batch() is None for batch in batches)


def test_a_receiver_may_close_and_look_from_within(points: Any) -> None:
    done = threading.Event()
    seen: list[int] = []

    def receive(update: Update) -> None:
        seen.append(update.generation)
        if update.is_settled and update.generation == 1:
            streamer.look(whole(1e-3))
        elif update.is_settled:
            streamer.close()
            done.set()

    streamer = Streamer(opened(points), on_update=receive)
    streamer.look(whole())
    assert done.wait(PATIENCE_S)
    streamer._engine._thread.join(PATIENCE_S)
    assert not threads() and seen[-1] == 2


def test_a_receiver_that_fails_does_not_end_the_streamer(
    points: Any, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    has_failed = threading.Event()

    def receive(update: Update) -> None:
        if update.generation == 1:
            has_failed.set()
            raise RuntimeError("no")
        receiver(update)

    with Streamer(opened(points), on_update=receive) as streamer:
        streamer.look(whole(1e-3))
        assert has_failed.wait(PATIENCE_S)
        receiver.settled(streamer.look(whole()))
    assert "no" in caplog.text


def test_a_fault_is_told_and_the_next_view_is_shown(
    points: Any, stream: Start, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamer = stream(opened(points))
    shown = receiver.settled(streamer.look(whole(1e-3)))
    with monkeypatch.context() as broken:
        broken.setattr(engine, "plan_view", lambda *asked: [][0])
        generation = streamer.look(whole())
        told = receiver.wait(lambda u: u.generation == generation and u.status.problem is not None)
    assert told.status.problem == "IndexError: list index out of range"
    assert told.batch is shown.batch and not told.is_settled, "what is shown stays"
    update = receiver.settled(streamer.look(make_view((0,) * 3, (900,) * 3, 100.0)))
    assert update.status.problem is None and len(update.batch)


def test_many_threads_may_look_at_once(points: Any, stream: Start, receiver: Receiver) -> None:
    streamer = stream(opened(points))
    generations: list[int] = []

    def fly(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(20):
            corner = rng.uniform(0, 900, 3)
            generations.append(streamer.look(make_view(corner, corner + 100, float(rng.uniform(0.01, 50)))))

    flying = [threading.Thread(target=fly, args=(seed,)) for seed in range(4)]
    for thread in flying:
        thread.start()
    for thread in flying:
        thread.join(PATIENCE_S)
    assert sorted(generations) == list(range(1, 81))
    receiver.settled(80)
    assert [u.generation for u in receiver.updates] == sorted(u.generation for u in receiver.updates)


def test_nonsense_is_refused(points: Any, stream: Start) -> None:
    with pytest.raises(InvalidInputError, match="axes"):
        stream(opened(points)).look(make_view((0, 0), (1, 1)))
    with pytest.raises(InvalidInputError, match="Store"):
        Streamer("a path", on_update=print)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="cache_bytes"):
        StreamSettings(cache_bytes=0)
