"""Chunk shapes from the data, options, samples, sorting and statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.format.attributes import AttributeMetadata, Categories
from zvview.format.grid import locate_chunks
from zvview.format.metadata import Axis
from zvview.store.writing.choose import (
    TARGET_BYTES,
    choose_bin_shape,
    choose_chunk_shape,
    choose_shard_shape,
    largest_shard,
    round_edge,
)
from zvview.store.writing.options import WriteOptions, as_axes, bins_of_chunk, codecs_of
from zvview.store.writing.samples import StrideSample
from zvview.store.writing.sorting import rank_rows, run_starts, stable_order
from zvview.store.writing.statistics import AttributeStatistics

XYZ = tuple(Axis(n) for n in "xyz")


def chosen(where: np.ndarray, axes: tuple[Axis, ...] = XYZ, row_bytes: int = 16, scale: int = 1) -> tuple[float, ...]:
    lo, hi = where.min(axis=0).astype(float), where.max(axis=0).astype(float)
    return choose_chunk_shape(where, lo, hi, axes, len(where) * row_bytes * scale)


def mean_bytes(where: np.ndarray, shape: tuple[float, ...], total: int) -> float:
    _, counts = np.unique(locate_chunks(where, shape), axis=0, return_counts=True)
    return float((counts.astype(float) ** 2).sum() / len(where) ** 2 * total)


@pytest.mark.parametrize("spread", ["uniform", "normal", "flat", "line"])
def test_chunks_hold_a_quarter_to_one_megabyte(spread: str) -> None:
    rng = np.random.default_rng(1)
    where = rng.normal(500, 140, (20_000, 3)) if spread == "normal" else rng.uniform(-300, 700, (20_000, 3))
    where[:, {"flat": 2, "line": slice(1, 3)}.get(spread, slice(0))] = 7.0
    shape = chosen(where, scale=100)
    assert len(set(shape)) == 1
    assert TARGET_BYTES / 4 < mean_bytes(where, shape, len(where) * 1600) <= TARGET_BYTES


@pytest.mark.parametrize(("cells", "edge"), [(20_000, None), (20_001, 2), (160_000, 2), (160_001, 4), (10**7, 4)])
def test_shards_are_as_small_as_leaves_few_enough_files(cells: int, edge: int | None) -> None:
    full = np.stack(np.meshgrid(*[np.arange(12)] * 3), axis=-1).reshape(-1, 3)
    assert choose_shard_shape(full, cells) == (edge and [edge] * 3)
    alone = full * 4  # no two of these are in one shard, and no larger ones are made
    assert choose_shard_shape(alone, cells) == (edge and [4] * 3)


@pytest.mark.parametrize(("ndim", "edge"), [(1, 64), (2, 8), (3, 4), (4, 2), (7, 2)])
def test_no_shard_is_larger_than_64_cells_where_it_can_be_cut(ndim: int, edge: int) -> None:
    assert largest_shard(ndim) == [edge] * ndim


@given(length=st.floats(1e-30, 1e30))
def test_round_edges_have_four_bits_and_are_barely_longer(length: float) -> None:
    edge = round_edge(length)
    assert length <= edge <= length * 1.125
    assert (np.frexp(edge)[0] * 16).is_integer()


def test_time_is_cut_into_as_many_parts_as_space() -> None:
    rng = np.random.default_rng(2)
    where = np.column_stack((rng.uniform(0, 10, 20_000), rng.uniform(0, 1000, (20_000, 2))))
    t, y, x = chosen(where, (Axis("t", "time"), Axis("y"), Axis("x")), scale=100)
    assert y == x
    assert 0.5 < (10 / t) / (1000 / x) < 2


@pytest.mark.parametrize(
    "where",
    [
        np.zeros((1, 3)),
        np.full((5, 3), 1e9),
        np.array([[0, 0, 0], [1e-30, 0, 0]]),
        np.array([[1e15, 0, 0], [1e15 + 2, 0, 0]]),
    ],
)
def test_degenerate_data_have_chunks_too(where: np.ndarray) -> None:
    for scale in (1, 10**9):
        shape = np.array(chosen(where, scale=scale))
        assert (shape > 0).all()
        assert (np.abs(where / shape) < 2**53).all()


def test_default_bins_agree_with_chunks() -> None:
    shape = (27.5, 0.8125)
    rng = np.random.default_rng(3)
    where = rng.normal(0, 100, (10_000, 2)).astype(np.float32)
    bins = locate_chunks(where, choose_bin_shape(shape, is_points=True))
    assert np.array_equal(bins // 4, locate_chunks(where, shape))
    assert bins_of_chunk(shape, choose_bin_shape(shape, is_points=False)) == (8, 8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "cube"}, "kind = 'cube', expected one of 'point_cloud'"),
        ({"chunk_shape": (0, 1)}, "above 0"),
        ({"chunk_shape": (1, np.inf)}, "finite"),
        ({"chunk_shape": (1, 1), "bin_shape": (0.3, 0.5)}, "does not divide"),
        ({"chunk_shape": (1, 1), "bin_shape": (2, 1)}, "does not divide"),
        ({"bin_shape": (1, 1)}, "without chunk_shape"),
        ({"chunk_shape": (1, 1), "axes": "xyz"}, "different numbers of axes"),
        ({"bounds": ((0, 1), (1, 0))}, "least"),
        ({"dtype": "int32"}, "float32 or float64"),
        ({"codec": "lzma"}, "compression 'lzma'"),
        ({"shards": 0}, "1 cell or more"),
        ({"shards": 2.5}, "expected integers"),
        ({"shards": 10**6, "chunk_shape": (1, 1)}, "at most 16777216 in a shard"),
        ({"shards": [2, 2], "chunk_shape": (1, 1, 1)}, "different numbers of axes"),
        ({"chunk_shape": (1, 1), "bin_shape": (1e-9, 1e-9)}, "more than 1048576 in a chunk"),
        ({"chunk_shape": (1, 1), "bin_shape": (1,)}, "different axes"),
        ({"chunk_shape": 5}, "chunk_shape: 5 has shape"),
        ({"bounds": 5}, "bounds = 5"),
        ({"bounds": ((0,), (np.inf,))}, "finite"),
        ({"dtype": "zzz"}, "dtype = 'zzz'"),
        ({"axes": [1, 2, 3]}, "axis 1: expected a name"),
        ({"axes": [{"name": "x", "unit": 5}]}, "expected text for name, type and unit"),
        ({"axes": ["x", "x"]}, "different names"),
        ({"axes": [{"name": "x", "size": 1}]}, "keys name"),
        ({"memory_bytes": 0}, "memory_bytes"),
    ],
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        WriteOptions(**({"kind": "point_cloud"} | wrong))


def test_cells_are_raw_in_local_places_and_zstd_in_remote_ones() -> None:
    assert codecs_of(None, is_local=True) == codecs_of("raw", is_local=False) == []
    assert [c["name"] for c in codecs_of(None, is_local=False)] == ["zstd"]
    chain = [{"name": "zstd", "configuration": {"level": 3, "checksum": True}}]
    assert codecs_of(chain, is_local=True) == chain


def test_axes_by_name_document_and_default() -> None:
    assert as_axes(None, 4) == tuple(map(Axis, "xyzw"))
    assert as_axes(["t", {"name": "y", "type": "space", "unit": "meter"}]) == (
        Axis("t", "time"),
        Axis("y", "space", "meter"),
    )
    assert bins_of_chunk((0.3, 8), (0.1, 8)) == (3, 1)
    with pytest.raises(InvalidInputError, match="give their axes"):
        as_axes(None, 5)


@settings(max_examples=50, deadline=None)
@given(keys=st.lists(st.integers(0, 2**62 - 1) | st.integers(0, 3), max_size=40))
def test_radix_order_is_the_stable_order(keys: list[int]) -> None:
    array = np.array(keys, np.int64)
    limit = int(array.max(initial=0)) + 1
    assert np.array_equal(stable_order(array, limit), np.argsort(array, kind="stable"))


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(-3, 3), st.integers(-(2**62), 2**62)), max_size=20))
def test_ranks_sort_as_rows_do(rows: list[tuple[int, int]]) -> None:
    table = np.array(rows, np.int64).reshape(-1, 2)
    keys, limit = rank_rows(table)
    assert ((keys >= 0) & (keys < limit)).all()
    for i, a in enumerate(rows):
        assert [bool(keys[i] < k) for k in keys] == [a < b for b in rows]
    starts = run_starts(*np.sort(table, axis=0).T)
    assert len(starts) == 0 or starts[0] == 0


@settings(max_examples=50, deadline=None)
@given(parts=st.lists(st.integers(0, 50), max_size=8), limit=st.integers(1, 20))
def test_samples_are_evenly_spaced_whatever_the_parts(parts: list[int], limit: int) -> None:
    sample = StrideSample(limit)
    values = np.arange(sum(parts))
    for part in np.split(values, np.cumsum(parts)[:-1] if parts else []):
        sample.add(part)
    rows = sample.rows()
    assert len(rows) <= limit
    if len(values):
        step = int(rows[1] - rows[0]) if len(rows) > 1 else len(values)
        assert rows[0] == 0
        assert len(rows) == 1 or np.array_equal(rows, values[::step])


def test_statistics_of_numbers_channels_and_labels() -> None:
    numbers = AttributeStatistics(AttributeMetadata("v", np.dtype("f4")))
    numbers.add(np.array([3, np.nan, -1], np.float32))
    numbers.add(np.array([np.inf, 7], np.float32))
    found = numbers.document()
    assert (found["min"], found["max"], len(found["quantiles"])) == (-1, 7, 101)
    assert found["quantiles"][0] == -1
    assert found["quantiles"][50] == 3
    channels = AttributeStatistics(AttributeMetadata("c", np.dtype("u1"), (2,)))
    channels.add(np.array([[1, 9], [2, 8]], np.uint8))
    assert channels.document() == {"min": [1, 8], "max": [2, 9], "quantiles": [], "counts": {}}
    labels = AttributeStatistics(AttributeMetadata("l", np.dtype("i1"), (), Categories(("a", "b"), -1)))
    labels.add(np.array([1, -1, 1], np.int8))
    assert labels.document() == {"min": None, "max": None, "quantiles": [], "counts": {"a": 0, "b": 2}}
    nothing = AttributeStatistics(AttributeMetadata("n", np.dtype("f8")))
    nothing.add(np.array([np.nan]))
    assert nothing.document() == {"min": None, "max": None, "quantiles": [], "counts": {}}
