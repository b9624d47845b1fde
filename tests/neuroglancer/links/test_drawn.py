"""What was drawn, in the coordinates of a store, and added to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.errors import BadFileError, InvalidInputError, UnsupportedError
from zvview.neuroglancer.links.drawn import add_drawn, read_drawn


def state_of(*annotations: Any, **source: Any) -> dict[str, Any]:
    nm = {name: [1e-9, "m"] for name in "zyx"}
    at = {"url": "local://annotations", "transform": {"outputDimensions": nm}} | source
    return {
        "dimensions": {"x": [1e-6, "m"], "y": [1e-6, "m"], "z": [1e-6, "m"], "t": [1, "s"]},
        "position": [0, 0, 0, 7],
        "layers": [
            {"type": "annotation", "name": "drawn", "source": at, "annotations": list(annotations)},
            {"type": "annotation", "name": "other", "source": "precomputed://https://h/x", "annotations": [{}]},
            {"type": "image", "name": "image", "source": "zarr://https://h/x"},
        ],
    }


def store_at(place: Path, kind: str, axes: str = "xyz") -> zvview.Store:
    told = [zvview.Axis(n, "time" if n == "t" else "space", "second" if n == "t" else "micrometer") for n in axes]
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, 100, (50, len(axes)))
    batch = zvview.Points(positions) if kind == "point_cloud" else zvview.Polylines(positions, [0, 20, 50])
    with zvview.create(place, kind=kind, axes=told, chunk_shape=(50.0,) * len(axes)) as store:
        store.write(batch)
    return zvview.open(place)


POINT = {"type": "point", "id": "1", "point": [3000, 2000, 1000]}
LINE = {"type": "line", "id": "2", "pointA": [0, 0, 0], "pointB": [3000, 2000, 1000]}
POLYLINE = {"type": "polyline", "id": "3", "points": [[0, 0, 0], [3000, 2000, 1000], [0, 0, 1000]]}
BOX = {"type": "axis_aligned_bounding_box", "id": "4", "pointA": [0, 0, 0], "pointB": [1, 1, 1]}


def test_axes_and_units_are_those_of_the_store(tmp_path: Path) -> None:
    store = store_at(tmp_path / "a.zarrvectors", "point_cloud", "txyz")
    drawn = read_drawn(state_of(POINT, LINE, POLYLINE, BOX), store)
    np.testing.assert_allclose(drawn.points, [[7, 1, 2, 3]])
    np.testing.assert_allclose(drawn.lines[0], [[7, 0, 0, 0], [7, 1, 2, 3]])
    np.testing.assert_allclose(drawn.lines[1][:, 1], [0, 1, 1])
    assert len(drawn) == 3
    assert drawn.notes == ("1 of type axis_aligned_bounding_box left out",)
    assert len(read_drawn(state_of(POINT), store, layer="another")) == 0


def test_points_go_into_a_cloud(tmp_path: Path) -> None:
    store = store_at(tmp_path / "a.zarrvectors", "point_cloud")
    assert add_drawn(store, read_drawn(state_of(POINT, LINE), store)) == 1
    positions = zvview.open(tmp_path / "a.zarrvectors").level(0).read().positions
    assert len(positions) == 51
    assert np.isclose(positions, [1, 2, 3]).all(axis=1).any()
    assert add_drawn(store, read_drawn(state_of(), store)) == 0


def test_lines_go_among_lines(tmp_path: Path) -> None:
    store = store_at(tmp_path / "a.zarrvectors", "polyline")
    assert add_drawn(store, read_drawn(state_of(POINT, LINE, POLYLINE), store)) == 2
    found = zvview.open(tmp_path / "a.zarrvectors").level(0).read()
    assert len(found.positions) == 55
    assert zvview.check(tmp_path / "a.zarrvectors").ok


@pytest.mark.parametrize("kind", ["point_cloud", "polyline"])
def test_what_is_added_gets_the_category_that_it_is_given(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "kinds.zarrvectors"
    positions, parts = np.arange(12.0).reshape(4, 3), {"part": ["a", "b", "b", "a"]}
    batch = zvview.Points(positions, attributes=parts) if kind == "point_cloud" else None
    with zvview.create(place, kind=kind, axes="xyz", chunk_shape=(50, 50, 50)) as store:
        store.write(batch or zvview.Polylines(positions, offsets=[0, 4], object_ids=[0], attributes=parts))
    store = zvview.open(place)
    drawn = read_drawn(state_of(POINT, LINE), store)
    with pytest.raises(InvalidInputError, match="'part' has no category for what is unknown"):
        add_drawn(store, drawn)
    assert add_drawn(store, drawn, {"part": "b"}) == 1
    found = zvview.open(place).level(0).read()
    assert sorted(found.labels("part")) == ["a", "a"] + ["b"] * (len(found.positions) - 2)


@pytest.mark.parametrize(
    "wrong", [{"point": [1, 2]}, {"point": None}, {"point": ["a", 1, 2]}, {"point": [1, 2, 1e400]}]
)
def test_positions_that_are_none_are_told(tmp_path: Path, wrong: dict[str, Any]) -> None:
    store = store_at(tmp_path / "a.zarrvectors", "point_cloud")
    with pytest.raises(BadFileError, match="positions"):
        read_drawn(state_of({**POINT, **wrong}), store)


def test_other_kinds_take_none(tmp_path: Path) -> None:
    place = tmp_path / "lines.zarrvectors"
    with zvview.create(place, kind="line", axes="xyz", chunk_shape=(50, 50, 50)) as store:
        store.write(zvview.Lines(np.array([[1.0, 1, 1], [2, 2, 2]]), [0, 2]))
    store = zvview.open(place)
    with pytest.raises(UnsupportedError, match="line"):
        add_drawn(store, read_drawn(state_of(LINE), store))
