"""Stores of every kind by name."""

from __future__ import annotations

from typing import Any, Final

from zvview.format.metadata import Axis
from zvview.store.creating import create
from zvview.store.places.open import Place
from zvview.store.store import Store
from zvview.testing.batches import make_batch, make_groups

__all__ = ["make_store"]

_AXES: Final = (*(Axis(name, "space", "micrometer") for name in "xyz"), Axis("t", "time", "second"))


def make_store(
    place: Place,
    kind: str,
    *,
    size: int = 10_000,
    ndim: int = 3,
    seed: int = 0,
    n_objects: int | None = None,
    with_attributes: bool = True,
    form: str | None = None,
    with_groups: bool = True,
    **options: Any,
) -> Store:
    """A store at `place` with what :func:`make_batch` gives, open.

    Parameters
    ----------
    place : str, path, mapping or zarr store
        A folder, a path that ends in ``.zip``, or a dictionary to keep the store in memory.
    kind, size, ndim, seed, n_objects, with_attributes, form
        See :func:`make_batch`.
    with_groups : bool
        Whether the objects are grouped as by :func:`make_groups`.
    **options
        ``chunk_shape``, ``codec``, ``shards``, ``mode`` and what else :func:`zvview.create` takes.

    Examples
    --------
    >>> store = make_store({}, "point_cloud", size=2000, ndim=2, form="uniform")
    >>> store.kind, len(store.level(0).read(box=((0, 0), (1000, 1000))))
    ('point_cloud', 2000)
    """
    batch = make_batch(kind, size, ndim, seed, n_objects, with_attributes, form=form)
    if ndim <= len(_AXES):
        options.setdefault("axes", _AXES[:ndim])
    store = create(place, kind=kind, **options)
    store.write(batch, groups=(make_groups(batch) or None) if with_groups else None)
    return store
