"""From what the tools of a points layer did to operations of an edit session, by comparing with what was shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray

from zvview.napari.frame import Frame
from zvview.store.editing.edits import VertexRefs
from zvview.store.editing.session import EditSession
from zvview.stream.editing import refs_of

__all__ = ["Known", "PointTool"]

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
    features : mapping of str to (N,) array
    """

    vertices: NDArray[np.int64]
    chunks: NDArray[np.int64]
    positions: NDArray[np.float32]
    features: Mapping[str, NDArray[Any]]

    def refs(self, rows: NDArray[np.generic]) -> VertexRefs:
        """Names of the points at some rows."""
        return refs_of(self.vertices[rows], self.chunks)


class PointTool:
    """Does to a session what was done to a layer; on the thread of the window.

    Parameters
    ----------
    frame : Frame
    session : EditSession
    known : Known
        What the layer shows now.
    """

    def __init__(self, frame: Frame, session: EditSession, known: Known) -> None:
        self._frame, self._session, self.known = frame, session, known

    def follow(self, layer: Points, action: str, indices: Sequence[int]) -> None:
        """Do what the layer tells of: ``added``, ``changed`` or ``removed`` points at some rows.

        Raises
        ------
        ZvviewError
            The session refuses it; the layer shows what is not so, then.
        """
        if action == "removed":
            self._delete(np.unique(np.asarray(indices, np.int64)))
        count = len(self.known.vertices)
        if len(layer.data) < count:  # data were assigned: what napari cut off is gone
            self._delete(np.arange(len(layer.data), count))
        elif len(layer.data) > count:
            self._add(layer, np.arange(count, len(layer.data)))
        if action == "changed":
            rows = np.unique(np.asarray(indices, np.int64) % max(len(layer.data), 1))
            self._move(layer, rows[rows < len(self.known.vertices)])

    def describe(self, layer: Points) -> None:
        """Take over features that were changed, from napari's own table for example."""
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
        for name, rows in changed.items():
            values = table[name].to_numpy()[rows]
            self.set_feature(name, rows, values)
            self.known.features[name][rows] = values

    def set_feature(self, name: str, rows: NDArray[np.int64], values: Any) -> None:
        """Give the points at some rows another value, or values, of a feature: ``id`` is the object.

        Raises
        ------
        ZvviewError
            There is none of that name, or it cannot have these values.
        """
        refs = self.known.refs(rows)
        if name == "id" and "id" not in self._session.schema.columns:
            self._session.reassign(refs, values)
            return
        channel = _CHANNEL.fullmatch(name)
        if channel is None or channel[1] not in self._session.schema.columns:
            self._session.set_attributes(refs, {name: values})
            return
        width = self._session.schema.columns[channel[1]].row_shape[0]
        features = self.known.features
        whole = np.stack([features[f"{channel[1]}[{c}]"][rows] for c in range(width)], axis=1)
        whole[:, int(channel[2])] = values
        self._session.set_attributes(refs, {channel[1]: whole})

    def _delete(self, rows: NDArray[np.int64]) -> None:
        known = self.known
        kept = np.ones(len(known.vertices), bool)
        kept[rows] = False
        if kept.all():
            return
        self._session.delete(known.refs(~kept))
        features = {name: values[kept] for name, values in known.features.items()}
        self.known = Known(known.vertices[kept], known.chunks, known.positions[kept], features)

    def _move(self, layer: Points, rows: NDArray[np.int64]) -> None:
        known = self.known
        now = layer.data[rows]
        rows = rows[(now != known.positions[rows]).any(axis=1)]
        if not len(rows):
            return
        self._session.move(known.refs(rows), self._frame.to_store(layer.data[rows]))
        known.positions[rows] = layer.data[rows]

    def _add(self, layer: Points, rows: NDArray[np.int64]) -> None:
        known, session = self.known, self._session
        positions = np.array(layer.data[rows], np.float32)
        features = {name: np.array(layer.features[name].to_numpy()) for name in known.features}
        fresh = {name: values[rows] for name, values in features.items()}
        attributes = _attributes_of(fresh, session)
        ids = fresh.get("id") if session.schema.has_objects and "id" not in session.schema.columns else None
        names = np.empty(len(rows), np.int64)
        has_object = np.ones(len(rows), bool) if ids is None else ids >= 0
        for mine in (has_object, ~has_object):
            if mine.any():
                refs = session.add(
                    self._frame.to_store(positions[mine]),
                    {name: values[mine] for name, values in attributes.items()},
                    ids[mine] if ids is not None and has_object[mine].all() else None,
                )
                names[mine] = refs.rows
        self.known = Known(
            np.concatenate((known.vertices, names)),
            known.chunks,
            np.concatenate((known.positions, positions)),
            features,
        )


def _attributes_of(features: Mapping[str, NDArray[Any]], session: EditSession) -> dict[str, NDArray[Any]]:
    """Features as the attributes that they are of, with channels put together again."""
    out = {}
    for name, metadata in session.schema.columns.items():
        if metadata.row_shape:
            channels = [features.get(f"{name}[{c}]") for c in range(metadata.row_shape[0])]
            if all(channel is not None for channel in channels):
                out[name] = np.stack(channels, axis=1)  # type: ignore[arg-type]
        elif name in features:
            out[name] = features[name]
    return out
