"""Contrast limits from statistics and from values obey one rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zvview.style.limits import limits_from_statistics, limits_of_values


@settings(max_examples=40)
@given(hnp.arrays(np.float64, st.integers(0, 50), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_limits_of_values_lie_within_the_finite_ones(values: np.ndarray) -> None:
    low, high = limits_of_values(values)
    finite = values[np.isfinite(values)]
    assert low <= high
    if len(finite):
        assert finite.min() <= low <= high <= finite.max()
    else:
        assert (low, high) == (0.0, 1.0)


def test_a_hot_value_does_not_set_the_limit() -> None:
    assert limits_of_values(np.r_[np.linspace(0, 1, 1000), 1e9])[1] < 2


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"min": 0, "max": 100, "quantiles": list(range(101))}, (1.0, 99.0)),
        ({"min": 0, "max": 100, "quantiles": []}, (0.0, 100.0)),
        ({"min": 0, "max": 9, "quantiles": [0] * 100 + [9]}, (0.0, 9.0)),  # almost all are equal
        ({"min": [1, 2], "max": [3, 4], "quantiles": []}, (2.0, 4.0)),
        ({"min": None, "max": None, "quantiles": []}, None),
        ({"min": "a", "max": 3}, None),
        ({"min": 5, "max": 3}, None),
        ({"min": 0, "max": float("inf")}, None),
        ({"min": [1], "max": [2]}, None),
        ({"min": False, "max": True}, None),
        ({}, None),
    ],
)
def test_limits_from_statistics(entry: dict[str, Any], expected: tuple[float, float] | None) -> None:
    assert limits_from_statistics(entry, channel=1) == expected
