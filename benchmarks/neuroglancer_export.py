"""Exports for Neuroglancer: ten million points, again with nothing changed, after an edit; meshes, lines, skeletons.

``python benchmarks/neuroglancer_export.py [FOLDER]``: the store is grown from filaments and kept in FOLDER, where
``points_10m.zarrvectors`` of ``napari_browse.py`` serves as well; it is read only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from geometry import streamlines
from grown import grow_store
from harness import Claim, save, table, timed
from memory import resident

import zvview
from zvview.neuroglancer.exporting.exporting import Exported, export
from zvview.pyramid import build_pyramid
from zvview.testing import make_batch, make_store

POINTS, FACES, SKELETONS, WORKERS = 10_000_000, 500_000, 10_000, 2


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


def point_claims(place: Path, scratch: Path) -> Iterator[Claim]:
    """Points in all formats, again, and after an edit."""
    out, copy = scratch / "out", scratch / "copy.zarrvectors"
    with zvview.open(place) as store:
        count = int(store.count_vertices(0).sum())  # type: ignore[union-attr]
    done, wall, cpu = measured(place, out, format="sharded", workers=WORKERS)
    facts = {"wall_s": wall, "cpu_s": cpu, "files": done.files, "bytes": done.nbytes}
    how = f"{count:,} points in {wall:.1f} s, {cpu:.1f} s of CPU"
    yield Claim("points exported into shards by two threads", count / wall / 1e6, 1.0, "M/s", how=how, facts=facts)
    how = f"{done.files:,} files"
    yield Claim("files for 10,000 points", done.files / count * 1e4, 1.0, "files", "at most", how=how)
    how = f"{done.nbytes / 1e6:.0f} MB"
    yield Claim("bytes for a point, its list and its id", done.nbytes / count, unit="bytes", bound="at most", how=how)
    again, wall, cpu = measured(place, out, format="sharded", workers=WORKERS)
    assert again.written == 0
    yield Claim("again with nothing changed", wall, unit="s", bound="at most", how="nothing written")
    shutil.copytree(place, copy)
    export(copy, out, format="sharded", workers=WORKERS)
    with zvview.open(copy) as store, store.edit() as edit:  # type: ignore[union-attr]
        some = store.level(store.levels[-1]).read().positions[0]  # type: ignore[union-attr]
        found = edit.find(box=(some - 1, some + 1))
        edit.move(found.take(np.arange(1)), found.positions[:1] + 0.001)
    changed, wall, cpu = measured(copy, out, format="sharded", workers=WORKERS)
    how = f"{changed.written} of {changed.files} files written, {cpu:.1f} s of CPU"
    yield Claim("again after one point was moved", wall, unit="s", bound="at most", how=how)
    for form in ("directory", "zip"):
        other = scratch / f"out.{form}"
        done, wall, cpu = measured(place, other, format=form, workers=WORKERS)
        how = f"{done.files:,} files in {wall:.1f} s, {cpu:.1f} s of CPU"
        yield Claim(f"points exported, {form}", count / wall / 1e6, unit="M/s", how=how)
        shutil.rmtree(other) if form == "directory" else other.unlink()


def mesh_claims(scratch: Path) -> list[Claim]:
    """Half a million faces in one surface without coarser levels, so that all of them are made."""
    place, out = scratch / "mesh.zarrvectors", scratch / "mesh_out"
    batch: Any = make_batch("mesh", FACES // 2, form="tori", n_objects=1, seed=1)
    with zvview.create(place, kind="mesh", axes="xyz", chunk_shape=(250,) * 3) as store:
        store.write(zvview.Mesh(batch.positions, faces=batch.faces, object_ids=np.array([1])))
    _, wall, cpu = measured(place, out)
    levels = int(np.frombuffer((out / "meshes" / "1.index").read_bytes(), "<u4")[6])
    size = sum((out / "meshes" / name).stat().st_size for name in ("1", "1.index"))
    legacy = 4 + 12 * len(batch.positions) + 12 * len(batch.faces)
    facts = {"wall_s": wall, "cpu_s": cpu, "faces": len(batch.faces), "levels": levels, "bytes": size}
    return [
        Claim(f"a mesh of {len(batch.faces):,} faces at {levels} levels", wall, 4.0, "s", "at most",
              how=f"{cpu:.1f} s of CPU, opening and reading included", facts=facts),
        Claim("its bytes, against those of a legacy mesh of one level", size / legacy, 1 / 3, bound="at most",
              how=f"{size / 1e6:.2f} MB, {legacy / 1e6:.1f} MB"),
    ]  # fmt: skip


def polylines(folder: Path) -> Claim:
    """Streamlines as lines, as skeletons and by id, all of it."""
    place = folder / "lines.zarrvectors"
    batch = streamlines(60_000)
    with zvview.create(place, kind=batch.kind) as store:
        store.write(batch)
    build_pyramid(place)
    done, wall, cpu = measured(place, folder / "lines", format="sharded", workers=WORKERS)
    how = f"{len(batch.positions):,} vertices in {wall:.1f} s, {cpu:.1f} s of CPU, {done.files} files"
    return Claim("vertices of streamlines exported", len(batch.positions) / wall / 1e6, 0.5, "M/s", how=how)


def peak(place: Path, folder: Path) -> Claim:
    """The highest memory of an export, beyond what its process held when it had exported little."""
    tiny = folder / "tiny.zarrvectors"
    make_store(tiny, "point_cloud", size=1000).close()
    run = [sys.executable, __file__, "--child", tiny, place, folder / "held"]
    grown, nbytes = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    how = f"for an export of {nbytes / 1e6:.0f} MB by two threads"
    return Claim("highest memory of the export", grown / 1e6, 1024.0, "MB", "at most", how=how)


def child(tiny: str, place: str, out: str) -> None:
    """Be the process whose memory is measured."""
    export(tiny, f"{out}.tiny", format="sharded", workers=WORKERS)
    before, _ = resident()
    done = export(place, out, format="sharded", workers=WORKERS)
    print(json.dumps([resident()[1] - before, done.nbytes]))


def skeletons(folder: Path) -> list[Claim]:
    """Ten thousand skeletons, all of their export; their bytes and times against those that zarr-vectors-tools takes.

    The peer writes skeletons and what is told of their objects, which here are compared by themselves: of each vertex
    the position, a radius and a type, and the edges. It writes the type as a byte, with which the client's shaders do
    not compile, so that nothing of it is drawn; ours is a float. Ours are compressed in their shards.
    """
    command, place, peer = os.environ.get("ZVTOOLS", "zvtools"), folder / "skeletons.zarrvectors", folder / "peer"
    make_store(place, "skeleton", size=100 * SKELETONS, n_objects=SKELETONS, seed=1).close()
    done, wall, cpu = measured(place, folder / "skeletons", format="sharded", workers=WORKERS)
    own = folder / "skeletons" / "skeletons"
    ours, files = bytes_in(own), sum(1 for path in own.rglob("*") if path.is_file())
    how = f"{SKELETONS:,} of 100 vertices with all nodes, edges and lists in {wall:.1f} s, {cpu:.1f} s of CPU, "
    how += f"{done.nbytes / 1e6:.0f} MB in {done.files} files"
    claims = [Claim("skeletons exported", SKELETONS / wall, 2000.0, "/s", how=how)]
    told = f"{ours / 1e6:.2f} MB in {files} files"
    if shutil.which(command) is None:
        missing = "bytes of skeletons; zarr-vectors-tools is not there to be compared with"
        return [*claims, Claim(missing, ours / 1e6, unit="MB", bound="at most", how=told)]
    start = time.perf_counter()
    convert = [command, "convert", place, peer, "--format", "precomputed", "--unit", "nm"]
    subprocess.run(convert, check=True, capture_output=True)
    seconds = time.perf_counter() - start
    theirs = bytes_in(peer / "skeletons")
    how = f"{told}; {theirs / 1e6:.2f} MB in {sum(1 for path in peer.rglob('*') if path.is_file()):,} files"
    speed = f"{timed(wall)}, nodes, edges and lists included, against {timed(seconds)} for skeletons only"
    return [
        *claims,
        Claim("skeletons exported, against zarr-vectors-tools", seconds / wall, how=speed),
        Claim("bytes of skeletons, against zarr-vectors-tools", ours / theirs, 1.0, bound="at most", how=how),
    ]


def bytes_in(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def all_claims(place: Path, scratch: Path) -> Iterator[Claim]:
    """Everything, one after the other."""
    yield from point_claims(place, scratch)
    yield from mesh_claims(scratch)
    yield peak(place, scratch)
    yield polylines(scratch)
    yield from skeletons(scratch)


def main() -> None:
    """Measure, and write the results."""
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
        return
    claims: list[Claim] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        for claim in all_claims(store_in(folder), Path(scratch)):
            claims.append(claim)
            print(table([claim]), flush=True)  # as it comes: a fault at the end leaves what was measured
    save("neuroglancer_export", claims)


if __name__ == "__main__":
    main()
