"""Numbers, codes and identifiers become colours: the same one for the same value, whatever else is in the array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zvview.errors import MissingError
from zvview.style.colourmaps import MISSING_COLOUR, colour_codes, colour_ids, colourmap_names, map_colours

VALUES = hnp.arrays(np.float32, st.integers(0, 40), elements=st.floats(-1e6, 1e6, width=32))


@settings(max_examples=40)
@given(VALUES, st.integers(0, 39))
def test_colour_of_a_value_does_not_depend_on_its_neighbours(values: np.ndarray, at: int) -> None:
    colours = map_colours(values, (-10.0, 10.0))
    assert colours.shape == (len(values), 4) and colours.dtype == np.float32
    assert ((colours >= 0) & (colours <= 1)).all()
    if at < len(values):
        np.testing.assert_array_equal(map_colours(values[at : at + 1], (-10.0, 10.0))[0], colours[at])


@pytest.mark.parametrize("name", colourmap_names())
def test_limits_take_the_ends_of_the_map_and_what_lies_beyond_them_too(name: str) -> None:
    colours = map_colours(np.array([-5.0, 0.0, 1.0, 9.0]), (0.0, 1.0), name)
    np.testing.assert_array_equal(colours[0], colours[1])
    np.testing.assert_array_equal(colours[2], colours[3])
    assert not np.array_equal(colours[1], colours[2])


def test_values_that_are_not_finite_are_missing_and_equal_limits_take_the_middle() -> None:
    colours = map_colours(np.array([np.nan, np.inf, -np.inf, 3.0]), (3.0, 3.0))
    np.testing.assert_allclose(colours[:3], [MISSING_COLOUR] * 3)
    np.testing.assert_array_equal(colours[3], map_colours(np.array([0.5]), (0.0, 1.0))[0])


def test_integers_of_eight_bytes_keep_their_order() -> None:
    large = np.array([2**53, 2**53 + 2**45], np.int64)
    low, high = map_colours(large, (float(large[0]), float(large[1])), "gray")
    assert low[:3].max() == 0 and high[:3].min() == 1


def test_unknown_map_is_named() -> None:
    with pytest.raises(MissingError, match="viridis"):
        map_colours(np.zeros(1), (0, 1), "jet")


def test_codes_keep_their_colour_and_missing_ones_are_grey() -> None:
    colours = colour_codes(np.array([0, 1, 0, -1, 7, 20]), missing=7)
    np.testing.assert_array_equal(colours[0], colours[2])
    np.testing.assert_array_equal(colours[0], colours[5])  # the palette has twenty
    np.testing.assert_allclose(colours[[3, 4]], [MISSING_COLOUR] * 2)
    assert len(np.unique(colour_codes(np.arange(20)), axis=0)) == 20


@settings(max_examples=30)
@given(hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(-1, 2**62)))
def test_identifiers_have_one_bright_colour_each(ids: np.ndarray) -> None:
    colours = colour_ids(ids)
    np.testing.assert_array_equal(colours, colour_ids(ids[::-1])[::-1])
    assert (colours[ids >= 0, :3].max(axis=1) >= 0.79).all()
    np.testing.assert_allclose(colours[ids < 0], np.broadcast_to(np.float32(MISSING_COLOUR), ((ids < 0).sum(), 4)))


def test_neighbouring_identifiers_differ() -> None:
    colours = colour_ids(np.arange(200))
    assert np.abs(np.diff(colours[:, :3], axis=0)).max(axis=1).min() > 0.1


@given(hnp.arrays(np.int64, st.integers(0, 8), elements=st.integers(-1, 3)), st.integers(1, 9))
def test_identifiers_that_stand_together_have_the_colours_that_they_have_alone(ids: np.ndarray, times: int) -> None:
    many = colour_ids(np.repeat(ids, times))
    assert many.shape == (len(ids) * times, 4) and many.dtype == np.float32
    for i, number in enumerate(ids.tolist()):
        np.testing.assert_array_equal(many[i * times : (i + 1) * times], np.repeat(colour_ids([number]), times, axis=0))
