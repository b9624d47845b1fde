"""Opening a place: the one entrance to stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zvview.store.collection import Collection, is_collection
from zvview.store.places.open import Place, open_source
from zvview.store.places.source import Source
from zvview.store.store import Store, read_root

__all__ = ["open"]


def open(place: Place, *, storage_options: Mapping[str, Any] | None = None) -> Store | Collection:
    """Open the store, or the collection of stores, at `place`.

    Parameters
    ----------
    place : str, path, mapping or zarr store
        A folder, a ``.zip``, an ``http(s)://``, ``s3://`` or ``gs://`` address, a dictionary of keys to bytes, or a
        zarr store object.
    storage_options : mapping, optional
        Credentials and endpoint of an address; anonymous by default.

    Raises
    ------
    NotZarrVectorsError, UnsupportedError, DamagedError, UnreachableError
        What is there is no store, one that zvview does not read, a damaged one, or out of reach.
    """
    source = open_source(place, storage_options=storage_options)
    try:
        return _open(source)
    except BaseException:
        source.close()
        raise


def _open(source: Source) -> Store | Collection:
    root = read_root(source)
    return Collection(source, root.attributes) if is_collection(root.attributes) else Store(source, root)
