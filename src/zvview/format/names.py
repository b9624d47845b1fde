"""Every name that stands on disk, once. Chapter numbers are those of the format reference that the docs carry."""

from __future__ import annotations

from typing import Final

# versions
WRITTEN_VERSION: Final = "0.9.2"

# files
ZARR_JSON: Final = "zarr.json"

# attributes of the root group (2)
ROOT: Final = "zarr_vectors"
MULTISCALES: Final = "multiscales"
OME: Final = "ome"
OME_VERSION: Final = "0.6"
OME_COLLECTION: Final = "collection"
OME_LEVEL_NODE: Final = "zv:level"
OME_STORE_NODE: Final = "zv:store"
USER_METADATA: Final = "user_metadata"

# attributes of a level group (3)
LEVEL: Final = "zarr_vectors_level"
PRESENCE: Final = "zarr_vectors_presence"
PRESENCE_DEFERRED: Final = "deferred"

# arrays and groups of a level (1)
VERTICES: Final = "vertices"
VERTEX_FRAGMENTS: Final = "vertex_fragments"
VERTEX_ATTRIBUTES: Final = "vertex_attributes"
FRAGMENT_ATTRIBUTES: Final = "fragment_attributes"
LINKS: Final = "links"
LINK_FRAGMENTS: Final = "link_fragments"
LINK_ATTRIBUTES: Final = "link_attributes"
OBJECT_INDEX: Final = "object_index"
MANIFESTS: Final = "manifests"
MANIFEST_SPANS: Final = "manifest_spans"
MANIFEST_BLOCKS: Final = "manifest_blocks"
OBJECT_IDS: Final = "object_ids"
OBJECT_ATTRIBUTES: Final = "object_attributes"
GROUPS: Final = "groups"
GROUP_ATTRIBUTES: Final = "group_attributes"
LEVEL_FAMILIES: Final = (
    VERTICES,
    VERTEX_FRAGMENTS,
    VERTEX_ATTRIBUTES,
    FRAGMENT_ATTRIBUTES,
    LINKS,
    LINK_FRAGMENTS,
    LINK_ATTRIBUTES,
    OBJECT_INDEX,
    OBJECT_ATTRIBUTES,
    GROUPS,
    GROUP_ATTRIBUTES,
)

# names of fragment attributes that tell the owner (7.2)
OBJECT_ID: Final = "object_id"
SEGMENT_ID: Final = "segment_id"
OWNER_NONE: Final = -1
OWNER_SEVERAL: Final = -2

# at the root (12)
PARAMETRIC: Final = "parametric"
HEADERS: Final = "headers"
COMPOSITE_INDEX: Final = "geometry_index"

# discriminators and attributes of arrays (4, 5, 6, 7, 8, 9)
ZV_ARRAY: Final = "zv_array"
NONEMPTY_CHUNKS: Final = "nonempty_chunks"
CHUNK_GRID_ORIGIN: Final = "chunk_grid_origin"
FRAGMENT_ENCODING: Final = "fragment_index_v1"
RAW: Final = "raw"
DRACO: Final = "draco"
DICTIONARY: Final = "dictionary"
LAYOUT_V1: Final = "vlen_manifests_v1"
LAYOUT_V2: Final = "vlen_manifests_v2"
LAYOUT_DENSE: Final = "dense_manifests_v1"
ABSENT: Final = "absent"

# values of links_convention (2.1, 9.6)
EXPLICIT: Final = "explicit"
SEQUENTIAL: Final = "implicit_sequential"
SEQUENTIAL_WITH_BRANCHES: Final = "implicit_sequential_with_branches"
LINKS_CONVENTIONS: Final = (EXPLICIT, SEQUENTIAL, SEQUENTIAL_WITH_BRANCHES)
CANONICAL: Final = "canonical"
DUPLICATE: Final = "duplicate"

# geometry types (2.1, 11)
POINT_CLOUD: Final = "point_cloud"
LINE: Final = "line"
POLYLINE: Final = "polyline"
STREAMLINE: Final = "streamline"
GRAPH: Final = "graph"
SKELETON: Final = "skeleton"
MESH: Final = "mesh"
KINDS: Final = (POINT_CLOUD, LINE, POLYLINE, STREAMLINE, GRAPH, SKELETON, MESH)

#: What the links of a kind that zvview writes mean (14).
CONVENTION_OF_KIND: Final = {
    POINT_CLOUD: SEQUENTIAL,
    LINE: SEQUENTIAL,
    POLYLINE: SEQUENTIAL,
    STREAMLINE: SEQUENTIAL,
    GRAPH: EXPLICIT,
    SKELETON: SEQUENTIAL_WITH_BRANCHES,
    MESH: EXPLICIT,
}

# capabilities: informative ones, and those a reader must know (2.1, 10.4, 10.5)
CAPABILITY_ADDITIVE: Final = "additive_levels"
CAPABILITY_LINK_GROUPS: Final = "fragment_link_groups"
CAPABILITY_DENSE_MANIFESTS: Final = "dense_manifests"
KNOWN_CAPABILITIES: Final = frozenset(
    {
        "preserved_object_ids",
        "shared_fragments",
        "multiscale_links",
        "fragment_index",
        CAPABILITY_ADDITIVE,
        CAPABILITY_LINK_GROUPS,
        CAPABILITY_DENSE_MANIFESTS,
    }
)
REFINEMENT_ADD: Final = "add"
REFINEMENT_REPLACE: Final = "replace"

# names in the layout 0.7.0 and before (17, 18)
CROSS_CHUNK_LINKS: Final = "cross_chunk_links"
CROSS_CHUNK_LINK_ATTRIBUTES: Final = "cross_chunk_link_attributes"
ALIASES_07: Final = {
    VERTEX_ATTRIBUTES: ("vertex_attributes", "attributes"),
    GROUPS: ("groups", "groupings"),
    GROUP_ATTRIBUTES: ("group_attributes", "groupings_attributes"),
}
LEVEL_PREFIX_07: Final = "resolution_"

# in the level's metadata, where zvview made it: by what parameters
LEVEL_DESIGN: Final = "zvview_pyramid"

# zvview's own index (a Zarr group at the root)
INDEX: Final = "zvview"
INDEX_CHUNKS: Final = "chunks"
INDEX_COMMITS: Final = "commits"
