from __future__ import annotations

import itertools
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.neuroglancer.encoding.annotations import (
    GEOMETRY,
    AnnotationSchema,
    Property,
    SpatialLevel,
    annotation_info,
    encode_by_id,
    encode_list,
    encode_lists,
    encode_records,
)

TYPES = {
    "float32": ("f", 4), "uint32": ("I", 4), "int32": ("i", 4), "uint16": ("H", 2), "int16": ("h", 2),
    "uint8": ("B", 1), "int8": ("b", 1), "rgb": ("BBB", 1), "rgba": ("BBBB", 1),
}  # fmt: skip
WIDTHS = {"point": 1, "line": 2, "axis_aligned_bounding_box": 2, "ellipsoid": 2}

Annotation = tuple[list[float], dict[str, Any], list[list[int]]]


def read_one(data: bytes, at: int, schema: AnnotationSchema, related: bool) -> tuple[Annotation, int]:
    """One record, number by number, as the specification words it; and where it ends."""
    start = at

    def take(code: str) -> Any:
        nonlocal at
        found = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize("<" + code)
        return found[0] if len(found) == 1 else list(found)

    if schema.annotation_type == "polyline":
        points = take("I")
    else:
        points = WIDTHS[schema.annotation_type]
    place = [take("f") for _ in range(points * schema.rank)]
    values = {}
    for size in (4, 2, 1):
        for p in schema.properties:
            if TYPES[p.type][1] == size:
                values[p.id] = take(TYPES[p.type][0])
    while (at - start) % 4:
        assert data[at] == 0
        at += 1
    ids: list[list[int]] = []
    if related:
        ids = [[take("Q") for _ in range(take("I"))] for _ in schema.relationships]
    return (place, values, ids), at


def read_list(data: bytes, schema: AnnotationSchema) -> tuple[list[Annotation], list[int]]:
    (count,) = struct.unpack_from("<Q", data)
    at, found = 8, []
    for _ in range(count):
        one, at = read_one(data, at, schema, related=False)
        found.append(one)
    ids = list(struct.unpack_from(f"<{count}Q", data, at))
    assert at + 8 * count == len(data)
    return found, ids


@st.composite
def sources(draw: st.DrawFn) -> tuple[AnnotationSchema, Any, dict[str, NDArray[Any]], int]:
    kind = draw(st.sampled_from([*WIDTHS, "polyline"]))
    rank = draw(st.integers(1, 4))
    types = draw(st.lists(st.sampled_from(list(TYPES)), max_size=6))
    schema = AnnotationSchema(
        kind,  # type: ignore[arg-type]
        rank,
        tuple(Property(f"geometry{i}" if i else "f1", t) for i, t in enumerate(types)),  # type: ignore[arg-type]
        tuple(f"r{i}" for i in range(draw(st.integers(0, 2)))),
    )
    count = draw(st.integers(0, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if kind == "polyline":
        offsets = np.append(0, np.cumsum(rng.integers(1, 6, count))).astype(np.int64)
        geometry: Any = (rng.normal(size=(offsets[-1], rank)).astype(np.float32), offsets)
    else:
        geometry = rng.normal(size=(count, *((2,) if WIDTHS[kind] == 2 else ()), rank)).astype(np.float32)
    columns: dict[str, NDArray[Any]] = {}
    for p in schema.properties:
        code, size = TYPES[p.type]
        shape = (count, len(code)) if len(code) > 1 else (count,)
        raw = rng.integers(0, 256, (*shape, size), dtype=np.uint8)
        dtype = {"f": "<f4", "I": "<u4", "i": "<i4", "H": "<u2", "h": "<i2", "b": "i1"}.get(code, "u1")
        columns[p.id] = rng.normal(size=shape).astype("<f4") if code == "f" else raw.view(dtype)[..., 0]
    return schema, geometry, columns, count


def geometry_of(schema: AnnotationSchema, geometry: Any, row: int) -> list[float]:
    part = geometry[0][geometry[1][row] : geometry[1][row + 1]] if isinstance(geometry, tuple) else geometry[row]
    return [float(v) for v in part.reshape(-1)]


@settings(max_examples=60, deadline=None)
@given(sources(), st.randoms(use_true_random=False))
def test_lists_and_the_index_by_id_are_read_back_by_the_letter_of_the_specification(source: Any, random: Any) -> None:
    schema, geometry, columns, count = source
    records = encode_records(schema, geometry, columns)
    rows = np.array(random.choices(range(count), k=random.randrange(6)) if count else [], np.int64)
    found, ids = read_list(encode_list(records.take(rows), rows.astype(np.uint64) + 2**63), schema)
    assert ids == [int(row) + 2**63 for row in rows]
    for (place, values, _), row in zip(found, rows, strict=True):
        assert place == geometry_of(schema, geometry, row)
        assert {k: np.asarray(v).tolist() for k, v in values.items()} == {
            k: c[row].tolist() for k, c in columns.items()
        }

    bounds = np.sort([0, *(random.randrange(len(rows) + 1) for _ in range(3)), len(rows)])
    taken, names = records.take(rows), rows.astype(np.uint64)
    lists = encode_lists(taken, names, bounds)
    for place, (start, end) in enumerate(itertools.pairwise(bounds.tolist())):
        assert lists.content(place) == encode_list(taken.take(np.arange(start, end)), names[start:end])

    related = []
    for _ in schema.relationships:
        sizes = [random.randrange(4) for _ in range(count)]
        offsets = np.append(0, np.cumsum(sizes)).astype(np.int64)
        related.append((offsets, np.array([random.randrange(2**64) for _ in range(offsets[-1])], np.uint64)))
    indexed = encode_by_id(records, related)
    assert len(indexed) == count
    for row in range(count):
        (place, _, objects), end = read_one(indexed.content(row), 0, schema, related=True)
        assert end == indexed.sizes[row]
        assert place == geometry_of(schema, geometry, row)
        assert objects == [ids[o[row] : o[row + 1]].tolist() for o, ids in related]


@pytest.mark.parametrize("kind", ["point", "line", "polyline"])
def test_the_reader_of_neuroglancer_finds_what_was_written(tmp_path: Path, kind: Any) -> None:
    from neuroglancer.read_precomputed_annotations import AnnotationReader

    schema = AnnotationSchema(
        kind,
        3,
        (
            Property("wide", "uint32"),  # the reader of 2.41 finds it nowhere but in the first place
            Property("small", "uint8", labels={1: "one", 2: "two"}),
            Property("size", "float32"),
            Property("colour", "rgb"),
            Property("half", "int16", "half as wide"),
        ),
        ("objects",),
    )
    rng = np.random.default_rng(1)
    count = 50
    if kind == "polyline":
        offsets = np.append(0, np.cumsum(rng.integers(2, 9, count)))
        geometry: Any = (rng.random((offsets[-1], 3), np.float32), offsets)
    else:
        geometry = rng.random((count, 3) if kind == "point" else (count, 2, 3), np.float32)
    columns = {
        "small": rng.integers(0, 3, count, np.uint8),
        "wide": rng.integers(0, 2**32, count, np.uint32),
        "size": rng.random(count, np.float32),
        "colour": rng.integers(0, 255, (count, 3), np.uint8),
        "half": rng.integers(-9, 9, count, np.int16),
    }
    ids = rng.permutation(count).astype(np.uint64) + np.uint64(1 << 58)
    records = encode_records(schema, geometry, columns)
    level = SpatialLevel("spatial0", (1, 1, 1), (1.0, 1.0, 1.0), count)
    info = annotation_info(schema, dict.fromkeys("xyz", (1e-9, "m")), [0, 0, 0], [1, 1, 1], [level])
    (tmp_path / "info").write_text(json.dumps(info, allow_nan=False))
    for key in ("spatial0", "by_id", "related_0"):
        (tmp_path / key).mkdir()
    (tmp_path / "spatial0" / "0_0_0").write_bytes(encode_list(records, ids))
    owner = (np.arange(count + 1), np.arange(count, dtype=np.uint64) % 7)
    indexed = encode_by_id(records, [owner])
    for row, name in enumerate(ids.tolist()):
        (tmp_path / "by_id" / str(name)).write_bytes(indexed.content(row))
    (tmp_path / "related_0" / "3").write_bytes(encode_list(records.take(np.arange(3, count, 7)), ids[3::7]))

    reader = AnnotationReader(f"file://{tmp_path}/")
    names = [p.id for p in reader.properties]
    assert names == ["wide", "size", "half", "small", "colour"]
    for row, name in enumerate(ids.tolist()):
        one = reader.by_id[name]
        parts = {"point": ["point"], "line": ["point_a", "point_b"], "polyline": ["points"]}[kind]
        place = np.concatenate([np.ravel(getattr(one, part)) for part in parts])
        assert place.tolist() == geometry_of(schema, geometry, row)
        assert [[int(v) for v in s] for s in one.segments] == [[row % 7]]
        assert [np.asarray(v).tolist() for v in one.props] == [columns[name][row].tolist() for name in names]
    assert [a.id for a in reader.relationships["objects"][3]] == [str(i) for i in ids[3::7]]
    cell = reader.spatial[0][(0, 0, 0)]
    assert [a.id for a in cell] == [str(i) for i in ids]


def test_what_does_not_fit_is_refused() -> None:
    schema = AnnotationSchema("line", 3, (Property("a", "rgb"),))
    colours = {"a": np.zeros((2, 3), np.uint8)}
    assert schema.record_dtype.fields is not None and GEOMETRY in schema.record_dtype.fields
    for geometry, columns in (
        (np.zeros((2, 3)), colours),
        (np.zeros((2, 2, 2)), colours),
        ((np.zeros((4, 3)), np.array([0, 2, 4])), colours),
        (np.zeros((2, 2, 3)), {}),
        (np.zeros((2, 2, 3)), {"a": np.zeros(2, np.uint8)}),
    ):
        with pytest.raises(InvalidInputError):
            encode_records(schema, geometry, columns)
    lines = AnnotationSchema("polyline", 2)
    for geometry in (np.zeros((2, 2)), (np.zeros((3, 2)), np.array([0, 0, 3])), (np.zeros((3, 2)), np.array([0, 2]))):
        with pytest.raises(InvalidInputError):
            encode_records(lines, geometry, {})
    with pytest.raises(InvalidInputError):
        encode_list(encode_records(lines, (np.zeros((3, 2)), np.array([0, 3])), {}), np.zeros(2, np.uint64))
    with pytest.raises(InvalidInputError):
        encode_lists(
            encode_records(lines, (np.zeros((3, 2)), np.array([0, 3])), {}), np.zeros(1, np.uint64), np.arange(3)
        )
    with pytest.raises(InvalidInputError):
        annotation_info(lines, {"x": (1, "m")}, [0], [1], [])


@pytest.mark.parametrize("name", ["", "A", "1a", "a b", "a-b", "é", "_a", "a\n"])
def test_ids_that_the_client_refuses_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError):
        Property(name, "uint8")


def test_labels_stand_in_the_order_of_their_values() -> None:
    told = Property("small", "uint8", labels={200: "last", 0: "first", 7: "middle"}).document()
    assert told["enum_values"] == [0, 7, 200]
    assert told["enum_labels"] == ["first", "middle", "last"]


def test_types_labels_and_doubles_are_checked() -> None:
    with pytest.raises(InvalidInputError):
        Property("a", "float64")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError):
        Property("a", "rgb", labels={1: "x"})
    with pytest.raises(InvalidInputError):
        AnnotationSchema("point", 3, (Property("a", "uint8"), Property("a", "int8")))
    with pytest.raises(InvalidInputError):
        AnnotationSchema("cube", 3)  # type: ignore[arg-type]
