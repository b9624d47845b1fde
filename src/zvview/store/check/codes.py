"""Every kind of finding: its code, how bad it is, and what to do about it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from zvview.store.check.findings import Severity

__all__ = ["CODES"]

_RESTORE = "Restore this part from a copy, or write the store anew from its source."
_REWRITE = "Write the store anew with the program that made it; its writer is at fault."
_METADATA = "Correct the attribute in zarr.json, or write the store anew."
_HARMLESS = "Nothing needs to be done; programs that trust this value are misled. Writing the store anew corrects it."
_INDEX = "Harmless: zvview ignores what is stale. Writing the store anew, or saving into it with zvview, refreshes it."

_ERRORS: Final = {
    # place and root
    "not-a-store": "Give the folder, zip or address of the store itself: the group with the attribute 'zarr_vectors'.",
    "unsupported": "Read it with the library that wrote it, or with a newer zvview.",
    "damaged-metadata": _RESTORE,
    "damaged-cell": _RESTORE,
    "bin-shape": "Choose bins that divide chunks without a rest, and write the store anew.",
    "convention": _METADATA,
    # levels
    "no-levels": "Write level 0: a group '0' with an array 'vertices'.",
    "level-gap": "Number the levels 0, 1, 2, ... without a gap.",
    "chunk-shape": "Give coarse levels chunks that are whole multiples of those of level 0.",
    "chunk-list": _RESTORE,
    # vertices, fragments, attributes
    "not-finite": "Remove or replace the vertices whose coordinates are no numbers.",
    "wrong-chunk": _REWRITE,
    "chunk-attribute": _REWRITE,
    "tiling-claim": "Remove 'fragments_tile' from the level's attributes, or write the level anew.",
    "bin-fragments": _REWRITE,
    "attribute-length": _RESTORE,
    "attribute-width": _RESTORE,
    "category-code": "Add the missing labels to 'categories', or correct the codes.",
    # objects and groups
    "duplicate-id": "Give every object an id of its own.",
    "id-order": "Set 'object_ids_sorted' to false, or sort the object index by id.",
    "manifest-chunk": _RESTORE,
    "manifest-fragment": _RESTORE,
    "owner": "Remove the fragment attribute 'object_id', or derive it anew from the manifests.",
    "object-rows": _RESTORE,
    "group-member": "Remove the ids from the group, or restore the objects.",
    "group-rows": _RESTORE,
    # links
    "link-array": _REWRITE,
    "link-order": _REWRITE,
    "link-chunk": _RESTORE,
    "link-row": _RESTORE,
    "link-width": "Store edges with two endpoints and faces with three or more.",
    "link-attribute": _RESTORE,
    "link-copies": _RESTORE,
    "link-fragments": "Remove the array 'link_fragments', or derive it anew from the links.",
    "link-groups-claim": "Remove 'fragment_link_groups' from the level's attributes.",
    "bridges": "Derive the links anew from the manifests, or remove 'fragments_tile' from the level's attributes.",
    "cycle": "Cut the cycle: remove one of its links.",
    # side content
    "parametric": _RESTORE,
}

_WARNINGS: Final = {
    "consolidated-metadata": "Remove 'consolidated_metadata' from the root's zarr.json: the reference library reads "
    "stale copies from it, and can destroy the store when it appends.",
    "ome-missing": "Harmless to readers of Zarr Vectors; OME collections cannot refer to the store.",
    "ome-nodes": "List every level in ome.nodes, and only these.",
    "datasets": "List every level in multiscales[0].datasets with its scale: resolutions are read from there.",
    "several-kinds": "Write one store for each kind and join them in a collection: they share one vertex buffer and "
    "cannot be told apart.",
    "composite": "Write one store for each kind; the links of composite stores cannot be trusted.",
    "level-metadata": "Add 'zarr_vectors_level' to the attributes of the level's group.",
    "fragments-missing": "Write the array 'vertex_fragments'; without it a chunk is one fragment.",
    "counts-increase": "Make coarser levels hold no more vertices than finer ones.",
    "parent-level": _METADATA,
    "object-sparsity": _METADATA,
    "vertex-count": _HARMLESS,
    "arrays-present": _HARMLESS,
    "inherited-objects": _HARMLESS,
    "outside-bounds": "Widen 'bounds' to hold all vertices; programs that ask for the bounds miss some.",
    "stray-cell": "Add the chunk to 'nonempty_chunks', or remove the object: readers do not see it.",
    "missing-cell": "Remove the chunk from 'nonempty_chunks', or restore the object if data were lost.",
    "orphan-cell": "Remove the cell: it belongs to nothing.",
    "values-end-early": "Write a value for every fragment; zvview asks the manifests where there is none.",
    "num-present": _HARMLESS,
    "unowned-fragment": "Remove the fragment, or name it in the manifest of its object: reads by object miss it.",
    "shared-fragment": "Set 'shared_fragments' in the level's attributes, or give each object fragments of its own.",
    "line-length": "Remove lines without two ends; give longer ones another kind.",
    "num-groups": _HARMLESS,
    "group-names": "Give each group one name of its own.",
    "num-links": _HARMLESS,
    "self-link": "Remove links from a vertex to itself.",
    "degenerate-face": "Remove faces that name a vertex twice.",
    "doubled-link": "Remove the repetitions.",
    "several-roots": "Join the parts of the object, or split it into several objects.",
    "two-parents": "Remove one of the links: directions are not trusted where a node has two parents.",
    "index-damaged": _INDEX,
}

_NOTES: Final = {
    "kind": "Nothing, if the store is still to be filled.",
    "dead-rows": "Nothing; edits leave rows behind that no fragment names. Writing the store anew removes them.",
    "row-shape": "Nothing; widths are taken from the data. Other readers may want a true 'row_shape'.",
    "link-mark": "Nothing; records with negative rows are marks, not links.",
    "link-between-objects": "Nothing, if objects are meant to be joined.",
    "draco": "Only what encloses the cells was checked.",
    "index-stale": _INDEX,
    "reader-note": "Nothing.",
}

_BY_SEVERITY: tuple[tuple[Severity, dict[str, str]], ...] = (
    ("error", _ERRORS),
    ("warning", _WARNINGS),
    ("note", _NOTES),
)

CODES: Final = MappingProxyType(
    {code: (severity, remedy) for severity, codes in _BY_SEVERITY for code, remedy in codes.items()}
)
"""Severity and remedy of every code."""
