"""Skeletons: neurons as reconstructions have them, a soma, one axon and several dendrites."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import Categories
from zvview.geometry.batches import Skeletons
from zvview.testing.recipe import Recipe
from zvview.testing.trees import grow_trees

__all__ = ["GROUP_NAMES", "make_skeletons"]

GROUP_NAMES: Final = ("basket", "chandelier", "martinotti", "pyramidal")
_TYPES: Final = Categories(("soma", "axon", "dendrite"))
_NODES = 2000  # of a neuron, on average


def make_skeletons(recipe: Recipe) -> Skeletons:
    """Neurons of about 2,000 nodes each. Attributes: ``radius`` (float32) and the categorical ``type``."""
    recipe.choose("neurons")
    recipe.need_axes(2, 16)
    rng = recipe.rng
    count = recipe.count_objects(recipe.size // _NODES, 1)
    trees = grow_trees(rng, recipe.size, recipe.ndim, count)
    attributes: dict[str, NDArray[Any]] = {}
    if recipe.with_attributes:
        thickness = np.float32(2.0) * np.float32(0.8) ** trees.depth.astype(np.float32)
        attributes["radius"] = np.where(trees.depth > 0, thickness * (1 + trees.taper) / 2 + np.float32(0.1), 8)
        attributes["type"] = np.select([trees.depth == 0, trees.primary == 0], [0, 1], 2).astype(np.uint8)
    return Skeletons.from_parents(
        trees.positions,
        trees.parents,
        offsets=trees.offsets,
        object_ids=np.arange(count),
        attributes=attributes,
        categories={"type": _TYPES} if attributes else {},
    )
