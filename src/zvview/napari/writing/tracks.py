"""A ``Tracks`` layer as a store of streamlines along time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.batches import Streamlines
from zvview.napari.writing.colours import base_look, colour_by_values
from zvview.napari.writing.columns import Columns, take_columns
from zvview.napari.writing.content import CHANNELS, LayerContent
from zvview.napari.writing.placing import World

__all__ = ["GRAPH_KEY", "PARENT", "take_tracks"]

PARENT = "parent"
"""Object attribute: the track that a track comes from, -1 for none; the first of several."""

GRAPH_KEY = "napari_tracks_graph"
"""Key of ``user_metadata`` for the whole graph, where tracks merge: tracks to the tracks that they come from."""

_COLOUR, _ID = "track_color", "track_id"


def take_tracks(data: Any, meta: Mapping[str, Any]) -> LayerContent:
    """What is written of a ``Tracks`` layer: a line for each track under its id, features of vertices, parents."""
    table = np.asarray(data, np.float64)
    order = np.lexsort((table[:, 1], table[:, 0]))
    table = table[order]
    ids, starts = np.unique(table[:, 0].astype(np.int64), return_index=True)
    columns = take_columns(meta.get("features"), len(order), reserved=(_COLOUR,))
    values = {name: v[order] for name, v in columns.values.items() if name != _ID}
    world = World.of(meta, table.shape[1] - 1, has_time=True)
    colouring, colours = _colour(meta, columns, table[:, 0], order)
    if colours is not None:
        values[_COLOUR] = colours
    parents, graph = _parents(ids, meta.get("graph") or {})
    pace = abs(float(np.asarray(meta.get("scale", [1.0]))[0]))
    look = base_look(
        meta,
        colouring=colouring,
        line_width=float(meta.get("tail_width", 1.0)),
        tail=pace * float(meta.get("tail_length", 30)),
        head=pace * float(meta.get("head_length", 0)),
    )
    batch = Streamlines(
        world.to_store(table[:, 1:]),
        offsets=np.append(starts, len(table)),
        object_ids=ids,
        attributes=values,
        categories={name: found for name, found in columns.categories.items() if name in values},
    )
    return LayerContent(
        str(meta["name"]),
        batch,
        world.axes,
        look,
        {_COLOUR: CHANNELS} if colours is not None else {},
        {PARENT: parents} if (parents >= 0).any() else {},
        {GRAPH_KEY: graph} if graph else {},
        columns.notes,
    )


def _colour(meta: Mapping[str, Any], columns: Columns, ids: NDArray[np.float64], order: NDArray[np.int64]) -> Any:
    """As napari colours tracks: through the map of a feature as it is, or through the common one from least to most."""
    by = str(meta.get("color_by", _ID))
    is_feature = by in columns.values and by != _ID
    values = columns.values[by][order].astype(np.float64) if is_feature else ids
    own = (meta.get("colormaps_dict") or {}).get(by)
    limits = (0.0, 1.0) if own is not None or not len(values) else (float(values.min()), float(values.max()))
    name = by if is_feature and by not in columns.categories else None
    return colour_by_values(_COLOUR, name, values, own or meta.get("colormap", "turbo"), limits)


def _parents(ids: NDArray[np.int64], graph: Mapping[Any, Any]) -> tuple[NDArray[np.int64], dict[str, list[int]]]:
    """The first parent of each track, and the whole graph where one has several."""
    listed = {int(child): [int(p) for p in np.atleast_1d(above)] for child, above in graph.items()}
    parents = np.array([(listed.get(int(track)) or [-1])[0] for track in ids], np.int64)
    has_merges = any(len(above) > 1 for above in listed.values())
    return parents, {str(child): above for child, above in listed.items()} if has_merges else {}
