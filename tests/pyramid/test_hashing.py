"""Hashes: what they depend on, what not, and that they are spread evenly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zvview.pyramid.hashing import hash_ids, hash_points

FLOATS = st.floats(-1e9, 1e9, width=32)


def test_hashes_are_the_same_on_every_machine_and_in_every_release() -> None:
    where = np.array([[0.0, 1.5, -2.25], [1e9, 3.0, 7.0]])
    assert hash_points(where.astype(np.float32), None, 0).tolist() == [649680565, 1519819281]
    assert hash_points(where, np.array([5, -1]), 3).tolist() == [3789392473, 1693874665]
    assert hash_ids([0, 1, -1, 2**62], 0).tolist() == [1303277874, 3372666756, 1510099435, 3504137452]


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(0, 40), st.integers(1, 4)), elements=FLOATS), st.integers())
def test_a_hash_depends_on_nothing_but_the_point(where: np.ndarray, seed: int) -> None:
    ids = np.arange(len(where)) - 3
    whole = hash_points(where, ids, seed)
    order = np.random.default_rng(0).permutation(len(where))
    assert np.array_equal(hash_points(where[order], ids[order], seed), whole[order])
    assert np.array_equal(hash_points(np.asfortranarray(where).astype(">f4"), ids.astype(">i8"), seed), whole)
    assert np.array_equal(hash_points(where[:1], ids[:1], seed), whole[:1])


def test_long_arrays_hash_as_their_parts_do() -> None:
    where = np.random.default_rng(1).random((40_000, 3), np.float32)
    parts = [hash_points(part, None, 9) for part in np.array_split(where, 7)]
    assert np.array_equal(hash_points(where, None, 9), np.concatenate(parts))


def test_equal_coordinates_hash_equal_whatever_the_sign_of_zero() -> None:
    for dtype in (np.float32, np.float64):
        zeros = np.array([[0.0, -0.0], [-0.0, 0.0]], dtype)
        assert len(set(hash_points(zeros, None, 0).tolist())) == 1


def test_object_seed_axis_and_dtype_all_count() -> None:
    where = np.array([[1.0, 2.0]])
    hashes = [
        hash_points(where, None, 0),
        hash_points(where, None, 1),
        hash_points(where, None, 1 << 32),
        hash_points(where[:, ::-1], None, 0),
        hash_points(where.astype(np.float32), None, 0),
        hash_points(where, np.array([0]), 0),
        hash_points(where, np.array([1]), 0),
        hash_points(where, np.array([1 << 32]), 0),
    ]
    assert len({int(h[0]) for h in hashes}) == len(hashes)


def lattice() -> np.ndarray:
    return np.stack(np.meshgrid(*[np.arange(40.0)] * 3, indexing="ij"), -1).reshape(-1, 3)


DATA = {
    "lattice of float32": hash_points(lattice().astype(np.float32), None, 0),
    "lattice of float64": hash_points(lattice(), None, 0),
    "metres of UTM": hash_points(lattice() * 0.01 + [500_000, 5_400_000, 100], None, 0),
    "nanometres": hash_points((lattice() * 64 + 1e9).astype(np.float32), None, 0),
    "one place, many objects": hash_points(np.ones((64_000, 2), np.float32), np.arange(64_000), 0),
    "ids": hash_ids(np.arange(64_000), 0),
    "sparse ids": hash_ids(np.arange(64_000) << 40, 5),
    "negative ids": hash_ids(-np.arange(64_000), 1),
}


@pytest.mark.parametrize("name", DATA)
def test_hashes_are_spread_evenly(name: str) -> None:
    hashes = DATA[name]
    bits = (hashes[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    error = 0.5 / np.sqrt(len(hashes))
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * error
    assert np.abs(np.corrcoef(bits.T) - np.eye(32)).max() < 12 * error
    low, high = np.bincount(hashes >> np.uint32(26), minlength=64), np.bincount(hashes & np.uint32(63), minlength=64)
    for counts in (low, high):
        mean = len(hashes) / 64
        assert ((counts - mean) ** 2).sum() / mean < 63 + 5 * np.sqrt(2 * 63)
    collisions = len(hashes) - len(np.unique(hashes))
    assert collisions <= 6  # 0.5 is expected of 64,000 random numbers


def test_no_two_of_the_first_ids_share_a_hash() -> None:
    assert len(np.unique(hash_ids(np.arange(1 << 16), 0))) == 1 << 16
