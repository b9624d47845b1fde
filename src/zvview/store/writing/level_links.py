"""The links of a level: cells array by array, the family's documents, and attributes that lie beside the records."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from zvview.format import documents, names
from zvview.format.links import encode_links
from zvview.format.sequences import offsets_of
from zvview.store.writing.grid_cells import GridCells
from zvview.store.writing.kept_columns import Columns
from zvview.store.writing.link_waves import LinkMerge

__all__ = ["count_link_cells", "write_links"]


def count_link_cells(links: LinkMerge, columns: int) -> int:
    """Cells that the links of a level and their attributes take, those of fragments included."""
    cells = [len(links.sources(name)) for name in links.arrays]
    return (1 + columns) * sum(cells) + int((links.loose() >= 0).sum())


def write_links(
    grid: GridCells,
    links: LinkMerge,
    schema: Columns,
    wave_bytes: int,
    *,
    check: Callable[[], None],
    advance: Callable[[int], None],
) -> dict[str, dict[str, Any]]:
    """Put all link cells and their attributes; gives the documents of the groups (the grid has those of the arrays).

    Parameters
    ----------
    grid : GridCells
    links : LinkMerge
    schema : Columns
        Link attributes.
    wave_bytes : int
        Records that are merged at a time.
    check : callable
        Called before each wave; may raise.
    advance : callable
        Called with the number of records done.
    """
    level_path, sid_ndim = grid.level_path, links.sid_ndim
    family = f"{level_path}/{names.LINKS}"
    attributes = {
        names.ZV_ARRAY: "links_family",
        "level_delta": 0,
        "link_width": links.width,
        "directed": False,
        "store": names.CANONICAL,
        "sid_ndim": sid_ndim,
        "num_links": links.total,
        "num_physical_records": links.total,
    }
    out = {family: documents.group(), f"{family}/0": documents.group(attributes)}
    metadata = {name: schema.metadata(name) for name in schema.names}
    for name in metadata:
        own = {names.ZV_ARRAY: "link_attribute_family", "name": name, "level_delta": 0, "num_links": links.total}
        base = f"{level_path}/{names.LINK_ATTRIBUTES}"
        out |= {base: documents.group(), f"{base}/{name}": documents.group(), f"{base}/{name}/0": documents.group(own)}
    wave_records = max(1, wave_bytes // (8 * (links.width + 1) + schema.row_bytes))
    for array in links.arrays:
        sources = links.sources(array)
        offsets = np.zeros((0, sid_ndim), np.int64)
        for wave in links.waves(array, sources[grid.order(sources)], wave_records):
            check()
            segment = wave.segment
            offsets = segment.offsets
            grid.put(f"{names.LINKS}/0/{array}", segment.coords, encode_links(segment))
            first = offsets_of(segment.counts)
            for name in metadata:
                values = np.ascontiguousarray(schema.finished(name, wave.columns[name]))
                flat = values.reshape(-1).view(np.uint8)
                ends = (first * (flat.nbytes // max(len(values), 1))).tolist()
                payloads = [flat[a:b] for a, b in pairwise(ends)]
                grid.put(f"{names.LINK_ATTRIBUTES}/{name}/0/{array}", segment.coords, payloads)
            advance(len(segment.rows))
        common: dict[str, Any] = {"offsets": offsets.tolist(), "level_delta": 0}
        own = {names.ZV_ARRAY: names.LINKS, "dtype": "int64", "link_width": links.width, **common}
        grid.finish(f"{names.LINKS}/0/{array}", own | {"has_perm": bool(offsets.any())})
        for name, entry in metadata.items():
            grid.finish(
                f"{names.LINK_ATTRIBUTES}/{name}/0/{array}",
                {names.ZV_ARRAY: "link_attribute", **entry.document(), **common},
            )
    return out
