"""Stores of every kind and many shapes: what is served is what is stored, each of it once, and exports follow edits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import zvview
from tests.neuroglancer.exporting.reading import content
from tests.neuroglancer.letter import Annotation, read_by_id, read_list, read_skeleton
from tests.neuroglancer.mesh_reading import read as read_mesh
from zvview.neuroglancer.encoding.meshes import EncodedMesh
from zvview.neuroglancer.encoding.morton import decode_morton
from zvview.neuroglancer.exporting.exporting import export
from zvview.neuroglancer.sources import mesh_parts, ranks, tiers
from zvview.neuroglancer.sources.contract import Section, Source
from zvview.neuroglancer.sources.opening import open_sources
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.testing.meshes import make_icosphere

KINDS = ("point_cloud", "line", "polyline", "streamline", "graph", "skeleton", "mesh")
UNITS = ("", "micrometer", "mm", "angstrom", "4 nm", "furlong")
NAMES = ("value", "größe µ", "colour", "x", "object", "direction", "group", "1st")
Rng = np.random.Generator


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits at which small stores have levels of each sort, all of them exact."""
    monkeypatch.setattr(ranks, "LIMIT", 40)
    monkeypatch.setattr(ranks, "MOST_READ", 150)
    monkeypatch.setattr(tiers, "FIRST_VERTICES", 100)
    monkeypatch.setattr(tiers, "READ_VERTICES", 1 << 40)
    monkeypatch.setattr(mesh_parts, "MOST_UNDIVIDED", 1 << 40)


def draw_values(rng: Rng, count: int) -> dict[str, NDArray[Any]]:
    floats = rng.normal(size=count).astype("f4")
    floats[rng.random(count) < 0.2] = np.nan
    forms = (
        floats,
        rng.normal(size=(count, 3)),
        rng.random(count) < 0.5,
        rng.choice(["soma", "axon", "", "dendrite"], count),
        rng.integers(0, 255, (count, 3)).astype(np.uint8),
        rng.integers(-30_000, 30_000, count).astype(np.int16),
        rng.integers(2**53, 2**64 - 1, count, dtype=np.uint64),
    )
    names = rng.permutation(NAMES)[: rng.integers(0, 4)].tolist()
    return {name: forms[rng.integers(len(forms))] for name in names}


def draw_ids(rng: Rng, count: int) -> NDArray[np.int64]:
    """Distinct ids: from 0, from 1, with gaps, and beyond what float64 tells apart."""
    first = int(rng.choice([0, 1, 2**53, 2**62]))
    ids = first + rng.permutation(3 * count + 1)[:count]
    if count and rng.random() < 0.2:
        ids[-1] = 2**63 - 1
    return np.asarray(ids, np.int64)


def draw_batch(rng: Rng, kind: str, count: int, ndim: int, size: float, origin: float) -> zvview.Batch:
    scale = np.array([1, 0.5, 2, 1])[:ndim] * size
    dtype = rng.choice(["f4", "f8"])
    has_ids = rng.random() < 0.7

    def draw(rows: int) -> NDArray[Any]:
        places = rng.random((rows, ndim)) * scale
        if rng.random() < 0.3:  # on the faces of chunks
            places = np.round(places / (size / 8)) * (size / 8)
        return np.asarray((places + origin).astype(dtype))

    if kind == "point_cloud":
        places = draw(count)
        places[: count // 6] = places[count // 6 : 2 * (count // 6)]
        ids = draw_ids(rng, max(1, count // 8))
        owners = ids[rng.integers(0, len(ids), count)] if has_ids else None
        return zvview.Points(places, object_ids=owners, attributes=draw_values(rng, count))
    if kind == "mesh":
        parts = [make_icosphere(int(rng.choice([12, 162]))) for _ in range(max(1, count // 150))]
        sizes = [len(vertices) for vertices, _ in parts]
        offsets = np.append(0, np.cumsum(sizes))
        places = np.concatenate([v * size * rng.uniform(0.05, 0.3) + rng.random(3) * size for v, _ in parts])
        faces = np.concatenate([f + first for (_, f), first in zip(parts, offsets, strict=False)])
        told = draw_ids(rng, len(sizes)) if has_ids else None
        places = (places[:, :ndim] + origin).astype(dtype)
        return zvview.Mesh(places, offsets=offsets, object_ids=told, faces=faces)
    total = max(1, count // (2 if kind == "line" else 12))
    counts = np.full(total, 2) if kind == "line" else rng.integers(1, 25, total)
    offsets = np.append(0, np.cumsum(counts))
    told = draw_ids(rng, total) if has_ids else None
    places, values = draw(int(offsets[-1])), draw_values(rng, int(offsets[-1]))
    if kind in ("line", "polyline", "streamline"):
        return zvview.batch_type(kind)(places, offsets=offsets, object_ids=told, attributes=values)  # type: ignore[call-arg]
    children = np.setdiff1d(np.arange(len(places)), offsets[:-1])
    first = np.repeat(offsets[:-1], counts)[children]
    edges = np.stack((children, np.maximum(first, children - rng.integers(1, 4, len(children)))), axis=1)
    return zvview.batch_type(kind)(places, offsets=offsets, object_ids=told, edges=edges, attributes=values)  # type: ignore[call-arg]


def make(rng: Rng, place: Path, kind: str, *, shifted: bool, levels: bool) -> None:
    """A store of up to a few hundred vertices."""
    ndim = int(rng.choice([2, 3] if kind == "mesh" else [2, 3, 3, 4]))
    axes = [
        {"name": name, "type": "space", "unit": str(unit)}
        for name, unit in zip("xyz"[: min(ndim, 3)], rng.choice(UNITS, 3), strict=False)
    ][:: int(rng.choice([1, -1]))]
    if ndim == 4:
        axes.insert(int(rng.choice([0, 3])), {"name": "t", "type": "time", "unit": "second"})
    axes = [{key: text for key, text in axis.items() if text} for axis in axes]
    size = float(rng.choice([1, 100, 1e4]))
    origin = float(rng.choice([0, -size / 2, 1e6, -3e7]))
    batch = draw_batch(rng, kind, int(rng.choice([1, 9, 150, 400])), ndim, size, origin)
    chunk_shape = np.array([1, 0.5, 2, 1])[:ndim] * size / float(rng.choice([1, 2, 4]))
    with zvview.create(place, kind=kind, axes=axes, dtype=batch.positions.dtype, chunk_shape=chunk_shape) as store:
        store.write(batch)
    if shifted:
        document = json.loads((place / "zarr.json").read_text())
        root = next(v for v in document["attributes"].values() if isinstance(v, dict) and "bounds" in v)
        root["coordinate_offset"] = rng.choice([0.1, -1e3, 1e9 / 3], ndim).tolist()
        (place / "zarr.json").write_text(json.dumps(document))
    if levels:
        build_pyramid(place, PyramidOptions(target=20, factor=3))


def ordered(rows: Any, width: int) -> NDArray[Any]:
    table = np.asarray(rows, np.float32).reshape(-1, width)
    return table[np.lexsort(table.T)]


def all_of(source: Source, section: Section) -> dict[int, tuple[bytes, bytes]]:
    found: dict[int, tuple[bytes, bytes]] = {}
    for keys in source.keys(section):
        block = source.read(section, keys)
        for row, key in enumerate(block.keys.tolist()):
            assert key in keys and key not in found
            found[key] = block.content(row)
    return found


Told = dict[int, list[Annotation]]


def check_annotations(source: Any) -> tuple[Told, Mapping[int, Annotation]]:
    """All records of a source by their ids, as cells have them and as the index by id has them."""
    info = json.loads(json.dumps(source.info, allow_nan=False))
    lower = np.array(info["lower_bound"])
    assert (np.array(info["upper_bound"]) >= lower).all()
    told: Told = {}
    level_of: dict[int, int] = {}
    for number, section in enumerate(s for s in source.sections if s.grid_shape is not None):
        document = info["spatial"][number]
        assert (section.key, list(section.grid_shape)) == (document["key"], document["grid_shape"])
        size = np.array(document["chunk_size"])
        for code, (_, body) in all_of(source, section).items():
            (cell,) = decode_morton(np.array([code], np.uint64), section.grid_shape)
            for key, one in read_list(info, body):
                assert level_of.setdefault(key, number) == number  # in one level alone
                told.setdefault(key, []).append(one)
                slack = 1e-3 + np.abs(one.geometry[0]) * 3e-7 / size
                inside = (one.geometry[0] - lower) / size - cell
                assert ((inside >= -slack) & (inside <= 1 + slack)).all()
    last, *others = source.sections[::-1]
    by_id = {key: read_by_id(info, body) for key, (_, body) in all_of(source, last).items()}
    assert last.key == "by_id" and set(by_id) == set(told)
    related: dict[int, set[int]] = {}
    for key, (_, segments) in by_id.items():
        for segment in segments[0] if segments else ():
            related.setdefault(segment, set()).add(key)
    if info["relationships"]:
        lists = {key: read_list(info, body) for key, (_, body) in all_of(source, others[0]).items()}
        assert {key: {name for name, _ in named} for key, named in lists.items()} == related
    return told, {key: one for key, (one, _) in by_id.items()}


def check_values(source: Any, batch: zvview.Batch, told: Told) -> None:
    """Values of vertices are those of the store; of those that lie upon each other nobody can tell which is which."""
    places = source.frame.place(batch.positions)
    rows: dict[bytes, list[int]] = {}
    for row, place in enumerate(places):
        rows.setdefault(place.tobytes(), []).append(row)
    for (one,) in told.values():
        at = rows[one.geometry.tobytes()]
        for name, properties in source.properties.by_attribute.items():
            if len(at) > 1 or name not in batch.attributes:
                continue
            found = np.concatenate([one.values[p.id] for p in properties])
            if name in batch.categories:
                (expected,) = batch.labels(name)[at]
                label = (properties[0].labels or {})[int(found[0])]
                assert label == expected or (expected is None and label == "no value")
            else:
                expected = np.atleast_1d(batch.attributes[name][at[0]]).astype(found.dtype)
                assert np.array_equal(found, expected, equal_nan=found.dtype.kind == "f")


def check_points(source: Any, batch: zvview.Batch, ids: NDArray[np.int64] | None) -> None:
    told, by_id = check_annotations(source)
    rank = source.frame.space.rank
    assert all(len(found) == 1 for found in told.values())
    assert np.array_equal(
        ordered([one.geometry for (one,) in told.values()], rank), ordered(source.frame.place(batch.positions), rank)
    )
    assert all(by_id[key].record == one.record for key, (one,) in told.items())
    check_values(source, batch, told)
    if ids is None:
        return
    segments = source._related.segments
    info = source.info
    lists = all_of(source, source.sections[-2])
    for number in np.unique(ids[ids >= 0]).tolist():
        (segment,) = segments.of_objects(np.array([number])).tolist()
        found = [one.geometry for _, one in read_list(info, lists.pop(segment)[1])]
        assert np.array_equal(ordered(found, rank), ordered(source.frame.place(batch.positions[ids == number]), rank))
    assert not lists


def check_steps(source: Any, batch: zvview.Batch, joined: NDArray[np.int64]) -> None:
    """Each edge, or step of a line, is drawn once, and in its direction."""
    told, _ = check_annotations(source)
    rank = source.frame.space.rank
    ends = source.frame.place(batch.positions)[joined]
    steps = [
        np.concatenate((a, b))
        for found in told.values()
        for one in found
        for a, b in zip(one.geometry, one.geometry[1:], strict=False)
    ]
    assert np.array_equal(ordered(steps, 2 * rank), ordered(ends, 2 * rank))


def check_skeletons(store: zvview.Store, source: Any, batch: Any) -> None:
    info = json.loads(json.dumps(source.info, allow_nan=False))
    found = all_of(source, source.sections[0])
    if source.segments is not None:
        present = store.level(0).present_object_ids
        assert present is not None
        assert sorted(found) == sorted(source.segments.of_objects(present).tolist())
    for segment, (_, body) in found.items():
        if source.segments is not None:
            batch = store.level(0).read_objects(int(source.segments.objects(np.array([segment], np.uint64))[0]))
        positions, edges, values = read_skeleton(info, body)
        own = source.model.place(batch.positions).astype(np.float64)
        matrix = np.reshape(info["transform"], (3, 4))
        assert np.array_equal(positions, own @ matrix[:, :3].T + matrix[:, 3])
        joined = batch.edges if isinstance(batch, zvview.Graph) else batch.segments
        assert sorted(map(tuple, edges.tolist())) == sorted(map(tuple, joined.tolist()))
        assert all(len(column) == len(batch) for column in values.values())


def check_meshes(store: zvview.Store, source: Any, batch: Any) -> None:
    json.dumps(source.info, allow_nan=False)
    found = all_of(source, source.sections[0])
    if source.segments is not None:
        present = store.level(0).present_object_ids
        assert present is not None
        assert sorted(found) == sorted(source.segments.of_objects(present).tolist())
    for segment, (head, body) in found.items():
        if source.segments is not None:
            batch = store.level(0).read_objects(int(source.segments.objects(np.array([segment], np.uint64))[0]))
        (finest, *_) = read_mesh(EncodedMesh(body, head, ()))
        corners = np.concatenate([places[faces] for _, _, faces, places in finest])
        places = source.model.place(batch.positions).astype(np.float64)
        extent = np.ptp(places, axis=0).max()
        assert np.allclose(np.ptp(corners.reshape(-1, 3), axis=0), np.ptp(places, axis=0), atol=extent * 3e-4)
        assert np.isclose(area(corners), area(places[batch.faces]), rtol=0.02, atol=extent**2 * 1e-6)


def area(corners: NDArray[Any]) -> float:
    first, second, third = np.moveaxis(corners, 1, 0)
    return float(np.linalg.norm(np.cross(second - first, third - first), axis=1).sum()) / 2


def check_store(store: zvview.Store) -> None:
    sources = open_sources(store)
    batch: Any = store.level(0).read()
    if store.kind == "point_cloud":
        check_points(sources["points"], batch, batch.object_ids)
    if store.kind in ("line", "polyline", "streamline"):
        check_steps(sources["lines"], batch, batch.segments)
    if store.kind in ("graph", "skeleton"):
        check_points(sources["nodes"], batch, None if batch.object_ids is None else batch.vertex_object_ids)
        check_steps(sources["edges"], batch, batch.edges)
    if "skeletons" in sources:
        check_skeletons(store, sources["skeletons"], batch)
    if "meshes" in sources:
        check_meshes(store, sources["meshes"], batch)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_served_is_what_is_stored(tmp_path: Path, kind: str, seed: int) -> None:
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    make(rng, tmp_path / "s.zarrvectors", kind, shifted=seed in (1, 2), levels=seed in (1, 3))
    with zvview.open(tmp_path / "s.zarrvectors") as store:
        assert isinstance(store, zvview.Store)
        check_store(store)


def change(rng: Rng, place: Path) -> None:
    """A few vertices or objects moved, or deleted."""
    with zvview.open(place) as store, store.edit() as edit:
        assert isinstance(store, zvview.Store)
        present = store.level(0).present_object_ids
        if store.kind in ("line", "polyline", "streamline"):
            assert present is not None
            if rng.random() < 0.5 or not len(present):
                edit.delete_objects(present[:1])
            else:
                line = store.level(0).read_objects(present[-1:]).positions
                edit.move_line_vertices(present[-1:], np.array([0]), line.mean(axis=0, keepdims=True))
            return
        found = edit.find()
        if not len(found.positions):
            return
        some = found.take(np.sort(rng.permutation(len(found.positions))[: 1 + len(found.positions) // 20]))
        if rng.random() < 0.5:
            edit.delete(some)
        else:
            edit.move(some, 0.9 * some.positions + 0.1 * found.positions.mean(axis=0))


def check_export(store: zvview.Store, out: Path) -> None:
    for name, source in open_sources(store).items():
        for section in source.sections:
            found = list(all_of(source, section).items())
            for key, (head, body) in found[:: len(found) // 25 + 1]:
                there = content(out / name, section, key)
                assert there[1] == body and there[0] in (None, b"", head)


@pytest.mark.parametrize("form", ["directory", "sharded"])
@pytest.mark.parametrize("kind", KINDS)
def test_exports_follow_edits(tmp_path: Path, kind: str, form: Any) -> None:
    rng = np.random.default_rng([KINDS.index(kind), len(form)])
    place = tmp_path / "s.zarrvectors"
    make(rng, place, kind, shifted=False, levels=form == "directory")
    for _ in range(3):
        export(place, tmp_path / "out", format=form)
        with zvview.open(place) as store:
            assert isinstance(store, zvview.Store)
            check_export(store, tmp_path / "out")
            assert export(place, tmp_path / "out", format=form).written == 0
        change(rng, place)
