"""The napari manifest: one file, found from the package and from the top of the repository, naming only what exists."""

from __future__ import annotations

import importlib.util
from fnmatch import fnmatch
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from zvview.samples import SAMPLES

TOP = Path(__file__).parents[1] / "napari.yaml"


@pytest.fixture
def manifest() -> dict[str, Any]:
    loaded = yaml.safe_load(files("zvview").joinpath("napari.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def test_manifest_bears_the_name_of_the_distribution(manifest: dict[str, Any]) -> None:
    assert manifest["name"] == "zvview"
    assert 3 <= len(manifest["display_name"]) <= 90


def test_every_command_of_the_manifest_names_a_module_that_exists(manifest: dict[str, Any]) -> None:
    commands = manifest["contributions"].get("commands", [])
    modules = {command["python_name"].partition(":")[0] for command in commands}
    assert {module for module in modules if importlib.util.find_spec(module) is None} == set()


def test_installed_package_announces_the_manifest() -> None:
    (entry,) = entry_points(group="napari.manifest", name="zvview")
    assert entry.value == "zvview:napari.yaml"


def test_top_level_manifest_is_a_relative_link_to_the_one_in_the_package() -> None:
    assert TOP.is_symlink()
    assert TOP.readlink() == Path("src/zvview/napari.yaml")


def test_samples_of_the_manifest_are_those_that_there_are(manifest: dict[str, Any]) -> None:
    announced = {entry["key"]: entry for entry in manifest["contributions"]["sample_data"]}
    assert [(key, entry["display_name"]) for key, entry in announced.items()] == [(s.name, s.title) for s in SAMPLES]
    (reader,) = (r for r in manifest["contributions"]["readers"] if r["command"] == "zvview.get_sample_reader")
    for key, entry in announced.items():
        assert entry["uri"].endswith(f"/{key}") and entry["reader_plugin"] == "zvview"
        assert fnmatch(entry["uri"], reader["filename_patterns"][0])
