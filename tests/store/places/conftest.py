"""One content at every kind of place, and loopback servers: plain, slow and refusing ones, and a small bucket."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from html import escape, unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from zarr.storage import MemoryStore
from zarr.storage._wrapper import WrapperStore

from zvview.store.places.open import open_sink, open_source
from zvview.store.places.source import Sink, Source

STORE = b'{"zarr_format": 3, "node_type": "group", "attributes": {"zarr_vectors": {}}}'
CONTENT = {
    "zarr.json": STORE,
    "0/zarr.json": b"{}",
    "0/vertices/zarr.json": b'{"shape": [2]}',
    "0/vertices/c/0/0/0": bytes(range(256)) * 40,
    "0/vertices/c/0/0/1": b"",
    "0/vertex_attributes/g\u00e8ne 1%/c/0": b"0123456789",
}
PLACES = [
    "folder",
    "zip",
    "zip deflated",
    "zip in folder",
    "memory",
    "zarr memory",
    "zarr store",
    "http",
    "http plain",
    "s3",
]


_DATED = {"Last-Modified": "Sun, 01 Jan 2023 00:00:00 GMT", "ETag": '"1"'}


@dataclass
class Serving:
    """What a server holds and how it behaves; may be changed while it runs."""

    objects: dict[str, bytes]
    ranges: bool = True
    index: bool = False
    delay: float = 0.0
    refuse: Mapping[str, int] = field(default_factory=dict)
    missing: int = 404
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    conditions: bool = False
    asked: list[str] = field(default_factory=list)
    address: str = ""


def _etag(content: bytes | None) -> str:
    return "" if content is None else f'"{hashlib.md5(content).hexdigest()}"'


@contextlib.contextmanager
def serve(serving: Serving) -> Iterator[Serving]:
    """Serve on a free port of the loopback until the block ends; `serving.address` says where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(serving.delay)
            address = urlsplit(self.path)
            key = unquote(address.path).removeprefix("/data").removeprefix("/")
            serving.asked.append(key)
            if serving.token not in (None, self.headers.get("Authorization")):
                return self._answer(401)
            if key in serving.refuse:
                return self._answer(serving.refuse[key])
            if "list-type" in address.query:
                query = {name: values[0] for name, values in parse_qs(address.query).items()}
                page = _listing(serving.objects, query.get("prefix", ""), query.get("delimiter"))
                return self._answer(200, page, {"Content-Type": "application/xml"})
            if serving.index and (key == "" or key.endswith("/")):
                return self._answer(200, _page(serving.objects, key), {"Content-Type": "text/html"})
            if key not in serving.objects:
                return self._answer(serving.missing)
            return self._deliver(serving.objects[key])

        do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

        def do_PUT(self) -> None:
            key = unquote(self.path).removeprefix("/data/")
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if key in serving.refuse:
                return self._answer(serving.refuse[key])
            there = serving.objects.get(key)
            if serving.conditions and "If-None-Match" in self.headers and there is not None:
                return self._answer(412)
            if serving.conditions and self.headers.get("If-Match", _etag(there)) != _etag(there):
                return self._answer(412)
            serving.objects[key] = content
            return self._answer(200, headers={"ETag": _etag(content) if serving.conditions else '"1"'})

        def do_POST(self) -> None:  # a bucket's DeleteObjects
            named = re.findall("<Key>(.*?)</Key>", self.rfile.read(int(self.headers["Content-Length"])).decode())
            for key in map(unescape, named):
                serving.objects.pop(key, None)
            done = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in named)
            return self._answer(200, f"<DeleteResult>{done}</DeleteResult>".encode())

        def do_DELETE(self) -> None:
            serving.objects.pop(unquote(self.path).removeprefix("/data/"), None)
            return self._answer(204)

        def _deliver(self, body: bytes) -> None:
            wanted = self.headers.get("Range")
            if wanted is None or not serving.ranges:
                dated = {"ETag": _etag(body), "Last-Modified": formatdate(usegmt=True)} if serving.conditions else {}
                return self._answer(200, body, dated)
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start = max(0, len(body) - int(last)) if not first else int(first)
            stop = len(body) if not first or not last else min(len(body), int(last) + 1)
            if start >= len(body):
                return self._answer(416, headers={"Content-Range": f"bytes */{len(body)}"})
            return self._answer(206, body[start:stop], {"Content-Range": f"bytes {start}-{stop - 1}/{len(body)}"})

        def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                for name, value in {
                    "Content-Length": str(len(body)),
                    **_DATED,
                    **serving.headers,
                    **(headers or {}),
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """A client that cancels breaks its connections; that is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    serving.address = f"http://127.0.0.1:{server.server_port}/data"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield serving
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _page(objects: Mapping[str, bytes], folder: str) -> bytes:
    """An index page in the manner of nginx."""
    rests = [key.removeprefix(folder) for key in objects if key.startswith(folder)]
    names = sorted({rest if "/" not in rest else rest.split("/")[0] + "/" for rest in rests})
    links = "".join(f'<a href="{quote(name)}">{escape(name)}</a>\n' for name in ["../", *names])
    return f"<html><body><h1>Index of /{escape(folder)}</h1>{links}<a href='?C=M'>x</a></body></html>".encode()


def _listing(objects: Mapping[str, bytes], prefix: str, delimiter: str | None) -> bytes:
    """A bucket's answer to ListObjectsV2, in one page."""
    keys, folders = [], set()
    for key in sorted(key for key in objects if key.startswith(prefix)):
        rest = key[len(prefix) :]
        if delimiter and delimiter in rest:
            folders.add(prefix + rest.split(delimiter)[0] + delimiter)
        else:
            keys.append(key)
    entries = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2023-01-01T00:00:00Z</LastModified>"
        f"<ETag>1</ETag><Size>{len(objects[key])}</Size></Contents>"
        for key in keys
    )
    entries += "".join(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in sorted(folders))
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()


@pytest.fixture
def serve_content() -> Iterator[Callable[..., Serving]]:
    """Starts a server of the content, with :class:`Serving`'s settings; all end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(serve(Serving(dict(CONTENT), **settings)))


@pytest.fixture
def bucket() -> Iterator[Serving]:
    """An empty bucket named ``data``."""
    with serve(Serving({})) as serving:
        yield serving


@pytest.fixture
def content() -> dict[str, bytes]:
    """What every place holds."""
    return dict(CONTENT)


def fill(sink: Sink) -> None:
    """Write the content in pieces, the root first, as nobody should."""
    sink.put_many((key, [value[:3], value[3:]]) for key, value in CONTENT.items())
    sink.commit()


@pytest.fixture(params=PLACES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Source]:
    """A source of CONTENT, once for each kind of place."""
    kind = request.param
    if kind.startswith("http"):
        with serve(Serving(dict(CONTENT), ranges=kind == "http", index=kind == "http")) as serving:
            opened = open_source(serving.address + "/")
            yield opened
            opened.close()
        return
    if kind == "s3":
        with serve(Serving({})) as serving:
            options = {"endpoint": serving.address.removesuffix("/data")}
            fill(open_sink("s3://data/a/store.zv", storage_options=options))
            yield open_source("s3://data/a/store.zv/zarr.json", storage_options=options)
        return
    places = {
        "folder": tmp_path / "store.zv",
        "zip": tmp_path / "store.zip",
        "memory": {},
        "zarr memory": MemoryStore(),
        "zarr store": WrapperStore(MemoryStore()),
    }
    if kind in ("zip deflated", "zip in folder"):
        place = tmp_path / "made.zip"
        top = "store.zv/" if kind == "zip in folder" else ""
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            for key, value in CONTENT.items():
                archive.writestr(top + key, value)
    else:
        place = places[kind]
        fill(open_sink(place))
    opened = open_source(place)
    yield opened
    opened.close()
