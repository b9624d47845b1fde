"""A cache folder of the tests' own, and the data of other packages."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that samples are kept in."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ZVVIEW_CACHE", str(folder))
    return folder / "samples"


@pytest.fixture
def real_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Navis and dipy as if they were installed: installed they are, or below the folders of ZVVIEW_TEST_DATA."""
    for folder in filter(None, os.environ.get("ZVVIEW_TEST_DATA", "").split(os.pathsep)):
        monkeypatch.syspath_prepend(folder)
    for name in ("navis", "dipy"):
        assert find_spec(name) is not None, f"install {name}, or name its parent in ZVVIEW_TEST_DATA"
