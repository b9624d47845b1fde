"""Synthetic batches: as large as asked, the same each time, inside their cube, and shaped as their kind must be."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview import Batch, Graph, InvalidInputError, Mesh, MissingError, Points, Polylines, Skeletons
from zvview.testing import EXTENT, KINDS, make_batch, make_groups
from zvview.testing.meshes import make_icosphere, make_torus

FORMS = {
    "point_cloud": ("clustered", "uniform"),
    "graph": ("vessels", "neighbours"),
    "mesh": ("ellipsoids", "tori"),
}
CASES = [(kind, form) for kind in KINDS for form in FORMS.get(kind, (None,))]
ALL = pytest.mark.parametrize(("kind", "form"), CASES)


def arrays_of(batch: Batch) -> dict[str, NDArray[np.generic]]:
    named = {"positions": batch.positions, **batch.attributes}
    for name in ("object_ids", "offsets", "bridges", "edges", "faces"):
        value = getattr(batch, name, None)
        if value is not None:
            named[name] = value
    return named | {f"link {k}": v for k, v in getattr(batch, "link_attributes", {}).items()}


@ALL
@settings(max_examples=15, deadline=None)
@given(size=st.integers(12, 3000), seed=st.integers(0, 2**32), ndim=st.integers(2, 4))
def test_batches_have_their_size_stay_in_the_cube_and_are_finite(
    kind: str, form: str | None, size: int, seed: int, ndim: int
) -> None:
    ndim = 3 if kind == "mesh" else ndim
    batch = make_batch(kind, size, ndim, seed, form=form)
    expected = {"mesh": len(batch), "line": size - size % 2}.get(kind, size)
    assert len(batch) == expected <= size
    assert batch.kind == kind and batch.ndim == ndim and batch.positions.dtype == np.float32
    assert batch.positions.min() >= 0 and batch.positions.max() <= EXTENT
    assert all(np.isfinite(a).all() for a in arrays_of(batch).values() if a.dtype.kind == "f")
    assert batch.attributes
    if not isinstance(batch, Points):
        assert batch.offsets[-1] == len(batch) and (np.diff(batch.offsets) > 0).all()
        assert np.array_equal(batch.object_ids, np.arange(len(batch.offsets) - 1))


@ALL
def test_a_seed_gives_the_same_bytes_and_another_seed_does_not(kind: str, form: str | None) -> None:
    first, again, other = (make_batch(kind, 2000, seed=s, form=form) for s in (5, 5, 6))
    assert arrays_of(first).keys() == arrays_of(again).keys()
    assert all(
        a.tobytes() == b.tobytes() for a, b in zip(arrays_of(first).values(), arrays_of(again).values(), strict=True)
    )
    assert first.positions.tobytes() != other.positions.tobytes()


@ALL
def test_attributes_are_left_out_on_demand_and_change_nothing_else(kind: str, form: str | None) -> None:
    bare, full = (make_batch(kind, 2000, form=form, with_attributes=w) for w in (False, True))
    assert not bare.attributes and not getattr(bare, "link_attributes", {})
    assert bare.positions.tobytes() == full.positions.tobytes()


@ALL
def test_the_number_of_objects_is_what_was_asked(kind: str, form: str | None) -> None:
    count = 1000 if kind == "line" else 7
    batch = make_batch(kind, 2000, form=form, n_objects=count)
    assert isinstance(batch, Points | Polylines | Graph | Mesh)
    assert np.array_equal(np.unique(batch.object_ids), np.arange(count))
    members = np.concatenate(list(make_groups(batch).values()))
    assert np.array_equal(np.sort(members), np.arange(count))


def test_points_have_no_objects_and_no_groups_unless_asked() -> None:
    batch = make_batch("point_cloud", 100)
    assert isinstance(batch, Points) and batch.object_ids is None and make_groups(batch) == {}


def test_clusters_are_dense_and_uniform_points_are_not() -> None:
    def fullest(form: str) -> int:
        cells = (make_batch("point_cloud", 50_000, form=form).positions // 100).astype(np.int64)
        return int(np.bincount(cells @ [100, 10, 1]).max())

    assert fullest("clustered") > 10 * fullest("uniform")


@pytest.mark.parametrize("kind", ["polyline", "streamline"])
def test_lines_take_small_steps_and_bundles_keep_together(kind: str) -> None:
    batch = make_batch(kind, 5000)
    assert isinstance(batch, Polylines)
    segments = batch.segments
    steps = np.linalg.norm(batch.positions[segments[:, 1]] - batch.positions[segments[:, 0]], axis=1)
    assert steps.max() < 0.2 * EXTENT and np.median(steps) < 0.04 * EXTENT
    middles = np.array(
        [batch.positions[a:b].mean(axis=0) for a, b in zip(batch.offsets, batch.offsets[1:], strict=False)]
    )
    groups = make_groups(batch)
    within = np.mean([middles[ids].std(axis=0).mean() for ids in groups.values()])
    assert len(groups) == 6 and within < 0.5 * middles.std(axis=0).mean()


@settings(max_examples=20, deadline=None)
@given(size=st.integers(1, 4000), trees=st.integers(1, 30), seed=st.integers(0, 1000))
def test_skeletons_are_trees_of_one_root_each(size: int, trees: int, seed: int) -> None:
    trees = min(trees, size)
    batch = make_batch("skeleton", size, seed=seed, n_objects=trees)
    assert isinstance(batch, Skeletons)
    parents, owner = batch.parents, batch.vertex_object_ids
    assert np.array_equal(np.flatnonzero(parents < 0), batch.offsets[:-1])
    children = np.flatnonzero(parents >= 0)
    assert (parents[children] < children).all()  # hence no cycle
    assert np.array_equal(owner[parents[children]], owner[children])
    assert np.array_equal(batch.labels("type") == "soma", parents < 0)


def test_skeletons_branch_have_an_axon_and_grow_thinner() -> None:
    batch = make_batch("skeleton", 4000, n_objects=2)
    assert isinstance(batch, Skeletons)
    assert np.bincount(batch.parents[batch.parents >= 0]).max() >= 3
    radius, kinds = batch.attributes["radius"], batch.labels("type")
    assert set(kinds) == {"soma", "axon", "dendrite"}
    assert radius.min() > 0 and radius[kinds == "soma"].min() > radius[kinds != "soma"].max()


@pytest.mark.parametrize("form", FORMS["graph"])
def test_edges_of_graphs_are_short_different_and_stay_in_their_object(form: str) -> None:
    batch = make_batch("graph", 3000, form=form, n_objects=4)
    assert isinstance(batch, Graph)
    assert len(np.unique(np.sort(batch.edges, axis=1), axis=0)) == len(batch.edges)
    assert (batch.edges[:, 0] != batch.edges[:, 1]).all()
    owner = batch.vertex_object_ids
    assert np.array_equal(owner[batch.edges[:, 0]], owner[batch.edges[:, 1]])
    ends = batch.positions[batch.edges]
    assert np.allclose(batch.link_attributes["length"], np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1), rtol=1e-4)
    assert np.median(batch.link_attributes["length"]) < 0.05 * EXTENT
    assert len(batch.edges) > len(batch) - 4  # more than trees: vessels close loops


@pytest.mark.parametrize("form", FORMS["mesh"])
def test_meshes_are_closed_turned_outward_and_carry_true_normals_and_areas(form: str) -> None:
    batch = make_batch("mesh", 6000, form=form, n_objects=3)
    assert isinstance(batch, Mesh)
    corners = batch.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    forward = corners @ [len(batch), 1]
    backward = corners[:, ::-1] @ [len(batch), 1]
    assert len(np.unique(forward)) == len(forward)  # each edge once in each direction: closed, and turned alike
    assert np.array_equal(np.sort(forward), np.sort(backward))
    characteristic = len(batch) - len(forward) // 2 + len(batch.faces)
    assert characteristic == (6 if form == "ellipsoids" else 0)
    a, b, c = (batch.positions[batch.faces[:, k]].astype(np.float64) for k in range(3))
    cross = np.cross(b - a, c - a)
    assert np.allclose(batch.link_attributes["area"], np.linalg.norm(cross, axis=1) / 2, rtol=1e-3)
    facing = np.einsum("nd,nd->n", cross, batch.attributes["normal"][batch.faces[:, 0]])
    assert (facing > 0).all()
    assert batch.attributes["curvature"].shape == (len(batch),)


def test_curvature_of_a_sphere_and_of_a_torus_are_those_of_the_textbook() -> None:
    unit, faces = make_icosphere(1000)
    assert (len(unit), len(faces)) == (10 * 9**2 + 2, 20 * 9**2)
    assert np.allclose(np.linalg.norm(unit, axis=1), 1)
    vertices, _, normals, curvature = make_torus(500)
    outer = np.linalg.norm(vertices[:, :2], axis=1).argmax()
    ring, tube = 1 / 1.35, 0.35 / 1.35
    assert curvature[outer] == pytest.approx((1 / tube + 1 / (ring + tube)) / 2)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1)


def test_curvature_of_ellipsoids_integrates_to_that_of_convex_bodies() -> None:
    # Minkowski: the integral of mean curvature over a convex body is 2 pi times its mean width.
    batch = make_batch("mesh", 20_000, n_objects=1)
    assert isinstance(batch, Mesh)
    per_face = batch.attributes["curvature"][batch.faces].mean(axis=1)
    integral = float(per_face @ batch.link_attributes["area"])
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((2000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    reach = batch.positions @ directions.T.astype(np.float32)
    assert integral == pytest.approx(2 * np.pi * float(np.mean(np.ptp(reach, axis=0))), rel=0.02)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("point_cloud", {"size": 0}),
        ("point_cloud", {"form": "vessels"}),
        ("point_cloud", {"size": 3, "n_objects": 4}),
        ("line", {"size": 1}),
        ("line", {"size": 10, "n_objects": 4}),
        ("streamline", {"size": 10, "n_objects": 6}),
        ("streamline", {"ndim": 1}),
        ("skeleton", {"n_objects": 0}),
        ("mesh", {"ndim": 2}),
        ("mesh", {"size": 11}),
        ("mesh", {"size": 8, "form": "tori"}),
    ],
)
def test_what_can_not_be_made_is_refused(kind: str, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        make_batch(kind, **wrong)  # type: ignore[arg-type]


def test_unknown_kinds_are_named_in_the_error() -> None:
    with pytest.raises(MissingError, match="voxels"):
        make_batch("voxels")


@pytest.mark.parametrize("module", ["zvview.testing", "zvview.testing.batches", "zvview.testing.stores"])
def test_examples_in_docstrings_are_true(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0 and result.failed == 0
