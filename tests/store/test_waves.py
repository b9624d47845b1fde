"""Waves: cells of several arrays in one request, in order, with errors that name the place."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zvview import Cancelled, CancelToken, DamagedError
from zvview.store.cell_arrays import GridArray
from zvview.store.hierarchy import Hierarchy
from zvview.store.places.memory import MemorySource
from zvview.store.waves import UnreadableCells, locate_error, read_cells

if TYPE_CHECKING:
    from tests.store.conftest import HandMade


class CountingSource(MemorySource):
    """Memory that counts its waves."""

    def __init__(self, held: dict[str, Any]) -> None:
        super().__init__(held)
        self.waves: list[list[str]] = []

    def get_many(self, requests: Sequence[Any], cancel: Any = None) -> list[Any]:
        self.waves.append([key for key, _ in requests])
        return super().get_many(requests, cancel)


def arrays(made: HandMade, *names: str) -> tuple[Hierarchy, CountingSource, list[GridArray]]:
    source = CountingSource(made.objects)
    hierarchy = Hierarchy(source)
    grids = [GridArray(source, name, hierarchy.document(name)) for name in names]  # type: ignore[arg-type]
    source.waves.clear()
    return hierarchy, source, grids


def test_cells_of_several_arrays_come_in_one_wave(hand_made: type[HandMade]) -> None:
    made = hand_made("point_cloud", chunk_shape=[10.0, 10.0])
    made.grid("a", {(0, 0): b"one", (0, 1): b"two"})
    made.grid("b", {(0, 1): b"three"})
    hierarchy, source, (a, b) = arrays(made, "a", "b")
    coords = np.array([[0, 1], [5, 5], [0, 0]])
    first, second = read_cells(hierarchy, [(a, coords), (b, coords[:1])])
    assert [c.tobytes() for c in first] == [b"two", b"", b"one"]
    assert [c.tobytes() for c in second] == [b"three"]
    assert source.waves == [["a/c/0/1", "a/c/0/0", "b/c/0/0"]]
    assert read_cells(hierarchy, []) == []
    assert read_cells(hierarchy, [(a, coords[:0])]) == [[]]


def test_damage_in_any_array_names_it(hand_made: type[HandMade]) -> None:
    made = hand_made("point_cloud", chunk_shape=[10.0, 10.0])
    made.grid("a", {(0, 0): b"one", (0, 1): b"two"})
    made.grid("b", {(0, 0): b"one", (0, 1): b"two"})
    made.objects["b/c/0/1"] = struct.pack("<II", 2, 1)
    hierarchy, _, (a, b) = arrays(made, "a", "b")
    coords = np.array([[0, 0], [0, 1]])
    with pytest.raises(UnreadableCells) as caught:
        read_cells(hierarchy, [(a, coords), (b, coords)])
    assert (caught.value.array, caught.value.cell) == ("b", "0.1")
    assert (caught.value.ask, caught.value.cells) == (1, (1,))


def test_cancelled_waves_deliver_nothing(hand_made: type[HandMade]) -> None:
    made = hand_made("point_cloud", chunk_shape=[10.0, 10.0])
    made.grid("a", {(0, 0): b"one"})
    hierarchy, _, (a,) = arrays(made, "a")
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        read_cells(hierarchy, [(a, np.array([[0, 0]]))], token)


def test_errors_keep_a_place_that_they_have() -> None:
    coords = np.array([[3, 4], [5, 6]])
    bare = DamagedError("p", found="f", expected="e", cells=[1])
    placed = locate_error(bare, "x", coords)
    assert (placed.array, placed.cell, placed.cells) == ("x", "5.6", (1,))
    assert locate_error(placed, "y", coords).array == "x"
    assert locate_error(bare, "x", coords, [0]).cell == "3.4"
    assert locate_error(DamagedError("p", found="f", expected="e"), "x", coords).cell is None
