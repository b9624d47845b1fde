"""The picture of the first look: what was read from stores, seen from one side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import hsv_to_rgb
from numpy.typing import NDArray

import zvview

mpl.use("Agg")

__all__ = ["draw"]

Box = tuple[NDArray[np.floating], NDArray[np.floating]]
NEURONS = np.array([[0.98, 0.42, 0.36], [0.36, 0.68, 0.98], [0.99, 0.76, 0.33], [0.48, 0.85, 0.55], [0.78, 0.55, 0.98]])
BUNDLES = {"AF_L": 0.02, "CC_ForcepsMajor": 0.36, "CST_R": 0.58}
PRE, POST = "#fff3b0", "#5ce1e6"


def draw(brain: Mapping[str, zvview.Store], box: Box, bundles: zvview.Store, fornix: zvview.Store, path: Path) -> None:
    """The neurons in their neuropil, a box of them, bundles by group, and two levels of the fornix."""
    figure = pyplot.figure(figsize=(15.6, 7.2), facecolor="black")
    grid = figure.add_gridspec(2, 4, left=0.005, right=0.995, top=0.95, bottom=0.01, wspace=0.03, hspace=0.1)
    whole, cut, groups, fine, coarse = (
        figure.add_subplot(grid[place], facecolor="black")
        for place in ((slice(None), slice(2)), (0, 2), (0, 3), (1, 2), (1, 3))
    )
    draw_whole(whole, brain, box)
    draw_box(cut, brain, box)
    draw_bundles(groups, bundles)
    draw_levels((fine, coarse), fornix)
    for axes in (whole, cut, groups, fine, coarse):
        axes.set_aspect("equal")
        axes.set_axis_off()
    for axes in (whole, cut):
        axes.invert_yaxis()
    figure.savefig(path, dpi=105, facecolor="black")
    pyplot.close(figure)


def draw_whole(axes: Any, brain: Mapping[str, zvview.Store], box: Box) -> None:
    draw_glass(axes, brain["neuropil"].level(0).read(), np.ones((1, 3)) * [0.62, 0.74, 0.95], 0.24)
    neurons = brain["neurons"].level(0).read(attributes=["radius"])
    draw_skeletons(axes, neurons, 0.9)
    draw_synapses(axes, brain["synapses"].level(0).read(attributes=["type"]), 0.35)
    lo, hi = (corner[:2] for corner in box)
    axes.add_patch(pyplot.Rectangle(lo, *(hi - lo), fill=False, edgecolor="white", linewidth=0.7))
    lo, hi = neurons.positions.min(axis=0), neurons.positions.max(axis=0)
    margin = 0.16 * (hi - lo)[:2].max()
    axes.set(xlim=(lo[0] - 1.3 * margin, hi[0] + 1.3 * margin), ylim=(lo[1] - margin, hi[1] + margin / 2))
    tell(axes, "hemibrain: five neurons, their synapses, the neuropil")


def draw_box(axes: Any, brain: Mapping[str, zvview.Store], box: Box) -> None:
    surfaces = brain["surfaces"].level(0).read(box)
    draw_glass(axes, surfaces, colors_of(surfaces), 0.85)
    draw_skeletons(axes, brain["neurons"].level(0).read(box), 0.7)
    draw_synapses(axes, brain["synapses"].level(0).read(box), 5)
    margin = 0.06 * (box[1] - box[0])
    lo, hi = box[0] - margin, box[1] + margin
    axes.set(xlim=(lo[0], hi[0]), ylim=(lo[1], hi[1]))
    tell(axes, "a box of 12 \N{MICRO SIGN}m, cut exactly")


def draw_bundles(axes: Any, store: zvview.Store) -> None:
    level = store.level(0)
    assert level.groups is not None
    for name in level.groups.names:
        lines = level.read(groups=[name])
        subject, _, bundle = name.partition("/")
        hue = BUNDLES[bundle] + 0.022 * int(subject.rpartition("_")[2])
        draw_lines(axes, lines, hsv_to_rgb((hue, 0.62, 1.0))[None], 0.5, 0.6)
    axes.autoscale()
    tell(axes, f"{len(level.groups)} bundles: groups of streamlines")


def draw_levels(panels: tuple[Any, Any], store: zvview.Store) -> None:
    for axes, number, width in zip(panels, (store.levels[0], store.levels[-1]), (0.5, 0.9), strict=True):
        lines = store.level(number).read()
        steps = np.abs(np.subtract(*lines.positions[lines.segments].swapaxes(0, 1)))
        steps /= np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-9)
        draw_lines(axes, lines, 0.15 + 0.85 * steps, width, 0.9)
        axes.autoscale()
        tell(axes, f"fornix, level {number}: {len(lines):,} vertices")


def draw_lines(axes: Any, lines: Any, colors: NDArray[np.floating], width: float, alpha: float) -> None:
    """Streamlines from the left: y to the right, z up."""
    ends = lines.positions[lines.segments][:, :, 1:]
    axes.add_collection(LineCollection(list(ends), colors=colors, linewidths=width, alpha=alpha))


def draw_glass(axes: Any, mesh: Any, colors: NDArray[np.floating], strength: float) -> None:
    """Faces that are the more opaque the more one looks along them; far ones first."""
    corners = mesh.positions[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = np.abs(normals[:, 2]) / np.maximum(np.linalg.norm(normals, axis=1), 1e-9)
    alpha = strength * (0.08 + 0.92 * (1 - facing) ** 3)
    face_colors = np.broadcast_to(colors, (len(mesh.positions), 3))[mesh.faces[:, 0]]
    order = np.argsort(-corners[:, :, 2].mean(axis=1))
    axes.add_collection(
        PolyCollection(list(corners[order][:, :, :2]), facecolors=np.column_stack((face_colors, alpha))[order])
    )


def draw_skeletons(axes: Any, batch: Any, width: float) -> None:
    colors = colors_of(batch)[batch.edges[:, 0]]
    axes.add_collection(LineCollection(list(batch.positions[batch.edges][:, :, :2]), colors=colors, linewidths=width))


def draw_synapses(axes: Any, batch: Any, size: float) -> None:
    colors = np.where(batch.labels("type") == "pre", PRE, POST)
    axes.scatter(*batch.positions[:, :2].T, s=size, c=colors, linewidths=0, zorder=3)


def colors_of(batch: Any) -> NDArray[np.floating]:
    """A colour for the object of each vertex."""
    return NEURONS[np.unique(batch.vertex_object_ids, return_inverse=True)[1] % len(NEURONS)]


def tell(axes: Any, text: str) -> None:
    axes.set_title(text, color="#d8dee9", fontsize=11)
