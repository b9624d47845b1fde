from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.neuroglancer.encoding.skeletons import (
    VertexAttribute,
    encode_skeleton,
    encode_skeletons,
    skeleton_info,
)

ATTRIBUTES = st.lists(st.integers(1, 4), max_size=3)


def read(data: bytes, attributes: list[VertexAttribute]) -> tuple[Any, Any, list[Any]]:
    """A skeleton, part by part, as the specification words it."""
    vertices, edges = struct.unpack_from("<II", data)
    at = 8

    def take(count: int, dtype: str) -> Any:
        nonlocal at
        found = np.frombuffer(data, dtype, count, at)
        at += found.nbytes
        return found

    found = take(3 * vertices, "<f4").reshape(-1, 3), take(2 * edges, "<u4").reshape(-1, 2)
    values = [take(vertices * a.num_components, "<f4").reshape(vertices, a.num_components) for a in attributes]
    assert at == len(data)
    return *found, values


@settings(max_examples=60, deadline=None)
@given(ATTRIBUTES, st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), max_size=5), st.integers(0, 2**32))
def test_skeletons_are_read_back_by_the_letter_of_the_specification(
    widths: list[int], sizes: list[tuple[int, int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    attributes = [VertexAttribute(f"a{i}", width) for i, width in enumerate(widths)]
    vertex_offsets = np.append(0, np.cumsum([v for v, _ in sizes])).astype(np.int64)
    edge_offsets = np.append(0, np.cumsum([e if v else 0 for v, e in sizes])).astype(np.int64)
    total = int(vertex_offsets[-1])
    positions = rng.normal(size=(total, 3))
    edges = np.concatenate(
        [np.empty((0, 2), np.int64)]
        + [
            start + rng.integers(0, v, (e, 2))
            for start, (v, e) in zip(vertex_offsets.tolist(), sizes, strict=False)
            if v
        ]
    )
    values = [rng.random((total, width) if width > 1 or seed % 2 else total) for width in widths]
    given_values = list(zip(attributes, values, strict=True))
    encoded = encode_skeletons(positions, vertex_offsets, edges, edge_offsets, given_values)
    assert len(encoded) == len(sizes)
    for i in range(len(sizes)):
        rows = slice(vertex_offsets[i], vertex_offsets[i + 1])
        places, pairs, held = read(encoded.content(i), attributes)
        np.testing.assert_array_equal(places, positions[rows].astype("f4"))
        local = edges[edge_offsets[i] : edge_offsets[i + 1]] - vertex_offsets[i]
        np.testing.assert_array_equal(pairs, local)
        for found, value in zip(held, values, strict=True):
            np.testing.assert_array_equal(found, value[rows].reshape(found.shape).astype("f4"))
        alone = encode_skeleton(positions[rows], local, [(a, v[rows]) for a, v in given_values])
        assert alone == encoded.content(i)


def test_cloud_volume_reads_the_files(tmp_path: Path) -> None:
    import cloudvolume
    from cloudvolume.datasource.precomputed.skeleton.unsharded import Skeleton

    attributes = [VertexAttribute("radius"), VertexAttribute("kind"), VertexAttribute("way", 3)]
    transform = [2.0, 0, 0, 10, 0, 2, 0, 20, 0, 0, 2, 30]
    info = skeleton_info(attributes, transform, "props")
    assert json.loads(json.dumps(info))["segment_properties"] == "props"
    rng = np.random.default_rng(0)
    positions, edges = rng.random((9, 3), np.float32), np.stack((np.arange(8), np.arange(1, 9)), axis=1)
    radius, kind, way = rng.random(9), rng.integers(0, 9, 9), rng.random((9, 3))
    data = encode_skeleton(positions, edges, list(zip(attributes, (radius, kind, way), strict=True)))
    assert cloudvolume.Skeleton is Skeleton
    found = Skeleton.from_precomputed(data, vertex_attributes=info["vertex_attributes"])
    np.testing.assert_array_equal(found.vertices, positions)
    np.testing.assert_array_equal(found.edges, edges)
    np.testing.assert_array_equal(found.radius, radius.astype("f4"))
    np.testing.assert_array_equal(np.ravel(found.kind), kind)
    np.testing.assert_array_equal(found.way, way.astype("f4"))


def test_bytes_are_those_of_neuroglancer() -> None:
    from neuroglancer import CoordinateSpace
    from neuroglancer.skeleton import Skeleton, SkeletonSource, VertexAttributeInfo

    source = SkeletonSource(CoordinateSpace(names=["x"], scales=[1], units=[""]))
    source.vertex_attributes = {"a": VertexAttributeInfo("float32", 1), "b": VertexAttributeInfo("float32", 2)}
    rng = np.random.default_rng(0)
    positions, edges = rng.random((5, 3)), rng.integers(0, 5, (4, 2))
    a, b = rng.integers(0, 255, 5, np.uint8), rng.random((5, 2), np.float32)
    theirs = Skeleton(positions, edges, {"a": a, "b": b}).encode(source)
    ours = encode_skeleton(positions, edges, [(VertexAttribute("a"), a), (VertexAttribute("b", 2), b)])
    assert ours == theirs


def test_what_does_not_fit_is_refused() -> None:
    positions, edges = np.zeros((4, 3)), np.array([[0, 1], [2, 3]])
    both = np.array([0, 2, 4]), np.array([0, 1, 2])
    for bad in (
        (np.zeros((4, 2)), both[0], edges, both[1]),
        (positions, both[0], edges, np.array([0, 2])),
        (positions, np.array([0, 3]), edges, np.array([0, 2])),
        (positions, both[0], np.array([[0, 2], [2, 3]]), both[1]),
        (positions, both[0], np.array([[0, -1], [2, 3]]), both[1]),
        (positions, np.array([0, 5, 4]), edges, both[1]),
        (positions, both[0], edges, both[1], [(VertexAttribute("a"), np.zeros((4, 2)))]),
    ):
        with pytest.raises(InvalidInputError):
            encode_skeletons(*bad)  # type: ignore[arg-type]
    for name, width in (("", 1), ("a", 0), ("a", 5)):
        with pytest.raises(InvalidInputError):
            VertexAttribute(name, width)
    with pytest.raises(InvalidInputError):
        skeleton_info(transform=[1.0])
