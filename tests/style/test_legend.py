"""The legend names what colours mean, in the colours that are drawn."""

from __future__ import annotations

import numpy as np

from zvview.style import Colouring, Membership, legend_of, legend_text
from zvview.style.colourmaps import colour_codes


def test_labels_have_the_colours_of_their_codes() -> None:
    by = Colouring("category", "type")
    entries = legend_of(by, labels=("pre", "post"))
    assert [entry.label for entry in entries] == ["pre", "post"]
    np.testing.assert_allclose([entry.colour for entry in entries], colour_codes(np.arange(2)))
    assert legend_text(by, entries) == "type: pre #e6194b, post #3cb44b"


def test_limits_groups_and_directions() -> None:
    ends = legend_of(Colouring("attribute", "radius", limits=(0.5, 2.0)), unit="um")
    assert [entry.label for entry in ends] == ["0.5 um", "2 um"]
    assert legend_text(Colouring("group"), legend_of(Colouring("group"), labels=("left",))) == "group: left #e6194b"
    assert legend_text(Colouring("direction"), legend_of(Colouring("direction"))).startswith("direction: x #ff0000")
    assert [entry.label for entry in legend_of(Colouring("direction"), axes=("right", "up"))] == ["right", "up"]


def test_what_has_no_name_has_no_legend() -> None:
    assert legend_of(Colouring("object")) == () == legend_of(Colouring()) == legend_of(Colouring("category", "a"))
    assert legend_text(Colouring(), ()) == ""


def test_membership_of_whole_arrays() -> None:
    members = Membership.of([np.array([9, 2]), np.array([2, 4])], ("left", "right"))
    np.testing.assert_array_equal(members.groups_of(np.array([4, 2, 9, 5, -1])), [1, 0, 0, -1, -1])
    assert members.all_of(2) == (0, 1) and members.all_of(9) == (0,) and members.all_of(7) == ()
    assert [members.name_of(group) for group in (0, 1, 2)] == ["left", "right", "2"]
    assert members.labels == ("left", "right") and Membership.of([np.array([3]), np.array([4])]).labels == ("0", "1")
    np.testing.assert_array_equal(Membership.of([]).groups_of(np.array([1, 2])), [-1, -1])
