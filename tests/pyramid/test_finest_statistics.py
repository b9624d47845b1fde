"""What the index says of attributes stays true when a store is edited: of every kind, and at every level."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import zvview
from tests.store.editing.models import needed
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.store.editing.session import EditSession
from zvview.stream import Filter, Streamer, Update, ViewState
from zvview.testing import make_store

KINDS = ("point_cloud", "graph", "skeleton", "mesh", "polyline", "streamline")


def make(place: Any, kind: str) -> zvview.Store:
    store = make_store(place, kind, size=300, chunk_shape=(250.0,) * 3, n_objects=4)
    build_pyramid(place, PyramidOptions(target=100))
    return store


def column_of(session: EditSession) -> str:
    return next(n for n, m in session.schema.columns.items() if not m.row_shape and m.categories is None)


def edit_some(session: EditSession, kind: str, name: str, value: float) -> None:
    """Set an attribute of a few vertices beyond all that the store held, and make new ones with such a value."""
    if kind in ("polyline", "streamline"):
        number = int(session.find_lines()[0])
        session.set_line_attributes(number, {name: value})
        line = session.line(number)
        session.add_line(line.positions, {name: np.full(len(line.positions), value + 1)})
    else:
        found = session.find()
        session.set_attributes(found.take(np.arange(5)), {name: value})
        more = {} if found.object_ids is None else {"object_ids": int(found.object_ids[0])}
        session.add(found.positions[:2], {**needed(session), name: value + 1}, **more)


def assert_true(store: zvview.Store) -> None:
    """No value lies beyond what the index says, and labels of level 0 occur as often as it says."""
    for number in store.levels:
        batch = store.level(number).read()
        for name, values in batch.attributes.items():
            told, where = store.statistics[number][name], (number, name)
            metadata = store.level(number).attributes[name]
            if metadata.categories is not None:
                counts = [int((values == code).sum()) for code in range(len(metadata.categories.labels))]
                if number == 0:
                    assert list(told["counts"].values()) == counts, where
            elif len(values):
                assert (np.asarray(told["min"]) <= np.nanmin(values, axis=0)).all(), where
                assert (np.asarray(told["max"]) >= np.nanmax(values, axis=0)).all(), where
                if told["quantiles"]:
                    assert np.isclose(told["quantiles"][0], told["min"]) and np.isclose(
                        told["quantiles"][-1], told["max"]
                    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_index_is_true_of_what_was_edited(kind: str) -> None:
    place: dict[str, bytes] = {}
    store = make(place, kind)
    with store.edit() as session:
        name = column_of(session)
        edit_some(session, kind, name, 200)
    told = store.statistics[0][name]
    assert told["max"] == 201
    assert_true(store)
    if kind == "point_cloud":
        with store.edit() as session:
            found = session.find()
            labels = session.schema.columns["type"].categories.labels  # type: ignore[union-attr]
            session.set_attributes(found.take(np.arange(50)), {"type": labels[0]})
            session.delete(found.take(np.arange(60, 90)))
            session.add(found.positions[:3], {**needed(session), "type": labels[-1]})
        assert_true(store)


def test_values_that_were_set_are_streamed_where_a_filter_asks_for_them() -> None:
    place: dict[str, bytes] = {}
    store = make(place, "point_cloud")
    with store.edit() as session:
        edit_some(session, "point_cloud", "intensity", 200)
    settled, shown = threading.Event(), []

    def receive(update: Update) -> None:
        shown.append(update)
        if update.is_settled:
            settled.set()

    wanted = Filter(ranges={"intensity": (200, 300)})
    with Streamer(store, on_update=receive) as streamer:
        streamer.look(ViewState((0,) * 3, (1000,) * 3, zoom_px_per_unit=100.0, filter=wanted))
        assert settled.wait(30)
    assert sorted(shown[-1].batch.attributes["intensity"].tolist()) == [200] * 5 + [201] * 2
