"""The bytes of surveys: they come back as they were, and bad ones end as damage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import DamagedError
from zvview.pyramid.line_survey import Survey
from zvview.pyramid.survey_cells import decode_survey, encode_survey

WIDE = st.integers(-(2**63), 2**63 - 1)
ENTRY = st.tuples(WIDE, st.integers(0, 2**40), st.integers(0, 2**48), st.booleans())


def make_survey(chunks: list[list[tuple[int, int, int, bool]]]) -> Survey:
    chunks = [sorted({entry[0]: entry for entry in entries}.values()) for entries in chunks]
    flat = [entry for entries in chunks for entry in entries]
    ids, counts, lengths = (np.array([entry[i] for entry in flat], np.int64) for i in range(3))
    first = np.cumsum([0, *map(len, chunks)])
    coords = np.column_stack((np.arange(len(chunks)), np.arange(len(chunks))))
    return Survey(coords, first, ids, counts, lengths, np.array([entry[3] for entry in flat], bool))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(ENTRY, min_size=1, max_size=12), max_size=4))
def test_surveys_come_back(chunks: list[list[Any]]) -> None:
    survey = make_survey(chunks)
    found = decode_survey(survey.chunks, encode_survey(survey))
    for name in Survey.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(found, name), getattr(survey, name))
        assert getattr(found, name).dtype == getattr(survey, name).dtype


def decode_or_none(data: bytes) -> Survey | None:
    try:
        return decode_survey(np.zeros((1, 2), np.int64), [np.frombuffer(data, np.uint8)])
    except DamagedError:
        return None


@settings(max_examples=60, deadline=None)
@given(st.lists(ENTRY, min_size=1, max_size=9), st.data())
def test_bad_bytes_are_damage_or_a_survey(entries: list[Any], data: st.DataObject) -> None:
    (cell,) = encode_survey(make_survey([entries]))
    bad = bytearray(cell.tobytes())
    if data.draw(st.booleans()):
        del bad[data.draw(st.integers(0, len(bad) - 1)) :]
    else:
        bad[data.draw(st.integers(0, len(bad) - 1))] ^= data.draw(st.integers(1, 255))
    found = decode_or_none(bytes(bad))
    assert found is None or (np.diff(found.ids.astype(object)) > 0).all()
    assert found is None or min(found.counts.min(), found.lengths.min()) >= 0


@pytest.mark.parametrize("count", [0, 2**32 - 1])
def test_counts_that_lie(count: int) -> None:
    (cell,) = encode_survey(make_survey([[(1, 1, 1, True), (5, 1, 1, False)]]))
    bad = cell.copy()
    bad[4:8] = np.array([count], "<u4").view(np.uint8)
    with pytest.raises(DamagedError, match="survey"):
        decode_survey(np.zeros((1, 2), np.int64), [bad])


def test_they_are_small() -> None:
    entries = [(i * 3, 20, 1500 + i % 300, i % 9 == 0) for i in range(1000)]
    (cell,) = encode_survey(make_survey([entries]))
    assert len(cell) < 4.2 * len(entries)
