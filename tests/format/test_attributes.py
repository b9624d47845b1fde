"""Attributes: dtypes, widths, categories, absent values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import DamagedError, InvalidInputError
from zvview.format.attributes import (
    AttributeMetadata,
    Categories,
    absent_value,
    encode_categories,
    find_absent,
    parse_dtype,
    rows_of,
)


def cells_of(*arrays: Any) -> list[Any]:
    return [np.ascontiguousarray(a).reshape(-1).view(np.uint8) for a in arrays]


@pytest.mark.parametrize("name", ["bool", "int8", "uint64", "float16", "float64"])
def test_dtypes_that_cells_may_have(name: str) -> None:
    assert parse_dtype(name, "p") == np.dtype(name).newbyteorder("<")


@pytest.mark.parametrize(
    "name", ["object", "O", "U5", "S3", "datetime64[s]", "complex64", "float128", "i4,i4", "(2,)i4", 5]
)
def test_dtypes_that_cells_may_not_have(name: object) -> None:
    with pytest.raises(DamagedError, match="dtype"):
        parse_dtype(name, "p")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=5), st.integers(1, 3), st.sampled_from(["uint8", "float32", "int64"]))
def test_widths_follow_from_the_data(counts: list[int], width: int, name: str) -> None:
    dtype = np.dtype(name)
    rows = [np.arange(n * width, dtype=dtype).reshape(n, width) for n in counts]
    found = rows_of(cells_of(*rows), np.array(counts, np.int64), dtype)
    for values, expected in zip(found, rows, strict=True):
        assert np.array_equal(values.reshape(-1, width) if width > 1 else values[:, None], expected)


@pytest.mark.parametrize(
    ("sizes", "counts", "bad"),
    [([8, 7], [2, 2], (1,)), ([8, 0], [2, 2], (1,)), ([0, 4], [0, 0], (1,)), ([8, 8, 16], [2, 2, 2], (2,))],
)
def test_cells_of_other_sizes_are_damage(sizes: list[int], counts: list[int], bad: tuple[int, ...]) -> None:
    with pytest.raises(DamagedError) as caught:
        rows_of([np.zeros(n, np.uint8) for n in sizes], np.array(counts), np.dtype("float32"))
    assert caught.value.cells == bad


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text("abc", max_size=2)), max_size=9))
def test_categories_there_and_back(values: list[str | None]) -> None:
    codes, categories = encode_categories(np.array([*values, None], object)[:-1])
    assert categories.decode(codes).tolist() == values
    assert list(categories.labels) == sorted({v for v in values if v is not None})
    assert (categories.missing == -1) == (None in values) == (codes.dtype.kind == "i")


def test_codes_take_the_smallest_dtype() -> None:
    labels = [f"{i:03d}" for i in range(256)]
    assert encode_categories(np.array(labels[:255]))[0].dtype == np.uint8
    assert encode_categories(np.array(labels))[0].dtype == np.uint16
    assert encode_categories(np.array([*labels[:127], None], object))[0].dtype == np.int8
    assert encode_categories(np.array([*labels[:128], None], object))[0].dtype == np.int16
    with pytest.raises(InvalidInputError):
        encode_categories(np.array([1, "a"], object))


def test_codes_without_a_label_are_damage() -> None:
    categories = Categories(("a", "b"), missing=7)
    assert categories.decode(np.array([[1, 7], [0, 0]])).tolist() == [["b", None], ["a", "a"]]
    for code in (2, -1):
        with pytest.raises(DamagedError, match=f"code {code}"):
            categories.decode(np.array([code]))


def test_metadata_there_and_back() -> None:
    made = AttributeMetadata(
        "c",
        np.dtype("int8"),
        (2,),
        Categories(("x", "y"), missing=-1, ordered=True),
        ("one", "two"),
        "meter",
        "what it is",
    )
    assert AttributeMetadata.parse("c", made.document()) == made
    plain = AttributeMetadata.parse("v", {"dtype": "float32", "channel_names": ["r", "g", "b"]})
    assert plain.row_shape == (3,) and plain.categories is None


@pytest.mark.parametrize(
    "attributes",
    [
        {"dtype": "float32", "encoding": "dictionary", "categories": ["a"]},
        {"dtype": "uint8", "encoding": "dictionary"},
        {"dtype": "uint8", "encoding": "dictionary", "categories": [1]},
        {"dtype": "uint8", "encoding": "dictionary", "categories": ["a"], "_FillValue": "x"},
        {"dtype": "uint8", "row_shape": 3},
        {"dtype": "uint8", "channel_names": [3]},
    ],
)
def test_metadata_that_cannot_be(attributes: dict[str, Any]) -> None:
    with pytest.raises(DamagedError, match="attribute 'n'"):
        AttributeMetadata.parse("n", attributes)


@pytest.mark.parametrize("name", ["float32", "int16", "uint8"])
def test_absent_values_are_found_by_their_marker(name: str) -> None:
    dtype = np.dtype(name)
    marker = absent_value(dtype)
    values = np.array([[1, 1], [marker, marker], [marker, 1]], dtype)
    expected = [False, True, False]
    assert find_absent(values, marker).tolist() == expected
    assert find_absent(values[:, 0], marker).tolist() == [False, True, True]
    assert absent_value(np.dtype("U3")) == ""


def test_no_boolean_is_absent() -> None:
    values = np.array([[True, False], [False, False]])
    for marker in (True, False, absent_value(values.dtype)):
        assert find_absent(values, marker).tolist() == [False, False]
        assert find_absent(values[:, 1], marker).tolist() == [False, False]


@pytest.mark.parametrize(
    "wrong",
    [{"labels": None}, {"labels": "ab"}, {"labels": (1,)}, {"missing": "x"}, {"missing": True}, {"ordered": None}],
)
def test_categories_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        Categories(**{"labels": ("a",)} | wrong)
    with pytest.raises(InvalidInputError, match="codes"):
        Categories(("a",)).decode(np.array(["a"]))
