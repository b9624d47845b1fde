"""Writing a million points into a folder, against the peer's writer. ``python benchmarks/write.py``.

The peer cuts the volume into 8 x 8 x 8 chunks, ours chooses its chunks itself. The peer reads ours back before anything
is timed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from geometry import clustered_points, peer_open, peer_write, same_rows, uniform_points
from harness import Claim, in_turns, save, versus

import zvview

ROUNDS = 5


def measure(folder: str, batch: zvview.Points, name: str, codec: str) -> Iterator[Claim]:
    """Time, bytes and files of one store."""
    fresh = (Path(folder, f"{name}_{codec}_{number}") for number in count())

    def ours() -> Path:
        place = next(fresh)
        zvview.create(place, kind="point_cloud", codec=codec).write(batch)
        return place

    def peer() -> Path:
        place = next(fresh)
        peer_write(str(place), batch, is_compressed=codec == "zstd")
        return place

    place, other = ours(), peer()
    found = peer_open(str(place)).select().read()
    columns = (found.positions, found.attributes["intensity"]), (batch.positions, batch.attributes["intensity"])
    if not same_rows(*columns):
        raise SystemExit(f"the peer reads other points than were written: {name}, {codec}")
    del found, columns
    times = in_turns(ROUNDS, ours, peer)
    yield versus(f"write 1 M {name} points, {codec}", 3, *times)
    sizes, theirs = ([f.stat().st_size for f in p.rglob("*") if f.is_file()] for p in (place, other))
    ratio = sum(sizes) / batch.nbytes
    how = f"{sum(sizes)} bytes of {batch.nbytes}"
    asked = 1.1 if codec == "raw" else None
    yield Claim(f"bytes of 1 M {name} points, {codec}", ratio, asked, bound="at most", how=how)
    if codec == "raw":
        asked = 10.0 if name == "uniform" else 3.0
        how = f"{len(sizes)} files against {len(theirs)}"
        yield Claim(f"fewer files, 1 M {name} points", len(theirs) / len(sizes), asked, how=how)


def main() -> None:
    """Measure uniform and clustered points."""
    with tempfile.TemporaryDirectory() as folder:
        claims = []
        for name, batch in (("uniform", uniform_points()), ("clustered", clustered_points())):
            for codec in ("raw", "zstd"):
                claims += measure(folder, batch, name, codec)
        save("write", claims)


if __name__ == "__main__":
    main()
