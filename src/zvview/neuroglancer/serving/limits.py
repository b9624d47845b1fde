"""What clients may take of a web server: so many connections, none of them silent for long."""

from __future__ import annotations

from typing import Final

import tornado.httpserver
import tornado.iostream

__all__ = ["guard"]

_MOST_CONNECTIONS: Final = 200
"""Browsers open six to a host; some systems let a process have no more than 256 files and sockets."""

_SILENCE_S: Final = 60.0
_BUSY: Final = (
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 30\r\n\r\ntoo many connections at once.\n"
)


def guard(
    server: tornado.httpserver.HTTPServer, *, most: int = _MOST_CONNECTIONS, silence_s: float = _SILENCE_S
) -> None:
    """Let a server hold a bounded number of connections, and none that says nothing.

    Without it each client that begins a request and goes to sleep keeps a socket for an hour, until there are none.

    Parameters
    ----------
    server : HTTPServer
    most : int
        Further connections are told to come again, and closed.
    silence_s : float
        Seconds that the head of a request, and its body, may take to come.
    """
    held: list[tornado.iostream.IOStream] = []
    take = server.handle_stream

    def take_some(stream: tornado.iostream.IOStream, address: tuple[str, int]) -> None:
        if len(held) >= most:
            held[:] = [one for one in held if not one.closed()]
        if len(held) < most:
            held.append(stream)
            take(stream, address)
            return
        stream.write(_BUSY).add_done_callback(lambda sent: sent.exception())  # it may be gone already
        stream.close()

    server.handle_stream = take_some  # type: ignore[method-assign]
    server.conn_params.header_timeout = silence_s
    server.conn_params.body_timeout = silence_s
