"""Parametric objects in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zvview.errors import InvalidInputError, MissingError
from zvview.geometry.parametric import BUILT_IN_TYPES, ParametricObjects, ParametricType


def test_objects_by_name_of_their_type() -> None:
    found = ParametricObjects.of([("sphere", (1, 2, 3, 4)), ("plane", (0, 0, 1, 5))], names=("a", "b"))
    assert found.type_ids.tolist() == [2, 0] and len(found) == 2
    assert found.named(0) == {"cx": 1, "cy": 2, "cz": 3, "r": 4}
    assert np.isnan(found.coefficients[:, 4:]).all()


def test_types_of_users() -> None:
    types = {**BUILT_IN_TYPES, 9: ParametricType("torus", ("R", "r"))}
    assert ParametricObjects.of([("torus", (3, 1))], types=types).named(0) == {"R": 3, "r": 1}
    with pytest.raises(MissingError, match="torus"):
        ParametricObjects.of([("torus", (3, 1))])
    with pytest.raises(InvalidInputError, match="R, r"):
        ParametricObjects.of([("torus", (3,))], types=types)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type_ids": [5]},
        {"type_ids": [[0]]},
        {"coefficients": [1, 2]},
        {"type_ids": [0, 0]},
        {"names": ("a", "b")},
        {"names": "a"},
        {"types": {"0": 1}},
        {"groups": 5},
        {"groups": [[0.5]]},
        {"object_attributes": [1]},
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        ParametricObjects(**{"type_ids": [0], "coefficients": [[1, 2, 3, 4]]} | wrong)
