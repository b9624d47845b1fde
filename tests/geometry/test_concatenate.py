"""Batches made into one."""

from __future__ import annotations

import numpy as np
import pytest

from zvview.errors import InvalidInputError
from zvview.geometry.batches import Batch, Graph, Mesh, Points, Polylines
from zvview.geometry.concatenate import concatenate


def points(*values: float, label: str = "a", **kwargs: object) -> Points:
    xs = np.array(values, np.float32)
    return Points(np.stack((xs, xs), axis=1), attributes={"l": np.array([label] * len(xs), object)}, **kwargs)  # type: ignore[arg-type]


def test_points_follow_each_other() -> None:
    joined = concatenate([points(1, 2, object_ids=[4, 5], notes=("n",)), points(3, object_ids=[6], notes=("n", "m"))])
    assert joined.positions[:, 0].tolist() == [1, 2, 3] and joined.labels("l").tolist() == ["a"] * 3
    assert joined.object_ids is not None and joined.object_ids.tolist() == [4, 5, 6]
    assert joined.notes == ("n", "m")
    one = points(1)
    assert concatenate([one]) is one


def test_pieces_come_before_far_ends_and_links_follow_them() -> None:
    def graph(start: int) -> Graph:
        xs = np.arange(start, start + 3, dtype=np.float32)
        return Graph(
            np.stack((xs, xs), axis=1),
            offsets=np.array([0, 1, 2]),
            object_ids=np.array([start, start + 1]),
            edges=np.array([[0, 1], [1, 2]]),
            attributes={"v": xs},
            link_attributes={"w": np.array([start, start + 1])},
        )

    joined = concatenate([graph(0), graph(10), graph(20)])
    assert joined.attributes["v"].tolist() == [0, 1, 10, 11, 20, 21, 2, 12, 22]
    assert joined.offsets.tolist() == [0, 1, 2, 3, 4, 5, 6]
    ends = joined.attributes["v"][joined.edges].tolist()
    assert ends == [[0, 1], [1, 2], [10, 11], [11, 12], [20, 21], [21, 22]]
    assert joined.link_attributes["w"].tolist() == [0, 1, 10, 11, 20, 21]


def test_lines_and_meshes_without_far_ends() -> None:
    line = Polylines(np.zeros((2, 2), np.float32), bridges=np.array([[0, 1]]))
    assert concatenate([line, line]).bridges.tolist() == [[0, 1], [2, 3]]
    mesh = Mesh(np.zeros((3, 2), np.float32), faces=np.array([[0, 1, 2]]))
    assert concatenate([mesh, mesh]).faces.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "batches",
    [
        [],
        [points(1), Polylines(np.zeros((1, 2), np.float32), attributes={"l": np.array(["a"], object)})],
        [points(1), points(1, label="b")],
        [points(1), Points(np.zeros((1, 2), np.float32))],
        [points(1), points(1, object_ids=[1])],
        [Points(np.zeros((1, 2))), Points(np.zeros((1, 3)))],
        [Points(np.zeros((1, 2)), attributes={"v": np.zeros((1, w))}) for w in (1, 2)],
        [Graph(np.zeros((1, 2)), link_attributes={n: np.empty(0)}) for n in "ab"],
        [Mesh(np.zeros((5, 2)), faces=[range(n)]) for n in (3, 4)],
    ],
)
def test_what_does_not_fit_is_refused(batches: list[Batch]) -> None:
    with pytest.raises(InvalidInputError):
        concatenate(batches)


def test_batches_without_rows_fit_any_width() -> None:
    empty = Points(np.zeros((0, 3)), attributes={"v": np.zeros(0)})
    full = Points(np.ones((1, 2)), attributes={"v": np.ones((1, 4))})
    joined = concatenate([empty, full])
    assert joined.positions.tolist() == [[1, 1]]
    assert joined.attributes["v"].shape == (1, 4)
