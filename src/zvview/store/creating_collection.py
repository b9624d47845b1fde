"""Creating collections: several stores, one for each kind, that appear together."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import NoneType, TracebackType
from typing import Any, Self

from zvview.errors import ExistsError, InvalidInputError
from zvview.format import documents, names
from zvview.geometry.arguments import check_choice, check_type
from zvview.store.collection import Collection, collection_attributes
from zvview.store.creating import MODES, Mode, NewStore, resolve_options
from zvview.store.creating_member import MemberSink
from zvview.store.hierarchy import document_key
from zvview.store.places.open import Place, open_source
from zvview.store.replacing import open_new_sink
from zvview.store.store import read_root
from zvview.store.writing.options import check_name

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
    ConflictError
        Another process is changing what would be replaced, now or when the context ends; it is as it was then.
    """
    check_choice(mode, "mode", MODES)
    check_type(name, "name", (str, NoneType), "text")
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
        self._sink = open_new_sink(place, overwrite=overwrite, storage_options=storage_options)
        self._name = name or self._sink.place.rstrip("/").rpartition("/")[2]
        self._members: list[str] = []
        self._taken: set[str] = set()
        self._is_open = True
        self._abandoned = weakref.finalize(self, self._sink.abort)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._abandoned.detach()
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

        It is a member once it was written; where that fails, or is left out, a store of the name can be created again.

        Raises
        ------
        InvalidInputError
            A name that is taken, or no plain name of a folder; options that there are not.
        """
        check_name("member", name)
        if name in self._taken or name == names.INDEX:
            raise InvalidInputError(f"{name!r} is taken or is no name for a store in a collection")
        sink = MemberSink(self._sink, name, self._admit)
        return NewStore(sink.place, resolve_options(kind=kind, attributes=attributes, name=name, **options), sink=sink)

    @contextmanager
    def _admit(self, name: str) -> Iterator[None]:
        """While a member is put: once begun its name is taken, and once it is through it is listed."""
        if not self._is_open:
            raise InvalidInputError(f"the collection was closed before {name!r} was written")
        if name in self._taken:
            raise ExistsError(f"the member {name!r} was written already")
        self._taken.add(name)
        yield
        self._members.append(name)

    def open(self) -> Collection:
        """The collection, once it was written."""
        source = open_source(self._place, storage_options=self._storage_options)
        return Collection(source, read_root(source).attributes)
