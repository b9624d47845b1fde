"""Annotations: records of points, lines and polylines, lists of them as spatial cells hold them, the index by id.

Format: ``neuroglancer_annotations_v1`` of Neuroglancer's precomputed formats. A record is its geometry, then the
properties, those of 4 bytes first, then those of 2, then the rest, each class in the order of the document, and zeros
up to a multiple of 4. The document lists them in that order, since some readers know no other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format.sequences import offsets_of
from zvview.neuroglancer.encoding.records import EncodedRecords, Part, interleave, words_of

__all__ = [
    "GEOMETRY",
    "AnnotationSchema",
    "EncodedRecords",
    "Property",
    "SpatialLevel",
    "annotation_info",
    "encode_by_id",
    "encode_list",
    "encode_lists",
    "encode_records",
]

AnnotationType = Literal["point", "line", "axis_aligned_bounding_box", "ellipsoid", "polyline"]
PropertyType = Literal["float32", "uint32", "int32", "uint16", "int16", "uint8", "int8", "rgb", "rgba"]

_ID: Final = re.compile(r"[a-z][a-zA-Z0-9_]*", re.ASCII)
_VECTORS: Final[dict[str, int]] = {"point": 1, "line": 2, "axis_aligned_bounding_box": 2, "ellipsoid": 2, "polyline": 0}
_TYPES: Final[dict[str, tuple[str, int]]] = {
    "float32": ("<f4", 1),
    "uint32": ("<u4", 1),
    "int32": ("<i4", 1),
    "uint16": ("<u2", 1),
    "int16": ("<i2", 1),
    "uint8": ("u1", 1),
    "int8": ("i1", 1),
    "rgb": ("u1", 3),
    "rgba": ("u1", 4),
}
GEOMETRY: Final = "_geometry"
"""The field of positions in the dtype of a record; no property can have this name."""

_MOST_POINTS: Final = 1 << 31  # the client keeps the highest bit of the number of points for itself


@dataclass(frozen=True, slots=True)
class Property:
    """A number or colour that every annotation of a source has.

    Attributes
    ----------
    id : str
        Letters, digits and underscores, beginning with a small letter.
    type : str
        ``float32``, an integer of 8, 16 or 32 bits such as ``uint16``, ``rgb`` or ``rgba``.
    description : str
    labels : mapping of int to str, or None
        What some of the values mean; not for colours.
    """

    id: str
    type: PropertyType
    description: str = ""
    labels: Mapping[int, str] | None = None

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise InvalidInputError(
                f"property {self.id!r}: expected letters, digits and _, beginning with a small letter"
            )
        if self.type not in _TYPES:
            raise InvalidInputError(f"property {self.id!r}: unknown type {self.type!r}; known: {', '.join(_TYPES)}")
        if self.labels and self.type in ("rgb", "rgba"):
            raise InvalidInputError(f"property {self.id!r}: colours have no labels")

    def document(self) -> dict[str, Any]:
        """The property as it stands in ``info``."""
        out: dict[str, Any] = {"id": self.id, "type": self.type}
        if self.description:
            out["description"] = self.description
        if self.labels:
            values = sorted(self.labels)
            out |= {"enum_values": values, "enum_labels": [self.labels[value] for value in values]}
        return out


@dataclass(frozen=True, slots=True)
class AnnotationSchema:
    """What the annotations of a source are.

    Attributes
    ----------
    annotation_type : str
        ``point``, ``line``, ``axis_aligned_bounding_box``, ``ellipsoid`` or ``polyline``.
    rank : int
        Number of coordinates of a position.
    properties : tuple of Property
    relationships : tuple of str
        Names of the kinds of objects that annotations relate to.
    record_dtype : numpy.dtype
        Of a whole record: :data:`GEOMETRY` and a field for each property. Of polylines, whose numbers of points differ,
        of what follows the points.
    """

    annotation_type: AnnotationType
    rank: int
    properties: tuple[Property, ...] = ()
    relationships: tuple[str, ...] = ()
    record_dtype: np.dtype[Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.annotation_type not in _VECTORS or self.rank < 1:
            raise InvalidInputError(f"no annotations of type {self.annotation_type!r} and rank {self.rank}")
        object.__setattr__(self, "properties", tuple(self.properties))
        object.__setattr__(self, "relationships", tuple(self.relationships))
        for given in ([p.id for p in self.properties], list(self.relationships)):
            if len(set(given)) < len(given):
                raise InvalidInputError(f"names occur twice: {', '.join(given)}")
        layout = _layout(_VECTORS[self.annotation_type], self.rank, self.properties)
        object.__setattr__(self, "record_dtype", layout)


@dataclass(frozen=True, slots=True)
class SpatialLevel:
    """One level of the spatial index as ``info`` tells of it; levels are listed coarse first.

    Attributes
    ----------
    key : str
        Folder of its cells.
    grid_shape : tuple of int
    chunk_size : tuple of float
        Edges of a cell in the source's coordinates; the first cell begins at the source's lower bound.
    limit : int
        About how many items (of polylines: vertices) the fullest cell has: the client takes it for the density.
    """

    key: str
    grid_shape: tuple[int, ...]
    chunk_size: tuple[float, ...]
    limit: int

    def document(self) -> dict[str, Any]:
        """The level as it stands in ``info``."""
        return {
            "key": self.key,
            "grid_shape": [int(n) for n in self.grid_shape],
            "chunk_size": [float(n) for n in self.chunk_size],
            "limit": max(1, int(self.limit)),
        }


def encode_records(
    schema: AnnotationSchema,
    geometry: NDArray[Any] | tuple[NDArray[Any], NDArray[np.int64]],
    columns: Mapping[str, NDArray[Any]],
) -> EncodedRecords:
    """Annotations as records.

    Parameters
    ----------
    schema : AnnotationSchema
    geometry : array or (positions, offsets)
        Of points (n, rank); of lines (n, 2, rank), both ends, likewise both corners of boxes and centre and radii of
        ellipsoids; of polylines their vertices, (V, rank), and the bounds of each, (n + 1,). A polyline of one vertex
        is allowed, and draws nothing.
    columns : mapping of str to array
        Values of each property by its id: (n,), of colours (n, 3) or (n, 4). Values that the type cannot hold are the
        caller's fault (:mod:`~zvview.neuroglancer.encoding.columns` chooses types that do).

    Raises
    ------
    InvalidInputError
        Shapes do not fit each other or the schema.
    """
    if schema.annotation_type == "polyline":
        return _encode_polylines(schema, geometry, columns)
    if isinstance(geometry, tuple):
        raise InvalidInputError(f"annotations of type {schema.annotation_type} need one array of positions")
    shape = (len(geometry), *((2,) if _VECTORS[schema.annotation_type] == 2 else ()), schema.rank)
    if geometry.shape != shape:
        raise InvalidInputError(f"geometry of shape {geometry.shape}, expected {shape}")
    dtype = schema.record_dtype
    records = np.zeros(len(geometry), dtype)
    with np.errstate(over="ignore"):  # beyond float32 there is infinity, which draws nothing
        records[GEOMETRY] = geometry.reshape(len(geometry), *dtype[GEOMETRY].shape)
    _fill(records, schema, columns)
    return EncodedRecords(records.view(np.uint8), np.arange(len(records) + 1, dtype=np.int64) * dtype.itemsize)


def encode_list(records: EncodedRecords, ids: NDArray[Any]) -> bytes:
    """A spatial cell, or what relates to one object: the number of records, the records, and their ids, (n,) uint64.

    Of a spatial cell the client draws only the first ones when they are too many, so that their order should be random.
    """
    if len(ids) != len(records):
        raise InvalidInputError(f"{len(ids)} ids for {len(records)} annotations")
    count = np.array([len(records)], "<u8")
    return b"".join((count.tobytes(), records.buffer.data, np.ascontiguousarray(ids, "<u8").tobytes()))


def encode_lists(records: EncodedRecords, ids: NDArray[Any], bounds: NDArray[np.int64]) -> EncodedRecords:
    """Many lists at once, as :func:`encode_list` gives each.

    Parameters
    ----------
    records : EncodedRecords
    ids : (n,) uint64 array
    bounds : (m + 1,) int64 array
        Of each list in the records, the first one 0, the last one n.
    """
    if len(ids) != len(records) or bounds[0] != 0 or bounds[-1] != len(ids):
        raise InvalidInputError(f"{len(ids)} ids and {len(records)} annotations for lists up to {bounds[-1]}")
    counts = np.diff(bounds)
    return interleave(
        [
            (words_of(counts, "<u8"), 2),
            (records.buffer.view("<u4"), np.diff(records.offsets[bounds]) // 4),
            (words_of(ids, "<u8"), 2 * counts),
        ]
    )


def encode_by_id(
    records: EncodedRecords, related: Sequence[tuple[NDArray[np.int64], NDArray[Any]]] = ()
) -> EncodedRecords:
    """What the index by id holds for each annotation: its record and, for each relationship, the objects it relates to.

    Parameters
    ----------
    records : EncodedRecords
    related : sequence of (offsets, ids)
        For each relationship of the schema, in order: bounds, (n + 1,), in the ids of objects, uint64.
    """
    if not related:
        return records
    parts: list[Part] = [(records.buffer.view("<u4"), records.sizes // 4)]
    for offsets, ids in related:
        counts = np.diff(offsets)
        if len(counts) != len(records) or (len(counts) and (offsets[0] != 0 or offsets[-1] != len(ids))):
            raise InvalidInputError(f"{len(ids)} related ids of {len(counts)} annotations, expected {len(records)}")
        parts += [(words_of(counts, "<u4"), 1), (words_of(ids, "<u8"), 2 * counts)]
    return interleave(parts)


def annotation_info(
    schema: AnnotationSchema,
    dimensions: Mapping[str, Sequence[Any]],
    lower: Sequence[float] | NDArray[np.float64],
    upper: Sequence[float] | NDArray[np.float64],
    levels: Sequence[SpatialLevel],
    *,
    by_id: str = "by_id",
    relationship_keys: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The ``info`` document of a source of annotations, without ``sharding``, which is the exporter's.

    Parameters
    ----------
    schema : AnnotationSchema
    dimensions : mapping of str to (scale, unit)
        As :attr:`zvview.neuroglancer.encoding.space.Space.dimensions` has it.
    lower, upper : (rank,) float
        Bounds; the grids of all levels begin at `lower`.
    levels : sequence of SpatialLevel
        Coarse first; they add up.
    by_id : str
        Folder of the index by id.
    relationship_keys : mapping of str to str, optional
        Folders of the related objects; by default ``related_`` and the place of the relationship.

    Raises
    ------
    InvalidInputError
        The parts are not of the same rank.
    """
    ranks = {schema.rank, len(dimensions), len(lower), len(upper), *(len(level.grid_shape) for level in levels)}
    if len(ranks) != 1 or any(len(level.chunk_size) != schema.rank for level in levels):
        raise InvalidInputError(f"bounds, dimensions and levels must all be of rank {schema.rank}")
    keys = relationship_keys or {}
    return {
        "@type": "neuroglancer_annotations_v1",
        "dimensions": {name: [float(scale), unit] for name, (scale, unit) in dimensions.items()},
        "lower_bound": [float(v) for v in lower],
        "upper_bound": [float(v) for v in upper],
        "annotation_type": schema.annotation_type.upper(),
        "properties": [p.document() for p in _in_order(schema.properties)],
        "relationships": [
            {"id": name, "key": keys.get(name, f"related_{i}")} for i, name in enumerate(schema.relationships)
        ],
        "by_id": {"key": by_id},
        "spatial": [level.document() for level in levels],
    }


def _in_order(properties: Sequence[Property]) -> list[Property]:
    """As they stand in a record: wide ones first."""
    return sorted(properties, key=lambda p: -np.dtype(_TYPES[p.type][0]).itemsize)


def _layout(vectors: int, rank: int, properties: Sequence[Property]) -> np.dtype[Any]:
    """Positions, then properties in the order of a record; what fills it up to 4 bytes is no field."""
    ordered = _in_order(properties)
    formats = [np.dtype(("<f4", (vectors * rank,)))] if vectors else []
    formats += [np.dtype((code, (width,)) if width > 1 else code) for code, width in (_TYPES[p.type] for p in ordered)]
    ends = offsets_of([form.itemsize for form in formats])
    return np.dtype(
        {
            "names": [*([GEOMETRY] if vectors else []), *(p.id for p in ordered)],
            "formats": formats,
            "offsets": ends[:-1].tolist(),
            "itemsize": int(-(-ends[-1] // 4) * 4),
        }
    )


def _fill(records: NDArray[Any], schema: AnnotationSchema, columns: Mapping[str, NDArray[Any]]) -> None:
    """Put the values of all properties into a structured array."""
    if set(columns) != {p.id for p in schema.properties}:
        raise InvalidInputError(f"columns {sorted(columns)}, expected {sorted(p.id for p in schema.properties)}")
    for p in schema.properties:
        values, width = np.asarray(columns[p.id]), _TYPES[p.type][1]
        shape = (len(records), width) if width > 1 else (len(records),)
        if values.shape != shape:
            raise InvalidInputError(f"property {p.id!r}: values of shape {values.shape}, expected {shape}")
        with np.errstate(over="ignore"):  # as for positions
            records[p.id] = values


def _encode_polylines(schema: AnnotationSchema, geometry: Any, columns: Mapping[str, NDArray[Any]]) -> EncodedRecords:
    if not isinstance(geometry, tuple):
        raise InvalidInputError("polylines need positions and offsets")
    positions, offsets = geometry
    counts = np.diff(offsets)
    if positions.ndim != 2 or positions.shape[1] != schema.rank or offsets[0] != 0 or offsets[-1] != len(positions):
        raise InvalidInputError(f"offsets up to {offsets[-1:]} do not fit positions of shape {positions.shape}")
    if len(counts) and (counts.min() < 1 or counts.max() >= _MOST_POINTS):
        raise InvalidInputError("a polyline has between 1 and 2^31 - 1 vertices")
    tail = np.zeros(len(counts), schema.record_dtype)
    _fill(tail, schema, columns)
    if not len(counts):
        return EncodedRecords(np.empty(0, np.uint8), np.zeros(1, np.int64))
    with np.errstate(over="ignore"):
        places = words_of(positions, "<f4")
    words = tail.dtype.itemsize // 4
    ends = [(tail.view("<u4"), words)] if words else []
    return interleave([(words_of(counts, "<u4"), 1), (places, counts * schema.rank), *ends])
