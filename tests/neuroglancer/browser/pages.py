"""Neuroglancer's own client in a real browser: what a page shows, and where on it the vertices of a store lie."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neuroglancer
import numpy as np
from neuroglancer.static_file_server import StaticFileServer
from numpy.typing import NDArray
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from zvview.neuroglancer.links.poses import rotation_of

WIDTH, HEIGHT = 500, 400
_SECONDS = 60
_LIT = 60  # of 255, in the brightest channel
_ALIKE = 48  # of 255, in the channel that differs most
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--window-size=700,500",
)


@contextmanager
def start_chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser without a window; the tests fail where there is none."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    assert browser and driver, "the tests need chromium and chromedriver (on Debian: chromium chromium-driver)"
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        chrome.set_page_load_timeout(_SECONDS)
        yield chrome
    finally:
        chrome.quit()


@contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """The address of a folder, which others may read, parts of files included."""
    with StaticFileServer(str(folder), bind_address="127.0.0.1") as url:
        yield str(url)


@dataclass(frozen=True, eq=False)
class Picture:
    """What the client showed when everything in view had come.

    Attributes
    ----------
    pixels : (HEIGHT, WIDTH, 3) uint8 array
    state : dict
        The state of the client.
    """

    pixels: NDArray[np.uint8]
    state: dict[str, Any]

    @property
    def is_lit(self) -> NDArray[np.bool_]:
        """Whether a pixel is not of the background, (HEIGHT, WIDTH)."""
        return np.asarray(self.pixels.max(axis=-1) > _LIT)

    def find(self, positions: NDArray[Any], axes: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pixels (row, column), (m, 2), of those positions (n, D) that are in view, and which these are, (m,).

        `axes` are the names of the positions' columns. What lies elsewhere along
        dimensions that are not displayed is out of view.
        """
        names = list(self.state["dimensions"])
        shown = self.state.get("displayDimensions", names[:3])
        at = dict(zip(names, self.state["position"], strict=True))
        scales = {name: scale for name, (scale, _) in self.state["dimensions"].items()}
        per_px = self.state["crossSectionScale"] if self.is_flat else self.state["projectionScale"] / HEIGHT
        others = [name for name in axes if name not in shown]
        is_there = np.all([np.abs(positions[:, axes.index(n)] - at[n]) < 0.5 for n in others], axis=0)
        rows = np.flatnonzero(np.broadcast_to(is_there, len(positions)))
        away = np.zeros((len(rows), 3))
        for column, name in enumerate(shown):
            if name in axes:
                steps = positions[rows, axes.index(name)] - at[name]
                away[:, column] = steps * scales[name] / min(scales[n] for n in shown) / per_px
        turned = self.state.get("crossSectionOrientation" if self.is_flat else "projectionOrientation", [0, 0, 0, 1])
        pixels = (away @ rotation_of(turned))[:, 1::-1] + (HEIGHT / 2 - 0.5, WIDTH / 2 - 0.5)
        found = np.rint(pixels).astype(np.int64)
        is_inside = ((found >= 0) & (found < (HEIGHT, WIDTH))).all(axis=1)
        return found[is_inside], rows[is_inside]

    @property
    def is_flat(self) -> bool:
        """Whether it is a cross section."""
        return self.state.get("layout") == "xy"

    def share_found(self, at: NDArray[np.int64], colours: NDArray[Any], *, reach: int = 2) -> float:
        """Share of pixels, (n, 2), near which one is of their colour, (n, 3) of 255."""
        rows, columns = np.moveaxis(at[:, None] + _around(reach), -1, 0)
        near = self.pixels[np.clip(rows, 0, HEIGHT - 1), np.clip(columns, 0, WIDTH - 1)].astype(int)
        distance = np.abs(near - np.asarray(colours, int)[:, None]).max(axis=-1)
        return float((distance.min(axis=1) < _ALIKE).mean())

    def share_stray(self, at: NDArray[np.int64], *, reach: int = 5) -> float:
        """Share of the lit pixels that have none of the pixels, (n, 2), near them."""
        is_near = np.zeros((HEIGHT, WIDTH), bool)
        rows, columns = np.moveaxis(at[:, None] + _around(reach), -1, 0)
        is_near[np.clip(rows, 0, HEIGHT - 1), np.clip(columns, 0, WIDTH - 1)] = True
        return float((self.is_lit & ~is_near).sum() / max(self.is_lit.sum(), 1))


def _around(reach: int) -> NDArray[np.int64]:
    """Steps to the pixels of a square, (m, 2)."""
    steps = np.arange(-reach, reach + 1)
    return np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)


class Page:
    """A page of the browser."""

    def __init__(self, chrome: webdriver.Chrome) -> None:
        self.chrome = chrome

    def show(self, viewer: Any, **state: Any) -> None:
        """Open the client of a viewer, with nothing in it but the picture; `state` is set before, as JSON names it."""
        with viewer.config_state.txn() as config:
            config.show_ui_controls = config.show_panel_borders = False
            config.viewer_size = [WIDTH, HEIGHT]
        plain = {"layout": {"type": "3d", "orthographicProjection": True}} if viewer.state.layout.type == "3d" else {}
        viewer.set_state(
            {**viewer.state.to_json(), **plain, "showScaleBar": False, "showDefaultAnnotations": False, **state}
        )
        self.chrome.get(str(viewer.get_viewer_url()))

    def look_at(self, state: Any, name: str, **more: Any) -> Picture:
        """The picture of a state, as :meth:`look` gives it; `more` of the state is set before."""
        neuroglancer.set_server_bind_address("127.0.0.1")
        viewer = neuroglancer.Viewer()
        viewer.set_state(state)
        self.show(viewer, **more)
        return self.look(viewer, name)

    def look(self, viewer: Any, name: str) -> Picture:
        """The picture when all that is in view has come, none of it in vain.

        It is kept under `name` where the environment names a folder for it.
        """
        told: list[Any] = []
        answer: concurrent.futures.Future[Any] = concurrent.futures.Future()
        viewer.async_screenshot(answer.set_result, statistics_callback=lambda found: told.append(found.to_json()))
        try:
            shot = answer.result(_SECONDS).screenshot
        except TimeoutError:
            raise AssertionError(f"{name}: not ready; {told[-1:]}; {self.troubles()}") from None
        assert not any(found["total"]["visibleChunksFailed"] for found in told), told[-1]
        assert self.troubles() == []
        if folder := os.environ.get("ZVVIEW_SCREENSHOTS"):
            (Path(folder) / f"{name}.png").write_bytes(shot.image)
        pixels = np.asarray(shot.image_pixels)[..., :3]
        assert pixels.shape == (HEIGHT, WIDTH, 3)
        return Picture(pixels, viewer.state.to_json())

    def troubles(self) -> list[str]:
        """What the browser complained of since it was asked last; that a cell is empty is no trouble."""
        logged = [entry for entry in self.chrome.get_log("browser") if entry["level"] == "SEVERE"]
        return [entry["message"] for entry in logged if "404" not in entry["message"]]
