"""Real data for benchmarks: files that navis and dipy ship, found without importing either."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

__all__ = ["package_file"]


def package_file(package: str, *parts: str) -> Path:
    """A file of an installed package, or of one of the folders of ZVVIEW_TEST_DATA."""
    spec = find_spec(package)
    places = [*(spec.submodule_search_locations or [] if spec else [])]
    places += [os.path.join(f, package) for f in os.environ.get("ZVVIEW_TEST_DATA", "").split(os.pathsep) if f]
    found = [path for place in places if (path := Path(place, *parts)).exists()]
    if not found:
        raise SystemExit(f"{package} is not installed, nor in a folder of ZVVIEW_TEST_DATA")
    return found[0]
