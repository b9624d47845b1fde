"""Foreign files to stores, TRK against the peer's converter. ``python benchmarks/convert.py``.

The streamlines are the 300 of the fornix that dipy ships, each repeated with a shift of its own. Both converters write
a folder; before anything is timed the two stores are compared with what nibabel reads, and the file that ours gives
back with the file that went in.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import nibabel as nib
import numpy as np
from harness import Claim, in_turns, save, timed, versus
from real_files import package_file
from zarr_vectors_tools.convert.ingest.swc import ingest_swc
from zarr_vectors_tools.convert.ingest.trk import ingest_trk

import zvview
from zvview.convert.converting import convert

STREAMLINES = 100_000
NEURONS = 200
ROUNDS = 3
CHUNK = (20.0, 20.0, 20.0)  # what ours chooses for these streamlines; the peer must be told one
OBLIQUE = np.array([[-1.98, 0.12, 0.2, 173], [0.1, 1.97, -0.3, 11], [-0.21, 0.28, 1.96, -26], [0, 0, 0, 1]])


def grow(folder: Path, name: str, affine: np.ndarray, *, has_values: bool) -> Path:
    """A TRK file of many streamlines in the space of `affine`."""
    rng = np.random.default_rng(7)
    seed = nib.streamlines.load(package_file("dipy", "data", "files", "tracks300.trk")).streamlines
    shifts = rng.normal(0, 8, (STREAMLINES, 1, 3))
    lines = [(seed[i % len(seed)] + shifts[i]).astype(np.float32) for i in range(STREAMLINES)]
    values = {"fa": [rng.random((len(line), 1), np.float32) for line in lines]} if has_values else {}
    means = {"length": rng.random((STREAMLINES, 1)).astype(np.float32)} if has_values else {}
    tractogram = nib.streamlines.Tractogram(
        lines, data_per_point=values, data_per_streamline=means, affine_to_rasmm=np.eye(4)
    )
    header = {"voxel_to_rasmm": affine, "voxel_sizes": np.linalg.norm(affine[:3, :3], axis=0), "dimensions": (128,) * 3}
    header["voxel_order"] = "".join(nib.aff2axcodes(affine))
    path = folder / f"{name}.trk"
    nib.streamlines.save(tractogram, str(path), header=header)
    return path


def measure_trk(folder: Path, path: Path, asked: float | None, what: str) -> Iterator[Claim]:
    """Time of both converters, and of the way back."""
    fresh = (folder / f"{path.stem}_{number}" for number in count())

    def ours() -> Path:
        place = next(fresh)
        convert(str(path), place)
        return place

    def peer() -> Path:
        place = next(fresh)
        ingest_trk(path, place, CHUNK)
        return place

    def back() -> Path:
        place = next(fresh).with_suffix(".trk")
        convert(str(made), place)
        return place

    def load() -> object:
        return nib.streamlines.load(path)

    made, other = ours(), peer()
    truth = nib.streamlines.load(path).streamlines
    for place in (made, other):
        level = zvview.open(place).level(0)
        if not np.array_equal(level.read_objects(level.object_ids).positions, truth._data):
            raise SystemExit(f"{place.name} holds other positions than {path.name}")
    if back().read_bytes() != path.read_bytes():
        raise SystemExit(f"{path.name} does not come back byte for byte")
    vertices = len(truth._data)
    del truth
    mine, theirs, written, loaded = in_turns(ROUNDS, ours, peer, back, load)
    yield versus(f"{what}: TRK to store", asked, mine, theirs, vertices=vertices)
    yield versus(f"{what}: TRK to store, against nibabel only reading", None, mine, loaded)
    yield Claim(f"{what}: store to TRK, byte-equal", written, unit="s", bound="at most", how=timed(written))


def measure_swc(folder: Path) -> Iterator[Claim]:
    """Nodes a second of a folder of neurons, and one neuron against the peer, which reads one file a call."""
    seeds = sorted(package_file("navis", "data", "swc").glob("*.swc"))
    neurons = folder / "neurons"
    neurons.mkdir()
    for number in range(NEURONS):
        (neurons / f"{10_000 + number}.swc").write_bytes(seeds[number % len(seeds)].read_bytes())
    fresh = (folder / f"swc_{number}" for number in count())

    def many() -> Path:
        place = next(fresh)
        convert(str(neurons), place)
        return place

    def one() -> None:
        convert(str(seeds[0]), next(fresh))

    def peer() -> None:
        ingest_swc(seeds[0], next(fresh), (4000.0,) * 3)

    nodes = zvview.open(many()).level(0).vertex_count
    all_of_them, single, theirs = in_turns(ROUNDS, many, one, peer)
    how = f"{nodes} nodes of {NEURONS} files in {timed(all_of_them)}"
    yield Claim("SWC folder to store", nodes / all_of_them / 1e6, unit="M nodes/s", how=how)
    yield versus("one SWC file to store", None, single, theirs)


def main() -> None:
    """Measure plain streamlines, oblique ones with values, and neurons."""
    warnings.simplefilter("ignore")  # the peer's
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = grow(folder, "plain", np.eye(4), has_values=False)
        oblique = grow(folder, "oblique", OBLIQUE, has_values=True)
        claims = [*measure_trk(folder, plain, 3, f"{STREAMLINES} streamlines")]
        claims += measure_trk(folder, oblique, 3, f"{STREAMLINES} streamlines, oblique, with values")
        claims += measure_swc(folder)
        save("convert", claims)


if __name__ == "__main__":
    main()
