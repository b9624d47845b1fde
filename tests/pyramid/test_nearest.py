"""The nearest candidate of the same group, against all distances; ties and copies."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import UnsupportedError
from zvview.pyramid.nearest import find_nearest


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 60),
    m=st.integers(0, 40),
    ndim=st.integers(1, 4),
    groups=st.integers(1, 4),
    side=st.sampled_from([2, 4, 1000]),
)
def test_the_first_nearest_of_the_same_group(seed: int, n: int, m: int, ndim: int, groups: int, side: int) -> None:
    rng = np.random.default_rng(seed)
    points, candidates = (rng.integers(-side, side, (k, ndim)).astype(np.float64) + 0.5 for k in (n, m))
    own, theirs = rng.integers(0, groups, n), rng.integers(0, groups, m)
    index, distance = find_nearest(points, own, candidates, theirs)
    apart = np.sqrt(((points[:, None] - candidates[None]) ** 2).sum(axis=2))
    apart[own[:, None] != theirs[None]] = np.inf
    least = apart.min(axis=1, initial=np.inf)
    np.testing.assert_allclose(distance, least, rtol=1e-12)
    np.testing.assert_array_equal(index < 0, np.isinf(least))
    if m:
        away = least > 0
        np.testing.assert_array_equal(index[away], np.where(np.isinf(least), -1, apart.argmin(axis=1))[away])
        on = np.flatnonzero(~away)
        np.testing.assert_array_equal(candidates[index[on]], points[on])
        np.testing.assert_array_equal(theirs[index[on]], own[on])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), copies=st.integers(1, 12), kept=st.integers(1, 12))
def test_copies_are_taken_in_turn(seed: int, copies: int, kept: int) -> None:
    rng = np.random.default_rng(seed)
    places = rng.random((3, 2))
    points, candidates = np.repeat(places, copies, axis=0), np.repeat(places, kept, axis=0)
    none = np.zeros(3, np.int64)
    index, distance = find_nearest(points, none.repeat(copies), candidates, none.repeat(kept))
    turns = np.minimum(np.arange(copies), kept - 1)
    np.testing.assert_array_equal(index.reshape(3, copies), turns + kept * np.arange(3)[:, None])
    assert not distance.any()


def test_what_is_found_does_not_depend_on_candidates_far_away() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(12.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    candidates, points = grid * 2, grid[(grid < 10).all(axis=1)] + 1
    zero = np.zeros(5000, np.int64)
    whole, _ = find_nearest(points, zero[: len(points)], candidates, zero[: len(candidates)])
    near = np.flatnonzero((candidates <= 13).all(axis=1))
    part, _ = find_nearest(points, zero[: len(points)], candidates[near], zero[: len(near)])
    np.testing.assert_array_equal(near[part], whole)


def test_without_scipy_the_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UnsupportedError, match="pip install"):
        find_nearest(np.zeros((1, 2)), np.zeros(1, np.int64), np.zeros((1, 2)), np.zeros(1, np.int64))
