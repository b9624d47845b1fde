"""Going back: as far as it may be, never so far that memory fills."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from zvview.store.editing import history
from zvview.testing import make_store


def test_steps_that_are_large_are_forgotten_before_memory_fills_and_the_latest_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "_MOST_BYTES", 4 << 20)
    store = make_store({}, "point_cloud", size=50)
    session = store.edit()
    positions = np.linspace(10.0, 90.0, 30_000).reshape(-1, 3)
    points = session.add(positions, {"type": "presynaptic"})
    tracemalloc.start()
    for i in range(60):
        session.move(points, positions + i)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 8 << 20
    steps = 0
    while session.can_undo:
        session.undo()
        steps += 1
    assert 5 < steps < 30
    while session.can_redo:
        session.redo()
    assert (session.look_up(points).positions == np.float32(positions + 59)).all()
    monkeypatch.setattr(history, "_MOST_BYTES", 0)
    session.move(points, positions)
    session.undo()
    assert (session.look_up(points).positions == np.float32(positions + 59)).all() and not session.can_undo


def test_small_steps_are_a_thousand() -> None:
    session = make_store({}, "point_cloud", size=50).edit()
    point = session.find().take(np.arange(1))
    for i in range(1005):
        session.move(point, [[1.0, 2.0, float(i % 90)]])
    steps = 0
    while session.can_undo:
        session.undo()
        steps += 1
    assert steps == 1000
