"""Chunk coordinates, keys and look-up against plain Python."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.grid import (
    ChunkTable,
    chunks_in_box,
    format_chunk_keys,
    grid_of_bounds,
    list_chunks,
    locate_chunks,
    parse_chunk_keys,
    sort_chunks,
)

FEW = settings(max_examples=80, deadline=None)
SMALL = st.integers(-5, 5)
ANY = st.one_of(SMALL, st.integers(-(10**18) + 1, 10**18 - 1))


def tables(values: st.SearchStrategy[int] = ANY) -> st.SearchStrategy[NDArray[np.int64]]:
    def of(ndim: int) -> st.SearchStrategy[NDArray[np.int64]]:
        rows = st.lists(st.tuples(*[values] * ndim), max_size=8)
        return rows.map(lambda r: np.array(r, np.int64).reshape(-1, ndim))

    return st.integers(1, 4).flatmap(of)


@FEW
@given(tables())
def test_keys_there_and_back(coords: NDArray[np.int64]) -> None:
    keys = format_chunk_keys(coords)
    assert keys == [".".join(str(int(v)) for v in row) for row in coords]
    assert np.array_equal(parse_chunk_keys(keys, coords.shape[1]), coords)


@pytest.mark.parametrize(
    "key",
    ["", "1", "1.2", "1.2.3.4", "1..3", ".1.2", "1.2.", "1.2.x", "1.2.--3", "1.2.-", "1-2.3.4", "+1.2.3", " 1.2.3"],
)
def test_keys_that_are_none(key: str) -> None:
    for keys in ([key], ["0.0.0", key], [key, "0.0.0"]):
        for read in (parse_chunk_keys, list_chunks):
            with pytest.raises(DamagedError, match="chunk key"):
                read(keys, 3)


@pytest.mark.parametrize(
    "key", [None, 5, ["1.2.3"], "1.2.3\n4.5.6", "\u0663.\u0662.\u0661", "1.2." + "9" * 19, "1.2." + "9" * 400]
)
def test_keys_of_other_kinds(key: object) -> None:
    for read in (parse_chunk_keys, list_chunks):
        for keys in ([key], ["0.0.0", key]):
            with pytest.raises(DamagedError):
                read(keys, 3)


@FEW
@given(tables())
def test_chunks_of_a_list_are_distinct_in_order_and_kept(coords: NDArray[np.int64]) -> None:
    keys = [*format_chunk_keys(coords), *format_chunk_keys(coords[::-1])]
    found = list_chunks(keys, coords.shape[1])
    assert np.array_equal(found, np.unique(coords, axis=0))
    again = list_chunks(list(keys), coords.shape[1])
    assert np.array_equal(again, found)
    assert not len(coords) or (again is found and not again.flags.writeable)


def test_long_lists_of_chunks_are_not_kept() -> None:
    keys = [f"{i}.0.{10**17 + i}" for i in range(1 << 15, (1 << 15) + 50_000)]
    found = list_chunks(keys, 3)
    assert len(found) == len(keys) and found.flags.writeable and list_chunks(keys, 3) is not found


@FEW
@given(st.lists(st.text("0123456789.-x\n", max_size=6), min_size=1, max_size=4), st.integers(1, 3))
def test_any_text_gives_integers_or_an_error(keys: list[str], ndim: int) -> None:
    try:
        found = parse_chunk_keys(keys, ndim)
    except DamagedError:
        return
    assert [list(map(int, k.split("."))) for k in keys] == found.tolist()


@pytest.mark.parametrize("far", [0, 2**61, -(2**62)])
def test_many_chunks_are_sorted_as_few_are(far: int) -> None:
    coords = np.random.default_rng(0).integers(-6, 6, (3000, 3)) + np.array([0, far, 3])
    coords[0, 0] += far
    found = sort_chunks(coords)
    assert found.dtype == np.int64
    assert found.tolist() == sorted(map(list, set(map(tuple, coords.tolist()))))


@FEW
@given(tables())
def test_sorted_chunks_are_distinct_and_in_numeric_order(coords: NDArray[np.int64]) -> None:
    assert sort_chunks(coords).tolist() == sorted(map(list, set(map(tuple, coords.tolist()))))


@FEW
@given(tables(SMALL))
def test_groups_are_the_rows_that_are_the_same(coords: NDArray[np.int64]) -> None:
    table = ChunkTable.of(coords[: len(coords) // 2])
    groups = table.group(coords)
    assert [g.tolist() for g in groups] == [
        np.flatnonzero((coords == row).all(axis=1)).tolist() for row in table.coords
    ]


@FEW
@given(tables(st.one_of(SMALL, st.integers(-(2**62), 2**62))), st.data())
def test_look_up(coords: NDArray[np.int64], data: st.DataObject) -> None:
    table = ChunkTable.of(coords)
    rows = [tuple(r) for r in table.coords.tolist()]
    ndim = coords.shape[1]
    wanted = data.draw(st.lists(st.one_of(st.tuples(*[SMALL] * ndim), *([st.sampled_from(rows)] if rows else []))))
    found = table.find(np.array(wanted, np.int64).reshape(-1, ndim))
    assert found.tolist() == [rows.index(w) if w in rows else -1 for w in wanted]
    assert len(table) == len(rows) == len(set(rows))


@FEW
@given(tables(st.one_of(SMALL, st.integers(-(2**62), 2**62))), st.integers(1, 90), st.randoms(use_true_random=False))
def test_look_up_of_many_that_come_in_runs(coords: NDArray[np.int64], run: int, random: Random) -> None:
    table, known = (
        ChunkTable.of(coords[::2]),
        {tuple(row): i for i, row in enumerate(sort_chunks(coords[::2]).tolist())},
    )
    runs = [row for row in coords.tolist() for _ in range(3)]
    random.shuffle(runs)
    wanted = np.repeat(np.array(runs, np.int64).reshape(-1, coords.shape[1]), run, axis=0)
    assert table.find(wanted).tolist() == [known.get(tuple(row), -1) for row in wanted.tolist()]


@FEW
@given(st.lists(st.floats(-1e6, 1e6, width=32), max_size=6), st.sampled_from([0.25, 3.0, 25.0, 1e4]))
def test_positions_belong_to_the_chunk_below_them(values: list[float], edge: float) -> None:
    positions = np.array(values, np.float32).reshape(-1, 1)
    assert locate_chunks(positions, [edge]).ravel().tolist() == [math.floor(v / edge) for v in values]


def test_grid_of_bounds() -> None:
    origin, shape = grid_of_bounds([-75] * 3, [35] * 3, [20, 25, 30])
    assert origin.tolist() == [-4, -3, -3] and shape.tolist() == [6, 5, 5]
    assert locate_chunks(np.array([[-1.0, 0, 34]]), [20, 25, 30]).tolist() == [[-1, 0, 1]]


@FEW
@given(tables(SMALL), st.lists(st.tuples(st.integers(-60, 60), st.integers(0, 60)), min_size=4, max_size=4))
def test_chunks_of_a_box(coords: NDArray[np.int64], sides: list[tuple[int, int]]) -> None:
    ndim = max(1, coords.shape[1] - 1)  # a leading component is not compared
    lo = np.array([s[0] for s in sides[:ndim]], float)
    hi = lo + [s[1] for s in sides[:ndim]]
    found = chunks_in_box(coords, [10.0] * ndim, lo, hi).tolist()
    spatial = coords[:, coords.shape[1] - ndim :]
    expected = [
        i
        for i, c in enumerate(spatial)
        if all(math.floor(a / 10) <= v <= math.floor(b / 10) for v, a, b in zip(c, lo, hi, strict=True))
    ]
    assert found == expected


def test_boxes_without_end_hold_everything() -> None:
    coords = np.array([[-(10**17)], [10**17]])
    assert chunks_in_box(coords, [1e-3], np.array([-np.inf]), np.array([np.inf])).tolist() == [0, 1]
    assert chunks_in_box(coords, [1e-3], np.array([-1e308]), np.array([1e308])).tolist() == [0, 1]
