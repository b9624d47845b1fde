"""What of a store cannot be edited is refused when the edit is made, in every store of the reference library."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

import zvview
from tests.store.conftest import NAMES, Expected
from tests.store.editing.test_put_vertices_golden import finest_level_of
from zvview.errors import UnsupportedError

LIMITED = {
    "points_by_attribute": "split by an attribute",
    "duplicate_links": "once for each chunk",
    "skeleton_chunked": "segment_id",
    "skeleton_tools": "segment_id",
}
"""Stores of which no vertex can change its place, and why."""


@pytest.mark.parametrize("name", [name for name in NAMES if name in LIMITED])
def test_a_vertex_that_cannot_go_is_refused_at_once_and_its_values_can_be_set(
    name: str, golden_bytes: Mapping[str, dict[str, bytes]]
) -> None:
    with zvview.open(finest_level_of(golden_bytes[name])) as store:
        assert isinstance(store, zvview.Store)
        edit = store.edit()
        found = edit.find()
        with pytest.raises(UnsupportedError, match=LIMITED[name]) as caught:
            edit.delete(found.take(np.arange(1)))
        assert "zvview convert" in str(caught.value) and not edit.is_changed
        edit.move(found.take(np.arange(1)), found.positions[:1])
        edit.commit()


def test_lines_that_cannot_be_edited_are_refused_before_anyone_does(
    golden_bytes: Mapping[str, dict[str, bytes]],
) -> None:
    place = finest_level_of(golden_bytes["streamlines_tools"])
    text = r"segment_id.*nothing of such.*zvview convert"
    with zvview.open(place) as store, pytest.raises(UnsupportedError, match=text):
        store.edit()  # type: ignore[union-attr]


POINTS = [name for name in NAMES if Expected(name).facts["kind"] == "point_cloud" and name not in LIMITED]


@pytest.mark.parametrize("name", POINTS)
def test_all_other_points_can_go(name: str, golden_bytes: Mapping[str, dict[str, bytes]]) -> None:
    with zvview.open(finest_level_of(golden_bytes[name])) as store:
        edit = store.edit()  # type: ignore[union-attr]
        edit.delete(edit.find().take(np.arange(1)))
        edit.commit()
        assert len(edit.find()) == len(store.level(0).read().positions)  # type: ignore[union-attr]
