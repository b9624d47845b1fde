from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.neuroglancer.encoding.segment_properties import encode_segment_properties, tag_names


def by_name(document: Any) -> dict[str, Any]:
    parsed = json.loads(json.dumps(document, allow_nan=False))
    return {p["id"]: p for p in parsed["inline"]["properties"]}


def javascript_number(value: Any) -> float:
    """What JavaScript's conversion to a number makes of a value in JSON."""
    return math.nan if value == "NaN" else float(value)


def test_all_kinds_of_properties_are_told() -> None:
    found = encode_segment_properties(
        np.array([2**63 + 5, 2, 3], np.uint64),
        labels=["a", "b", "\u03b1"],
        descriptions=["x", "y", "z"],
        tags={"left side": np.array([2, 0]), "old": np.array([0])},
        numbers={
            "length": np.array([1.5, np.nan, np.inf]),
            "count": np.array([-1, 2, 300]),
            "is_cut": np.array([1, 0, 1], bool),
        },
        texts={"source": ["1", "2", ""]},
    )
    assert found.document["@type"] == "neuroglancer_segment_properties"
    assert found.document["inline"]["ids"] == [str(2**63 + 5), "2", "3"]
    p = by_name(found.document)
    assert p["label"] == {"id": "label", "type": "label", "values": ["a", "b", "\u03b1"]}
    assert p["tags"]["tags"] == ["left_side", "old"] and p["tags"]["values"] == [[0, 1], [], [0]]
    assert p["tags"]["tag_descriptions"] == ["left side", ""]
    assert p["count"] == {"id": "count", "type": "number", "data_type": "int16", "values": [-1, 2, 300]}
    assert p["is_cut"]["data_type"] == "uint8"
    assert p["length"]["values"] == [1.5, "NaN", "NaN"]
    assert any("infinite" in note for note in found.notes) and any("left_side" in note for note in found.notes)


@settings(max_examples=50)
@given(st.lists(st.floats(width=32), min_size=1, max_size=9))
def test_floats_come_back_as_they_were_by_few_digits(values: list[float]) -> None:
    found = by_name(encode_segment_properties(np.arange(1, len(values) + 1), numbers={"v": np.array(values)}).document)
    if not np.isfinite(values).any():
        assert found == {}
        return
    back = np.array([javascript_number(v) for v in found["v"]["values"]]).astype(np.float32)
    np.testing.assert_array_equal(back, np.where(np.isfinite(values), values, np.nan).astype(np.float32))


def test_numbers_are_short() -> None:
    found = encode_segment_properties(np.array([1]), numbers={"v": np.array([0.1])})
    assert "0.1]" in json.dumps(found.document)


def test_numbers_of_64_bits_stay_exact() -> None:
    found = encode_segment_properties(np.array([1, 2]), numbers={"root": np.array([720575940618141409, 3])})
    assert by_name(found.document)["root"] == {"id": "root", "type": "string", "values": ["720575940618141409", "3"]}
    assert "root" in found.notes[0]


@given(st.lists(st.text(max_size=12), max_size=8, unique=True))
def test_tags_differ_without_regard_to_capitals_and_have_no_spaces(names: list[str]) -> None:
    tags = tag_names(names)
    assert len({tag.lower() for tag in tags}) == len(names)
    assert all(tag and not tag.startswith("#") and not any(c.isspace() for c in tag) for tag in tags)


def test_tags_are_of_the_rows_that_have_them() -> None:
    rng = np.random.default_rng(0)
    members = {f"g{i}": rng.choice(500, 100, replace=False) for i in range(20)}
    values = by_name(encode_segment_properties(np.arange(1, 501), tags=members).document)["tags"]["values"]
    for row in range(500):
        assert values[row] == [i for i in range(20) if row in members[f"g{i}"]]


def test_sizes_are_about_right() -> None:
    n = 5_000
    found = encode_segment_properties(
        np.arange(n), labels=[f"object {i}" for i in range(n)], numbers={"v": np.random.default_rng(0).random(n)}
    )
    assert found.nbytes == pytest.approx(len(json.dumps(found.document)), rel=0.05)
    assert encode_segment_properties(np.empty(0, np.int64)).document["inline"] == {"ids": [], "properties": []}


def test_what_does_not_fit_is_refused() -> None:
    ids = np.array([1, 2])
    for bad in (
        {"labels": ["a"]}, {"tags": {"a": np.array([2])}}, {"numbers": {"a": np.zeros((2, 2))}},
        {"numbers": {"a": np.array(["x", "y"])}},
    ):  # fmt: skip
        with pytest.raises(InvalidInputError):
            encode_segment_properties(ids, **bad)  # type: ignore[arg-type]
    for wrong in ([1, 1], [-1, 2]):
        with pytest.raises(InvalidInputError):
            encode_segment_properties(np.array(wrong))
