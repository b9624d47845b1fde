"""What was moved, and names of points that are still to be made: both without a window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zvview.errors import MissingError
from zvview.format.metadata import Axis
from zvview.napari.editing.places import moved_places
from zvview.napari.editing.promises import Promises
from zvview.napari.frame import Frame

XYZ = tuple(Axis(name, "space", "nm") for name in "xyz")
FAR = Frame.of(XYZ, ((1e7, 1e7, 1e7), (1.1e7, 1.1e7, 1.1e7)), (1.0, 1.0, 1.0))


@given(arrays(np.float64, (6, 3), elements=st.floats(1e7, 1.1e7)), arrays(bool, (6, 3)))
def test_only_coordinates_that_were_moved_are_others(places: np.ndarray, is_moved: np.ndarray) -> None:
    before = FAR.to_layer(places)
    now = before.copy()
    now[is_moved] += 1024
    rows, found = moved_places(FAR, places, before, now)
    assert rows.tolist() == np.flatnonzero(is_moved.any(axis=1)).tolist()
    in_store = is_moved[:, ::-1]  # the layer's axes are z, y, x
    after = places.copy()
    after[rows] = found
    assert after[~in_store].tobytes() == places[~in_store].tobytes()
    np.testing.assert_allclose(after[in_store], places[in_store] + 1024, atol=0.1)


def test_promised_names_become_those_that_were_given() -> None:
    promises, chunks = Promises(), np.array([[4, 5, 6], [7, 8, 9]])
    first, second = promises.give(2), promises.give(3)
    assert len({*first.tolist(), *second.tolist()}) == 5
    promises.keep(second, np.array([-3, -4, -5]))
    refs = promises.refs(np.array([(1 << 32) | 11, second[2], -1, second[0]]), chunks)
    assert refs.rows.tolist() == [11, -5, -1, -3] and refs.chunks[0].tolist() == [7, 8, 9]
    with pytest.raises(MissingError, match="new point"):
        promises.refs(first, chunks)
    promises.keep(first, np.array([-1, -2]))
    assert promises.refs(first, chunks).rows.tolist() == [-1, -2]
    with pytest.raises(MissingError):
        promises.refs(promises.give(1), chunks)
