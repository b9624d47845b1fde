"""Parametric objects as annotations: on the object, in the bounds, each once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import zvview
from zvview.geometry.parametric import BUILT_IN_TYPES
from zvview.neuroglancer.sources import fixed
from zvview.neuroglancer.sources.fixed import FixedAnnotations
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.opening import open_sources
from zvview.neuroglancer.sources.parametric import _cut_line, _outline_plane, _place_sphere, open_parametric

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
LO, HI = np.zeros(3), np.array([40.0, 50.0, 60.0])
NUMBERS = st.floats(-100, 100, width=32).filter(lambda v: v == 0 or abs(v) > 1e-3)


def sources_of(store: zvview.Store) -> dict[str, FixedAnnotations]:
    return open_parametric(store, SourceFrame.of(store.axes, store.bounds, store.level(0).resolution))


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.float64, 4, elements=NUMBERS))
def test_the_outline_of_a_plane_lies_on_it_and_on_the_faces_of_the_bounds(values: NDArray[np.float64]) -> None:
    outline = _outline_plane(values, LO, HI)
    corners = np.stack(np.meshgrid(*zip(LO, HI, strict=True), indexing="ij"), axis=-1).reshape(-1, 3)
    heights = corners @ values[:3] + values[3]
    if outline is None:
        assert not values[:3].any() or (heights > 0).all() or (heights <= 0).all()
        return
    assert np.array_equal(outline[0], outline[-1]) and 4 <= len(outline) <= 7
    length = np.linalg.norm(values[:3])
    assert np.abs(outline @ values[:3] + values[3]).max() / length < 1e-9
    assert (outline >= LO - 1e-9).all() and (outline <= HI + 1e-9).all()
    middles = (outline[1:] + outline[:-1]) / 2  # neighbours share a face: the outline does not cross the inside
    on_face = np.isclose(middles, LO, atol=1e-9) | np.isclose(middles, HI, atol=1e-9)
    assert on_face.any(axis=1).all()


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.float64, 6, elements=NUMBERS))
def test_what_is_cut_of_a_line_lies_on_it_and_ends_at_the_bounds(values: NDArray[np.float64]) -> None:
    ends = _cut_line(values, LO, HI)
    step = values[3:]
    if ends is None:
        steps = np.linspace(-1e3, 1e3, 4001)[:, None]
        inside = (((values[:3] + steps * step) > LO) & ((values[:3] + steps * step) < HI)).all(axis=1)
        assert not step.any() or not inside.any()
        return
    assert (ends >= LO - 1e-6).all() and (ends <= HI + 1e-6).all()
    assert np.linalg.norm(np.cross(ends - values[:3], step), axis=1).max() <= 1e-6 * max(1, np.linalg.norm(step)) * 1e3


def test_spheres_that_touch_the_bounds_are_shown_whole() -> None:
    inside = _place_sphere(np.array([-1.0, 2, 3, 2]), LO, HI)
    assert inside is not None and inside.tolist() == [[-1, 2, 3], [2, 2, 2]]
    for values in ([-5, 2, 3, 2], [1, 1, 1, 0], [1, 1, 1, -2], [np.nan, 1, 1, 1], [1, 1, 1, np.inf]):
        assert _place_sphere(np.array(values, float), LO, HI) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("parametric", {"spheres": 1, "axes": 1, "planes": 1}), ("old07_parametric", {"spheres": 1, "planes": 1})],
)
def test_parametric_objects_of_golden_stores_are_annotations(name: str, expected: dict[str, int]) -> None:
    with zvview.open(GOLDEN / f"{name}.zip") as store:
        sources = sources_of(store)
        assert set(sources) <= set(open_sources(store))
        found = {}
        for key, source in sources.items():
            cell, by_id = source.sections
            (told,) = source.keys(by_id)
            assert len(source.read(by_id, told)) == len(told)
            assert len(source.read(by_id, np.array([2**64 - 1], np.uint64))) == 0
            block = source.read(cell, np.zeros(1, np.uint64))
            assert int(np.frombuffer(block.content(0)[1][:8], "<u8")[0]) == len(told)
            assert len(source.read(cell, np.ones(1, np.uint64))) == 0
            found[key] = len(told)
        assert found == expected
        spheres = sources["spheres"]
        assert store.parametric is not None
        rows = np.flatnonzero(store.parametric.type_ids == 2)
        record = spheres.read(spheres.sections[1], rows.astype(np.uint64)).content(0)[1]
        geometry = np.frombuffer(record[:24], "<f4")
        given_values = store.parametric.coefficients[rows[0], :4]
        assert np.allclose(geometry, [*given_values[:3], *[given_values[3]] * 3])


def test_what_has_no_counterpart_is_told(tmp_path: Path) -> None:
    place = tmp_path / "p.zarrvectors"
    types = {**BUILT_IN_TYPES, 7: zvview.ParametricType("torus", ("a", "b"))}
    objects = zvview.ParametricObjects.of(
        [("sphere", (5, 5, 5, 2)), ("torus", (1, 2)), ("sphere", (500, 5, 5, 2))], types=types
    )
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(10, 10, 10)) as store:
        store.write(zvview.Points(np.random.default_rng(0).uniform(0, 10, (9, 3))), parametric=objects)
    with zvview.open(place) as store:
        sources = sources_of(store)
        assert list(sources) == ["spheres"]
        assert sources["spheres"].notes == (
            "parametric objects of type torus are not shown (1)",
            "parametric objects outside of the bounds (1)",
        )


def test_many_objects_are_in_levels_each_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed, "LIMIT", 20)
    place = tmp_path / "p.zarrvectors"
    spheres = [("sphere", (4.5 + number / 1000, 5, 5, 0.1)) for number in range(1000)]
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(10, 10, 10)) as store:
        store.write(
            zvview.Points(np.random.default_rng(0).uniform(0, 10, (9, 3))),
            parametric=zvview.ParametricObjects.of(spheres),
        )
    with zvview.open(place) as store:
        source = sources_of(store)["spheres"]
        *levels, by_id = source.sections
        size, whole = source.schema.record_dtype.itemsize, dict[int, bytes]()
        told = []
        for section in levels:
            ((key,),) = source.keys(section)
            body = source.read(section, np.array([key], np.uint64)).content(0)[1]
            count = int(np.frombuffer(body[:8], "<u8")[0])
            ids = np.frombuffer(body[8 + count * size :], "<u8").tolist()
            whole.update((number, body[8 + row * size : 8 + (row + 1) * size]) for row, number in enumerate(ids))
            told.append(ids)
        assert [len(ids) for ids in told] == [level["limit"] for level in source.info["spatial"]] == [20, 160, 820]
        assert sorted(number for ids in told for number in ids) == list(range(1000))
        assert 300 < np.mean(told[1]) < 700  # from everywhere
        block = source.read(by_id, np.arange(1000).astype(np.uint64))
        assert {int(key): block.content(row)[1] for row, key in enumerate(block.keys)} == whole
