"""Choosing and decoding link cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.store.layout import LinkFamily
from zvview.store.reading.links import LinkSelection, decode_selection, decode_sound, select_links
from zvview.store.waves import read_cells

if TYPE_CHECKING:
    from tests.store.conftest import HandMade

Record = list[tuple[tuple[int, ...], int]]
ENDS = st.tuples(st.tuples(st.integers(-1, 1), st.integers(0, 1)), st.integers(0, 3))


def family_of(hand_made: type[HandMade], records: list[Record], **kwargs: bool) -> tuple[HandMade, LinkFamily]:
    made = hand_made("graph" if len(records[0]) == 2 else "mesh", chunk_shape=[10.0, 10.0])
    made.level()
    made.vertices({(i, j): np.zeros((4, 2), np.float32) for i in (-1, 0, 1) for j in (0, 1)})
    made.links(records, **kwargs)
    family = made.open().reader(0).layout.links(0)
    assert family is not None
    return made, family


def decoded(made: HandMade, family: LinkFamily, selection: LinkSelection) -> list[Record]:
    table = decode_selection(selection, read_cells(made.open().reader(0).hierarchy, selection.asks))
    return [
        [(tuple(c), r) for c, r in zip(chunks, rows, strict=True)]
        for chunks, rows in zip(table.chunks.tolist(), table.rows.tolist(), strict=True)
    ]


def everything(chunks: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.ones(len(chunks), bool)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.integers(2, 4).flatmap(
        lambda n: st.lists(st.lists(ENDS, min_size=n, max_size=n), min_size=1, max_size=6)
    ),
    directed=st.booleans(),
)
def test_records_come_back_in_their_original_order(
    hand_made: type[HandMade], records: list[Record], directed: bool
) -> None:
    made, family = family_of(hand_made, records, directed=directed)
    assert sorted(decoded(made, family, select_links(family, everything))) == sorted(records)


def test_only_cells_whose_records_pass_are_read(hand_made: type[HandMade]) -> None:
    a, b, c = (-1, 0), (0, 0), (1, 1)
    records: list[Record] = [[(a, 0), (a, 1)], [(a, 0), (b, 1)], [(c, 2), (b, 3)], [(c, 0), (c, 1)]]
    made, family = family_of(hand_made, records)

    def touches_a(chunks: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray((chunks == a).all(axis=2).any(axis=1))

    selection = select_links(family, touches_a)
    assert sorted(decoded(made, family, selection)) == sorted(records[:2])
    assert selection.endpoint_chunks().tolist() == [[-1, 0], [0, 0]]
    nothing = select_links(family, lambda chunks: np.zeros(len(chunks), bool))
    assert nothing.asks == [] and decoded(made, family, nothing) == []


def test_negative_rows_are_no_endpoints(hand_made: type[HandMade]) -> None:
    made, family = family_of(hand_made, [[((0, 0), 0), ((0, 0), 1)], [((0, 0), 2), ((0, 0), -1)]])
    assert decoded(made, family, select_links(family, everything)) == [[((0, 0), 0), ((0, 0), 1)]]


def test_damaged_cells_count_as_absent_where_notes_are_taken(hand_made: type[HandMade]) -> None:
    made, family = family_of(hand_made, [[((0, 0), 0), ((0, 0), 1)], [((1, 0), 0), ((1, 0), 1)]])
    selection = select_links(family, everything)
    payloads = [list(p) for p in read_cells(made.open().reader(0).hierarchy, selection.asks)]
    payloads[0][1] = payloads[0][1][:-1]
    with pytest.raises(DamagedError, match=r"links/0/0\.0, cell 1\.0"):
        decode_sound(selection, payloads, None)
    notes: list[str] = []
    table = decode_sound(selection, payloads, notes)
    assert table.chunks.tolist() == [[[0, 0], [0, 0]]]
    assert len(notes) == 1 and "1.0" in notes[0]
