"""Reading stores that the peer wrote, in 8 x 8 x 8 chunks: levels, boxes, one object. ``python benchmarks/read.py``.

Each number is how many times faster than the peer, in the same run, on the same store, files in the page cache; what
both return is compared before anything is timed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from geometry import clustered_points, mesh, peer_open, peer_write, same_rows, streamlines, uniform_points
from harness import Claim, in_turns, save, versus
from numpy.typing import NDArray

import zvview

ROUNDS = 5
Box = tuple[list[float], list[float]]
SIXTY_FOURTH: Box = ([300.0] * 3, [550.0] * 3)
CORE: Box = ([375.0] * 3, [625.0] * 3)
SMALL: Box = ([400.0] * 3, [480.0] * 3)
OBJECT = 12_345


def check(what: str, is_equal: bool) -> None:
    """End the run when both did not return the same."""
    if not is_equal:
        raise SystemExit(f"{what}: ours and the peer's differ")


def points(folder: str) -> Iterator[Claim]:
    """A million points with an attribute, uniform and clustered, compressed as the peer does by default and not."""
    cases = ((uniform_points(), "uniform", SIXTY_FOURTH, 6.0), (clustered_points(), "clustered", CORE, 3.0))
    for batch, name, box, asked_box in cases:
        for codec in ("zstd", "raw"):
            path = f"{folder}/{name}_{codec}"
            peer_write(path, batch, is_compressed=codec == "zstd")
            asked_whole = 4.0 if name == "uniform" else None
            yield measure_points(path, f"whole level, 1 M {name} points, {codec}", None, asked_whole)
            where = "1/64 of the volume" if name == "uniform" else "the core"
            yield measure_points(path, f"box of {where}, 1 M {name} points, {codec}", box, asked_box)


def measure_points(path: str, name: str, box: Box | None, asked: float | None) -> Claim:
    """Points of a level or box, both opening the store first."""

    def ours() -> Any:
        with zvview.open(path) as store:
            return store.level(0).read(box)

    def peer() -> Any:
        return peer_open(path).select(**({} if box is None else {"bbox": box})).read()

    a, b = ours(), peer()
    found = (a.positions, a.attributes["intensity"]), (b.positions, b.attributes["intensity"])
    check(name, same_rows(*found))
    return versus(name, asked, *in_turns(ROUNDS, ours, peer), vertices=len(a))


def lines(folder: str) -> Iterator[Claim]:
    """20,000 streamlines: a small box, the whole level, one object."""
    batch, path = streamlines(), f"{folder}/streamlines"
    peer_write(path, batch)
    chunks: dict[str, Any] = {"box": SMALL, "clip": "chunks", "object_ids": False}

    def ours(**what: Any) -> Any:
        with zvview.open(path) as store:
            return store.level(0).read(**what)

    def one() -> Any:
        with zvview.open(path) as store:
            return store.level(0).read_objects([OBJECT])

    def peer(**what: Any) -> Any:
        return peer_open(path).select(**what).read()

    a, b, c = ours(**chunks), peer(bbox=SMALL), ours(box=SMALL, clip="objects")
    check("vertices in the small box", same_rows((inside(a.positions),), (inside(b.positions),)))
    check("lines that touch the small box", same_lines(c, b))
    with zvview.open(path) as store:
        level, held = store.level(0), peer_open(path)
        is_open = in_turns(ROUNDS, lambda: level.read(**chunks), lambda: held.select(bbox=SMALL).read())
        cold = in_turns(ROUNDS, lambda: ours(**chunks), lambda: peer(bbox=SMALL))
        whole_lines = in_turns(
            ROUNDS, lambda: level.read(SMALL, clip="objects"), lambda: held.select(bbox=SMALL).read()
        )
        facts = {
            "vertices": len(a),
            "pieces": len(a.offsets) - 1,
            "bridges": len(a.bridges),
            "peer_vertices": len(b.positions),
        }
        yield versus("small box of 20,000 streamlines as chunks with bridges, store just opened", 100, *cold, **facts)
        yield versus("the same in an open store", 100, *is_open, **facts)
        name = "the whole lines that touch the small box (the peer: its chunks), open store"
        yield versus(name, None, *whole_lines, lines=len(c.object_ids), peer_lines=len(b.parts))

        a, b = ours(), peer()
        check("whole level of streamlines", len(a.object_ids) == len(b.parts) and same_lines(a, b))
        del a, b
        yield versus("whole level of 20,000 streamlines", 5, *in_turns(ROUNDS, ours, peer), vertices=len(batch))

        expected = batch.positions[batch.offsets[OBJECT] : batch.offsets[OBJECT + 1]]
        check("one object", all(np.array_equal(r.positions, expected) for r in (one(), peer(objects=[OBJECT]))))
        yield versus("one streamline, store just opened", 2, *in_turns(ROUNDS, one, lambda: peer(objects=[OBJECT])))
        hot = in_turns(ROUNDS, lambda: level.read_objects([OBJECT]), lambda: held.select(objects=[OBJECT]).read())
        yield versus("one streamline in an open store", 10, *hot)


def surface(folder: str) -> Iterator[Claim]:
    """A mesh of 500,000 faces."""
    batch, path = mesh(), f"{folder}/mesh"
    peer_write(path, batch)

    def ours() -> Any:
        with zvview.open(path) as store:
            return store.level(0).read()

    def peer() -> Any:
        return peer_open(path).select().read()

    a, b = ours(), peer()
    check("whole mesh", same_rows((turned(a),), (turned(b),)))
    yield versus("whole mesh of 500,000 faces, winding kept", 20, *in_turns(3, ours, peer), faces=len(a.faces))


def inside(positions: NDArray[Any]) -> NDArray[Any]:
    """The positions in the small box."""
    lo, hi = SMALL
    return positions[((positions >= lo) & (positions <= hi)).all(axis=1)]


def same_lines(ours: Any, theirs: Any) -> bool:
    """Whether every line of ours is among theirs, the same object with the same vertices."""
    part_of = {int(owner): part for owner, part in zip(theirs.part_objects, theirs.parts, strict=True)}
    pieces = zip(ours.object_ids.tolist(), ours.offsets, ours.offsets[1:], strict=False)
    return all(
        owner in part_of and np.array_equal(ours.positions[start:stop], theirs.positions[part_of[owner]])
        for owner, start, stop in pieces
    )


def turned(surface: Any) -> NDArray[Any]:
    """Corners of each face, (F, 9), beginning with the least one: independent of rows, but not of winding."""
    corners = surface.positions[surface.faces]
    first = np.argmin(corners @ np.array([1.0, 1e4, 1e8]), axis=1)
    order = (first[:, None] + np.arange(3)) % 3
    return np.take_along_axis(corners, order[..., None], axis=1).reshape(len(corners), -1)


def main() -> None:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as folder:
        save("read", [*points(folder), *lines(folder), *surface(folder)])


if __name__ == "__main__":
    main()
