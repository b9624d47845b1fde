"""Edited objects laid over what streams: after a commit the store gives the very same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import zvview
from tests.store.editing.models import needed
from tests.stream.conftest import Receiver, make_view
from zvview.geometry.batches import Graph, Mesh, Polylines
from zvview.store.store import Store
from zvview.stream import Streamer, StreamSettings
from zvview.stream.edited_objects import EditedObjects
from zvview.testing import make_store

WORLD = ((-2000.0,) * 3, (3000.0,) * 3)


def opened(kind: str) -> tuple[dict[str, bytes], Store]:
    place: dict[str, bytes] = {}
    make_store(place, kind, size=3000, n_objects=8, chunk_shape=(250.0,) * 3).close()
    store = zvview.open(place)
    assert isinstance(store, Store)
    return place, store


def look(store: Store, overlay: Any) -> Any:
    receiver = Receiver()
    with Streamer(store, settings=StreamSettings(prefetch_margin=0), on_update=receiver) as streamer:
        return receiver.settled(streamer.look(make_view(*WORLD, 100.0, edits=overlay))).batch


def segments(batch: Any) -> set[tuple[Any, ...]]:
    """Joined places with their objects, however they are stored."""
    if isinstance(batch, Mesh):
        ends = batch.positions[batch.faces]
        return {tuple(sorted(map(tuple, corners))) for corners in ends.tolist()}
    rows = batch.segments if isinstance(batch, Polylines) else batch.edges
    owners = batch.vertex_object_ids
    return {
        (*sorted(map(tuple, pair)), int(owner))
        for pair, owner in zip(batch.positions[rows].tolist(), owners[rows].max(axis=1), strict=True)
    }


@pytest.mark.parametrize("kind", ["streamline", "skeleton", "graph", "mesh"])
def test_what_is_shown_is_what_is_there_after_the_commit(kind: str) -> None:
    place, store = opened(kind)
    edit = store.edit()
    ids = store.level(0).present_object_ids[:3].tolist()
    if kind == "streamline":
        edit.move_line_vertices(ids[0], [1], edit.line(ids[0]).positions[[1]] + 20)
        edit.split_line(ids[1], 3)
        edit.delete_objects(ids[2])
    else:
        found = edit.vertices_of(ids[0])
        edit.move(found.take(np.arange(4)), found.positions[:4] + 20)
        edit.delete(found.take(np.arange(len(found) - 3, len(found))))
        edit.delete_objects(ids[2])
        other = edit.vertices_of(ids[1])
        if kind == "skeleton":
            node = other.take(other.links[len(other.links) // 2, :1])
            edit.cut(node)
            edit.add_branch(
                edit.vertices_of(ids[1]).take(np.array([0])), [[500.0, 500.0, 500.0]], attributes=needed(edit)
            )
        elif kind == "graph":
            edit.cut(other.take(other.links[:2, 0]), other.take(other.links[:2, 1]))
        else:
            edit.delete_faces(other.take(other.links[0]))
    shown = look(store, EditedObjects(store).overlay(edit.edits))
    edit.commit()
    after = look(zvview.open(place), None)  # type: ignore[arg-type]
    assert isinstance(shown, Graph | Mesh | Polylines)
    assert segments(shown) == segments(after)


def test_chosen_objects_are_shown_whole_and_nothing_else_changes() -> None:
    _, store = opened("skeleton")
    maker = EditedObjects(store)
    maker.chosen = (int(store.level(0).present_object_ids[1]), 10**6)
    overlay = maker.overlay(store.edit().edits)
    assert overlay.objects.tolist() == sorted(maker.chosen) and overlay.shown is not None
    assert segments(look(store, overlay)) == segments(look(store, None))
