"""Memory of a conversion, for an input and for one of four times its size. ``python benchmarks/convert_memory.py``.

Each conversion runs in a process of its own with 16 MB for content. What is measured is its anonymous memory at the
highest (``RssAnon``, looked at every few milliseconds): pages of files, which the system can drop at any time, are not
in it. Linux only. A single mesh is an object, which must be whole in memory: it is shown and not bounded.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from harness import Claim, save

import zvview

MB = 1e6
CONTENT = 16 << 20
BLOCK = 200_000
RUN = """
import sys
from zvview.convert import Source, StoreOptions, convert
convert(Source(sys.argv[1]), sys.argv[2], store=StoreOptions(memory_bytes=int(sys.argv[3])))
"""
PROPERTIES = "".join(f"property float {axis}\n" for axis in "xyz")


def blocks(rows: int) -> list[pa.Table]:
    """Points with a float, an integer and a label."""
    rng = np.random.default_rng(0)
    out = []
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        columns = dict(zip("xyz", rng.uniform(0, 1000, (3, count)).astype(np.float32), strict=True))
        columns |= {"score": rng.random(count), "count": rng.integers(0, 1000, count)}
        out.append(pa.table(columns | {"kind": pa.array(rng.choice(["a", "b", "c"], count))}))
    return out


def csv(path: Path, size: int) -> Path:
    """A table as text."""
    tables = blocks(1_000_000 * size)
    with pcsv.CSVWriter(path / "a.csv", tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    return path / "a.csv"


def parquet(path: Path, size: int) -> Path:
    """A table in row groups."""
    tables = blocks(2_000_000 * size)
    with pq.ParquetWriter(path / "a.parquet", tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    return path / "a.parquet"


def ply_points(path: Path, size: int) -> Path:
    """Points as bytes."""
    count = 5_000_000 * size
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {count}\n{PROPERTIES}end_header\n"
    positions = np.random.default_rng(0).random((count, 3), np.float32) * 1000
    (path / "a.ply").write_bytes(head.encode() + positions.astype("<f4").tobytes())
    return path / "a.ply"


def ply_mesh(path: Path, side: int, shift: float = 0) -> Path:
    """A wavy sheet."""
    u, v = np.meshgrid(np.arange(side, dtype="<f4"), np.arange(side, dtype="<f4"))
    positions = np.stack((u + shift, v, 5 * np.sin(u / 9)), axis=-1).reshape(-1, 3).astype("<f4")
    corner = np.arange(side * side).reshape(side, side)[:-1, :-1].ravel()
    faces = np.zeros(2 * len(corner), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"] = 3
    faces["corners"][::2] = np.stack((corner, corner + 1, corner + side), axis=1)
    faces["corners"][1::2] = np.stack((corner + 1, corner + side + 1, corner + side), axis=1)
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(positions)}\n{PROPERTIES}"
    head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    path.write_bytes(head.encode() + positions.tobytes() + faces.tobytes())
    return path


def ply_meshes(path: Path, size: int) -> Path:
    """A folder of meshes."""
    for number in range(70 * size):
        ply_mesh(path / f"{number}.ply", 150, 20.0 * number)
    return path


def one_mesh(path: Path, size: int) -> Path:
    """One mesh in one file."""
    return ply_mesh(path / "a.ply", int(500 * size**0.5))


def walks(count: int, points: int, columns: int) -> np.ndarray:
    """Lines of steps of 1 through a box of 200, (count, points, columns)."""
    rng = np.random.default_rng(0)
    out = rng.normal(0, 0.6, (count, points, columns)).astype("<f4")
    np.cumsum(out, axis=1, out=out)
    return out + rng.uniform(0, 200, (count, 1, columns)).astype("<f4")


def tck(path: Path, size: int) -> Path:
    """Streamlines of 49 points."""
    rows = walks(100_000 * size, 50, 3)
    rows[:, -1] = np.nan
    head = b"mrtrix tracks\ndatatype: Float32LE\nfile: . 54\nEND\n"
    end = np.full(3, np.inf, "<f4").tobytes()
    (path / "a.tck").write_bytes(head.replace(b"54", str(len(head)).encode()) + rows.tobytes() + end)
    return path / "a.tck"


def trk(path: Path, size: int) -> Path:
    """Streamlines of 49 points."""
    import nibabel as nib

    empty = nib.streamlines.Tractogram([np.zeros((1, 3), np.float32)], affine_to_rasmm=np.eye(4))
    nib.streamlines.save(empty, str(path / "a.trk"), header={"voxel_to_rasmm": np.eye(4), "voxel_order": "RAS"})
    lines = walks(100_000 * size, 49, 3).reshape(100_000 * size, -1)
    heads = np.full((len(lines), 1), 49, "<i4").view("<f4")
    head = (path / "a.trk").read_bytes()[:1000]
    count = np.array([len(lines)], "<i4").tobytes()
    (path / "a.trk").write_bytes(head[:988] + count + head[992:] + np.hstack((heads, lines)).tobytes())
    return path / "a.trk"


def swc(path: Path, size: int) -> Path:
    """A folder of neurons of 2,000 nodes."""
    nodes = np.char.mod("%d", np.arange(1, 2001))
    above = np.char.mod("%d", np.concatenate(([-1], np.arange(1, 2000))))
    for number, walk in enumerate(walks(300 * size, 2000, 3)):
        rows = [nodes, np.full(2000, "3"), *np.char.mod("%.3f", walk.T), np.full(2000, "0.5"), above]
        (path / f"{number}.swc").write_text("\n".join(map(" ".join, zip(*rows, strict=True))) + "\n")
    return path


def points_store(path: Path, size: int) -> Path:
    """A store of points."""
    positions = np.random.default_rng(0).random((5_000_000 * size, 3), np.float32) * 1000
    zvview.create(path / "a.zarrvectors", kind="point_cloud").write(zvview.Points(positions))
    return path / "a.zarrvectors"


CASES: dict[str, tuple[Callable[[Path, int], Path], float | None]] = {
    "CSV": (csv, 1.3),
    "Parquet": (parquet, 1.3),
    "PLY points": (ply_points, 1.3),
    "folder of PLY meshes": (ply_meshes, 1.3),
    "TRK": (trk, 1.3),
    "TCK": (tck, 1.3),
    "folder of SWC files": (swc, 1.3),
    "store of points to a store": (points_store, 1.3),
    "one PLY mesh": (one_mesh, None),
}


def peak(source: Path, target: Path) -> int:
    """The most anonymous memory of a process that converts, in bytes."""
    most = 0
    with subprocess.Popen([sys.executable, "-c", RUN, source, target, str(CONTENT)]) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            found = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("RssAnon:")]
            most = max(most, *(int(line.split()[1]) * 1024 for line in found), 0)
            time.sleep(0.003)
    if process.returncode:
        raise SystemExit(f"{source}: the conversion failed")
    return most


def claim(name: str) -> Claim:
    """How much more memory four times the input takes."""
    make, asked = CASES[name]
    sizes, peaks = [], []
    for size in (1, 4):
        with tempfile.TemporaryDirectory() as folder:
            given = Path(folder, "given")
            given.mkdir()
            source = make(given, size)
            files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
            sizes.append(sum(path.stat().st_size for path in files))
            peaks.append(peak(source, Path(folder, "made.zarrvectors")))
    how = ", ".join(f"{p / MB:.0f} MB for {s / MB:.0f} MB" for p, s in zip(peaks, sizes, strict=True))
    facts = {"input_bytes": sizes, "peak_bytes": peaks}
    return Claim(f"memory, 4 x the input: {name}", peaks[1] / peaks[0], asked, bound="at most", how=how, facts=facts)


def main() -> None:
    """Measure every case."""
    save("convert_memory", [claim(name) for name in CASES])


if __name__ == "__main__":
    main()
