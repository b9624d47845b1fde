"""A first look at zvview on real data: five neurons three ways, and a fibre tract.

Makes a collection of stores from the hemibrain neurons that the navis wheel carries (skeletons, meshes, synapses and
the neuropil around them; Scheffer et al., eLife 2020) and a store from the fornix streamlines of the dipy wheel, checks
them, reads a box of each, and draws what was read.

    python demos/first_look.py [folder]
"""

from __future__ import annotations

import csv
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl
import nibabel
import numpy as np
from matplotlib import pyplot
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import zvview

mpl.use("Agg")

T = TypeVar("T")
VOXEL = [{"name": n, "type": "space", "unit": "nanometer"} for n in "xyz"]
NM_PER_VOXEL = 8.0  # the hemibrain's voxels
HALF_BOX = 6_000.0  # nanometres
console = Console(width=110)


def data_of(package: str) -> Path:
    """The folder of an installed package, which is not imported: only its data files are read."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"the data of {package} are missing: run 'make demo', or pip install --no-deps {package}")
    return Path(spec.submodule_search_locations[0])


def timed(what: str, call: Callable[[], T]) -> T:
    start = time.perf_counter()
    out = call()
    console.print(f"  {what}: {1e3 * (time.perf_counter() - start):.1f} ms")
    return out


def read_swc(path: Path) -> NDArray[np.float64]:
    """Rows of an SWC file: id, label, x, y, z, radius, parent."""
    return np.loadtxt(path, comments="#", ndmin=2)


def read_obj(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices and triangles of an OBJ file."""
    lines = [line.split() for line in path.read_text().splitlines()]
    vertices = np.array([line[1:4] for line in lines if line[:1] == ["v"]], float)
    faces = [[int(corner.split("/")[0]) - 1 for corner in line[1:4]] for line in lines if line[:1] == ["f"]]
    return vertices, np.array(faces)


def read_neurons(folder: Path) -> zvview.Skeletons:
    positions, parents, radii, labels, offsets, ids = [], [], [], [], [0], []
    for path in sorted(folder.glob("swc/*.swc"), key=lambda p: int(p.stem)):
        rows = read_swc(path)
        place = {int(number): i for i, number in enumerate(rows[:, 0])}
        parents += [offsets[-1] + place[int(p)] if int(p) in place else -1 for p in rows[:, 6]]
        positions.append(rows[:, 2:5] * NM_PER_VOXEL)
        radii.append(rows[:, 5] * NM_PER_VOXEL)
        labels.append(rows[:, 1])
        offsets.append(offsets[-1] + len(rows))
        ids.append(int(path.stem))
    attributes = {"radius": np.concatenate(radii).astype("f4"), "label": np.concatenate(labels).astype("u1")}
    return zvview.Skeletons.from_parents(
        np.concatenate(positions), parents, offsets=np.array(offsets), object_ids=np.array(ids), attributes=attributes
    )


def read_meshes(paths: list[Path], ids: list[int]) -> zvview.Mesh:
    positions, faces, offsets = [], [], [0]
    for path in paths:
        vertices, triangles = read_obj(path)
        positions.append(vertices * NM_PER_VOXEL)
        faces.append(triangles + offsets[-1])
        offsets.append(offsets[-1] + len(vertices))
    return zvview.Mesh(
        np.concatenate(positions), offsets=np.array(offsets), object_ids=np.array(ids), faces=np.concatenate(faces)
    )


def read_synapses(folder: Path) -> zvview.Points:
    rows: list[dict[str, str]] = []
    for path in sorted(folder.glob("synapses/*.csv"), key=lambda p: int(p.stem)):
        with path.open(newline="") as file:
            rows += [row | {"neuron": path.stem} for row in csv.DictReader(file)]
    return zvview.Points(
        np.array([[row[axis] for axis in "xyz"] for row in rows], float) * NM_PER_VOXEL,
        attributes={
            "type": np.array([row["type"] for row in rows], object),
            "roi": np.array([row["roi"] or None for row in rows], object),
            "confidence": np.array([row["confidence"] for row in rows], "f4"),
        },
        object_ids=np.array([int(row["neuron"]) for row in rows]),
    )


def read_tract(path: Path) -> zvview.Streamlines:
    lines = nibabel.streamlines.load(path).streamlines
    return zvview.Streamlines.from_list([np.asarray(line, "f4") for line in lines])


def make_stores(folder: Path) -> None:
    navis, dipy = data_of("navis") / "data", data_of("dipy") / "data" / "files"
    neurons = read_neurons(navis)
    with zvview.create_collection(folder / "hemibrain.zarr", mode="w") as brain:
        types = {"DA1_lPN_R": neurons.object_ids}
        brain.create("neurons", kind="skeleton", axes=VOXEL).write(neurons, groups=types)
        meshes = read_meshes(sorted(navis.glob("obj/*.obj"), key=lambda p: int(p.stem)), sorted(neurons.object_ids))
        brain.create("surfaces", kind="mesh", axes=VOXEL).write(meshes)
        brain.create("synapses", kind="point_cloud", axes=VOXEL).write(read_synapses(navis))
        brain.create("neuropil", kind="mesh", axes=VOXEL).write(read_meshes([navis / "volumes/neuropil.obj"], [0]))
    tract = read_tract(dipy / "tracks300.trk")
    millimetres = [{"name": n, "type": "space", "unit": "millimeter"} for n in "xyz"]
    lengths = [float(np.linalg.norm(np.diff(tract.positions[a:b], axis=0), axis=1).sum()) for a, b in spans(tract)]
    zvview.create(folder / "fornix.zarrvectors", kind="streamline", axes=millimetres, mode="w").write(
        tract, object_attributes={"length": np.array(lengths, "f4")}
    )


def spans(batch: Any) -> list[tuple[int, int]]:
    return list(zip(batch.offsets[:-1].tolist(), batch.offsets[1:].tolist(), strict=True))


def describe(stores: dict[str, zvview.Store]) -> None:
    table = Table("store", "kind", "vertices", "objects", "chunks", "attributes")
    for name, store in stores.items():
        level = store.level(0)
        ids = level.object_ids
        objects = "-" if ids is None else f"{len(ids):,}"
        attributes = ", ".join(level.attribute_names)
        table.add_row(name, store.kind, f"{level.vertex_count:,}", objects, str(len(level.chunks)), attributes)
    console.print(table)


def draw(brain: zvview.Collection, tract: zvview.Store, path: Path) -> None:
    """The neurons with synapses and neuropil, a box of them cut out exactly, and the tract coloured by direction."""
    figure = pyplot.figure(figsize=(15, 5.2), facecolor="black")
    whole, cut, fibres = (figure.add_subplot(1, 3, i + 1, facecolor="black") for i in range(3))
    shown = brain["neuropil"].level(0).read()
    whole.triplot(*shown.positions[:, :2].T, shown.faces, color="white", linewidth=0.1, alpha=0.25)
    neurons = brain["neurons"].level(0).read()
    draw_skeletons(whole, neurons)
    points = brain["synapses"].level(0).read(attributes=["type"])
    colours = np.where(points.labels("type") == "pre", "#ffd92f", "#66c2a5")
    whole.scatter(*points.positions[:, :2].T, s=0.4, c=colours, linewidths=0)
    lo, hi = neurons.positions.min(axis=0), neurons.positions.max(axis=0)
    margin = 0.25 * (hi - lo).max()
    whole.set(xlim=(lo[0] - margin, hi[0] + margin), ylim=(lo[1] - margin, hi[1] + margin))
    whole.set_title("hemibrain: 5 neurons, their synapses, the neuropil", color="white")
    centre = np.median(points.positions, axis=0)
    box = (centre - HALF_BOX, centre + HALF_BOX)
    draw_skeletons(cut, brain["neurons"].level(0).read(box))
    surface = brain["surfaces"].level(0).read(box)
    cut.triplot(*surface.positions[:, :2].T, surface.faces, color="white", linewidth=0.15, alpha=0.3)
    near = brain["synapses"].level(0).read(box)
    near_colours = np.where(near.labels("type") == "pre", "#ffd92f", "#66c2a5")
    cut.scatter(*near.positions[:, :2].T, s=3, c=near_colours, linewidths=0)
    cut.set_title("a box of it, cut exactly", color="white")
    lines = tract.level(0).read()
    steps = lines.positions[lines.segments]
    direction = np.abs(steps[:, 1] - steps[:, 0])
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    fibres.add_collection(mpl.collections.LineCollection(list(steps[:, :, 1:]), colors=direction, linewidths=0.5))
    fibres.autoscale()
    fibres.set_title("fornix: 300 streamlines by direction", color="white")
    for axes in (whole, cut, fibres):
        axes.set_aspect("equal")
        axes.set_axis_off()
    for axes in (whole, cut):
        axes.invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def draw_skeletons(axes: Any, batch: zvview.Skeletons) -> None:
    colours = mpl.colormaps["tab10"](np.unique(batch.vertex_object_ids, return_inverse=True)[1])
    segments = mpl.collections.LineCollection(
        list(batch.positions[batch.edges][:, :, :2]), colors=colours[batch.edges[:, 0]], linewidths=0.7
    )
    axes.add_collection(segments)
    axes.autoscale()


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output")
    folder.mkdir(parents=True, exist_ok=True)
    console.print("making stores from real neurons, synapses, surfaces and streamlines")
    timed("read the files and write five stores", lambda: make_stores(folder))
    brain, tract = zvview.open(folder / "hemibrain.zarr"), zvview.open(folder / "fornix.zarrvectors")
    assert isinstance(brain, zvview.Collection)
    assert isinstance(tract, zvview.Store)
    stores = {**{f"hemibrain.zarr/{name}": store for name, store in brain.items()}, "fornix.zarrvectors": tract}
    describe(stores)
    for place in (folder / "hemibrain.zarr", folder / "fornix.zarrvectors"):
        findings = timed(f"check {place.name}", lambda place=place: zvview.check(place))  # type: ignore[misc]
        console.print(f"  {'sound' if findings.ok else 'damaged'}: {len(list(findings))} findings")
    synapses = brain["synapses"].level(0).read()
    centre = np.median(synapses.positions, axis=0)
    box = (centre - HALF_BOX, centre + HALF_BOX)
    for name, store in brain.items():
        batch = timed(f"box of 12 um of {name}", lambda store=store: store.level(0).read(box))  # type: ignore[misc]
        console.print(f"    {batch!r}")
    neuron = int(brain["neurons"].level(0).object_ids[0])
    one = timed(f"neuron {neuron} alone", lambda: brain["neurons"].level(0).read_objects([neuron]))
    console.print(f"    {one!r}")
    draw(brain, tract, folder / "first_look.png")
    console.print(f"the picture is in {folder / 'first_look.png'}; the stores stand beside it. Try:")
    console.print(f"  .venv/bin/zvview info {folder / 'fornix.zarrvectors'}")


if __name__ == "__main__":
    main()
