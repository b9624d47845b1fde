"""Windows as the tests of napari have them, and a browser as those of Neuroglancer do."""

from __future__ import annotations

from pathlib import Path

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

HERE = Path(__file__).parent
_OTHERS = ("napari", "vispy", "pydantic", "npe2", "app_model", "superqt", "qtpy", "pint", "psygnal")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Warnings of napari and of what it uses are not ours to mend; ours stay errors."""
    for item in items:
        if HERE in item.path.parents:
            for module in _OTHERS:
                item.add_marker(pytest.mark.filterwarnings(f"ignore:::{module}"))
