"""Exports on a plain web server, in the stock client: the picture is that of the live server."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import neuroglancer
import numpy as np
import pytest
from neuroglancer.static_file_server import StaticFileServer

import zvview
from tests.neuroglancer.browser.cases import CASES
from tests.neuroglancer.browser.pages import Page, start_chromium
from zvview.neuroglancer.exporting.exporting import export
from zvview.style import choose_colouring, colour_vertices, with_limits


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


@pytest.mark.parametrize("form", ["directory", "sharded", "zip"])
@pytest.mark.parametrize("name", ["points_3d", "points_far"])
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
    viewer = neuroglancer.Viewer()
    viewer.set_state(state)
    page.show(viewer)
    picture = page.look(viewer, f"export_{out}")
    with zvview.open(place) as store:
        batch: Any = store.level(0).read()  # type: ignore[union-attr]
        by = with_limits(store, choose_colouring(store.kind, store.attributes))  # type: ignore[arg-type, union-attr]
        colours = np.rint(colour_vertices(batch, by)[:, :3] * 255)
        at, rows = picture.find(batch.positions, [axis.name for axis in store.axes])  # type: ignore[union-attr]
    assert len(rows) > 0
    assert picture.share_found(at, colours[rows]) >= 0.9
    assert picture.share_stray(at) <= 0.01
