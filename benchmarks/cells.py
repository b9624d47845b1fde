"""The cells of a level as bytes, against ``open().read()`` of the same files. ``python benchmarks/cells.py``.

512 cells of a million points that the peer wrote. What is timed is the path of every read: one wave through
``zvview.store.waves`` over a folder, until the payloads stand decoded in memory.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import zstandard
from geometry import peer_write, uniform_points
from harness import Claim, in_turns, save, timed

import zvview
from zvview.store.waves import read_cells

ROUNDS = 7


def measure(folder: str, codec: str, asked: float) -> Claim:
    """Cells of the positions of one store."""
    path = f"{folder}/{codec}"
    peer_write(path, uniform_points(), is_compressed=codec == "zstd")
    with zvview.open(path) as store:
        assert isinstance(store, zvview.Store)
        reader = store.reader(0)
        vertices = reader.layout.vertices
        chunks = vertices.chunks
        files = [str(f) for f in sorted(Path(path, "0", "vertices", "c").rglob("*")) if f.is_file()]
        assert len(files) == len(chunks) == 512
        decompress = zstandard.ZstdDecompressor().decompress

        def ours() -> object:
            return read_cells(reader.hierarchy, [(vertices, chunks)])

        def bare() -> object:
            cells = []
            for file in files:
                with open(file, "rb") as held:
                    cells.append(held.read())
            return cells if codec == "raw" else [decompress(cell) for cell in cells]

        (cells,) = read_cells(reader.hierarchy, [(vertices, chunks)])
        assert sum(map(len, cells)) == 12_000_000
        mine, plain = in_turns(ROUNDS, ours, bare)
    name = {"raw": "512 raw cells against open().read()", "zstd": "512 zstd cells against open().read() and zstandard"}
    how = f"{timed(mine)} against {timed(plain)}"
    return Claim(name[codec], mine / plain, asked, bound="at most", how=how, facts={"cell_bytes": 24_000})


def main() -> None:
    """Measure raw and compressed cells."""
    with tempfile.TemporaryDirectory() as folder:
        save("cells", [measure(folder, "raw", 1.5), measure(folder, "zstd", 1.2)])


if __name__ == "__main__":
    main()
