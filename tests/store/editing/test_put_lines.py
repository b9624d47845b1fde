"""Edits of lines in level 0: what is read afterwards is what the same edits in memory give, and all else stays."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import zvview
from tests.pyramid.conftest import assert_same_stores, rebuild, unsynced  # noqa: F401 - a fixture
from zvview.errors import InvalidInputError, UnsupportedError
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.pyramid.refresh import compute_refresh
from zvview.store.editing.edits import EditedLine, Edits, GroupEdits
from zvview.store.editing.put_lines import put_line_edits
from zvview.store.editing.touched import Touched
from zvview.store.patching.overlay import Overlay
from zvview.store.places.memory import MemorySource

pytestmark = pytest.mark.usefixtures("unsynced")

EDGE = 16.0
Memory = dict[str, bytes]


@dataclass
class Model:
    """Lines, groups and attributes of objects as they should be read."""

    lines: dict[int, EditedLine]
    groups: list[set[int]]
    weights: dict[int, float]

    def store(self, kind: str, ndim: int, dtype: Any, **options: Any) -> Memory:
        ids = sorted(self.lines)
        shapes = [self.lines[i] for i in ids]
        offsets = np.append(0, np.cumsum([len(line.positions) for line in shapes]))
        columns = {name: np.concatenate([line.columns[name] for line in shapes]) for name in shapes[0].columns}
        types: dict[str, Any] = {"line": zvview.Lines, "polyline": zvview.Polylines, "streamline": zvview.Streamlines}
        batch = types[kind](
            np.concatenate([line.positions for line in shapes]).astype(dtype),
            offsets=offsets,
            object_ids=np.array(ids),
            attributes=columns,
            categories={"part": zvview.Categories(("a", "b", "c"))},
        )
        place: Memory = {}
        bounds = ((-2 * EDGE,) * ndim, (3 * EDGE,) * ndim)
        chosen = {"chunk_shape": (EDGE,) * ndim, "bounds": bounds, "axes": "xyzt"[:ndim], "dtype": dtype} | options
        with zvview.create(place, kind=kind, **chosen) as store:
            store.write(
                batch,
                object_attributes={"weight": np.array([self.weights[i] for i in ids])},
                groups={f"g{g}": np.array(sorted(members)) for g, members in enumerate(self.groups)},
            )
        return place


def some_line(rng: np.random.Generator, kind: str, ndim: int, dtype: Any) -> EditedLine:
    count = 2 if kind == "line" else int(rng.integers(2, 12))
    steps = rng.normal(0, rng.choice([1.0, 5.0, 15.0]), (count, ndim))
    steps[0] = rng.uniform(-EDGE, 2 * EDGE, ndim)
    return as_line(np.cumsum(steps, axis=0).clip(-2 * EDGE, 3 * EDGE), dtype, rng)


def as_line(positions: NDArray[Any], dtype: Any, rng: np.random.Generator) -> EditedLine:
    count = len(positions)
    columns = {
        "value": rng.random(count).astype(np.float32),
        "rgb": rng.integers(0, 255, (count, 3)).astype(np.uint8),
        "part": rng.integers(0, 3, count).astype(np.uint8),
    }
    return EditedLine(positions.astype(dtype).astype(np.float64), columns)


def some_model(
    rng: np.random.Generator, kind: str, ndim: int, dtype: Any, count: int = 25, *, is_dense: bool = False
) -> Model:
    ids = list(range(count)) if is_dense else [int(i) for i in rng.choice(1000, count, replace=False) - 300]
    lines = {i: some_line(rng, kind, ndim, dtype) for i in ids}
    groups = [set(rng.choice(ids, int(rng.integers(0, count)), replace=False).tolist()) for _ in range(3)]
    return Model(lines, groups, {i: float(i) / 4 for i in ids})


def random_edits(rng: np.random.Generator, model: Model, kind: str, ndim: int, dtype: Any) -> Edits:
    """Edits, which the model takes as well."""
    lines: dict[int, EditedLine | None] = {}
    weights: dict[int, Any] = {}
    groups: dict[int, GroupEdits] = {}
    present = sorted(model.lines)
    for i in rng.choice(present, min(len(present), int(rng.integers(0, 5))), replace=False).tolist():
        what, old = int(rng.integers(0, 5)), model.lines[i]
        if what == 0:
            lines[i] = None
        elif what == 1:
            lines[i] = as_line(old.positions[::-1], dtype, rng)
        elif what == 2:
            moved = old.positions.copy()
            moved[int(rng.integers(0, len(moved)))] += rng.normal(0, 4, ndim)
            lines[i] = EditedLine(moved.clip(-2 * EDGE, 3 * EDGE).astype(dtype).astype(np.float64), old.columns)
        elif what == 3 and len(old.positions) > 3:
            kept = np.sort(rng.choice(len(old.positions), 3, replace=False))
            lines[i] = EditedLine(old.positions[kept], {n: v[kept] for n, v in old.columns.items()})
        else:
            lines[i] = some_line(rng, kind, ndim, dtype)
    fresh = []
    for _ in range(int(rng.integers(0, 3))):
        number = max([*model.weights, *fresh]) + 1
        fresh.append(number)
        lines[number] = some_line(rng, kind, ndim, dtype)
        if rng.random() < 0.7:
            weights[number] = np.float64(rng.random())
    for i in rng.choice(present, int(rng.integers(0, 3))).tolist():
        weights[i] = np.float64(rng.random())
    for i, line in lines.items():
        if line is None:
            del model.lines[i]
        else:
            model.lines[i] = line
    for group in range(3) if rng.random() < 0.6 else ():
        members = model.groups[group]
        added = np.array(sorted({*fresh, *rng.choice(present, 2).tolist()} - members), np.int64)
        gone = [m for m in members if rng.random() < 0.2]
        groups[group] = GroupEdits(added, np.array(sorted(gone), np.int64))
        model.groups[group] = (members - set(gone)) | set(added.tolist())
    deleted = {i for i, line in lines.items() if line is None}
    model.groups = [members - deleted for members in model.groups]
    model.weights |= dict.fromkeys(fresh, np.nan) | {i: float(w) for i, w in weights.items()}
    attributes = {"weight": weights} if weights else {}
    return Edits(lines=lines, new_objects=frozenset(fresh), object_attributes=attributes, groups=groups)


def apply(place: Memory, edits: Edits, *, is_refreshed: bool = True) -> tuple[Memory, Touched]:
    """A copy of a store with edits."""
    overlay = Overlay(MemorySource(place))
    touched = put_line_edits(overlay, edits)
    changes = dict(overlay.changes)
    if is_refreshed:
        changes |= compute_refresh(overlay, touched.chunks, objects=touched.objects).changes
    out = {key: data for key, data in place.items() if key not in changes}
    return out | {key: data for key, data in changes.items() if data is not None}, touched


def assert_reads_as(place: Memory, model: Model) -> None:
    with zvview.open(place) as store:
        level = store.level(0)
        ids = sorted(model.lines)
        assert sorted(level.present_object_ids.tolist()) == ids
        batch: Any = level.read_objects(np.array(ids))
        assert batch.object_ids.tolist() == ids
        for number, a, b in zip(ids, batch.offsets[:-1], batch.offsets[1:], strict=True):
            line = model.lines[number]
            np.testing.assert_array_equal(batch.positions[a:b].astype(np.float64), line.positions)
            for name, values in line.columns.items():
                np.testing.assert_array_equal(batch.attributes[name][a:b], values)
        assert [set(m.tolist()) for m in level.groups.members] == model.groups
        weights = dict(zip(level.object_ids.tolist(), level.object_attribute("weight").filled(np.nan), strict=True))
        np.testing.assert_array_equal([weights[i] for i in model.weights], list(model.weights.values()))
        pieces: Any = level.read(clip="chunks")
        joints = sum(np.diff(zip_chunks(model.lines[i], level.chunk_shape), axis=0).any(axis=1).sum() for i in ids)
        assert len(pieces.bridges) == joints
        assert level.declared_vertex_count == level.vertex_count == sum(len(m.positions) for m in model.lines.values())
    assert [str(finding) for finding in zvview.check(place)] == []


def zip_chunks(line: EditedLine, edges: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.floor(line.positions / edges).astype(np.int64)


def untouched_cells(place: Memory, touched: NDArray[np.int64]) -> dict[str, bytes]:
    """Cells of level 0 in chunks that are not among some, link cells left out."""
    named = {"/".join(map(str, c)) for c in (touched + 2).tolist()}  # the grid begins at chunk -2
    families = ("vertices", "vertex_fragments", "vertex_attributes", "fragment_attributes")
    cells = {k: v for k, v in place.items() if k.startswith("0/") and "/c/" in k and k.split("/")[1] in families}
    return {key: data for key, data in cells.items() if key.rpartition("/c/")[2] not in named}


SEEDS = st.integers(0, 2**32)
QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(
    seed=SEEDS,
    kind=st.sampled_from(["line", "polyline", "streamline", "streamline"]),
    ndim=st.sampled_from([2, 3, 3, 4]),
    form=st.sampled_from([{}, {"shards": 2}, {"codec": "zstd"}]),
)
def test_what_is_read_is_what_the_edits_say(seed: int, kind: str, ndim: int, form: dict[str, Any]) -> None:
    rng = np.random.default_rng(seed)
    dtype = rng.choice([np.float32, np.float64])
    model = some_model(rng, kind, ndim, dtype)
    place = model.store(kind, ndim, dtype, **form)
    for _ in range(3):
        edits = random_edits(rng, model, kind, ndim, dtype)
        before, (place, touched) = place, apply(place, edits)
        assert_reads_as(place, model)
        if not form:
            assert untouched_cells(before, touched.chunks) == untouched_cells(place, touched.chunks)
        assert touched.objects is not None
        assert touched.objects.tolist() == sorted(edits.lines)


@settings(QUICK, max_examples=3)
@given(seed=SEEDS, method=st.sampled_from(["simplify", "sparsity"]), ndim=st.sampled_from([3, 4]))
def test_coarse_levels_are_those_of_a_rebuild(seed: int, method: str, ndim: int) -> None:
    rng = np.random.default_rng(seed)
    model = some_model(rng, "streamline", ndim, np.float32, 40)
    place = model.store("streamline", ndim, np.float32)
    shapes = [(EDGE * 2**k,) * ndim for k in (0, 1)]
    build_pyramid(place, PyramidOptions(levels=2, bin_shapes=shapes, chunk_shapes=shapes, method=method, factor=3))
    for _ in range(2):
        edits = random_edits(rng, model, "streamline", ndim, np.float32)
        place, _ = apply(place, edits)
        assert_same_stores(place, rebuild(place))
        assert_reads_as(place, model)


@settings(QUICK, max_examples=4)
@given(seed=SEEDS)
def test_an_edit_and_its_opposite_leave_what_was(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = some_model(rng, "polyline", 3, np.float32)
    place = model.store("polyline", 3, np.float32)
    chosen = rng.choice(sorted(model.lines), 4, replace=False).tolist()
    old = {number: model.lines[number] for number in chosen}
    there = Edits(lines={number: some_line(rng, "polyline", 3, np.float32) for number in chosen})
    after, _ = apply(place, there, is_refreshed=False)
    assert after != place
    after, _ = apply(after, Edits(lines=old), is_refreshed=False)
    assert_reads_as(after, model)
    assert {k for k in place if place[k] != after.get(k)} <= {k for k in place if "/c/" in k}


def test_writing_a_line_as_it_is_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    model = some_model(rng, "streamline", 3, np.float32)
    place = model.store("streamline", 3, np.float32)
    overlay = Overlay(MemorySource(place))
    touched = put_line_edits(overlay, Edits(lines=dict(list(model.lines.items())[:5])))
    assert overlay.changes == {}
    assert not len(touched.chunks)


def test_a_line_may_visit_chunks_in_another_order() -> None:
    rng = np.random.default_rng(0)
    model = some_model(rng, "polyline", 2, np.float32, 4)
    corners = np.array([[1.0, 1], [EDGE + 1, 1], [EDGE + 1, EDGE + 1]])
    number = next(iter(model.lines))
    line = as_line(corners, np.float32, rng)
    model.lines[number] = line
    place = model.store("polyline", 2, np.float32)
    order = np.array([0, 2, 1])
    model.lines[number] = EditedLine(corners[order], {name: values[order] for name, values in line.columns.items()})
    place, _ = apply(place, Edits(lines={number: model.lines[number]}))
    assert_reads_as(place, model)


def test_all_lines_may_go_and_come_again() -> None:
    rng = np.random.default_rng(0)
    model = some_model(rng, "streamline", 3, np.float32, 3)
    place = model.store("streamline", 3, np.float32)
    lines, model.lines = model.lines, {}
    groups, model.groups = model.groups, [set(), set(), set()]
    place, _ = apply(place, Edits(lines=dict.fromkeys(lines)), is_refreshed=False)
    with zvview.open(place) as store:
        assert store.level(0).vertex_count == 0
        assert store.level(0).present_object_ids.tolist() == []
    model.lines, model.groups = lines, groups
    added = {g: GroupEdits(np.array(sorted(m), np.int64), np.empty(0, np.int64)) for g, m in enumerate(groups)}
    place, _ = apply(place, Edits(lines=dict(lines), groups=added))
    assert_reads_as(place, model)


def test_attributes_and_groups_may_change_alone() -> None:
    rng = np.random.default_rng(0)
    model = some_model(rng, "streamline", 3, np.float32)
    place = model.store("streamline", 3, np.float32)
    first = min(model.lines)
    model.weights[first] = 7.5
    model.groups[1] ^= {first}
    none, one = np.empty(0, np.int64), np.array([first])
    change = GroupEdits(one, none) if first in model.groups[1] else GroupEdits(none, one)
    edits = Edits(object_attributes={"weight": {first: np.float64(7.5)}}, groups={1: change})
    place, touched = apply(place, edits)
    assert not len(touched.chunks)
    assert_reads_as(place, model)


def test_attributes_alone_may_change_where_no_chunk_could_be_made_anew() -> None:
    rng = np.random.default_rng(0)
    model = some_model(rng, "streamline", 3, np.float32)
    place = model.store("streamline", 3, np.float32)
    document = json.loads(bytes(place["0/vertices/zarr.json"]))
    document["chunk_key_encoding"] = {"name": "default", "configuration": {"separator": "."}}
    place["0/vertices/zarr.json"] = json.dumps(document).encode()
    first = min(model.lines)
    overlay = Overlay(MemorySource(place))
    with pytest.raises(UnsupportedError, match="keys of another form"):
        put_line_edits(overlay, Edits(lines={first: None}))
    assert overlay.changes == {}
    touched = put_line_edits(overlay, Edits(object_attributes={"weight": {first: np.float64(7.5)}}))
    assert not len(touched.chunks) and {key.split("/c/")[0] for key in overlay.changes} == {
        "0/object_attributes/weight"
    }


def test_what_cannot_be_written_is_refused() -> None:
    rng = np.random.default_rng(0)
    model = some_model(rng, "streamline", 3, np.float32)
    place = model.store("streamline", 3, np.float32)
    first = min(model.lines)
    far = as_line(np.array([[0.0, 0, 0], [9 * EDGE, 0, 0]]), np.float32, rng)
    short = as_line(np.zeros((1, 3)), np.float32, rng)
    for line, match in ((far, "outside the grid"), (short, "1 vertices")):
        overlay = Overlay(MemorySource(place))
        with pytest.raises(InvalidInputError, match=match):
            put_line_edits(overlay, Edits(lines={first: line}))
        assert overlay.changes == {}
    points: Memory = {}
    with zvview.create(points, kind="point_cloud", axes="xyz") as store:
        store.write(zvview.Points(rng.random((9, 3))))
    with pytest.raises(UnsupportedError, match="line by line"):
        put_line_edits(Overlay(MemorySource(points)), Edits())


@pytest.mark.parametrize("kind", ["line", "polyline", "streamline"])
def test_the_reference_reads_what_was_edited(kind: str, tmp_path: Path) -> None:
    import zarr_vectors
    from zarr_vectors.types.lines import read_lines
    from zarr_vectors.types.polylines import read_polylines

    rng = np.random.default_rng(5)
    model = some_model(rng, kind, 3, np.float32, is_dense=kind == "line")  # of others it reads no lines
    place = model.store(kind, 3, np.float32)
    for _ in range(3):
        place, _ = apply(place, random_edits(rng, model, kind, 3, np.float32))
    for key, data in place.items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = zarr_vectors.open(str(tmp_path))
        assert store.validate(level=5).errors == []
        for number, line in list(model.lines.items())[-6:] if kind != "line" else ():
            found = read_polylines(str(tmp_path), object_ids=[number])
            np.testing.assert_array_equal(np.concatenate(found["polylines"][0]), line.positions)
        if kind == "line":
            ends = read_lines(str(tmp_path))["endpoints"]
            np.testing.assert_array_equal(ends, [model.lines[i].positions for i in sorted(model.lines)])
