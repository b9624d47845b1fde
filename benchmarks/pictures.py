"""Do coarse levels look like level 0? Each from the far camera at which it would be chosen: one bin is four pixels.

``python benchmarks/pictures.py``: coverage, colours, distance and grid patterns of every level of every kind, and the
sheets ``docs/levels_*.png`` to look at.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from grown import grown_parts
from harness import Claim, save
from matplotlib import pyplot
from numpy.typing import NDArray
from raster import Camera, Picture, coverage_iou, draw, histogram_l1, peak_ratio, sample_batch
from scipy.spatial import cKDTree

import zvview
from zvview.pyramid import build_pyramid

mpl.use("Agg")
DOCS = Path(__file__).parents[1] / "docs"
PIXELS_PER_BIN = 4
PEAK = 3.0
NEAR_PIXELS = 420
LOTS = 8  # orders of drawing whose colours are counted together: far pictures have few pixels
_MOST_TESTED = 400_000  # samples whose distance is measured


def uniform() -> zvview.Batch:
    """Points all over a cube, coloured by height."""
    positions = np.random.default_rng(1).uniform(0, 1000, (1_000_000, 3)).astype(np.float32)
    return zvview.Points(positions, attributes={"value": positions[:, 2]})


def clustered() -> zvview.Batch:
    """Clusters with a tenth of the points spread thinly around them; each cluster with a value of its own."""
    rng = np.random.default_rng(2)
    centres, widths = rng.uniform(200, 800, (12, 3)), rng.uniform(8, 60, 12)
    owner = rng.integers(0, 12, 900_000)
    inside = rng.normal(centres[owner], widths[owner, None])
    thin = rng.uniform(0, 1000, (100_000, 3))
    positions = np.concatenate((inside, thin)).clip(0, 1000).astype(np.float32)
    value = np.concatenate((owner * 80.0, thin[:, 2])).astype(np.float32)
    order = rng.permutation(len(positions))
    return zvview.Points(positions[order], attributes={"value": value[order]})


def filaments() -> zvview.Batch:
    """Points along filaments with a thin background."""
    (part,) = grown_parts(1_000_000)
    return zvview.Points(part.positions, attributes={"value": part.positions[:, 2]})


def walks(count: int, length: int, spread: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Smooth walks in a cube of 1,000."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 1, (count, length, 3))
    for _ in range(6):
        steps[:, 1:-1] = (steps[:, :-2] + steps[:, 1:-1] + steps[:, 2:]) / 2.2
    steps *= spread / np.linalg.norm(steps, axis=2).mean()
    lines = rng.uniform(250, 750, (count, 1, 3)) + steps.cumsum(axis=1)
    return lines.clip(0, 1000).reshape(-1, 3).astype(np.float32), np.arange(count + 1) * length


def streamlines() -> zvview.Batch:
    """Bundles of a hundred to a thousand streamlines, and single ones between them."""
    rng = np.random.default_rng(4)
    positions, offsets = walks(40, 100, 5.0, 3)
    guides = np.split(positions.astype(np.float64), offsets[1:-1])
    sizes = rng.integers(100, 1000, len(guides))
    lines = [
        g + rng.normal(0, 6, (n, 1, 3)) + rng.normal(0, 0.4, (n, len(g), 3)) for g, n in zip(guides, sizes, strict=True)
    ]
    values = np.repeat(np.arange(len(guides)) * 25.0, sizes)
    bundles = np.concatenate(lines).clip(0, 1000)
    single, _ = walks(500, 100, 5.0, 5)
    everything = np.concatenate((bundles.reshape(-1, 3), single)).astype(np.float32)
    value = np.repeat(np.concatenate((values, np.full(500, 990.0))), 100).astype(np.float32)
    return zvview.Streamlines(
        everything, offsets=np.arange(len(everything) // 100 + 1) * 100, attributes={"value": value}
    )


def skeletons() -> zvview.Batch:
    """Random trees, smooth between their branches."""
    rng = np.random.default_rng(6)
    positions, parents, offsets = [], [], [0]
    for _ in range(60):
        where = [rng.uniform(300, 700, (1, 3))]
        up = [np.array([-1])]
        tips = [(0, rng.normal(0, 1, 3))]
        total = 1
        for _branch in range(40):
            start, direction = tips[rng.integers(len(tips))]
            n = int(rng.integers(30, 120))
            turn = rng.normal(0, 0.15, (n, 3)).cumsum(axis=0) + direction / np.linalg.norm(direction)
            path = np.concatenate(where)[start] + (turn * 1.5).cumsum(axis=0)
            where.append(path)
            up.append(np.concatenate(([start], np.arange(total, total + n - 1))))
            tips += [(total + n - 1, turn[-1]), (total + n // 2, rng.normal(0, 1, 3))]
            total += n
        parents.append(np.concatenate(up) + np.where(np.concatenate(up) < 0, 0, offsets[-1]))
        positions.append(np.concatenate(where))
        offsets.append(offsets[-1] + total)
    everything = np.concatenate(positions).clip(0, 1000).astype(np.float32)
    return zvview.Skeletons.from_parents(
        everything, np.concatenate(parents), offsets=np.array(offsets), attributes={"value": everything[:, 2]}
    )


def mesh() -> zvview.Batch:
    """A wavy torus."""
    from geometry import mesh as torus

    batch = torus(500)
    return zvview.Mesh(batch.positions, faces=batch.faces, attributes={"value": batch.positions[:, 2]})


CASES: dict[str, Callable[[], zvview.Batch]] = {
    f.__name__: f for f in (uniform, clustered, filaments, streamlines, skeletons, mesh)
}


def distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """The farthest of `a` (some of it, where it is large) from `b`."""
    some = a[:: max(1, len(a) // _MOST_TESTED)]
    return float(cKDTree(b).query(some, workers=2)[0].max())


def compare(name: str, folder: str) -> list[Claim]:
    """All levels of one case against level 0; leaves a sheet of pictures in the docs."""
    batch = CASES[name]()
    place = f"{folder}/{name}"
    with zvview.create(place, kind=batch.kind, axes="xyz") as store:
        store.write(batch)
    built = build_pyramid(place)
    claims, far_pairs = [], []
    with zvview.open(place) as store:
        levels = [store.level(number).read() for number in store.levels]
        lo, hi = store.bounds
    near = Camera.around(lo, hi, 1.0)
    near = Camera.around(lo, hi, NEAR_PIXELS / near.shape[1])
    for b, level in zip(built, levels[1:], strict=True):
        edge = max(b.design.bin_shape)
        camera = Camera.around(lo, hi, PIXELS_PER_BIN / edge)
        step = edge / PIXELS_PER_BIN / 2
        samples = [sample_batch(x, x.attributes["value"], step) for x in (levels[0], level)]
        lots = 1 if batch.kind == "mesh" else LOTS
        wholes, coarses = (
            [draw(camera, *s, is_surface=batch.kind == "mesh", lot=lot) for lot in range(lots)] for s in samples
        )
        whole, coarse = wholes[0], coarses[0]
        distances = distance(samples[0][0], samples[1][0]), distance(samples[1][0], samples[0][0])
        title = f"{name}, level {b.design.level}"
        how = f"{len(level):,} of {len(levels[0]):,} vertices, bin {edge:g}, {camera.shape[1]} x {camera.shape[0]} px"
        peaks = peak_ratio(coarse, PIXELS_PER_BIN), peak_ratio(whole, PIXELS_PER_BIN)
        claims += [
            Claim(f"{title}: coverage (IoU)", coverage_iou(whole, coarse), 0.9, unit="", how=how),
            Claim(f"{title}: colours (L1)", histogram_l1(wholes, coarses), 0.25, unit="", bound="at most", how=how),
            Claim(f"{title}: distance", max(distances) / edge, 1.0, unit="bins", bound="at most", how=how),
            Claim(
                f"{title}: peak at the bin's frequency",
                peaks[0] / max(1.0, peaks[1]),
                PEAK,
                bound="at most",
                how=f"over its surroundings {peaks[0]:.2f} x, in level 0 {peaks[1]:.2f} x",
            ),
        ]
        far_pairs.append((whole, coarse))
    pictures = []
    for level in levels:
        samples = sample_batch(level, level.attributes["value"], 0.5 / near.pixels_per_unit)
        pictures.append(draw(near, *samples, is_surface=batch.kind == "mesh"))
    _save_sheet(name, [len(level) for level in levels], pictures, far_pairs)
    return claims


def _save_sheet(name: str, counts: list[int], near: list[Picture], far: list[tuple[Picture, Picture]]) -> None:
    """One column for each level: seen near by; level 0 from where the level is chosen; the level from there."""
    figure, axes = pyplot.subplots(3, len(near), figsize=(4.6 * len(near), 12.5), squeeze=False, facecolor="black")
    blank = None
    for k, (count, picture) in enumerate(zip(counts, near, strict=True)):
        whole, coarse = far[k - 1] if k else (blank, blank)
        titles = f"level {k}: {count:,} vertices", f"level 0, from where level {k} is chosen", f"level {k}, from there"
        for axis, shown, title in zip(axes[:, k], (picture, whole, coarse), titles, strict=True):
            axis.set_axis_off()
            if shown is not None:
                axis.imshow(shown.values, cmap="turbo", origin="lower", interpolation="nearest")
                axis.set_title(title, color="white", fontsize=10)
    figure.tight_layout()
    figure.savefig(DOCS / f"levels_{name}.png", dpi=70)
    pyplot.close(figure)


def main() -> None:
    """Compare all cases, or those named."""
    chosen = sys.argv[1:] or list(CASES)
    with tempfile.TemporaryDirectory() as folder:
        save("pictures", [claim for name in chosen for claim in compare(name, folder)])


if __name__ == "__main__":
    main()
