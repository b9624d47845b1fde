from __future__ import annotations

from typing import Any

import pytest

import zvview
from zvview.geometry.batches import Points
from zvview.napari.dock.facts import read_facts
from zvview.napari.dock.range_row import RangeRow


@pytest.fixture
def make_row(qtbot: Any) -> Any:
    def make(*args: Any, **kwargs: Any) -> RangeRow:
        row = RangeRow("swc_type", *args, **kwargs)
        qtbot.addWidget(row)
        return row

    return make


def test_limits_of_whole_numbers_are_whole(make_row: Any, qtbot: Any) -> None:
    row = make_row((1.0, 4.0), None, is_whole=True)
    assert row.slider.value() == row.ends == (1, 4) and row.slider.decimals() == 0
    assert row.slider.singleStep() == 1
    with qtbot.waitSignal(row.chosen) as told:
        row.slider.setValue((2.3, 4))
    assert told.args == [(2, 4)]
    many = make_row((0.0, 1e6), None, is_whole=True)
    assert many.slider.singleStep() == 1000 and many.ends == (0, 1e6)


def test_ends_of_other_numbers_lie_beyond_what_their_labels_round(make_row: Any, qtbot: Any) -> None:
    row = make_row((0.12345, 0.98765), "um")
    assert row.ends[0] < 0.12345 and row.ends[1] > 0.98765
    assert row.slider.value() == pytest.approx(row.ends)
    with qtbot.waitSignal(row.chosen) as told:
        row.slider.setValue((0.3, row.slider.maximum()))
    assert told.args == [(pytest.approx(0.3), pytest.approx(row.ends[1]))]


def test_facts_tell_which_attributes_are_whole() -> None:
    place: dict[str, bytes] = {}
    with zvview.create(place, kind="point_cloud", chunk_shape=(50,) * 3) as store:
        attributes = {"swc_type": [1, 4], "radius": [0.5, 2.0]}
        store.write(Points([[5, 5, 5.0], [9, 9, 9]], attributes=attributes))
    facts = read_facts(zvview.open(place))
    assert facts.ranges["swc_type"] == (1, 4) and facts.wholes == {"swc_type"}
