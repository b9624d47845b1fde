from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stream.conftest import make_view
from zvview.errors import InvalidInputError
from zvview.stream import Filter, Projection, ViewState
from zvview.stream.view import moved, widened

numbers = st.floats(-1e3, 1e3)


@given(st.lists(numbers, min_size=3, max_size=3), st.floats(0, 1), st.lists(numbers, min_size=3, max_size=3))
def test_a_widened_view_holds_the_view_and_where_it_goes(lo: list[float], margin: float, motion: list[float]) -> None:
    view = make_view(lo, np.add(lo, 5))
    step = np.array(motion)
    wide = widened(view, margin, step)
    assert np.all(np.array(wide.lo) <= view.lo) and np.all(np.array(wide.hi) >= view.hi)
    assert np.all(np.array(wide.lo) <= np.add(view.lo, step) + 1e-9)
    assert np.all(np.array(wide.hi) >= np.add(view.hi, step) - 1e-9)


def test_a_widened_projection_sees_more_to_all_sides() -> None:
    projection = Projection.from_camera((0, 1, 2), (0, 0, 0), (0, 0, 1), (0, 1, 0), 2.0, (100, 200))
    wide = widened(make_view((-9,) * 3, (9,) * 3, projection=projection), 0.25, np.array([3.0, 0, 0])).projection
    assert wide is not None and wide.canvas_px == pytest.approx((174, 324))


def test_motion_is_that_of_the_middle_and_none_when_zooming() -> None:
    view = make_view((0, 0), (10, 10), 2.0)
    assert moved(view, make_view((3, -1), (13, 9), 2.0)).tolist() == [3, -1]
    assert moved(view, make_view((3, 3), (7, 7), 5.0)).tolist() == [0, 0]


def test_the_slab_is_what_sliced_axes_cut() -> None:
    view = make_view((0, 1, 2), (10, 11, 12), displayed=(0, 2))
    assert view.slab is not None
    assert [side.tolist() for side in view.slab] == [[-np.inf, 1, -np.inf], [np.inf, 11, np.inf]]
    assert make_view((0, 1), (2, 3)).slab is None
    assert make_view((0, -np.inf), (2, np.inf), displayed=(0,)).slab is None


def test_infinite_sides_have_a_middle() -> None:
    assert make_view((0, -np.inf), (2, np.inf)).centre.tolist() == [1, 0]


def test_equal_views_are_equal() -> None:
    a, b = (make_view((0, 0), (1, 1), filter=Filter(object_ids=[3, 1])) for _ in range(2))
    assert a == b and a != make_view((0, 0), (1, 1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"lo": (2.0, 0.0)},
        {"lo": (np.nan, 0.0)},
        {"lo": (0.0, 0.0, 0.0)},
        {"zoom_px_per_unit": 0.0},
        {"zoom_px_per_unit": np.inf},
        {"budget_vertices": 0},
        {"target_error_px": -1},
        {"displayed": (0, 2)},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        ViewState(**{"lo": (0.0, 0.0), "hi": (1.0, 1.0), "zoom_px_per_unit": 1.0, **wrong})  # type: ignore[arg-type]
