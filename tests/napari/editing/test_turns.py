"""Changes take turns on a thread of their own; the window is told of each, and never waits without end."""

from __future__ import annotations

import threading
import time
from typing import Any

from zvview.napari.editing.turns import Turns

ENOUGH_S = 10.0


class Listener:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def hear(self, value: object) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.heard.append(value)


def test_all_is_done_in_order_and_errors_are_answers(qtbot: Any) -> None:
    turns, listener, done = Turns("zvview-test"), Listener(), list[int]()
    error = RuntimeError("a fault")

    def fail() -> None:
        raise error

    for number in range(20):
        turns.ask(lambda number=number: done.append(number) or number, listener.hear)
    turns.ask(fail, listener.hear)
    assert turns.is_busy and not listener.heard
    turns.wait(ENOUGH_S)
    assert done == [*range(20)]
    qtbot.waitUntil(lambda: not turns.is_busy)
    assert listener.heard == [*range(20), error]
    turns.close()


def test_the_last_thing_is_done_after_all_others_and_the_thread_ends(qtbot: Any) -> None:
    turns, listener, done = Turns("zvview-test"), Listener(), list[str]()
    turns.ask(lambda: time.sleep(0.05) or done.append("asked"), listener.hear)
    turns.finish(lambda: done.append("last"), ENOUGH_S)
    assert done == ["asked", "last"]
    qtbot.waitUntil(lambda: "zvview-test" not in {thread.name for thread in threading.enumerate()})
    turns.finish(lambda: done.append("again"), ENOUGH_S)
    turns.ask(lambda: done.append("anew"), listener.hear)
    turns.wait(ENOUGH_S)
    assert done == ["asked", "last", "again", "anew"]
    turns.close()


def test_what_does_not_end_is_not_waited_for(qtbot: Any) -> None:
    turns, listener, end = Turns("zvview-test"), Listener(), threading.Event()
    turns.ask(lambda: end.wait(ENOUGH_S), listener.hear)
    begun = time.perf_counter()
    turns.wait(0.05)
    turns.finish(lambda: None, 0.05)
    assert time.perf_counter() - begun < ENOUGH_S / 2
    end.set()
    qtbot.waitUntil(lambda: not turns.is_busy)


def test_answers_are_for_those_who_are_still_there(qtbot: Any) -> None:
    turns, listener = Turns("zvview-test"), Listener()
    heard, end = listener.heard, threading.Event()
    turns.ask(lambda: end.wait(ENOUGH_S), listener.hear)
    del listener
    end.set()
    qtbot.waitUntil(lambda: not turns.is_busy)
    assert heard == []
    turns.close()
