"""Names of the latest commits, kept in the store itself: whether a commit of which nobody heard was made.

A process may end, or lose the network, between the moment at which a commit counts and the one at which it hears so.
What is new in its edits would be added a second time by the next try; the name tells that there is nothing to do.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

from zvview.errors import DamagedError
from zvview.format import documents, names
from zvview.store.committing.finishing import GROUP, GROUP_KEY
from zvview.store.hierarchy import parse_document
from zvview.store.places.source import Source

__all__ = ["COMMITS_KEY", "make_name", "was_made", "with_name"]

COMMITS_KEY: Final = f"{names.INDEX}/{names.INDEX_COMMITS}/{names.ZARR_JSON}"
"""A group without anything in it, whose document tells the names."""

_ATTRIBUTE: Final = "zvview_commits"
_MOST: Final = 256


def make_name() -> str:
    """A name that no other commit has."""
    return uuid.uuid4().hex[:20]


def was_made(source: Source, name: str) -> bool:
    """Whether the commit of that name is among the latest of a store."""
    return name in _read(source)


def with_name(source: Source, changes: Mapping[str, bytes | None], name: str) -> dict[str, bytes | None]:
    """The changes that a commit makes to a store, its name among them."""
    found = [*_read(source), name][-_MOST:]
    out = {**changes, COMMITS_KEY: documents.encode_document(documents.group({_ATTRIBUTE: found}))}
    if GROUP_KEY not in changes and source.get_many([(GROUP_KEY, None)])[0] is None:
        out[GROUP_KEY] = GROUP
    return out


def _read(source: Source) -> list[str]:
    """Names, the latest last; none where they cannot be read."""
    data = source.get_many([(COMMITS_KEY, None)])[0]
    if data is None:
        return []
    try:
        found = parse_document(data, COMMITS_KEY)["attributes"].get(_ATTRIBUTE)
    except DamagedError:
        return []
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
