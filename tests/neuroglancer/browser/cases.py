"""Stores of every kind as the browser is to show them: each is one entry of :data:`CASES`.

A case makes its store in an empty folder, or names one that is there. What the picture must be like follows
from the store itself: every vertex where its position says, in the colour that napari's layer gives it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import zvview
from tests.neuroglancer.browser.pages import Picture
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.style import choose_colouring, colour_vertices, with_limits
from zvview.testing import make_store

GOLDEN = Path(__file__).parents[2] / "data" / "golden"


@dataclass(frozen=True)
class Case:
    """A store, and what may be missing of it in the picture.

    Attributes
    ----------
    make : callable
        From an empty folder to the place of the store.
    least_found : float
        Share of the vertices that must be seen where they are, in their colour; others lie behind those.
    most_stray : float
        Share of the lit pixels that may lie away from all vertices: what is drawn between them.
    state : dict
        Of the client, as JSON names it.
    """

    make: Callable[[Path], Path]
    least_found: float = 0.9
    most_stray: float = 0.01
    state: dict[str, Any] = field(default_factory=dict)


def colours_of(store: zvview.Store, batch: Any) -> NDArray[np.float32]:
    """Colours that napari's layers begin with, (n, 3) of 255."""
    by = with_limits(store, choose_colouring(store.kind, store.attributes))
    axes = np.argsort([axis.name for axis in store.axes])
    return np.rint(colour_vertices(batch, by, axes=axes.tolist())[:, :3] * 255)


def check(picture: Picture, store: zvview.Store, case: Case) -> None:
    """See that all of a store is where it lies, in the colours of napari's layers."""
    batch: Any = store.level(0).read()
    at, rows = picture.find(batch.positions, [axis.name for axis in store.axes])
    assert len(rows) > 0
    assert picture.share_found(at, colours_of(store, batch)[rows]) >= case.least_found
    assert picture.share_stray(at) <= case.most_stray


def golden(name: str) -> Callable[[Path], Path]:
    """A store that the reference library wrote, in its zip."""
    return lambda folder: GOLDEN / f"{name}.zip"


def points(
    *,
    axes: str = "xyz",
    count: int = 300,
    far: float = 0.0,
    levels: bool = True,
    by: str = "kind",
    unknown: int = 0,
) -> Callable[[Path], Path]:
    """Points of which some lie upon each other, in groups of their own places and values."""

    def make(folder: Path) -> Path:
        rng = np.random.default_rng(7)
        place = folder / "points.zarrvectors"
        positions = rng.uniform(0, 90, (count, len(axes))) + far
        if axes[0] == "t":
            positions[:, 0] = rng.integers(0, 4, count)
        kinds = np.array(["soma", "axon", "dendrite"])[rng.integers(0, 3, count)]
        values = positions[:, 0] - far
        values[:unknown] = np.nan
        column = {"kind": kinds} if by == "kind" else {"value": values.astype("f4")}
        with zvview.create(place, kind="point_cloud", axes=axes, chunk_shape=(30,) * len(axes)) as store:
            store.write(zvview.Points(positions, attributes=column))
        if levels:
            build_pyramid(place, PyramidOptions(target=50))
        return place

    return make


def grown(folder: Path) -> Path:
    """Points whose grid has grown beyond where it began."""
    place = points(levels=False)(folder)
    zvview.grow(place, ((-60, -60, -60), (150, 150, 150)))
    return place


def lines(kind: str = "streamline", *, axes: str = "xyz", levels: bool = True) -> Callable[[Path], Path]:
    """Straight lines across the screen through many chunks, each in the colour of its axis in all of its pieces."""

    def make(folder: Path) -> Path:
        rng = np.random.default_rng(3)
        place = folder / "lines.zarrvectors"
        found = []
        for number in range(60):
            axis, step = number % 2, 1.5 if kind != "line" else 6.0
            line = np.repeat(rng.uniform(0, 90, (1, len(axes))), 60 if kind != "line" else 2, axis=0)
            line[:, axis] = (line[0, axis] if kind == "line" else 0) + np.arange(len(line)) * step
            found.append(line.astype("f4"))
        batch = {"streamline": zvview.Streamlines, "polyline": zvview.Polylines, "line": zvview.Lines}[kind]
        with zvview.create(place, kind=kind, axes=axes, chunk_shape=(30,) * len(axes)) as store:
            store.write(batch.from_list(found, object_ids=np.arange(60)))
        if levels:
            build_pyramid(place, PyramidOptions(target=300))
        return place

    return make


def networks(folder: Path) -> Path:
    """More skeletons than are shown as such at first, which their edges show."""
    place = folder / "networks.zarrvectors"
    make_store(place, "skeleton", size=2000, n_objects=120, seed=3).close()
    build_pyramid(place, PyramidOptions(target=200))
    return place


CASES: dict[str, Case] = {
    "points_3d": Case(points()),
    "points_2d": Case(points(axes="xy")),
    "points_numbers": Case(points(by="value")),
    "points_unknown": Case(points(by="value", unknown=250, levels=False)),
    "points_far": Case(points(far=1e6)),
    "points_time": Case(points(axes="txyz", count=60)),
    "points_grown": Case(grown),
    "points_golden": Case(golden("points_objects")),
    "points_golden_2d": Case(golden("points_2d_bins")),
    "points_golden_sparse": Case(golden("points_sparse_ids_blosc")),
    "points_golden_negative": Case(golden("points_neg_sharded_zstd")),
    "lines_streamlines": Case(lines(), least_found=0.8),
    "lines_without_levels": Case(lines(levels=False), least_found=0.8),
    "lines_polylines_2d": Case(lines("polyline", axes="xy"), least_found=0.8),
    "lines_single": Case(lines("line"), least_found=0.8, most_stray=0.7),
    "lines_golden": Case(golden("streamlines"), least_found=0.3, most_stray=1.0),  # a piece has its mean direction
    "lines_golden_2d": Case(golden("polylines_2d_sharded"), least_found=0.3, most_stray=1.0),
    "lines_golden_single": Case(golden("lines"), least_found=0.5, most_stray=1.0),
    "networks_graph": Case(golden("graph"), most_stray=1.0),
    "networks_skeleton": Case(golden("skeleton"), most_stray=1.0),
    "networks_units": Case(golden("skeleton_tools"), least_found=0.8, most_stray=1.0),
    "networks_chunked": Case(golden("skeleton_chunked"), most_stray=1.0),
    "networks_old": Case(golden("old07_skeleton"), least_found=0.8, most_stray=1.0),
    "networks_many": Case(networks, least_found=0.7, most_stray=1.0),
}
