from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.neuroglancer.encoding.morton import decode_morton, encode_morton


def code_of(cell: list[int], shape: list[int]) -> int:
    """Bit by bit, as the specification words it."""
    out, place = 0, 0
    for bit in range(64):
        for coordinate, size in zip(cell, shape, strict=True):
            if 2**bit < size:
                out |= ((coordinate >> bit) & 1) << place
                place += 1
    return out


@settings(max_examples=80)
@given(st.lists(st.integers(1, 2**13), min_size=1, max_size=4), st.data())
def test_codes_are_those_of_the_specification_and_turn_back(shape: list[int], data: st.DataObject) -> None:
    cell = st.tuples(*(st.integers(0, n - 1) for n in shape)).map(list)
    cells = data.draw(st.lists(cell, max_size=6))
    codes = encode_morton(np.array(cells, np.int64).reshape(-1, len(shape)), shape)
    assert codes.tolist() == [code_of(c, shape) for c in cells]
    assert decode_morton(codes, shape).tolist() == cells


def test_codes_of_64_bits_are_the_most() -> None:
    shape = (2**32, 2**32)
    cells = np.array([[2**32 - 1, 2**32 - 1], [0, 2**31]])
    codes = encode_morton(cells, shape)
    assert codes.tolist() == [2**64 - 1, 2**63]
    assert decode_morton(codes, shape).tolist() == cells.tolist()
    with pytest.raises(InvalidInputError, match="65 bits"):
        encode_morton(np.zeros((1, 3), np.int64), (2**32, 2**32, 2))


@pytest.mark.parametrize("cells", [[[0, 3]], [[-1, 0]], [[0, 0, 0]], [0, 1]])
def test_cells_that_are_not_of_the_grid_are_refused(cells: list[list[int]]) -> None:
    with pytest.raises(InvalidInputError):
        encode_morton(np.array(cells), (2, 3))
    with pytest.raises(InvalidInputError):
        encode_morton(np.array([[0, 0]]), (0, 3))
