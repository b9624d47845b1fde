"""One browser for each module of tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.neuroglancer.browser.pages import Page, start_chromium


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with start_chromium(tmp_path_factory.mktemp("chromium")) as chrome:
        yield Page(chrome)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for stores."""
    return tmp_path_factory.mktemp("stores")
