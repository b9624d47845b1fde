"""What a level says of itself without its geometry: shapes, counts, attributes, objects and groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import MissingError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata
from zvview.format.metadata import Axis, RootMetadata
from zvview.geometry.arguments import check_type
from zvview.store.layout import Groups
from zvview.store.reading.counts import read_fragment_attribute
from zvview.store.reading.object_table import as_object_ids
from zvview.store.reading.reader import LevelReader

__all__ = ["ContentHost", "LevelContent"]

T = TypeVar("T")


class ContentHost(Protocol):
    """What a level needs of the store that it belongs to, to tell of its content."""

    place: str

    @property
    def metadata(self) -> RootMetadata:
        """What the root says."""
        ...

    def reader(self, number: int) -> LevelReader:
        """The opened arrays of a level."""
        ...

    def retry(self, read: Callable[[], T]) -> T:
        """The value of `read`, called again where what it relied on was stale."""
        ...

    def count_vertices(self, number: int) -> NDArray[np.int64]:
        """Vertices of each chunk of a level."""
        ...


class LevelContent:
    """The part of :class:`zvview.Level` that reads no geometry."""

    def __init__(self, store: ContentHost, number: int) -> None:
        check_type(number, "level", (int, np.integer), "the number of one")
        self._store, self._number = store, int(number)

    def __repr__(self) -> str:
        return f"<zvview.Level {self._number} of {self._store.place}>"

    @property
    def number(self) -> int:
        """Number of the level; 0 is the finest."""
        return self._number

    @property
    def _reader(self) -> LevelReader:
        return self._store.reader(self._number)

    @property
    def resolution(self) -> NDArray[np.float64]:
        """Edge lengths of a bin of this level, (D,), in coordinate units: ``base_bin_shape * scale`` (10.1)."""
        root = self._store.metadata
        scale = root.scales.get(str(self._number), root.scales.get(f"{names.LEVEL_PREFIX_07}{self._number}"))
        return root.base_bin_shape * (np.ones(root.ndim) if scale is None else scale)

    @property
    def chunk_shape(self) -> NDArray[np.float64]:
        """Edge lengths of a chunk of this level, (D,), in coordinate units."""
        return self._reader.layout.metadata.chunk_shape

    @property
    def chunks(self) -> NDArray[np.int64]:
        """Coordinates of the chunks that hold vertices, (C, sid), in numeric order."""
        return self._reader.layout.vertices.chunks

    @property
    def declared_vertex_count(self) -> int:
        """What the level's metadata says; foreign writers leave it stale, :attr:`vertex_count` counts."""
        return self._reader.layout.metadata.vertex_count

    @property
    def vertex_count(self) -> int:
        """Number of vertices, counted from the fragment index (or zvview's own) and kept."""
        return int(self.chunk_vertex_counts.sum())

    @property
    def chunk_vertex_counts(self) -> NDArray[np.int64]:
        """Number of vertices of each of :attr:`chunks`, (C,)."""
        return self._store.count_vertices(self._number)

    @property
    def object_sparsity(self) -> float:
        """Share of the finer level's objects that this level keeps, as declared."""
        return self._reader.layout.metadata.object_sparsity

    @property
    def refinement(self) -> str:
        """``replace``, or ``add`` where the content is this level's own plus that of the next coarser one (10.4)."""
        return self._reader.layout.metadata.refinement

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Name, type and unit of each coordinate."""
        return self._store.metadata.axes

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Least and greatest corner of the store, each (D,), in world coordinates, as declared."""
        root = self._store.metadata
        shift = 0.0 if root.offset is None else root.offset
        return root.lo + shift, root.hi + shift

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the stored positions: float32 or float64."""
        return self._reader.layout.vertex_dtype

    @property
    def attributes(self) -> Mapping[str, AttributeMetadata]:
        """Vertex attributes: dtype, categories, channels, unit."""
        return self._reader.attributes

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Names of the vertex attributes."""
        return tuple(self.attributes)

    @property
    def link_attribute_names(self) -> tuple[str, ...]:
        """Names of the attributes of edges or faces."""
        return tuple(self._reader.layout.attribute_names(names.LINK_ATTRIBUTES))

    @property
    def object_attribute_names(self) -> tuple[str, ...]:
        """Names of the attributes of objects."""
        return tuple(self._reader.layout.attribute_names(names.OBJECT_ATTRIBUTES))

    @property
    def group_attribute_names(self) -> tuple[str, ...]:
        """Names of the attributes of groups."""
        return tuple(self._reader.layout.attribute_names(names.GROUP_ATTRIBUTES))

    @property
    def object_ids(self) -> NDArray[np.int64] | None:
        """Ids of all objects, absent ones included, in the order of the object index; None without an index."""
        objects = self._retry(lambda r: r.objects)
        return None if objects is None else objects.ids

    @property
    def groups(self) -> Groups | None:
        """Groups of objects, or None."""
        return self._retry(lambda r: r.layout.groups())

    @property
    def link_deltas(self) -> tuple[int, ...]:
        """Levels that this one holds links to, relative to it; 0 are the links inside the level."""
        return tuple(self._reader.layout.link_deltas())

    @property
    def present_object_ids(self) -> NDArray[np.int64] | None:
        """Ids of the objects that this level holds something of, ascending; None without an index.

        Coarser levels keep the ids of all objects, also of those that they leave out.
        """
        return self._retry(lambda r: None if r.objects is None else r.objects.present_ids())

    def first_chunks(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Chunk in which each object begins, (n, sid); that of the level's first chunk for absent ones.

        Raises
        ------
        MissingError
            The level has no object index, or none of its objects has such an id.
        """

        def read(reader: LevelReader) -> NDArray[np.int64]:
            if reader.objects is None:
                raise MissingError("object index in level", self._number)
            return reader.objects.first_chunks(as_object_ids(ids), reader.layout.vertices.chunks)

        return self._retry(read)

    def object_attribute(self, name: str) -> np.ma.MaskedArray[Any, Any]:
        """Values of an object attribute, aligned with :attr:`object_ids`; masked where an object has none.

        Booleans that zvview wrote come as int8; empty text is masked.
        """

        def read(reader: LevelReader) -> np.ma.MaskedArray[Any, Any]:
            values, present = reader.layout.object_attribute(name)
            mask = ~present if values.ndim == 1 else np.repeat(~present[:, None], values.shape[1], axis=1)
            return np.ma.MaskedArray(values, mask)

        return self._retry(read)

    def group_attribute(self, name: str) -> NDArray[Any]:
        """Values of a group attribute, aligned with :attr:`groups`."""
        return self._retry(lambda r: r.layout.group_attribute(name))

    def fragment_attribute(self, name: str) -> NDArray[Any]:
        """Values of a fragment attribute, chunk after chunk in the order of :attr:`chunks`."""
        return self._retry(lambda r: read_fragment_attribute(r, name))

    def _retry(self, read: Callable[[LevelReader], T]) -> T:
        return self._store.retry(lambda: read(self._reader))
