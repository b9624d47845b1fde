"""Which points are kept: against a plain count of bins, one chunk alone against all, level upon level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zvview.errors import DamagedError
from zvview.format.grid import locate_chunks
from zvview.pyramid.hashing import hash_points
from zvview.pyramid.thinning import Thinning, find_least, number_bins, select_points
from zvview.store.writing.sorting import rank_rows

EDGES = (8.0, 8.0, 4.0)


def make(threshold: int = 2**32 // 6, bins: tuple[int, ...] = (4, 2, 2), **changes: object) -> Thinning:
    edges = EDGES[: len(bins)]
    return replace(Thinning.first(threshold, 0, edges, bins, (False,) * len(bins)), **changes)


def chunked(where: np.ndarray, edges: tuple[float, ...] = EDGES) -> tuple[np.ndarray, np.ndarray]:
    """Row of the chunk of each point, and the chunks."""
    chunks, slots = np.unique(locate_chunks(where, edges[: where.shape[1]]), axis=0, return_inverse=True)
    return slots.ravel(), chunks


def select(where: np.ndarray, thinning: Thinning, ids: np.ndarray | None = None) -> np.ndarray:
    return select_points(where, ids, *chunked(where), thinning)


@st.composite
def clouds(draw: st.DrawFn) -> np.ndarray:
    """Points on a lattice and off it, many of them equal, near and far from zero."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, ndim = draw(st.integers(0, 300)), draw(st.integers(1, 3))
    where = rng.uniform(-20, 20, (count, ndim))
    if draw(st.booleans()):
        where = np.round(where * draw(st.sampled_from([0.1, 0.5, 1.0])))
    where += draw(st.sampled_from([0.0, -1e6, 4e5]))
    return where.astype(draw(st.sampled_from([np.float32, np.float64])))


THRESHOLDS = st.sampled_from([0, 2**32 // 64, 2**32 // 6, 2**32 // 2, 2**32 - 1])


@settings(max_examples=80, deadline=None)
@given(clouds(), THRESHOLDS, st.booleans())
def test_kept_are_low_hashes_and_the_lowest_of_each_bin(where: np.ndarray, threshold: int, has_ids: bool) -> None:
    thinning = make(threshold, (4, 2, 2)[: where.shape[1]])
    ids = np.arange(len(where)) % 3 if has_ids else None
    hashes = hash_points(where, ids, 0)
    lowest: dict[tuple[int, ...], int] = {}
    bins = [tuple(b) for b in np.floor(where.astype(float) / thinning.unit).astype(int).tolist()]
    for place, number in zip(bins, hashes.tolist(), strict=True):
        lowest[place] = min(number, lowest.get(place, 2**32))
    expected = [i for i, h in enumerate(hashes.tolist()) if h < threshold or h == lowest[bins[i]]]
    assert select(where, thinning, ids).tolist() == expected


@settings(max_examples=40, deadline=None)
@given(clouds(), THRESHOLDS)
def test_a_chunk_alone_tells_what_the_whole_level_does(where: np.ndarray, threshold: int) -> None:
    thinning = make(threshold, (3, 5, 2)[: where.shape[1]])
    slots, chunks = chunked(where)
    whole = select_points(where, None, slots, chunks, thinning)
    parts = []
    for c in range(len(chunks)):
        rows = np.flatnonzero(slots == c)
        alone = select_points(where[rows], None, np.zeros(len(rows), np.int64), chunks[c : c + 1], thinning)
        parts.append(rows[alone])
    assert np.array_equal(np.sort(np.concatenate(parts)) if parts else whole, whole)


@settings(max_examples=40, deadline=None)
@given(clouds(), THRESHOLDS, st.sampled_from([((12,) * 3, (6,) * 3, (2,) * 3), ((6, 4, 2), (3, 4, 1), (1, 1, 1))]))
def test_levels_nest_and_are_what_level_0_alone_would_give(
    where: np.ndarray, threshold: int, counts: tuple[tuple[int, ...], ...]
) -> None:
    ndim = where.shape[1]
    thinning = make(threshold, counts[0][:ndim])
    left = np.arange(len(where))
    for bins in counts:
        thinning = replace(thinning.unite(bins[:ndim]), threshold=thinning.threshold // 4)
        kept = left[select(where[left], thinning)]
        assert np.array_equal(kept, select(where, thinning))
        left = kept


@settings(max_examples=40, deadline=None)
@given(clouds())
def test_equal_points_share_their_fate(where: np.ndarray) -> None:
    assume(len(where))
    doubled = np.concatenate((where, where[::2], where[::2]))
    kept = np.zeros(len(doubled), bool)
    kept[select(doubled, make(bins=(4, 2, 2)[: where.shape[1]]))] = True
    of_each, _ = rank_rows(np.unique(doubled, axis=0, return_inverse=True)[1].reshape(-1, 1))
    assert np.array_equal(np.bincount(of_each, kept) % np.bincount(of_each), np.zeros(of_each.max() + 1))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 400), st.sampled_from([1, 3, 60, 5_000, 2**50]))
def test_a_table_and_sorting_find_the_same(seed: int, count: int, spread: int) -> None:
    rng = np.random.default_rng(seed)
    keys, hashes = rng.integers(0, spread, count), rng.integers(0, 9, count).astype(np.uint32)
    least = {k: min(hashes[keys == k]) for k in keys.tolist()}
    expected = [h == least[k] for k, h in zip(keys.tolist(), hashes, strict=True)]
    ranks = np.unique(keys, return_inverse=True)[1]
    assert find_least(hashes, keys, 1 << 61).tolist() == expected
    assert find_least(hashes, ranks, count).tolist() == expected


def test_points_of_different_frames_never_stand_for_each_other() -> None:
    rng = np.random.default_rng(3)
    for step in (1.0, 0.3, 1e-4):
        where = rng.uniform(0, 8, (900, 2))
        where[:, 1] = rng.integers(-10, 10, 900) * step
        thinning = Thinning.first(0, 0, (8.0, 8.0), (2, 1), (False, True))
        kept = select(where, thinning)
        left = {(int(x // 4), t, int(t // 8)) for x, t in where.tolist()}
        assert len(kept) == len(left) == len({(int(x // 4), t) for x, t in where[kept].tolist()})


def test_more_bins_times_frames_than_integers_count_are_ranked() -> None:
    rng = np.random.default_rng(4)
    where = rng.uniform(0, 8, (2_000, 3))
    where[:, 2] = rng.random(2_000)
    where[1_000:] = where[:1_000]
    thinning = Thinning.first(0, 0, EDGES, (1 << 20, 1 << 20, 1), (False, False, True))
    chunks = np.zeros((1 << 15, 3), np.int64)
    keys, limit = number_bins(where, np.zeros(2_000, np.int64), chunks, thinning)
    assert keys.max() < limit < 1 << 62
    assert np.array_equal(keys[:1_000], keys[1_000:])
    assert len(np.unique(keys)) == 1_000


@pytest.mark.parametrize("bins", [(3, 5), (1, 7), (1 << 40, 1 << 44)])
@pytest.mark.parametrize("units", [1, 3])
def test_more_bins_than_floats_count_are_told_apart_alike(
    bins: tuple[int, int], units: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    edges = (0.1, 0.3)
    where = np.random.default_rng(7).integers(-200, 200, (500, 2)) * np.array([0.01, 0.03])
    slots, chunks = chunked(where, edges)
    thinning = Thinning.first(0, 0, edges, [n * units for n in bins], (False, False)).unite(bins)
    same = []
    for most in (1 << 53, 0):
        monkeypatch.setattr("zvview.pyramid.thinning._MOST_NUMBERS", most)
        keys, limit = number_bins(where, slots, chunks, thinning)
        assert 0 <= keys.min() <= keys.max() < limit
        same.append(keys[:, None] == keys)
    assert np.array_equal(*same)


def test_a_position_on_the_border_counts_to_its_chunk() -> None:
    edges = (0.1, 0.3)
    where = np.arange(-60, 60)[:, None] * np.array([0.1, 0.3]) / 3
    slots, chunks = chunked(where, edges)
    for bins in ((3, 3), (7, 5), (1, 6)):
        thinning = Thinning.first(0, 0, edges, bins, (False, False))
        keys, limit = number_bins(where, slots, chunks, thinning)
        assert np.array_equal(keys // np.prod(bins), slots)
        assert 0 <= keys.min() <= keys.max() < limit


@pytest.mark.parametrize("offset", [0.0, 5.4e6, 1e9, -1e9])
def test_degenerate_clouds_keep_at_least_one_and_nothing_twice(offset: float) -> None:
    rng = np.random.default_rng(6)
    line = np.zeros((500, 3))
    line[:, 0] = rng.uniform(0, 100, 500)
    plane = rng.uniform(0, 100, (500, 3)) * [1, 1, 0]
    for cloud in (np.zeros((500, 3)), line, plane, line[:1], line[:0]):
        where = (cloud + offset).astype(np.float32)
        kept = select(where, make(bins=(4096, 4096, 4096)))
        assert (len(kept) > 0) == (len(where) > 0)
        assert len(np.unique(kept)) == len(kept)


def test_a_document_gives_the_thinning_again() -> None:
    thinning = make(bins=(12, 6, 6)).unite((4, 3, 1))
    assert Thinning.parse(thinning.document()) == thinning
    assert thinning.recount((16.0, 8.0, 4.0)).bins == (8, 3, 1)
    assert thinning.factor == (3, 2, 6)


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 2**32},
        {"threshold": -1},
        {"threshold": None},
        {"seed": "x"},
        {"thinning_unit": [1.0]},
        {"thinning_unit": [1.0, 0.0, 1.0]},
        {"thinning_unit": [1.0, float("nan"), 1.0]},
        {"thinning_unit": []},
        {"thinning_factor": [1, -1, 1]},
        {"thinning_bins": [2**45, 1, 1]},
        {"thinning_bins": [float("inf"), 1, 1]},
        {"exact_axes": 7},
    ],
)
def test_parameters_that_cannot_be_are_damage(change: dict[str, object]) -> None:
    document = make(bins=(4, 2, 2)).document()
    with pytest.raises(DamagedError, match="parameters of a level"):
        Thinning.parse(document | change)
    with pytest.raises(DamagedError, match="parameters of a level"):
        Thinning.parse({name: value for name, value in document.items() if name not in change})
