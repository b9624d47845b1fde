"""Levels of lines: nested, fair, near what they stand for, and the same however the work was cut."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from zarr_vectors.validate import validate

import zvview
from zvview.errors import DamagedError, InvalidInputError
from zvview.format.metadata import Axis
from zvview.geometry.batches import Batch, Lines, Polylines, Streamlines
from zvview.pyramid import lines as lines_module
from zvview.pyramid.build import build_pyramid
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.kind import Coarsened, Job, TaskContext
from zvview.pyramid.line_design import LineRules
from zvview.pyramid.line_sample import find_owners
from zvview.pyramid.lines import LinesKind
from zvview.pyramid.scratch import Scratch
from zvview.store.level import Level
from zvview.store.writing.partition import Tiling
from zvview.store.writing.runs import Run
from zvview.store.writing.vertex_waves import Merge
from zvview.testing import make_batch, make_groups

Floats = NDArray[Any]


def make_walks(count: int, *, ndim: int = 3, seed: int = 0, dtype: Any = np.float32, shift: float = 0.0) -> Streamlines:
    """Smooth random walks of 2 to 80 vertices with a scalar, a vector and a label, ids sparse and negative."""
    rng = np.random.default_rng(seed)
    per = rng.integers(2, 80, count)
    offsets = np.concatenate(([0], np.cumsum(per)))
    step = np.cumsum(rng.normal(0, 1, (offsets[-1] + 10, ndim)), axis=0)
    step = step[10:] - step[:-10]
    walk = np.cumsum(step / np.linalg.norm(step, axis=1, keepdims=True), axis=0)
    walk += np.repeat(rng.uniform(0, 60, (count, ndim)) - walk[offsets[:-1]], per, axis=0) + shift
    values = {
        "fa": rng.random(offsets[-1], np.float32),
        "direction": rng.integers(0, 255, (offsets[-1], 3)).astype(np.uint8),
        "label": np.array(["left", "right", "mid"])[rng.integers(0, 3, offsets[-1])],
    }
    ids = np.sort(rng.choice(10**9, count, replace=False)) - 5 * 10**8
    return Streamlines(walk.astype(dtype), offsets=offsets, object_ids=ids, attributes=values)


def make_store(batch: Batch, **options: Any) -> dict[str, bytes]:
    place: dict[str, bytes] = {}
    groups = options.pop("groups", None)
    zvview.create(place, kind=batch.kind, **options).write(batch, groups=groups)
    return place


def read_levels(place: Any) -> list[Polylines]:
    store = zvview.open(place)
    batches = [store.level(k).read() for k in store.levels]
    assert all(isinstance(b, Polylines) for b in batches)
    return batches  # type: ignore[return-value]


def sample(batch: Polylines, step: float) -> Floats:
    """Points along all segments, at most `step` apart."""
    ends = batch.positions[batch.segments].astype(np.float64)
    parts = np.maximum(1, np.ceil(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) / step)).astype(int)
    owner = np.repeat(np.arange(len(parts)), parts)
    share = (np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)) / parts[owner]
    along = ends[owner, 0] + share[:, None] * (ends[owner, 1] - ends[owner, 0])
    return np.concatenate((along, ends[:, 1]))


def farthest(points: Floats, batch: Polylines) -> float:
    """Largest distance of the points from the segments of a batch."""
    ends = batch.positions[batch.segments].astype(np.float64)
    start, along = ends[:, 0], ends[:, 1] - ends[:, 0]
    square = np.maximum((along * along).sum(axis=1), 1e-300)
    worst = 0.0
    for block in np.array_split(points, max(1, len(points) * len(start) // 2_000_000)):
        lead = block[:, None] - start
        share = np.clip((lead * along).sum(axis=2) / square, 0, 1)
        near = ((lead - share[:, :, None] * along) ** 2).sum(axis=2).min(axis=1)
        worst = max(worst, float(near.max()))
    return worst**0.5


def assert_real_vertices(fine: Polylines, coarse: Polylines) -> None:
    """Each line of the coarse level is a part of its own in the fine one, ends and values included."""
    assert fine.object_ids is not None and coarse.object_ids is not None
    place = {int(i): p for p, i in enumerate(fine.object_ids)}
    for piece, one in enumerate(coarse.object_ids.tolist()):
        a, b = fine.offsets[place[one] : place[one] + 2]
        c, d = coarse.offsets[piece : piece + 2]
        at = 0
        rows = []
        for vertex in range(c, d):
            same = (fine.positions[a + at : b] == coarse.positions[vertex]).all(axis=1)
            for name, values in fine.attributes.items():
                same &= np.reshape(values[a + at : b] == coarse.attributes[name][vertex], (len(same), -1)).all(axis=1)
            at += int(np.flatnonzero(same)[0]) + 1
            rows.append(at - 1)
        assert rows[0] == 0
        assert (fine.positions[b - 1] == coarse.positions[d - 1]).all()


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([(2, np.float64), (3, np.float32)]), st.sampled_from([0.0, -5000.0]))
def test_levels_nest_keep_real_vertices_and_hold_what_their_bins_promise(
    seed: int, form: tuple[int, Any], shift: float
) -> None:
    batch = make_walks(40, ndim=form[0], seed=seed, dtype=form[1], shift=shift)
    place = make_store(batch)
    built = build_pyramid(place, PyramidOptions(target=50, seed=seed))
    levels = read_levels(place)
    assert len(levels) == len(built) + 1 >= 2
    for level, fine, coarse in zip(built, levels[:-1], levels[1:], strict=True):
        assert fine.object_ids is not None and coarse.object_ids is not None
        assert np.isin(coarse.object_ids, fine.object_ids).all()
        assert coarse.attributes["label"].dtype == fine.attributes["label"].dtype
        assert_real_vertices(fine, coarse)
        edge = min(level.design.bin_shape)
        assert farthest(sample(levels[0], 1.0), coarse) <= edge
        assert farthest(sample(coarse, edge), levels[0]) <= edge


def test_a_dense_bundle_is_thinned_and_keeps_its_place() -> None:
    rng = np.random.default_rng(1)
    along = np.linspace(0, 50, 60)
    core = np.column_stack((along, 8 * np.sin(along / 8), np.cos(along / 5)))
    copies = core + rng.normal(0, 0.8, (900, 1, 3)) + rng.normal(0, 0.03, (900, 60, 3))
    batch = Streamlines.from_list(list(copies.astype(np.float32)), object_ids=np.arange(900))
    place = make_store(batch)
    built = build_pyramid(place, PyramidOptions(target=500))
    levels = read_levels(place)
    assert all(3 < len(a) / len(b) < 10 for a, b in pairwise(levels))
    assert built[-1].object_count < 300
    for level, coarse in zip(built, levels[1:], strict=True):
        assert farthest(sample(levels[0], 1.0)[::997], coarse) <= min(level.design.bin_shape)


class Here:
    """A job whose tasks run one after the other."""

    def __init__(self, fine: Level, design: LevelDesign, kind: str, folder: Path) -> None:
        self.scratch = Scratch(str(folder))
        tiling = Tiling(kind, design.chunk_shape)
        context = TaskContext(fine, design, tiling, self.scratch)
        self.job = Job(fine, design, tiling, self.scratch, lambda task, parts: [task(context, p) for p in parts])

    def coarsen(self, part_bytes: int) -> tuple[Coarsened, list[Run]]:
        coarsened = LinesKind(part_bytes).coarsen(self.job)
        return coarsened, [self.scratch.load(name) for name in coarsened.runs]


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([9_000, 3_000]), st.sampled_from(["streamline", "line"]))
def test_levels_do_not_depend_on_the_size_of_parts(
    tmp_path_factory: pytest.TempPathFactory, seed: int, part_bytes: int, kind: str
) -> None:
    batch = make_walks(80, seed=seed) if kind == "streamline" else make_batch("line", 900, seed=seed)
    edge = 16.0 if kind == "streamline" else 128.0
    fine = zvview.open(make_store(batch, chunk_shape=(edge,) * 3)).level(0)
    wishes = {"bin_shapes": ((edge * 2,) * 3,), "chunk_shapes": ((edge * 2,) * 3,), "factor": 40.0}
    design = LinesKind().design(fine, None, PyramidOptions(**wishes))
    assert design.parameters["threshold"] < 2**32
    folder = tmp_path_factory.mktemp("scratch")
    (whole, one), (cut, many) = (Here(fine, design, kind, folder).coarsen(size) for size in (1 << 30, part_bytes))
    assert whole.object_ids is not None and cut.object_ids is not None
    assert np.array_equal(whole.object_ids, cut.object_ids)
    assert len(one) == 1 < len(many)
    waves = []
    for runs in (one, many):
        merge = Merge(runs, 3)
        (wave,) = merge.waves(np.arange(len(merge.chunks)), 1, 1 << 40)
        waves.append(wave)
    for name in ("rows", "fragments", "counts", "positions", "objects"):
        assert np.array_equal(getattr(waves[0], name), getattr(waves[1], name)), name
    for name, values in waves[0].columns.items():
        assert np.array_equal(values, waves[1].columns[name])


def test_groups_and_attributes_of_objects_live_on_and_the_reference_agrees(tmp_path: Path) -> None:
    batch = make_batch("streamline", 12_000)
    groups = make_groups(batch)
    place = str(tmp_path / "bundles.zv")
    zvview.create(place, kind="streamline").write(batch, groups=groups)
    built = build_pyramid(place, PyramidOptions(target=300, factor=5))
    store = zvview.open(place)
    assert len(built) >= 2
    for number in store.levels[1:]:
        level = store.level(number)
        ids = level.object_ids
        assert ids is not None and level.groups is not None
        assert np.array_equal(ids, batch.object_ids)
        for name, members in zip(level.groups.names, level.groups.members, strict=True):
            assert len(members)
            assert np.array_equal(np.sort(members), groups[name])
            assert np.isin(members, level.present_object_ids).any()
    assert validate(place, level=5).errors == []


def test_the_method_sparsity_leaves_geometry_alone() -> None:
    batch = make_walks(300)
    place = make_store(batch)
    (built,) = build_pyramid(place, PyramidOptions(levels=1, method="sparsity"))
    fine, coarse = read_levels(place)
    assert built.design.method == "sparsity"
    assert 0.08 < len(coarse) / len(fine) < 0.4
    assert fine.object_ids is not None and coarse.object_ids is not None
    sizes = dict(zip(fine.object_ids.tolist(), np.diff(fine.offsets).tolist(), strict=True))
    assert [sizes[i] for i in coarse.object_ids.tolist()] == np.diff(coarse.offsets).tolist()


@pytest.mark.parametrize("method", ["simplify", "sparsity"])
def test_a_wished_share_of_objects_is_kept_to_and_compounds(method: str) -> None:
    batch = make_walks(1200, ndim=2)
    groups = {f"g{g}": np.asarray(batch.object_ids)[g::8] for g in range(8)}
    place = make_store(batch, groups=groups)
    built = build_pyramid(place, PyramidOptions(levels=2, object_sparsity=0.4, method=method))
    assert [level.object_count for level in built] == pytest.approx([480, 192], rel=0.2)
    store = zvview.open(place)
    for number in (1, 2):
        found = store.level(number).groups
        assert found is not None
        present = store.level(number).present_object_ids
        assert [np.isin(m, present).mean() for m in found.members] == pytest.approx([0.4**number] * 8, abs=0.16)
        batch = store.level(number).read()
        fine = store.level(0).read()
        mean = [float(np.diff(b.offsets).mean()) for b in (batch, fine)]
        assert mean[0] == pytest.approx(mean[1], rel=0.25) or method == "simplify"


def test_shapes_can_be_wished_each_on_its_own() -> None:
    place = make_store(make_walks(60), chunk_shape=(32.0, 32.0, 32.0))
    bins, chunks = ((4.0,) * 3, (16.0,) * 3), ((96.0, 96.0, 64.0), (192.0, 192.0, 64.0))
    built = build_pyramid(place, PyramidOptions(levels=2, bin_shapes=bins, chunk_shapes=chunks))
    assert [b.design.bin_shape for b in built] == list(bins)
    assert [b.design.chunk_shape for b in built] == list(chunks)
    only_chunks = build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=chunks))
    assert [b.design.chunk_shape for b in only_chunks] == list(chunks)
    for level in only_chunks:
        ratio = np.array(level.design.chunk_shape) / level.design.bin_shape
        ratio = np.maximum(ratio, 1 / ratio)
        assert np.allclose(ratio, np.rint(ratio))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bin_shapes": ((5.0,) * 3,)}, "does not divide the chunk"),
        ({"bin_shapes": ((5.0,) * 2,)}, "3 axes"),
        ({"chunk_shapes": ((20.0,) * 3,)}, "chunk"),
        ({"method": "thin"}, "simplify, sparsity"),
    ],
)
def test_wishes_that_cannot_be_are_named(options: dict[str, Any], words: str) -> None:
    fine = zvview.open(make_store(make_walks(20), chunk_shape=(16.0,) * 3)).level(0)
    with pytest.raises(InvalidInputError, match=words):
        LinesKind().design(fine, None, PyramidOptions(**options))


def test_time_is_never_merged() -> None:
    rng = np.random.default_rng(3)
    tracks = []
    for start in rng.integers(0, 20, 120):
        steps = np.cumsum(rng.normal(0, 0.4, (25, 3)), axis=0) + rng.uniform(0, 20, 3)
        tracks.append(np.column_stack((steps, start + np.arange(25))))
    batch = Streamlines.from_list([t.astype(np.float32) for t in tracks], object_ids=np.arange(120))
    axes = (*(Axis(n, "space", "micrometer") for n in "xyz"), Axis("t", "time", "second"))
    place = make_store(batch, axes=axes, chunk_shape=(32.0, 32.0, 32.0, 16.0))
    built = build_pyramid(place, PyramidOptions(target=150))
    store = zvview.open(place)
    levels = read_levels(place)
    assert len(built) >= 2
    for level, coarse in zip(built, levels[1:], strict=True):
        rules = LineRules.parse(level.design.parameters)
        assert level.design.chunk_shape[3] == 16.0
        assert level.design.bin_shape[3] == store.level(0).resolution[3]
        assert rules.is_space == (True, True, True, False)
        assert rules.instants == (0.0, 0.0, 0.0, 0.5)
        edge = min(level.design.bin_shape[:3])
        for moment in (5.0, 17.5, 30.0):
            fine_places, places = (_at(b, moment) for b in (levels[0], coarse))
            gaps = np.linalg.norm(fine_places[:, None] - places, axis=2)
            assert gaps.min(axis=1).max() <= edge
            assert gaps.min(axis=0).max() <= edge


def _at(batch: Polylines, moment: float) -> Floats:
    """Where lines are at a moment, between their vertices too."""
    a, b = (batch.positions[i].astype(np.float64) for i in batch.segments.T)
    meets = (a[:, 3] <= moment) & (b[:, 3] >= moment)
    share = ((moment - a[meets, 3]) / (b[meets, 3] - a[meets, 3]))[:, None]
    return np.asarray(a[meets, :3] + share * (b[meets, :3] - a[meets, :3]))


def test_lines_of_two_vertices_are_chosen_only() -> None:
    batch = make_batch("line", 6000, seed=2)
    place = make_store(batch)
    built = build_pyramid(place, PyramidOptions(target=500))
    levels = read_levels(place)
    assert all(isinstance(b, Lines) for b in levels)
    assert all(b.design.parameters["tolerance"] == 0 for b in built)
    assert all((np.diff(b.offsets) == 2).all() for b in levels)
    assert_real_vertices(levels[0], levels[1])
    for level, coarse in zip(built, levels[1:], strict=True):
        assert farthest(sample(levels[0], 20.0)[::31], coarse) <= min(level.design.bin_shape)


def test_a_large_level_is_designed_from_some_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = make_batch("streamline", 60_000)
    fine = zvview.open(make_store(batch, chunk_shape=(125.0,) * 3)).level(0)
    whole = LinesKind().design(fine, None, PyramidOptions(factor=30))
    monkeypatch.setattr("zvview.pyramid.line_sample._WHOLE", 0)
    monkeypatch.setattr("zvview.pyramid.line_sample._VERTICES", 20_000)
    part = LinesKind().design(fine, None, PyramidOptions(factor=30))
    assert whole.parameters["threshold"] < 2**32
    assert 0.5 <= part.bin_shape[0] / whole.bin_shape[0] <= 2


def test_an_empty_level_and_absent_objects_are_no_trouble(tmp_path: Path) -> None:
    fine = zvview.open(make_store(Streamlines(np.zeros((0, 3), np.float32)), bounds=((0, 0, 0), (9, 9, 9)))).level(0)
    design = LinesKind().design(fine, None, PyramidOptions())
    coarsened, runs = Here(fine, design, "streamline", tmp_path).coarsen(1 << 20)
    assert (runs, coarsened.object_ids) == ([], pytest.approx(np.empty(0)))


def test_pieces_without_a_known_object_and_wild_positions() -> None:
    batch = Streamlines(np.zeros((4, 2)), offsets=np.array([0, 2, 4]), object_ids=np.array([-1, 5]))
    ids, owners = find_owners(batch, np.array([3, 5]))
    assert (ids.tolist(), owners.tolist()) == ([5], [-1, -1, 0, 0])
    with pytest.raises(DamagedError, match="finite"):
        find_owners(Streamlines(np.array([[np.nan, 0.0]])), np.array([0]))


def test_tasks_can_be_sent_to_other_processes() -> None:
    assert lines_module.survey_part.__module__ == lines_module.simplify_part.__module__ == "zvview.pyramid.lines"
    rules = LineRules.parse(LineRules(7, 2**31, 0.5, (1.0, 2.0), (True, False), (0.0, 2.0), 0.1).document())
    assert rules == LineRules(7, 2**31, 0.5, (1.0, 2.0), (True, False), (0.0, 2.0), 0.1)


@pytest.mark.parametrize("change", [{"foreign": 1}, {"seed": None}])
def test_rules_of_others_are_damage(change: dict[str, Any]) -> None:
    document = LineRules(7, 2**31, 0.5, None, (True, True), (0.0, 0.0), 0.1).document()
    odd = {name: value for name, value in (document | change).items() if value is not None or name == "selection"}
    with pytest.raises(DamagedError, match="parameters"):
        LineRules.parse(odd)
