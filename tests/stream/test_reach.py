from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from tests.stream.conftest import Receiver, make_facts, make_limits, make_tree, make_view
from zvview.geometry.select import clip_to_box
from zvview.store.store import Store
from zvview.stream import Streamer
from zvview.stream.cells import build_cells
from zvview.stream.facts import gather_facts
from zvview.stream.frame import compose_frame
from zvview.stream.plan import plan_view
from zvview.stream.reach import Reach, find_spans
from zvview.testing import make_store

KINDS = ("line", "polyline", "graph", "mesh")


def long_links(kind: str, seed: int, count: int = 12) -> zvview.Batch:
    """Objects whose links lead across many chunks of 10."""
    rng = np.random.default_rng(seed)
    ends = rng.uniform(0, 100, (count * 3, 3)).astype(np.float32)
    ids = np.arange(count)
    if kind == "line":
        return zvview.Lines.from_endpoints(ends[: 2 * count].reshape(-1, 2, 3), object_ids=ids)
    offsets = np.arange(0, 3 * count + 1, 3)
    if kind == "polyline":
        return zvview.Polylines(ends, offsets=offsets, object_ids=ids)
    corners = np.arange(3 * count).reshape(-1, 3)
    if kind == "mesh":
        return zvview.Mesh(ends, offsets=offsets, object_ids=ids, faces=corners)
    return zvview.Graph(ends, offsets=offsets, object_ids=ids, edges=corners[:, :2])


def written(kind: str, seed: int) -> Store:
    place: dict[str, bytes] = {}
    bounds = ((0,) * 3, (100,) * 3)
    with zvview.create(place, kind=kind, axes="xyz", chunk_shape=(10.0,) * 3, bounds=bounds) as new:
        new.write(long_links(kind, seed))
    store = zvview.open(place)
    assert isinstance(store, Store)
    return store


def links_in(batch: Any, lo: Any, hi: Any) -> list[Any]:
    """Links that touch the box, by the positions of their ends."""
    cut: Any = clip_to_box(batch, np.asarray(lo, float), np.asarray(hi, float))
    rows = cut.faces if hasattr(cut, "faces") else cut.edges if hasattr(cut, "edges") else cut.segments
    return sorted(sorted(map(tuple, cut.positions[link].tolist())) for link in rows.tolist())


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.tuples(*[st.floats(0, 90)] * 3))
def test_links_that_only_pass_through_the_view_are_shown(kind: str, seed: int, corner: tuple[float, ...]) -> None:
    store, receiver = written(kind, seed), Receiver()
    lo, hi = corner, np.add(corner, 12.0)
    with Streamer(store, on_update=receiver) as streamer:
        update = receiver.settled(streamer.look(make_view(lo, hi, 100.0)))
    assert links_in(update.batch, lo, hi) == links_in(store.level(0).read(box=(lo, hi)), lo, hi)


@pytest.mark.parametrize("kind", ["streamline", "skeleton", "mesh"])
@settings(max_examples=5, deadline=None)
@given(st.tuples(*[st.floats(0, 900)] * 3))
def test_short_links_across_corners_of_chunks_are_shown(kind: str, corner: tuple[float, ...]) -> None:
    store, receiver = make_store({}, kind, size=4000, chunk_shape=(100.0,) * 3), Receiver()
    lo, hi = np.array(corner), np.add(corner, 60.0)
    with Streamer(store, on_update=receiver) as streamer:
        receiver.settled(streamer.look(make_view((0,) * 3, (1000,) * 3, 100.0)))
        update = receiver.settled(streamer.look(make_view(lo, hi, 100.0)))
    assert links_in(update.batch, lo, hi) == links_in(store.level(0).read(box=(lo, hi)), lo, hi)


def test_spans_join_chunks_that_do_not_touch() -> None:
    for kind in KINDS:
        store = written(kind, 0)
        facts = gather_facts(store)
        (spans,) = find_spans(store, facts)
        assert len(spans) and spans.max() < len(facts.levels[0].chunks)
        ends = facts.levels[0].chunks[spans[:, [-2, -1]]]
        assert (np.ptp(ends, axis=1).max(axis=1) > 1).any()
    short = make_store({}, "streamline", size=2000, chunk_shape=(250.0,) * 3)
    assert [len(s) for s in find_spans(short, gather_facts(short))] == [0]


def test_margins_make_chunks_reach_out() -> None:
    facts, tree = make_tree([8.0])
    none = (np.empty((0, 2), np.int64),)
    view = make_view((9, 9), (15, 15))
    plans = [
        plan_view(tree, view, make_limits(facts, tree, reach=Reach((np.full(2, margin),), none)))
        for margin in (0.0, 0.9, 1.1)
    ]
    assert [len(plan.order) for plan in plans] == [1, 1, 9]
    assert [int(plan.beyond[0].sum()) for plan in plans] == [0, 0, 8]


def test_what_spans_bring_in_waits_for_the_rest_and_keeps_to_the_budget() -> None:
    facts = make_facts([8.0, 16.0])
    tree = build_cells(facts)
    rows = {tuple(c): i for i, c in enumerate(facts.levels[0].chunks.tolist())}
    spans = np.sort([[rows[0, 0], rows[7, 7]], [rows[0, 7], rows[7, 0]]], axis=1)
    reach = Reach((np.zeros(2), np.zeros(2)), (spans, np.empty((0, 2), np.int64)))
    limits = make_limits(facts, tree, reach=reach)
    view = make_view((25, 25), (31, 31), 100.0)
    plan = plan_view(tree, view, limits)
    assert [int(mask.sum()) for mask in plan.beyond] == [2, 0] and len(plan.order) - plan.stand_ins == 3
    there = [np.zeros(len(t.chunk_lo), bool) for t in tree]
    there[0][plan.beyond[0]] = True
    frame = compose_frame(tree, plan, tuple(there))
    assert not frame.is_complete and not any(mask.any() for mask in frame.chunks)
    there[0][:] = True
    frame = compose_frame(tree, plan, tuple(there))
    assert frame.is_complete and frame.chunks[0].sum() == 3
    tight = plan_view(tree, make_view((25, 25), (31, 31), 100.0, budget_vertices=200), limits)
    assert tight.beyond[0].sum() == 1 and "no room for 1 more" in tight.notes[0]
