"""Pyramidal neurons of a cortical column: a soma, basal dendrites, an apical dendrite with its tuft, and an axon."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import Categories
from zvview.geometry.batches import Skeletons
from zvview.samples.branching import Branching
from zvview.samples.curves import unit_vectors

__all__ = ["make_neurons"]

_COUNT: Final = 12
_STEP: Final = 2.0  # micrometres between neighbouring nodes
_TYPES: Final = Categories(("soma", "axon", "basal dendrite", "apical dendrite"))
_SOMA, _AXON, _BASAL, _APICAL = range(4)
_SOMA_RADIUS: Final = 7.5
_UP: Final = np.array([0.0, -1.0, 0.0])  # towards the surface of the cortex, y = 0


def make_neurons(rng: np.random.Generator) -> Skeletons:
    """Twelve neurons with some 8,000 nodes each. Attributes: ``type`` and ``radius``."""
    depths = np.sort(rng.uniform(260, 900, _COUNT))
    turn = 2.4 * np.arange(_COUNT)  # the golden angle: no two somata near each other
    around = 40.0 + 34.0 * np.sqrt(np.arange(_COUNT))
    somata = np.column_stack((around * np.cos(turn), depths, around * np.sin(turn)))
    grown = [_grow(rng, soma) for soma in somata]
    sizes = [len(neuron.positions) for neuron in grown]
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    parents = [np.where(n.parents < 0, -1, n.parents + start) for n, start in zip(grown, offsets, strict=False)]
    return Skeletons.from_parents(
        np.concatenate([neuron.positions for neuron in grown]).astype(np.float32),
        np.concatenate(parents),
        offsets=offsets,
        object_ids=np.arange(1, _COUNT + 1),
        attributes={
            "type": np.concatenate([neuron.kinds for neuron in grown]),
            "radius": np.concatenate([neuron.radii for neuron in grown]).astype(np.float32),
        },
        categories={"type": _TYPES},
    )


def _grow(rng: np.random.Generator, soma: NDArray[np.float64]) -> Branching:
    neuron = Branching(soma, _SOMA_RADIUS, _SOMA)
    root = np.zeros(6, np.int64)
    sideways = unit_vectors(rng.normal(size=(6, 3)) * (1, 0.45, 1) - 0.45 * _UP)
    _branch_out(rng, neuron, root, sideways, nodes=17, generations=4, kind=_BASAL, radius=1.1, pull=0.0 * _UP)

    height = max(int((soma[1] - 150) / _STEP), 12)  # the tuft begins below the first layer
    trunk = _walk(rng, soma[None], _UP[None], height, pull=0.25 * _UP, wander=0.06)
    rows = neuron.add(root[:1], trunk, 1.9, _APICAL)[0]
    obliques = rng.choice(rows[: max(int(0.7 * height), 8)], 7, replace=False)
    out = unit_vectors(rng.normal(size=(7, 3)) * (1, 0.3, 1) + 0.3 * _UP)
    _branch_out(rng, neuron, obliques, out, nodes=20, generations=3, kind=_APICAL, radius=0.8, pull=0.0 * _UP)
    tuft = np.repeat(rows[-1:], 3)
    spread = unit_vectors(rng.normal(size=(3, 3)) * (1, 0.2, 1) + 0.8 * _UP)
    _branch_out(rng, neuron, tuft, spread, nodes=19, generations=4, kind=_APICAL, radius=0.9, pull=0.02 * _UP)

    axon = _walk(rng, soma[None], -_UP[None], int(rng.uniform(180, 330)), pull=-0.2 * _UP, wander=0.08)
    rows = neuron.add(root[:1], axon, 0.6, _AXON)[0]
    sites = rng.choice(rows[10:], 9, replace=False)
    away = unit_vectors(rng.normal(size=(9, 3)) * (1, 0.25, 1))
    _branch_out(rng, neuron, sites, away, nodes=55, generations=3, kind=_AXON, radius=0.35, pull=0.01 * _UP)
    return neuron


def _branch_out(
    rng: np.random.Generator,
    neuron: Branching,
    starts: NDArray[np.int64],
    directions: NDArray[np.float64],
    *,
    nodes: int,
    generations: int,
    kind: int,
    radius: float,
    pull: NDArray[np.float64],
) -> None:
    """Grow branches from nodes `starts` (B,) along `directions` (B, 3); most divide in two, again and again."""
    for generation in range(generations):
        length = max(int(nodes * rng.uniform(0.75, 1.25)), 4)
        branches = _walk(rng, neuron.positions[starts], directions, length, pull=pull, wander=0.16)
        rows = neuron.add(starts, branches, radius * 0.8**generation, kind)
        goes_on = rng.random(len(rows)) < (0.95 if generation == 0 else 0.8)
        heading = unit_vectors(branches[goes_on, -1] - branches[goes_on, -3])
        aside = unit_vectors(np.cross(heading, rng.normal(size=heading.shape)))
        angle = rng.uniform(0.3, 0.7, (len(heading), 1))
        directions = unit_vectors(np.concatenate((heading + angle * aside, heading - angle * aside)))
        starts = np.tile(rows[goes_on, -1], 2)
        if not len(starts):
            return


def _walk(
    rng: np.random.Generator,
    starts: NDArray[np.float64],
    directions: NDArray[np.float64],
    nodes: int,
    *,
    pull: NDArray[np.float64],
    wander: float,
) -> NDArray[np.float64]:
    """Branches (B, V, 3) that turn a little with each step, and towards `pull`."""
    heading = directions
    steps = np.empty((len(starts), nodes, 3))
    turns = rng.normal(0, wander, (nodes, len(starts), 3))
    for node in range(nodes):  # a step of all branches at once
        heading = unit_vectors(heading + turns[node] + pull)
        steps[:, node] = heading
    out: NDArray[np.float64] = starts[:, None] + _STEP * np.cumsum(steps, axis=1)
    return out
