"""A link is not called shareable when it is not, and the reason is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvview.neuroglancer.links.shareable import doubts_about, reasons_not_public, source_urls


def state_of(*sources: Any) -> dict[str, Any]:
    return {"layers": [{"name": f"layer {n}", "source": source} for n, source in enumerate(sources)]}


PUBLIC = [
    "https://data.example.org/x/|neuroglancer-precomputed:",
    "precomputed://https://data.example.org/x",
    "precomputed://gs://bucket/x",
    "zarr://s3://bucket/x.zarr",
    "s3://bucket/x.zip|zip:|neuroglancer-precomputed:",
    "https://8.8.8.8/x",
    "local://annotations",
]
PRIVATE = [
    ("http://127.0.0.1:4000/zarr-vectors/t/|neuroglancer-precomputed:", "this machine"),
    ("precomputed://http://127.1.2.3/x", "this machine"),
    ("http://localhost:80/x", "this machine"),
    ("http://x.localhost./x", "this machine"),
    ("http://[::1]/x", "this machine"),
    ("http://[::ffff:127.0.0.1]/x", "this machine"),
    ("http://0.0.0.0/x", "this machine"),
    ("https://10.1.2.3/x", "network of your own"),
    ("https://192.168.0.4/x", "network of your own"),
    ("https://172.20.0.1/x", "network of your own"),
    ("https://100.64.0.1/x", "network of your own"),
    ("https://169.254.1.1/x", "network of your own"),
    ("https://[fd00::1]/x", "network of your own"),
    ("https://fileserver/x", "network of your own"),
    ("https://nas.local/x", "network of your own"),
    ("http://2130706433/x", "form"),
    ("http://0x7f.1/x", "form"),
    ("python://volume/abc.def", "process"),
    ("precomputed://file:///data/x", "file of this machine"),
    ("file:///data/x", "file of this machine"),
    ("ftp://host.org/x", "'ftp'"),
    ("/data/x", "no address"),
    ("gs://", "bucket"),
    ("https:///x", "without a host"),
]


@pytest.mark.parametrize("source", PUBLIC)
def test_public_sources_can_be_shared(source: str) -> None:
    assert reasons_not_public(state_of(source, {"url": source}, [source, {"url": [source]}])) == ()


@pytest.mark.parametrize(("source", "why"), PRIVATE)
@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"url": s}, lambda s: [PUBLIC[0], {"url": s}]])
def test_private_sources_are_told(source: str, why: str, wrap: Any) -> None:
    (reason,) = reasons_not_public(state_of(PUBLIC[0], wrap(source)))
    assert why in reason
    assert "layer 1" in reason


def test_meshes_and_layers_by_name_are_looked_at() -> None:
    state = {"layers": {"a": {"source": PUBLIC[0], "mesh": "precomputed://http://localhost/m"}}}
    assert list(source_urls(state)) == [("a", PUBLIC[0]), ("a", "precomputed://http://localhost/m")]
    assert len(reasons_not_public(state)) == 1


def test_what_addresses_do_not_tell_is_said() -> None:
    told = doubts_about(state_of("http://data.example.org/x|zarr:", "https://storage.googleapis.com/b/x", "gs://b/x"))
    assert len(told) == 2
    assert "data.example.org" in told[0]
    assert "https" in told[1]


@given(st.recursive(st.none() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)))
def test_any_json_can_be_asked_about(found: Any) -> None:
    assert isinstance(reasons_not_public({"layers": found}), tuple)
    assert isinstance(doubts_about({"layers": [{"source": found}]}), tuple)
