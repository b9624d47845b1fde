"""Exports on a plain web server, in the stock client: the picture is that of the live server, wherever they lie."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import neuroglancer
import numpy as np
import pytest
from neuroglancer.static_file_server import StaticFileServer
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

import zvview
from tests.neuroglancer.browser.cases import CASES, Case
from tests.neuroglancer.browser.pages import Page, start_chromium
from zvview.neuroglancer.exporting.exporting import export
from zvview.neuroglancer.links.reading import hosted_at, read_state
from zvview.neuroglancer.links.urls import parse_link
from zvview.style import choose_colouring, colour_vertices, with_limits

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


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    neuroglancer.set_server_bind_address("127.0.0.1")
    with start_chromium(tmp_path_factory.mktemp("chromium")) as chrome:
        yield Page(chrome)


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder, and the address at which it is."""
    folder = tmp_path_factory.mktemp("hosted")
    server = StaticFileServer(str(folder), bind_address="127.0.0.1")
    return folder, server.url


def check(page: Page, state: Any, case: Case, place: Path, name: str) -> None:
    """See that a state shows a store where it lies, in the colours of napari's layers."""
    viewer = neuroglancer.Viewer()
    viewer.set_state(state)
    page.show(viewer, **case.state)
    picture = page.look(viewer, name)
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        batch: Any = store.level(0).read()
        by = with_limits(store, choose_colouring(store.kind, store.attributes))
        colours = np.rint(colour_vertices(batch, by)[:, :3] * 255)
        at, rows = picture.find(batch.positions, [axis.name for axis in store.axes])
    assert len(rows) > 0
    assert picture.share_found(at, colours[rows]) >= case.least_found
    assert picture.share_stray(at) <= case.most_stray


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", KINDS)
def test_an_export_is_shown_where_the_store_lies(
    page: Page, hosted: tuple[Path, str], tmp_path: Path, name: str, form: Any
) -> None:
    place = CASES[name].make(tmp_path)
    folder, url = hosted
    out = f"{name}_{form}{'.zip' if form == 'zip' else ''}"
    export(place, folder / out, format=form, url=f"{url}/{out}")
    if form == "zip":
        with zipfile.ZipFile(folder / out) as archive:
            state = json.loads(archive.read("state.json"))
    else:
        state = json.loads((folder / out / "state.json").read_bytes())
    check(page, state, CASES[name], place, f"export_{out}")


@pytest.mark.parametrize("form", ["sharded", "zip"])
def test_compressed_skeletons_are_drawn(
    page: Page, hosted: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Any
) -> None:
    monkeypatch.setattr("zvview.neuroglancer.exporting.planning.choose_encoding", lambda contents: "gzip")
    place = CASES["networks_skeleton"].make(tmp_path)
    folder, url = hosted
    out = f"compressed{'.zip' if form == 'zip' else ''}"
    export(place, folder / out, format=form, url=f"{url}/{out}")
    state: Any = read_state(str(folder / out))
    layers = [layer for layer in state["layers"] if layer["type"] == "segmentation"]
    if form == "sharded":
        sharding = json.loads((folder / out / "skeletons" / "info").read_bytes())["sharding"]
        assert sharding["data_encoding"] == "gzip"
    check(page, {**state, "layers": layers}, CASES["networks_skeleton"], place, f"export_{out}")


def moved(hosted: tuple[Path, str], tmp_path: Path, name: str) -> tuple[Path, Path, str]:
    """A store, its export at another path than it was made at, and the address of that."""
    place = CASES["points_3d"].make(tmp_path)
    folder, url = hosted
    export(place, tmp_path / "out", format="sharded")
    shutil.copytree(tmp_path / "out", folder / "of my lab" / name, ignore=shutil.ignore_patterns(".zvview-export"))
    return place, folder / "of my lab" / name, f"{url}/of%20my%20lab/{name}"


def test_a_moved_export_is_opened_by_a_link_to_where_it_is(
    page: Page, hosted: tuple[Path, str], tmp_path: Path
) -> None:
    place, folder, url = moved(hosted, tmp_path, "linked")
    state = hosted_at(read_state(url), url)
    assert state == hosted_at(read_state(str(folder)), url)
    check(page, state, CASES["points_3d"], place, "export_linked")


@pytest.mark.parametrize("end", ["/index.html", "/index.html?a=b#c"])
def test_the_page_of_an_export_opens_it_from_where_it_lies(
    page: Page, hosted: tuple[Path, str], tmp_path: Path, end: str
) -> None:
    place, _, url = moved(hosted, tmp_path, f"page{len(end)}")
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
    check(page, state, CASES["points_3d"], place, f"export_page{len(end)}")
