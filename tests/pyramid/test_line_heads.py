"""The least objects of keys, kept over edits: true of all objects, or said to be unknown."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.pyramid.line_heads import Heads, changed_winners
from zvview.pyramid.object_ranks import hash_objects

Ints = NDArray[np.int64]
Pairs = set[tuple[int, int, int]]  # two components of a key, and an object


def table_of(pairs: Pairs) -> tuple[Ints, Ints]:
    rows = np.array(sorted(pairs), np.int64).reshape(-1, 3)
    return rows[:, :2], rows[:, 2]


def heads_of(pairs: Pairs, seed: int, most: int) -> Heads:
    return Heads.of(*table_of(pairs), seed, most) if pairs else Heads.none(2)


def as_dict(heads: Heads) -> dict[tuple[int, ...], list[int]]:
    parts = np.split(heads.ids, heads.first[1:-1]) if len(heads) else []
    return {tuple(key): ids.tolist() for key, ids in zip(heads.keys.tolist(), parts, strict=True)}


def brute(pairs: Pairs, seed: int) -> dict[tuple[int, ...], list[int]]:
    """All objects of each key, by hash, then by id."""
    out: dict[tuple[int, ...], list[int]] = {}
    for a, b, number in sorted(pairs):
        out.setdefault((a, b), []).append(number)
    return {key: sorted(ids, key=lambda i: (int(hash_objects(np.array([i]), seed)[0]), i)) for key, ids in out.items()}


def some_pairs(rng: np.random.Generator, ids: Ints, scale: int) -> Pairs:
    keys = rng.integers(-2, 2, (len(ids) * 3, 2)) * scale
    return {(int(a), int(b), int(i)) for (a, b), i in zip(keys, np.repeat(ids, 3), strict=True)}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), most=st.integers(1, 4), scale=st.sampled_from([1, 2**61]))
def test_heads_stay_true_over_edits(seed: int, most: int, scale: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = some_pairs(rng, rng.choice(99, 12, replace=False) - 50, scale)
    heads = heads_of(pairs, seed, most)
    for _ in range(4):
        known = np.array(sorted({pair[2] for pair in pairs}), np.int64)
        edited = np.union1d(known[rng.random(len(known)) < 0.3], rng.integers(100, 103, 1))
        new = some_pairs(rng, edited[rng.random(len(edited)) < 0.6], scale)
        pairs = {pair for pair in pairs if pair[2] not in edited} | new
        before = heads
        heads, lost = heads.edited(edited, *table_of(new), seed, most)
        expected = brute(pairs, seed)
        for key, ids in as_dict(heads).items():
            assert ids == expected[key][: len(ids)]
            assert 0 < len(ids) <= most
        for key, is_all in zip(map(tuple, heads.keys.tolist()), heads.is_all.tolist(), strict=True):
            assert is_all == (len(as_dict(heads)[key]) == len(expected[key])) or not is_all
        unknown = {tuple(key) for key in lost.tolist()}  # of some of these nobody may be left at all
        assert expected.keys() - as_dict(heads).keys() <= unknown
        assert not unknown & as_dict(heads).keys()
        assert sorted(as_dict(heads)) == list(as_dict(heads))
        if not len(lost):
            old, now = as_dict(before), as_dict(heads)
            differ = {(key, ids[0]) for key, ids in old.items()} ^ {(key, ids[0]) for key, ids in now.items()}
            assert changed_winners(before, heads).tolist() == sorted({number for _, number in differ})
        heads = heads_of(pairs, seed, most) if len(lost) else heads


def test_heads_are_lost_only_with_the_last_of_them() -> None:
    ids = np.arange(10)
    heads = Heads.of(np.zeros((10, 1), np.int64), ids, 3, 4)
    by_hash = np.lexsort((ids, hash_objects(ids, 3)))
    nothing = np.empty((0, 1), np.int64), np.empty(0, np.int64)
    assert heads.winners.tolist() == by_hash[:1].tolist()
    heads, lost = heads.edited(np.sort(by_hash[:3]), *nothing, 3, 4)
    assert (heads.ids.tolist(), len(lost)) == (by_hash[3:4].tolist(), 0)
    heads, lost = heads.edited(by_hash[3:4], *nothing, 3, 4)
    assert (len(heads), lost.tolist()) == (0, [[0]])


def test_what_is_greater_than_all_that_are_known_is_not_listed() -> None:
    ids = np.arange(10)
    by_hash = np.lexsort((ids, hash_objects(ids, 3)))
    known = np.sort(by_hash[:9])
    heads = Heads.of(np.zeros((9, 1), np.int64), known, 3, 2)
    found, _ = heads.edited(by_hash[9:], np.zeros((1, 1), np.int64), by_hash[9:], 3, 2)
    assert found.ids.tolist() == by_hash[:2].tolist()
    again, _ = found.edited(by_hash[:1], np.zeros((1, 1), np.int64), by_hash[:1], 3, 2)
    assert again.ids.tolist() == by_hash[:2].tolist()
