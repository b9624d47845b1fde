"""What all tests share: what they do not save is kept in folders of their own, not in the user's."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: looking for garbage in it took a third of a second a window."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which this test's journals are kept."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("ZVVIEW_STATE", str(folder))
    return folder
