"""Meshes after edits: the levels are those of a rebuild, and what lies far from the edit is not read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import zvview
from tests.pyramid.conftest import (
    HI,
    LO,
    CountingMemory,
    assert_refresh_is_rebuild,
    transplant,
    write,
)
from zvview.geometry.batches import Mesh
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.pyramid.refresh import compute_refresh
from zvview.testing.meshes import make_icosphere

pytestmark = pytest.mark.usefixtures("unsynced", "small_blocks")

Rng = np.random.Generator
CHUNKS = {"chunk_shape": (200.0,) * 3}
LEVELS = PyramidOptions(levels=2, chunk_shapes=[(400.0,) * 3, (800.0,) * 3])
ONE_LEVEL = PyramidOptions(levels=1, chunk_shapes=[(400.0,) * 3])


@pytest.fixture(scope="module")
def small_blocks() -> Iterator[None]:
    """Blocks of single chunks, so that small meshes have many of them; what is near is made again, however much."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zvview.pyramid.mesh_design._BLOCK_VERTICES", 1)
        patch.setattr("zvview.pyramid.mesh_changes._MOST_SHARE", 1.0)
        yield


@dataclass
class Raw:
    """A mesh that is easily edited: columns of vertices and of faces."""

    vertices: dict[str, NDArray[Any]]
    faces: dict[str, NDArray[Any]]
    has_objects: bool

    def take(self, vertices: NDArray[np.bool_], faces: NDArray[np.bool_]) -> Raw:
        """Some vertices, and those of some faces of which all corners are left."""
        faces = faces & vertices[self.faces["corners"]].all(axis=1)
        links = {name: values[faces] for name, values in self.faces.items()}
        links["corners"] = (np.cumsum(vertices) - 1)[links["corners"]]
        return replace(self, vertices={n: v[vertices] for n, v in self.vertices.items()}, faces=links)

    def and_also(self, rng: Rng, positions: NDArray[Any], corners: NDArray[np.int64], number: int) -> Raw:
        """With another surface, of an object."""
        count = len(positions)
        vertices = {
            "positions": positions.clip(LO[0], HI[0]).astype(np.float32),
            "objects": np.full(count, number),
            "weight": rng.random(count).astype(np.float32),
            "label": rng.integers(0, 3, count).astype(np.uint8),
            "rgb": rng.random((count, 3)),
        }
        before = len(self.vertices["positions"]) if self.vertices else 0
        faces = {
            "corners": corners + before,
            "numbers": rng.integers(0, 1000, (len(corners), 2)).astype(np.int32),
        }
        if before:
            vertices = {n: np.concatenate((v, vertices[n])) for n, v in self.vertices.items()}
            faces = {n: np.concatenate((v, faces[n])) for n, v in self.faces.items()}
        return replace(self, vertices=vertices, faces=faces)

    def and_a_ball(self, rng: Rng, number: int) -> Raw:
        """With a ball at some place, small or large."""
        positions, corners = make_icosphere(int(rng.integers(20, 200)))
        corners = np.concatenate((corners, corners[:, 2:]), axis=1)[:, : self.faces["corners"].shape[1]]
        return self.and_also(rng, positions * rng.uniform(20, 180) + rng.uniform(-400, 400, 3), corners, number)

    def mesh(self) -> Mesh:
        """Vertices by object, or as they are."""
        objects = self.vertices["objects"]
        order = np.argsort(objects, kind="stable") if self.has_objects else np.arange(len(objects))
        place = np.argsort(order)
        starts = (
            np.flatnonzero(np.diff(objects[order], prepend=-(10**6)))
            if self.has_objects
            else np.arange(len(objects))[:1]
        )
        values = {name: column[order] for name, column in self.vertices.items()}
        return Mesh(
            values.pop("positions"),
            faces=place[self.faces["corners"]],
            offsets=np.append(starts, len(order)),
            object_ids=values.pop("objects")[starts],
            attributes=values,
            categories={"label": zvview.Categories(("a", "b", "c"))},
            link_attributes={name: values for name, values in self.faces.items() if name != "corners"},
        )


def a_sheet(rng: Rng, has_objects: bool, is_quad: bool, count: int = 22) -> Raw:
    """A wavy sheet through all of the bounds, of two objects."""
    u, v = np.meshgrid(*[np.linspace(-590, 590, count)] * 2, indexing="ij")
    positions = np.stack((u, v, 100 + 60 * np.sin(u / 130) * np.cos(v / 170)), axis=-1).reshape(-1, 3)
    a = np.arange(count**2).reshape(count, count)
    quads = np.stack([x.ravel() for x in (a[:-1, :-1], a[1:, :-1], a[1:, 1:], a[:-1, 1:])], axis=1)
    faces = quads if is_quad else np.concatenate((quads[:, :3], quads[:, [0, 2, 3]]))
    raw = Raw({}, {}, has_objects).and_also(rng, positions, faces, 3)
    raw.vertices["objects"][u.ravel() > rng.uniform(-300, 300)] = -8
    return raw


def edit(rng: Rng, raw: Raw) -> Raw:
    """In some place vertices moved, given other values or taken away, faces taken away; or a ball more."""
    positions = raw.vertices["positions"]
    middle = positions[rng.integers(0, len(positions))]
    near = np.abs(positions - middle).max(axis=1) < rng.choice([15, 60, 200])
    at = near[raw.faces["corners"]].any(axis=1)
    vertices, faces = dict(raw.vertices), dict(raw.faces)
    match rng.choice(["move", "jitter", "weigh", "number", "fewer faces", "fewer vertices", "ball"]):
        case "move":
            shift = near[:, None] * rng.normal(0, rng.choice([1, 30]), 3)
            vertices["positions"] = (positions + shift).clip(LO[0], HI[0]).astype(np.float32)
        case "jitter":
            shift = near[:, None] * rng.normal(0, 6, positions.shape)
            vertices["positions"] = (positions + shift).clip(LO[0], HI[0]).astype(np.float32)
        case "weigh":
            vertices["weight"] = np.where(near, 2 * vertices["weight"], vertices["weight"])
        case "number":
            faces["numbers"] = faces["numbers"] + at[:, None].astype(np.int32)
        case "fewer faces":
            return raw.take(np.ones(len(near), bool), ~at | (rng.random(len(at)) < 0.5))
        case "fewer vertices":
            return raw.take(~near, ~at)
        case _:
            return raw.and_a_ball(rng, int(rng.choice([3, 900])))
    return replace(raw, vertices=vertices, faces=faces)


def assert_edits_are_rebuilt(rng: Rng, raw: Raw, times: int, options: PyramidOptions) -> None:
    place = write(raw.mesh(), options=CHUNKS)
    build_pyramid(place, options)
    for _ in range(times):
        raw = edit(rng, raw)
        place, chunks = transplant(place, write(raw.mesh(), options=CHUNKS))
        report = assert_refresh_is_rebuild(place, chunks)
        assert not report.levels[0].is_whole


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), has_objects=st.booleans(), is_quad=st.booleans(), times=st.integers(1, 2))
def test_meshes_after_random_edits(seed: int, has_objects: bool, is_quad: bool, times: int) -> None:
    rng = np.random.default_rng(seed)
    raw = a_sheet(rng, has_objects, is_quad)
    for number in range(int(rng.integers(0, 4))):
        raw = raw.and_a_ball(rng, 100 + number)
    assert_edits_are_rebuilt(rng, raw, times, LEVELS)


def test_surfaces_that_lie_on_each_other() -> None:
    """Vertices at the border of what is made again cannot be told apart: more is made again."""
    rng = np.random.default_rng(4)
    once = a_sheet(rng, False, False)
    corners = once.faces["corners"] + len(once.vertices["objects"])
    twice = replace(
        once,
        vertices={name: np.concatenate((v, v)) for name, v in once.vertices.items()},
        faces={name: np.concatenate((v, corners if name == "corners" else v)) for name, v in once.faces.items()},
    )
    assert_edits_are_rebuilt(rng, twice, 1, ONE_LEVEL)


def test_triangles_that_span_many_chunks() -> None:
    rng = np.random.default_rng(3)
    raw = a_sheet(rng, False, False, 25)
    far = rng.choice(len(raw.vertices["objects"]), (12, 3), replace=False)
    place = raw.vertices["positions"][far]
    raw = raw.and_also(rng, place.reshape(-1, 3), np.arange(36).reshape(12, 3), 5)
    raw.faces["corners"][-12:] = far
    assert_edits_are_rebuilt(rng, raw, 2, ONE_LEVEL)


@pytest.mark.parametrize("ndim", [2, 4])
def test_other_numbers_of_axes(ndim: int) -> None:
    u, v = np.meshgrid(*[np.linspace(5, 595, 30)] * 2, indexing="ij")
    a = np.arange(900).reshape(30, 30)
    quads = np.stack([x.ravel() for x in (a[:-1, :-1], a[1:, :-1], a[1:, 1:], a[:-1, 1:])], axis=1)
    flat = np.column_stack((u.ravel(), v.ravel()))
    options = {"axes": "xy", "chunk_shape": (100.0,) * 2, "bounds": ((0.0,) * 2, (600.0,) * 2)}
    positions, faces = flat, quads
    if ndim == 4:
        options = {"axes": "xyzt", "chunk_shape": (100.0,) * 3 + (1.0,), "bounds": ((0.0,) * 4, (600.0,) * 3 + (3.0,))}
        sheets = [np.column_stack((flat, 40 + 30 * np.sin(flat.sum(axis=1) / 90), np.full(900, t))) for t in range(3)]
        positions, faces = np.concatenate(sheets), np.concatenate([quads + 900 * t for t in range(3)])
    place = write(Mesh(positions, faces=faces), options=options)
    build_pyramid(place, PyramidOptions(levels=1))
    near = (np.abs(positions[:, :2] - 120) < 60).all(axis=1)
    near &= positions[:, -1] == 1 if ndim == 4 else True
    positions = positions.copy()
    positions[near, 0] += 7
    place, chunks = transplant(place, write(Mesh(positions, faces=faces), options=options))
    report = assert_refresh_is_rebuild(place, chunks)
    assert not report.levels[0].is_whole
    if ndim == 4:
        assert report.levels[0].chunk_count < len(zvview.open(place).level(1).chunks)


def test_what_is_far_away_is_not_read() -> None:
    """Three blocks to each side of the edit at most, and the chunks in which these find the far ends of triangles."""
    rng = np.random.default_rng(5)
    options = {"chunk_shape": (100.0,) * 3}
    raw = a_sheet(rng, True, False, 45)
    place = write(raw.mesh(), options=options)
    build_pyramid(place, PyramidOptions(levels=1, chunk_shapes=[(200.0,) * 3]))
    near = (np.abs(raw.vertices["positions"][:, :2] + 550) < 30).all(axis=1)
    raw.vertices["positions"][near, 2] += 3
    place, chunks = transplant(place, write(raw.mesh(), options=options))
    assert len(chunks) == 1
    source = CountingMemory(place)
    done = compute_refresh(source, chunks)
    assert not done.levels[0].is_whole
    for level, reach in ((0, 4 * 100), (1, 3 * 200)):
        edges = zvview.open(place).level(level).chunk_shape
        cells = {
            k.rpartition("/c/")[2] for k in source.keys if k.startswith(f"{level}/") and "/c/" in k and "obj" not in k
        }
        index = np.array([list(map(int, cell.split("/"))) for cell in cells])
        assert 0 < (index[:, :2] * edges[:2]).max() <= reach


def test_where_nothing_is_gained_the_level_is_made_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Much of the level is near the edit; or what is not lies in one block, and there may have been no other."""
    raw = a_sheet(np.random.default_rng(6), False, False, 20)
    for share, most in ((0.1, 0.0), (1.0, 590.0)):
        monkeypatch.setattr("zvview.pyramid.mesh_changes._MOST_SHARE", share)
        place = write(raw.mesh(), options=CHUNKS)
        build_pyramid(place, ONE_LEVEL)
        moved = raw.vertices["positions"] + np.float32([0, 0, 5]) * (raw.vertices["positions"][:, :1] < most)
        edited = replace(raw, vertices=raw.vertices | {"positions": moved})
        place, chunks = transplant(place, write(edited.mesh(), options=CHUNKS))
        assert assert_refresh_is_rebuild(place, chunks).levels[0].is_whole


def test_levels_whose_vertices_may_have_left_their_blocks_are_made_as_wholes() -> None:
    raw = a_sheet(np.random.default_rng(9), False, False, 20)
    place = write(raw.mesh(), options=CHUNKS)
    build_pyramid(place, ONE_LEVEL)
    assert b'"keeps_blocks":true' in place["1/zarr.json"]
    place["1/zarr.json"] = place["1/zarr.json"].replace(b'"keeps_blocks":true', b'"keeps_blocks":false')
    raw.vertices["positions"][0, 2] += 4
    place, chunks = transplant(place, write(raw.mesh(), options=CHUNKS))
    assert assert_refresh_is_rebuild(place, chunks).levels[0].is_whole


def test_an_object_with_the_id_of_none() -> None:
    rng = np.random.default_rng(7)
    raw = a_sheet(rng, True, False, 20)
    place = write(raw.mesh(), options=CHUNKS)
    build_pyramid(place, ONE_LEVEL)
    for is_whole in (True, False):
        raw = raw.and_a_ball(rng, -1)
        place, chunks = transplant(place, write(raw.mesh(), options=CHUNKS))
        assert assert_refresh_is_rebuild(place, chunks).levels[0].is_whole == is_whole


def test_a_mesh_that_is_emptied() -> None:
    raw = a_sheet(np.random.default_rng(8), False, False, 20)
    place = write(raw.mesh(), options=CHUNKS)
    build_pyramid(place, ONE_LEVEL)
    nothing = np.zeros(len(raw.vertices["objects"]), bool)
    edited = raw.take(nothing, np.zeros(len(raw.faces["numbers"]), bool)).mesh()
    place, chunks = transplant(place, write(edited, options=CHUNKS))
    compute_refresh(CountingMemory(place), chunks)
    zvview.pyramid.refresh_pyramid(place, chunks)
    assert zvview.open(place).levels == (0,)
