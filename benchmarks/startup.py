"""How long one waits before anything is seen: the import, and ``zvview info``. ``python benchmarks/startup.py``.

Every time is that of fresh interpreters, with compiled bytecode on disk, as a user meets them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import Claim, save, timed

import zvview

RUNS = 10
IMPORT = "import time; start = time.perf_counter(); import zvview; print(time.perf_counter() - start)"
# The command as the installed script runs it, timed inside its process, imports apart.
INFO = """
import sys, time
from zvview.cli import main
sys.argv = ["zvview", "info", sys.argv[1]]
start = time.perf_counter()
try:
    main()
finally:
    print(time.perf_counter() - start, file=sys.stderr)
"""


def import_time() -> Claim:
    """``import zvview``, measured in the interpreter that does it."""
    found = [float(subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True).stdout)]
    while len(found) <= RUNS:  # the first may compile, and does not count
        found.append(float(subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True).stdout))
    median = statistics.median(found[1:])
    return Claim("import zvview in a fresh interpreter", median, 0.5, "s", "at most", how=f"median of {RUNS}")


def info_time(folder: str) -> list[Claim]:
    """``zvview info`` on a store of 100,000 chunks, none of them in shards."""
    place = str(Path(folder, "many_chunks"))
    write_many_chunks(place)
    inner, outer = [], []
    for _ in range(RUNS // 2 + 1):
        start = time.perf_counter()
        run = subprocess.run([sys.executable, "-c", INFO, place], check=True, capture_output=True, text=True)
        outer.append(time.perf_counter() - start)
        inner.append(float(run.stderr.split()[-1]))
    assert "100,000" in run.stdout or "100000" in run.stdout, run.stdout
    whole, own = statistics.median(outer[1:]), statistics.median(inner[1:])
    how = f"{timed(own)} once imported"
    name = "zvview info, 100,000 chunks"
    return [
        Claim(f"{name}, the command itself", own, 1.0, "s", "at most", how="without interpreter and imports"),
        Claim(f"{name}, from a cold interpreter", whole, None, "s", "at most", how=how),
    ]


def write_many_chunks(place: str) -> None:
    """One point in each of 100,000 chunks of a plane."""
    row = np.arange(100_000)
    positions = np.stack((row % 400, row // 400), axis=1) + 0.5
    new = zvview.create(place, kind="point_cloud", chunk_shape=(1, 1), shards=False, codec="raw")
    new.write(zvview.Points(positions.astype(np.float32)))
    assert len(new.level(0).chunks) == 100_000


def main() -> None:
    """Measure the import and the command."""
    with tempfile.TemporaryDirectory() as folder:
        save("startup", [import_time(), *info_time(folder)])


if __name__ == "__main__":
    main()
