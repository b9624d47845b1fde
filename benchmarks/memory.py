"""Peak memory of reading a whole level, against the size of the result. ``python benchmarks/memory.py``.

Each read runs in a process of its own, which first reads a tiny store of the same kind, so that imports and caches are
paid. The peak is the kernel's high-water mark of that process (``VmHWM``; ``ru_maxrss`` would inherit the parent's)
minus what was resident before the read. Several sizes tell the constant part from the part that grows. Linux only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from geometry import mesh, streamlines, uniform_points
from harness import Claim, save

import zvview

MB = 1e6
CASES: dict[str, tuple[Callable[[int], zvview.Batch], tuple[int, ...], str]] = {
    "points, raw": (uniform_points, (500_000, 2_000_000, 8_000_000), "raw"),
    "points, zstd": (uniform_points, (500_000, 2_000_000, 8_000_000), "zstd"),
    "streamlines": (streamlines, (10_000, 40_000, 160_000), "raw"),
    "mesh": (mesh, (250, 500, 1000), "raw"),
}


def resident() -> tuple[int, int]:
    """Resident memory of this process now and at its highest, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    found = {key: value for key, _, value in (line.partition(":") for line in lines)}
    now, highest = (int(found[key].split()[0]) * 1024 for key in ("VmRSS", "VmHWM"))
    return now, highest


def child(tiny: str, place: str) -> None:
    """Read `tiny`, then measure a read of `place`; prints growth of the peak and size of the result."""
    with zvview.open(tiny) as store:
        store.level(0).read()
    before, _ = resident()
    with zvview.open(place) as store:
        batch = store.level(0).read()
        _, highest = resident()
    print(json.dumps([highest - before, batch.nbytes]))


def measure(tiny: str, place: str) -> tuple[int, int]:
    """Growth of the peak and size of the result, in a fresh process."""
    run = [sys.executable, __file__, tiny, place]
    grown, size = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    return grown, size


def claim(folder: str, name: str) -> Claim:
    """The ratio at the largest size, and the constant of a line through all."""
    make, sizes, codec = CASES[name]
    places = []
    for size in (min(sizes) // 50, *sizes):
        place = str(Path(folder, f"{name.replace(', ', '_')}_{size}"))
        batch = make(size)
        zvview.create(place, kind=batch.kind, codec=codec).write(batch)
        places.append(place)
    peaks, results = np.array([measure(places[0], place) for place in places[1:]]).T
    slope, constant = np.polyfit(results, peaks, 1)
    ratios = ", ".join(f"{p / r:.2f} x of {r / MB:.0f} MB" for p, r in zip(peaks, results, strict=True))
    how = f"{ratios}; {slope:.2f} x + {constant / MB:.0f} MB"
    facts = {"result_bytes": results.tolist(), "peak_bytes": peaks.tolist()}
    return Claim(f"peak of a whole read, {name}", peaks[-1] / results[-1], 2.5, bound="at most", how=how, facts=facts)


def main() -> None:
    """Measure every kind, or be the process that is measured."""
    if len(sys.argv) == 3:
        child(*sys.argv[1:])
        return
    with tempfile.TemporaryDirectory() as folder:
        save("memory", [claim(folder, name) for name in CASES])


if __name__ == "__main__":
    main()
