"""How many requests one server has in flight, and asking again for what it dropped.

A server that takes few connections at a time says so by dropping the others: Python's own ``http.server`` queues five
beside the one it accepts, and 64 at once leave a hundred of 400 requests without an answer. So the width is found out
per server, as TCP finds its window: it starts small, doubles while everything comes back, halves where something is
dropped, and is slow to try again. Of 400 objects of 20 kB from ``http.server`` over loopback six in flight lose
nothing, eight lose two or three, each of which the kernel asks for again after a whole second.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

from zvview.store.places.io_loop import WIDTH
from zvview.store.places.remote_config import CONNECT_S
from zvview.store.places.remote_errors import is_passing

__all__ = ["Pace", "pace_of"]

T = TypeVar("T")
_START = 6  # what the shortest usual backlog holds: five that wait and one that is accepted
_WAITS = (0.1, 0.2, 0.4, 0.8)  # seconds before each further attempt, half more or less
_PATIENCE, _MOST_PATIENCE = 256, 1024  # times the limit that must come back before a width is tried again that failed
_TELLING = 2  # attempts whose failure is the server's: a key that fails for ever must not narrow the way for all
_DEAD_S = 1.0  # who has never answered and takes longer to fail is not asked again
_NEAR_S = 0.45  # a first answer that took longer tells nothing about connections: a name may have been looked up


class Pace:
    """The width of one server; all of it runs on the I/O loop.

    Parameters
    ----------
    is_plain : bool
        Plain http, where anything may answer. Behind TLS and in buckets stand servers made for many readers: there the
        width starts at its most, and a handshake may take as long as a drop.

    Attributes
    ----------
    limit : int
        Requests in flight at most, at present.
    connect_s : float
        Seconds after which a connection that is not there was dropped rather than is on its way: 5, and on plain http
        four times what the first answer took, from 0.25 s up to 0.9 s, since after 1 s the kernel itself asks again and
        hides the drop.
    """

    def __init__(self, is_plain: bool) -> None:
        self.limit = _START if is_plain else WIDTH
        self.connect_s = CONNECT_S
        self._is_plain = is_plain
        self._has_answered = False
        self._queue: deque[asyncio.Future[int]] = deque()
        self._flying: dict[int, int] = {}  # requests in flight by number, oldest first, and how many there were then
        self._next = 0  # number of the next request
        self._stage = 0  # first request that tells something about the present limit
        self._shrunk = 0  # first request that began after the limit was last halved
        self._patience = 1

    async def ask(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call`, an idempotent request, gives when its turn has come; made up to five times where it is dropped.

        A server that has never answered is asked twice at most, so that a wrong address is told soon.
        """
        attempt = 0
        while True:
            number = await self._begin()
            began = time.perf_counter()
            came_back = False
            try:
                answer = await call()
                came_back = True
                return answer
            except Exception as error:
                came_back = not is_passing(error)  # a refusal is an answer
                if came_back or attempt == len(_WAITS):
                    raise
                if not self._has_answered and (attempt or time.perf_counter() - began > _DEAD_S):
                    raise
                if attempt < _TELLING:
                    self._shrink(number)
            finally:
                if came_back and not self._has_answered:
                    self._meet(time.perf_counter() - began)
                self._end(number, came_back)
            await asyncio.sleep(_WAITS[attempt] * random.uniform(0.5, 1.5))
            attempt += 1

    def _meet(self, took: float) -> None:
        self._has_answered = True
        if self._is_plain and took < _NEAR_S:
            self.connect_s = min(0.9, max(0.25, round(4 * took, 2)))

    async def _begin(self) -> int:
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._advance()
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # its turn came in the same step
                self._end(turn.result(), came_back=False)
            raise

    def _advance(self) -> None:
        while self._queue and len(self._flying) < self.limit:
            turn = self._queue.popleft()
            if not turn.cancelled():
                self._flying[self._next] = len(self._flying) + 1
                turn.set_result(self._next)
                self._next += 1

    def _end(self, number: int, came_back: bool) -> None:
        del self._flying[number]
        if not came_back:
            self._stage = self._next
        # One that hangs holds the stage back, long before it fails.
        elif next(iter(self._flying), self._next) - self._stage >= self.limit * self._patience:
            self.limit = min(2 * self.limit, WIDTH)
            self._patience = max(1, self._patience // 4)
            self._stage = self._next
        self._advance()
        if len(self._flying) < self.limit:  # nobody waits: what is in flight does not test the limit
            self._stage = self._next

    def _shrink(self, number: int) -> None:
        """Halve what flew together, once for all that fell; who flew alone says nothing about the width."""
        together = min(self.limit, max(self._flying[number], len(self._flying)))
        if together > 1 and number >= self._shrunk:
            self.limit = together // 2
            self._patience = min(_MOST_PATIENCE, max(_PATIENCE, 8 * self._patience))
            self._shrunk = self._next


_paces: dict[tuple[int, str, str], Pace] = {}  # a few numbers for each server; a forked child has a loop of its own


def pace_of(address: str) -> Pace:
    """The one pace of the server or bucket of an address, for all stores there in this process."""
    scheme, host = urlsplit(address)[:2]
    return _paces.setdefault((os.getpid(), scheme, host), Pace(is_plain=scheme == "http"))
