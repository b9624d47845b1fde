"""Making all coarse levels: speed, memory and bytes, against the reference library and its tools.

``python benchmarks/pyramid.py`` measures up to 10 million points; ``python benchmarks/pyramid.py large`` 100 million as
well, which takes minutes and 8 GB of disk. Builds run in processes of their own, so that the kernel's high-water mark
(``VmHWM``) tells the peak of each. Linux only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from geometry import mesh, peer_write, streamlines, uniform_points
from grown import grow_store
from harness import Claim, save, timed, versus
from memory import resident

import zvview
from zvview.pyramid.build import build_pyramid
from zvview.pyramid.design import PyramidOptions

MB = 1e6
ROUNDS = 3  # of each, in turns


def child(place: str, workers: int) -> None:
    """Build the pyramid of `place`; prints seconds, peak of memory and counts."""
    start = time.perf_counter()
    built = build_pyramid(place, PyramidOptions(), workers=workers)
    seconds = time.perf_counter() - start
    print(json.dumps([seconds, resident()[1], [b.vertex_count for b in built]]))


def build(place: str, workers: int = 0) -> tuple[float, int, list[int]]:
    """The same in a fresh process."""
    run = [sys.executable, __file__, "build", place, str(workers)]
    seconds, peak, counts = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    return seconds, peak, counts


def peer_points(place: str) -> float:
    """Seconds of the reference library's pyramid with as many levels."""
    import zarr_vectors

    store = zarr_vectors.open(place, mode="r+")
    start = time.perf_counter()
    store.build_pyramid(factors=[(8.0, 1.0), (8.0, 1.0)])
    return time.perf_counter() - start


def peer_mesh(place: str) -> float:
    """Seconds of zarr-vectors-tools' mesh pyramid with as many levels."""
    from zarr_vectors_tools.multiresolution.coarsen import build_pyramid as build_peer

    start = time.perf_counter()
    build_peer(place, factors=[(6.0, 1.0)] * 3)
    return time.perf_counter() - start


def write(place: str, batch: zvview.Batch, **options: Any) -> None:
    """A store of one batch."""
    store = zvview.create(place, kind=batch.kind, **options)
    store.write(batch)
    store.close()


def bytes_of(place: str) -> tuple[int, int]:
    """Bytes of level 0 and of all coarse levels."""
    sizes = {p.name: sum(f.stat().st_size for f in p.rglob("*") if f.is_file()) for p in Path(place).iterdir()}
    return sizes["0"], sum(size for name, size in sizes.items() if name.isdigit() and name != "0")


def grown(folder: str, millions: int) -> list[Claim]:
    """Speed, memory and bytes on points along filaments with a thin background."""
    place = f"{folder}/grown"
    start = time.perf_counter()
    grow_store(place, millions * 1_000_000)
    written = time.perf_counter() - start
    seconds, peak, counts = build(place)
    fine, coarse = bytes_of(place)
    shutil.rmtree(place)
    name = f"{millions} M points along filaments"
    how = f"{timed(seconds)}; levels of {', '.join(f'{n:,}' for n in counts)}"
    facts = {"counts": counts, "bytes": [fine, coarse], "write_seconds": written}
    return [
        Claim(
            f"{name}: level-0 vertices per second",
            millions / seconds,
            5.0 if millions > 1 else None,  # a fifth of a second goes to folders and their sync, whatever the size
            unit="M/s",
            how=how,
            facts=facts,
        ),
        Claim(
            f"{name}: vertices per second when the store is written",
            millions / written,
            unit="M/s",
            how=f"{timed(written)}, making the points included",
        ),
        Claim(f"{name}: peak memory", peak / MB, 1000.0, unit="MB", bound="at most", how="one process"),
        Claim(
            f"{name}: bytes of all coarse levels",
            coarse / fine,
            0.35,
            bound="at most",
            how=f"{coarse / MB:.0f} of {fine / MB:.0f} MB",
        ),
    ]


def against(
    name: str, asked: float | None, folder: str, batch: zvview.Points | zvview.Mesh, peer: Callable[[str], float]
) -> Claim:
    """Both on copies of one store that the reference library wrote in 8 x 8 x 8 chunks.

    Copies are on disk before they are measured, and stay until the end: a disk that still writes, and folders that
    were just removed, make whatever comes next slow.
    """
    stores = Path(folder) / "against"
    peer_write(str(stores / "original"), batch)
    runs: dict[str, Callable[[str], float]] = {"own": lambda place: build(place)[0], "peer": peer}
    times: dict[str, list[float]] = {"own": [], "peer": []}
    for turn in range(ROUNDS):
        for side, run in runs.items():
            place = shutil.copytree(stores / "original", stores / f"{side}_{turn}")
            os.sync()
            times[side].append(run(str(place)))
    shutil.rmtree(stores)
    return versus(name, asked, *(float(np.median(t)) for t in times.values()))


def lines(folder: str) -> Claim:
    """Speed on streamlines."""
    batch = streamlines(100_000)
    write(f"{folder}/lines", batch)
    seconds, peak, counts = build(f"{folder}/lines")
    how = f"{len(batch):,} vertices in {timed(seconds)}, peak {peak / MB:.0f} MB; levels of {counts}"
    return Claim("streamlines: level-0 vertices per second", len(batch) / seconds / 1e6, 1.0, unit="M/s", how=how)


def main() -> None:
    """Measure all, or be the process that is measured."""
    if sys.argv[1:2] == ["build"]:
        child(sys.argv[2], int(sys.argv[3]))
        return
    warnings.simplefilter("ignore")  # zarr's, about a data type that the peer uses
    sizes = (1, 10, 100) if "large" in sys.argv[1:] else (1, 10)
    with tempfile.TemporaryDirectory() as folder:
        claims = [claim for millions in sizes for claim in grown(folder, millions)]
        surface = mesh(500)
        claims += [
            against("1 M points, two levels", None, folder, uniform_points(1_000_000), peer_points),
            against("10 M points, two levels", 10.0, folder, uniform_points(10_000_000), peer_points),
            lines(folder),
            against(f"mesh of {len(surface.faces):,} faces, three levels", 4.0, folder, surface, peer_mesh),
        ]
        save("pyramid", claims)


if __name__ == "__main__":
    main()
