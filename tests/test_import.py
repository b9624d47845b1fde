"""``import zvview`` stays light: beside itself it loads what numpy, zarr and zstandard load, and nothing more."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

NEVER = {
    "PyQt5", "PyQt6", "PySide2", "PySide6", "aiohttp", "dask", "hypothesis", "napari", "neuroglancer", "nibabel",
    "obstore", "pandas", "pyarrow", "pytest", "qtpy", "rich", "typer", "vispy", "zarr_vectors",
}  # fmt: skip


def packages_loaded_by(*modules: str) -> set[str]:
    """Top-level packages in a fresh interpreter after importing `modules`, with warnings as errors."""
    code = f"import {', '.join(modules)}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    run = [sys.executable, "-W", "error", "-c", code]
    output = subprocess.run(run, check=True, capture_output=True, text=True, timeout=120).stdout
    return {name.partition(".")[0] for name in json.loads(output)}


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return packages_loaded_by("zvview")


def test_importing_zvview_loads_no_viewer_and_no_extra(loaded: set[str]) -> None:
    assert "zvview" in loaded
    assert loaded & NEVER == set()


def test_importing_zvview_loads_nothing_beyond_its_base_dependencies(loaded: set[str]) -> None:
    base = packages_loaded_by("numpy", "zarr", "zstandard")
    assert loaded - base - set(sys.stdlib_module_names) == {"zvview"}
