"""Where the door of zvview opens: in the server that Neuroglancer's client comes from, or in one of its own.

In the client's server one port serves both, so that the page may read the sources without asking across sites. How
that server is extended is not documented: where it is another one than those that are known, the door opens elsewhere
on this machine, and the page of the client alone is allowed in.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import secrets
import threading
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary

import tornado.httpserver
import tornado.netutil
import tornado.web

from zvview.errors import InvalidInputError, UnsupportedError
from zvview.neuroglancer.serving.handling import MOST_BODY, Door, SourceHandler
from zvview.neuroglancer.serving.limits import guard

__all__ = ["LOOPBACK", "Mounted", "OwnServer", "mount"]

LOOPBACK: Final = "127.0.0.1"
_PATH: Final = "zarr-vectors"
_WAIT_S: Final = 10.0
_ANYWHERE: Final = ("", "0.0.0.0")
_DOORS: MutableMapping[Any, list[Door]] = WeakKeyDictionary()
"""Those of each of the client's servers that was extended: there is one as long as nobody ends it."""


class Mounted:
    """An open door.

    Attributes
    ----------
    url : str
        Token included, without a slash at its end.
    door : Door
    """

    def __init__(self, url: str, door: Door, on_close: Callable[[], object]) -> None:
        self.url, self.door, self._on_close = url, door, on_close

    def url_of(self, name: str, source: str) -> str:
        """Of a source of a store that is published under a name."""
        return f"{self.url}/{name}/{source}"

    def close(self) -> None:
        """Shut it: further requests get nothing."""
        self.door.close()
        self._on_close()


class OwnServer:
    """A web server on this machine that serves a door and nothing else.

    Parameters
    ----------
    door : Door
    address : str
        Others than 127.0.0.1 are reached by other machines.
    port : int
        0 for any that is free.
    """

    def __init__(self, door: Door, address: str = LOOPBACK, port: int = 0) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="zvview-server", daemon=True)
        self._thread.start()
        done = asyncio.run_coroutine_threadsafe(self._begin(door, address, port), self._loop)
        try:
            self.port = done.result(_WAIT_S)
        except BaseException:
            self._end()
            raise
        self.url = f"http://{address}:{self.port}"

    async def _begin(self, door: Door, address: str, port: int) -> int:
        app = tornado.web.Application([_rule([door])], log_function=lambda handler: None)
        self._server = tornado.httpserver.HTTPServer(app, max_body_size=MOST_BODY, max_buffer_size=4 * MOST_BODY)
        self._hang_up = guard(self._server)
        sockets = tornado.netutil.bind_sockets(port, address)
        self._server.add_sockets(sockets)
        return int(sockets[0].getsockname()[1])

    async def _finish(self) -> None:
        self._server.stop()
        await self._hang_up()
        await self._server.close_all_connections()

    def close(self) -> None:
        """Stop; returns when the thread has ended."""
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result(_WAIT_S)
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_WAIT_S)
        self._loop.close()


def mount(origin: str | None = None, *, port: int = 0, address: str = LOOPBACK) -> Mounted:
    """Open a door beside Neuroglancer's client, whose server is started if it is not running.

    Parameters
    ----------
    origin : str, optional
        Another site whose pages may read.
    port : int
        Of the server that is started; 0 for any that is free.
    address : str
        By which other machines reach this one, if they shall; by default none does.

    Raises
    ------
    InvalidInputError
        The address is none of this machine, the port is taken, or the client's server runs already on other ones.
    UnsupportedError
        The client's server is open to other machines, and nobody asked for that.
    """
    if address in _ANYWHERE or ":" in address:
        raise InvalidInputError(
            f"address = {address!r}, expected the name or the IPv4 address by which others reach this machine"
        )
    running = _start_client(address, port)
    url = str(running.server_url)
    if not url.startswith(f"http://{address}:"):
        if address != LOOPBACK:
            raise InvalidInputError(
                f"Neuroglancer's client is served at {url} already, so that {address} cannot be had; "
                "neuroglancer.stop() ends it"
            )
        raise UnsupportedError(
            f"the server of Neuroglancer's client is at {url}, which other machines reach: end it with "
            f"neuroglancer.stop(), and leave its address at {LOOPBACK}"
        )
    if port and running.port != port:
        raise InvalidInputError(f"Neuroglancer's client is served at {url} already, so that port {port} cannot be had")
    door = Door(secrets.token_urlsafe(24), origin=origin, address=address)
    doors = _doors_of(running)
    if doors is not None:
        doors.append(door)
        return Mounted(f"{url}/{_PATH}/{door.token}", door, on_close=partial(doors.remove, door))
    door.origin = origin or url
    own = OwnServer(door, address)
    return Mounted(f"{own.url}/{_PATH}/{door.token}", door, on_close=own.close)


def _start_client(address: str, port: int) -> Any:
    from neuroglancer import server

    is_set = server.global_server is None and (port or address != LOOPBACK)
    if is_set:
        server.set_server_bind_address(address, port)
    try:
        server.start()
    except OSError as error:
        why = error.strerror or str(error)
        if address == LOOPBACK:
            told = f"port {port} cannot be had: {why}; give another one, or 0 for any that is free"
        else:
            told = (
                f"nothing can be served at {address}{f', port {port}' if port else ''}: {why}; expected the name or "
                "the IPv4 address of this machine by which others reach it, and a port that is free"
            )
        raise InvalidInputError(told) from error
    finally:
        if is_set:
            server.set_server_bind_address(LOOPBACK, 0)
    return server.global_server


def _doors_of(running: Any) -> list[Door] | None:
    """The doors of a running server, which is extended at the first call; None if that could not be done."""
    found = _DOORS.get(running)
    if found is not None:
        return found
    add, loop = getattr(getattr(running, "app", None), "add_handlers", None), getattr(running, "loop", None)
    if add is None or loop is None:
        return None
    doors: list[Door] = []
    done: concurrent.futures.Future[None] = concurrent.futures.Future()

    def put() -> None:
        try:
            add(r".*", [_rule(doors)])
            if isinstance(found := getattr(running, "http_server", None), tornado.httpserver.HTTPServer):
                guard(found)
            done.set_result(None)
        except Exception as error:
            done.set_exception(error)

    loop.call_soon_threadsafe(put)
    done.result(_WAIT_S)
    _DOORS[running] = doors
    return doors


def _rule(doors: list[Door]) -> tuple[str, type[SourceHandler], dict[str, list[Door]]]:
    return rf"^/{_PATH}/([^/]+)/([^/]+)/(.*)$", SourceHandler, {"doors": doors}
