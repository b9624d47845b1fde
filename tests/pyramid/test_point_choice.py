"""Choices from samples: chunks to look at, bins that nest and divide, chunks that grow to a good size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.pyramid.hashing import hash_points
from zvview.pyramid.point_choice import (
    PointSample,
    choose_multiples,
    choose_thinning,
    count_parts,
    declare_bin,
    fit_bins,
    list_bins,
    share_evenly,
)
from zvview.pyramid.thinning import MOST_BINS, Thinning

EDGES = st.sampled_from([(8.0, 8.0, 8.0), (10.0, 7.0, 0.5), (1e-3, 300.0, 2.0)])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 5_000), max_size=200), st.integers(1, 8), st.integers(1, 3_000), st.integers(1, 9))
def test_what_is_looked_at_stands_for_all(counts: list[int], strata: int, rows: int, most: int) -> None:
    picked, weights = share_evenly(np.array(counts, np.int64), strata, rows, most)
    assert (np.diff(picked) > 0).all()
    assert len(picked) <= strata * most
    assert np.isclose((np.array(counts)[picked] * weights).sum(), sum(counts))


def test_sparse_chunks_are_looked_at_as_dense_ones_are() -> None:
    counts = np.array([100_000, 90_000, *[20] * 9_500])
    picked, weights = share_evenly(counts, 4, 10_000, 600)
    assert {0, 1} <= set(picked.tolist())
    assert (counts[picked] == 20).sum() >= 500
    assert weights.max() < 20


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
        assert listed.prod(axis=1).max() <= MOST_BINS
        if not is_space[2]:
            assert (listed[:, 2] == rest[2]).all()
        if grid is not None:
            assert (np.array(grid) % listed == 0).all()
            assert listed[0].tolist() == list(grid)
        assert [n for n, space in zip(listed[-1].tolist(), is_space, strict=True) if space] == [1] * sum(is_space)


def test_bins_are_as_cubic_as_they_can_be() -> None:
    listed = list_bins((100.0, 50.0, 10.0), (True,) * 3, (1, 1, 1), None)
    assert (12, 6, 2) in listed
    sizes = np.array((100.0, 50.0, 10.0)) / np.array([b for b in listed if min(b) > 1 and max(b) < 8192])
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
        fit_bins((1e-4, 1e-4, 1e-4), (24.0, 24.0, 24.0), (True,) * 3, None)
    for given_edge, unit in ((1.0, 2.0), (5.0, 2.0)):
        with pytest.raises(InvalidInputError, match="multiple"):
            count_parts(given_edge, unit, "chunk shape")


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


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.sampled_from([1e3, 1e5, 4e5, 3e6]))
def test_chunks_grow_until_they_hold_a_megabyte(seed: int, ndim: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    chunks = np.unique(rng.integers(-9, 9, (60, ndim)), axis=0)
    held = rng.uniform(0.1, 1, len(chunks)) * size
    edges = (5.0, 4.0, 7.0)[:ndim]
    is_space = (True, True, False)[:ndim]

    def mean(multiples: np.ndarray) -> float:
        _, of_each = np.unique(np.floor_divide(chunks, multiples), axis=0, return_inverse=True)
        of_each = np.bincount(of_each.ravel(), held)
        return float((of_each**2).sum() / of_each.sum())

    multiples = np.array(choose_multiples(chunks, held, edges, is_space))
    assert (multiples & (multiples - 1) == 0).all()
    assert ndim < 3 or multiples[2] == 1
    assert (multiples == 1).all() or mean(multiples) <= 1 << 20
    parents = np.floor_divide(chunks, multiples)
    spans = [set(parents[:, a].tolist()) for a in range(min(ndim, 2))]
    is_whole = all(len(s) == 1 or s == {-1, 0} for s in spans)
    doubled = [multiples * np.where(np.arange(ndim) == a, 2, 1) for a in range(min(ndim, 2))]
    assert is_whole or max(map(mean, doubled)) > 1 << 20


def test_chunks_on_both_sides_of_zero_or_none_at_all_end_the_growth() -> None:
    corners = np.array([[-1, 0], [0, -1], [0, 0]])
    assert choose_multiples(corners, np.ones(3), (1.0, 1.0), (True, True)) == (1, 1)
    assert choose_multiples(corners[:0], np.ones(0), (1.0, 1.0), (True, True)) == (1, 1)
