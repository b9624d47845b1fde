"""Lines: bundles as tractography finds them, and single segments along a swirling flow."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.geometry.batches import Lines, Polylines
from zvview.testing.recipe import EXTENT, Recipe, fold, share_out

__all__ = ["GROUP_NAMES", "make_lines", "make_polylines"]

GROUP_NAMES: Final = (
    "arcuate_left",
    "arcuate_right",
    "corticospinal_left",
    "corticospinal_right",
    "forceps_major",
    "forceps_minor",
)
_VERTICES = 50  # of a line, on average

P = TypeVar("P", bound=Polylines)


def make_polylines(recipe: Recipe, cls: type[P]) -> P:
    """Lines that run together in six bundles, line i in bundle ``i % 6``, fanning out towards both ends.

    Attributes: ``fa`` (float32), anisotropy, high in the middle of a bundle, and ``direction`` (N, D) uint8, the
    share of each axis in the tangent, as tractography colours lines.
    """
    recipe.choose("bundles")
    recipe.need_axes(2, 16)
    rng, size, ndim = recipe.rng, recipe.size, recipe.ndim
    lines = recipe.count_objects(size // _VERTICES, 2)
    counts = share_out(rng, size, lines, least=2, spread=0.4)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    line = np.repeat(np.arange(lines), counts)
    along = _along(rng, counts, offsets)
    positions = np.empty((size, ndim), np.float32)
    tangents = np.empty((size, ndim), np.float32)
    fan = 1 + np.square(2 * along - 1) * np.float32(2.5)
    for d in range(ndim):  # axis by axis: contiguous columns
        positions[:, d], tangents[:, d] = _curve(rng, line, along, fan)
    attributes: dict[str, NDArray[Any]] = {}
    if recipe.with_attributes:
        wave = np.sin(np.float32(np.pi) * along)
        noise = rng.standard_normal(size, np.float32) * np.float32(0.04)
        attributes["fa"] = np.clip(np.float32(0.25) + np.float32(0.5) * wave + noise, 0, 1)
        length = np.sqrt(np.einsum("nd,nd->n", tangents, tangents))[:, None]
        attributes["direction"] = (np.abs(tangents) / np.maximum(length, np.float32(1e-6)) * 255).astype(np.uint8)
    return cls(fold(positions), offsets=offsets, object_ids=np.arange(lines), attributes=attributes)


def make_lines(recipe: Recipe) -> Lines:
    """Short segments along a swirling flow; attribute ``speed`` (float32) at both ends.

    Each line takes two vertices, so that an odd `size` is rounded down.
    """
    recipe.choose("flow")
    recipe.need_axes(2, 16)
    count = recipe.size // 2
    if count < 1 or recipe.n_objects not in (None, count):
        raise InvalidInputError(f"{recipe.size} vertices make {count} lines, not {recipe.n_objects or 1}")
    rng, ndim = recipe.rng, recipe.ndim
    starts = rng.random((count, ndim), np.float32) * np.float32(EXTENT)
    turn = np.float32(2 * np.pi / EXTENT) * starts
    flow = np.sin(turn[:, np.roll(np.arange(ndim), -1)]) + np.cos(turn) * np.float32(0.5)
    flow += rng.standard_normal((count, ndim), np.float32) * np.float32(0.1)
    ends = fold(np.stack((starts, starts + flow * np.float32(0.01 * EXTENT)), axis=1))
    attributes = {}
    if recipe.with_attributes:
        attributes["speed"] = np.repeat(np.sqrt(np.einsum("nd,nd->n", flow, flow)), 2)
    return Lines.from_endpoints(ends, object_ids=np.arange(count), attributes=attributes)


def _along(rng: np.random.Generator, counts: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Where on its bundle each vertex lies, 0 to 1; some lines end early, some run backwards."""
    first = rng.uniform(0.0, 0.15, len(counts)).astype(np.float32)
    last = rng.uniform(0.85, 1.0, len(counts)).astype(np.float32)
    is_backwards = rng.random(len(counts)) < 0.3
    first, last = np.where(is_backwards, last, first), np.where(is_backwards, first, last)
    step = (last - first) / (counts - 1).astype(np.float32)
    rank = (np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)).astype(np.float32)
    return np.repeat(first, counts) + rank * np.repeat(step, counts)


def _curve(
    rng: np.random.Generator, line: NDArray[np.int64], along: NDArray[np.float32], fan: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One coordinate of each vertex and its change along the bundle: a cubic; lines waver beside it."""
    lines = int(line[-1]) + 1
    bundle = np.arange(lines) % len(GROUP_NAMES)
    control = rng.uniform(0.1 * EXTENT, 0.9 * EXTENT, (4, len(GROUP_NAMES)))
    a, b, c, e = control
    powers = np.stack((a, 3 * (b - a), 3 * (a - 2 * b + c), e - a + 3 * (b - c))).astype(np.float32)[:, bundle]
    beside = rng.normal(0, 0.012 * EXTENT, lines).astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, lines).astype(np.float32)
    p0, p1, p2, p3 = (np.take(p, line) for p in powers)
    where = ((p3 * along + p2) * along + p1) * along + p0
    slope = (3 * p3 * along + 2 * p2) * along + p1
    waver = np.sin(along * np.float32(9) + np.take(phase, line)) * np.float32(0.004 * EXTENT)
    return where + np.take(beside, line) * fan + waver, slope
