"""Real files of other packages, for round trips."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def package_data() -> Callable[..., Path]:
    """Gives the path of a file or folder that a package ships; fails where there is none.

    Looked for in the installed package, then below the folders that ZVVIEW_TEST_DATA lists.
    """

    def find(package: str, *parts: str) -> Path:
        spec = find_spec(package)
        places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
        places += [
            Path(folder, package) for folder in os.environ.get("ZVVIEW_TEST_DATA", "").split(os.pathsep) if folder
        ]
        found = [path for place in places if (path := place.joinpath(*parts)).exists()]
        assert found, (
            f"{package}/{'/'.join(parts)} is not there: install {package}, or name its parent in ZVVIEW_TEST_DATA"
        )
        return found[0]

    return find
