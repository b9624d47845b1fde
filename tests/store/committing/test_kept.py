"""What was read is kept, and nothing else is told than the source would tell."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.store.committing.kept import KeptSource
from zvview.store.places.memory import MemorySource
from zvview.store.places.source import Request

KEYS = ("a", "b/c", "b/d", "no")
CONTENT = {"a": b"first", "b/c": bytes(200), "b/d": b""}
requests = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from([None, (0, 2), (1, 4), (-2, 0)])), max_size=6)


class Counting(MemorySource):
    """Notes what it is asked."""

    def __init__(self) -> None:
        super().__init__(dict(CONTENT))
        self.asked: list[Request] = []

    def get_many(self, requests, cancel=None):  # type: ignore[no-untyped-def]
        self.asked += requests
        return super().get_many(requests, cancel)

    async def aget_many(self, requests, cancel=None):  # type: ignore[no-untyped-def]
        return self.get_many(requests, cancel)


def told(answers: list[object]) -> list[bytes | None]:
    return [None if answer is None else bytes(answer) for answer in answers]  # type: ignore[call-overload]


@given(waves=st.lists(st.tuples(requests, st.booleans()), max_size=5), most=st.sampled_from([0, 100, 10_000]))
@settings(max_examples=60, deadline=None)
def test_answers_are_those_of_the_source_and_asked_for_once(waves: list[tuple[list[Request], bool]], most: int) -> None:
    below, plain = Counting(), MemorySource(dict(CONTENT))
    kept = KeptSource(below, most)
    for wave, is_awaited in waves:
        answers = asyncio.run(kept.aget_many(wave)) if is_awaited else kept.get_many(wave)
        assert told(answers) == told(plain.get_many(wave))
    if most == 10_000:
        assert len(below.asked) == len(set(below.asked)) == len({request for wave, _ in waves for request in wave})


def test_what_is_forgotten_is_read_anew() -> None:
    below = Counting()
    kept = KeptSource(below)
    assert told(kept.get_many([("a", None), ("no", None)])) == [b"first", None]
    below.change({"a": b"second", "no": b"there"})
    assert told(kept.get_many([("a", None), ("no", None)])) == [b"first", None]
    assert kept.stat_many(["no"]) == [5]
    kept.forget(["a", "no"])
    assert told(kept.get_many([("a", None), ("no", None)])) == [b"second", b"there"]
    assert kept.list_names("b") == ["c", "d"] and kept.list_keys("b") == below.list_keys("b")
