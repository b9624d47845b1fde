from __future__ import annotations

import numpy as np
import pytest

from zvview.errors import InvalidInputError
from zvview.format.attributes import AttributeMetadata, Categories
from zvview.store.editing.schema import Schema, blank, fit_values
from zvview.testing import make_store

NUMBERS = AttributeMetadata("n", np.dtype(np.int16))
NORMALS = AttributeMetadata("v", np.dtype(np.float32), (3,))
FLAGS = AttributeMetadata("f", np.dtype(bool))
TYPES = AttributeMetadata("t", np.dtype(np.int8), categories=Categories(("a", "b"), -1))


def test_values_take_the_form_of_the_attribute() -> None:
    assert fit_values(NUMBERS, 5, 3).tolist() == [5, 5, 5]
    assert fit_values(NUMBERS, [1.0, 2.0], 2).dtype == np.int16
    assert fit_values(NORMALS, [0.0, 0.0, 1.0], 2).tolist() == [[0, 0, 1], [0, 0, 1]]
    assert fit_values(NORMALS, np.zeros((2, 3), np.float64), 2).dtype == np.float32
    assert fit_values(FLAGS, [1, 0], 2).tolist() == [True, False]
    assert fit_values(TYPES, ["b", None, "a"], 3).tolist() == [1, -1, 0]
    assert fit_values(TYPES, "b", 2).tolist() == [1, 1]
    assert fit_values(AttributeMetadata("l", np.dtype(np.int64)), -(2.0**63), 1).tolist() == [-(2**63)]
    assert fit_values(NORMALS, [np.inf, -np.inf, 1], 1).tolist() == [[np.inf, -np.inf, 1]]


@pytest.mark.parametrize(
    ("metadata", "values"),
    [
        (NUMBERS, [1, 2, 3]),
        (NUMBERS, 0.5),
        (NUMBERS, 2**15),
        (NUMBERS, np.nan),
        (AttributeMetadata("l", np.dtype(np.int64)), 2.0**63),
        (AttributeMetadata("l", np.dtype(np.int64)), -(2.0**64)),
        (AttributeMetadata("u", np.dtype(np.uint64)), 2.0**64),
        (NORMALS, 1e300),
        (NUMBERS, "x"),
        (NUMBERS, [[1, 2]]),
        (NORMALS, [1.0, 2.0]),
        (NORMALS, np.zeros((3, 3))),
        (FLAGS, 2),
        (TYPES, "c"),
        (TYPES, 2),
        (TYPES, -2),
        (TYPES, 1j),
    ],
)
def test_values_that_do_not_fit_are_refused(metadata: AttributeMetadata, values: object) -> None:
    with pytest.raises(InvalidInputError, match=f"'{metadata.name}'"):
        fit_values(metadata, values, 2)  # type: ignore[arg-type]


def test_what_is_not_given_is_unknown() -> None:
    assert blank(NUMBERS, 2).tolist() == [0, 0] and blank(TYPES, 1).tolist() == [-1]
    assert blank(NORMALS, 2).shape == (2, 3) and np.isnan(blank(NORMALS, 2)).all()


def test_the_width_of_an_attribute_that_declares_none_is_that_of_its_cells() -> None:
    place: dict[str, bytes] = {}
    make_store(place, "mesh", size=200)
    key = "0/vertex_attributes/normal/zarr.json"
    place[key] = place[key].replace(b'"row_shape"', b'"other"')
    import zvview

    store = zvview.open(place)
    assert isinstance(store, zvview.Store)
    assert Schema.of(store.reader(0)).columns["normal"].row_shape == (3,)


def test_positions_are_rounded_to_what_the_store_can_hold() -> None:
    schema = make_store({}, "point_cloud", size=50).edit().schema
    assert schema.dtype == np.float32
    assert schema.stored_positions([0.1, 0.2, 0.3]).tolist() == [[float(np.float32(x)) for x in (0.1, 0.2, 0.3)]]
    assert schema.stored_positions(np.empty((0, 3))).shape == (0, 3)
