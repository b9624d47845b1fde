"""From links, files, addresses and exports back to places, layers and view."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from neuroglancer.static_file_server import StaticFileServer

from zvview.errors import BadFileError, UnreachableError, UnsupportedError
from zvview.neuroglancer.links.reading import hosted_at, is_link, is_zip, read_link, read_state
from zvview.neuroglancer.links.urls import make_link, make_short_link

STATE: dict[str, Any] = {
    "dimensions": {"x": [1e-6, "m"], "y": [1e-6, "m"], "z": [1e-6, "m"]},
    "position": [1, 2, 3],
    "layers": [
        {"type": "annotation", "name": "points", "source": {"url": "./points/|neuroglancer-precomputed:"}},
        {"type": "image", "name": "em", "source": ["zarr://https://h.org/em.zarr"], "visible": False},
    ],
}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nobody looks."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "state.json").write_text(json.dumps(STATE))
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_link_tells_places_layers_and_view() -> None:
    found = read_link(make_link(hosted_at(STATE, "https://h.org/export/")))
    assert [(layer.name, layer.kind, layer.is_visible) for layer in found.layers] == [
        ("points", "annotation", True),
        ("em", "image", False),
    ]
    assert found.places == ("https://h.org/export/points/", "https://h.org/em.zarr")
    assert found.pose.position == {"x": 1, "y": 2, "z": 3}


def test_states_are_read_wherever_they_are(site: str, tmp_path: Path) -> None:
    packed = tmp_path / "export.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("state.json", json.dumps(STATE))
    places = [tmp_path / "export", tmp_path / "export" / "state.json", packed, site, f"{site}/state.json"]
    for text in [*map(str, places), make_short_link(f"{site}/state.json"), json.dumps(STATE)]:
        assert read_state(text) == STATE
    assert all(is_link(str(place)) for place in places if str(place) != site)


@pytest.fixture
def ranged(tmp_path: Path) -> Iterator[str]:
    """A host of the folder that gives parts of files."""
    with StaticFileServer(str(tmp_path), bind_address="127.0.0.1") as url:
        yield str(url)


def test_a_hosted_zip_is_read_in_parts(ranged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = urllib.request.urlopen

    def listen(request: Any, **options: Any) -> Any:
        asked.append(request.get_header("Range"))
        return real(request, **options)

    monkeypatch.setattr(urllib.request, "urlopen", listen)
    with zipfile.ZipFile(tmp_path / "large.zip", "w") as archive:
        archive.writestr("state.json", json.dumps(STATE))
        archive.writestr("export/cells", bytes(1 << 20))
    assert read_state(f"{ranged}/large.zip") == STATE
    read = [int(end) - int(start) + 1 for start, end in (told.removeprefix("bytes=").split("-") for told in asked)]
    assert sum(read) < 300_000
    assert (
        is_link(str(tmp_path / "large.zip")) and is_zip("https://h.org/a.ZIP?x=1") and not is_zip("https://h.org/zip")
    )


def test_hosted_zips_that_cannot_be_read_are_told(ranged: str, site: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export" / "other.zip", "w") as archive:
        archive.writestr("zarr.json", "{}")
    (tmp_path / "no.zip").write_bytes(b"PK")
    (tmp_path / "empty.zip").write_bytes(b"")
    for url, error, word in [
        (f"{site}/other.zip", UnsupportedError, "Range"),
        (f"{ranged}/export/other.zip", BadFileError, "no state.json"),
        (f"{ranged}/no.zip", BadFileError, "no zip"),
        (f"{ranged}/nothing.zip", UnreachableError, "404"),
        ("http://[/a.zip", UnreachableError, "IPv6"),
    ]:
        with pytest.raises(error, match=word):
            read_state(url)
    with pytest.raises((BadFileError, UnreachableError, UnsupportedError)):
        read_state(f"{ranged}/empty.zip")


def test_zips_are_told_where_they_lie() -> None:
    state = {"layers": [{"source": {"url": ".|zip:points/|neuroglancer-precomputed:", "transform": {}}}, {}]}
    (layer, other) = hosted_at(state, "https://h.org/a.zip")["layers"]
    assert layer["source"]["url"] == "https://h.org/a.zip|zip:points/|neuroglancer-precomputed:"
    assert layer["source"]["transform"] == other == {}


@pytest.mark.parametrize(
    "text", ["points.zarrvectors", "https://h.org/points.zarrvectors", "a/zarr.json", "s3://b/x.zv"]
)
def test_stores_are_no_links(text: str) -> None:
    assert not is_link(text)


def test_what_cannot_be_read_is_told(site: str, tmp_path: Path) -> None:
    for text, error in [
        (f"{site}/nothing", UnreachableError),
        ("http://[", UnreachableError),
        (str(tmp_path / "nothing.json"), UnreachableError),
        ("gs://bucket/state.json", UnsupportedError),
        (make_short_link("gs://bucket/state.json"), UnsupportedError),
    ]:
        with pytest.raises(error):
            read_state(text)
    for number, body in enumerate([b"", b"\xff", b"[1]", b"{", b"[" * 100_000, b'"https://h.org"']):
        path = tmp_path / f"{number}.json"
        path.write_bytes(body)
        with pytest.raises(BadFileError):
            read_state(str(path))
    with pytest.raises(BadFileError):
        read_link('{"layers": [1]}')
