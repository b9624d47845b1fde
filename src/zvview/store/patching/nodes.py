"""Documents of all nodes below a place in a store, found without looking at cells; and what paths of them tell."""

from __future__ import annotations

from typing import Any

from zvview.format import names
from zvview.store.hierarchy import document_key, share_document
from zvview.store.places.source import Source

__all__ = ["is_between_levels", "read_nodes"]


def read_nodes(source: Source, path: str = "") -> tuple[dict[str, dict[str, Any]], dict[str, bytes]]:
    """Documents and their exact bytes by path, that of `path` among them; those of zvview's index are left out.

    Raises
    ------
    DamagedError
        A document that is none.
    """
    found: dict[str, dict[str, Any]] = {}
    encoded: dict[str, bytes] = {}
    wave = [path]
    while wave:
        answers = source.get_many([(document_key(node), None) for node in wave])
        groups = []
        for node, data in zip(wave, answers, strict=True):
            if data is not None:
                encoded[node] = bytes(data)
                found[node] = share_document(source, data, node)
                groups += [node] if found[node]["node_type"] == "group" else []
        inner = ((group, name) for group in groups for name in source.list_names(group))
        paths = [f"{group}/{name}" if group else name for group, name in inner if name != names.ZARR_JSON]
        wave = [node for node in paths if node != names.INDEX]
    return found, encoded


def is_between_levels(path: str) -> bool:
    """Whether a node of a level belongs to links to other levels, or to their attributes."""
    _, family, *rest = [*path.split("/", 2), "", ""]
    delta = rest[0].partition("/")[2] if family == names.LINK_ATTRIBUTES else rest[0]
    return family in (names.LINKS, names.LINK_ATTRIBUTES) and delta[:1] in ("+", "-")
