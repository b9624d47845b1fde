"""Points as detections in tissue are spread: dense clusters, no two alike, over a sparse background."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import Categories
from zvview.geometry.batches import Points
from zvview.testing.recipe import EXTENT, Recipe, fold, share_out

__all__ = ["GROUP_NAMES", "make_points"]

GROUP_NAMES: Final = ("excitatory", "inhibitory", "unsure")
_TYPES: Final = Categories(("postsynaptic", "presynaptic"))
_CLUSTERS = 40
_BACKGROUND = 0.12  # share of the points that belong to no cluster


def make_points(recipe: Recipe) -> Points:
    """Points in clusters over a background (``clustered``), or alike everywhere (``uniform``).

    With objects, cluster i is object i and the background's points fall to random ones. Attributes: ``intensity``
    (float32), brighter towards the middle of a cluster, and the categorical ``type``.
    """
    rng = recipe.rng
    is_clustered = recipe.choose("clustered", "uniform") == "clustered"
    count = recipe.count_objects(_CLUSTERS, 1) if is_clustered or recipe.n_objects is not None else 1
    if is_clustered:
        positions, cluster, distance = _clusters(rng, recipe.size, recipe.ndim, count)
    else:
        positions = rng.random((recipe.size, recipe.ndim), np.float32) * np.float32(EXTENT)
        cluster = rng.integers(0, count, recipe.size)
        distance = np.ones(recipe.size, np.float32)
    attributes = {}
    if recipe.with_attributes:
        brightness = np.float32(2.0) + rng.exponential(1.0, recipe.size).astype(np.float32)
        attributes["intensity"] = brightness * (1 + np.exp(-distance * distance))
        attributes["type"] = (rng.random(recipe.size, np.float32) < 0.4).astype(np.uint8)
    return Points(
        positions,
        object_ids=None if recipe.n_objects is None else cluster,
        attributes=attributes,
        categories={"type": _TYPES} if attributes else {},
    )


def _clusters(
    rng: np.random.Generator, size: int, ndim: int, count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Positions in random order, the cluster of each, and its distance from the middle in the cluster's own widths."""
    of_each = share_out(rng, max(count, size - int(size * _BACKGROUND)), count, least=1, spread=1.0)
    sparse = size - int(of_each.sum())
    cluster = rng.permutation(np.concatenate((np.repeat(np.arange(count), of_each), np.full(sparse, -1))))
    middles = rng.uniform(0.1 * EXTENT, 0.9 * EXTENT, (count, ndim)).astype(np.float32)
    widths = rng.lognormal(np.log(0.03 * EXTENT), 0.5, (count, ndim)).astype(np.float32)
    offsets = rng.standard_normal((size, ndim), np.float32)
    distance = np.sqrt(np.einsum("nd,nd->n", offsets, offsets))
    positions = fold(middles[cluster] + offsets * widths[cluster])
    loose = np.flatnonzero(cluster < 0)
    positions[loose] = rng.random((len(loose), ndim), np.float32) * np.float32(EXTENT)
    distance[loose] = 10.0
    cluster[loose] = rng.integers(0, count, len(loose))
    return positions, cluster, distance
