"""What is read before a layer is in its viewer is what the viewer shows when it is."""

from __future__ import annotations

import numpy as np
import pytest

from zvview.format.metadata import Axis
from zvview.napari.frame import Frame
from zvview.napari.guessing import guess_view

AXES = (*(Axis(name, "space", "um") for name in "xyz"), Axis("t", "time", "s"))
FRAME = Frame.of(AXES, ((0, 0, 0, 0), (100, 200, 300, 10)), (1, 1, 1, 1))


@pytest.mark.parametrize(("ndisplay", "shown"), [(2, (1, 0)), (3, (2, 1, 0))])
def test_all_of_the_displayed_axes_and_the_middle_of_the_others(ndisplay: int, shown: tuple[int, ...]) -> None:
    slab = np.array([1.0, 2.0, 3.0, 0.5])
    view = guess_view(FRAME, slab, ndisplay=ndisplay, canvas_size=(400, 800), budget_vertices=10, target_error_px=2.0)
    assert view.displayed == shown and (view.budget_vertices, view.target_error_px) == (10, 2.0)
    lo, hi = view.box
    for axis, (low, high) in enumerate(zip(FRAME.lo, FRAME.hi, strict=True)):
        middle, half = (low + high) / 2, (high - low) / 2 if axis in shown else slab[axis]
        np.testing.assert_allclose((lo[axis], hi[axis]), (middle - half, middle + half))
    assert view.zoom_px_per_unit == pytest.approx(400 * 0.95 / max(FRAME.hi[list(shown)]))


def test_a_store_of_one_place_has_a_view() -> None:
    frame = Frame.of(AXES[:2], ((5, 5), (5, 5)), (1, 1))
    view = guess_view(frame, np.ones(2), ndisplay=3, canvas_size=(0, 0), budget_vertices=1, target_error_px=1.0)
    assert view.lo == view.hi == (5, 5)
