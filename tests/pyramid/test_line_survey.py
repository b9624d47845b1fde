"""Surveys: the same however chunks are dealt out, and put together again from parts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.pyramid.line_survey import Survey, changed_objects, join_surveys, survey_lines
from zvview.pyramid.object_choice import rank_objects

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


def survey_blocks(seed: int, blocks: int) -> list[Survey]:
    """Surveys of the same lines with their chunks dealt out to some blocks."""
    positions, owners, segments = make_lines(seed)
    places = np.floor(positions.astype(float) / 8.0).astype(np.int64)
    chunks, of_vertex = np.unique(places, axis=0, return_inverse=True)
    ids = np.arange(COUNT) * 3 - 7
    ranks = rank_objects((ids * 2654435761 % 2**32).astype(np.uint32))
    out = []
    for block in range(blocks):
        is_own = (of_vertex.ravel() * blocks) // len(chunks) == block
        mine = chunks[(np.arange(len(chunks)) * blocks) // len(chunks) == block]
        if len(mine):
            touching = segments[is_own[segments].any(axis=1)]
            held = np.where(is_own, owners, -1)
            shapes = {"bin_shape": np.full(2, 2.0), "is_space": SPACE, "unit": 0.01}
            out.append(survey_lines(positions, held, touching, places, mine, ids=ids, ranks=ranks, **shapes))
    return out


def assert_equal(first: Survey, second: Survey) -> None:
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 7))
def test_a_survey_does_not_depend_on_how_chunks_are_dealt_out(seed: int, blocks: int) -> None:
    (whole,), parts = survey_blocks(seed, 1), survey_blocks(seed, blocks)
    assert_equal(join_surveys(parts[::-1]), whole)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_it_tells_what_each_chunk_holds(seed: int) -> None:
    positions, owners, segments = make_lines(seed)
    (survey,) = survey_blocks(seed, 1)
    chunk = np.repeat(survey.chunks, np.diff(survey.first), axis=0)
    places = np.floor(positions.astype(float) / 8.0).astype(np.int64)
    assert survey.counts.sum() == len(positions)
    for at, number, count in zip(chunk, (survey.ids + 7) // 3, survey.counts, strict=True):
        assert count == ((places == at).all(axis=1) & (owners == number)).sum()
    steps = np.linalg.norm(np.diff(positions[segments].astype(float), axis=1)[:, 0], axis=1)
    assert abs(survey.lengths.sum() - (steps / 0.01).sum()) <= len(steps)
    assert all(survey.is_winner[a:b].any() for a, b in zip(survey.first[:-1], survey.first[1:], strict=True))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 7))
def test_chunks_can_be_replaced(seed: int, blocks: int) -> None:
    (whole,), parts = survey_blocks(seed, 1), survey_blocks(seed, blocks)
    part = parts[0]
    assert_equal(whole.with_chunks(part.chunks, part), whole)
    nothing = part.select(np.zeros(len(part.chunks), bool))
    rest = whole.with_chunks(part.chunks, nothing)
    assert len(rest.chunks) == len(whole.chunks) - len(part.chunks)
    assert_equal(rest.with_chunks(part.chunks, part), whole)
    entries = whole.entries_of(part.chunks[::-1])
    np.testing.assert_array_equal(whole.ids[entries], part.ids)


def test_vertices_astray_count_in_the_first_chunk() -> None:
    positions, one = np.array([[1.0, 1.0], [9.0, 1.0]]), np.zeros(2, np.int64)
    places, mine = np.array([[0, 0], [1, 0]]), np.array([[0, 0]])
    shapes = {"bin_shape": np.full(2, 2.0), "is_space": SPACE, "unit": 1.0}
    found = survey_lines(positions, one, np.array([[0, 1]]), places, mine, ids=np.array([5]), ranks=one[:1], **shapes)
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
