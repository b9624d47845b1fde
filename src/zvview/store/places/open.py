"""From what a caller names, a path, an address or an object, to the source or sink that reads or writes there."""

from __future__ import annotations

import os
import re
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Mapping, MutableMapping
from typing import Any, TypeAlias

from zarr.abc.store import Store
from zarr.storage import LocalStore, MemoryStore

from zvview.errors import ExistsError, InvalidInputError, NotZarrVectorsError, UnreachableError
from zvview.store.places.folder import FolderSource
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.memory import MemorySink, MemorySource
from zvview.store.places.remote import RemoteSink, RemoteSource
from zvview.store.places.remote_config import SCHEMES
from zvview.store.places.replace import refuse_foreign
from zvview.store.places.source import ROOT_KEY, Sink, Source
from zvview.store.places.zarr_store import ZarrStoreSink, ZarrStoreSource
from zvview.store.places.zip_file import ZipSource
from zvview.store.places.zip_sink import ZipSink

__all__ = ["Place", "open_sink", "open_source", "without_store"]

Place: TypeAlias = str | os.PathLike[str] | MutableMapping[str, Any] | Store
"""A folder, a ``.zip``, an address, a dictionary of bytes, or a zarr store object."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # two letters at least: one is a drive


def open_source(place: Place, *, storage_options: Mapping[str, Any] | None = None) -> Source:
    """The source that reads the store at `place`.

    Parameters
    ----------
    place : str, path, mapping or zarr store
        A folder or the ``zarr.json`` in it, a zip file, an ``http(s)://``, ``s3://``, ``gs://`` or ``file://`` address,
        a dictionary of keys to bytes, or a zarr store object.
    storage_options : mapping, optional
        For addresses: see :func:`zvview.store.places.remote_config.connect`.

    Notes
    -----
    In ``file://`` addresses ``%20`` and its like are decoded, as everywhere in addresses; a bare ``?`` or ``#``, which
    would end the path, is refused. Paths are taken as they are written.

    Raises
    ------
    UnreachableError
        Nothing is there; names the nearest folder that exists.
    NotZarrVectorsError
        A file that is no zip.
    UnsupportedError
        An address of another kind, or one that needs a package which is not installed.
    InvalidInputError
        Not a place at all, an address without a host, or options of the wrong type.
    """
    if isinstance(place, Store):
        return _store_source(place)
    if isinstance(place, MutableMapping):
        return MemorySource(place)
    text = _text(place)
    if _remote_scheme(text) is not None:
        return RemoteSource(_without_root_key(text), storage_options)
    path = _without_root_key(_local_path(text))
    if os.path.isdir(path):
        return FolderSource(path)
    if os.path.isfile(path):
        if zipfile.is_zipfile(path):
            return ZipSource(path)
        raise NotZarrVectorsError(f"{path} is a file and not a zip: a Zarr Vectors store is a folder or a zip")
    raise UnreachableError(f"{path} does not exist; {_nearest(path)}")


def open_sink(place: Place, *, overwrite: bool = False, storage_options: Mapping[str, Any] | None = None) -> Sink:
    """The sink that writes a new store to `place`; a path that ends in ``.zip`` becomes a zip file.

    Parameters
    ----------
    place, storage_options
        As for :func:`open_source`.
    overwrite : bool
        Replace the Zarr Vectors store that is there.

    Raises
    ------
    ExistsError
        Something is there and `overwrite` is not set; or what is there is not a Zarr Vectors store, which is never
        replaced.
    InvalidInputError
        A zarr store object that is read-only; nothing was done to it. Otherwise as for :func:`open_source`.
    UnreachableError, UnsupportedError
        As for :func:`open_source`.
    """
    if isinstance(place, Store) and (place.read_only or not place.supports_writes):
        raise InvalidInputError(f"{place} is read-only: expected a store object that can be written")
    if isinstance(place, LocalStore):
        return FolderSink(str(place.root), overwrite=overwrite)
    if isinstance(place, (Store, MutableMapping)):
        there = open_source(place)
        _refuse_occupied(there, overwrite)
        if isinstance(there, MemorySource):
            return MemorySink(place)  # type: ignore[arg-type]
        return ZarrStoreSink(place)  # type: ignore[arg-type]
    text = _text(place)
    if (scheme := _remote_scheme(text)) is not None:
        if SCHEMES[scheme] != "http":
            _refuse_occupied(RemoteSource(text, storage_options), overwrite)
        return RemoteSink(text, storage_options)
    path = _local_path(text)
    kind = ZipSink if path.lower().endswith(".zip") and not os.path.isdir(path) else FolderSink
    return kind(path, overwrite=overwrite)


def without_store(place: object) -> object:
    """`place`, or the folder that it is a zarr store of."""
    return place.root if isinstance(place, LocalStore) else place


def _store_source(store: Store) -> Source:
    if isinstance(store, LocalStore):
        return FolderSource(str(store.root))
    return MemorySource(store) if type(store) is MemoryStore else ZarrStoreSource(store)


def _refuse_occupied(there: Source, overwrite: bool) -> None:
    if not (there.list_names("") if there.can_list else there.get_many([(ROOT_KEY, None)]) != [None]):
        return
    if not overwrite:
        raise ExistsError(f'{there.place} already holds something; mode="w" replaces a Zarr Vectors store')
    refuse_foreign(there)


def _text(place: object) -> str:
    text = os.fspath(place) if isinstance(place, (str, os.PathLike)) else ""
    if isinstance(text, str) and text and "\0" not in text:
        return text
    raise InvalidInputError(f"{place!r:.80} is not a place: expected a path, an address, a dictionary or a zarr store")


def _remote_scheme(text: str) -> str | None:
    """Scheme of an address in lower case; None for local paths."""
    found = _SCHEME.match(text)
    if found is None or found[1].lower() == "file":
        return None
    if found[1].lower() not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise InvalidInputError(f"{text}: an address of that kind is not known; there are {known} and paths")
    try:
        host = urllib.parse.urlsplit(text).hostname
    except ValueError as error:
        raise InvalidInputError(f"{text}: not an address: {error}") from error
    if not host:
        raise InvalidInputError(f"{text}: found no host or bucket behind {found[0]}; expected {found[0]}NAME/path")
    return found[1].lower()


def _local_path(text: str) -> str:
    """A path as it is written, or the decoded one of a ``file://`` address."""
    if not text.lower().startswith("file://"):
        return os.path.expanduser(text)
    host, slash, path = text[len("file://") :].partition("/")
    if host.lower() not in ("", "localhost") or not path.strip("/"):
        raise InvalidInputError(f"{text}: not the address of a file; expected file:///path, with three slashes")
    if "?" in path or "#" in path:
        raise InvalidInputError(f"{text}: '?' and '#' end the path of an address; write %3F and %23 for them in a name")
    return _text(urllib.request.url2pathname(slash + path))


def _without_root_key(text: str) -> str:
    """The store of a ``zarr.json``, and no slash at the end."""
    stripped = text.rstrip("/" + os.sep) or text
    folder, _, name = stripped.replace(os.sep, "/").rpartition("/")
    return (stripped[: len(folder)] or ".") if name == ROOT_KEY else stripped


def _nearest(path: str) -> str:
    """What of the path exists."""
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    return f"the nearest folder that does is {folder}"
