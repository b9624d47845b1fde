"""Stores of every kind, live in the stock client: everything where it is, in the colours of napari's layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zvview
from tests.neuroglancer.browser.cases import CASES, GOLDEN
from tests.neuroglancer.browser.pages import Page
from zvview.neuroglancer.viewing import view
from zvview.style import choose_colouring, colour_vertices, with_limits


@pytest.mark.parametrize("name", CASES)
def test_a_store_is_shown_where_it_lies(page: Page, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    with zvview.open(case.make(tmp_path)) as store, view(store) as shown:
        page.show(shown.viewer, **case.state)
        picture = page.look(shown.viewer, f"live_{name}")
        batch = store.level(0).read()
        by = with_limits(store, choose_colouring(store.kind, store.attributes))
        colours = np.rint(colour_vertices(batch, by)[:, :3] * 255)
        at, rows = picture.find(batch.positions, [axis.name for axis in store.axes])
        assert len(rows) > 0
        assert picture.share_found(at, colours[rows]) >= case.least_found
        assert picture.share_stray(at) <= case.most_stray


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.zip")))
def test_every_golden_store_opens(page: Page, name: str) -> None:
    with view(GOLDEN / f"{name}.zip") as shown:
        page.show(shown.viewer)
        assert page.look(shown.viewer, f"golden_{name}").is_lit.any()
