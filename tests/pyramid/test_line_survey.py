"""Surveys: the same however chunks are dealt out, and put together again from parts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.pyramid.line_heads import Heads
from zvview.pyramid.line_survey import Survey, changed_objects, join_surveys, no_survey, survey_lines
from zvview.pyramid.object_ranks import hash_objects

SPACE = np.ones(2, bool)
COUNT = 25
COLUMNS = ("chunks", "first", "ids", "counts", "lengths", "is_winner")


def make_lines(seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Positions, object of each vertex, and segments."""
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(COUNT), rng.integers(1, 12, COUNT))
    positions = np.cumsum(rng.normal(0, 3, (len(owners), 2)), axis=0).astype(np.float32)
    first = np.flatnonzero(owners[1:] == owners[:-1])
    return positions, owners, np.stack((first, first + 1), axis=1)


def survey_blocks(seed: int, blocks: int, most: int | None = 3) -> list[tuple[Survey, Heads]]:
    """Surveys of the same lines with their chunks dealt out to some blocks."""
    positions, owners, segments = make_lines(seed)
    places = np.floor(positions.astype(float) / 8.0).astype(np.int64)
    chunks, of_vertex = np.unique(places, axis=0, return_inverse=True)
    ids = np.arange(COUNT) * 3 - 7
    out = []
    for block in range(blocks):
        is_own = (of_vertex.ravel() * blocks) // len(chunks) == block
        mine = chunks[(np.arange(len(chunks)) * blocks) // len(chunks) == block]
        if len(mine):
            touching = segments[is_own[segments].any(axis=1)]
            held = np.where(is_own, owners, -1)
            shapes = {"bin_shape": np.full(2, 2.0), "is_space": SPACE, "unit": 0.01}
            out.append(survey_lines(positions, held, touching, places, mine, ids=ids, seed=seed, most=most, **shapes))
    return out


def assert_equal(first: Survey, second: Survey) -> None:
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 7))
def test_a_survey_does_not_depend_on_how_chunks_are_dealt_out(seed: int, blocks: int) -> None:
    ((whole, heads),), parts = survey_blocks(seed, 1), survey_blocks(seed, blocks)
    assert_equal(join_surveys([survey for survey, _ in parts[::-1]]), whole)
    joined = Heads.joined([part for _, part in parts[::-1]])
    for name in Heads.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(joined, name), getattr(heads, name))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_heads_are_the_least_of_all_that_pass_a_bin(seed: int) -> None:
    ((survey, heads),), ((_, every),) = survey_blocks(seed, 1), survey_blocks(seed, 1, None)
    np.testing.assert_array_equal(heads.keys, every.keys)
    assert every.is_all.all()
    np.testing.assert_array_equal(heads.is_all, np.diff(every.first) <= 3)
    for a, b, c, d in zip(heads.first[:-1], heads.first[1:], every.first[:-1], every.first[1:], strict=True):
        ids = every.ids[c:d]
        assert heads.ids[a:b].tolist() == ids[:3].tolist()
        assert ids.tolist() == ids[np.lexsort((ids, hash_objects(ids, seed)))].tolist()
    chunk = np.repeat(survey.chunks, np.diff(survey.first), axis=0)
    entries = zip(chunk.tolist(), survey.ids.tolist(), survey.is_winner.tolist(), strict=True)
    winners = {(*c, i) for c, i, is_winner in entries if is_winner}
    assert {(*key[:2], i) for key, i in zip(heads.keys.tolist(), heads.winners.tolist(), strict=True)} == winners


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_it_tells_what_each_chunk_holds(seed: int) -> None:
    positions, owners, segments = make_lines(seed)
    ((survey, _),) = survey_blocks(seed, 1)
    chunk = np.repeat(survey.chunks, np.diff(survey.first), axis=0)
    places = np.floor(positions.astype(float) / 8.0).astype(np.int64)
    assert survey.counts.sum() == len(positions)
    for at, number, count in zip(chunk, (survey.ids + 7) // 3, survey.counts, strict=True):
        assert count == ((places == at).all(axis=1) & (owners == number)).sum()
    steps = np.linalg.norm(np.diff(positions[segments].astype(float), axis=1)[:, 0], axis=1)
    assert abs(survey.lengths.sum() - (steps / 0.01).sum()) <= len(steps)
    assert all(survey.is_winner[a:b].any() for a, b in zip(survey.first[:-1], survey.first[1:], strict=True))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32), st.sampled_from([1, 2**59]))
def test_objects_can_be_replaced(first: int, second: int, scale: int) -> None:
    before, after = (_random_survey(np.random.default_rng(seed), scale) for seed in (first, second))
    objects = np.array([-2, 0, 1]) * scale
    fresh = after.replaced(np.arange(-3, 4) * scale, before)
    assert_equal(fresh, before)
    of_after = after.replaced(np.array([-3, -1, 2]) * scale, no_survey(2))
    assert len(of_after.ids) == np.isin(after.ids, objects).sum()
    found = before.replaced(objects, of_after)
    expected = {e for e in _entries(before, ("counts",)) if e[1] not in objects}
    assert _entries(found, ("counts",)) == expected | _entries(of_after, ("counts",))
    assert all((np.diff(found.ids[a:b]) > 0).all() for a, b in zip(found.first[:-1], found.first[1:], strict=True))


def test_vertices_astray_count_in_the_first_chunk() -> None:
    positions, one = np.array([[1.0, 1.0], [9.0, 1.0]]), np.zeros(2, np.int64)
    places, mine = np.array([[0, 0], [1, 0]]), np.array([[0, 0]])
    shapes = {"bin_shape": np.full(2, 2.0), "is_space": SPACE, "unit": 1.0}
    found, _ = survey_lines(
        positions, one, np.array([[0, 1]]), places, mine, ids=np.array([5]), seed=0, most=None, **shapes
    )
    assert (found.ids.tolist(), found.counts.tolist(), found.lengths.tolist()) == ([5], [2], [8])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 2**61]), st.booleans())
def test_changed_objects_are_those_of_which_an_entry_differs(seed: int, scale: int, asks_for_lengths: bool) -> None:
    columns = ("counts", "lengths") if asks_for_lengths else ("counts",)
    rng = np.random.default_rng(seed)
    before, after = (_random_survey(np.random.default_rng(s), scale) for s in rng.integers(0, 2**32, 2))
    tables = [_entries(survey, columns) for survey in (before, after)]
    expected = sorted({entry[1] for entry in tables[0] ^ tables[1]})
    assert changed_objects(before, after, columns).tolist() == expected
    assert changed_objects(before, before, columns).tolist() == []


def _random_survey(rng: np.random.Generator, scale: int) -> Survey:
    """Of up to four chunks, with few different ids and values, so that many entries of two of them agree."""
    chunks = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])[rng.random(4) < 0.7]
    ids = [np.flatnonzero(rng.random(6) < 0.6) - 3 for _ in chunks]
    first = np.append(0, np.cumsum([len(i) for i in ids])).astype(np.int64)
    total = int(first[-1])
    counts, lengths = rng.integers(0, 2, (2, total))
    every = np.concatenate([np.empty(0, np.int64), *ids]) * scale
    return Survey(chunks, first, every, counts, lengths, np.zeros(total, bool))


def _entries(survey: Survey, columns: tuple[str, ...]) -> set[tuple[object, ...]]:
    chunk = np.repeat(survey.chunks, np.diff(survey.first), axis=0).tolist()
    values = zip(*(getattr(survey, name).tolist() for name in columns), strict=True)
    return {(tuple(c), i, *v) for c, i, v in zip(chunk, survey.ids.tolist(), values, strict=True)}
