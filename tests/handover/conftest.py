"""Windows as the tests of napari have them, and a browser as those of Neuroglancer do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.napari.conftest import (  # noqa: F401
    cells,
    display,
    layer,
    plugin,
    plugins_found_once,
    qapp_cls,
    unasked,
    window,
)
from tests.neuroglancer.browser.conftest import page  # noqa: F401
from zvview.handover.twins import Twin, twin_of

HERE = Path(__file__).parent
_OTHERS = ("napari", "vispy", "pydantic", "npe2", "app_model", "superqt", "qtpy", "pint", "psygnal")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Warnings of napari and of what it uses are not ours to mend; ours stay errors."""
    for item in items:
        if HERE in item.path.parents:
            for module in _OTHERS:
                item.add_marker(pytest.mark.filterwarnings(f"ignore:::{module}"))


@pytest.fixture
def twin(window: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twin]:  # noqa: F811
    """The client of the window, which no browser opens by itself."""
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    found = twin_of(window.viewer)
    yield found
    found.close()
