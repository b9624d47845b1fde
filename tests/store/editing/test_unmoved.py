"""Stores with a coordinate offset: coordinates that are put where they are stay as they are stored, bit for bit."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import zvview
from zvview.store.editing.selection import Selection

COUNT = 12
offsets = st.tuples(*[st.floats(-1e9, 1e9, allow_subnormal=False)] * 3)
masks = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=COUNT, max_size=COUNT)
POSITIONS = np.random.default_rng(1).random((COUNT, 3)) * 100


def set_offset(place: str, offset: tuple[float, ...]) -> None:
    """World positions are the stored ones and so much."""
    document = Path(place, "zarr.json")
    root = json.loads(document.read_text())
    root["attributes"]["zarr_vectors"]["coordinate_offset"] = list(offset)
    document.write_text(json.dumps(root))


def make(place: Path, batch: zvview.Points | zvview.Polylines) -> str:
    """A store of few chunks."""
    grid = {"chunk_shape": (50.0,) * 3, "bin_shape": (50.0,) * 3, "dtype": batch.positions.dtype}
    with zvview.create(str(place), kind=batch.kind, axes="xyz", **grid) as store:
        store.write(batch)
    return str(place)


def stored_of(edit: zvview.EditSession, found: Selection) -> NDArray[np.float64]:
    """What is to be stored of vertices, all of them moved."""
    rows = []
    for chunk, row in zip(found.refs.chunks.tolist(), found.refs.rows.tolist(), strict=True):
        entry = edit.edits.chunks[tuple(chunk)]
        rows.append(entry.positions[entry.rows.tolist().index(row)])
    return np.array(rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(offset=offsets, mask=masks)
@settings(max_examples=25, deadline=None)
def test_axes_of_points_that_are_not_moved_stay_as_they_are_stored(
    dtype: str, offset: tuple[float, ...], mask: list[list[bool]]
) -> None:
    is_moved = np.array(mask)
    with tempfile.TemporaryDirectory() as folder:
        place = make(Path(folder, "a.zv"), zvview.Points(POSITIONS.astype(dtype)))
        with zvview.open(place) as store, store.edit(journal=False) as edit:
            stored = edit.find().positions
        set_offset(place, offset)
        with zvview.open(place) as store, store.edit(journal=False) as edit:
            found = edit.find()
            edit.move(found, found.positions)
            np.testing.assert_array_equal(stored_of(edit, found), stored)
            edit.move(found, np.where(is_moved, np.add(offset, 25.5), found.positions))
            now = stored_of(edit, found)
            edit.discard()
    np.testing.assert_array_equal(now[~is_moved], stored[~is_moved])
    np.testing.assert_allclose(now[is_moved], 25.5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(offset=offsets, mask=masks)
@settings(max_examples=25, deadline=None)
def test_axes_of_lines_that_are_not_moved_stay_as_they_are_stored(
    dtype: str, offset: tuple[float, ...], mask: list[list[bool]]
) -> None:
    is_moved, stored = np.array(mask), POSITIONS.astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        place = make(Path(folder, "a.zv"), zvview.Polylines(stored, offsets=[0, 4, 8, 12], object_ids=[1, 2, 3]))
        set_offset(place, offset)
        with zvview.open(place) as store, store.edit(journal=False) as edit:
            wanted = np.where(is_moved, np.add(offset, 25.5), edit.read_lines([1, 2, 3]).positions)
            edit.move_line_vertices([1] * 4, range(4), wanted[:4])
            edit.set_line(2, wanted[4:8])
            edit.set_lines(zvview.Polylines(wanted[8:], offsets=[0, 4], object_ids=[3]))
            now = np.concatenate([edit.edits.lines[number].positions for number in (1, 2, 3)])
            edit.discard()
    np.testing.assert_array_equal(now[~is_moved], stored[~is_moved])
    np.testing.assert_allclose(now[is_moved], 25.5, atol=1e-6)
