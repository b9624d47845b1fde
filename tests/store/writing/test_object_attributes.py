"""Attributes of objects: what is there comes back, what is absent is masked, and the two are never confused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import zvview
from zvview.errors import InvalidInputError
from zvview.store.writing.object_ids import ObjectIds

INTEGERS = ["int8", "int16", "int32", "uint8", "uint16", "uint32"]


def there_and_back(*values: Any) -> np.ma.MaskedArray[Any, Any]:
    """An attribute whose values come in several batches."""
    held: dict[str, bytes] = {}
    store = zvview.create(held, kind="line")
    with store.writer() as writer:
        for part in values:
            ends = np.zeros((len(part), 2, 3), np.float32)
            writer.append(zvview.Lines.from_endpoints(ends), {"a": part})
    return store.level(0).object_attribute("a")


def marker_of(dtype: np.dtype[Any]) -> int:
    return int(np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(st.sampled_from([*INTEGERS, "bool", "float32"]), st.integers(1, 6)), st.data())
def test_values_and_masks_come_back(values: Any, data: st.DataObject) -> None:
    mask = data.draw(hnp.arrays(bool, len(values)))
    if values.dtype.kind == "f":
        mask |= np.isnan(values)
    found = there_and_back(np.ma.MaskedArray(values, mask))
    assert np.ma.getmaskarray(found).tolist() == mask.tolist()
    assert found[~mask].tolist() == values[~mask].tolist()


def test_false_is_not_absent() -> None:
    found = there_and_back(np.array([True, False, False]))
    assert found.dtype == np.int8
    assert found.tolist() == [1, 0, 0]
    assert there_and_back([True, None, False]).tolist() == [1, None, 0]
    assert there_and_back(np.array([True]), [None, False]).tolist() == [1, None, 0]


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_that_look_absent_are_stored_wider(name: str) -> None:
    dtype = np.dtype(name)
    marker = marker_of(dtype)
    assert there_and_back(np.array([1, 2], dtype)).dtype == dtype
    for values in ([np.array([marker, 1], dtype)], [np.array([1], dtype), np.array([marker], dtype)]):
        found = there_and_back(*values)
        assert found.dtype.itemsize == 2 * dtype.itemsize
        assert sorted(found.tolist()) == sorted([marker, 1])
    found = there_and_back(np.ma.MaskedArray(np.array([marker, marker], dtype), [False, True]))
    assert found.tolist() == [marker, None]


@pytest.mark.parametrize("name", ["int64", "uint64"])
def test_the_widest_integers_that_look_absent_are_refused(name: str) -> None:
    dtype = np.dtype(name)
    with pytest.raises(InvalidInputError, match="marks absent values"):
        there_and_back(np.array([1, marker_of(dtype)], dtype))
    masked = np.ma.MaskedArray(np.array([1, marker_of(dtype)], dtype), [False, True])
    assert there_and_back(masked).tolist() == [1, None]


def test_rows_are_absent_when_all_their_channels_are() -> None:
    found = there_and_back(np.array([[-128, 1], [3, -128]], np.int8))
    assert found.dtype == np.int8
    assert found.tolist() == [[-128, 1], [3, -128]]
    found = there_and_back(np.array([[-128, -128], [3, 4]], np.int8))
    assert found.dtype == np.int16
    assert found.tolist() == [[-128, -128], [3, 4]]
    half = np.ma.MaskedArray(np.array([[5, -128]], np.int8), [[True, False]])
    assert not np.ma.getmaskarray(there_and_back(half)).any()


def test_empty_text_is_absent() -> None:
    assert there_and_back(["a", "", None]).tolist() == ["a", None, None]
    assert there_and_back(["", ""]).tolist() == [None, None]
    assert there_and_back(["a"], ["longer than before"]).tolist() == ["a", "longer than before"]


def test_what_is_wider_is_declared_so() -> None:
    ids = ObjectIds()
    ids.add_points(np.array([0, 1]))
    ids.add_attributes({"a": np.array([True, False]), "b": np.array([-128, 1], np.int8)})
    specs = {name: zvview.AttributeSpec(unit="1") for name in ("a", "b", "not given")}
    assert {name: entry["dtype"] for name, entry in ids.declared(specs).items()} == {"a": "int8", "b": "int16"}


@pytest.mark.parametrize("width", [0, 3])
def test_attributes_without_a_value_in_a_row_are_refused(width: int) -> None:
    positions = np.zeros((2, 3), np.float32)
    values = np.zeros((2, width), np.float32)

    def write(batch: zvview.Batch, **extras: Any) -> zvview.Level:
        store = zvview.create({}, kind=batch.kind)
        store.write(batch, **extras)
        return store.level(0)

    ways: list[Any] = [
        lambda: write(zvview.Points(positions, attributes={"a": values})).read().attributes["a"],
        lambda: write(zvview.Points(positions, [0, 1]), object_attributes={"a": values}).object_attribute("a"),
        lambda: (
            write(zvview.Graph(positions, edges=[[0, 1], [1, 0]], link_attributes={"a": values}))
            .read()
            .link_attributes["a"]
        ),  # type: ignore[attr-defined]
        lambda: write(
            zvview.Points(positions, [0, 1]), groups={"g": [0], "h": [1]}, group_attributes={"a": values}
        ).group_attribute("a"),
    ]
    for way in ways:
        if width:
            assert way().shape == (2, width)
        else:
            with pytest.raises(InvalidInputError, match=r"\(2, 0\)"):
                way()
