"""Stores of every kind, live in the stock client: everything where it is, in the colours of napari's layers."""

from __future__ import annotations

from pathlib import Path

import pytest

import zvview
from tests.neuroglancer.browser.cases import CASES, GOLDEN, check
from tests.neuroglancer.browser.pages import Page
from zvview.neuroglancer.viewing import view


@pytest.mark.parametrize("name", CASES)
def test_a_store_is_shown_where_it_lies(page: Page, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    with zvview.open(case.make(tmp_path)) as store, view(store) as shown:
        page.show(shown.viewer, **case.state)
        assert isinstance(store, zvview.Store)
        check(page.look(shown.viewer, f"live_{name}"), store, case)


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.zip")))
def test_every_golden_store_opens(page: Page, name: str) -> None:
    with view(GOLDEN / f"{name}.zip") as shown:
        page.show(shown.viewer)
        assert page.look(shown.viewer, f"golden_{name}").is_lit.any()
