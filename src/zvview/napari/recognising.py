"""Telling in a moment, and without a sound, whether a place may hold a Zarr Vectors store."""

from __future__ import annotations

import json
import os
import re
import zipfile
from typing import Final

from zvview.format import names
from zvview.store.collection import is_collection
from zvview.store.places.source import ROOT_KEY

__all__ = ["is_address", "is_candidate"]

_ADDRESS: Final = re.compile(r"(https?|s3|gs)://", re.IGNORECASE)
_NAMED_ADDRESS: Final = re.compile(r"(\.(zarrvectors|zv)(\.zip)?/?|/zarr\.json)$", re.IGNORECASE)
_MOST_BYTES: Final = 64 << 20  # of a root document; larger ones are no store's


def is_address(path: str) -> bool:
    """Whether a path is the address of a remote place."""
    return _ADDRESS.match(path) is not None


def is_candidate(path: str) -> bool:
    """Whether a path may be a store: by its name for addresses, by its root document for folders and zips."""
    if is_address(path):
        return _NAMED_ADDRESS.search(path.split("?")[0].split("#")[0]) is not None
    try:
        return _announces_vectors(_read_root(path))
    except (OSError, ValueError, RecursionError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return False


def _read_root(path: str) -> bytes:
    """The root document of a folder or a zip; empty where there is none."""
    if os.path.basename(path) == ROOT_KEY:
        path = os.path.dirname(path) or "."
    if os.path.isdir(path):
        root = os.path.join(path, ROOT_KEY)
        if not os.path.isfile(root) or os.path.getsize(root) > _MOST_BYTES:
            return b""
        with open(root, "rb") as file:
            return file.read()
    if not zipfile.is_zipfile(path):
        return b""
    with zipfile.ZipFile(path) as archive:
        known = archive.NameToInfo.get(ROOT_KEY)
        return b"" if known is None or known.file_size > _MOST_BYTES else archive.read(known)


def _announces_vectors(document: bytes) -> bool:
    root = json.loads(document) if document else None
    attributes = root.get("attributes") if isinstance(root, dict) else None
    return isinstance(attributes, dict) and (names.ROOT in attributes or is_collection(attributes))
