"""What clients may take of a web server: so many connections, none of them silent for long."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final

import tornado.httpserver
import tornado.iostream

__all__ = ["guard"]

_MOST_CONNECTIONS: Final = 200
"""Browsers open six to a host; some systems let a process have no more than 256 files and sockets."""

_MOST_LEAVING: Final = 32
"""Connections that were refused and not closed yet: the first of them goes when there are more."""

_LEAVE_S: Final = 2.0
_SILENCE_S: Final = 60.0
_PIECE: Final = 1 << 16
_BUSY: Final = (
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 30\r\n\r\ntoo many connections at once.\n"
)


def guard(
    server: tornado.httpserver.HTTPServer, *, most: int = _MOST_CONNECTIONS, silence_s: float = _SILENCE_S
) -> Callable[[], Awaitable[None]]:
    """Let a server hold a bounded number of connections, and none that says nothing.

    Without it each client that begins a request and goes to sleep keeps a socket for an hour, until there are none.

    Parameters
    ----------
    server : HTTPServer
    most : int
        Further connections are told to come again, and closed.
    silence_s : float
        Seconds that the head of a request, and its body, may take to come.

    Returns
    -------
    async function
        Hangs up on those that were refused and have not left yet: for the end of the server.
    """
    held: list[tornado.iostream.IOStream] = []
    leaving: dict[asyncio.Task[None], tornado.iostream.IOStream] = {}
    take = server.handle_stream

    def take_some(stream: tornado.iostream.IOStream, address: tuple[str, int]) -> None:
        if len(held) >= most:
            held[:] = [one for one in held if not one.closed()]
        if len(held) < most:
            held.append(stream)
            take(stream, address)
            return
        stream.write(_BUSY).add_done_callback(lambda sent: sent.exception())  # it may be gone already
        slow = [one for one in leaving.values() if not one.closed()]
        if len(slow) >= _MOST_LEAVING:
            slow[0].close()
        leave = asyncio.ensure_future(_see_off(stream))
        leaving[leave] = stream
        leave.add_done_callback(leaving.pop)

    async def hang_up() -> None:
        for stream in leaving.values():
            stream.close()
        await asyncio.gather(*leaving)

    server.handle_stream = take_some  # type: ignore[method-assign]
    server.conn_params.header_timeout = silence_s
    server.conn_params.body_timeout = silence_s
    return hang_up


async def _see_off(stream: tornado.iostream.IOStream) -> None:
    """Hang up on a client that has its answer once it has done so itself, or after some seconds.

    A socket that is closed before all that came was read resets the connection, and the answer may be lost: RFC 9112,
    section 9.6.
    """
    late = asyncio.get_running_loop().call_later(_LEAVE_S, stream.close)
    try:
        if not stream.closed():
            stream.socket.shutdown(socket.SHUT_WR)
        while not stream.closed():
            await stream.read_bytes(_PIECE, partial=True)
            await asyncio.sleep(0)  # one that sends without end gets its turn, and no more
    except OSError:
        return  # it has left
    finally:
        late.cancel()
        stream.close()
