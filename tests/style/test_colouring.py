"""Batches of every kind are coloured by each mode; a vertex keeps its colour when others come and go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zvview.errors import InvalidInputError, MissingError
from zvview.format.attributes import Categories
from zvview.geometry.batches import Mesh, Points, Polylines, Skeletons
from zvview.style import Colouring, Membership, colour_vertices
from zvview.style.colourmaps import MISSING_COLOUR, colour_codes, colour_ids, map_colours

RNG = np.random.default_rng(0)
POINTS = Points(
    RNG.random((6, 3)),
    object_ids=np.array([3, 3, 4, 5, 5, -1]),
    attributes={"size": np.arange(6.0), "two": RNG.random((6, 2)), "type": np.array([0, 1, 1, 0, 2, 1], np.uint8)},
    categories={"type": Categories(("a", "b"), missing=2)},
)
LINES = Polylines(
    np.array([[0, 0, 0], [2, 0, 0], [2, 3, 0], [9, 9, 9], [9, 9, 12.0]]),
    offsets=np.array([0, 3, 5]),
    object_ids=np.array([7, 8]),
)


def test_constant_is_one_colour() -> None:
    colours = colour_vertices(POINTS, Colouring(colour=(1, 0.5, 0, 1)))
    np.testing.assert_array_equal(colours, np.tile(np.float32([1, 0.5, 0, 1]), (6, 1)))


def test_attribute_goes_through_the_map_within_the_limits() -> None:
    by = Colouring("attribute", "size", limits=(0, 5))
    np.testing.assert_array_equal(colour_vertices(POINTS, by), map_colours(np.arange(6.0), (0, 5)))
    np.testing.assert_array_equal(
        colour_vertices(POINTS, Colouring("attribute", "two", limits=(0, 1), channel=1)),
        map_colours(POINTS.attributes["two"][:, 1], (0, 1)),
    )


def test_category_object_and_group_each_have_a_colour_of_their_own() -> None:
    np.testing.assert_array_equal(
        colour_vertices(POINTS, Colouring("category", "type")), colour_codes(np.array([0, 1, 1, 0, 2, 1]), 2)
    )
    np.testing.assert_array_equal(colour_vertices(POINTS, Colouring("object")), colour_ids([3, 3, 4, 5, 5, -1]))
    groups = Membership.of([np.array([5]), np.array([3, 5])])
    colours = colour_vertices(POINTS, Colouring("group"), membership=groups)
    np.testing.assert_array_equal(colours, colour_codes(np.array([1, 1, -1, 0, 0, -1])))


def test_far_ends_of_links_belong_to_no_object() -> None:
    cut = Polylines(LINES.positions, offsets=np.array([0, 3]), object_ids=np.array([7]), bridges=np.array([[2, 4]]))
    np.testing.assert_array_equal(colour_vertices(cut, Colouring("object")), colour_ids([7, 7, 7, -1, -1]))


def test_direction_is_the_mean_of_the_segments_that_meet() -> None:
    colours = colour_vertices(LINES, Colouring("direction"))
    shared = np.array([2, 3, 0]) / np.hypot(2, 3)
    np.testing.assert_allclose(colours[:, :3], [[1, 0, 0], shared, [0, 1, 0], [0, 0, 1], [0, 0, 1]], atol=1e-6)
    turned = colour_vertices(LINES, Colouring("direction"), axes=(2, 1, 0))
    np.testing.assert_allclose(turned[:, :3], colours[:, 2::-1])


def test_direction_of_trees_and_meshes_and_of_lone_vertices() -> None:
    tree = Skeletons(LINES.positions, edges=np.array([[1, 0], [2, 1]]))
    colours = colour_vertices(tree, Colouring("direction"))
    np.testing.assert_allclose(colours[0], [1, 0, 0, 1])
    np.testing.assert_allclose(colours[4], [0.5, 0.5, 0.5, 1])
    mesh = Mesh(np.eye(3), faces=np.array([[0, 1, 2]]))
    assert (colour_vertices(mesh, Colouring("direction"))[:, 3] == 1).all()
    assert colour_vertices(POINTS, Colouring("direction")).shape == (6, 4)
    flat = Polylines(LINES.positions[:, :2], offsets=np.array([0, 5]))
    assert colour_vertices(flat, Colouring("direction"))[:4, 2].max() == 0  # the last segment has no length


@pytest.mark.parametrize(
    "by", [Colouring("attribute", "none"), Colouring("category", "none"), Colouring("group"), Colouring("object")]
)
def test_what_a_level_lacks_is_grey(by: Colouring) -> None:
    bare = Points(POINTS.positions)
    np.testing.assert_allclose(colour_vertices(bare, by), np.tile(MISSING_COLOUR, (6, 1)))


@pytest.mark.parametrize("arguments", [("rainbow",), ("attribute",), ("object", "id"), ("constant", "a")])
def test_colourings_that_cannot_be_are_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError):
        Colouring(*arguments)  # type: ignore[arg-type]


def test_wrong_channels_and_categories_are_named() -> None:
    with pytest.raises(MissingError, match="channel"):
        colour_vertices(POINTS, Colouring("attribute", "two", channel=2))
    with pytest.raises(InvalidInputError, match="integer"):
        colour_vertices(POINTS, Colouring("category", "size"))
    with pytest.raises(InvalidInputError, match="alpha"):
        Colouring(colour=(1, 1, 1))  # type: ignore[arg-type]


def test_attributes_that_a_colouring_reads() -> None:
    assert Colouring("attribute", "size").attributes == ("size",)
    assert Colouring("object").attributes == ()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 128, 255]], np.uint8), [[0, 128 / 255, 1, 1]]),
        (np.array([[0.25, 0.5, 2, 0.5]], np.float32), [[0.25, 0.5, 1, 0.5]]),
        (np.array([[0.25, np.nan, 1, 0.5]], np.float32), [MISSING_COLOUR]),
    ],
)
def test_attributes_that_are_colours_are_shown_as_they_are(values: Any, expected: list[Any]) -> None:
    batch = Points(np.zeros((1, 3)), attributes={"paint": values})
    np.testing.assert_allclose(colour_vertices(batch, Colouring("rgba", "paint")), expected, atol=1e-6)


def test_colours_have_three_or_four_channels() -> None:
    batch = Points(np.zeros((2, 3)), attributes={"one": np.zeros(2), "five": np.zeros((2, 5))})
    for name in batch.attributes:
        with pytest.raises(InvalidInputError, match="three or four channels"):
            colour_vertices(batch, Colouring("rgba", name))
    assert colour_vertices(batch, Colouring("rgba", "none"))[0].tolist() == list(MISSING_COLOUR)
    with pytest.raises(InvalidInputError, match="with name"):
        Colouring("rgba")
