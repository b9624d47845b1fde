"""What a coarser level tells of objects as the next finer one does: their attributes, groups, and attributes of these.

Cells are taken as they stand where both levels cut them in the same way, so that nothing is decoded. Of a commit, which
tells what it changed of the finer level, no others are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format import documents, names
from zvview.store.level import Level
from zvview.store.object_ids import ChangedRows
from zvview.store.patching.overlay import Overlay
from zvview.store.patching.rewriting import Rewriting
from zvview.store.plain_arrays import native_dtype
from zvview.store.writing.objects import GroupContent, write_group_attributes, write_groups, write_object_attributes

__all__ = ["take_over_tables"]

Nodes = Mapping[str, Mapping[str, Any]]


def take_over_tables(
    overlay: Overlay, path: str, ids: ChangedRows, finer: Level, nodes: Nodes, before: Nodes
) -> dict[str, dict[str, Any]]:
    """Let attributes of objects, groups and their attributes of a level be those of the finer one.

    Parameters
    ----------
    overlay : Overlay
    path : str
        Of the level.
    ids : ChangedRows
        Object of each of its rows, all of which the finer level has.
    finer : Level
    nodes, before : mapping
        Documents of the finer level, and of the level as it was, by path.

    Returns
    -------
    dict
        Documents by path.
    """
    objects = finer._reader.objects
    assert objects is not None
    rows = None if ids.are_as_in(objects.known) else objects.find_rows(ids.ids.whole)
    out = _take_attributes(overlay, path, rows, finer, nodes, before)
    out |= _take_groups(overlay, path, ids, finer, nodes, before)
    families = (names.OBJECT_ATTRIBUTES, names.GROUPS, names.GROUP_ATTRIBUTES)
    stale = [p for p in before if p not in out and p.startswith(tuple(f"{path}/{family}" for family in families))]
    Rewriting(overlay, stale).finish()
    return out


def _take_attributes(
    overlay: Overlay, level_path: str, rows: NDArray[np.int64] | None, finer: Level, nodes: Nodes, before: Nodes
) -> dict[str, dict[str, Any]]:
    """`rows` tells where the finer level has the objects; None: they stand as there."""
    family = f"{level_path}/{names.OBJECT_ATTRIBUTES}"
    out: dict[str, dict[str, Any]] = {}
    rest: list[str] = []
    for name in finer.object_attribute_names:
        path = f"{finer.number}/{names.OBJECT_ATTRIBUTES}/{name}"
        like = _object_array_like(name, nodes[path])
        if rows is None and like is not None:
            _take_cells(overlay, path, f"{family}/{name}", like, before.get(f"{family}/{name}"))
            out |= {family: documents.group(), f"{family}/{name}": like}
        else:
            rest.append(name)
    if rest:
        values = {name: np.ma.getdata(finer.object_attribute(name)) for name in rest}
        values = values if rows is None else {name: column[rows] for name, column in values.items()}
        putter = Rewriting(overlay, [f"{family}/{name}" for name in rest])
        out |= write_object_attributes(putter, level_path, values, {})
        putter.finish()
    return out


def _take_groups(
    overlay: Overlay, level_path: str, ids: ChangedRows, finer: Level, nodes: Nodes, before: Nodes
) -> dict[str, dict[str, Any]]:
    path, here = (f"{level}/{names.GROUPS}" for level in (finer.number, level_path))
    if path not in nodes:
        return {}
    out: dict[str, dict[str, Any]] = {}
    like = _groups_like(nodes[path])
    if like is not None:
        _take_cells(overlay, path, here, like, before.get(here))
        out[here] = like
    else:
        groups = finer.groups
        assert groups is not None
        putter = Rewriting(overlay, [here])
        out |= write_groups(putter, level_path, GroupContent(groups.members, groups.names), np.sort(ids.ids.whole))
        putter.finish()
    values = {name: finer.group_attribute(name) for name in finer.group_attribute_names}
    putter = Rewriting(overlay, [f"{level_path}/{names.GROUP_ATTRIBUTES}/{name}" for name in values])
    out |= write_group_attributes(putter, level_path, values)
    putter.finish()
    return out


def _take_cells(
    overlay: Overlay, source: str, path: str, document: Mapping[str, Any], before: Mapping[str, Any] | None
) -> None:
    """Let the cells of one array, cut along the first axis, be those of another one; `before` it had that document."""
    per = document["chunk_grid"]["configuration"]["chunk_shape"][0]
    tail = "/0" * (len(document["shape"]) - 1)
    count = -(-document["shape"][0] // per)
    ends = [f"/c/{i}{tail}" for i in range(count)]
    if isinstance(overlay.below, Overlay) and before is not None and _is_grown(before, document):
        first = int(before["shape"][0]) // per  # from here on cells may hold rows that are new here
        ends = [end for i, end in enumerate(ends) if i >= first or overlay.has_changed(source + end)]
        cells = overlay.get_many([(source + end, None) for end in ends])
        for end, cell in zip(ends, cells, strict=True):
            if cell is None:
                overlay.remove([path + end])
            else:
                overlay.put(path + end, bytes(cell))
        return
    cells = overlay.get_many([(source + end, None) for end in ends])
    putter = Rewriting(overlay, [path])
    putter.put_many((path + end, (cell,)) for end, cell in zip(ends, cells, strict=True) if cell is not None)
    putter.finish()


def _is_grown(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether an array is cut as it was, and lost no rows."""
    cuts = [{k: v for k, v in _without_attributes(d).items() if k != "shape"} for d in (before, now)]
    return bool(
        cuts[0] == cuts[1] and before["shape"][0] <= now["shape"][0] and before["shape"][1:] == now["shape"][1:]
    )


def _object_array_like(name: str, document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The document that zvview writes for an attribute of a coarse level; None where a given one is cut otherwise."""
    dtype = native_dtype(document["data_type"])
    if dtype is None:
        return None
    out = documents.object_array(name, np.broadcast_to(np.zeros((), dtype), document["shape"]))
    return out if _without_attributes(out) == _without_attributes(document) else None


def _groups_like(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The document of the groups of a coarse level; None where those of a given one are not all written out."""
    own, count = document["attributes"], int(document["shape"][0])
    labels = own.get("group_names") or []
    more = {"group_names": labels} if len(labels) == count and labels else {}
    per = document["chunk_grid"]["configuration"]["chunk_shape"][0]
    out = documents.row_array(count, per, {names.ZV_ARRAY: "groups", "num_groups": count} | more)
    return out if _without_attributes(out) == _without_attributes(document) and not own.get("group_ranges") else None


def _without_attributes(document: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in document.items() if k not in ("attributes", "storage_transformers")}
