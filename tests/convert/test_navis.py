"""Real neurons three ways, and the neuropil around them, as one collection in one frame, by one command."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import zvview
from zvview.cli.app import app
from zvview.convert.obj_lines import parse_lines

VOXEL = 8.0


@pytest.fixture(scope="module")
def navis(package_data: Callable[..., Path]) -> Path:
    return package_data("navis", "data")


@pytest.fixture(scope="module")
def brain(navis: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    place = tmp_path_factory.mktemp("navis") / "hemibrain.zarr"
    inputs = {
        "neurons": navis / "swc",
        "surfaces": navis / "obj",
        "synapses": navis / "synapses",
        "neuropil": navis / "volumes" / "neuropil.obj",
    }
    words = ["convert", *(f"{name}={path}" for name, path in inputs.items()), str(place)]
    told = CliRunner().invoke(
        app, [*words, "--unit", "nanometer", "--scale", "8", "--column", "synapses:object_id=file"]
    )
    assert told.exit_code == 0, told.output
    opened: Any = zvview.open(place)
    return dict(opened.items())


def ids_of(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in folder.iterdir() if path.stem.isdecimal())


def test_all_are_in_one_frame_and_neurons_have_one_id(brain: Mapping[str, Any], navis: Path) -> None:
    assert {name: store.kind for name, store in brain.items()} == {
        "neurons": "skeleton",
        "surfaces": "mesh",
        "synapses": "point_cloud",
        "neuropil": "mesh",
    }
    for store in brain.values():
        assert [(axis.name, axis.unit) for axis in store.axes] == [(name, "nanometer") for name in "xyz"]
    for name in ("neurons", "surfaces", "synapses"):
        assert brain[name].level(0).object_ids.tolist() == ids_of(navis / "swc")
    bounds = {name: np.array(store.bounds) for name, store in brain.items()}
    for name in ("surfaces", "synapses"):
        assert np.abs(bounds[name] - bounds["neurons"]).max() < 2_000, "a quarter of a percent of the neurons' extent"
    lo, hi = bounds["neuropil"]
    assert (bounds["neurons"] >= lo - 2_000).all() and (bounds["neurons"] <= hi + 2_000).all()


def test_every_vertex_and_face_is_there(brain: Mapping[str, Any], navis: Path) -> None:
    for number in ids_of(navis / "swc"):
        rows = np.loadtxt(navis / "swc" / f"{number}.swc")
        batch = brain["neurons"].level(0).read_objects([number])
        order = np.argsort(batch.attributes["swc_id"])
        assert np.allclose(batch.positions[order], rows[:, 2:5] * VOXEL, rtol=1e-6)
        assert np.allclose(batch.attributes["radius"][order], rows[:, 5] * VOXEL, rtol=1e-6)
        content = parse_lines((navis / "obj" / f"{number}.obj").read_bytes(), "obj")
        mesh = brain["surfaces"].level(0).read_objects([number])
        wanted = content.positions * VOXEL
        assert mesh.positions.dtype == np.float64, "their eight decimals are more than float32 holds"
        assert sorted(map(tuple, mesh.positions.tolist())) == sorted(map(tuple, wanted.tolist()))
        corners = content.corners.reshape(-1, 3)
        assert np.allclose(mesh.positions[mesh.faces].sum(axis=(0, 1)), wanted[corners].sum(axis=(0, 1)))
        assert len(mesh.faces) == len(corners)
        with (navis / "synapses" / f"{number}.csv").open(newline="") as file:
            synapses = list(csv.DictReader(file))
        points = brain["synapses"].level(0).read_objects([number])
        assert len(points) == len(synapses)
        assert sorted(points.labels("type")) == sorted(row["type"] for row in synapses)
        assert np.array_equal(
            np.sort(points.positions[:, 0]), np.sort([float(row["x"]) * VOXEL for row in synapses]).astype("f4")
        )


def test_synapses_lie_on_their_neurons(brain: Mapping[str, Any]) -> None:
    for number in brain["synapses"].level(0).object_ids.tolist():
        nodes = brain["neurons"].level(0).read_objects([number]).positions.astype(float)
        points = brain["synapses"].level(0).read_objects([number]).positions[::50].astype(float)
        nearest = np.linalg.norm(points[:, None] - nodes[None], axis=2).min(axis=1)
        assert np.median(nearest) < 1_000, "nanometres"


def test_nothing_is_damaged(brain: Mapping[str, Any]) -> None:
    for store in brain.values():
        assert zvview.check(store.place).ok
