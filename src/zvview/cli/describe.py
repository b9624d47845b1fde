"""What a store holds, as plain values: what ``zvview info`` shows, and its JSON."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from zvview.errors import ZvviewError
from zvview.format.attributes import AttributeMetadata
from zvview.store.collection import Collection
from zvview.store.level import Level
from zvview.store.store import Store

__all__ = ["describe", "measure_size"]

_MOST_COUNTED = 512  # chunks whose vertices are counted where no index knows them: one wave of small reads
_MOST_FILES = 20_000
_MOST_NAMES = 200


def describe(opened: Store | Collection) -> dict[str, Any]:
    """Everything about a store, or about each store of a collection."""
    if isinstance(opened, Collection):
        members = {name: _describe_member(opened, name) for name in opened}
        return {"place": opened.place, "collection": members, "notes": list(opened.notes)}
    return _describe_store(opened)


def _describe_member(collection: Collection, name: str) -> dict[str, Any]:
    try:
        return _describe_store(collection[name])
    except ZvviewError as error:
        return {"place": f"{collection.place}/{name}", "error": str(error)}


def _describe_store(store: Store) -> dict[str, Any]:
    lo, hi = store.bounds
    out: dict[str, Any] = {
        "place": store.place,
        "version": store.version,
        "kind": store.kind,
        "kinds": list(store.kinds),
        "axes": [{"name": a.name, "type": a.type, "unit": a.unit} for a in store.axes],
        "bounds": [lo.tolist(), hi.tolist()],
        "levels": [_describe_level(store, number) for number in store.levels],
        "headers": sorted(store.headers),
    }
    notes: list[str] = []
    try:
        notes += store.notes
    except ZvviewError as error:
        notes.append(str(error))
    try:
        parametric = store.parametric
    except ZvviewError as error:
        parametric = None
        notes.append(str(error))
    if parametric is not None:
        numbers, counts = np.unique(parametric.type_ids, return_counts=True)
        types = {parametric.types[n].name: c for n, c in zip(numbers.tolist(), counts.tolist(), strict=True)}
        out["parametric"] = {"objects": len(parametric), "types": types}
    out["notes"] = notes
    return out


def _describe_level(store: Store, number: int) -> dict[str, Any]:
    try:
        return _level_values(store, store.level(number))
    except ZvviewError as error:
        return {"level": number, "error": str(error)}


def _level_values(store: Store, level: Level) -> dict[str, Any]:
    is_counted = level.number in store.statistics or len(level.chunks) <= _MOST_COUNTED
    ids, groups = level.object_ids, level.groups
    out: dict[str, Any] = {
        "level": level.number,
        "chunks": len(level.chunks),
        "vertices": level.vertex_count if is_counted else level.declared_vertex_count,
        "is_counted": is_counted,
        "objects": None if ids is None else len(ids),
        "object_sparsity": level.object_sparsity,
        "resolution": level.resolution.tolist(),
        "chunk_shape": level.chunk_shape.tolist(),
        "refinement": level.refinement,
        "attributes": {name: _describe_attribute(metadata) for name, metadata in level.attributes.items()},
        "link_deltas": list(level.link_deltas),
        "link_attributes": list(level.link_attribute_names),
        "object_attributes": list(level.object_attribute_names),
        "groups": None,
        "group_attributes": list(level.group_attribute_names),
    }
    if groups is not None:
        out["groups"] = {"count": len(groups), "names": list(groups.names[:_MOST_NAMES])}
    return out


def _describe_attribute(metadata: AttributeMetadata) -> dict[str, Any]:
    categories = metadata.categories
    return {
        "dtype": metadata.dtype.name,
        "channels": list(metadata.channel_names) or list(metadata.row_shape),
        "unit": metadata.unit,
        "description": metadata.description,
        "categories": None
        if categories is None
        else {"count": len(categories.labels), "labels": list(categories.labels[:_MOST_NAMES])},
    }


def measure_size(place: str) -> int | None:
    """Bytes of a local store, None where telling would take long."""
    path = os.path.expanduser(place)
    if os.path.isfile(path) and os.path.basename(path) != "zarr.json":
        return os.path.getsize(path)
    if not os.path.isdir(path):
        return None
    total = files = 0
    for folder, _, inside in os.walk(path):
        files += len(inside)
        if files > _MOST_FILES:
            return None
        total += sum(os.lstat(os.path.join(folder, name)).st_size for name in inside)
    return total
