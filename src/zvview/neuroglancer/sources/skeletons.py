"""Objects of a store as skeletons, each whole and exact as the finest level has it, with the values of its vertices.

Neuroglancer asks for each object that is selected by a request of its own, so that skeletons are for some objects at a
time; annotations show all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.sequences import offsets_of
from zvview.geometry.batches import Batch, Pieces
from zvview.neuroglancer.encoding.annotations import Property
from zvview.neuroglancer.encoding.skeletons import encode_skeletons, skeleton_info
from zvview.neuroglancer.encoding.space import ModelFrame, model_frame
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.contract import Block, Section, Source
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.segment_order import MOST_SHOWN, largest_segments, segments_by_place
from zvview.neuroglancer.sources.segment_properties import SegmentPropertySource
from zvview.neuroglancer.sources.segments import MOST_COLOURED, Segments
from zvview.neuroglancer.sources.skeleton_columns import SkeletonColumns
from zvview.stream.facts import check_same
from zvview.style import colour_axes
from zvview.style.colouring import segments_of

__all__ = ["MOST_WHOLE", "SkeletonSource", "open_skeletons"]

MOST_WHOLE: Final = 1_000_000
"""Vertices of a store without objects that are still shown as one skeleton."""

_PROPERTIES: Final = "segment_properties"
_SECTION: Final = Section("")
_WHOLE: Final = np.array([1], np.uint64)  # the segment of a store without objects
_VERTICES_SHOWN: Final = 1_000_000


class SkeletonSource:
    """Skeletons of a store; a :class:`~zvview.neuroglancer.sources.contract.Source`.

    A store without an object index is one segment, 1.

    Parameters
    ----------
    chunks : Chunks
        Of a store of graphs, skeletons, lines, polylines or streamlines.
    frame : SourceFrame
    segment_properties : str, optional
        Path from the folder of this source to that of the properties of its segments.
    """

    def __init__(self, chunks: Chunks, frame: SourceFrame, segment_properties: str | None = None) -> None:
        self._chunks, self.frame = chunks, frame
        self._store = chunks.store
        self._level = chunks.store.level(chunks.levels[0].number)
        self.model: ModelFrame = model_frame(self._store.axes, origin=frame.origin)
        self._is_network = self._store.kind in (names.GRAPH, names.SKELETON)
        axes = None if self._is_network else colour_axes(self._store.axes)
        self.columns = SkeletonColumns.of(chunks.facts.attributes, axes)
        ids = self._level.object_ids
        self.segments = None if ids is None else Segments.of(ids)
        self._properties = segment_properties
        self._damage: dict[str, None] = {}
        self._lock = threading.Lock()
        self.sections = (_SECTION,)

    @property
    def info(self) -> Mapping[str, Any]:
        """The ``info`` document."""
        return skeleton_info(self.columns.attributes, self.model.transform, self._properties)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or not exact."""
        known = [*self.model.notes, *self.columns.notes]
        if self.segments is not None:
            known += self.segments.notes
            if self._is_network and len(self.segments.ids) > MOST_SHOWN:
                known.append(
                    f"of all objects at most {MOST_SHOWN}, those of the most pieces, are shown as skeletons at first; "
                    "others by a choice in the list of segments"
                )
            if len(self.segments.ids) > MOST_COLOURED:
                known.append(
                    f"of more than {MOST_COLOURED} objects, those that are not shown at first have the client's colours"
                )
        return (*known, *self._damage)

    @property
    def by_attribute(self) -> Mapping[str, tuple[Property, ...]]:
        """What each attribute of vertices became, called as in shaders."""
        return self.columns.by_attribute

    def first_shown(self) -> NDArray[np.uint64]:
        """Segments to begin with: of networks those of the most pieces, no more than can be drawn at once.

        Pieces are counted, not vertices, of which the index of objects does not tell.
        """
        if self.segments is None:
            return _WHOLE
        if not self._is_network:
            return np.empty(0, np.uint64)  # annotations show such lines, all of them
        return largest_segments(self._store, self._level.number, self.segments, _VERTICES_SHOWN)

    def keys(self, section: Section) -> Iterator[NDArray[np.uint64]]:
        """Segments of all objects, those that begin near each other at once."""
        if self.segments is None:
            yield _WHOLE
            return
        yield from segments_by_place(self._store, self._level.number, self.segments)

    def read(self, section: Section, keys: NDArray[np.uint64]) -> Block:
        """Skeletons of some segments."""
        check_same(self._store, self._chunks.facts, self._store.reader(self._level.number))
        attributes = [name for name in self.columns.by_attribute if name in self._chunks.facts.attributes]
        if self.segments is None:
            return self._read_whole(keys, attributes)
        wanted = np.unique(self.segments.objects(keys))
        if not len(wanted):
            return Block.of((), [])
        batch = self._level.read_objects(wanted, attributes, on_damage="skip")
        self._take_notes(batch)
        assert isinstance(batch, Pieces) and batch.object_ids is not None
        return self._encode(batch, batch.offsets, self.segments.of_objects(batch.object_ids))

    def _read_whole(self, keys: NDArray[np.uint64], attributes: list[str]) -> Block:
        if not (keys == _WHOLE).any():
            return Block.of((), [])
        batch = self._level.read(attributes=attributes, on_damage="skip")
        self._take_notes(batch)
        assert isinstance(batch, Pieces)
        return self._encode(batch, np.array([0, len(batch)], np.int64), _WHOLE)

    def _encode(self, batch: Pieces, offsets: NDArray[np.int64], segments: NDArray[np.uint64]) -> Block:
        edges = segments_of(batch)
        owner = np.repeat(np.arange(len(segments)), np.diff(offsets)).take(edges[:, 0])
        if (owner[1:] < owner[:-1]).any():
            edges = edges.take(np.argsort(owner, kind="stable"), axis=0)
        edge_offsets = offsets_of(np.bincount(owner, minlength=len(segments)))
        values = self.columns.encode(batch)
        return Block(
            segments, encode_skeletons(self.model.place(batch.positions), offsets, edges, edge_offsets, values)
        )

    def _take_notes(self, batch: Batch) -> None:
        with self._lock:
            self._damage.update(dict.fromkeys(batch.notes))


def open_skeletons(chunks: Chunks, frame: SourceFrame) -> dict[str, Source]:
    """The skeletons of a store and the properties of its objects, by name.

    None of a store without objects: one of lines has annotations for all of them, one of networks may be too large to
    be a single skeleton.

    Parameters
    ----------
    chunks : Chunks
        Of a store of graphs, skeletons, polylines or streamlines.
    frame : SourceFrame
    """
    store = chunks.store
    level = store.level(chunks.levels[0].number)
    if level.object_ids is None:
        is_network = store.kind in (names.GRAPH, names.SKELETON)
        if not is_network or store.count_vertices(level.number).sum() > MOST_WHOLE:
            return {}
        return {"skeletons": SkeletonSource(chunks, frame)}
    found = SkeletonSource(chunks, frame, _PROPERTIES)
    assert found.segments is not None
    return {"skeletons": found, f"skeletons/{_PROPERTIES}": SegmentPropertySource(level, found.segments)}
