"""Requests of the live server: the token, the host and the number at a time looked at, the rest answered in threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import hmac
import logging
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import tornado.web

from zvview.errors import ZvviewError
from zvview.neuroglancer.serving.answers import Answer, refuse
from zvview.neuroglancer.serving.published import Published

__all__ = ["Door", "SourceHandler"]

_HOSTS: Final = ("127.0.0.1", "localhost", "::1")
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
    origin : str, optional
        Another site whose pages may read, such as ``"https://neuroglancer-demo.appspot.com"``; none by default.
    """

    def __init__(self, token: str, *, workers: int = 4, most_waiting: int = 512, origin: str | None = None) -> None:
        self.token, self.origin = token, origin
        self.published: dict[str, Published] = {}
        self._most = workers + most_waiting
        self._inside = 0
        self._pool = concurrent.futures.ThreadPoolExecutor(workers, "zvview-serve")

    async def answer(self, name: str, path: str, headers: dict[str, str]) -> Answer:
        """The answer to a request that names the token; runs on the thread of the server."""
        published = self.published.get(name)
        if published is None:
            return refuse(404, "nothing there")
        if self._inside >= self._most:
            return Answer(429, b"too many requests at once\n", {"Retry-After": "1"})
        self._inside += 1
        try:
            return await asyncio.wrap_future(self._pool.submit(published.answer, path, headers))
        except ZvviewError as error:
            _log.warning("%s/%s: %s", name, path, error)
            return Answer(503, f"{error}\n".encode(), {"Retry-After": "2", "Content-Type": "text/plain; charset=utf-8"})
        finally:
            self._inside -= 1

    def close(self) -> None:
        """Let go of all stores; requests in work are finished."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.published.clear()


class SourceHandler(tornado.web.RequestHandler):
    """GET of one content of a source, and what browsers ask before."""

    def initialize(self, doors: Iterable[Door]) -> None:
        """Told by the server's list of handlers."""
        self._doors = doors

    def prepare(self) -> None:
        """Only the page of the same server may read, and another site that was allowed.

        A host of another name is one that a page elsewhere had point here, to read as if it came from here.
        """
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        if not _is_ours(self.request.host):
            self.set_status(421)
            self.finish("this server has another name\n")
            return
        token = (self.path_args or [""])[0].encode()
        self._door = next(
            (door for door in tuple(self._doors) if hmac.compare_digest(token, door.token.encode())), None
        )
        if self._door is None:
            self.set_status(404)
            self.finish("nothing there\n")
        elif self._door.origin is not None:
            self.set_header("Access-Control-Allow-Origin", self._door.origin)
            self.set_header("Access-Control-Expose-Headers", "Content-Range, ETag")
            self.set_header("Vary", "Origin")

    async def get(self, token: str, name: str, path: str) -> None:
        """Answer a request."""
        assert self._door is not None
        given = {k: v for k in ("Range", "If-None-Match") if (v := self.request.headers.get(k)) is not None}
        answer = await self._door.answer(name, path, given)
        self.set_status(answer.status)
        for key, value in answer.headers.items():
            self.set_header(key, value)
        await self.finish(answer.body or None)

    head = get

    def options(self, *parts: str) -> None:
        """What a page of an allowed site may ask."""
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", "Range, If-None-Match")
        is_asked = self.request.headers.get("Access-Control-Request-Private-Network") == "true"
        if is_asked and self._door is not None and self._door.origin is not None:
            self.set_header("Access-Control-Allow-Private-Network", "true")
        self.set_status(204)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A clean word instead of a trace."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(f"{status_code}\n")


def _is_ours(host: str) -> bool:
    """Whether what a request calls this server is one of the names of this machine."""
    try:
        return urlsplit(f"//{host}").hostname in _HOSTS
    except ValueError:
        return False
