"""Requests of the live server: the token, the host and the number at a time looked at, the rest answered in threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import hmac
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import tornado.iostream
import tornado.web

from zvview.errors import ZvviewError
from zvview.neuroglancer.serving.answers import Answer, refuse
from zvview.neuroglancer.serving.folders import ServedFile, ServedFolder
from zvview.neuroglancer.serving.published import Published

__all__ = ["MOST_BODY", "Door", "SourceHandler"]

MOST_BODY: Final = 1 << 16
"""Bytes of what a client sends that are waited for: nobody has anything to say."""

_HOSTS: Final = ("127.0.0.1", "localhost", "::1")
_PIECE_BYTES: Final = 1 << 20  # what is copied for a socket at a time
_BUSY: Final = Answer(429, b"too many requests at once\n", {"Retry-After": "1"})
_LEFT: Final = refuse(408, "the client left")
_log = logging.getLogger(__name__)


class Door:
    """What all requests pass.

    Parameters
    ----------
    token : str
        Without it in its path no request gets anything.
    workers : int
        Requests that are answered at a time.
    most_waiting : int
        Further ones that wait; beyond it requests are turned away with 429.
    most_bytes : int
        Of answers that are on their way to clients at a time; beyond it requests are turned away, too.
    patience_s : float
        Seconds that a client may take to receive a MiB.
    origin : str, optional
        Another site whose pages may read, such as ``"https://neuroglancer-demo.appspot.com"``; none by default.
    address : str, optional
        By which other machines reach this one, where they may.
    """

    def __init__(
        self,
        token: str,
        *,
        workers: int = 4,
        most_waiting: int = 512,
        most_bytes: int = 512 << 20,
        patience_s: float = 30.0,
        origin: str | None = None,
        address: str | None = None,
    ) -> None:
        self.token, self.patience_s, self.origin = token, patience_s, origin
        self._hosts = frozenset(_HOSTS if address is None else (*_HOSTS, address.lower()))
        self.published: dict[str, Published | ServedFolder | ServedFile] = {}
        self._most = workers + most_waiting
        self._inside = 0
        self._most_bytes, self._sending = most_bytes, 0
        self._pool = concurrent.futures.ThreadPoolExecutor(workers, "zvview-serve")

    def is_at(self, host: str) -> bool:
        """Whether what a request calls this server is one of its names."""
        try:
            return urlsplit(f"//{host}").hostname in self._hosts
        except ValueError:
            return False

    async def answer(self, name: str, path: str, headers: dict[str, str], is_wanted: Callable[[], bool]) -> Answer:
        """The answer to a request that names the token; runs on the thread of the server.

        Parameters
        ----------
        name : str
            Of what is published.
        path : str
            Behind the name.
        headers : dict
        is_wanted : callable
            Whether the client is still there; asked on another thread when it is its turn.
        """
        published = self.published.get(name)
        if published is None:
            return refuse(404, "nothing there")
        if self._inside >= self._most:
            return _BUSY
        self._inside += 1
        try:
            return await asyncio.wrap_future(
                self._pool.submit(lambda: published.answer(path, headers) if is_wanted() else _LEFT)
            )
        except ZvviewError as error:
            _log.warning("%r: %s", f"{name}/{path}", error)  # a path may hold ends of lines
            return Answer(503, f"{error}\n".encode(), {"Retry-After": "2", "Content-Type": "text/plain; charset=utf-8"})
        finally:
            self._inside -= 1

    @contextmanager
    def passing(self, answer: Answer) -> Iterator[Answer]:
        """An answer while it is sent, or the one that there is too much on its way; on the thread of the server."""
        size = len(answer.body)
        if self._sending and self._sending + size > self._most_bytes:
            yield _BUSY
            return
        self._sending += size
        try:
            yield answer
        finally:
            self._sending -= size

    def close(self) -> None:
        """Let go of all stores; requests in work are finished."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.published.clear()


@tornado.web.stream_request_body
class SourceHandler(tornado.web.RequestHandler):
    """GET of one content of a source, and what browsers ask before."""

    def initialize(self, doors: Iterable[Door]) -> None:
        """Told by the server's list of handlers."""
        self._doors = doors
        self._is_left = False

    def data_received(self, chunk: bytes) -> None:
        """What clients send is not kept."""

    def on_connection_close(self) -> None:
        """The client left, as browsers do when what they asked for went out of view."""
        self._is_left = True
        super().on_connection_close()

    def _is_wanted(self) -> bool:
        """Whether the client is still there: it may also have left before anyone was told."""
        stream = getattr(self.request.connection, "stream", None)
        return not self._is_left and stream is not None and not stream.closed()

    def compute_etag(self) -> None:
        """None of its own: answers have one, which is known before they are read."""
        return

    def prepare(self) -> None:
        """Only the page of the same server may read, and another site that was allowed.

        A host of another name is one that a page elsewhere had point here, to read as if it came from here.
        """
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        if self.request.connection is not None:
            self.request.connection.set_max_body_size(MOST_BODY)  # type: ignore[attr-defined]
        self._door: Door | None = None
        self._refusal = refuse(404, "nothing there")
        if not any(door.is_at(self.request.host) for door in tuple(self._doors)):
            self._refusal = refuse(421, "this server has another name")
            return
        token = (self.path_args or [""])[0].encode()
        self._door = next(
            (door for door in tuple(self._doors) if hmac.compare_digest(token, door.token.encode())), None
        )
        if self._door is not None and self._door.origin is not None:
            self.set_header("Access-Control-Allow-Origin", self._door.origin)
            self.set_header("Access-Control-Expose-Headers", "Content-Range, ETag")
            self.set_header("Vary", "Origin")

    async def get(self, token: str, name: str, path: str) -> None:
        """Answer a request."""
        if self._door is None:
            await self._send(self._refusal)
            return
        given = {k: v for k in ("Range", "If-Range", "If-None-Match") if (v := self.request.headers.get(k)) is not None}
        answer = await self._door.answer(name, path, given, self._is_wanted)
        with self._door.passing(answer) as passed:
            await self._send(passed, self._door.patience_s)

    head = get

    async def options(self, *parts: str) -> None:
        """What a page of an allowed site may ask."""
        if self._door is None:
            await self._send(self._refusal)
            return
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", "Range, If-None-Match")
        is_asked = self.request.headers.get("Access-Control-Request-Private-Network") == "true"
        if is_asked and self._door.origin is not None:
            self.set_header("Access-Control-Allow-Private-Network", "true")
        self.set_status(204)

    async def _send(self, answer: Answer, patience_s: float = 30.0) -> None:
        """Send an answer, piece by piece; a client that takes none for long is hung up on."""
        self.set_status(answer.status)
        for key, value in answer.headers.items():
            self.set_header(key, value)
        if answer.status != 304:
            self.set_header("Content-Length", str(len(answer.body)))
        body = memoryview(b"" if self.request.method == "HEAD" else answer.body)
        try:
            for start in range(0, len(body), _PIECE_BYTES):
                self.write(bytes(body[start : start + _PIECE_BYTES]))
                await asyncio.wait_for(self.flush(), patience_s)
            await asyncio.wait_for(self.finish(), patience_s)
        except TimeoutError:
            self.request.connection.close()  # type: ignore[union-attr]
        except tornado.iostream.StreamClosedError:
            pass  # the client left

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A clean word instead of a trace."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(f"{status_code}\n")
