"""Surfaces of a real window in a real browser: where they lie there, in the colours of their objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import zvview
from tests.neuroglancer.browser.pages import Page
from tests.neuroglancer.browser.test_meshes import check, made
from zvview.handover import twins
from zvview.handover.twins import twin_of


def test_surfaces_go_over(window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Page) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    place = made(levels=True, form="ellipsoids")(tmp_path)
    window.drop(place)
    window.viewer.dims.ndisplay = 3
    window.settle()
    window.viewer.reset_view()
    window.viewer.scene.camera.zoom *= 0.7  # all of it in the page, which is smaller
    window.viewer.layers[0].opacity = 1.0
    window.settle()
    twin = twin_of(window.viewer)
    try:
        twin.open()
        window.wait(lambda: twin.view is not None and "layers" in twin.view.state(), 30)
        assert twin.view is not None
        page.show(twin.view.viewer)
        with zvview.open(place) as store:
            assert isinstance(store, zvview.Store)
            check(page.look(twin.view.viewer, "handover_meshes"), store)
    finally:
        twin.close()


def test_what_differs_in_a_plane_is_told_at_once(window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    told: list[str] = []
    monkeypatch.setattr(twins, "show_warning", told.append)
    monkeypatch.setattr(twins, "show_info", told.append)
    window.drop(made()(tmp_path))
    window.viewer.dims.ndisplay = 2
    window.settle()
    twin = twins.twin_of(window.viewer)
    try:
        twin.open()
        window.wait(lambda: twin.view is not None and len(told) == 2, 30)
        assert twin.view is not None
        assert "cross sections show no meshes" in told[0]
        assert "axes 'x', 'y', 'z': no unit" in told[1] and told[1].splitlines() == list(twin.view.notes)
    finally:
        twin.close()
