"""Bins that nest and divide, the finest that stay fair, and the bin that is promised; however far outliers are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.pyramid.bin_choice import _divisors, choose_thinning, declare_bin, fit_bins, list_bins
from zvview.pyramid.chunk_choice import count_parts
from zvview.pyramid.hashing import hash_points
from zvview.pyramid.point_sample import PointSample
from zvview.pyramid.thinning import MOST_BINS, Thinning

EDGES = st.sampled_from([(8.0, 8.0, 8.0), (10.0, 7.0, 0.5), (1e-3, 300.0, 2.0)])


@settings(max_examples=60, deadline=None)
@given(EDGES, st.sampled_from([None, (12, 12, 12), (8, 48, 6), (1, 7, 30)]))
def test_bins_divide_the_chunk_nest_and_are_listed_from_fine_to_coarse(
    edges: tuple[float, ...], grid: tuple[int, ...] | None
) -> None:
    for is_space in ((True, True, True), (True, True, False)):
        rest = (1, 1, 1) if grid is None else grid
        listed = np.array(list_bins(edges, is_space, rest, grid))
        assert (np.diff(listed, axis=0) <= 0).all()
        assert (np.diff(listed, axis=0) < 0).any(axis=1).all()
        assert listed.max() <= MOST_BINS
        if not is_space[2]:
            assert (listed[:, 2] == rest[2]).all()
        if grid is not None:
            assert (np.array(grid) % listed == 0).all()
            assert listed[0].tolist() == list(grid)
        assert [n for n, space in zip(listed[-1].tolist(), is_space, strict=True) if space] == [1] * sum(is_space)


def test_bins_are_as_cubic_as_they_can_be() -> None:
    listed = list_bins((100.0, 50.0, 10.0), (True,) * 3, (1, 1, 1), None)
    assert (12, 6, 2) in listed
    sizes = np.array((100.0, 50.0, 10.0)) / np.array([b for b in listed if min(b) > 1 and max(b) < 1 << 29])
    assert (sizes.max(axis=1) / sizes.min(axis=1)).max() <= 2.01


@settings(max_examples=60, deadline=None)
@given(EDGES, st.sampled_from([1, 2, 4]), st.sampled_from([(1.0, 1.0, 1.0), (0.5, 0.25, 1.0), (2.0, 2.0, 2.0)]))
def test_a_declared_bin_covers_the_diagonal_and_fits_the_chunk(
    edges: tuple[float, ...], grow: int, share: tuple[float, ...]
) -> None:
    for bins in list_bins(edges, (True,) * 3, (1, 1, 1), None)[::7]:
        thinning = Thinning.first(1, 0, edges, bins, (False,) * 3)
        chunk, least = tuple(e * grow for e in edges), tuple(e * s / 8 for e, s in zip(edges, share, strict=True))
        declared = declare_bin(thinning, chunk, (True,) * 3, least)
        unit = np.array(edges) / bins
        assert min(declared) >= np.linalg.norm(unit) * (1 - 1e-6)
        assert (np.array(declared) >= np.array(least) * (1 - 1e-6)).all()
        for edge, whole, part in zip(declared, chunk, unit, strict=True):
            assert count_parts(max(edge, whole), min(edge, whole), "bin") >= 1
            assert count_parts(edge, part, "bin") >= 1


def test_other_axes_keep_their_bin() -> None:
    thinning = Thinning.first(1, 0, (8.0, 8.0, 5.0), (8, 8, 1), (False, False, True))
    assert declare_bin(thinning, (16.0, 16.0, 5.0), (True, True, False), (0.0, 0.0, 1.25)) == (2.0, 2.0, 1.25)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 2, 3]), st.sampled_from([4, 6, 24]), st.sampled_from([None, (96, 96, 96)]))
def test_bins_for_a_wished_one_keep_its_promise(parts: int, cut: int, grid: tuple[int, ...] | None) -> None:
    edges = (24.0, 24.0, 12.0)
    wished = tuple(e * parts / cut for e in edges)
    bins = fit_bins(wished, edges, (True,) * 3, grid)
    unit = np.array(edges) / bins
    assert np.linalg.norm(unit) <= min(wished) * (1 + 1e-6)
    assert all(count_parts(w, u, "bin") >= 1 for w, u in zip(wished, unit, strict=True))
    assert grid is None or all(g % b == 0 for g, b in zip(grid, bins, strict=True))


def test_wished_bins_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="whole parts"):
        fit_bins((7.0, 7.0, 7.0), (24.0, 24.0, 24.0), (True,) * 3, (5, 5, 5))
    with pytest.raises(InvalidInputError, match="whole parts"):
        fit_bins((np.pi, 4.0, 4.0), (24.0, 24.0, 24.0), (True,) * 3, None)
    with pytest.raises(InvalidInputError, match="too small"):
        fit_bins((1e-12, 1e-12, 1e-12), (24.0, 24.0, 24.0), (True,) * 3, None)


def make_sample(where: np.ndarray) -> PointSample:
    slots, chunks = np.zeros(len(where), np.int64), np.zeros((1, where.shape[1]), np.int64)
    return PointSample(where, hash_points(where, None, 0), slots, np.ones(len(where)), chunks)


def test_the_finest_bins_are_chosen_that_add_an_eighth_at_most() -> None:
    rng = np.random.default_rng(5)
    where = rng.uniform(0, 8, (60_000, 3)).astype(np.float32)
    sample = make_sample(where)
    listed = list_bins((8.0,) * 3, (True,) * 3, (1, 1, 1), None)
    candidates = [Thinning.first(2**32 // 6, 0, (8.0,) * 3, b, (False,) * 3) for b in listed]
    chosen, kept = choose_thinning(sample, candidates)
    count, extras = sample.measure(chosen)
    assert kept == count
    assert extras <= count / 8
    finer = candidates[candidates.index(chosen) - 1]
    count, extras = sample.measure(finer)
    assert extras > count / 8
    assert 60_000 / kept == pytest.approx(5.6, abs=0.5)


def test_where_no_bins_are_coarse_enough_the_coarsest_are_taken() -> None:
    sample = make_sample(np.full((1, 3), 3.0))
    listed = list_bins((8.0,) * 3, (True,) * 3, (1, 1, 1), None)
    candidates = [Thinning.first(0, 0, (8.0,) * 3, b, (False,) * 3) for b in listed]
    chosen, kept = choose_thinning(sample, candidates)
    assert chosen.bins == (1, 1, 1)
    assert kept == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000) | st.sampled_from([2**20, 3 * 2**18, 2 * 1_000_003, 1_000_003 * 1_000_033, 2**43, 2**80]))
def test_divisors_are_all_there_are(number: int) -> None:
    found = _divisors(number)
    assert found == sorted(set(found))
    assert all(number % n == 0 for n in found)
    assert found[-1] <= MOST_BINS
    assert found[: len(_small_divisors(number))] == _small_divisors(number)


def _small_divisors(number: int) -> list[int]:
    return [n for n in range(1, min(number, 3000) + 1) if number % n == 0]
