"""A real server on the loopback, asked by real clients, kind and unkind."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import logging
import socket
import struct
import threading
import time
import types
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

import zvview
from zvview.errors import InvalidInputError, UnreachableError, UnsupportedError
from zvview.neuroglancer.serving.answers import Answer
from zvview.neuroglancer.serving.handling import Door
from zvview.neuroglancer.serving.limits import guard
from zvview.neuroglancer.serving.mounting import OwnServer, mount
from zvview.neuroglancer.serving.published import Published
from zvview.neuroglancer.sources.opening import open_sources

TOKEN = "not-to-be-guessed"


LARGE = 64 << 20  # more than sockets hold


class Large:
    """Answers with much."""

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        return Answer(200, bytes(LARGE))


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = 0

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        self.asked += 1
        assert self.go.wait(20)
        if path.startswith("gone"):
            raise UnreachableError("elsewhere", "the network is down")
        return Answer(200, path.encode())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    place = tmp_path / "points.zarrvectors"
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(50, 50, 50)) as store:
        store.write(zvview.Points(rng.uniform(0, 100, (1000, 3)).astype("f4")))
    return place


@pytest.fixture
def server(place: Path) -> Iterator[tuple[str, Door]]:
    door = Door(TOKEN, workers=2, most_waiting=30)
    door.published["store"] = Published(zvview.open(place), open_sources)
    own = OwnServer(door)
    yield f"{own.url}/zarr-vectors", door
    own.close()
    door.close()


def get(
    url: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> tuple[int, bytes, Mapping[str, str]]:
    request = urllib.request.Request(url, headers=dict(headers or {}), method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.read(), dict(reply.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


def test_sources_are_served_under_their_token(server: tuple[str, Door]) -> None:
    base, _ = server
    status, body, headers = get(f"{base}/{TOKEN}/store/points/info")
    assert status == 200
    assert b"neuroglancer_annotations_v1" in body
    assert "Server" not in headers
    assert not any(name.startswith("Access-Control") for name in headers)
    cell = f"{base}/{TOKEN}/store/points/spatial0/0_0_0"
    status, body, headers = get(cell)
    assert status == 200
    assert len(body) > 8
    assert get(cell, {"If-None-Match": headers["Etag"]})[0] == 304
    assert get(cell, {"Range": "bytes=0-7"})[1] == body[:8]
    assert get(cell, {"Range": "bytes=0-7", "If-Range": headers["Etag"]})[1] == body[:8]
    assert get(cell, {"Range": "bytes=0-7", "If-Range": '"another"'})[:2] == (200, body)
    assert get(cell, method="HEAD")[:2] == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "wrong/store/points/info",
        f"{TOKEN}x/store/points/info",
        f"{TOKEN}/other/points/info",
        f"{TOKEN}/store/../../../etc/passwd",
        f"{TOKEN}/store/%2e%2e/%2e%2e/etc/passwd",
        f"{TOKEN}/store/points/",
        f"{TOKEN}/store/",
        f"{TOKEN}/",
        "",
        f"{TOKEN}/store/points/spatial0/99999999999999999999_0_0",
        f"{TOKEN}/store/points/by_id/{2**70}",
        f"{TOKEN}/store/points/%00",
    ],
)
def test_hostile_paths_get_a_clean_no(server: tuple[str, Door], path: str) -> None:
    status, body, _ = get(f"{server[0]}/{path}")
    assert 400 <= status < 500
    assert b"Traceback" not in body
    assert b"root:" not in body


def test_one_connection_serves_for_all_that_a_client_asks(server: tuple[str, Door]) -> None:
    _, _, host, path = server[0].split("/", 3)
    base = f"/{path}/{TOKEN}/store/points"
    connection = http.client.HTTPConnection(host, timeout=20)
    first = None

    def ask(name: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> tuple[int, bytes, str]:
        nonlocal first
        connection.request(method, f"{base}/{name}", headers=dict(headers or {}))
        reply = connection.getresponse()
        first = first or connection.sock
        assert connection.sock is first  # kept open by both sides
        return reply.status, reply.read(), reply.headers.get("Etag", "")

    with contextlib.closing(connection):
        status, whole, tag = ask("spatial0/0_0_0")
        assert status == 200 and len(whole) > 100
        assert ask("spatial0/0_0_0", {"If-None-Match": tag})[:2] == (304, b"")
        assert ask("spatial0/0_0_0", method="HEAD")[:2] == (200, b"")
        assert ask("spatial0/0_0_0", {"Range": "bytes=8-11"})[:2] == (206, whole[8:12])
        assert ask("spatial0/0_0_0", {"Range": f"bytes={len(whole)}-"})[:2] == (416, b"")
        assert ask("spatial0/9_9_9")[0] == 404 and ask("spatial0/x")[0] == 400
        assert ask("info", method="OPTIONS")[0] == 204
        assert ask("spatial0/0_0_0") == (200, whole, tag)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(server: tuple[str, Door], method: str) -> None:
    assert get(f"{server[0]}/{TOKEN}/store/points/info", method=method)[0] == 405


def test_requests_beyond_what_may_wait_are_turned_away(server: tuple[str, Door]) -> None:
    base, door = server
    slow = Slow()
    door.published["slow"] = slow  # type: ignore[assignment]
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        asked = [pool.submit(get, f"{base}/{TOKEN}/slow/{n}") for n in range(100)]
        early = []
        for done in concurrent.futures.as_completed(asked, timeout=20):
            early.append(done.result()[0])
            if len(early) == 68:
                break
        assert set(early) == {429}
        slow.go.set()
        found = [f.result(30) for f in asked]
    codes = [status for status, *_ in found]
    assert codes.count(200) == 32
    assert codes.count(429) == 68
    assert get(f"{base}/{TOKEN}/slow/9")[:2] == (200, b"9")


def test_a_source_out_of_reach_is_told_and_not_cached(
    server: tuple[str, Door], caplog: pytest.LogCaptureFixture
) -> None:
    base, door = server
    slow = Slow()
    slow.go.set()
    door.published["slow"] = slow  # type: ignore[assignment]
    status, body, headers = get(f"{base}/{TOKEN}/slow/gone")
    assert (status, headers["Retry-After"]) == (503, "2")
    assert b"network is down" in body
    assert get(f"{base}/{TOKEN}/slow/gone%0Aforged")[0] == 503
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 2 and not any("\n" in message for message in told)


def test_an_edit_is_served_from_the_next_request_on(server: tuple[str, Door], place: Path) -> None:
    base, _ = server
    cell = f"{base}/{TOKEN}/store/points/spatial0/0_0_0"
    before, tag = get(cell)[1], get(cell)[2]["Etag"]
    with zvview.open(place).edit() as edit:
        edit.delete(edit.find(box=((0, 0, 0), (20, 20, 20))))
    status, after, headers = get(cell, {"If-None-Match": tag})
    assert status == 200
    assert len(after) < len(before)
    assert headers["Etag"] != tag


def test_one_other_site_is_let_in_if_asked(place: Path) -> None:
    door = Door(TOKEN, origin="https://example.org")
    door.published["store"] = Published(zvview.open(place), open_sources)
    own = OwnServer(door)
    try:
        url = f"{own.url}/zarr-vectors/{TOKEN}/store/points/info"
        assert get(url)[2]["Access-Control-Allow-Origin"] == "https://example.org"
        status, _, headers = get(url, method="OPTIONS")
        assert (status, headers["Access-Control-Allow-Headers"]) == (204, "Range, If-None-Match")
    finally:
        own.close()
        door.close()


def test_noise_on_the_socket_does_no_harm(server: tuple[str, Door]) -> None:
    base, _ = server
    host, port = base.split("/")[2].split(":")
    for noise in (b"\x00\xff" * 5000, b"GET " + b"a" * 200_000, b"GET / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            raw.settimeout(10)
            try:
                raw.sendall(noise)
                raw.shutdown(socket.SHUT_WR)
                assert b"200 OK" not in raw.recv(4096)
            except OSError:  # the server hung up, at whatever moment
                pass
    assert get(f"{base}/{TOKEN}/store/points/info")[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::2]:1", "[", "127.0.0.1@evil.example"]
)
def test_names_that_were_made_to_point_here_are_turned_away(server: tuple[str, Door], host: str) -> None:
    status, body, _ = get(f"{server[0]}/{TOKEN}/store/points/info", {"Host": host})
    assert 400 <= status < 500
    assert b"neuroglancer_annotations" not in body


def test_this_machine_may_be_called_localhost(server: tuple[str, Door]) -> None:
    port = server[0].split(":")[2].split("/")[0]
    assert get(f"{server[0]}/{TOKEN}/store/points/info", {"Host": f"localhost:{port}"})[0] == 200


def test_only_a_site_that_was_let_in_learns_that_it_may_ask_across_networks(place: Path) -> None:
    asked = {"Access-Control-Request-Private-Network": "true"}
    for origin in (None, "https://example.org"):
        door = Door(TOKEN, origin=origin)
        door.published["store"] = Published(zvview.open(place), open_sources)
        own = OwnServer(door)
        try:
            url = f"{own.url}/zarr-vectors/{TOKEN}/store/points/info"
            headers = get(url, asked, method="OPTIONS")[2]
            assert (headers.get("Access-Control-Allow-Private-Network") == "true") == (origin is not None)
        finally:
            own.close()
            door.close()


def begin(url: str, *, leave: bool = False) -> socket.socket:
    """Send a request, and read nothing; or leave as a browser does that needs it no more."""
    _, _, host, path = url.split("/", 3)
    name, port = host.split(":")
    one = socket.create_connection((name, int(port)), timeout=20)
    one.sendall(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    if leave:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()
    return one


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_a_client_that_left_had_asked_for_is_not_looked_up(
    server: tuple[str, Door], caplog: pytest.LogCaptureFixture
) -> None:
    base, door = server
    slow = Slow()
    door.published["slow"] = slow  # type: ignore[assignment]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        stay = [pool.submit(get, f"{base}/{TOKEN}/slow/{n}") for n in range(2)]  # all workers have work
        wait_until(lambda: slow.asked == 2)
        for n in range(10):
            begin(f"{base}/{TOKEN}/slow/left{n}", leave=True)
        time.sleep(0.3)
        slow.go.set()
        assert [f.result(20)[0] for f in stay] == [200, 200]
    assert get(f"{base}/{TOKEN}/slow/then")[0] == 200
    assert slow.asked == 3
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


def test_a_client_that_leaves_while_it_is_answered_is_no_error(
    server: tuple[str, Door], caplog: pytest.LogCaptureFixture
) -> None:
    base, door = server
    door.published["large"] = Large()  # type: ignore[assignment]
    for _ in range(3):
        one = begin(f"{base}/{TOKEN}/large/x")
        assert one.recv(1000).startswith(b"HTTP/1.1 200")
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()
    status, body, headers = get(f"{base}/{TOKEN}/large/x")
    assert (status, len(body), headers["Content-Length"]) == (200, LARGE, str(LARGE))
    assert get(f"{base}/{TOKEN}/large/x", method="HEAD")[2]["Content-Length"] == str(LARGE)
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


@pytest.fixture
def impatient() -> Iterator[str]:
    door = Door(TOKEN, patience_s=1.0, most_bytes=LARGE)
    door.published["large"] = Large()  # type: ignore[assignment]
    own = OwnServer(door)
    yield f"{own.url}/zarr-vectors/{TOKEN}/large/x"
    own.close()
    door.close()


def test_one_that_takes_nothing_is_hung_up_on(impatient: str) -> None:
    with contextlib.closing(begin(impatient)) as one:
        time.sleep(2)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while data := one.recv(1 << 20):
                received += len(data)
        assert received < LARGE


def test_bytes_on_their_way_are_bounded(impatient: str) -> None:
    with contextlib.closing(begin(impatient)) as one:
        assert one.recv(1000).startswith(b"HTTP/1.1 200")
        status, _, headers = get(impatient)
        assert (status, headers["Retry-After"]) == (429, "1")
    time.sleep(0.2)
    assert get(impatient)[0] == 200


def test_one_that_says_nothing_is_hung_up_on() -> None:
    door = Door(TOKEN)
    own = OwnServer(door)
    guard(own._server, silence_s=0.3)
    try:
        for said in (b"", b"GET /zarr", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1"):
            with socket.create_connection(("127.0.0.1", own.port), timeout=10) as one:
                one.sendall(said)
                assert one.recv(1000) == b""
    finally:
        own.close()
        door.close()


def test_the_tag_of_an_answer_is_known_before_it_is_read(server: tuple[str, Door]) -> None:
    base, door = server
    told = door.published["store"].answer("points/spatial0/0_0_0", {}).headers["ETag"]
    assert get(f"{base}/{TOKEN}/store/points/spatial0/0_0_0")[2]["Etag"] == told


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.2", "127.0.0.1.evil.example", "[::]"])
def test_no_door_opens_in_a_server_that_other_machines_reach(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    running = types.SimpleNamespace(server_url=f"http://{address}:8080", port=8080)
    monkeypatch.setattr("zvview.neuroglancer.serving.mounting._start_client", lambda *asked: running)
    with pytest.raises(UnsupportedError, match="other machines"):
        mount()


def test_an_address_that_was_asked_for_is_one_of_the_names(place: Path) -> None:
    door = Door(TOKEN, address="Data.example")
    door.published["store"] = Published(zvview.open(place), open_sources)
    own = OwnServer(door)
    try:
        url = f"{own.url}/zarr-vectors/{TOKEN}/store/points/info"
        names = {"data.example:80": 200, "localhost": 200, "other.example": 421, "data.example.evil.example": 421}
        assert {name: get(url, {"Host": name})[0] for name in names} == names
    finally:
        own.close()
        door.close()


@pytest.mark.parametrize("address", ["", "0.0.0.0", "::", "[::]:80"])
def test_an_address_must_lead_somewhere(address: str) -> None:
    with pytest.raises(InvalidInputError, match="IPv4 address by which others reach"):
        mount(address=address)


def test_a_client_that_is_served_already_stays_where_it_is(place: Path) -> None:
    mount().close()
    with pytest.raises(InvalidInputError, match=r"served at http://127\.0\.0\.1:\d+ already, so that localhost"):
        mount(address="localhost")


def test_the_server_of_the_client_is_guarded_too(place: Path) -> None:
    mounted = mount()
    mounted.door.published["store"] = Published(zvview.open(place), open_sources)
    try:
        info = mounted.url_of("store", "points/info")
        assert get(info)[0] == 200
        assert get(info, {"Content-Length": str(1 << 29)}, method="POST")[0] in (400, 405)
        with contextlib.ExitStack() as held:
            answers = []
            for _ in range(230):
                one = held.enter_context(contextlib.closing(begin(info)))
                answers.append(one.recv(100)[9:12])
        assert set(answers) == {b"200", b"429"}
        wait_until(lambda: get(info)[0] == 200)
    finally:
        mounted.close()
