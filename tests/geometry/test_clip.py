from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zvview.errors import InvalidInputError
from zvview.geometry.clip import boxes_meet, faces_touch_box, points_in_box, round_box_inward, segments_touch_box

Row = tuple[Fraction, ...]


def touches_exactly(corners: list[list[int]], lo: list[float], hi: list[float]) -> bool:
    """Whether a segment (2 corners) or triangle (3) meets the box, by Fourier-Motzkin elimination in fractions.

    The unknowns are the weights of all corners but the first; a row ``(c, w1, ...)`` says ``c + w1 x1 + ... >= 0``.
    """
    weights = len(corners) - 1
    unit = [[Fraction(int(i == j)) for j in range(weights)] for i in range(weights)]
    rows: list[Row] = [(Fraction(0), *w) for w in unit] + [(Fraction(1), *[Fraction(-1)] * weights)]
    for axis in range(len(lo)):
        slopes = [Fraction(corner[axis] - corners[0][axis]) for corner in corners[1:]]
        if np.isfinite(lo[axis]):
            rows.append((corners[0][axis] - Fraction(lo[axis]), *slopes))
        if np.isfinite(hi[axis]):
            rows.append((Fraction(hi[axis]) - corners[0][axis], *(-s for s in slopes)))
    for _ in range(weights):
        rising, falling = [r for r in rows if r[-1] > 0], [r for r in rows if r[-1] < 0]
        rows = [r[:-1] for r in rows if r[-1] == 0] + [
            tuple(x * -down[-1] + y * up[-1] for x, y in zip(up[:-1], down[:-1], strict=True))
            for up in rising
            for down in falling
        ]
    return all(row[0] >= 0 for row in rows)


@st.composite
def small_cases(draw: st.DrawFn, corners: int, reach: int = 6) -> tuple[list[list[int]], list[float], list[float]]:
    """Corners on a small grid and a box between its half steps or on it, so that touching is frequent."""
    axes = draw(st.integers(1, 5 if corners < 4 else 3))
    face = draw(
        st.lists(st.lists(st.integers(-reach, reach), min_size=axes, max_size=axes), min_size=corners, max_size=corners)
    )
    lo, hi = [], []
    for _ in range(axes):
        a = draw(st.integers(-8, 8)) / 2
        lo.append(a if draw(st.integers(0, 7)) else -np.inf)
        hi.append(a + draw(st.integers(0, 6)) / 2 if draw(st.integers(0, 7)) else np.inf)
    return face, lo, hi


doubles = st.floats(width=64, allow_nan=False)
dtypes = st.sampled_from([np.float32, np.float64])


@given(st.data(), dtypes)
@settings(max_examples=150, deadline=None)
def test_comparing_with_the_rounded_box_equals_comparing_in_float64(
    data: st.DataObject, dtype: type[np.floating]
) -> None:
    width = np.dtype(dtype).itemsize * 8
    stored = data.draw(hnp.arrays(dtype, 12, elements=st.floats(width=width)))
    near = st.sampled_from([float(v) for v in stored if not np.isnan(v)] or [0.0])
    # of numpy's the one beyond the greatest number warns
    beside = st.builds(lambda v, up: math.nextafter(v, up), near, st.sampled_from([-math.inf, math.inf]))
    lo, hi = sorted((data.draw(doubles | near | beside), data.draw(doubles | near | beside)))
    low, high = round_box_inward([lo], [hi], dtype)
    assert low.dtype == high.dtype == dtype
    assert np.array_equal(stored >= low, stored.astype(np.float64) >= lo)
    assert np.array_equal(stored <= high, stored.astype(np.float64) <= hi)


def test_an_interval_without_a_float32_becomes_empty() -> None:
    low, high = round_box_inward([0.1, 1.0], [0.1, 1.0], np.float32)
    assert low[0] > high[0] and low[1] == high[1] == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axes", [1, 2, 3, 5])
@pytest.mark.parametrize("width", [0.1, 0.6, 1.0])
def test_points_inside_are_those_of_the_plain_mask(dtype: type[np.floating], axes: int, width: float) -> None:
    rng = np.random.default_rng(axes)
    positions = rng.integers(0, 1000, (70_000, axes)).astype(dtype) / dtype(1000)
    positions[::97, rng.integers(axes)] = np.nan
    positions[::89, rng.integers(axes)] = np.inf
    lo, hi = np.full(axes, 0.25), np.full(axes, 0.25 + width)
    hi[0] = np.inf
    rows = points_in_box(positions, lo, hi)
    exact = positions.astype(np.float64)
    assert rows.dtype == np.int64
    assert np.array_equal(rows, np.flatnonzero(((exact >= lo) & (exact <= hi)).all(axis=1)))


def test_an_infinite_box_holds_all_points_but_nan() -> None:
    positions = np.array([[0, 1], [np.nan, 1], [np.inf, -np.inf], [1, np.nan]], np.float32)
    assert points_in_box(positions, [-np.inf] * 2, [np.inf] * 2).tolist() == [0, 2]
    assert points_in_box(positions[:0], [0, 0], [1, 1]).tolist() == []


@given(
    hnp.arrays(np.int64, (2, 9, 3), elements=st.integers(-4, 4)),
    hnp.arrays(np.int64, (2, 3), elements=st.integers(-4, 4)),
)
@settings(max_examples=60, deadline=None)
def test_boxes_meet_when_no_axis_parts_them(boxes: np.ndarray, box: np.ndarray) -> None:
    boxes, box = np.sort(boxes, axis=0), np.sort(box, axis=0)
    parted = ((boxes[1] < box[0]) | (boxes[0] > box[1])).any(axis=1)
    assert boxes_meet(boxes[0], boxes[1], box[0], box[1]).tolist() == (~parted).tolist()


@given(st.lists(small_cases(2), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_segments_on_a_grid_are_decided_exactly(cases: list[tuple[list[list[int]], list[float], list[float]]]) -> None:
    for ends, lo, hi in cases:
        a, b = np.array(ends, np.float32)[:, None]
        expected = [touches_exactly(ends, lo, hi)]
        assert segments_touch_box(a, b, lo, hi).tolist() == expected
        assert segments_touch_box(b, a, lo, hi).tolist() == expected


@given(small_cases(3))
@settings(max_examples=250, deadline=None)
def test_triangles_on_a_grid_are_decided_exactly(case: tuple[list[list[int]], list[float], list[float]]) -> None:
    face, lo, hi = case
    turns = np.array([[face[i] for i in turn] for turn in ((0, 1, 2), (1, 2, 0), (2, 1, 0))], np.float64)
    assert faces_touch_box(turns, lo, hi).tolist() == [touches_exactly(face, lo, hi)] * 3


@given(st.integers(4, 6).flatmap(small_cases))
@settings(max_examples=80, deadline=None)
def test_larger_faces_are_fans_around_their_first_corner(
    case: tuple[list[list[int]], list[float], list[float]],
) -> None:
    face, lo, hi = case
    expected = any(touches_exactly([face[0], *edge], lo, hi) for edge in pairwise(face[1:]))
    assert faces_touch_box(np.array([face], np.float32), lo, hi).tolist() == [expected]


@given(small_cases(2, reach=4), st.integers(-4, 4))
@settings(max_examples=100, deadline=None)
def test_faces_without_area_touch_as_the_segment_they_cover(
    case: tuple[list[list[int]], list[float], list[float]], step: int
) -> None:
    ends, lo, hi = case
    a, b = np.array(ends, np.float64)
    expected = segments_touch_box(a[None], b[None], lo, hi).tolist()
    assert faces_touch_box(np.stack([[a, b, b], [a, a, b], [a, (3 * a + b) / 4, b]]), lo, hi).tolist() == expected * 3
    point = a + step
    at_point = segments_touch_box(point[None], point[None], lo, hi).tolist()
    assert faces_touch_box(np.stack([[point] * 4]), lo, hi).tolist() == at_point
    assert at_point == [points_in_box(point[None], lo, hi).size == 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axes", [2, 3, 5])
@pytest.mark.parametrize("corners", [2, 3])
def test_dense_samples_agree_up_to_their_spacing(dtype: type[np.floating], axes: int, corners: int) -> None:
    rng = np.random.default_rng(axes + corners)
    elements = (rng.random((300, corners, axes)) * 2000).astype(dtype)
    lo = np.full(axes, 700.0 if axes < 5 else 400.0)
    hi = 2000.0 - lo
    grid = np.linspace(0, 1, 61)
    weights = np.stack(np.meshgrid(*[grid] * (corners - 1)), axis=-1).reshape(-1, corners - 1)
    weights = weights[weights.sum(axis=1) <= 1 + 1e-9]
    weights = np.concatenate((1 - weights.sum(axis=1, keepdims=True), weights), axis=1)
    gap = np.zeros((len(elements), len(weights)))
    for axis in range(axes):
        samples = elements[:, :, axis].astype(np.float64) @ weights.T
        gap = np.maximum(gap, np.maximum(lo[axis] - samples, samples - hi[axis]))
    nearest = gap.min(axis=1)
    touches = (
        segments_touch_box(elements[:, 0], elements[:, 1], lo, hi)
        if corners == 2
        else faces_touch_box(elements, lo, hi)
    )
    assert touches[nearest <= 0].all()
    assert (nearest[touches] <= 2000 * corners / 60).all()
    assert 20 < touches.sum() < 280


@pytest.mark.parametrize("axes", [2, 3, 4, 5])
def test_rounded_corners_on_the_box_are_always_kept(axes: int) -> None:
    """Elements that hold a corner of the box: segments exactly, as their middle, and faces up to rounding."""
    rng = np.random.default_rng(axes)
    lo, hi = np.full(axes, 1.1) + 1e4, np.full(axes, 2.3) + 1e4
    corner = np.where(rng.random((2000, axes)) < 0.5, lo, hi)
    outward = np.where(corner == lo, -1.0, 1.0)
    along = rng.normal(size=(2000, axes)) * 10 ** rng.uniform(-6, 2.5, (2000, 1))
    assert segments_touch_box(corner - along, corner + along, lo, hi).all()
    other = rng.normal(size=(2000, axes)) * 10 ** rng.uniform(-6, 2.5, (2000, 1))
    face = np.stack((corner + along, corner - 2 * along + other, corner + along - other), axis=1)
    assert faces_touch_box(face, lo, hi).all()
    across = along - outward * (along * outward).mean(axis=1, keepdims=True)  # the corner is all that can be touched
    moved = corner + outward * 1e-6
    assert not segments_touch_box(moved - across, moved + across, lo, hi).any()
    assert not faces_touch_box(np.stack((moved - across, moved + across, moved), axis=1), lo, hi).any()


def test_segments_touch_at_faces_edges_and_corners() -> None:
    a = np.array([[-1, 2], [-1, 1], [0, -1], [2, 0.5], [-1, 2.01], [1, 1], [1.01, 0]])
    b = np.array([[2, -1], [1, 3], [0, 3], [-1, 0.5], [2.01, -1], [1, 1], [1.01, 1]])
    assert segments_touch_box(a, b, [0, 0], [1, 1]).tolist() == [True, False, True, True, True, True, False]
    assert segments_touch_box(a[:1], b[:1], [-9, -9], [0.4, 0.4]).tolist() == [False]


def test_an_interval_between_two_float32_can_be_crossed_but_holds_no_point() -> None:
    ends = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    lo, hi = [0.1, 0.0], [0.1, 1.0]
    assert points_in_box(ends, lo, hi).tolist() == []
    assert segments_touch_box(ends[:1], ends[1:2], lo, hi).tolist() == [True]
    assert faces_touch_box(ends[None], lo, hi).tolist() == [True]
    assert boxes_meet([[0.0, 0.0]], [[1.0, 0.0]], lo, hi).tolist() == [True]


@pytest.mark.parametrize(("lo", "hi"), [([1.0, 0.0], [0.0, 1.0]), ([np.nan, 0.0], [1.0, 1.0])])
def test_empty_and_nan_boxes_hold_nothing(lo: list[float], hi: list[float]) -> None:
    corners = np.array([[[-1, -1], [3, -1], [0.5, 3]], [[0.5, 0.5]] * 3])
    assert points_in_box(corners[:, 0], lo, hi).tolist() == []
    assert segments_touch_box(corners[:, 0], corners[:, 2], lo, hi).tolist() == [False, False]
    assert faces_touch_box(corners, lo, hi).tolist() == [False, False]
    assert boxes_meet(corners.min(axis=1), corners.max(axis=1), lo, hi).tolist() == [False, False]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_corners_that_are_not_finite_touch_by_their_finite_corners_only(bad: float) -> None:
    inside, outside, lost = [0.5, 0.5], [-5.0, 0.5], [bad, 0.5]
    a, b = np.array([inside, outside]), np.array([lost, lost])
    assert segments_touch_box(a, b, [0, 0], [1, 1]).tolist() == [True, False]
    faces = np.array([[inside, outside, lost], [outside, outside, lost]])
    assert faces_touch_box(faces, [0, 0], [1, 1]).tolist() == [True, False]


@pytest.mark.parametrize("size", [1e-320, 1e-200, 1e200, 1.7e308])
def test_extreme_sizes_are_kept_without_warnings(size: float) -> None:
    corners = np.array([[[-1.0, -1], [1, -1], [0, 1]]]) * size
    lo, hi = [-size / 8, -size / 8], [size / 8, size / 8]
    assert faces_touch_box(corners, lo, hi).tolist() == [True]
    assert segments_touch_box(corners[:, 0], -corners[:, 0], lo, hi).tolist() == [True]


def test_many_faces_are_decided_alike_in_blocks_and_alone() -> None:
    rng = np.random.default_rng(8)
    faces = rng.normal(size=(80_000, 4, 3)).astype(np.float32) * 3
    together = faces_touch_box(faces, [-0.2] * 3, [0.2] * 3)
    some = np.concatenate((rng.integers(0, len(faces), 50), np.flatnonzero(together)[:50]))
    assert [bool(faces_touch_box(faces[i : i + 1], [-0.2] * 3, [0.2] * 3)[0]) for i in some] == together[some].tolist()
    assert together.any()


def test_arguments_that_do_not_fit_are_refused() -> None:
    two, three = np.zeros((4, 2)), np.zeros((4, 3))
    with pytest.raises(InvalidInputError, match="does not fit positions"):
        points_in_box(two, [0, 0, 0], [1, 1, 1])
    with pytest.raises(InvalidInputError, match="does not fit positions"):
        points_in_box(two, [0], [1, 1])
    with pytest.raises(InvalidInputError, match="floating"):
        points_in_box(two.astype(int), [0, 0], [1, 1])
    with pytest.raises(InvalidInputError, match="do not fit ends"):
        segments_touch_box(two, three, [0, 0], [1, 1])
    with pytest.raises(InvalidInputError, match="do not fit upper"):
        boxes_meet(two, three, [0, 0], [1, 1])
    with pytest.raises(InvalidInputError, match="corners"):
        faces_touch_box(np.zeros((4, 2, 3)), [0, 0, 0], [1, 1, 1])
