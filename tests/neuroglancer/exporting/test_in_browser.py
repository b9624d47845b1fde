"""Exports on a plain web server, in the stock client: the picture is that of the live server, wherever they lie."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

import zvview
from tests.neuroglancer.browser.cases import CASES, Case, check
from tests.neuroglancer.browser.pages import Page, hosted
from zvview.neuroglancer.exporting.exporting import export
from zvview.neuroglancer.links.reading import hosted_at, read_state
from zvview.neuroglancer.links.shareable import reasons_not_public
from zvview.neuroglancer.links.urls import parse_link
from zvview.neuroglancer.viewing import view

FORMATS = ("directory", "sharded", "zip")
KINDS = (
    "points_3d",
    "points_far",
    "lines_streamlines",
    "lines_polylines_2d",
    "lines_single",
    "networks_graph",
    "networks_skeleton",
    "networks_many",
)
OPEN = """
import functools, http.server, sys
class Open(http.server.SimpleHTTPRequestHandler):
    def end_headers(self):
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()
handler = functools.partial(Open, directory=sys.argv[1])
http.server.test(handler, http.server.ThreadingHTTPServer, port=0, bind="127.0.0.1")
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which it is."""
    folder = tmp_path_factory.mktemp("hosted")
    with hosted(folder) as url:
        yield folder, url


@contextmanager
def pythons_server(folder: Path, *, is_open: bool) -> Iterator[str]:
    """The address of a folder in Python's own web server, which gives whole files alone; others may read if open."""
    plain = ["-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    command = [sys.executable, "-u", *(["-c", OPEN, str(folder)] if is_open else plain)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert found is not None
            yield found[0]
        finally:
            process.terminate()


def see(page: Page, state: Any, case: Case, place: Path, name: str) -> None:
    """See that a state shows a store where it lies, in the colours of napari's layers."""
    picture = page.look_at(state, name, **case.state)
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        check(picture, store, case)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", KINDS)
def test_an_export_is_shown_where_the_store_lies(
    page: Page, host: tuple[Path, str], tmp_path: Path, name: str, form: Any
) -> None:
    place = CASES[name].make(tmp_path)
    folder, url = host
    out = f"{name}_{form}{'.zip' if form == 'zip' else ''}"
    export(place, folder / out, format=form, url=f"{url}/{out}")
    see(page, read_state(str(folder / out)), CASES[name], place, f"export_{out}")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["points_3d", "networks_skeleton"])
def test_an_export_on_this_machine_is_served_as_it_is(page: Page, tmp_path: Path, name: str, form: Any) -> None:
    case, out = CASES[name], tmp_path / "of my lab" / f"out{'.zip' if form == 'zip' else ''}"
    place = case.make(tmp_path)
    export(place, out, format=form)
    with view(out) as shown, zvview.open(place) as store:
        page.show(shown.viewer, **case.state)
        assert isinstance(store, zvview.Store)
        check(page.look(shown.viewer, f"export_served_{name}_{form}"), store, case)


@pytest.mark.parametrize("form", ["sharded", "zip"])
def test_compressed_skeletons_are_drawn(
    page: Page, host: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Any
) -> None:
    monkeypatch.setattr("zvview.neuroglancer.exporting.planning.choose_encoding", lambda contents: "gzip")
    place = CASES["networks_skeleton"].make(tmp_path)
    folder, url = host
    out = f"compressed{'.zip' if form == 'zip' else ''}"
    export(place, folder / out, format=form, url=f"{url}/{out}")
    state: Any = read_state(str(folder / out))
    layers = [layer for layer in state["layers"] if layer["type"] == "segmentation"]
    if form == "sharded":
        sharding = json.loads((folder / out / "skeletons" / "info").read_bytes())["sharding"]
        assert sharding["data_encoding"] == "gzip"
    see(page, {**state, "layers": layers}, CASES["networks_skeleton"], place, f"export_{out}")


def moved(host: tuple[Path, str], tmp_path: Path, name: str) -> tuple[Path, Path, str]:
    """A store, its export at another path than it was made at, and the address of that."""
    place = CASES["points_3d"].make(tmp_path)
    folder, url = host
    export(place, tmp_path / "out", format="sharded")
    shutil.copytree(tmp_path / "out", folder / "of my lab" / name, ignore=shutil.ignore_patterns(".zvview-export"))
    return place, folder / "of my lab" / name, f"{url}/of%20my%20lab/{name}"


def test_a_moved_export_is_opened_by_a_link_to_where_it_is(page: Page, host: tuple[Path, str], tmp_path: Path) -> None:
    place, folder, url = moved(host, tmp_path, "linked")
    state = hosted_at(read_state(url), url)
    assert state == hosted_at(read_state(str(folder)), url)
    see(page, state, CASES["points_3d"], place, "export_linked")


@pytest.mark.parametrize("end", ["/index.html", "/index.html?a=b#c"])
def test_the_page_of_an_export_opens_it_from_where_it_lies(
    page: Page, host: tuple[Path, str], tmp_path: Path, end: str
) -> None:
    place, _, url = moved(host, tmp_path, f"page{len(end)}")
    page.chrome.get(url + end)
    link = page.chrome.find_element(By.ID, "open")
    WebDriverWait(page.chrome, 20).until(lambda _: link.get_attribute("href"))
    assert str(link.get_attribute("href")).startswith("https://neuroglancer-demo.appspot.com/#!")
    client = page.chrome.find_element(By.ID, "client")
    client.clear()
    client.send_keys("https://ng.example.org/client")
    href = str(link.get_attribute("href"))
    assert href.startswith("https://ng.example.org/client/#!")
    state = parse_link(href)
    assert isinstance(state, dict)
    assert state["layers"][0]["source"]["url"] == f"{url}/points/|neuroglancer-precomputed:"
    see(page, state, CASES["points_3d"], place, f"export_page{len(end)}")


@pytest.mark.parametrize("name", ["points_3d", "networks_skeleton"])
def test_a_directory_needs_no_parts_of_files(page: Page, tmp_path: Path, name: str) -> None:
    place = CASES[name].make(tmp_path)
    export(place, tmp_path / "out")
    with pythons_server(tmp_path / "out", is_open=True) as url:
        see(page, hosted_at(read_state(url), url), CASES[name], place, f"export_plain_{name}")


def test_pythons_own_server_lets_no_other_site_read(page: Page, host: tuple[Path, str], tmp_path: Path) -> None:
    export(CASES["points_3d"].make(tmp_path), tmp_path / "out")
    with pythons_server(tmp_path / "out", is_open=False) as url:
        page.chrome.get(f"{url}/index.html")
        link = page.chrome.find_element(By.ID, "open")
        WebDriverWait(page.chrome, 20).until(lambda _: link.get_attribute("href"))
        assert "'zvview serve' of this folder opens it here" in page.chrome.find_element(By.ID, "note").text
        state = parse_link(str(link.get_attribute("href")))
        assert isinstance(state, dict) and state["layers"][0]["source"]["url"].startswith(f"{url}/points/")
        assert any("127.0.0.1 is this machine" in reason for reason in reasons_not_public(state))
        page.chrome.get(f"{host[1]}/")
        ask = "const done = arguments[1]; fetch(arguments[0]).then(() => done('read'), () => done('refused'))"
        assert page.chrome.execute_async_script(ask, f"{url}/points/info") == "refused"
    page.troubles()
