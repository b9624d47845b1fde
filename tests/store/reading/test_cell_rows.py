from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zvview
from zvview.cancel import CancelToken
from zvview.errors import Cancelled, DamagedError
from zvview.store.reading.cell_rows import CellRows
from zvview.store.reading.pieces import decode_apart, decode_pieces
from zvview.store.reading.reader import ReadOptions
from zvview.store.waves import read_cells
from zvview.testing import make_store


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.data())
def test_rows_are_those_of_the_joined_arrays(sizes: list[int], data: st.DataObject) -> None:
    joined = np.arange(3 * sum(sizes), dtype=np.float32).reshape(-1, 3)
    cuts = np.cumsum(sizes)[:-1]
    cells = CellRows(np.split(joined, cuts), {"mass": np.split(joined[:, 0], cuts), "name": [joined[:, 1]]})
    picked = st.lists(st.integers(0, sum(sizes) - 1), max_size=8) if sum(sizes) else st.just([])
    rows = np.array(data.draw(picked), np.int64)
    positions, values = cells.take(rows)
    np.testing.assert_array_equal(positions, joined[rows])
    np.testing.assert_array_equal(values["mass"], joined[rows, 0])
    np.testing.assert_array_equal(values["name"], joined[rows, 1])


def test_an_attribute_of_several_widths_is_damage() -> None:
    cells = CellRows([np.zeros((4, 3))], {"name": [np.zeros((2, 2)), np.zeros(2)]})
    with pytest.raises(DamagedError, match="several widths of 'name'"):
        cells.take(np.array([0, 3]))


def test_taking_rows_stops_when_asked_to() -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        CellRows([np.zeros((4, 3))], {}).take(np.array([1]), token)


@pytest.mark.parametrize("is_broken", [False, True])
@pytest.mark.parametrize("kind", ["streamline", "mesh", "graph"])
def test_pieces_decoded_apart_are_those_decoded_together(kind: str, is_broken: bool) -> None:
    with make_store({}, kind, size=2000, chunk_shape=(250.0,) * 3) as store:
        assert isinstance(store, zvview.Store)
        reader = store.reader(0)
        families = reader.families(ReadOptions())
        coords = reader.layout.vertices.chunks
        payloads = read_cells(reader.hierarchy, families.asks(coords))
    if is_broken:
        broken = np.array(payloads[0][1].view(families.dtype))
        broken[0] = np.nan
        payloads[0][1] = broken.view(np.uint8)
    whole = decode_pieces(families, coords, payloads, skip_damage=True)
    buffer, cells = decode_apart(families, coords, payloads, skip_damage=True)
    assert len(whole.chunks) == len(coords) - is_broken and buffer.notes == whole.notes
    for name in ("offsets", "first", "stored_first"):
        np.testing.assert_array_equal(getattr(buffer, name), getattr(whole, name))
    positions, values = cells.take(np.arange(len(whole.positions)))
    np.testing.assert_array_equal(positions, whole.positions)
    assert set(values) == set(whole.attributes)
    for name, of_name in values.items():
        np.testing.assert_array_equal(of_name, whole.attributes[name])
