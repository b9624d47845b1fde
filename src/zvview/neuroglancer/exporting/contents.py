"""What is exported: the sources of a store, or of all members of a collection, by the folders that they go to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from types import TracebackType
from typing import Any, Self

import zvview
from zvview.errors import InvalidInputError
from zvview.neuroglancer.exporting.file_names import check_folders, join, plain_name
from zvview.neuroglancer.sources.contract import Source
from zvview.neuroglancer.sources.opening import open_sources
from zvview.store.places.folder import FolderSource
from zvview.store.places.prefixed import PrefixedSource
from zvview.store.places.remote import RemoteSource
from zvview.store.places.zip_file import ZipSource
from zvview.store.store import Store

__all__ = ["Contents", "digest_of"]


class Contents:
    """The stores at a place, opened; a context manager that closes them.

    Parameters
    ----------
    place : str, path, Store or Collection
        What is given open stays open.
    with_levels : bool
        As :func:`~zvview.neuroglancer.sources.opening.open_sources` takes it.

    Attributes
    ----------
    stores : dict of str to Store
        By folder of the export; ``""`` for that of a single store.

    Raises
    ------
    InvalidInputError
        A collection without stores.
    """

    def __init__(self, place: Any, *, with_levels: bool = True) -> None:
        self._opened = None if isinstance(place, Store | zvview.Collection) else zvview.open(place)
        given = place if self._opened is None else self._opened
        self.with_levels = with_levels
        self.stores: dict[str, Store] = {}
        for name, store in [("", given)] if isinstance(given, Store) else given.items():
            self.stores[plain_name(name, self.stores) if name else ""] = store
        self._sources: dict[str, Mapping[str, Source]] = {}
        self._digests: dict[str, str] = {}
        if not self.stores:
            self.close()
            raise InvalidInputError(f"{given.place} holds no stores to export")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what was opened here."""
        if self._opened is not None:
            self._opened.close()

    def sources_of(self, folder: str) -> Mapping[str, Source]:
        """The sources of the store of one folder, by name."""
        if folder not in self._sources:
            self._sources[folder] = open_sources(self.stores[folder], with_levels=self.with_levels)
        return self._sources[folder]

    def source(self, path: str) -> Source:
        """A source by the path of its folder."""
        folder, _, name = ("", "", path) if "" in self.stores else path.partition("/")
        return self.sources_of(folder)[name]

    def digest_of_info(self, path: str) -> str:
        """Of the document of a source: another one after the store changed so that its contents have other places."""
        if path not in self._digests:
            self._digests[path] = digest_of(self.source(path).info)
        return self._digests[path]

    def sources(self) -> Iterator[tuple[str, Source]]:
        """All of them by the paths of their folders.

        Raises
        ------
        InvalidInputError
            Names that cannot be those of folders.
        """
        found = {join(f, name): source for f in self.stores for name, source in self.sources_of(f).items()}
        check_folders(
            join(path, key) for path, source in found.items() for key in ("", *(s.key for s in source.sections))
        )
        yield from found.items()

    def state(self) -> str | None:
        """Another text after any of the stores was changed; None where nothing tells."""
        told = [(folder, _state_of(store)) for folder, store in self.stores.items()]
        return None if any(state is None for _, state in told) else digest_of(told)

    def files(self) -> list[str]:
        """Local folders and files that the stores are."""
        return [path for store in self.stores.values() if (path := _path_of(_place_of(store)[0])) is not None]


def digest_of(value: Any) -> str:
    """Of a value of JSON."""
    return blake2b(json.dumps(value).encode(), digest_size=16).hexdigest()


def _place_of(store: Store) -> tuple[Any, str]:
    """What a store is read from, and what all its keys begin with there."""
    source = store.reader(store.levels[0]).hierarchy.source
    return (source.whole, source.prefix) if isinstance(source, PrefixedSource) else (source, "")


def _path_of(source: Any) -> str | None:
    if isinstance(source, FolderSource):
        return os.path.realpath(source.folder)
    return os.path.realpath(source.path) if isinstance(source, ZipSource) else None


def _state_of(store: Store) -> str | None:
    """From sizes and times of files, or the tags of objects at an address."""
    source, prefix = _place_of(store)
    if isinstance(source, ZipSource):
        found = os.stat(source.path)
        return digest_of([found.st_ino, found.st_size, found.st_mtime_ns])
    if isinstance(source, FolderSource | RemoteSource) and source.can_list:
        keys = source.list_keys(prefix)
        versions = source.versions(keys)
        return None if any(v is None for v in versions) else digest_of([keys, versions])
    return None
