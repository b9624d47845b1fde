"""What is found under the cursor is what a search through everything finds."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.napari.camera import LayerPlacement, ViewerState
from zvview.napari.picking import Ray, find_ray, pick_face, pick_segment
from zvview.napari.picking_index import ElementIndex
from zvview.testing import make_batch

SEEDS = st.integers(0, 2**32 - 1)


def random_view(rng: np.random.Generator, *, fov: float) -> ViewerState:
    """A 3-D camera that looks at about (50, 50, 50), turned anyhow."""
    basis = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return ViewerState(
        displayed=(0, 1, 2),
        point=np.zeros(3),
        margin_left=np.zeros(3),
        margin_right=np.zeros(3),
        centre=rng.uniform(40, 60, 3),
        zoom=float(rng.uniform(2, 8)),
        canvas_size=(600.0, 800.0),
        view=basis[0],
        up=basis[1],
        right=basis[2],
        perspective=fov,
    )


def random_placement(rng: np.random.Generator, ndim: int = 3) -> LayerPlacement:
    matrix = np.diag(rng.uniform(0.5, 2, ndim)) + rng.normal(0, 0.1, (ndim, ndim))
    return LayerPlacement(matrix, rng.uniform(-5, 5, ndim), 0)


def to_canvas(state: ViewerState, world: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels (n, 2) and depths (n,) of world points, by the formula that was checked against vispy."""
    relative = world - state.centre
    depth = relative @ state.view
    scale = state.zoom / (1 + depth / state.eye_distance)
    height, width = state.canvas_size
    x, y = relative @ state.right * scale, relative @ state.up * scale
    return np.column_stack((width / 2 + x, height / 2 - y)), depth


def cursor_at(state: ViewerState, pixel: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Position and direction, as napari gives them, of a cursor at a pixel (x, y)."""
    height, width = state.canvas_size
    x, y = (pixel[0] - width / 2) / state.zoom, (height / 2 - pixel[1]) / state.zoom
    position = state.centre + x * state.right + y * state.up
    if not np.isfinite(state.eye_distance):
        return position, state.view
    along = position - (state.centre - state.eye_distance * state.view)
    return position, along / np.linalg.norm(along)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([0.0, 30.0, 60.0]))
def test_a_vertex_that_the_cursor_is_put_on_projects_to_the_origin(seed: int, fov: float) -> None:
    rng = np.random.default_rng(seed)
    state, placement = random_view(rng, fov=fov), random_placement(rng)
    data = rng.uniform(20, 40, (5, 3))
    world = data @ placement.matrix.T + placement.offset
    pixels, _ = to_canvas(state, world)
    for row in range(5):
        ray = find_ray(state, placement, *cursor_at(state, pixels[row]))
        here = ray.project(data)
        np.testing.assert_allclose(here[row, :2], 0, atol=1e-9 * np.abs(world).max() * 100)
        unit = ray.units_per_px(here[:, 2])
        position, along = cursor_at(state, pixels[row] + [3, 4])
        off_px = np.hypot(*find_ray(state, placement, position, along).project(data)[row, :2]) / unit[row]
        assert 5 * (along @ state.view) - 0.2 < off_px < 5.2  # less across a ray that is oblique to the canvas


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([0.0, 45.0]))
def test_segments_are_found_as_a_search_through_all_finds_them(seed: int, fov: float) -> None:
    rng = np.random.default_rng(seed)
    state, placement = random_view(rng, fov=fov), random_placement(rng)
    starts = rng.uniform(0, 60, (700, 3)).astype(np.float32)
    positions = np.concatenate((starts, starts + rng.normal(0, 3, starts.shape).astype(np.float32)))
    segments = np.column_stack((np.arange(700), np.arange(700, 1400))).astype(np.uint32)
    index = ElementIndex.of(positions, segments)
    assert sorted(index.order.tolist()) == list(range(700))
    aim = rng.uniform(0.1, 0.9) * (positions[700] - starts[0]) + starts[0] + rng.normal(0, 0.3, 3)
    pixel, _ = to_canvas(state, (aim @ placement.matrix.T + placement.offset)[None])
    ray = find_ray(state, placement, *cursor_at(state, pixel[0]))
    found = pick_segment(positions, segments, index, ray)
    assert found == slow_segment(positions, segments, ray)


def slow_segment(positions: NDArray[np.float32], segments: NDArray[np.uint32], ray: Ray) -> int | None:
    """The same by a loop over all segments: (touched, depth or distance) decides."""
    best, vertex = (2, np.inf, np.inf), None
    for a, b in segments.astype(int):
        first, last = ray.project(positions[[a, b]].astype(np.float64))
        step = last - first
        share = np.clip(-(first[:2] @ step[:2]) / max(step[:2] @ step[:2], 1e-300), 0, 1)
        foot = first + share * step
        unit = ray.units_per_px(foot[2:])[0]
        off = np.hypot(*foot[:2]) / unit
        if unit <= 0 or off > 4.5:
            continue
        rank = (0, foot[2], off) if off <= 1.5 else (1, off, 0.0)
        if rank < best:
            best, vertex = rank, (b if share > 0.5 else a)
    return vertex


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([0.0, 45.0]))
def test_faces_are_found_as_a_search_through_all_finds_them(seed: int, fov: float) -> None:
    rng = np.random.default_rng(seed)
    state, placement = random_view(rng, fov=fov), random_placement(rng)
    corners = rng.uniform(0, 60, (300, 1, 3)) + rng.normal(0, 5, (300, 3, 3))
    positions = corners.reshape(-1, 3).astype(np.float32)
    faces = np.arange(900).reshape(-1, 3)
    aim = corners[0].mean(axis=0)
    pixel, _ = to_canvas(state, (aim @ placement.matrix.T + placement.offset)[None])
    ray = find_ray(state, placement, *cursor_at(state, pixel[0]))
    hits = []
    for face in faces:
        a, b, c = ray.project(positions[face].astype(np.float64))
        shares = np.linalg.solve(np.array([[*a[:2], 1], [*b[:2], 1], [*c[:2], 1]]).T, [0, 0, 1])
        depth = shares @ [a[2], b[2], c[2]]
        if (shares >= 0).all() and ray.units_per_px(np.array([depth]))[0] > 0:
            hits.append((depth, face[np.argmax(shares)]))
    found = pick_face(positions, faces, ElementIndex.of(positions, faces), ray)
    assert found == (min(hits)[1] if hits else None)
    behind = to_canvas(state, aim[None] @ placement.matrix.T + placement.offset)[1][0] > -state.eye_distance
    assert hits or not behind


def test_the_foremost_of_those_touched_is_found_and_else_the_nearest() -> None:
    # three segments across the ray at depths 1, 5 and 9; the first passes 3 pixels away
    positions = np.array([[3, -9, 1], [3, 9, 1], [0, -9, 5], [0, 9, 5], [0.2, -9, 9], [0.2, 9, 9]], np.float32)
    segments = np.array([[0, 1], [2, 3], [4, 5]], np.uint32)
    ray = Ray(np.eye(3), np.zeros(3), px_per_unit=1.0)
    assert pick_segment(positions, segments, ElementIndex.of(positions, segments), ray) in (2, 3)
    assert pick_segment(positions, segments[:1], ElementIndex.of(positions, segments[:1]), ray) in (0, 1)
    far = Ray(np.eye(3), np.zeros(3), px_per_unit=3.0)
    assert pick_segment(positions, segments[:1], ElementIndex.of(positions, segments[:1]), far) is None
    wide = pick_segment(positions, segments[:1], ElementIndex.of(positions, segments[:1]), far, width_px=11)
    assert wide in (0, 1)


def test_a_flat_view_has_no_depth_and_layers_of_fewer_axes_stand_at_the_end() -> None:
    state = ViewerState(
        displayed=(1, 2),
        point=np.zeros(3),
        margin_left=np.zeros(3),
        margin_right=np.zeros(3),
        centre=np.zeros(2),
        zoom=2.0,
        canvas_size=(100.0, 100.0),
        view=np.zeros(3),
        up=np.zeros(3),
        right=np.zeros(3),
        perspective=0.0,
    )
    ray = find_ray(state, LayerPlacement(np.diag([10.0, 1, 3]), np.array([0.0, 5, 0]), 0), np.array([7.0, 6, 3]), None)
    np.testing.assert_allclose(ray.project(np.array([[1.0, 1]])), [[0, 0, 0]])
    np.testing.assert_allclose(ray.project(np.array([[2.0, 1]])), [[1, 0, 0]])
    flat = find_ray(state, LayerPlacement(np.eye(2), np.zeros(2), 1), np.array([7.0, 6, 3]), None)
    np.testing.assert_allclose(flat.project(np.array([[6.0, 4]])), [[0, 1, 0]])


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 4))
def test_blocks_hold_all_elements_once_and_their_boxes_hold_them(seed: int, axes: int) -> None:
    rng = np.random.default_rng(seed)
    positions = rng.normal(0, 10.0 ** rng.integers(-3, 6), (400, axes)).astype(np.float32)
    positions[0] *= 1e6  # one far away must not put all others into one block
    elements = rng.integers(0, 400, (int(rng.integers(1, 900)), 3))
    index = ElementIndex.of(positions, elements)
    assert np.array_equal(np.sort(index.order), np.arange(len(elements)))
    for block, at in enumerate(range(0, len(elements), 128)):
        inside = positions[elements[index.order[at : at + 128]]].reshape(-1, axes)
        np.testing.assert_allclose(inside.min(axis=0), index.middle[block] - index.half[block], rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(inside.max(axis=0), index.middle[block] + index.half[block], rtol=1e-5, atol=1e-3)


def test_blocks_are_small_where_elements_lie_in_any_order() -> None:
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, 100, (50_000, 3)).astype(np.float32)
    segments = np.column_stack((np.arange(50_000), np.arange(50_000)))
    index = ElementIndex.of(positions, segments)
    assert np.median(8 * index.half.prod(axis=1)) < 3 * 128 / 50_000 * 100**3  # what 128 of them take if spread evenly


def test_vertices_without_a_place_are_never_found_and_nothing_is_found_in_nothing() -> None:
    positions = np.full((200, 3), np.nan, np.float32)
    positions[100:] = np.inf
    segments = np.column_stack((np.arange(199), np.arange(1, 200)))
    ray = Ray(np.eye(3), np.zeros(3), px_per_unit=1.0)
    assert pick_segment(positions, segments, ElementIndex.of(positions, segments), ray) is None
    none = np.empty((0, 2), np.int64)
    assert pick_segment(positions, none, ElementIndex.of(positions, none), ray) is None
    no_face = np.empty((0, 3), np.int64)
    assert pick_face(positions, no_face, ElementIndex.of(positions, no_face), ray) is None


def test_few_of_many_segments_are_looked_at() -> None:
    batch = make_batch("streamline", 200_000)
    positions, segments = batch.positions.astype(np.float32), batch.segments
    index = ElementIndex.of(positions, segments)
    rng = np.random.default_rng(0)
    shares = []
    for axis, row in itertools.product(range(3), rng.integers(0, len(positions), 10)):
        basis = np.roll(np.eye(3), axis, axis=0)
        ray = Ray(basis, -basis @ positions[row].astype(np.float64), px_per_unit=2.0)
        near, _ = index.near(ray.matrix, ray.shift, lambda depth, ray=ray: 4 * ray.units_per_px(depth))
        shares.append(len(near) / len(segments))
        assert pick_segment(positions, segments, index, ray) is not None
    assert np.median(shares) < 0.1
