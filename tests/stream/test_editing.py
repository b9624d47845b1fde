"""Edits laid over what streams, against the same edits made in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zvview
from tests.stream.conftest import Receiver, make_view
from zvview.geometry.batches import Points, Streamlines
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.store.editing.edits import Edits, VertexRefs
from zvview.store.editing.vertex_operations import (
    add_vertices,
    delete_vertices,
    move_vertices,
    reassign_vertices,
    set_column,
)
from zvview.store.store import Store
from zvview.stream import Streamer, StreamSettings, Update
from zvview.stream.edited_points import EditedPoints
from zvview.stream.editing import UNNAMED, VERTEX, EditOverlay, lay_over, refs_of
from zvview.testing import make_store

WORLD = ((-2000.0,) * 3, (3000.0,) * 3)
NAMES = ("intensity", "type")
NOTHING = VertexRefs(np.empty((0, 3), np.int64), np.empty(0, np.int64))


def make_points(place: dict[str, bytes]) -> Store:
    """Points that have objects, so that the rows of a chunk are not in the order of its fragments."""
    rng = np.random.default_rng(1)
    store = make_store({}, "point_cloud", size=6000)
    batch = store.level(0).read()
    ids = rng.integers(0, 40, len(batch))
    new = zvview.create(place, kind="point_cloud", axes=store.axes, chunk_shape=(250.0,) * 3, bin_shape=(10.0,) * 3)
    new.write(Points(batch.positions, attributes=batch.attributes, categories=batch.categories, object_ids=ids))
    new.close()
    build_pyramid(place, PyramidOptions(target=500))
    found = zvview.open(place)
    assert isinstance(found, Store)
    return found


class Looker:
    """Looks at all of a store, at a zoom, with some edits."""

    def __init__(self, store: Store) -> None:
        self._receiver = Receiver()
        settings = StreamSettings(prefetch_margin=0)
        self.streamer = Streamer(store, settings=settings, on_update=self._receiver)

    def look(self, edits: EditOverlay | None, zoom: float = 100.0, **options: Any) -> Update:
        return self._receiver.settled(self.streamer.look(make_view(*WORLD, zoom, edits=edits, **options)))


@pytest.fixture(scope="module")
def store() -> Store:
    return make_points({})


@pytest.fixture(scope="module")
def looker(store: Store) -> Iterator[Looker]:
    found = Looker(store)
    yield found
    found.streamer.close()


def no_edits() -> EditOverlay:
    return EditOverlay(NOTHING, np.empty((0, 3), np.float32))


def rows_of(batch: Points) -> list[tuple[Any, ...]]:
    assert batch.object_ids is not None
    columns = [batch.attributes[name].tolist() for name in NAMES]
    return sorted(zip(batch.positions.tolist(), batch.object_ids.tolist(), *columns, strict=True))


def test_names_of_points_are_their_rows_in_the_store(store: Store, looker: Looker) -> None:
    update = looker.look(no_edits())
    assert update.levels == (0,) and update.chunks is not None and update.edits is not None
    refs = refs_of(update.batch.attributes[VERTEX], update.chunks)
    reader = store.reader(0)
    width = reader.layout.vertex_dtype.itemsize * 3
    for chunk in np.unique(refs.chunks, axis=0)[:10]:
        (cells,) = zvview.store.waves.read_cells(reader.hierarchy, [(reader.layout.vertices, chunk[None])])
        stored = np.frombuffer(cells[0].tobytes(), reader.layout.vertex_dtype).reshape(-1, 3)
        mine = (refs.chunks == chunk).all(axis=1)
        assert len(stored) == mine.sum() == len(cells[0]) // width
        np.testing.assert_array_equal(stored[refs.rows[mine]], update.batch.positions[mine])


class Model:
    """All points of a store in plain arrays, by the names that the streamer gives them."""

    def __init__(self, batch: Points, chunks: np.ndarray) -> None:
        self.refs = refs_of(batch.attributes[VERTEX], chunks)
        self.positions = batch.positions.astype(np.float32)
        self.columns = {name: batch.attributes[name].copy() for name in NAMES}
        self.ids = np.array(batch.object_ids)
        self.edits = Edits()

    def some(self, rng: np.random.Generator) -> np.ndarray:
        count = int(rng.integers(1, 60))
        return rng.choice(len(self.positions), count, replace=False)

    def refs_at(self, at: np.ndarray) -> VertexRefs:
        return VertexRefs(self.refs.chunks[at], self.refs.rows[at])

    def move(self, rng: np.random.Generator) -> None:
        at = self.some(rng)
        self.positions[at] += rng.normal(0, 200, (len(at), 3)).astype(np.float32)
        self.edits = move_vertices(self.edits, self.refs_at(at), self.positions[at].astype(np.float64))

    def delete(self, rng: np.random.Generator) -> None:
        at = self.some(rng)
        self.edits = delete_vertices(self.edits, self.refs_at(at), 3)
        self.refs = VertexRefs(np.delete(self.refs.chunks, at, axis=0), np.delete(self.refs.rows, at))
        self.positions, self.ids = np.delete(self.positions, at, axis=0), np.delete(self.ids, at)
        self.columns = {name: np.delete(values, at) for name, values in self.columns.items()}

    def add(self, rng: np.random.Generator) -> None:
        count = int(rng.integers(1, 20))
        positions = rng.random((count, 3)).astype(np.float32) * 1000
        columns = {"intensity": rng.random(count, np.float32), "type": rng.integers(0, 2, count).astype(np.uint8)}
        ids = rng.integers(0, 90, count)
        self.edits, refs = add_vertices(self.edits, positions.astype(np.float64), columns, ids, 3)
        self.refs = VertexRefs(
            np.concatenate((self.refs.chunks, refs.chunks)), np.concatenate((self.refs.rows, refs.rows))
        )
        self.positions = np.concatenate((self.positions, positions))
        self.columns = {name: np.concatenate((values, columns[name])) for name, values in self.columns.items()}
        self.ids = np.concatenate((self.ids, ids))

    def set(self, rng: np.random.Generator) -> None:
        at = self.some(rng)
        values = rng.random(len(at), np.float32)
        self.columns["intensity"][at] = values
        self.edits = set_column(self.edits, self.refs_at(at), "intensity", values, 3)

    def reassign(self, rng: np.random.Generator) -> None:
        at = self.some(rng)
        ids = rng.integers(0, 90, len(at))
        self.ids[at] = ids
        self.edits = reassign_vertices(self.edits, self.refs_at(at), ids, 3)

    @property
    def batch(self) -> Points:
        return Points(self.positions, attributes=self.columns, object_ids=self.ids)


@given(st.lists(st.sampled_from(["move", "delete", "add", "set", "reassign"]), max_size=8), st.integers(0, 1 << 30))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_edits_look_as_if_they_had_been_made_in_the_store(
    store: Store, looker: Looker, operations: list[str], seed: int
) -> None:
    before = looker.look(no_edits())
    assert isinstance(before.batch, Points) and before.chunks is not None
    model, rng = Model(before.batch, before.chunks), np.random.default_rng(seed)
    for operation in operations:
        getattr(model, operation)(rng)
    overlay = EditedPoints(store).overlay(model.edits)
    update = looker.look(overlay)
    assert update.edits is overlay and isinstance(update.batch, Points) and update.chunks is not None
    assert rows_of(update.batch) == rows_of(model.batch)
    named = refs_of(update.batch.attributes[VERTEX], update.chunks)
    mine = dict(
        zip(map(tuple, np.column_stack((model.refs.chunks, model.refs.rows)).tolist()), model.positions, strict=True)
    )
    for name, position in zip(
        np.column_stack((named.chunks, named.rows)).tolist(), update.batch.positions, strict=True
    ):
        np.testing.assert_array_equal(mine[tuple(name)], position)


def test_coarse_levels_hide_what_was_deleted_and_show_what_is_new(store: Store, looker: Looker) -> None:
    before = looker.look(no_edits())
    coarsest = store.levels[-1]
    coarse = looker.look(no_edits(), locked_level=coarsest)
    assert coarse.levels == (coarsest,) and 100 < len(coarse.batch) < len(before.batch) // 4
    assert (coarse.batch.attributes[VERTEX] == UNNAMED).all()
    assert isinstance(before.batch, Points) and before.chunks is not None
    model = Model(before.batch, before.chunks)
    held = {position.tobytes() for position in coarse.batch.positions}
    at = np.flatnonzero([position.tobytes() in held for position in model.positions])[:50]
    model.edits = delete_vertices(model.edits, model.refs_at(at), 3)
    new = np.full((1, 3), 500.0)
    columns = {"intensity": np.ones(1, np.float32), "type": np.zeros(1, np.uint8)}
    model.edits, _ = add_vertices(model.edits, new, columns, np.zeros(1, np.int64), 3)
    update = looker.look(EditedPoints(store).overlay(model.edits), locked_level=coarsest)
    shown = {position.tobytes() for position in update.batch.positions}
    gone = {model.positions[i].tobytes() for i in at}
    assert update.levels == coarse.levels and len(gone) == 50
    assert shown == (held - gone) | {new.astype(np.float32).tobytes()}


def test_objects_are_hidden_as_wholes_and_shown_as_they_are_now() -> None:
    lines = Streamlines(np.arange(18, dtype=np.float32).reshape(6, 3), offsets=[0, 2, 4, 6], object_ids=[4, 7, 9])
    now = Streamlines(np.zeros((3, 3), np.float64), offsets=[0, 3], object_ids=[7])
    overlay = EditOverlay(NOTHING, np.empty((0, 3), np.float32), np.array([7, 9]), now)
    batch = lay_over(lines, overlay, np.empty((0, 3), np.int64))
    assert isinstance(batch, Streamlines) and batch.object_ids is not None
    assert batch.object_ids.tolist() == [4, 7] and batch.offsets.tolist() == [0, 2, 5]
    assert batch.positions.dtype == np.float32 and not batch.positions[2:].any()
