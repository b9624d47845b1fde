"""Chunks far larger than what is in view: the finest level that fits is shown, cut to the view, or told why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from tests.stream.conftest import Receiver, make_limits, make_tree, make_view
from tests.stream.test_streamer import Start, build, opened, rows_of
from zvview.geometry.clip import faces_touch_box, segments_touch_box
from zvview.stream import Projection, ViewState, in_view
from zvview.stream.in_view import clip_to_view, fit_to_budget, see_points, visible_shares
from zvview.stream.plan import plan_view
from zvview.testing import make_batch
from zvview.testing.batches import KINDS


def turned(centre: float, zoom: float, angle: float, degrees: float = 0.0, **options: Any) -> ViewState:
    """A view through a camera turned about the first axis."""
    forward = (0.0, float(np.sin(angle)), float(np.cos(angle)))
    up = (0.0, float(np.cos(angle)), -float(np.sin(angle)))
    projection = Projection.from_camera((0, 1, 2), (centre,) * 3, forward, up, zoom, (100.0, 200.0), degrees)
    return make_view((-1e4,) * 3, (1e4,) * 3, zoom, projection=projection, **options)


@settings(max_examples=40)
@given(st.floats(0.2, 50), st.floats(0, 6), st.sampled_from([0.0, 40.0]), st.integers(0, 99))
def test_points_that_are_seen_are_those_on_the_canvas(zoom: float, angle: float, degrees: float, seed: int) -> None:
    points = np.random.default_rng(seed).uniform(0, 100, (500, 3))
    view = turned(50.0, zoom, angle, degrees)
    assert view.projection is not None
    pixels, scale = view.projection.project(points)
    with np.errstate(invalid="ignore"):
        on_canvas = ((pixels >= 0) & (pixels <= (200, 100))).all(axis=1) & (scale > 0)
    seen = see_points(view, points)
    assert (seen[scale > 0] == on_canvas[scale > 0]).all()


def test_shares_are_those_of_a_sample_or_of_the_box() -> None:
    _, tree = make_tree([64.0], ndim=3, extent=64.0)
    rows = np.array([0])
    view = make_view((0, 0, 0), (32, 64, 64))
    assert visible_shares(tree[0], rows, view, {}, 0) == pytest.approx([0.5])
    crowded = {(0, 0): np.full((10, 3), 40.0)}
    assert visible_shares(tree[0], rows, view, crowded, 0) == 0
    assert len(visible_shares(tree[0], rows[:0], view, {}, 0)) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_3d", [False, True])
def test_what_touches_the_view_is_kept_with_its_values(kind: str, is_3d: bool) -> None:
    batch = make_batch(kind, 4000, seed=2)
    view = turned(500.0, 0.4, 0.7) if is_3d else make_view((300,) * 3, (600,) * 3)
    kept = clip_to_view(batch, view, 1)
    assert 0 < len(kept) < len(batch)
    known = {p.tobytes(): row for row, p in enumerate(batch.positions)}
    at = [known[p.tobytes()] for p in kept.positions]
    assert set(np.flatnonzero(see_points(view, batch.positions))) <= set(at)
    assert set(kept.attributes) == set(batch.attributes) and kept.categories == batch.categories
    for name, column in kept.attributes.items():
        np.testing.assert_array_equal(column, batch.attributes[name][at])
    around = clip_to_view(batch, view, len(batch))
    assert len(kept) < len(around) <= len(batch)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1, 60), st.sampled_from(["mesh", "graph"]))
def test_links_that_touch_the_view_are_kept_and_those_beyond_a_side_are_not(seed: int, half: float, kind: str) -> None:
    rng = np.random.default_rng(seed)
    positions = rng.uniform(0, 100, (200, 3))
    positions[:3] = np.nan
    links = rng.integers(0, 200, (300, 3 if kind == "mesh" else 2))
    batch = zvview.Mesh(positions, faces=links) if kind == "mesh" else zvview.Graph(positions, edges=links)
    centre = rng.uniform(0, 100, 3)
    view = make_view(centre - half, centre + half)
    kept = clip_to_view(batch, view, 1)
    ends = kept.positions[kept.faces if isinstance(kept, zvview.Mesh) else kept.edges]
    found = {row.tobytes() for row in ends}
    lo, hi = view.box
    corners = positions[links]
    touches = faces_touch_box if kind == "mesh" else lambda c, lo, hi: segments_touch_box(c[:, 0], c[:, 1], lo, hi)
    assert {row.tobytes() for row in corners[touches(corners, lo, hi)]} <= found
    beyond = ((ends < lo).all(axis=1) | (ends > hi).all(axis=1)).any(axis=1)
    assert not beyond.any()


def test_too_many_points_are_thinned_evenly_and_lines_are_left_whole() -> None:
    points, lines = make_batch("point_cloud", 1000), make_batch("streamline", 1000)
    assert len(fit_to_budget(points, 300)) == 300
    assert fit_to_budget(points, 900) is points and fit_to_budget(lines, 10) is lines


def test_a_plan_counts_what_is_in_view_of_a_large_chunk() -> None:
    facts, tree = make_tree([64.0, 64.0], vertices=[100_000, 5000], bins=[1.0, 32.0])
    deep = make_view((0, 0), (4, 4), 100.0, budget_vertices=10_000)
    plan = plan_view(tree, deep, make_limits(facts, tree))
    assert plan.cut.levels == (0,) and plan.is_guessed and not plan.is_limited
    crowded = {(0, 0): np.full((100, 2), 2.0)}
    plan = plan_view(tree, deep, make_limits(facts, tree, samples=crowded))
    assert plan.cut.levels == (1,) and plan.is_limited and not plan.is_guessed
    empty = {(0, 0): np.full((100, 2), 60.0)}
    assert plan_view(tree, deep, make_limits(facts, tree, samples=empty)).cut.levels == (0,)


@pytest.fixture(scope="module")
def one_chunk() -> dict[str, bytes]:
    """60,000 points in one chunk, with coarse levels."""
    place: dict[str, bytes] = {}
    build(place, size=60_000, chunk_shape=(1000.0,) * 3)
    return place


@pytest.mark.parametrize("is_3d", [False, True])
def test_deep_inside_of_a_chunk_above_the_budget_the_finest_level_is_shown(
    one_chunk: Any, stream: Start, receiver: Receiver, is_3d: bool
) -> None:
    store = opened(one_chunk)
    whole = store.level(0).read()
    centre = np.median(whole.positions, axis=0)
    streamer = stream(store)
    options: dict[str, Any] = {"budget_vertices": 5000}
    overview = receiver.settled(streamer.look(make_view((0,) * 3, (1000,) * 3, 0.5, **options)))
    assert overview.levels != (0,) and len(overview.batch) <= 5000
    view = make_view(centre - 30, centre + 30, 100.0, **options)
    if is_3d:
        view = turned(float(centre.mean()), 1.5, 0.6, **options)
    update = receiver.settled(streamer.look(view))
    assert update.levels == (0,) and not update.status.is_limited and not update.status.notes
    assert 0 < len(update.batch) <= 5000
    seen = whole.positions[see_points(view, whole.positions)]
    assert set(map(tuple, seen.tolist())) <= set(rows_of(update.batch))
    back = receiver.settled(streamer.look(make_view((0,) * 3, (1000,) * 3, 0.5, **options)))
    assert rows_of(back.batch) == rows_of(overview.batch)


def test_a_cut_picture_follows_the_view_within_its_chunk(one_chunk: Any, stream: Start, receiver: Receiver) -> None:
    store = opened(one_chunk)
    whole = store.level(0).read().positions
    streamer = stream(store)
    for x in (200.0, 260.0, 700.0):
        view = make_view((x, 300, 300), (x + 200, 500, 500), 100.0, budget_vertices=5000)
        update = receiver.settled(streamer.look(view))
        seen = whole[see_points(view, whole)]
        assert len(seen) and set(map(tuple, seen.tolist())) <= set(rows_of(update.batch))
    assert streamer.stats.chunks_read <= 2


def test_what_is_too_crowded_is_shown_coarser_and_said_without_reading_it_again(
    stream: Start, receiver: Receiver
) -> None:
    place: dict[str, bytes] = {}
    rng = np.random.default_rng(0)
    positions = np.concatenate((rng.normal(500, 2, (50_000, 3)), rng.uniform(0, 1000, (2000, 3)))).clip(0, 1000)
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(1000,) * 3, bin_shape=(50,) * 3) as store:
        store.write(zvview.Points(positions.astype(np.float32)))
    zvview.pyramid.build_pyramid(place, zvview.pyramid.PyramidOptions(target=500))
    streamer = stream(opened(place), cache_bytes=1 << 20)
    view = make_view((460,) * 3, (540,) * 3, 100.0, budget_vertices=10_000)
    update = receiver.settled(streamer.look(view))
    assert update.levels != (0,) and update.status.is_limited
    assert "the budget allows no finer one" in str(update.status)
    assert streamer.stats.chunks_read <= 4


def test_one_level_alone_is_thinned_to_the_budget_and_said(stream: Start, receiver: Receiver) -> None:
    place: dict[str, bytes] = {}
    build(place, levels=False, chunk_shape=(1000.0,) * 3)
    update = receiver.settled(stream(opened(place)).look(make_view((0,) * 3, (1000,) * 3, budget_vertices=2000)))
    assert len(update.batch) == 2000
    assert any("only some of the points" in note for note in update.status.notes)


@pytest.mark.parametrize("kind", ["point_cloud", "streamline", "graph", "mesh"])
def test_where_the_ring_would_be_far_too_much_only_the_view_is_cut_out(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_batch(kind, 4000)
    view = make_view((300,) * 3, (700,) * 3)
    cut_once = clip_to_view(batch, view, 1)
    monkeypatch.setattr(in_view, "_estimate", lambda batch, view: 0.0)
    cut_twice = clip_to_view(batch, view, 1)
    assert 0 < len(cut_once) < len(clip_to_view(batch, view, len(batch)))
    assert sorted(cut_once.positions.tolist()) == sorted(cut_twice.positions.tolist())
