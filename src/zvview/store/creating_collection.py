"""Creating collections: several stores, one for each kind, that appear together."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from zvview.errors import InvalidInputError
from zvview.format import documents, names
from zvview.store.collection import Collection, collection_attributes
from zvview.store.creating import Mode, NewStore, resolve_options
from zvview.store.hierarchy import document_key
from zvview.store.places.open import Place, open_sink, open_source
from zvview.store.places.prefixed import PrefixedSink
from zvview.store.store import read_root

__all__ = ["NewCollection", "create_collection"]


def create_collection(
    place: Place,
    *,
    name: str | None = None,
    mode: Mode = "w-",
    storage_options: Mapping[str, Any] | None = None,
) -> NewCollection:
    """A new collection of stores at `place`, which appears there when the context that this is ends well.

    >>> with zvview.create_collection("brain.zarr") as brain:  # doctest: +SKIP
    ...     brain.create("neurons", kind="skeleton").write(skeletons)
    ...     brain.create("synapses", kind="point_cloud").write(points)
    >>> brain.open()["neurons"].level(0).read()  # doctest: +SKIP

    Raises
    ------
    ExistsError
        Something is there and `mode` is not ``"w"``, or it is not made of Zarr Vectors stores.
    """
    if mode not in ("w-", "w"):
        raise InvalidInputError(f"mode = {mode!r}, expected 'w-' or 'w'")
    return NewCollection(place, name, overwrite=mode == "w", storage_options=storage_options)


class NewCollection:
    """A collection that is being written; a context manager, made by :func:`create_collection`."""

    def __init__(
        self,
        place: Place,
        name: str | None = None,
        *,
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._place, self._storage_options = place, storage_options
        self._sink = open_sink(place, overwrite=overwrite, storage_options=storage_options)
        self._name = name or self._sink.place.rstrip("/").rpartition("/")[2]
        self._members: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._sink.abort()
            return
        attributes = collection_attributes(self._name, self._members)
        data = documents.encode_document(documents.group(attributes))
        try:
            self._sink.put_many([(document_key(""), (data,))])
            self._sink.commit()
        except BaseException:
            self._sink.abort()
            raise

    def create(self, name: str, *, kind: str, attributes: Mapping[str, Any] | None = None, **options: Any) -> NewStore:
        """A new store `name` in the collection; the other arguments are those of :func:`zvview.create`.

        Raises
        ------
        InvalidInputError
            A name that is taken, or no plain name of a folder.
        """
        if not name or name in self._members or name in (names.INDEX, names.ZARR_JSON) or "/" in name:
            raise InvalidInputError(f"{name!r} is taken or is no name for a store in a collection")
        sink = PrefixedSink(self._sink, name)
        self._members.append(name)
        return NewStore(sink.place, resolve_options(kind=kind, attributes=attributes, name=name, **options), sink=sink)

    def open(self) -> Collection:
        """The collection, once it was written."""
        source = open_source(self._place, storage_options=self._storage_options)
        return Collection(source, read_root(source).attributes)
