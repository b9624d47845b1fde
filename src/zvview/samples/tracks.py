"""Cells of an embryo followed over time: eight of them divide nine times, spread over a ball and turn with it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import Categories
from zvview.geometry.batches import Polylines
from zvview.samples.curves import ease, unit_vectors

__all__ = ["make_tracks"]

_FIRST, _LAST = 3, 12  # generations: from 2^3 cells to 2^12
_CYCLE: Final = 20.0  # minutes from one division to the next
_END: Final = 220
_RADIUS: Final = 180.0  # micrometres
_TURN: Final = 1.5  # radians in all


def make_tracks(rng: np.random.Generator) -> tuple[Polylines, NDArray[np.int64]]:
    """About 8,000 tracks over x, y, z and time in minutes, and the parent of each, -1 for the first eight.

    A track begins where its parent ends. Attributes: the founder's ``lineage``, ``generation`` and ``speed``.
    """
    places = _spread(1 << _LAST)
    groups = _halve(places, _FIRST)
    birth, start = np.zeros(len(groups)), unit_vectors(places[groups].mean(axis=1))
    parents, lineage, ids = np.full(len(groups), -1), np.arange(len(groups)), np.arange(len(groups))
    parts: list[tuple[NDArray[np.float64], ...]] = []
    all_parents = []
    for generation in range(_FIRST, _LAST + 1):
        goal = unit_vectors(places[groups].mean(axis=1) + rng.normal(0, 0.4 / 2 ** (generation / 2), start.shape))
        is_last = generation == _LAST
        death = (
            np.rint(birth + _CYCLE * rng.uniform(0.8, 1.2, len(birth))) if not is_last else np.full(len(birth), _END)
        )
        death = np.minimum(death, _END)
        parts.append(_follow(start, goal, birth, death, lineage, generation))
        all_parents.append(parents)
        if is_last:
            break
        groups = _halve_each(places, groups)
        start, birth, lineage = (np.repeat(values, 2, axis=0) for values in (goal, death, lineage))
        parents = np.repeat(ids, 2)
        ids = ids[-1] + 1 + np.arange(len(parents))
    counts, positions, of_lineage, of_generation, speed = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    batch = Polylines(
        positions.astype(np.float32),
        offsets=np.concatenate(([0], np.cumsum(counts.astype(np.int64)))),
        object_ids=np.arange(len(counts)),
        attributes={
            "lineage": of_lineage.astype(np.uint8),
            "generation": of_generation.astype(np.uint8),
            "speed": speed.astype(np.float32),
        },
        categories={"lineage": Categories(tuple("ABCDEFGH"))},
    )
    return batch, np.concatenate(all_parents)


def _follow(
    start: NDArray[np.float64],
    goal: NDArray[np.float64],
    birth: NDArray[np.float64],
    death: NDArray[np.float64],
    lineage: NDArray[np.int64],
    generation: int,
) -> tuple[NDArray[np.float64], ...]:
    """Vertices of the tracks of one generation, one each minute: counts, positions, lineage, generation and speed."""
    counts = (np.maximum(death - birth, 1) + 1).astype(np.int64)
    track = np.repeat(np.arange(len(counts)), counts)
    minute = np.arange(len(track)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = ease(minute / (counts - 1)[track] * 1.6)[:, None]  # quick after the division, then at rest
    time = np.minimum(birth[track] + minute, _END)
    direction = unit_vectors(start[track] * (1 - share) + goal[track] * share)
    sinks = ease((-0.35 - direction[:, 2]) / 0.4) * ease((time - 0.55 * _END) / (0.4 * _END))
    radius = _RADIUS * (0.75 + 0.25 * time / _END) * (1 - 0.45 * sinks)  # those below move in
    angle = _TURN * time / _END
    x = direction[:, 0] * np.cos(angle) - direction[:, 1] * np.sin(angle)
    y = direction[:, 0] * np.sin(angle) + direction[:, 1] * np.cos(angle)
    space = np.stack((x, y, direction[:, 2]), axis=1) * radius[:, None] + 1.1 * _RADIUS
    step = np.linalg.norm(np.diff(space, axis=0, prepend=space[:1]), axis=1)
    step[np.cumsum(counts) - counts] = 0.0  # from one track to the next
    return (
        counts.astype(np.float64),
        np.column_stack((space, time)),
        lineage[track].astype(np.float64),
        np.full(len(track), float(generation)),
        step,
    )


def _spread(count: int) -> NDArray[np.float64]:
    """Unit vectors (count, 3) evenly over the sphere, along a golden spiral."""
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    angle = np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - z * z)
    return np.stack((ring * np.cos(angle), ring * np.sin(angle), z), axis=1)


def _halve(places: NDArray[np.float64], times: int) -> NDArray[np.int64]:
    """Rows of `places` in 2^times groups of neighbours, (2^times, n)."""
    groups = np.arange(len(places))[None]
    for _ in range(times):
        groups = _halve_each(places, groups)
    return groups


def _halve_each(places: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each group (G, n) cut in two across its longest axis, (2 G, n / 2)."""
    own = places[groups]
    axis = own.var(axis=1).argmax(axis=1)
    along = np.take_along_axis(own, axis[:, None, None], axis=2)[..., 0]
    halved: NDArray[np.int64] = np.take_along_axis(groups, along.argsort(axis=1), axis=1).reshape(2 * len(groups), -1)
    return halved
