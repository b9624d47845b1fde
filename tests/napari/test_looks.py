"""Looks of saved layers: back from JSON as they were, and never in the way where they are no looks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Points, Surface

from zvview.format.attributes import AttributeMetadata
from zvview.napari.looks import LOOK_KEY, dress, encode_look, parse_look, with_look
from zvview.napari.tails import Tail
from zvview.samples import Look
from zvview.style import Colouring

ATTRIBUTES = {
    "score": AttributeMetadata("score", np.dtype("f4")),
    "rgb": AttributeMetadata("rgb", np.dtype("u1"), (3,)),
}
LOOKS = [
    Look(),
    Look(Colouring("attribute", "score", "inferno", (1.0, 2.0)), 0.5, "additive", False, 3.5, symbol="star"),
    Look(Colouring("rgba", "rgb"), line_width=2.0, fill=0.25, tail=30.0, head=0.0),
    Look(Colouring(colour=(0.25, 0.5, 0.75, 1.0)), shading="smooth"),
]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=5,
)
NAMES = [*encode_look(replace(LOOKS[1], line_width=1.0, fill=1.0, shading="flat", tail=1.0, head=1.0)), "other"]


@pytest.mark.parametrize("look", LOOKS)
def test_looks_come_back_from_json(look: Look) -> None:
    told = json.loads(json.dumps({LOOK_KEY: encode_look(look)}))
    assert parse_look(told, ATTRIBUTES) == look


def test_colours_by_what_the_store_lacks_are_left_out() -> None:
    told = {LOOK_KEY: json.loads(json.dumps(encode_look(LOOKS[1])))}
    found = parse_look(told, {})
    assert found is not None and found.colouring is None and found.opacity == 0.5


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
