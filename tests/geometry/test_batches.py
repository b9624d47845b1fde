"""What batches accept, refuse and compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zvview.errors import DamagedError, InvalidInputError, MissingError
from zvview.geometry.batches import Graph, Lines, Mesh, Points, Polylines, Skeletons, Streamlines, batch_type

ZEROS = np.zeros((4, 3), np.float32)


def test_positions_become_floating() -> None:
    assert Points(np.zeros((2, 3), np.int16)).positions.dtype == np.float32
    assert Points(np.zeros((2, 3), np.int64)).positions.dtype == np.float64
    assert Points(np.zeros((2, 3), np.float64)).positions.dtype == np.float64
    held = np.zeros((2, 3), np.float32)
    assert Points(held).positions is held


def test_text_becomes_codes_and_comes_back() -> None:
    batch = Points(ZEROS, attributes={"label": np.array(["b", None, "a", "b"], object), "v": [1.0, 2, 3, 4]})
    assert batch.attributes["label"].tolist() == [1, -1, 0, 1]
    assert batch.labels("label").tolist() == ["b", None, "a", "b"]
    assert batch.labels("v").tolist() == [1, 2, 3, 4]
    with pytest.raises(MissingError, match="absent"):
        batch.labels("absent")
    assert batch.nbytes == 48 + 4 + 32 and len(batch) == 4 and batch.ndim == 3
    assert "label, v" in repr(batch)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Points, {"positions": np.zeros(3)}),
        (Points, {"positions": np.zeros((4, 0))}),
        (Points, {"positions": np.zeros((4, 3), complex)}),
        (Points, {"positions": [["0", "1"]]}),
        (Points, {"positions": [[1, 2], [3]]}),
        (Points, {"attributes": 5}),
        (Points, {"notes": "one"}),
        (Points, {"categories": {"c": ["a"]}}),
        (Points, {"object_ids": [1, 2]}),
        (Points, {"object_ids": [0.5, 1, 2, 3]}),
        (Points, {"object_ids": np.array([2**63, 1, 2, 3], np.uint64)}),
        (Points, {"attributes": {"v": [1, 2]}}),
        (Points, {"attributes": {"v": np.zeros((4, 1, 1))}}),
        (Points, {"attributes": {"v": np.array([1, "a", None, 2.5], object)}}),
        (Polylines, {"offsets": np.array([1, 4])}),
        (Polylines, {"offsets": np.array([0, 3, 2])}),
        (Polylines, {"offsets": np.array([0, 5])}),
        (Polylines, {"offsets": np.array([], np.int64)}),
        (Polylines, {"object_ids": [1, 2]}),
        (Polylines, {"bridges": [[0, 4]]}),
        (Graph, {"edges": [[0, -1]]}),
        (Graph, {"edges": [[0, 1, 2]]}),
        (Graph, {"edges": [[0, 1]], "link_attributes": {"w": [1, 2]}}),
        (Mesh, {"faces": [[0, 1]]}),
        (Mesh, {"faces": [[0, 1, 4]]}),
    ],
)
def test_what_cannot_be_is_refused(kind: type[Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        kind(**{"positions": ZEROS} | wrong)


def test_segments_are_neighbours_and_bridges() -> None:
    lines = Polylines(np.zeros((6, 3), np.float32), offsets=np.array([0, 2, 2, 5]), bridges=np.array([[4, 5]]))
    assert lines.segments.tolist() == [[0, 1], [2, 3], [3, 4], [4, 5]]
    assert Polylines(np.zeros((0, 3), np.float32)).segments.shape == (0, 2)
    assert Streamlines.from_list([[[0, 0], [1, 1]], [[2, 2]]], object_ids=[5, 6]).offsets.tolist() == [0, 2, 3]
    assert len(Polylines.from_list([])) == 0


def test_owners_of_vertices() -> None:
    lines = Polylines(ZEROS, offsets=np.array([0, 1, 1, 3]), object_ids=np.array([7, 8, -9]))
    assert lines.vertex_object_ids.tolist() == [7, -9, -9, -1]
    assert Polylines(ZEROS).vertex_object_ids.tolist() == [-1] * 4


def test_lines_from_endpoints() -> None:
    ends = np.arange(12.0).reshape(2, 2, 3)
    lines = Lines.from_endpoints(ends)
    assert lines.offsets.tolist() == [0, 2, 4] and np.array_equal(lines.positions, ends.reshape(4, 3))
    with pytest.raises(InvalidInputError, match="endpoints"):
        Lines.from_endpoints(ends[:, :1])


def test_parents_there_and_back() -> None:
    tree = Skeletons.from_parents(ZEROS, [-1, 0, 1, -1])
    assert tree.edges.tolist() == [[1, 0], [2, 1]] and tree.parents.tolist() == [-1, 0, 1, -1]
    ring = Skeletons(ZEROS, edges=np.array([[0, 1], [1, 2], [2, 0]]))
    with pytest.raises(DamagedError, match="forest"):
        _ = ring.parents


def test_kinds_have_their_types() -> None:
    kinds = ("point_cloud", "line", "polyline", "streamline", "graph", "skeleton", "mesh")
    assert [batch_type(k).kind for k in kinds] == list(kinds)
    with pytest.raises(MissingError, match="volume"):
        batch_type("volume")
