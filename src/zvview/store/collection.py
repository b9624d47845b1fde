"""Several kinds in one place: a Zarr group whose children are stores, announced by OME collection nodes.

The format keeps one vertex buffer for each level, so that a store that lists several kinds cannot keep them apart; a
collection can. ::

    zarr.json             group, attribute "ome": {"type": "collection", "nodes": [{"name", "type", "path"}, ...]}
    neurons/ synapses/    stores
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from zvview.errors import DamagedError, MissingError, UnsupportedError
from zvview.format import names
from zvview.format.values import as_mapping, as_str
from zvview.store.hierarchy import document_key, parse_document
from zvview.store.places.prefixed import source_within
from zvview.store.places.source import Source, check_keys
from zvview.store.store import Store

__all__ = ["Collection", "collection_attributes", "is_collection"]

_PART = "collection"


def is_collection(attributes: Mapping[str, Any]) -> bool:
    """Whether a root group's attributes are those of a collection of stores rather than of one store."""
    ome = attributes.get(names.OME)
    return names.ROOT not in attributes and isinstance(ome, Mapping) and ome.get("type") == names.OME_COLLECTION


def collection_attributes(name: str, members: list[str]) -> dict[str, Any]:
    """Attributes of the root group of a collection."""
    nodes = [{"name": member, "type": names.OME_COLLECTION, "path": f"./{member}"} for member in members]
    return {names.OME: {"version": names.OME_VERSION, "type": names.OME_COLLECTION, "name": name, "nodes": nodes}}


class Collection(Mapping[str, Store]):
    """The stores of a collection by name, opened when they are first asked for. Made by :func:`zvview.open`.

    Nodes that are no Zarr Vectors stores, such as images, are not among them, nor are those whose ``zarr.json`` is
    damaged; :attr:`notes` names them. Asking for a damaged one raises its :class:`~zvview.errors.DamagedError`.
    """

    def __init__(self, source: Source, attributes: Mapping[str, Any]) -> None:
        self._source = source
        self.place = source.place
        self._paths = _member_paths(attributes)
        documents = source.get_many([(document_key(path), None) for path in self._paths.values()])
        self._members: dict[str, Store | None] = {}
        self._damaged: dict[str, DamagedError] = {}
        notes = []
        for (name, path), data in zip(self._paths.items(), documents, strict=True):
            try:
                own = {} if data is None else parse_document(data, path)["attributes"]
            except DamagedError as error:
                self._damaged[name] = error
                notes.append(f"member {name!r} is left out: {error}")
                continue
            if names.ROOT in own:
                self._members[name] = None
            else:
                notes.append(f"member {name!r} is no Zarr Vectors store and is left out")
        self.notes: tuple[str, ...] = tuple(notes)

    def __repr__(self) -> str:
        return f"<zvview.Collection {self.place} {list(self._members)}>"

    def __getitem__(self, name: str) -> Store:
        if isinstance(name, str) and name in self._damaged:
            raise self._damaged[name]
        if not isinstance(name, str) or name not in self._members:
            raise MissingError("store in the collection", name, self._members)
        store = self._members[name]
        if store is None:
            store = self._members[name] = Store(source_within(self._source, self._paths[name]))
        return store

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def paths(self) -> Mapping[str, str]:
        """Path of each member inside the collection, by name."""
        return {name: self._paths[name] for name in self._members}

    def close(self) -> None:
        """Give back what is held open."""
        self._source.close()


def _member_paths(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Path of each node by its name, inside the collection."""
    nodes = as_mapping(attributes[names.OME], _PART, names.OME).get("nodes")
    out: dict[str, str] = {}
    for node in nodes if isinstance(nodes, list) else []:
        node = as_mapping(node, _PART, "ome.nodes")
        name = as_str(node.get("name"), _PART, "ome.nodes.name")
        path = as_str(node.get("path", name), _PART, "ome.nodes.path").removeprefix("./").strip("/")
        if "://" in path:
            raise UnsupportedError(f"member {name!r} lies elsewhere ({path}); open it by its own address")
        check_keys([path])
        out[name] = path
    return out
