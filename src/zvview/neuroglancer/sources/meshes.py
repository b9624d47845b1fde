"""Objects of a store as meshes of several levels of detail: those of the store where it has faces, else made here.

A mesh is encoded when it is first asked for. What its vertices carry cannot be told: Neuroglancer's meshes have none.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import UnsupportedError
from zvview.neuroglancer.encoding.mesh_levels import coarser_surfaces
from zvview.neuroglancer.encoding.meshes import EncodedMesh, check_draco, encode_mesh, mesh_info
from zvview.neuroglancer.encoding.space import ModelFrame, model_frame
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.neuroglancer.sources.contract import Block, Section, Source
from zvview.neuroglancer.sources.frame import SourceFrame
from zvview.neuroglancer.sources.mesh_parts import WHOLE, MeshPart, MeshParts
from zvview.neuroglancer.sources.mesh_reading import Surface, read_part, read_surfaces
from zvview.neuroglancer.sources.segment_order import MOST_SHOWN, largest_segments, segments_by_place
from zvview.neuroglancer.sources.segment_properties import SegmentPropertySource
from zvview.neuroglancer.sources.segments import MOST_COLOURED, Segments
from zvview.stream.facts import check_same

__all__ = ["MeshSource", "open_meshes"]

_PROPERTIES: Final = "segment_properties"
_SECTION: Final = Section("")
_VERTICES_SHOWN: Final = 20_000_000  # coarse levels are what is drawn
_LEVELS: Final = 4  # of a mesh whose store has fewer
_MOST_LEVELS: Final = 6  # that the lattice of 16 bits allows
_LEAST_SIMPLIFIED: Final = 1_000  # triangles: of fewer a coarser level gains nothing, and cuts cost more than it saves
_WORTH: Final = 0.7  # of the triangles of the finer level, else a level is left out
_AT_ONCE: Final = 2  # meshes encoded at a time: each takes up to 400 MB


class MeshSource:
    """Meshes of a store; a :class:`~zvview.neuroglancer.sources.contract.Source`.

    A store without an object index is one segment, 1. Large objects are several segments, told in `equivalences`.

    Parameters
    ----------
    chunks : Chunks
        Of a store of meshes.
    frame : SourceFrame
    segment_properties : str, optional
        Path from the folder of this source to that of the properties of its segments.

    Attributes
    ----------
    frame : SourceFrame
    model : ModelFrame
    segments : Segments or None
    """

    sections = (_SECTION,)

    def __init__(self, chunks: Chunks, frame: SourceFrame, segment_properties: str | None = None) -> None:
        check_draco()
        self._store, self.frame = chunks.store, frame
        self._facts = replace(chunks.facts, attributes={})
        self._levels = [level for level in self._facts.levels if "links" not in level.lacks]
        self._number = self._facts.levels[0].number
        self.model: ModelFrame = model_frame(self._store.axes, origin=frame.origin)
        ids = self._store.level(self._number).object_ids
        self.segments = None if ids is None else Segments.of(ids)
        self._parts = MeshParts.of(self._store, self._number, self.segments)
        self._properties = segment_properties
        self._carried = tuple(chunks.facts.attributes)
        self._found: dict[str, None] = {}
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    @property
    def info(self) -> Mapping[str, Any]:
        """The ``info`` document."""
        return mesh_info(self.model.transform, segment_properties=self._properties)

    @property
    def equivalences(self) -> tuple[tuple[int, ...], ...]:
        """Segments that are parts of one object, the object's own one first."""
        return self._parts.equivalences

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or not exact."""
        known = list(self.model.notes)
        if self._carried:
            told = ", ".join(self._carried)
            known.append(f"meshes have the colours of their objects: values of vertices are left out ({told})")
        if self.segments is not None:
            known += self.segments.notes
            if len(self.segments.ids) > MOST_SHOWN:
                known.append(
                    f"of all objects at most {MOST_SHOWN}, those of the most pieces, are shown at first; others by a "
                    "choice in the list of segments"
                )
            if len(self.segments.ids) > MOST_COLOURED:
                known.append(
                    f"of more than {MOST_COLOURED} objects, those that are not shown at first have the client's colours"
                )
        if self.equivalences:
            known.append(
                f"{len(self.equivalences)} large objects are several segments each, which the layer joins: "
                f"{sum(map(len, self.equivalences))} together"
            )
        return (*known, *self._found)

    def first_shown(self) -> NDArray[np.uint64]:
        """Segments to begin with; of divided objects the first part, which stands for all."""
        if self.segments is None:
            return np.array([WHOLE], np.uint64)
        return largest_segments(self._store, self._number, self.segments, _VERTICES_SHOWN)

    def keys(self, section: Section) -> Iterator[NDArray[np.uint64]]:
        """Segments of all objects, those that begin near each other at once; parts of divided ones each by itself."""
        parts = np.array(sorted(self._parts.by_segment), np.uint64)
        if self.segments is not None:
            for keys in segments_by_place(self._store, self._number, self.segments):
                if len(others := keys[~np.isin(keys, parts)]):
                    yield others
        elif not len(parts):
            yield np.array([WHOLE], np.uint64)
        yield from parts[:, None]

    def read(self, section: Section, keys: NDArray[np.uint64]) -> Block:
        """Meshes of some segments: fragments and manifest of each."""
        check_same(self._store, self._facts, self._store.reader(self._number))
        found: dict[int, EncodedMesh] = {}
        whole = []
        for key in dict.fromkeys(keys.tolist()):
            if (part := self._parts.by_segment.get(key)) is None:
                whole.append(key)
                continue
            with self._turns:
                found[key] = self._encode(self._part_levels(part))
        if self.segments is None and WHOLE in whole:
            with self._turns:
                found[WHOLE] = self._encode(self._whole_levels(None).get(None, []))
        elif self.segments is not None and whole:
            wanted = np.unique(self.segments.objects(np.array(whole, np.uint64)))
            present = self._store.level(self._number).present_object_ids
            wanted = wanted[:0] if present is None else wanted[np.isin(wanted, present)]
            with self._turns:
                levels = self._whole_levels(wanted) if len(wanted) else {}
                for key, number in zip(self.segments.of_objects(wanted).tolist(), wanted.tolist(), strict=True):
                    found[key] = self._encode(levels.pop(number, []))
        block = Block.of(list(found), [mesh.fragments + mesh.manifest for mesh in found.values()])
        heads = np.array([len(mesh.fragments) for mesh in found.values()], np.int64)
        return Block(block.keys, block.contents, heads)

    def _part_levels(self, part: MeshPart) -> list[Surface]:
        read = (
            read_part(self._store, self._facts, level, part, self.model, self._take_notes) for level in self._levels
        )
        return [surface for surface in read if surface is not None]

    def _whole_levels(self, ids: NDArray[np.int64] | None) -> dict[int | None, list[Surface]]:
        """Surfaces of some objects, or of all without objects, the finest first."""
        found: dict[int | None, list[Surface]] = {}
        for level in self._levels:
            for number, surface in read_surfaces(self._store, level.number, ids, self.model, self._take_notes).items():
                found.setdefault(number, []).append(surface)
        return found

    def _encode(self, levels: Sequence[Surface]) -> EncodedMesh:
        return encode_mesh(self._simplified(levels))

    def _simplified(self, levels: Sequence[Surface]) -> Sequence[tuple[NDArray[Any], NDArray[np.int64]]]:
        """Those levels that are worth it, and made ones below them where there are few."""
        chosen: list[tuple[NDArray[Any], NDArray[np.int64]]] = []
        for vertices, faces in levels:
            finer = len(chosen[-1][1]) if chosen else 0
            if not chosen or (finer >= _LEAST_SIMPLIFIED and len(faces) <= _WORTH * finer):
                chosen.append((vertices, faces))
        chosen = chosen[:_MOST_LEVELS]
        missing = _LEVELS - len(chosen)
        if chosen and missing > 0 and len(chosen[-1][1]) >= _LEAST_SIMPLIFIED:
            try:
                chosen += coarser_surfaces(*chosen[-1], most=missing)
            except UnsupportedError as error:
                self._take_notes((f"meshes are shown at the levels of the store only: {error}",))
        return chosen

    def _take_notes(self, notes: tuple[str, ...]) -> None:
        with self._lock:
            self._found.update(dict.fromkeys(notes))


def open_meshes(chunks: Chunks, frame: SourceFrame) -> dict[str, Source]:
    """The meshes of a store and the properties of its objects, by name.

    Parameters
    ----------
    chunks : Chunks
    frame : SourceFrame

    Raises
    ------
    UnsupportedError
        DracoPy is not installed.
    """
    level = chunks.store.level(chunks.levels[0].number)
    if level.object_ids is None:
        return {"meshes": MeshSource(chunks, frame)}
    found = MeshSource(chunks, frame, _PROPERTIES)
    assert found.segments is not None
    return {"meshes": found, f"meshes/{_PROPERTIES}": SegmentPropertySource(level, found.segments)}
