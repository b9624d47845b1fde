"""Statistics of which rows were replaced: never too narrow, and what nobody changed stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvview.store.writing.statistics import widen_statistics

NUMBERS = st.integers(-100, 100)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=4), st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4))
def test_extremes_of_columns_hold_old_rows_and_new_ones(old: list[Any], new: list[Any]) -> None:
    known = {"min": np.min(old, axis=0).tolist(), "max": np.max(old, axis=0).tolist(), "quantiles": [], "counts": {}}
    is_empty: dict[str, Any] = {"min": None, "max": None, "quantiles": [], "counts": {}}
    fresh = is_empty | ({"min": np.min(new, axis=0).tolist(), "max": np.max(new, axis=0).tolist()} if new else {})
    both = np.array([*old, *new])
    assert widen_statistics(known, fresh) == known | {
        "min": both.min(axis=0).tolist(),
        "max": both.max(axis=0).tolist(),
    }


@pytest.mark.parametrize("known", [None, {}, {"min": "x", "max": ["y"]}, {"min": [None, "z"], "max": 3}])
def test_what_an_index_says_may_be_anything(known: object) -> None:
    nothing: dict[str, Any] = {"min": None, "max": None, "quantiles": [], "counts": {}}
    out = widen_statistics(known, nothing)
    told = [out["min"], out["max"]]
    flat = [value for part in told for value in (part if isinstance(part, list) else [part])]
    assert all(value is None or isinstance(value, int | float) for value in flat)
