"""A store in the making: objects without a root document, which are read all the same to make the next level from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zvview.format import documents, names
from zvview.pyramid.design import LevelDesign
from zvview.store.index_view import IndexView
from zvview.store.places.source import Source
from zvview.store.store import RootWave, Store

__all__ = ["Stage", "with_levels"]


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What another process needs to read the store in the making.

    Attributes
    ----------
    source : Source
        Can be pickled where there are other processes.
    root : dict
        The root's document as it would be with the levels so far.
    index : IndexView
        Chunks and counts of the levels so far.
    """

    source: Source
    root: Mapping[str, Any]
    index: IndexView

    def open(self) -> Store:
        """The store; positions are read as they are stored, without ``coordinate_offset``."""
        attributes = dict(self.root["attributes"])
        attributes[names.ROOT] = {k: v for k, v in attributes[names.ROOT].items() if k != "coordinate_offset"}
        return Store(self.source, RootWave({**self.root, "attributes": attributes}, self.index))


def with_levels(
    root: Mapping[str, Any], base_bin: Sequence[float], designs: Sequence[LevelDesign], *, has_cross_links: bool = False
) -> dict[str, Any]:
    """A root's document for the store with these coarse levels and no others; unknown keys are kept.

    Parameters
    ----------
    root : dict
    base_bin : D floats
        Bin of level 0.
    designs : sequence of LevelDesign
        Of the coarse levels, in order from level 1.
    has_cross_links : bool
        Whether both sides of neighbouring levels have links to each other.
    """
    attributes = dict(root["attributes"])
    scales = {str(d.level): [b / c for b, c in zip(d.bin_shape, base_bin, strict=True)] for d in designs}
    first, *others = attributes.get(names.MULTISCALES) or [{}]
    finest = [entry for entry in first.get("datasets", ()) if entry.get("path") == "0"]
    finest = finest or documents.list_datasets({"0": [1.0] * len(base_bin)}, base_bin)
    datasets = [*finest, *documents.list_datasets(scales, base_bin)]
    attributes[names.MULTISCALES] = [{**first, "datasets": datasets}, *others]
    if isinstance(ome := attributes.get(names.OME), dict):
        nodes = [{"type": names.OME_LEVEL_NODE, "name": path} for path in ("0", *scales)]
        foreign = [n for n in ome.get("nodes") or () if n.get("type") != names.OME_LEVEL_NODE]
        attributes[names.OME] = {**ome, "nodes": [*nodes, *foreign]}
    own = {**attributes[names.ROOT], "cross_level_storage": "explicit" if has_cross_links else "none"}
    capabilities = set(own.get("format_capabilities") or ()) - {"multiscale_links"}
    own["format_capabilities"] = sorted(capabilities | ({"multiscale_links"} if has_cross_links else set()))
    attributes[names.ROOT] = own
    return {**{k: v for k, v in root.items() if k != "consolidated_metadata"}, "attributes": attributes}
