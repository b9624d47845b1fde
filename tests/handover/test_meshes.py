"""Surfaces of a real window in a real browser: where they lie there, in the colours of their objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import zvview
from tests.handover.opening import opened
from tests.neuroglancer.browser.pages import Page
from tests.neuroglancer.browser.test_meshes import check, made
from zvview.handover import twins
from zvview.handover.twins import Twin


def test_surfaces_go_over(window: Any, twin: Twin, tmp_path: Path, page: Page) -> None:
    place = made(levels=True, form="ellipsoids")(tmp_path)
    window.drop(place)
    window.viewer.dims.ndisplay = 3
    window.settle()
    window.viewer.reset_view()
    window.viewer.scene.camera.zoom *= 0.7  # all of it in the page, which is smaller
    window.viewer.layers[0].opacity = 1.0
    window.settle()
    view = opened(window, twin)
    page.show(view.viewer)
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        check(page.look(view.viewer, "handover_meshes"), store)


def test_what_differs_in_a_plane_is_told_at_once(
    window: Any, twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(twins, "show_warning", told.append)
    monkeypatch.setattr(twins, "show_info", told.append)
    window.drop(made()(tmp_path))
    window.viewer.dims.ndisplay = 2
    window.settle()
    view = opened(window, twin)
    window.wait(lambda: len(told) == 2)
    assert "cross sections show no meshes" in told[0]
    assert "axes 'x', 'y', 'z': no unit" in told[1] and told[1].splitlines() == list(view.notes)
