"""What may be replaced: a Zarr Vectors store, or a collection of nothing but such stores. Nothing else, ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zvview.errors import DamagedError, ExistsError
from zvview.store.hierarchy import parse_document
from zvview.store.places.source import ROOT_KEY, Source

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["refuse_foreign"]

_OURS = "zvview"  # the group with zvview's own index, beside the members of a collection


def refuse_foreign(source: Source) -> None:
    """Raise unless `source` holds what zvview may delete in favour of a new store.

    A collection is one when its ``zarr.json`` has an OME collection node and every folder in it with a ``zarr.json``
    is a Zarr Vectors store; an image among the members protects it.

    Raises
    ------
    ExistsError
        Anything else lies there.
    """
    if not _holds_vectors(source):
        raise ExistsError(
            f'{source.place} is not empty and not a Zarr Vectors store, so that mode="w" does not replace it. '
            "Choose another name or remove it yourself."
        )


def _holds_vectors(source: Source) -> bool:
    (root,) = source.get_many([(ROOT_KEY, None)])
    attributes = _attributes(root)
    if "zarr_vectors" in attributes:
        return True
    ome = attributes.get("ome")
    if not isinstance(ome, dict) or ome.get("type") != "collection" or not source.can_list:
        return False
    names = [name for name in source.list_names("") if name not in (ROOT_KEY, _OURS)]
    members = source.get_many([(f"{name}/{ROOT_KEY}", None) for name in names])
    return bool(names) and all("zarr_vectors" in _attributes(member) for member in members)


def _attributes(document: Buffer | None) -> dict[str, Any]:
    """Attributes of a ``zarr.json``; empty where it is none."""
    try:
        return {} if document is None else dict(parse_document(document, "")["attributes"])
    except DamagedError:
        return {}
