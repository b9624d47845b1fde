"""Vessels of a piece of tissue: an artery and a vein that divide towards the same places, joined by capillaries."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import Categories
from zvview.geometry.batches import Graph
from zvview.samples.branching import Branching
from zvview.samples.curves import unit_vectors

__all__ = ["make_vessels"]

_DEPTH: Final = 12  # divisions between a trunk and its last branches
_NODES: Final = 7  # of a branch between two divisions
_EXTENT: Final = np.array([1400.0, 1100.0, 900.0])  # micrometres
_CAPILLARY: Final = 3.0  # radius
_KINDS: Final = Categories(("artery", "capillary", "vein"))


def make_vessels(rng: np.random.Generator) -> Graph:
    """A network of about 140,000 nodes. Attributes: ``kind`` and ``radius``, after Murray: r^3 = sum of the parts'."""
    places = _fill_ellipsoid(rng, 1 << _DEPTH) * _EXTENT / 2 + _EXTENT / 2
    artery, tips = _grow(rng, places, _EXTENT * (0.02, 0.35, 0.5))
    vein, partners = _grow(rng, places, _EXTENT * (0.98, 0.65, 0.5))
    count = len(artery.positions)
    positions = np.concatenate((artery.positions, vein.positions))
    radius = np.concatenate((artery.radii, 1.25 * vein.radii))
    is_vein = np.arange(len(positions)) >= count
    kind = np.where(radius < 2 * _CAPILLARY, 1, np.where(is_vein, 2, 0)).astype(np.uint8)
    capillaries = np.stack((tips, partners + count), axis=1)
    return Graph(
        positions.astype(np.float32),
        edges=np.concatenate((_edges(artery), _edges(vein) + count, capillaries)),
        offsets=np.array([0, len(positions)]),
        object_ids=np.array([0]),
        attributes={"kind": kind, "radius": radius.astype(np.float32)},
        categories={"kind": _KINDS},
    )


def _grow(
    rng: np.random.Generator, places: NDArray[np.float64], root: NDArray[np.float64]
) -> tuple[Branching, NDArray[np.int64]]:
    """A tree from `root` to all `places` (2^k, 3), and the node that ends near each of them.

    Each division halves the places that a branch leads to. All branches of a generation grow at once; each goes part of
    the way to the middle of its places.
    """
    tree = Branching(root, _murray(len(places)))
    groups = np.arange(len(places))[None]  # (branches, places of each)
    ends, tails = root[None], np.zeros(1, np.int64)
    for generation in range(_DEPTH + 1):
        own = places[groups]
        reach = rng.uniform(0.45, 0.7, (len(groups), 1)) if generation < _DEPTH else 0.9
        targets = ends + (own.mean(axis=1) - ends) * reach
        tails = tree.add(tails, _waver(rng, ends, targets), _murray(groups.shape[1]))[:, -1]
        ends = targets
        if generation < _DEPTH:
            across = rng.normal(size=(len(groups), 3)) * own.std(axis=1)  # mostly the longest way
            along = np.einsum("gnd,gd->gn", own, across)
            groups = np.take_along_axis(groups, along.argsort(axis=1), axis=1).reshape(2 * len(groups), -1)
            ends, tails = np.repeat(ends, 2, axis=0), np.repeat(tails, 2)
    return tree, tails[np.argsort(groups[:, 0])]


def _edges(tree: Branching) -> NDArray[np.int64]:
    """Each node but the root with its parent, (N - 1, 2)."""
    parents = tree.parents
    return np.stack((parents[1:], np.arange(1, len(parents))), axis=1)


def _waver(rng: np.random.Generator, starts: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Winding branches (B, V, 3) from `starts`, which are left out, to `ends`."""
    t = np.linspace(0, 1, _NODES + 1)[1:]
    step = ends - starts
    bend = rng.normal(0, 0.13, (len(starts), 2, 3)) * np.linalg.norm(step, axis=1)[:, None, None]
    waves = np.stack((np.sin(np.pi * t), 0.5 * np.sin(2 * np.pi * t)))
    out: NDArray[np.float64] = starts[:, None] + step[:, None] * t[:, None] + np.einsum("bkd,kv->bvd", bend, waves)
    return out


def _murray(tips: int) -> float:
    return _CAPILLARY * float(np.cbrt(tips))


def _fill_ellipsoid(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Points (count, 3), alike everywhere in the unit ball."""
    return unit_vectors(rng.normal(size=(count, 3))) * np.cbrt(rng.random((count, 1)))
