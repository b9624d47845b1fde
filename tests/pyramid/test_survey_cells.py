"""The bytes of what is kept of lines: they come back as they were, and bad ones end as damage."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import DamagedError
from zvview.pyramid.line_heads import Heads
from zvview.pyramid.line_state import Choice, LineState
from zvview.pyramid.line_survey import Survey
from zvview.pyramid.survey_cells import decode_state, encode_state

WIDE = st.integers(-(2**63), 2**63 - 1)
OBJECTS = st.dictionaries(WIDE, st.integers(1, 2**40), max_size=9)
BINS = st.dictionaries(
    st.tuples(WIDE, WIDE), st.tuples(st.lists(WIDE, min_size=1, max_size=6), st.booleans()), max_size=6
)


def make_state(chunks: list[tuple[dict[int, int], dict[tuple[int, int], tuple[list[int], bool]]]]) -> LineState:
    coords = np.column_stack((np.arange(len(chunks)), np.arange(len(chunks)))).reshape(-1, 2)
    objects = [sorted(own.items()) for own, _ in chunks]
    full = np.array([len(own) > 0 for own in objects], bool)
    flat = [entry for own in objects for entry in own]
    ids, counts = (np.array([entry[i] for entry in flat], np.int64) for i in range(2))
    first = np.cumsum([0, *(len(own) for own in objects if own)])
    bins = [(i, i, *place, *told) for i, (_, own) in enumerate(chunks) for place, told in sorted(own.items())]
    keys = np.array([entry[:4] for entry in bins], np.int64).reshape(-1, 4)
    members = [entry[4] for entry in bins]
    heads = Heads(
        keys,
        np.cumsum([0, *map(len, members)]),
        np.array([i for own in members for i in own], np.int64),
        np.array([entry[5] for entry in bins], bool),
    )
    none = np.zeros(len(ids), np.int64)
    return LineState(Survey(coords[full], first, ids, counts, none, none > 0), heads)


def assert_equal(found: LineState, state: LineState) -> None:
    for part in ("counts", "heads"):
        for name in getattr(state, part).__dataclass_fields__:
            first, second = (getattr(getattr(s, part), name) for s in (found, state))
            np.testing.assert_array_equal(first, second)
            assert first.dtype == second.dtype


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(OBJECTS, BINS), max_size=4))
def test_they_come_back(chunks: list[Any]) -> None:
    state = make_state(chunks)
    coords, cells = encode_state(state)
    assert coords.tolist() == [[i, i] for i, (objects, bins) in enumerate(chunks) if objects or bins]
    assert_equal(decode_state(coords, cells), state)


def decode_or_none(data: bytes) -> LineState | None:
    try:
        return decode_state(np.zeros((1, 2), np.int64), [np.frombuffer(data, np.uint8)])
    except DamagedError:
        return None


@settings(max_examples=150, deadline=None)
@given(st.tuples(OBJECTS, BINS).filter(any), st.data())
def test_bad_bytes_are_damage_or_something_sound(chunk: Any, data: st.DataObject) -> None:
    _, (cell,) = encode_state(make_state([chunk]))
    bad = bytearray(cell.tobytes())
    if data.draw(st.booleans()):
        del bad[data.draw(st.integers(0, len(bad) - 1)) :]
    else:
        bad[data.draw(st.integers(0, len(bad) - 1))] ^= data.draw(st.integers(1, 255))
    found = decode_or_none(bytes(bad))
    if found is not None:
        assert (np.diff(found.counts.ids.astype(object)) > 0).all()
        assert found.counts.counts.min(initial=0) >= 0
        assert found.heads.first[-1] == len(found.heads.ids)
        assert (np.diff(found.heads.first) > 0).all()
        assert len(np.unique(found.heads.keys, axis=0)) == len(found.heads)


@pytest.mark.parametrize("count", [1, 2**32 - 1])
@pytest.mark.parametrize("at", ["objects", "bins", "members"])
def test_counts_that_lie(count: int, at: str) -> None:
    _, (cell,) = encode_state(make_state([({}, {(3, 4): ([5], True), (3, 5): ([5], True)})]))
    place = {"objects": 3, "bins": 15 + 2, "members": 15 + 6}[at]
    bad = cell.copy()
    bad[place : place + 4] = np.array([count], "<u4").view(np.uint8)
    with pytest.raises(DamagedError, match="survey"):
        decode_state(np.zeros((1, 2), np.int64), [bad])


def test_they_are_small() -> None:
    objects = {i * 3: 20 for i in range(1000)}
    bins = {(i // 30, i % 30): ([i, i + 7, i * 2], False) for i in range(900)}
    _, (cell,) = encode_state(make_state([(objects, bins)]))
    assert len(cell) < 2.2 * len(objects) + 10 * len(bins)


def test_choices_come_back_and_damage_is_found() -> None:
    classes = Heads(np.array([[0], [5]]), np.array([0, 2, 3]), np.array([5, -2, 9]), np.array([True, False]))
    choice = Choice(classes, (3, None, -7))
    document: Any = json.loads(json.dumps(choice.document()))
    found = Choice.parse(document)
    assert found.document() == choice.document()
    assert found.leaders == choice.leaders
    document["classes"][0][2][0] += 1
    for bad in (document, {}, [], 3):
        with pytest.raises(DamagedError):
            Choice.parse(bad)
