"""Levels of skeletons and graphs in stores: designs that nest, work in parts, what a level holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.errors import DamagedError, InvalidInputError
from zvview.format.attributes import Categories
from zvview.geometry.batches import Graph, Skeletons
from zvview.pyramid.build import build_pyramid
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.hashing import hash_ids
from zvview.pyramid.inherit import inherit
from zvview.pyramid.kind import Coarsened, Job, TaskContext
from zvview.pyramid.scratch import Scratch
from zvview.pyramid.trees import TreesKind, threshold_of
from zvview.store.check.checking import check
from zvview.store.creating import create
from zvview.store.level import Level
from zvview.store.opening import open as open_place
from zvview.store.store import Store
from zvview.store.writing.level import LevelPlan, write_level
from zvview.store.writing.partition import Tiling
from zvview.testing.stores import make_store


def coarsen(fine: Level, design: LevelDesign, kind: str, folder: Path, part_bytes: int = 1 << 24) -> list[Any]:
    tiling = Tiling(kind, design.chunk_shape)
    scratch = Scratch(str(folder))
    context = TaskContext(fine, design, tiling, scratch)

    def run_all(task: Callable[[TaskContext, Any], Any], parts: Sequence[Any]) -> list[Any]:
        return [task(context, part) for part in parts]

    done = TreesKind(part_bytes).coarsen(Job(fine, design, tiling, scratch, run_all))
    assert isinstance(done, Coarsened)
    return [scratch.load(name) for name in done.runs]


def build(place: Path, **options: Any) -> Store:
    """The store with its levels, as few nodes as they take."""
    build_pyramid(str(place), PyramidOptions(target=1, **options))
    store = open_place(str(place))
    assert isinstance(store, Store)
    return store


def by_object(level: Level) -> dict[int, Graph]:
    ids = level.object_ids
    assert ids is not None
    found = {}
    for number in ids.tolist():
        batch = level.read_objects([number])
        assert isinstance(batch, Graph)
        found[number] = batch
    return found


def farthest(points: NDArray[np.floating], batch: Graph) -> float:
    """The largest distance of any of the points from a link of the batch."""
    a, b = (batch.positions[batch.edges[:, end]].astype(np.float64) for end in (0, 1))
    along = b - a
    length = np.maximum((along**2).sum(axis=1), 1e-300)
    worst = 0.0
    for part in np.array_split(points.astype(np.float64), max(1, len(points) // 200)):
        lead = part[:, None] - a
        share = np.clip((lead * along).sum(axis=2) / length, 0, 1)
        off = np.linalg.norm(lead - share[:, :, None] * along, axis=2).min(axis=1)
        worst = max(worst, float(off.max(initial=0)))
    return worst


def along_links(batch: Graph) -> NDArray[np.float64]:
    a, b = (batch.positions[batch.edges[:, end]].astype(np.float64) for end in (0, 1))
    share = np.linspace(0, 1, 5)[:, None, None]
    return np.asarray((a + share * (b - a)).reshape(-1, batch.ndim))


def wander(rng: np.random.Generator, count: int, ndim: int = 3) -> NDArray[np.float64]:
    heading = np.cumsum(rng.normal(0, 0.1, (count, ndim)), axis=0) + rng.normal(0, 1, ndim)
    return np.asarray(np.cumsum(heading / np.linalg.norm(heading, axis=1, keepdims=True), axis=0))


def make_forest(seed: int, objects: int = 6, nodes: int = 60, ndim: int = 3, dtype: str = "f4") -> Skeletons:
    rng = np.random.default_rng(seed)
    where, parents = [], []
    for number in range(objects):
        start = number * nodes
        trunk = wander(rng, nodes, ndim) + rng.normal(0, 40, ndim)
        up = np.arange(nodes) - 1
        up[nodes // 2] = nodes // 4
        up[3 * nodes // 4] = -1
        up[-1] = -1
        trunk[nodes // 2 :] += rng.normal(0, 3, ndim)
        where.append(trunk)
        parents.append(np.where(up < 0, -1, up + start))
    ids = rng.choice(10**9, objects, replace=False) - 5 * 10**8
    return Skeletons.from_parents(
        np.concatenate(where).astype(dtype),
        np.concatenate(parents),
        offsets=np.arange(objects + 1) * nodes,
        object_ids=np.sort(ids),
        attributes={
            "radius": rng.uniform(0.5, 0.6, objects * nodes).astype("f4"),
            "kind": np.arange(objects * nodes) // 25,
        },
        categories={"kind": Categories(tuple(f"label {i}" for i in range(objects * nodes // 25 + 1)))},
    )


@pytest.mark.parametrize(("kind", "ndim"), [("skeleton", 2), ("skeleton", 3), ("graph", 3)])
def test_levels_keep_their_promise_to_level_0(tmp_path: Path, kind: str, ndim: int) -> None:
    make_store(
        str(tmp_path / "s"), kind, size=1500, ndim=ndim, with_attributes=False, chunk_shape=(400.0,) * ndim
    ).close()
    store = build(tmp_path / "s")
    assert len(store.levels) >= 3
    exact = store.level(0).read()
    assert isinstance(exact, Graph)
    before = store.level(1).resolution / 2
    for number in store.levels[1:]:
        level = store.level(number)
        coarse = level.read()
        assert isinstance(coarse, Graph)
        assert (level.resolution >= 2 * before * (1 - 1e-9)).all()
        before = level.resolution
        assert farthest(exact.positions, coarse) <= before.min()
        assert farthest(along_links(coarse), exact) <= before.min()
        assert set(map(bytes, coarse.positions)) <= set(map(bytes, exact.positions))


def test_a_skeleton_stays_a_tree_with_its_ends_branches_and_values(tmp_path: Path) -> None:
    batch = make_forest(3)
    store = create(str(tmp_path / "s"), kind="skeleton", chunk_shape=(20.0,) * 3)
    store.write(batch)
    store.close()
    opened = build(tmp_path / "s")
    assert len(opened.levels) > 1
    fine, coarse = opened.level(0), opened.level(1)
    for number, old in by_object(fine).items():
        new = coarse.read_objects([number])
        assert isinstance(old, Skeletons) and isinstance(new, Skeletons)
        place = {p.tobytes(): i for i, p in enumerate(old.positions)}
        rows = np.array([place[p.tobytes()] for p in new.positions])
        np.testing.assert_array_equal(new.attributes["radius"], old.attributes["radius"][rows])
        assert new.labels("kind").tolist() == old.labels("kind")[rows].tolist()
        degree = np.bincount(old.edges.ravel(), minlength=len(old))
        assert set(np.flatnonzero(degree != 2)) <= set(rows.tolist())
        np.testing.assert_array_equal(np.bincount(new.edges.ravel(), minlength=len(new)), degree[rows])
        assert set(rows[new.parents < 0]) == set(np.flatnonzero(old.parents < 0))
        assert len(old) - len(old.edges) == len(new) - len(new.edges)
        old_parents, new_parents = old.parents, new.parents
        for i in np.flatnonzero(new_parents >= 0):
            at = rows[i]
            while at != rows[new_parents[i]]:
                at = old_parents[at]
                assert at >= 0


def make_graph(seed: int, dtype: str) -> Graph:
    """Trees with some links between objects, loops and repeated links."""
    rng = np.random.default_rng(seed)
    forest = make_forest(seed, dtype=dtype)
    more = np.concatenate((rng.integers(0, len(forest), (6, 2)), [[5, 5], [80, 200], [80, 200]]))
    edges = np.concatenate((forest.edges, more))
    return Graph(
        forest.positions,
        offsets=forest.offsets,
        object_ids=forest.object_ids,
        edges=edges[rng.permutation(len(edges))],
        attributes=forest.attributes,
        categories=forest.categories,
        link_attributes={"weight": np.arange(len(edges)) / 2},
    )


class Kept:
    """Takes what is written."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}

    def put_many(self, items: Iterable[tuple[str, Sequence[Any]]]) -> None:
        for key, pieces in items:
            self.found[key] = b"".join(bytes(p) for p in pieces)


def write(fine: Level, design: LevelDesign, kind: str, runs: list[Any]) -> dict[str, bytes]:
    kept = Kept()
    lo, hi = np.full(3, -1000.0), np.full(3, 1000.0)
    plan = LevelPlan(1, Tiling(kind, design.chunk_shape), lo, hi, parent_level=0, inherited_num_objects=6)
    written = write_level(kept, plan, inherit(fine, runs))
    documents = {path: json.dumps(document, sort_keys=True).encode() for path, document in written.documents.items()}
    return kept.found | documents


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["skeleton", "graph"]), st.sampled_from(["f4", "f8"]), st.booleans())
def test_the_size_of_parts_changes_no_byte(
    tmp_path_factory: pytest.TempPathFactory, seed: int, kind: str, dtype: str, is_sparse: bool
) -> None:
    tmp_path = tmp_path_factory.mktemp("parts")
    batch = make_graph(seed, dtype) if kind == "graph" else make_forest(seed, dtype=dtype)
    store = create({}, kind=kind, chunk_shape=(15.0,) * 3, dtype=dtype)
    store.write(batch)
    fine = store.level(0)
    options = PyramidOptions(object_sparsity=0.6 if is_sparse else 1.0, chunk_shapes=[(30.0, 30.0, 15.0)])
    design = TreesKind().design(fine, None, options)
    whole = coarsen(fine, design, kind, tmp_path / "a")
    parts = coarsen(fine, design, kind, tmp_path / "b", part_bytes=1)
    assert len(whole) <= 2 and len(parts) > 3
    assert write(fine, design, kind, whole) == write(fine, design, kind, parts)


@pytest.mark.parametrize("part_bytes", [1, 1 << 24])
def test_links_between_objects_and_chunks_stay(tmp_path: Path, part_bytes: int) -> None:
    x = np.arange(100.0)
    where = np.stack((x, 5 + np.sin(x), np.zeros(100)), axis=1).astype("f4")
    edges = np.delete(np.stack((np.arange(99), np.arange(1, 100)), axis=1), 49, axis=0)
    edges[::3] = edges[::3, ::-1]
    batch = Graph(where, edges=edges, offsets=np.arange(0, 101, 10), object_ids=np.arange(10) * 7 - 30)
    store = create({}, kind="graph", chunk_shape=(12.0, 12.0, 12.0))
    store.write(batch)
    options = PyramidOptions(bin_shapes=[(24.0,) * 3], chunk_shapes=[(12.0,) * 3])
    design = TreesKind().design(store.level(0), None, options)
    runs = coarsen(store.level(0), design, "graph", tmp_path, part_bytes)
    assert len(runs) == (10 if part_bytes == 1 else 2)
    nodes, links = sum(len(run.positions) for run in runs), sum(len(run.links.records) for run in runs)
    assert nodes < 60 and nodes - links == 2


def test_the_direction_of_links_stays(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    where = wander(rng, 300)
    edges = np.stack((np.arange(300)[1:], np.arange(300)[:-1]), axis=1)
    store = create(str(tmp_path / "s"), kind="graph", chunk_shape=(10.0,) * 3)
    store.write(Graph(where, edges=edges, object_ids=[4]))
    store.close()
    coarse = build(tmp_path / "s", levels=1, bin_shapes=[(5.0,) * 3], chunk_shapes=[(10.0,) * 3]).level(1).read()
    assert isinstance(coarse, Graph)
    place = {p.tobytes(): i for i, p in enumerate(where.astype(coarse.positions.dtype))}
    number = np.array([place[p.tobytes()] for p in coarse.positions])
    assert len(coarse) < 250
    assert (number[coarse.edges[:, 0]] > number[coarse.edges[:, 1]]).all()


def test_positions_outside_their_chunks_are_damage(tmp_path: Path) -> None:
    store = create({}, kind="skeleton", chunk_shape=(15.0,) * 3)
    store.write(make_forest(1))
    fine = store.level(0)
    design = TreesKind().design(fine, None, PyramidOptions())

    class Moved:
        """The level, with a vertex far off."""

        def __getattr__(self, name: str) -> Any:
            return getattr(fine, name)

        def read_chunks(self, chunks: Any) -> Graph:
            batch = fine.read_chunks(chunks)
            assert isinstance(batch, Graph)
            positions = batch.positions.copy()
            positions[0] += 1e6
            return replace(batch, positions=positions)

    with pytest.raises(DamagedError, match="outside"):
        coarsen(Moved(), design, "skeleton", tmp_path)  # type: ignore[arg-type]


def test_a_level_without_objects_is_thinned_as_a_whole(tmp_path: Path) -> None:
    make_store(str(tmp_path / "s"), "graph", size=2000, n_objects=1, with_groups=False).close()
    with_objects = open_place(str(tmp_path / "s"))
    assert isinstance(with_objects, Store)
    design = TreesKind().design(with_objects.level(0), None, PyramidOptions())

    class Unowned:
        """The level, without its object index."""

        object_ids = None

        def __getattr__(self, name: str) -> Any:
            return getattr(with_objects.level(0), name)

        def read_chunks(self, chunks: Any) -> Graph:
            batch = with_objects.level(0).read_chunks(chunks)
            assert isinstance(batch, Graph)
            return replace(batch, object_ids=None)

    (whole,) = coarsen(with_objects.level(0), design, "graph", tmp_path / "a")
    (run,) = coarsen(Unowned(), design, "graph", tmp_path / "b")  # type: ignore[arg-type]
    assert run.objects is None
    assert sorted(map(bytes, run.positions)) == sorted(map(bytes, whole.positions))


def test_objects_are_kept_by_hash_and_nest() -> None:
    ids = np.arange(-2000, 2000)
    hashes = hash_ids(ids, 3)

    def kept(share: float) -> NDArray[np.int64]:
        parameters = {"object_share": share, "seed": 3}
        design = LevelDesign(1, (1.0,), (1.0,), "unbranched_runs", parameters)
        return np.asarray(ids[hashes < threshold_of(ids, design)])

    assert 1850 < len(kept(0.5)) < 2150 and 900 < len(kept(0.25)) < 1100
    assert np.isin(kept(0.25), kept(0.5)).all()
    assert len(kept(1e-6)) == 1
    assert len(kept(1.0)) == 4000


def test_a_share_of_the_objects_compounds(tmp_path: Path) -> None:
    make_store(str(tmp_path / "s"), "skeleton", size=3000, n_objects=60, chunk_shape=(500.0,) * 3).close()
    store = build(tmp_path / "s", object_sparsity=0.5, levels=2)
    first, second = (np.unique(store.level(k).read().object_ids) for k in (1, 2))  # type: ignore[attr-defined]
    assert 18 <= len(first) <= 42 and 5 <= len(second) <= 26
    assert np.isin(second, first).all()


def test_neighbour_graphs_have_no_coarser_level(tmp_path: Path) -> None:
    make_store(str(tmp_path / "s"), "graph", size=3000, form="neighbours").close()
    assert build(tmp_path / "s").levels == (0,)


def test_trees_that_are_none_are_damage(tmp_path: Path) -> None:
    store = create({}, kind="skeleton")
    store.write(make_forest(5, objects=1))
    fine = store.level(0)
    design = TreesKind().design(fine, None, PyramidOptions())

    class Ringed:
        """The level, with a link that closes a ring."""

        def __getattr__(self, name: str) -> Any:
            return getattr(fine, name)

        def read_chunks(self, chunks: Any) -> Graph:
            batch = fine.read_chunks(chunks)
            assert isinstance(batch, Graph)
            return replace(batch, edges=np.concatenate((batch.edges, batch.edges[:1, ::-1] + [[0, 4]])))

    with pytest.raises(DamagedError, match="forest"):
        coarsen(Ringed(), design, "skeleton", tmp_path / "scratch")  # type: ignore[arg-type]


def test_an_empty_level_has_no_runs(tmp_path: Path) -> None:
    store = create({}, kind="graph", chunk_shape=(10.0,) * 3)
    store.write(Graph(np.empty((0, 3), np.float32)))
    design = TreesKind().design(store.level(0), None, PyramidOptions())
    assert coarsen(store.level(0), design, "graph", tmp_path) == []


@pytest.mark.parametrize("kind", ["graph", "skeleton"])
def test_levels_in_space_and_time_are_real_nodes(tmp_path: Path, kind: str) -> None:
    make_store(str(tmp_path / "s"), kind, size=3000, ndim=4, dtype="float64").close()
    store = build(tmp_path / "s")
    assert len(store.levels) > 1
    exact, coarse = store.level(0).read(), store.level(1).read()
    assert coarse.positions.dtype == np.float64
    assert set(map(bytes, coarse.positions)) <= set(map(bytes, exact.positions))
    np.testing.assert_array_equal(np.unique(coarse.object_ids), np.unique(exact.object_ids))  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [Graph, Skeletons])
@pytest.mark.parametrize("edge", [0.1, 0.3, 0.7, 1.1])
def test_chunks_that_grow_by_themselves_agree_on_positions_at_their_borders(kind: type[Graph], edge: float) -> None:
    steps = np.random.default_rng(14).integers(-1, 2, (500, 3))
    positions = np.cumsum(steps, axis=0) * 0.1
    edges = np.stack((np.arange(1, 500), np.arange(499)), axis=1)
    memory: dict[str, bytes] = {}
    create(memory, kind=kind.kind, axes="xyz", chunk_shape=(edge,) * 3).write(kind(positions, edges=edges))
    built = build_pyramid(memory, PyramidOptions(levels=2))
    assert built[0].design.chunk_shape[0] > edge
    assert check(memory).ok


def test_wished_chunks_that_rounding_sets_at_odds_are_told_as_such() -> None:
    positions = np.array([[1.5] * 3, [1.52] * 3, [1.55] * 3])  # 15 chunks of 0.1 from zero, not quite 5 of 3 * 0.1
    memory: dict[str, bytes] = {}
    graph = Graph(positions, edges=np.array([[0, 1], [1, 2]]))
    create(memory, kind="graph", axes="xyz", chunk_shape=(0.1,) * 3).write(graph)
    with pytest.raises(InvalidInputError, match="rounding puts a position on a border elsewhere"):
        build_pyramid(memory, PyramidOptions(levels=1, chunk_shapes=[(0.1 * 3,) * 3], bin_shapes=[(0.1 * 3,) * 3]))


@pytest.mark.parametrize("kind", [Graph, Skeletons])
@pytest.mark.parametrize("far", [3e38, -3e38, 1e12])
def test_positions_far_from_their_chunk_are_damage(kind: type[Graph], far: float) -> None:
    positions = np.random.default_rng(1).uniform(0, 100, (200, 3)).astype(np.float32)
    edges = np.stack((np.arange(1, 200), np.arange(199)), axis=1)
    memory: dict[str, bytes] = {}
    create(memory, kind=kind.kind, axes="xyz", chunk_shape=(50.0,) * 3, shards=False).write(
        kind(positions, edges=edges)
    )
    key = next(key for key in memory if key.startswith("0/vertices/c/"))
    middle = len(memory[key]) // 8 * 4
    memory[key] = memory[key][:middle] + np.float32(far).tobytes() + memory[key][middle + 4 :]
    with pytest.raises(DamagedError, match="positions inside their chunks"):
        build_pyramid(memory, PyramidOptions(levels=1))
