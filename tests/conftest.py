"""What all tests share: what they do not save is kept in folders of their own, not in the user's."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which this test's journals are kept."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("ZVVIEW_STATE", str(folder))
    return folder
