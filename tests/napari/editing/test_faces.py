"""Faces over corners: in whichever order these were chosen, and beside whichever faces, they turn the same way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.napari.editing.faces import faces_over

SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0], [2, 1, 0], [5, 5, 0], [6, 5, 0], [6, 6, 0]])
"""A square, another one beside it, and a triangle elsewhere."""


def areas(faces: np.ndarray) -> np.ndarray:
    """Twice the areas of triangles or squares, above zero where they turn to the left, (k,)."""
    corners = SQUARE[faces][:, :, :2]
    (x, y), (x2, y2) = corners.transpose(2, 0, 1), np.roll(corners, -1, axis=1).transpose(2, 0, 1)
    return (x * y2 - x2 * y).sum(axis=1)


@given(st.permutations([1, 2, 4, 5]), st.booleans(), st.booleans())
def test_corners_in_any_order_give_faces_that_turn_as_those_beside_them(
    corners: list[int], is_turned: bool, is_quad: bool
) -> None:
    known = np.array([[0, 1, 2, 3]]) if is_quad else np.array([[0, 1, 2], [0, 2, 3]])
    known = known[:, ::-1] if is_turned else known
    faces = faces_over(np.array(corners), SQUARE, known)
    assert faces.shape == ((1, 4) if is_quad else (2, 3))
    assert set(faces.ravel().tolist()) == {1, 2, 4, 5}
    turned = areas(faces)
    assert (turned == turned[0]).all() and np.sign(turned[0]) == (-1 if is_turned else 1)
    assert abs(turned).sum() == 2


@given(st.permutations([2, 5, 6]), st.booleans())
def test_where_only_a_corner_is_shared_normals_tell(corners: list[int], is_turned: bool) -> None:
    known = np.array([[0, 1, 2], [0, 2, 3]])
    known = known[:, ::-1] if is_turned else known
    (turned,) = areas(faces_over(np.array(corners), SQUARE, known))
    assert np.sign(turned) == (-1 if is_turned else 1)


def test_a_face_far_from_all_others_turns_one_way_or_the_other() -> None:
    faces = faces_over(np.array([6, 8, 7]), SQUARE, np.array([[0, 1, 2]]))
    assert sorted(faces[0].tolist()) == [6, 7, 8]


@pytest.mark.parametrize(
    ("corners", "words"),
    [
        ([0, 1], "three or four corners"),
        ([0, 1, 2, 4, 5], "three or four corners"),
        ([0, 1, 4], "on one line"),
        ([2, 0, 1], "already"),
        ([3, 0, 1, 2], "already"),
    ],
)
def test_what_cannot_be_a_face_is_refused(corners: list[int], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        faces_over(np.array(corners), SQUARE, np.array([[0, 1, 2], [0, 2, 3]]))


def test_a_mesh_of_squares_takes_four_corners() -> None:
    with pytest.raises(InvalidInputError, match="the 4 corners"):
        faces_over(np.array([1, 4, 5]), SQUARE, np.array([[0, 1, 2, 3]]))
