from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.neuroglancer.encoding.columns import attribute_id, least_type, plan_column, property_id


@settings(max_examples=80)
@given(st.lists(st.text(max_size=80), max_size=8))
def test_any_names_become_allowed_ids_that_differ_and_stay(names: list[str]) -> None:
    def ids_of(make: type[str] | object) -> list[str]:
        taken: list[str] = []
        for name in names:
            taken.append(make(name, taken))  # type: ignore[operator]
        return taken

    for make in (property_id, attribute_id):
        ids = ids_of(make)
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[a-z][a-zA-Z0-9_]*", found) and "__" not in found for found in ids)
        assert ids == ids_of(make)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("swc_type", "swc_type"),
        ("X [nm]", "x_nm"),
        ("Éclat", "eclat"),
        ("1st", "p1st"),
        ("\u5bc6\u5ea6", "p"),
        ("", "p"),
    ],
)
def test_ids_stay_close_to_the_name(name: str, found: str) -> None:
    assert property_id(name) == found
    assert property_id(name, {found}) == f"{found}_2"


def test_words_of_the_shader_language_are_no_attributes_of_skeletons() -> None:
    assert attribute_id("length") == "length_attribute"
    assert attribute_id("radius") == "radius"


@settings(max_examples=80)
@given(
    st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]),
    st.lists(st.integers(-(2**63), 2**64 - 1), min_size=1, max_size=5),
    st.booleans(),
)
def test_integers_of_known_range_keep_their_values(dtype: str, numbers: list[int], has_absent: bool) -> None:
    info = np.iinfo(dtype)
    values = np.array([min(max(n, int(info.min)), int(info.max)) for n in numbers], dtype)
    absent = int(info.min) if info.min else int(info.max)
    known = values[values != absent] if has_absent else values
    if not len(known):
        return
    plan = plan_column(
        "a", dtype, value_range=(int(known.min()), int(known.max())), absent=absent if has_absent else None
    )
    kind = plan.properties[0].type
    found = plan.encode(values)["a"]
    assert found.dtype == kind
    is_known = (values != absent) | (not has_absent)
    if kind == "float32":
        assert plan.notes
        np.testing.assert_array_equal(found[is_known], values[is_known].astype("f4"))
        assert np.isnan(found[~is_known]).all()
    else:
        assert found[is_known].tolist() == values[is_known].tolist()
        assert not np.isin(found[~is_known], found[is_known]).any()


def test_types_are_the_shortest_that_hold_all() -> None:
    assert [least_type(*r) for r in ((0, 255), (-1, 127), (-1, 128), (0, 65536), (-1, 2**31 - 1), (-1, 2**31))] == [
        "uint8", "int8", "int16", "uint32", "int32", None,
    ]  # fmt: skip


def test_values_beyond_a_range_that_was_only_a_hint_become_the_nearest() -> None:
    plan = plan_column("a", "i8", value_range=(0, 10), absent=-(2**63))
    (kept,) = plan.properties
    assert kept.type == "uint8" and kept.labels == {255: "no value"}
    assert plan.encode(np.array([-5, 10, 255, 2**40, -(2**63)]))["a"].tolist() == [0, 10, 254, 254, 255]
    assert plan_column("a", "u4", value_range=(0, 3)).encode(np.array([2**32 - 1], "u4"))["a"].tolist() == [255]


def test_floats_keep_nan_and_infinity() -> None:
    plan = plan_column("a", "f8")
    found = plan.encode(np.array([np.nan, np.inf, 1e300, 0.1]))["a"]
    assert plan.properties[0].type == "float32" and found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([np.nan, np.inf, np.inf, 0.1], np.float32))


def test_booleans_and_categories_have_labels() -> None:
    plan = plan_column("is_tip", "?")
    assert plan.properties[0].labels == {0: "false", 1: "true"}
    assert plan.encode(np.array([True, False]))["is_tip"].tolist() == [1, 0]
    plan = plan_column("kind", "i4", labels=("soma", "axon"), absent=-1)
    assert plan.properties[0].labels == {0: "soma", 1: "axon", 255: "no value"}
    assert plan.encode(np.array([1, -1, 0], "i4"))["kind"].tolist() == [1, 255, 0]
    assert plan_column("kind", "i8", labels=[str(i) for i in range(300)]).properties[0].type == "uint16"


def test_channels_become_scalars_or_one_colour() -> None:
    assert [p.id for p in plan_column("dir", "f4", (3,), taken={"dir_y"}).properties] == ["dir_x", "dir_y_2", "dir_z"]
    assert [p.id for p in plan_column("v", "f4", (4,)).properties] == ["v_0", "v_1", "v_2", "v_3"]
    assert [p.id for p in plan_column("v", "f4", (2,), channels=("u", "v")).properties] == ["v_u", "v_v"]
    colour = plan_column("face_color", "u1", (4,))
    assert [p.type for p in colour.properties] == ["rgba"]
    assert colour.encode(np.full((2, 4), 9, np.uint8))["face_color"].shape == (2, 4)
    assert plan_column("a", "u1", (3,), channels=("R", "G", "B")).properties[0].type == "rgb"
    assert len(plan_column("triple", "u1", (3,)).properties) == 3
    plan = plan_column("dir", "f8", (3,))
    assert {k: v.tolist() for k, v in plan.encode(np.arange(6.0).reshape(2, 3)).items()} == {
        "dir_x": [0, 3], "dir_y": [1, 4], "dir_z": [2, 5],
    }  # fmt: skip
    with pytest.raises(InvalidInputError):
        plan.encode(np.zeros((2, 2)))


def test_integers_of_64_bits_of_unknown_range_are_told_of() -> None:
    plan = plan_column("id", "u8")
    assert plan.properties[0].type == "float32" and "float32" in plan.notes[0]
    with pytest.raises(InvalidInputError):
        plan_column("a", "U4")
