"""The choice of objects: the same however chunks are dealt out, and nothing dies out."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.pyramid.object_choice import ALL, Survey, choose_objects, rank_objects, survey_lines

SPACE = np.ones(2, bool)


def make_lines(seed: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Positions, object of each vertex, and segments."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 12, count)
    owners = np.repeat(np.arange(count), sizes)
    positions = np.cumsum(rng.normal(0, 3, (len(owners), 2)), axis=0).astype(np.float32)
    first = np.flatnonzero(owners[1:] == owners[:-1])
    return positions, owners, np.stack((first, first + 1), axis=1)


def survey_blocks(seed: int, blocks: int) -> list[Survey]:
    """Surveys of the same lines with their chunks dealt out to some blocks."""
    positions, owners, segments = make_lines(seed, 25)
    edges = np.full(2, 8.0)
    chunks = np.floor(positions.astype(float) / edges).astype(np.int64)
    order, of_vertex = np.unique(chunks, axis=0, return_inverse=True)
    ids = np.arange(25)
    ranks = rank_objects((ids * 2654435761 % 2**32).astype(np.uint32))
    out = []
    for block in range(blocks):
        is_own = (of_vertex.ravel() * blocks) // len(order) == block
        touching = segments[is_own[segments].any(axis=1)]
        out.append(
            survey_lines(
                positions,
                np.where(is_own, owners, -1),
                touching,
                order[(np.arange(len(order)) * blocks) // len(order) == block],
                chunk_shape=edges,
                bin_shape=np.full(2, 2.0),
                is_space=SPACE,
                unit=0.01,
                ids=ids,
                ranks=ranks,
            )
        )
    return out


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 7))
def test_the_choice_does_not_depend_on_how_chunks_are_dealt_out(seed: int, blocks: int) -> None:
    (whole,), parts = survey_blocks(seed, 1), survey_blocks(seed, blocks)
    assert np.array_equal(np.sum([p.lengths for p in parts], axis=0), whole.lengths)
    assert np.array_equal(np.any([p.is_winner for p in parts], axis=0), whole.is_winner)


def test_equal_hashes_are_ranked_by_id() -> None:
    assert rank_objects(np.array([7, 3, 7, 3, 0], np.uint32)).tolist() == [3, 1, 4, 2, 0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 200), st.integers(0, ALL))
def test_no_group_and_no_class_of_length_dies_out(seed: int, count: int, threshold: int) -> None:
    rng = np.random.default_rng(seed)
    ids = np.sort(rng.choice(10**12, count, replace=False)) - 10**11
    hashes = rng.integers(0, ALL, count).astype(np.uint32)
    seen = np.flatnonzero(rng.random(count) < 0.9)
    lengths = rng.integers(0, 2**20, len(seen))
    groups = [rng.choice(ids, rng.integers(0, count + 1), replace=False) for _ in range(3)] + [np.array([7], np.int64)]
    winners = rng.random(len(seen)) < 0.1
    kept = choose_objects(ids, hashes, [Survey(ids[seen], lengths, winners)], threshold, groups)
    assert (np.diff(kept) > 0).all()
    assert np.isin(kept, ids[seen]).all()
    assert np.isin(ids[seen][hashes[seen] < threshold], kept).all()
    assert np.isin(ids[seen][winners], kept).all()
    for group in groups:
        present = np.intersect1d(group, ids[seen])
        assert not len(present) or np.isin(present, kept).any()
    for power in range(21):
        of_class = ids[seen][(lengths >= 2**power) & (lengths < 2 ** (power + 1))]
        assert not len(of_class) or np.isin(of_class, kept).any()


def test_sparse_chosen_from_two_surveys_sum_up() -> None:
    ids = np.array([-5, 2, 9])
    hashes = np.array([5, 6, 7], np.uint32)
    none = np.zeros(2, bool)
    surveys = [
        Survey(ids[:2], np.array([4, 4]), none),
        Survey(ids[1:], np.array([4, 0]), np.array([False, True])),
    ]
    assert choose_objects(ids, hashes, surveys, 0, []).tolist() == [-5, 2, 9]  # lengths 4, 8, 0: three classes
    assert choose_objects(ids, hashes, [Survey(ids, np.array([4, 4, 4]), np.zeros(3, bool))], 0, []).tolist() == [-5]
