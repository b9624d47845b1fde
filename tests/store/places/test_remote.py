"""Remote places: cancellation, refusals, silence, and what web servers show of themselves."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable

import pytest

from zvview.cancel import CancelToken
from zvview.errors import Cancelled, InvalidInputError, UnreachableError, UnsupportedError
from zvview.store.places.http_index import child_links
from zvview.store.places.open import open_sink, open_source
from zvview.store.places.remote_config import bucket_region

KEYS = [(f"0/missing/{i}", None) for i in range(300)]


def test_cancelling_a_slow_wave_returns_at_once(serve_content: Callable) -> None:
    serving = serve_content(delay=0.4)
    source, token = open_source(serving.address), CancelToken()
    timer = threading.Timer(0.15, token.cancel)
    timer.start()
    start = time.perf_counter()
    with pytest.raises(Cancelled):
        source.get_many(KEYS, token)
    assert time.perf_counter() - start < 0.5
    timer.join()
    asked = len(serving.asked)
    time.sleep(0.6)
    assert len(serving.asked) <= asked + 64 < len(KEYS)  # what was in flight, and nothing after it


def test_cancelling_an_awaited_wave(serve_content: Callable) -> None:
    source, token = open_source(serve_content(delay=0.4).address), CancelToken()

    async def by_token() -> None:
        asyncio.get_running_loop().call_later(0.1, token.cancel)
        await source.aget_many(KEYS, token)

    async def by_task() -> None:
        await asyncio.wait_for(source.aget_many(KEYS), 0.1)

    start = time.perf_counter()
    with pytest.raises(Cancelled):
        asyncio.run(by_token())
    with pytest.raises(TimeoutError):
        asyncio.run(by_task())
    assert time.perf_counter() - start < 0.8


def test_refused_keys_are_missing_while_the_root_can_be_read(serve_content: Callable) -> None:
    serving = serve_content(missing=403)
    source = open_source(serving.address)
    assert source.get_many([("0/none", None), ("0/zarr.json", None)])[0] is None
    serving.refuse = {"zarr.json": 403}
    for key in ("zarr.json", "0/none"):
        with pytest.raises(UnreachableError, match="credentials"):
            source.get_many([(key, None)])


def test_unauthenticated_is_unreachable(serve_content: Callable) -> None:
    source = open_source(serve_content(refuse={"0/zarr.json": 401}).address)
    with pytest.raises(UnreachableError, match="credentials"):
        source.get_many([("0/zarr.json", None)])
    with pytest.raises(UnreachableError, match="credentials"):
        asyncio.run(source.aget_many([("0/zarr.json", None)]))


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/store", "http://nowhere.invalid/store"])
def test_silence_names_the_address(address: str) -> None:
    start = time.perf_counter()
    with pytest.raises(UnreachableError, match=address):
        open_source(address).get_many([("zarr.json", None)])
    assert time.perf_counter() - start < 10


def test_server_errors_end_after_bounded_retries(serve_content: Callable) -> None:
    serving = serve_content(refuse={"zarr.json": 503})
    with pytest.raises(UnreachableError, match="503"):
        open_source(serving.address).get_many([("zarr.json", None)])
    assert 1 < serving.asked.count("zarr.json") <= 5


def test_a_page_for_every_address_is_no_listing(serve_content: Callable) -> None:
    serving = serve_content()
    serving.objects[""] = b"<html><a href='app.js'>app</a></html>"
    source = open_source(serving.address)
    assert not source.can_list
    with pytest.raises(UnsupportedError, match="cannot list"):
        source.list_names("")


def test_links_of_an_index_page() -> None:
    page = "http://host/a b/store/".replace(" ", "%20")
    hrefs = [
        *("../", "./", "/", "?C=N;O=D", "zarr.json", "0/", "g%C3%A8ne%201%25/", "/a%20b/store/abs"),
        *("http://other/a%20b/store/evil", "0/deep", "%2e%2e/", "..%2fup", "a%5Cb", "javascript:x", "http://[bad"),
    ]
    html = "".join(f'<A HREF="{href}">x</A><a name=y>' for href in hrefs)
    assert child_links(html, page) == ["0/", "abs", "g\u00e8ne 1%/", "zarr.json"]


def test_the_region_of_a_bucket_is_asked(serve_content: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    serving = serve_content(refuse={"zarr.json": 403})
    serving.headers["x-amz-bucket-region"] = "eu-north-1"
    assert bucket_region("0/zarr.json", serving.address) == "eu-north-1"
    assert bucket_region("zarr.json", serving.address) == "eu-north-1"
    assert bucket_region("bucket", "http://127.0.0.1:9") == "us-east-1"


def test_headers_reach_the_server(serve_content: Callable, content: dict[str, bytes]) -> None:
    serving = serve_content(token="Bearer x", index=True)
    with pytest.raises(UnreachableError, match="headers"):
        open_source(serving.address).get_many([("zarr.json", None)])
    source = open_source(serving.address, storage_options={"headers": {"Authorization": "Bearer x"}})
    assert source.list_keys("") == sorted(content)
    assert bytes(source.get_many([("zarr.json", None)])[0]) == content["zarr.json"]


def test_options_that_mean_nothing_are_refused(serve_content: Callable) -> None:
    with pytest.raises(InvalidInputError, match="endpoint"):
        open_source("http://host/store", storage_options={"endpoint": "x"})
    with pytest.raises(InvalidInputError, match="query"):
        open_source("https://host/store?token=1")
    with pytest.raises(InvalidInputError, match="no_such_option"):
        open_source("s3://data/x", storage_options={"no_such_option": "x", "region": "r"})
    with pytest.raises(UnreachableError, match="service account"):
        open_source("gs://data/x", storage_options={"service_account": "/no/such/file"})


def test_a_bucket_that_refuses_writing(bucket) -> None:
    bucket.refuse = {"new/0/a": 403}
    sink = open_sink("s3://data/new", storage_options={"endpoint": bucket.address.removesuffix("/data")})
    with pytest.raises(UnreachableError, match="credentials"):
        sink.put_many([("0/a", [b"x"]), ("0/b", [b"y"])])
    sink.abort()
    assert bucket.objects == {}


def test_without_obstore_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(UnsupportedError, match=r'pip install "zvview\[s3\]"'):
        open_source("s3://bucket/store")
