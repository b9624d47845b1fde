"""Looks of saved layers: back from JSON as they were, and never in the way where they are no looks."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Points, Surface

from zvview.format.attributes import AttributeMetadata, Categories
from zvview.format.metadata import Axis
from zvview.napari.frame import Frame
from zvview.napari.looks import LOOK_KEY, dress, encode_look, parse_look, place_layer, with_look
from zvview.napari.private.point_columns import PointColumns
from zvview.napari.tails import Tail
from zvview.samples import Look
from zvview.style import Colouring

ATTRIBUTES = {
    "score": AttributeMetadata("score", np.dtype("f4")),
    "rgb": AttributeMetadata("rgb", np.dtype("u1"), (3,)),
    "rgba": AttributeMetadata("rgba", np.dtype("f4"), (4,)),
    "kind": AttributeMetadata("kind", np.dtype("i1"), categories=Categories(("disc", "star", "own"), -1)),
}
BY_VERTEX = ("size_by", "symbol_by", "border_width_by", "border_colour_by", "shown_by", "fill_by")
LOOKS = [
    Look(),
    Look(Colouring("attribute", "score", "inferno", (1.0, 2.0)), 0.5, "additive", False, 3.5, symbol="star"),
    Look(Colouring("rgba", "rgb"), line_width=2.0, fill=0.25, tail=30.0, head=0.0),
    Look(Colouring(colour=(0.25, 0.5, 0.75, 1.0)), shading="smooth", wireframe=(1.0, 0.0, 0.0, 1.0, 2.0)),
    Look(border_width=0.25, border_colour=(1.0, 0.0, 0.0, 0.5), antialiasing=2.0, size_limits=(3.0, 90.0)),
    Look(size_by="score", symbol_by="kind", border_width_by="score", border_colour_by="rgba", shown_by="score"),
    Look(world_width=2.5, fill=1.0, fill_by="rgba", placement=((2.0, 0.0, -5.0), (0.0, 0.5, 1e9))),
]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=5,
)
NAMES = [*(field.name for field in fields(Look)), "other"]


@pytest.mark.parametrize("look", LOOKS)
def test_looks_come_back_from_json(look: Look) -> None:
    told = json.loads(json.dumps({LOOK_KEY: encode_look(look)}))
    assert parse_look(told, ATTRIBUTES) == look


def test_colours_by_what_the_store_lacks_are_left_out() -> None:
    told = {LOOK_KEY: json.loads(json.dumps(encode_look(LOOKS[1])))}
    found = parse_look(told, {})
    assert found is not None and found.colouring is None and found.opacity == 0.5


@pytest.mark.parametrize("name", BY_VERTEX)
def test_looks_of_each_by_what_cannot_tell_it_are_left_out(name: str) -> None:
    fitting = {"symbol_by": "kind", "border_colour_by": "rgba", "fill_by": "rgba"}.get(name, "score")
    for other in (*ATTRIBUTES, "absent"):
        found = parse_look({LOOK_KEY: {name: other}}, ATTRIBUTES)
        assert found is not None and getattr(found, name) == (other if other == fitting else None)


def test_points_look_as_attributes_say_and_alike_where_a_level_lacks_them() -> None:
    columns = PointColumns.of(LOOKS[5], ATTRIBUTES)
    features = {"score": np.array([0.5, np.nan, 2.0]), "kind": np.array([1, 2, -1])}
    features |= {f"rgba[{channel}]": np.array([0.0, 0.5, 7.0]) for channel in range(4)}
    np.testing.assert_array_equal(columns.sizes(features), [0.5, 0, 2])
    np.testing.assert_array_equal(columns.border_widths(features), [0.5, 0, 1])
    np.testing.assert_array_equal(columns.border_colours(features), np.repeat([[0], [0.5], [1]], 4, axis=1))
    np.testing.assert_array_equal(columns.are_shown({"score": np.array([0, 0.3, 1])}), [False, True, True])
    assert list(map(str, columns.symbols_of(features))) == ["star", "disc", "disc"]
    for give in (columns.sizes, columns.border_widths, columns.border_colours, columns.are_shown, columns.symbols_of):
        assert give({}) is None


@given(st.permutations(range(3)), st.lists(st.floats(-5, 5), min_size=12, max_size=12))
@settings(max_examples=25, deadline=None)
def test_layers_lie_where_the_look_says(order: list[int], numbers: list[float]) -> None:
    rows = np.array(numbers).reshape(3, 4) + 20 * np.eye(3, 4)
    frame = Frame.of([Axis(n, "space") for n in "abc"], ([0] * 3, [1] * 3), [1] * 3)
    frame = replace(frame, order=tuple(order), origin=np.array([10.0, 20, 30]))
    layer = Points(np.zeros((1, 3)), translate=frame.origin)
    place_layer(layer, Look(placement=tuple(map(tuple, rows.tolist()))), frame)
    point = np.array([3.0, -4, 7])
    found = np.array(layer.data_to_world(frame.to_layer(point[None])[0]))
    np.testing.assert_allclose(found, (rows @ [*point, 1])[list(order)], rtol=1e-4, atol=1e-3)
    place_layer(layer, Look(placement=((1.0, 0.0),)), frame)  # of another number of axes
    np.testing.assert_allclose(layer.data_to_world(frame.to_layer(point[None])[0]), found)


@pytest.mark.parametrize(
    "by",
    [
        Colouring("rgba", "score"),
        Colouring("category", "score"),
        Colouring("attribute", "score", channel=1),
        Colouring("attribute", "rgb", channel=3),
    ],
)
def test_colours_by_what_gives_none_are_left_out(by: Colouring) -> None:
    found = parse_look(json.loads(json.dumps({LOOK_KEY: encode_look(Look(by))})), ATTRIBUTES)
    assert found == Look()


@given(st.one_of(JSON, st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6)))
@settings(max_examples=100, deadline=None)
def test_whatever_stands_there_gives_a_look_or_none(told: Any) -> None:
    found = parse_look({LOOK_KEY: told}, ATTRIBUTES)
    assert found is None or 0 <= found.opacity <= 1
    if found is not None:
        dress(Points(np.zeros((1, 2))), found)


@given(st.dictionaries(st.sampled_from(["mode", "name", "colourmap", "limits", "channel", "colour"]), JSON))
@settings(max_examples=60, deadline=None)
def test_whatever_stands_for_a_colouring_is_one_or_none(told: Any) -> None:
    whole = {**json.loads(json.dumps(encode_look(LOOKS[1])))["colouring"], **told}
    found = parse_look({LOOK_KEY: {"colouring": whole}}, ATTRIBUTES)
    assert found is not None and (found.colouring is None or isinstance(found.colouring, Colouring))


def test_layers_are_dressed() -> None:
    layer = Surface((np.eye(3), np.array([[0, 1, 2]])))
    dress(layer, Look(opacity=0.5, blending="additive", is_visible=False, shading="smooth"))
    assert (layer.opacity, layer.blending, layer.visible, layer.shading) == (0.5, "additive", False, "smooth")
    dress(layer, Look(blending="no such thing", shading="neither"))
    assert (layer.blending, layer.shading) == ("additive", "smooth")


def test_tails_are_those_of_the_look() -> None:
    assert with_look(None, Look(tail=3)) is None
    assert with_look(Tail(0, 5, 2), Look(tail=3)) == Tail(0, 3, 2)
    assert with_look(Tail(0, 5, 2), Look(head=0)) == Tail(0, 5, 0)
