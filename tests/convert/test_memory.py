"""What is in memory while a file is converted does not grow with the file. Linux tells it of each process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

import zvview
from tests.peaks import peak_of

CONVERT = """
import sys
from zvview.convert import Source, StoreOptions, convert
from zvview.store.writing import fragment_owners, objects
fragment_owners._RUN_FRAGMENTS = objects._SLAB_FRAGMENTS = 1 << 14  # in proportion to the rest
convert(Source(sys.argv[1], batch_bytes=1 << 18), sys.argv[2], store=StoreOptions(memory_bytes=8 << 20))
"""
ROWS = 700_000


def table(rows: int) -> pa.Table:
    positions = np.random.default_rng(0).uniform(0, 500, (3, rows)).astype(np.float32)
    return pa.table({**dict(zip("xyz", positions, strict=True)), "n": np.arange(rows, dtype=np.int32)})


def write_csv(path: Path, size: int) -> Path:
    pcsv.write_csv(table(ROWS * size // 2), path / "a.csv")
    return path / "a.csv"


def write_parquet(path: Path, size: int) -> Path:
    pq.write_table(table(ROWS * size), path / "a.parquet", row_group_size=50_000)
    return path / "a.parquet"


def write_ply(path: Path, size: int) -> Path:
    positions = np.random.default_rng(0).uniform(0, 500, (ROWS * size, 3)).astype("<f4")
    head = "ply\nformat binary_little_endian 1.0\nelement vertex {}\n{}end_header\n"
    properties = "".join(f"property float {axis}\n" for axis in "xyz")
    (path / "a.ply").write_bytes(head.format(len(positions), properties).encode() + positions.tobytes())
    return path / "a.ply"


def write_tck(path: Path, size: int) -> Path:
    rows = np.random.default_rng(0).normal(0, 0.1, (ROWS * size // 40 * 40, 3)).astype("<f4")
    rows[:] = rows.reshape(-1, 40, 3).cumsum(axis=1).reshape(-1, 3)
    rows += np.random.default_rng(1).uniform(0, 100, (len(rows) // 40, 3)).astype("<f4").repeat(40, axis=0)
    rows[39::40] = np.nan
    head = b"mrtrix tracks\ndatatype: Float32LE\nfile: . 54\nEND\n"
    head = head.replace(b"54", str(len(head)).encode())
    (path / "a.tck").write_bytes(head + rows.tobytes() + np.full(3, np.inf, "<f4").tobytes())
    return path / "a.tck"


def write_store(path: Path, size: int) -> Path:
    positions = np.random.default_rng(0).uniform(0, 500, (ROWS * size, 3)).astype(np.float32)
    zvview.create(path / "a.zarrvectors", kind="point_cloud").write(zvview.Points(positions))
    return path / "a.zarrvectors"


@pytest.mark.parametrize("write", [write_csv, write_parquet, write_ply, write_tck, write_store])
def test_four_times_the_input_takes_no_more_memory(write: Callable[[Path, int], Path], tmp_path: Path) -> None:
    sizes, peaks = [], []
    for size in (1, 4):
        folder = tmp_path / str(size)
        folder.mkdir()
        source = write(folder, size)
        files = [source] if source.is_file() else [p for p in source.rglob("*") if p.is_file()]
        sizes.append(sum(file.stat().st_size for file in files))
        peaks.append(peak_of(CONVERT, source, folder / "store"))
    assert peaks[1] <= 1.3 * peaks[0], f"{peaks} bytes of memory for files of {sizes}"
