"""Documents of level 0 while edits are put into it: what changed of them, and what the level's own one counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zvview.format import documents, names
from zvview.store.hierarchy import document_key
from zvview.store.patching.nodes import is_between_levels
from zvview.store.patching.overlay import Overlay
from zvview.store.reading.counts import count_rows
from zvview.store.store import Store

__all__ = ["own_nodes", "put_documents", "put_level_document"]

Nodes = Mapping[str, dict[str, Any]]


def own_nodes(nodes: Nodes) -> dict[str, dict[str, Any]]:
    """Documents of a level, by path, without those of links to other levels and of their attributes."""
    return {path: document for path, document in nodes.items() if not is_between_levels(path)}


def put_documents(overlay: Overlay, before: Nodes, after: Nodes) -> dict[str, dict[str, Any]]:
    """Put what changed of the documents below the level's group; gives all that there are now.

    What is between levels stays: a refresh sees to it.
    """
    for path, document in after.items():
        if path != "0" and before.get(path) != document:
            overlay.put(document_key(path), documents.encode_document(document))
    gone = [path for path in own_nodes(before) if path != "0" and path not in after]
    overlay.remove(map(document_key, gone))
    return {path: document for path, document in before.items() if path not in gone} | dict(after)


def put_level_document(overlay: Overlay, nodes: Nodes, grown: int) -> None:
    """Put the document of the level, with a count of vertices that is greater by `grown`, and its list of arrays true.

    Parameters
    ----------
    overlay : Overlay
        With all else of the level in it.
    nodes : mapping
        Documents of the level by path; its own is as it was.
    grown : int
    """
    document = nodes["0"]
    own = dict(document["attributes"][names.LEVEL])
    declared = own.get("vertex_count")
    if isinstance(declared, int) and declared > 0 and declared + grown >= 0:
        own["vertex_count"] = declared + grown
    else:
        own["vertex_count"] = int(count_rows(Store(overlay).reader(0)).sum())
    families = {path.split("/")[1] for path in nodes if "/" in path} - _UNLISTED
    listed = [name for name in own.get("arrays_present") or () if name in families]
    own["arrays_present"] = [*listed, *sorted(families - set(listed))]
    own.pop(names.CAPABILITY_LINK_GROUPS, None)  # a claim about all chunks; new ones are written without it
    after = {**document, "attributes": {**document["attributes"], names.LEVEL: own}}
    if after != document:
        overlay.put(document_key("0"), documents.encode_document(after))


_UNLISTED = frozenset({names.COMPOSITE_INDEX})
