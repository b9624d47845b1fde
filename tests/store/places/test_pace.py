"""The width of a server is found out, what it drops is asked again, and turns are never lost."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.exceptions import GenericError

from zvview.cancel import CancelToken
from zvview.errors import Cancelled
from zvview.store.places import pace as pacing
from zvview.store.places.io_loop import WIDTH, gather_bounded
from zvview.store.places.open import open_source
from zvview.store.places.pace import Pace, pace_of

CHUNK = bytes(range(256)) * 80
DROPPED = GenericError("HTTP error: error sending request\n\nDebug source:\n kind: Timeout, ConnectError")


@contextmanager
def stock_server(folder: Path) -> Iterator[str]:
    """Python's own server as it comes: a backlog of five, a connection for each request."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            port = re.search(r"port (\d+)", server.stdout.readline())
            assert port is not None
            yield f"http://127.0.0.1:{port[1]}"
        finally:
            server.terminate()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Attempts follow each other at once, but at real servers."""
    if "tmp_path" not in request.fixturenames:
        monkeypatch.setattr(pacing, "_WAITS", (1e-3, 2e-3, 4e-3, 8e-3))


class Simulated:
    """Answers in a millisecond, and drops what comes while it is full."""

    def __init__(self, holds: int = 10**6) -> None:
        self.holds, self.busy, self.most, self.asked = holds, 0, 0, 0

    async def answer(self, number: int = 0) -> int:
        self.busy += 1
        self.asked += 1
        self.most = max(self.most, self.busy)
        full = self.busy > self.holds
        try:
            await asyncio.sleep(1e-3)
            if full:
                raise DROPPED
            return number
        finally:
            self.busy -= 1


async def wave(pace: Pace, call: Callable[[int], Awaitable[int]], size: int) -> list[int]:
    return await gather_bounded([lambda i=i: pace.ask(lambda: call(i)) for i in range(size)])


@pytest.mark.parametrize("count", [64, 400])
def test_stores_are_read_whole_from_the_stock_server(tmp_path: Path, count: int) -> None:
    (tmp_path / "c").mkdir()
    for i in range(count):
        (tmp_path / "c" / str(i)).write_bytes(CHUNK + bytes([i % 256]))
    with stock_server(tmp_path) as address:
        source = open_source(address)
        start = time.perf_counter()
        for _ in range(3):
            answers = source.get_many([(f"c/{i}", None) for i in range(count)])
            assert [bytes(answer) for answer in answers] == [CHUNK + bytes([i % 256]) for i in range(count)]
        assert time.perf_counter() - start < 15
        assert source.get_many([("c/none", None)]) == [None]


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 100), st.integers(0, 200), st.booleans())
def test_every_capacity_is_found(holds: int, size: int, is_plain: bool) -> None:
    server, pace = Simulated(holds), Pace(is_plain)

    async def twice() -> None:
        for _ in range(2):
            assert await wave(pace, server.answer, size) == list(range(size))

    asyncio.run(twice())
    assert server.most <= WIDTH
    assert 1 <= pace.limit <= WIDTH


def test_the_width_doubles_on_clean_waves_and_is_remembered() -> None:
    server, pace = Simulated(), Pace(is_plain=True)
    assert pace.limit == 6
    asyncio.run(wave(pace, server.answer, 20))
    assert pace.limit == 12
    asyncio.run(wave(pace, server.answer, 300))
    assert pace.limit == WIDTH == server.most


def test_small_waves_prove_nothing() -> None:
    server, pace = Simulated(), Pace(is_plain=True)

    async def many() -> None:
        for _ in range(30):
            await wave(pace, server.answer, 5)

    asyncio.run(many())
    assert pace.limit == 6


def test_a_width_that_failed_is_not_tried_again_soon() -> None:
    server, pace = Simulated(8), Pace(is_plain=True)
    asyncio.run(wave(pace, server.answer, 100))
    assert pace.limit == 6
    asked, dropped = server.asked, server.asked - 100
    asyncio.run(wave(pace, server.answer, 1000))
    assert server.asked == asked + 1000
    assert 0 < dropped <= 12
    server.holds = 10**6
    asyncio.run(wave(pace, server.answer, 1600))
    assert pace.limit >= 12


def test_what_hangs_keeps_the_width_small() -> None:
    server, pace = Simulated(), Pace(is_plain=True)

    async def hang() -> int:
        """Until all others are answered, however slow the machine is."""
        while server.asked < 99 or server.busy:
            await asyncio.sleep(1e-3)
        return 3

    async def call(number: int) -> int:
        return await (hang() if number == 3 else server.answer(number))

    asyncio.run(wave(pace, call, 100))
    assert server.most == 5  # beside the one that hangs
    assert pace.limit == 6


def test_cancelled_waves_give_their_turns_back() -> None:
    pace = Pace(is_plain=True)

    async def rounds() -> int:
        for delay in (0.0, 1e-4, 1e-3, 2e-3):
            task = asyncio.ensure_future(wave(pace, Simulated().answer, 100))
            await asyncio.sleep(delay)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        single = [asyncio.ensure_future(pace.ask(Simulated().answer)) for _ in range(30)]
        await asyncio.sleep(0)
        for task in single[:25]:  # some fly, some wait
            task.cancel()
        await asyncio.gather(*single, return_exceptions=True)
        return len(await asyncio.wait_for(wave(pace, Simulated().answer, 50), 5))

    assert asyncio.run(rounds()) == 50


def test_cancelling_at_a_real_server_is_prompt(serve_content: Callable) -> None:
    source, token = open_source(serve_content(delay=1.0).address), CancelToken()
    asyncio.run(asyncio.sleep(0))
    start = time.perf_counter()

    async def soon() -> None:
        asyncio.get_running_loop().call_later(0.05, token.cancel)
        await source.aget_many([(f"0/{i}", None) for i in range(50)], token)

    with pytest.raises(Cancelled):
        asyncio.run(soon())
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize(("has_answered", "attempts"), [(False, 2), (True, 5)])
def test_attempts_are_bounded(has_answered: bool, attempts: int) -> None:
    pace, full = Pace(is_plain=True), Simulated(0)

    async def ask() -> None:
        if has_answered:
            await pace.ask(Simulated().answer)
        await pace.ask(full.answer)

    with pytest.raises(GenericError):
        asyncio.run(ask())
    assert full.asked == attempts
    assert pace.limit == 6  # one that fails alone says nothing about the width


def test_refusals_are_answers() -> None:
    pace, asked = Pace(is_plain=True), []

    async def refuse() -> None:
        asked.append(1)
        raise FileNotFoundError("404")

    with pytest.raises(FileNotFoundError):
        asyncio.run(pace.ask(refuse))
    assert (len(asked), pace.limit) == (1, 6)
    assert pace.connect_s < 1  # it has answered, from nearby


def test_servers_share_a_pace_and_start_as_what_they_are() -> None:
    assert pace_of("http://host:80/a") is pace_of("http://host:80/b/c")
    assert pace_of("http://host:80/a") is not pace_of("http://host:81/a")
    assert pace_of("http://host/a").limit == 6
    assert pace_of("https://host/a").limit == pace_of("s3://bucket/a").limit == WIDTH
    with_tls = pace_of("https://other/a")
    asyncio.run(with_tls.ask(Simulated().answer))
    assert with_tls.connect_s == 5
