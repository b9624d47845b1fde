"""Features as attributes: numbers, text, categories, missing values and names that a store can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.geometry.batches import Points
from zvview.napari.writing.columns import free_name, take_columns


def taken(features: Any, count: int = 3, **kwargs: Any) -> Points:
    """What comes out as a batch decodes it."""
    columns = take_columns(features, count, **kwargs)
    return Points(np.zeros((count, 2)), attributes=columns.values, categories=columns.categories)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (np.array([1, 2, 3], np.int16), [1, 2, 3]),
        (np.array([1, 2, 3], np.float16), [1, 2, 3]),
        ([True, False, True], [True, False, True]),
        (["b", "a", "b"], ["b", "a", "b"]),
        (["b", None, "b"], ["b", None, "b"]),
        (pd.Categorical(["b", "a", None], categories=["b", "a", "c"]), ["b", "a", None]),
        (pd.Categorical([3, 1, 3]), ["3", "1", "3"]),
        (pd.array([1, 2, 3], dtype="Int32"), [1, 2, 3]),
        (pd.array(["x", None, "z"], dtype="string"), ["x", None, "z"]),
        (pd.to_datetime(["2020-01-01", "2020-01-02", None]), ["2020-01-01 00:00:00", "2020-01-02 00:00:00", None]),
        ([1, "two", 3.5], ["1", "two", "3.5"]),
        ([None, None, None], [None, None, None]),
    ],
)
def test_values_come_out_as_they_went_in(column: Any, expected: list[Any]) -> None:
    assert taken(pd.DataFrame({"a": column})).labels("a").tolist() == expected


def test_numbers_that_are_missing_are_not_numbers() -> None:
    values = taken(pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64")})).attributes["a"]
    np.testing.assert_array_equal(values, [1, np.nan, 3])


def test_order_of_categories_is_kept() -> None:
    column = pd.Categorical(["low", "high", "low"], categories=["low", "mid", "high"], ordered=True)
    found = take_columns({"a": column}, 3).categories["a"]
    assert (found.labels, found.ordered, found.missing) == (("low", "mid", "high"), True, None)


@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_any_text_comes_out_as_it_went_in(texts: list[str | None]) -> None:
    column = pd.Series(texts, dtype=object)
    assert taken(pd.DataFrame({"a": column}), len(texts)).labels("a").tolist() == texts


def test_names_are_made_fit_and_told() -> None:
    columns = take_columns({"a/b": [1], "a_b": [2], "size": [3], "": [4]}, 1, reserved=("size",))
    assert list(columns.values) == ["a_b", "a_b_", "size_", "feature"]
    assert len(columns.notes) == 4 and "'a/b' is saved as 'a_b'" in columns.notes[0]
    assert free_name("..", ()) == "feature"


def test_no_features_are_no_attributes() -> None:
    assert not take_columns(None, 5).values and not take_columns({}, 5).values
    assert not take_columns({"a": [1, 2]}, 5).values  # of another length


def test_rows_are_repeated_and_labels_told() -> None:
    columns = take_columns({"n": [1, 2], "t": ["a", None]}, 2)
    assert columns.repeated([1, 2])["n"].tolist() == [1, 2, 2]
    assert columns.texts()["t"].tolist() == ["a", None]


def test_channels_are_one_attribute_again() -> None:
    table = {
        "v[0]": [1.0, 2],
        "n": [1, 2],
        "v[1]": [3.0, 4],
        "w[0]": [1, 2],
        "x[1]": [1, 2],
        "y[0]": [1, 2],
        "y[1]": "ab",
    }
    found = take_columns(pd.DataFrame({k: list(v) for k, v in table.items()}), 2)
    assert list(found.values) == ["v", "n", "w[0]", "x[1]", "y[0]", "y[1]"]
    assert found.values["v"].tolist() == [[1, 3], [2, 4]] and not found.notes
    both = pd.DataFrame({"v": [1], "v[0]": [2], "v[1]": [3]})
    assert list(take_columns(both, 1).values) == ["v", "v[0]", "v[1]"]
