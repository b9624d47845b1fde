"""Typed reading of JSON values."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvview.errors import DamagedError
from zvview.format.values import as_float_list, as_int, as_int_list, as_mapping, as_str, as_str_list, get_mapping

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(JSON)
def test_any_value_is_read_or_refused(value: object) -> None:
    readers: list[Callable[[object, str, str], object]] = [
        as_mapping,
        as_str,
        as_str_list,
        as_int,
        as_int_list,
        as_float_list,
    ]
    for read in readers:
        try:
            found = read(value, "part", "field")
        except DamagedError:
            continue
        else:
            assert list(found) == list(value) if isinstance(found, tuple) else found == value  # type: ignore[call-overload]


def test_integers_have_bounds() -> None:
    assert as_int(3.0, "p", "f") == 3
    assert as_int(-(2**63), "p", "f") == -(2**63)
    for wrong in (True, 2**63, 0.5, math.nan, math.inf, "3"):
        with pytest.raises(DamagedError):
            as_int(wrong, "p", "f")
    with pytest.raises(DamagedError, match=">= 1"):
        as_int(0, "p", "f", minimum=1)


def test_lists_have_lengths_and_signs() -> None:
    assert as_int_list([1, 2], "p", "f", 2) == (1, 2)
    assert as_float_list([1, 0.5], "p", "f", 2, positive=True) == (1.0, 0.5)
    for wrong in ([1], [1, math.nan], [1, math.inf], [1, True], [1, 10**400], "ab", None):
        with pytest.raises(DamagedError):
            as_float_list(wrong, "p", "f", 2)
    with pytest.raises(DamagedError, match="positive"):
        as_float_list([0.0], "p", "f", positive=True)


def test_missing_objects_are_empty() -> None:
    assert get_mapping({}, "p", "f") == get_mapping({"f": None}, "p", "f") == {}
    with pytest.raises(DamagedError):
        get_mapping({"f": [1]}, "p", "f")


def test_long_values_are_shown_in_part() -> None:
    with pytest.raises(DamagedError) as caught:
        as_int("x" * 10_000, "p", "f")
    assert len(str(caught.value)) < 400
