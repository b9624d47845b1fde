"""From what the tools of a points layer did to changes of an edit session, by comparing with what was shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray

from zvview.format.sequences import distinct
from zvview.napari.editing.nearest import nearest_rows
from zvview.napari.editing.places import moved_places
from zvview.napari.editing.promises import Promises
from zvview.napari.frame import Frame
from zvview.store.editing.edits import VertexRefs
from zvview.store.editing.schema import Schema
from zvview.store.editing.session import EditSession

__all__ = ["Change", "Known", "PointTool", "unsaid"]

Change: TypeAlias = Callable[[EditSession], object]
"""Does something to a session, on the thread on which changes take turns."""

_CHANNEL = re.compile(r"(.+)\[(\d+)\]")


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What a layer showed when it was last looked at.

    Attributes
    ----------
    vertices : (N,) int64 array
        Names of the points, in the order of the layer.
    chunks : (C, sid) int64 array
        By which the names count.
    positions : (N, D) float32 array
        In the layer's data coordinates; a copy, since tools write into those of the layer.
    places : (N, D) array
        The same in the coordinates and the precision of the store; a copy.
    features : mapping of str to (N,) array
        A copy of each.
    """

    vertices: NDArray[np.int64]
    chunks: NDArray[np.int64]
    positions: NDArray[np.float32]
    places: NDArray[np.floating]
    features: Mapping[str, NDArray[Any]]

    def take(self, kept: NDArray[np.bool_]) -> Known:
        """Without some points."""
        return Known(
            self.vertices[kept],
            self.chunks,
            self.positions[kept],
            self.places[kept],
            {name: values[kept] for name, values in self.features.items()},
        )


class PointTool:
    """Tells what must be done to a session after something was done to a layer; on the thread of the window.

    It counts on it at once, so that what is done next to the same points can be told as well.

    Parameters
    ----------
    frame : Frame
    schema : Schema
        Of the store.
    known : Known
        What the layer shows now.
    promises : Promises
        Of the names of points that are not made yet.
    """

    def __init__(self, frame: Frame, schema: Schema, known: Known, promises: Promises) -> None:
        self._frame, self._schema, self.known, self._promises = frame, schema, known, promises

    def follow(self, layer: Points, action: str, indices: Sequence[int]) -> list[Change]:
        """What the layer tells of: ``added``, ``changed`` or ``removed`` points at some rows."""
        changes: list[Change] = []
        if action == "removed":
            changes += self._delete(distinct(np.asarray(indices, np.int64)))
        count = len(self.known.vertices)
        if len(layer.data) < count:  # data were assigned: what napari cut off is gone
            changes += self._delete(np.arange(len(layer.data), count))
        elif len(layer.data) > count:
            changes += self._add(layer, np.arange(count, len(layer.data)))
        if action == "changed":
            rows = distinct(np.asarray(indices, np.int64) % max(len(layer.data), 1))
            changes += self._move(layer, rows[rows < len(self.known.vertices)])
        return changes

    def describe(self, layer: Points) -> list[Change]:
        """Features that were changed, in napari's own table for example."""
        table, count = layer.features, len(self.known.vertices)
        changed: dict[str, NDArray[np.int64]] = {}
        for name, before in self.known.features.items():
            if name in table and len(table) == count:
                now = table[name].to_numpy()
                differs = now != before
                if before.dtype.kind == "f" and now.dtype.kind == "f":
                    differs &= ~(np.isnan(now) & np.isnan(before))
                if differs.any():
                    changed[name] = np.flatnonzero(differs)
        changes = []
        for name, rows in changed.items():
            values = table[name].to_numpy()[rows]
            changes.append(self.set_feature(name, rows, values))
            self.known.features[name][rows] = values
        return changes

    def set_feature(self, name: str, rows: NDArray[np.int64], values: Any) -> Change:
        """The points at some rows with another value, or values, of a feature: ``id`` is the object."""
        names = self._names(rows)
        if name == "id" and "id" not in self._schema.columns:
            return lambda session: session.reassign(names(), values)
        channel = _CHANNEL.fullmatch(name)
        if channel is None or channel[1] not in self._schema.columns:
            return lambda session: session.set_attributes(names(), {name: values})
        width = self._schema.columns[channel[1]].row_shape[0]
        features = self.known.features
        whole = np.stack([features[f"{channel[1]}[{c}]"][rows] for c in range(width)], axis=1)
        whole[:, int(channel[2])] = values
        return lambda session: session.set_attributes(names(), {channel[1]: whole})

    def _names(self, rows: NDArray[np.generic]) -> Callable[[], VertexRefs]:
        """Gives the names of the points at some rows as they are now, when they all are made."""
        vertices, chunks, promises = self.known.vertices[rows], self.known.chunks, self._promises
        return lambda: promises.refs(vertices, chunks)

    def _delete(self, rows: NDArray[np.int64]) -> list[Change]:
        kept = np.ones(len(self.known.vertices), bool)
        kept[rows] = False
        if kept.all():
            return []
        names = self._names(~kept)
        self.known = self.known.take(kept)
        return [lambda session: session.delete(names())]

    def _move(self, layer: Points, rows: NDArray[np.int64]) -> list[Change]:
        known = self.known
        at = _all_or(rows, len(known.vertices))
        moved, places = moved_places(self._frame, known.places[at], known.positions[at], layer.data[at])
        rows = rows[moved]
        if not len(rows):
            return []
        at = _all_or(rows, len(known.vertices))
        known.positions[at], known.places[at] = layer.data[at], places
        names = self._names(rows)
        return [lambda session: session.move(names(), places)]

    def _add(self, layer: Points, rows: NDArray[np.int64]) -> list[Change]:
        known, schema, promises = self.known, self._schema, self._promises
        positions = np.array(layer.data[rows], np.float32)
        places = self._frame.to_store(positions)
        _take_from_nearest(layer, known.positions, positions, schema)
        features = {name: np.array(layer.features[name].to_numpy()) for name in known.features}
        fresh = {name: values[rows] for name, values in features.items()}
        attributes = _attributes_of(fresh, schema)
        for name in schema.must_be_given:
            if name in attributes and (attributes[name] == unsaid(schema, name)).any():
                del attributes[name]  # there is no other point: the session asks for it
        ids = fresh.get("id") if schema.has_objects and "id" not in schema.columns else None
        promised = promises.give(len(rows))
        self.known = replace(
            known,
            vertices=np.concatenate((known.vertices, promised)),
            positions=np.concatenate((known.positions, positions)),
            places=np.concatenate((known.places, places.astype(known.places.dtype))),
            features=features,
        )

        def make(mine: NDArray[np.bool_], owners: NDArray[np.int64] | None, session: EditSession) -> None:
            values = {name: values[mine] for name, values in attributes.items()}
            promises.keep(promised[mine], session.add(places[mine], values, owners).rows)

        has_object = np.ones(len(rows), bool) if ids is None else ids >= 0
        changes: list[Change] = []
        for mine, is_owned in ((has_object, ids is not None), (~has_object, False)):
            if mine.any():
                owners = ids[mine] if is_owned and ids is not None else None
                changes.append(partial(make, mine, owners))
        return changes


def _all_or(rows: NDArray[np.int64], count: int) -> NDArray[np.int64] | slice:
    """Different rows of so many, or the slice that is all of them, which is ten times as fast to take."""
    return slice(count) if len(rows) == count else rows


def _take_from_nearest(layer: Points, before: NDArray[np.float32], added: NDArray[np.float32], schema: Schema) -> None:
    """Have the last points of a layer, which were added, take categories from the points before that are nearest.

    Only where nobody said which (:func:`unsaid`): by selecting a point, or in the layer's feature defaults.
    """
    for name in schema.must_be_given:
        if name not in layer.features or not len(before):
            continue
        codes = layer.features[name].to_numpy()
        rows = len(before) + np.flatnonzero(codes[len(before) :] == unsaid(schema, name))
        if len(rows):
            layer.features.loc[rows, name] = codes[nearest_rows(before, added[rows - len(before)])]


def unsaid(schema: Schema, name: str) -> int:
    """The code that stands for a category that nobody said: that of "missing", else one that no label has."""
    metadata = schema.columns[name]
    assert metadata.categories is not None
    if metadata.categories.missing is not None:
        return metadata.categories.missing
    limits = np.iinfo(metadata.dtype)
    return int(limits.min if limits.min < 0 else limits.max)


def _attributes_of(features: Mapping[str, NDArray[Any]], schema: Schema) -> dict[str, NDArray[Any]]:
    """Features as the attributes that they are of, with channels put together again."""
    out = {}
    for name, metadata in schema.columns.items():
        if metadata.row_shape:
            channels = [features.get(f"{name}[{c}]") for c in range(metadata.row_shape[0])]
            if all(channel is not None for channel in channels):
                out[name] = np.stack(channels, axis=1)  # type: ignore[arg-type]
        elif name in features:
            out[name] = features[name]
    return out
