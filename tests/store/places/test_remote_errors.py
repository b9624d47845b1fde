"""What fails on the way: which of it passes, how soon it is told, and in what words."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from obstore.exceptions import GenericError

from zvview.errors import UnreachableError
from zvview.store.places.open import open_source
from zvview.store.places.remote_errors import is_passing, tell

HEAD = b"HTTP/1.1 %s\r\nContent-Length: 5\r\nConnection: close\r\nLast-Modified: Sun, 01 Jan 2023 00:00:00 GMT\r\n\r\n"
WHOLE = HEAD % b"200 OK" + b"whole"


@contextlib.contextmanager
def answering(*answers: bytes | None) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives these answers one after the other, the last for ever; None resets the connection."""
    asked: list[bytes] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    asked.append(connection.recv(65536))
                    answer = answers[min(len(asked), len(answers)) - 1]
                    if answer is None:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    else:
                        connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/store", asked
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    "failure",
    [None, b"", WHOLE[:-2], *(HEAD % status + b"sorry" for status in (b"429 Slow", b"500 No", b"502 No", b"503 Busy"))],
)
def test_what_passes_is_asked_again(failure: bytes | None) -> None:
    with answering(failure, WHOLE, failure, failure, WHOLE) as (address, asked):
        source = open_source(address)
        assert source.get_many([("zarr.json", None)]) == [b"whole"]
        assert source.get_many([("c/0", None)]) == [b"whole"]
        assert len(asked) == 5


@pytest.mark.parametrize("status", [b"400 Bad", b"410 Gone", b"501 What", b"505 What"])
def test_what_does_not_pass_is_told_at_once(status: bytes) -> None:
    with answering(HEAD % status + b"sorry") as (address, asked):
        with pytest.raises(UnreachableError, match=rf"does not answer.*{status[:3].decode()}"):
            open_source(address).get_many([("zarr.json", None)])
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [(None, "the connection was reset"), (b"", "the connection was closed"), (WHOLE[:-1], "cut short")],
)
def test_failures_are_told_in_words(answer: bytes | None, words: str) -> None:
    with answering(answer) as (address, _), pytest.raises(UnreachableError, match=words) as caught:
        open_source(address).get_many([("zarr.json", None)])
    assert address in str(caught.value)
    assert "Debug" not in str(caught.value)


def test_nobody_there_is_told_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    start = time.perf_counter()
    with pytest.raises(UnreachableError, match="the connection was refused"):
        open_source(f"http://127.0.0.1:{port}/store").get_many([(f"c/{i}", None) for i in range(50)])
    with pytest.raises(UnreachableError, match="no such host"):
        open_source("http://nowhere.invalid/store").get_many([("zarr.json", None)])
    assert time.perf_counter() - start < 3


def test_a_dead_host_is_asked_once() -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # a full backlog drops all that comes, as a dead host does
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        options = {"client_options": {"connect_timeout": "1100ms"}}
        source = open_source(f"http://127.0.0.1:{full.getsockname()[1]}/store", storage_options=options)
        start = time.perf_counter()
        with pytest.raises(UnreachableError, match="no answer in time"):
            source.get_many([("zarr.json", None)])
        assert time.perf_counter() - start < 2


@pytest.mark.parametrize("address", ["http://169.254.169.254/latest/api/token", "http://metadata.google.internal/x"])
def test_without_credentials_it_tells_what_to_set(address: str) -> None:
    error = GenericError(f"Generic error: Error performing PUT {address} in 6.7ms - Server returned status code: 403")
    told = str(tell("s3://bucket/a", error))
    assert told.startswith("s3://bucket/a: no credentials were found") and "AWS_ACCESS_KEY_ID" in told
    assert "169.254" not in told and "metadata" not in told
    assert not is_passing(GenericError(f"Error performing GET {address}: kind: Connect"))
