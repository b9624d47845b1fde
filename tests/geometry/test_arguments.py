"""What callers give: taken as it is where it fits, refused by name where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zvview.errors import InvalidInputError
from zvview.geometry.arguments import (
    as_array,
    as_box,
    as_list,
    as_mapping,
    as_names,
    check_choice,
    check_type,
    to_array,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.complex_numbers()
ANYTHING = st.recursive(
    SCALARS | st.binary(max_size=3) | hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, min_side=0)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=2)
    ),
    max_leaves=6,
)
ACCEPTERS: list[Callable[[Any], object]] = [
    lambda v: to_array(v, "x"),
    lambda v: as_array(v, "x", np.int64, (None,)),
    lambda v: as_array(v, "x", np.float64, (None, 3)),
    lambda v: as_box(v, "x"),
    lambda v: as_box(v, "x", 3, is_finite=True),
    lambda v: as_list(v, "x", "anything"),
    lambda v: as_names(v, "x"),
    lambda v: as_mapping(v, "x"),
    lambda v: check_type(v, "x", int, "an integer"),
    lambda v: check_choice(v, "x", ("a", "b")),
]


@pytest.mark.parametrize("accept", ACCEPTERS)
@settings(max_examples=60, deadline=None)
@given(ANYTHING)
def test_anything_is_taken_or_refused_by_its_name(accept: Callable[[Any], object], value: Any) -> None:
    message = "x"
    try:
        accept(value)
    except InvalidInputError as error:
        message = str(error)
    assert message.startswith("x")
    assert len(message) < 400


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(hnp.integer_dtypes() | hnp.unsigned_integer_dtypes(), st.tuples(st.integers(0, 5), st.just(2))))
def test_integers_keep_their_values(values: Any) -> None:
    try:
        found = as_array(values, "x", np.int64, (None, 2))
    except InvalidInputError:
        assert int(values.max()) > np.iinfo(np.int64).max
        return
    assert found.dtype == np.int64
    assert found.tolist() == values.tolist()


def test_an_array_of_the_right_dtype_is_not_copied() -> None:
    ids = np.arange(5)
    assert as_array(ids, "x", np.int64, (5,)) is ids
    assert to_array(ids, "x") is ids


@pytest.mark.parametrize("nothing", [[], (), np.empty((0, 7)), np.empty(0, "U1")])
def test_something_empty_does_for_any_length(nothing: Any) -> None:
    found = as_array(nothing, "x", np.int64, (None, 2))
    assert found.shape == (0, 2)
    assert found.dtype == np.int64


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        ([1.0], np.int64, (1,)),
        ([True], np.int64, (1,)),
        (["1"], np.float64, (1,)),
        ([1j], np.float64, (1,)),
        ([None], np.float64, (1,)),
        ([1, 2], np.int64, (3,)),
        ([[1], [2, 3]], np.float64, (None, None)),
        (3, np.int64, (None,)),
        ([2**63], np.int64, (1,)),
        ([2**64], np.int64, (1,)),
        ([], np.int64, (2,)),
        (np.array(["2020"], "datetime64[Y]"), np.int64, (1,)),
    ],
)
def test_what_is_no_such_array_is_refused(value: Any, dtype: Any, shape: Any) -> None:
    with pytest.raises(InvalidInputError, match="ids"):
        as_array(value, "ids", dtype, shape)


def test_boxes() -> None:
    lo, hi = as_box(((0, -np.inf), [1.5, np.inf]), "box", 2)
    assert lo.tolist() == [0, -np.inf]
    assert hi.tolist() == [1.5, np.inf]
    wrong = [
        5,
        "ab",
        (1, 2, 3),
        ((0, 0),),
        ((0, 0), (1,)),
        ((1, 0), (0, 1)),
        ((0, np.nan), (1, 1)),
        ((), ()),
        {"lo": 1},
    ]
    for value in wrong:
        with pytest.raises(InvalidInputError, match="box"):
            as_box(value, "box")
    with pytest.raises(InvalidInputError, match="finite"):
        as_box(((0,), (np.inf,)), "box", is_finite=True)
    with pytest.raises(InvalidInputError, match=r"\(2,\)"):
        as_box(((0,), (1,)), "box", 2)


def test_lists_names_and_mappings() -> None:
    assert as_list(iter((1, 2)), "x", "items") == [1, 2]
    assert as_names(("a", np.str_("b")), "x") == ("a", "b")
    assert as_mapping(None, "x") == {}
    assert as_mapping({"a": 1}, "x") == {"a": 1}
    for value in ("ab", b"ab", {"a": 1}, 5, None, np.array(5), range(10**30)):
        with pytest.raises(InvalidInputError, match="expected items"):
            as_list(value, "x", "items")
    for names in ("ab", ["a", 1], [None]):
        with pytest.raises(InvalidInputError, match="list of names"):
            as_names(names, "x")
    for mapping in ([("a", 1)], 5, {1: 2}, "a"):
        with pytest.raises(InvalidInputError, match="mapping by name"):
            as_mapping(mapping, "x")


def test_types_and_choices() -> None:
    check_type(np.int64(3), "x", (int, np.integer), "an integer")
    check_type(True, "x", bool, "a boolean")
    check_choice("a", "x", ("a",))
    with pytest.raises(InvalidInputError, match="x = True, expected an integer"):
        check_type(True, "x", (int, np.integer), "an integer")
    for value in ("b", None, np.zeros((2, 2)), ["a"]):
        with pytest.raises(InvalidInputError, match="expected one of 'a'"):
            check_choice(value, "x", ("a",))


def test_errors_repeat_little_of_what_was_given() -> None:
    with pytest.raises(InvalidInputError) as caught:
        as_array(["x" * 10_000], "ids", np.int64, (None,))
    assert len(str(caught.value)) < 250
