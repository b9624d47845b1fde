"""Synthetic but credible geometry of every kind, for tests, demos and trying zvview without any data.

>>> from zvview.testing import make_batch, make_store
>>> make_batch("skeleton", 1000, seed=3).parents[:4].tolist()
[-1, 0, 1, 2]
>>> make_store({}, "streamline", size=5000).level(0).vertex_count
5000
"""

from zvview.testing.batches import KINDS, make_batch, make_groups
from zvview.testing.recipe import EXTENT
from zvview.testing.stores import make_store

__all__ = ["EXTENT", "KINDS", "make_batch", "make_groups", "make_store"]
