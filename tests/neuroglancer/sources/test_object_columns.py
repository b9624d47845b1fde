"""Attributes and groups of objects as properties: values of the right object, and none where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.neuroglancer.sources.object_columns import ObjectColumns

IDS = np.array([40, 7, 300])


def columns_of(attributes: dict[str, Any], groups: Any = None) -> ObjectColumns:
    place: dict[str, Any] = {}
    lines = [np.array([[i, 0, 0], [i, 1, 0]], np.float32) for i in range(3)]
    with zvview.create(place, kind="polyline", axes="xyz", chunk_shape=(10,) * 3) as store:
        store.write(zvview.Polylines.from_list(lines, object_ids=IDS), object_attributes=attributes, groups=groups)
        return ObjectColumns.of(store.level(0))


def labels_of(columns: ObjectColumns, name: str) -> list[str]:
    """What the values of a property mean, for each object and for one that is not known."""
    (found,) = columns.by_attribute[name]
    values = columns.encode(np.append(IDS, 5))[found.id]
    assert values.dtype == found.type and found.labels is not None
    return [found.labels[int(value)] for value in values]


def test_numbers_are_those_of_the_object() -> None:
    columns = columns_of({"length": np.array([1.5, np.nan, 3], "f4"), "count": np.array([-3, 0, 500])})
    values = columns.encode(np.append(IDS, 5))
    assert np.array_equal(values["length"], np.array([1.5, np.nan, 3, np.nan], "f4"), equal_nan=True)
    assert values["count"][:3].tolist() == [-3, 0, 500]
    (count,) = columns.by_attribute["count"]
    assert count.type == "int16" and count.labels == {int(values["count"][3]): "no value"}


def test_text_becomes_labels() -> None:
    columns = columns_of({"name": np.array(["left", None, "right"], object)})
    assert labels_of(columns, "name") == ["left", "no value", "right", "no value"]


def test_the_first_group_is_told() -> None:
    columns = columns_of({}, {"one": [7, 40], "two": [40, 7]})
    assert labels_of(columns, "group") == ["one", "one", "no value", "no value"]
    assert columns.notes == ("of objects in several groups the first is shown",)


def test_several_channels_and_names_that_are_taken() -> None:
    columns = columns_of({"centre": np.arange(9, dtype="f4").reshape(3, 3), "Object": np.array([1.0, 2, 3], "f4")})
    values = columns.encode(IDS)
    assert np.column_stack([values[p.id] for p in columns.by_attribute["centre"]]).tolist() == [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7, 8],
    ]
    assert [p.id for p in columns.by_attribute["Object"]] == ["object_2"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-(2**40), 2**40), min_size=3, max_size=3))
def test_integers_that_fit_are_exact(numbers: list[int]) -> None:
    columns = columns_of({"n": np.array(numbers, np.int64)})
    (told,) = columns.by_attribute["n"]
    values = columns.encode(IDS)[told.id]
    if told.type == "float32":
        assert np.allclose(values, numbers, rtol=1e-6)
        assert max(map(abs, numbers)) > 2**16
    else:
        assert values.tolist() == numbers


def test_stores_without_objects_have_none() -> None:
    with zvview.create({}, kind="point_cloud", axes="xyz", chunk_shape=(10,) * 3) as store:
        store.write(zvview.Points(np.ones((3, 3), np.float32)))
        columns = ObjectColumns.of(store.level(0))
    assert columns.specs == () and columns.encode(np.array([1, 2])) == {}


def test_too_many_labels_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zvview.neuroglancer.sources.object_columns._MOST_LABELS", 2)
    columns = columns_of({"name": np.array(["a", "b", "c"])})
    assert columns.specs == () and "too many" in columns.notes[0]
