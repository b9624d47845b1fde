"""A server in a process of its own, which ten thousand hostile requests at once do no harm: not a trace in its log."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import zvview

TOKEN = "not-to-be-guessed"
CONNECTIONS, EACH = 150, 67  # of which all is asked before anything is answered
MOST_GROWTH = 64 << 20  # bytes of memory
SERVER = """
import logging, sys, zvview
from zvview.neuroglancer.serving.handling import Door
from zvview.neuroglancer.serving.mounting import OwnServer
from zvview.neuroglancer.serving.published import Published
from zvview.neuroglancer.sources.opening import open_sources
logging.basicConfig(level=logging.INFO)
door = Door(sys.argv[2])
door.published["store"] = Published(zvview.open(sys.argv[1]), open_sources)
server = OwnServer(door)
print(server.port, flush=True)
sys.stdin.read()
server.close()
door.close()
"""


@dataclass(frozen=True)
class Server:
    """A process that serves, and where."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    @property
    def highest(self) -> int:
        """Bytes of memory that it has had at its highest."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) << 10


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    place = tmp_path / "points.zarrvectors"
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(50, 50, 50)) as store:
        store.write(zvview.Points(np.random.default_rng(0).uniform(0, 100, (1000, 3)).astype("f4")))
    log = tmp_path / "log"
    with (
        log.open("w") as told,
        subprocess.Popen(
            [sys.executable, "-c", SERVER, str(place), TOKEN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        yield Server(process, int(process.stdout.readline()), log)
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in log.read_text()
    assert "ERROR" not in log.read_text()


def request(path: str, *headers: str, method: str = "GET", host: str = "127.0.0.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode("latin-1")


INFO = request(f"/zarr-vectors/{TOKEN}/store/points/info")


def hostile(base: str) -> list[bytes]:
    """Requests that are to get a status of 4xx."""
    cell = f"{base}/points/spatial0/0_0_0"
    return [
        request(f"{base}/points/spatial0/99999999999999999999_0_0"),
        request(f"{base}/points/spatial0/9999999999_9999999999_9999999999"),
        request(f"{base}/points/spatial0/{'9_' * 240}9"),
        request(f"{base}/points/spatial0/0_0"),
        request(f"{base}/points/spatial0/-1_0_0"),
        request(f"{base}/points/by_id/{2**64}"),
        request(f"{base}/points/by_id/{2**64 - 1}"),
        request(f"{base}/points/by_id/{'9' * 400}"),
        request(f"{base}/points/{'a/' * 5000}"),
        request(f"{base}/%2e%2e/%2e%2e/%2e%2e/etc/passwd"),
        request(f"{base}/points%2F..%2F..%2Fetc%2Fpasswd"),
        request(f"{base}/points/spatial0%2F0_0_0%00"),
        request(f"{base}/../../../../etc/passwd"),
        request("/v/../../../../../etc/passwd"),
        request(cell.replace(TOKEN, TOKEN[:-1])),
        request(cell.replace(TOKEN, "%00" * 50)),
        request(cell.replace(TOKEN, "%C3%A9")),
        request(cell, host="evil.example"),
        request(cell, "Range: bytes=9999999999999999999-"),
        request(cell, "Range: bytes=-"),
        request(cell, "Range: bytes=-0"),
        request(cell, "Range: bytes=9-3"),
        request(cell, "Content-Length: 0", method="POST"),
        request(cell, "Content-Length: 5", method="DELETE") + b"hello",
        request(f"{base}/points/info", "Transfer-Encoding: chunked", method="PUT") + b"3\r\nabc\r\n0\r\n\r\n",
        request(cell.replace("0_0_0", "7_7_7"), *(f"X-{n}: {'a' * 1000}" for n in range(50))),
    ]


def malformed(base: str) -> list[bytes]:
    """Requests that are to get a status of 4xx, after which the server hangs up."""
    return [
        request(f"{base}/points/%ff%fe%00"),
        request(f"{base}/points/info", method="G\x00T"),
        request(f"{base}/points/info", "Content-Length: -5"),
        request(f"{base}/points/info", "Content-Length: 9999999999999999999999"),
        request(f"{base}/points/info", "Transfer-Encoding: chunked", method="POST") + b"ffffffffffffffffff\r\n",
        request(f"{base}/points/info", "\x01: bad"),
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # as browsers begin with https
    ]


def is_served(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
        one.sendall(request(f"/zarr-vectors/{TOKEN}/store/points/info", "Connection: close"))
        answer = b""
        while data := one.recv(1 << 16):
            answer += data
    return answer.startswith(b"HTTP/1.1 200 ") and b"neuroglancer_annotations_v1" in answer


async def ask(port: int, requests: list[bytes], gate: asyncio.Event | None = None) -> list[int]:
    """Statuses of the answers to requests that are sent at once; of those that are answered before it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"".join(requests))
        if gate is not None:
            await gate.wait()
        found = []
        for asked in requests:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
            found.append(int(head.split(b" ", 2)[1]))
            size = re.search(rb"content-length: (\d+)", head.lower())
            if size and not asked.startswith(b"HEAD"):
                await reader.readexactly(int(size[1]))
        return found
    except (OSError, asyncio.IncompleteReadError):
        return found
    finally:
        writer.close()


def test_ten_thousand_at_once_get_a_clean_no(server: Server) -> None:
    assert is_served(server.port)
    before = server.highest
    kinds = hostile(f"/zarr-vectors/{TOKEN}/store")

    async def attack() -> list[list[int]]:
        gate = asyncio.Event()
        turns = ([kinds[(first + n) % len(kinds)] for n in range(EACH)] for first in range(CONNECTIONS))
        asked = [asyncio.ensure_future(ask(server.port, turn, gate)) for turn in turns]
        await asyncio.sleep(0.1)
        gate.set()
        return await asyncio.gather(*asked)

    found = asyncio.run(attack())
    assert sum(map(len, found)) == CONNECTIONS * EACH > 10_000
    assert {status for one in found for status in one} <= set(range(400, 500)) - {429}
    assert is_served(server.port)
    assert server.highest - before < MOST_GROWTH


def test_what_is_no_request_gets_a_clean_no(server: Server) -> None:
    for one in malformed(f"/zarr-vectors/{TOKEN}/store"):
        (status,) = asyncio.run(ask(server.port, [one]))
        assert 400 <= status < 500, one
    assert is_served(server.port)


def test_more_connections_than_are_held_are_told_to_come_again(server: Server) -> None:
    async def attack() -> list[list[int]]:
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(150)]
        for _, writer in silent:
            writer.write(INFO[:40])  # and nothing more
        found = await asyncio.gather(*(ask(server.port, [INFO]) for _ in range(300)))
        for _, writer in silent:
            writer.close()
        return found

    found = asyncio.run(attack())
    statuses = [status for one in found for status in one]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 50
    assert is_served(server.port)


def test_giant_heads_and_bodies_are_not_kept(server: Server) -> None:
    before = server.highest
    url = f"/zarr-vectors/{TOKEN}/store/points/info"
    endless = request(url)[:-2] + b"X: " + b"a" * (8 << 20)
    large = request(url, f"Content-Length: {1 << 33}", method="POST")
    chunks = request(url, "Transfer-Encoding: chunked", method="POST") + b"fffff\r\n" + b"a" * (8 << 20)

    async def attack() -> list[list[int]]:
        return await asyncio.gather(*(ask(server.port, [one]) for one in (endless, large, chunks) * 30))

    found = asyncio.run(attack())
    assert {status for one in found for status in one} <= set(range(400, 500))
    assert is_served(server.port)
    assert server.highest - before < MOST_GROWTH


def test_clients_that_leave_are_no_error(server: Server) -> None:
    cell = request(f"/zarr-vectors/{TOKEN}/store/points/spatial0/0_0_0")
    for turn in range(300):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.sendall(cell if turn % 3 else cell[: turn // 3])
            if turn % 2:
                time.sleep(0.001)
    for _ in range(40):  # until the server has seen that they left it may tell one more to come again
        if is_served(server.port):
            return
        time.sleep(0.25)
    pytest.fail("not served 10 seconds after they left")


def stay(held: contextlib.ExitStack, port: int, count: int, status: int) -> list[socket.socket]:
    """Connections that ask once, get an answer of a status, and are kept."""
    kept = []
    for _ in range(count):
        kept.append(held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)))
        kept[-1].sendall(INFO)
        assert kept[-1].recv(100).startswith(f"HTTP/1.1 {status} ".encode())
    return kept


def test_whom_it_cannot_hold_it_tells_so(server: Server) -> None:
    with contextlib.ExitStack() as held:
        stay(held, server.port, 200, 200)
        for turn in range(100):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as refused:
                refused.sendall(INFO if turn % 2 else INFO[:20])
                time.sleep(0.002)  # it has come by the time that the server hangs up
                answer = b""
                while data := refused.recv(1 << 16):
                    answer += data
                if turn % 5 == 0:
                    refused.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            assert answer.startswith(b"HTTP/1.1 429 ")
            assert answer.endswith(b"too many connections at once.\n")


def test_those_who_do_not_leave_are_put_out(server: Server) -> None:
    with contextlib.ExitStack() as held:
        stay(held, server.port, 200, 200)
        *_, last = stay(held, server.port, 100, 429)
        files = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
        assert 200 <= files < 260
        begin = time.monotonic()
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while time.monotonic() - begin < 60:
                last.sendall(bytes(1 << 16))  # one of them goes on talking
        assert time.monotonic() - begin < 60
    assert server.highest < 1 << 30
