"""Exports for Neuroglancer: a whole store of ten million points, again with nothing changed, and after an edit.

``python benchmarks/neuroglancer_export.py [FOLDER]``: the store is grown from filaments and kept in FOLDER, where
``points_10m.zarrvectors`` of ``napari_browse.py`` serves as well; it is read only.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from grown import grow_store
from harness import Claim, save

import zvview
from zvview.neuroglancer.exporting.exporting import Exported, export
from zvview.pyramid import build_pyramid

POINTS, WORKERS = 10_000_000, 2


def store_in(folder: Path) -> Path:
    """The place of the store with its levels; made where it is not there."""
    place = folder / "points_10m.zarrvectors"
    if not place.exists():
        part = folder / "points_10m.part.zarrvectors"
        shutil.rmtree(part, ignore_errors=True)
        grow_store(str(part), POINTS)
        build_pyramid(part)
        part.rename(place)
    return place


def measured(place: Path, out: Path, **options: Any) -> tuple[Exported, float, float]:
    """What an export came to, its seconds, and its CPU seconds in all processes."""
    before, start = os.times(), time.perf_counter()
    done = export(place, out, **options)
    wall, after = time.perf_counter() - start, os.times()
    return done, wall, sum(after[:4]) - sum(before[:4])


def main() -> None:
    """Measure, and write the results."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        place, out = store_in(folder), Path(scratch) / "out"
        with zvview.open(place) as store:
            count = int(store.count_vertices(0).sum())  # type: ignore[union-attr]
        done, wall, cpu = measured(place, out, format="sharded", workers=WORKERS)
        facts = {"wall_s": wall, "cpu_s": cpu, "files": done.files, "bytes": done.nbytes}
        claims = [
            Claim("points exported into shards by two processes", count / wall / 1e6, 1.0, "M/s",
                  how=f"{count:,} points in {wall:.1f} s, {cpu:.1f} s of CPU", facts=facts),
            Claim("files for 10,000 points", done.files / count * 1e4, 1.0, "files", "at most",
                  how=f"{done.files:,} files"),
            Claim("bytes for a point, its list and its id", done.nbytes / count, unit="bytes", bound="at most",
                  how=f"{done.nbytes / 1e6:.0f} MB"),
        ]  # fmt: skip
        again, wall, cpu = measured(place, out, format="sharded", workers=WORKERS)
        assert again.written == 0
        claims.append(Claim("again with nothing changed", wall, unit="s", bound="at most", how="nothing written"))
        copy = Path(scratch) / "copy.zarrvectors"
        shutil.copytree(place, copy)
        export(copy, out, format="sharded", workers=WORKERS)
        with zvview.open(copy) as store, store.edit() as edit:  # type: ignore[union-attr]
            some = store.level(store.levels[-1]).read().positions[0]  # type: ignore[union-attr]
            found = edit.find(box=(some - 1, some + 1))
            edit.move(found.take(np.arange(1)), found.positions[:1] + 0.001)
        changed, wall, cpu = measured(copy, out, format="sharded", workers=WORKERS)
        how = f"{changed.written} of {changed.files} files written, {cpu:.1f} s of CPU"
        claims.append(Claim("again after one point was moved", wall, unit="s", bound="at most", how=how))
        for form in ("directory", "zip"):
            other = Path(scratch) / f"out.{form}"
            done, wall, cpu = measured(place, other, format=form, workers=WORKERS)
            how = f"{done.files:,} files in {wall:.1f} s, {cpu:.1f} s of CPU"
            claims.append(Claim(f"points exported, {form}", count / wall / 1e6, unit="M/s", how=how))
            shutil.rmtree(other) if form == "directory" else other.unlink()
    save("neuroglancer_export", claims)


if __name__ == "__main__":
    main()
