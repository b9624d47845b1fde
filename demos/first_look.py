"""A first look at zvview on real data: five neurons three ways, bundles of nerve fibres, and their levels of detail.

Converts what the wheels of navis and dipy carry into stores with pyramids: hemibrain neurons as skeletons, surfaces and
synapses with the neuropil around them, one collection in one frame (Scheffer et al., eLife 2020); fifteen bundles of
streamlines, each a group; the fornix. Then checks the stores, reads parts of them, and draws what was read.

    python demos/first_look.py [folder]
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from look import draw
from rich.console import Console
from rich.table import Table

import zvview
from zvview.convert import Source, convert
from zvview.pyramid import PyramidOptions, build_pyramid

T = TypeVar("T")
NM_PER_VOXEL = 8.0  # the hemibrain's voxels, in which navis has its data
SMALL = PyramidOptions(target=2_500)  # these data are so small that a viewer would need no levels
console = Console(width=110)


def data_of(package: str) -> Path:
    """The folder of an installed package, which is not imported: only its data files are read."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"the data of {package} are missing: run 'make demo', or pip install --no-deps {package}")
    return Path(spec.submodule_search_locations[0]) / "data"


def timed(what: str, call: Callable[[], T]) -> T:
    start = time.perf_counter()
    out = call()
    console.print(f"  {what}: {1e3 * (time.perf_counter() - start):.1f} ms")
    return out


def make_stores(folder: Path) -> dict[str, zvview.Store]:
    """Convert all inputs, as ``zvview convert NAME=PATH ... OUT`` does."""
    navis, dipy = data_of("navis"), data_of("dipy") / "files"
    frame = {"unit": "nanometer", "scale": [NM_PER_VOXEL]}
    brain = [
        Source(str(navis / "swc"), "neurons", **frame),
        Source(str(navis / "obj"), "surfaces", **frame),
        Source(str(navis / "synapses"), "synapses", columns={"object_id": "file"}, **frame),
        Source(str(navis / "volumes" / "neuropil.obj"), "neuropil", **frame),
    ]
    inputs = {
        "hemibrain.zarr": brain,
        "bundles.zarrvectors": [Source(str(dipy / "minimal_bundles.zip"))],
        "fornix.zarrvectors": [Source(str(dipy / "tracks300.trk"))],
    }
    stores: dict[str, zvview.Store] = {}
    for name, sources in inputs.items():
        place = folder / name
        made = sources if len(sources) > 1 else sources[0]
        timed(
            f"convert {len(sources)} inputs to {name}, with pyramids",
            lambda made=made, place=place: convert(  # type: ignore[misc]
                made, place, mode="w", after=lambda store: build_pyramid(store, SMALL)
            ),
        )
        opened = zvview.open(place)
        found = {name: opened} if isinstance(opened, zvview.Store) else {f"{name}/{k}": s for k, s in opened.items()}
        stores |= found
    return stores


def describe(stores: dict[str, zvview.Store]) -> None:
    table = Table("store", "kind", "vertices of the levels", "objects", "groups", "attributes")
    for name, store in stores.items():
        level = store.level(0)
        counts = ", ".join(f"{store.level(k).vertex_count:,}" for k in store.levels)
        objects = "-" if level.object_ids is None else f"{len(level.object_ids):,}"
        groups = "-" if level.groups is None else str(len(level.groups))
        table.add_row(name, store.kind, counts, objects, groups, ", ".join(level.attribute_names))
    console.print(table)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output")
    folder.mkdir(parents=True, exist_ok=True)
    console.print("making stores from real neurons, synapses, surfaces and streamlines")
    stores = make_stores(folder)
    describe(stores)
    for name in dict.fromkeys(name.partition("/")[0] for name in stores):
        findings = timed(f"check {name}", lambda name=name: zvview.check(folder / name))  # type: ignore[misc]
        console.print(f"  {'sound' if findings.ok else 'damaged'}: {len(list(findings))} findings")
    brain = {name.partition("/")[2]: store for name, store in stores.items() if "/" in name}
    synapses = brain["synapses"].level(0).read()
    centre = np.median(synapses.positions[synapses.labels("roi") == "CA(R)"], axis=0)
    box = (centre - 6_000, centre + 6_000)
    for name, store in brain.items():
        batch = timed(f"box of 12 um of {name}", lambda store=store: store.level(0).read(box))  # type: ignore[misc]
        console.print(f"    {batch!r}")
    bundles = stores["bundles.zarrvectors"]
    group = timed("one bundle of 15", lambda: bundles.level(0).read(groups=["sub_1/CST_R"]))
    console.print(f"    {group!r}")
    draw(brain, box, bundles, stores["fornix.zarrvectors"], folder / "first_look.png")
    console.print(f"the picture is in {folder / 'first_look.png'}; the stores stand beside it. Try:")
    console.print(f"  .venv/bin/zvview info {folder / 'fornix.zarrvectors'}")


if __name__ == "__main__":
    main()
