"""Geometry in memory: one frozen batch type for each kind of a store.

A batch is what reads return and writes take. Positions are (N, D) in the store's axis order. The vertices of every kind
but points stand in *pieces*: piece ``p`` is ``positions[offsets[p]:offsets[p + 1]]`` and belongs to the object
``object_ids[p]``. Rows behind ``offsets[-1]`` belong to no piece: they are the far ends of links that leave the part
that was read. Arrays are not copied when a batch is made and must not be changed afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import DamagedError, InvalidInputError, MissingError
from zvview.format import names
from zvview.format.attributes import Categories, encode_categories
from zvview.format.sequences import offsets_of
from zvview.geometry.arguments import as_array, as_list, as_mapping, as_names, check_type, to_array
from zvview.geometry.trees import parents_from_links

__all__ = [
    "Batch",
    "Graph",
    "Lines",
    "Mesh",
    "Pieces",
    "Points",
    "Polylines",
    "Skeletons",
    "Streamlines",
    "batch_type",
]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Batch:
    """What all kinds have in common.

    Attributes
    ----------
    positions : (N, D) float32 or float64 array
    attributes : mapping of str to (N,) or (N, C) array
        Values per vertex; integer codes for categorical attributes. Text given to the constructor is turned into codes.
    categories : mapping of str to Categories
        Labels of the attributes that are codes; :meth:`labels` decodes them.
    notes : tuple of str
        What could not be trusted or was left out when the batch was read.
    """

    kind: ClassVar[str]

    positions: NDArray[np.floating]
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict, kw_only=True)
    categories: Mapping[str, Categories] = field(default_factory=dict, kw_only=True)
    notes: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        positions = to_array(self.positions, "positions")
        if positions.dtype.kind not in "biuf":
            raise InvalidInputError(f"positions have dtype {positions.dtype}, expected real numbers")
        if positions.dtype not in (np.float32, np.float64):
            positions = positions.astype(np.float64 if positions.dtype.itemsize > 4 else np.float32)
        if positions.ndim != 2 or not positions.shape[1]:
            raise InvalidInputError(f"positions have shape {positions.shape}, expected (N, D) with D >= 1")
        self._set("positions", positions)
        values, categories = _typed(self.attributes, self.categories)
        self._set("attributes", values)
        self._set("categories", categories)
        self._set("notes", as_names(self.notes, "notes"))
        _check_rows("attribute", values, len(positions))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def __len__(self) -> int:
        """Number of vertices, N."""
        return len(self.positions)

    def __repr__(self) -> str:
        parts = [f"{len(self)} vertices in {self.ndim} axes"]
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray) and f.name not in ("positions", "offsets"):
                parts.append(f"{len(value)} {f.name}")
            elif f.name == "offsets":
                parts.append(f"{len(value) - 1} pieces")
        known = f", attributes {', '.join(self.attributes)}" if self.attributes else ""
        return f"<zvview.{type(self).__name__} {', '.join(parts)}{known}>"

    @property
    def ndim(self) -> int:
        """Number of axes, D."""
        return int(self.positions.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays of the batch."""
        values = [getattr(self, f.name) for f in fields(self)]
        arrays = [v for v in values if isinstance(v, np.ndarray)]
        arrays += [a for v in values if isinstance(v, Mapping) for a in v.values() if isinstance(a, np.ndarray)]
        return sum(a.nbytes for a in arrays)

    def labels(self, name: str) -> NDArray[Any]:
        """Attribute `name` as users know it: text (None where missing) for categories, else the values as stored."""
        if not isinstance(name, str) or name not in self.attributes:
            raise MissingError("attribute", name, self.attributes)
        values = self.attributes[name]
        return self.categories[name].decode(values) if name in self.categories else values


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Points(Batch):
    """Points, each by itself.

    Attributes
    ----------
    object_ids : (N,) int64 array or None
        The object of each point.
    """

    kind: ClassVar[str] = names.POINT_CLOUD

    object_ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        Batch.__post_init__(self)
        if self.object_ids is not None:
            self._set("object_ids", as_array(self.object_ids, "object_ids", np.int64, (len(self.positions),)))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pieces(Batch):
    """What the kinds made of pieces have in common.

    Attributes
    ----------
    offsets : (P + 1,) int64 array
        Bounds of the pieces in `positions`; one piece of all vertices where not given.
    object_ids : (P,) int64 array or None
        The object of each piece; -1 where a piece has none or several.
    """

    offsets: NDArray[np.int64] = field(default=None)  # type: ignore[arg-type]
    object_ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        Batch.__post_init__(self)
        n = len(self.positions)
        if self.offsets is None:
            self._set("offsets", np.array([0, n] if n else [0], np.int64))
        offsets = as_array(self.offsets, "offsets", np.int64, (None,))
        if not len(offsets) or offsets[0] != 0 or (np.diff(offsets) < 0).any() or offsets[-1] > n:
            raise InvalidInputError(f"offsets must rise from 0 to at most {n}, the number of vertices")
        self._set("offsets", offsets)
        if self.object_ids is not None:
            self._set("object_ids", as_array(self.object_ids, "object_ids", np.int64, (len(offsets) - 1,)))

    @property
    def vertex_object_ids(self) -> NDArray[np.int64]:
        """The object of each vertex, (N,) int64; -1 where it has none."""
        out = np.full(len(self.positions), -1, np.int64)
        if self.object_ids is not None:
            out[: self.offsets[-1]] = np.repeat(self.object_ids, np.diff(self.offsets))
        return out


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Polylines(Pieces):
    """Lines of any number of vertices: consecutive vertices of a piece are joined.

    Attributes
    ----------
    bridges : (B, 2) int64 array
        Rows of `positions` that are joined as well: segments between pieces. Empty where pieces are whole lines.
    """

    kind: ClassVar[str] = names.POLYLINE

    bridges: NDArray[np.int64] = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        Pieces.__post_init__(self)
        bridges = np.empty((0, 2), np.int64) if self.bridges is None else self.bridges
        self._set("bridges", _rows(bridges, "bridges", len(self.positions), 2))

    @classmethod
    def from_list(cls, lines: Iterable[ArrayLike], *, object_ids: ArrayLike | None = None, **kwargs: Any) -> Self:
        """A batch of separate (n, D) arrays, one for each line; `kwargs` as for the constructor."""
        arrays = [to_array(line, f"line {i}") for i, line in enumerate(as_list(lines, "lines", "a list of arrays"))]
        widths = {a.shape[1] if a.ndim == 2 else None for a in arrays}
        if len(widths) > 1 or None in widths:
            shapes = ", ".join(str(a.shape) for a in arrays[:5])
            raise InvalidInputError(f"lines have the shapes {shapes}, expected (n, D) with one D")
        offsets = offsets_of([len(a) for a in arrays])
        positions = np.concatenate(arrays) if arrays else np.empty((0, 3), np.float32)
        ids = None if object_ids is None else to_array(object_ids, "object_ids")
        return cls(positions, offsets=offsets, object_ids=ids, **kwargs)

    @property
    def segments(self) -> NDArray[np.int64]:
        """All joined rows, (S, 2) int64: neighbours inside pieces, then bridges."""
        rows = np.arange(self.offsets[-1], dtype=np.int64)
        is_last = np.zeros(len(rows), bool)
        is_last[self.offsets[1:][np.diff(self.offsets) > 0] - 1] = True
        starts = rows[~is_last]
        return np.concatenate((np.stack((starts, starts + 1), axis=1), self.bridges))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Streamlines(Polylines):
    """Streamlines; polylines by another name, with the same content."""

    kind: ClassVar[str] = names.STREAMLINE


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Lines(Polylines):
    """Single segments: each object has two vertices."""

    kind: ClassVar[str] = names.LINE

    @classmethod
    def from_endpoints(cls, endpoints: ArrayLike, **kwargs: Any) -> Self:
        """A batch of (M, 2, D) endpoints; vertex attributes have shape (2 M, ...), both ends of a line in a row."""
        ends = to_array(endpoints, "endpoints")
        if ends.ndim != 3 or ends.shape[1] != 2:
            raise InvalidInputError(f"endpoints have shape {ends.shape}, expected (M, 2, D)")
        offsets = np.arange(0, 2 * len(ends) + 1, 2, dtype=np.int64)
        return cls(ends.reshape(-1, ends.shape[2]), offsets=offsets, **kwargs)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Graph(Pieces):
    """Nodes joined by edges; the nodes of an object stand in one piece, or in several where it was cut.

    Attributes
    ----------
    edges : (E, 2) int64 array
        Rows of `positions`.
    link_attributes : mapping of str to (E,) or (E, C) array
        Values per edge.
    """

    kind: ClassVar[str] = names.GRAPH

    edges: NDArray[np.int64] = field(default=None)  # type: ignore[arg-type]
    link_attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        Pieces.__post_init__(self)
        edges = np.empty((0, 2), np.int64) if self.edges is None else self.edges
        self._set("edges", _rows(edges, "edges", len(self.positions), 2))
        self._set("link_attributes", _link_values(self.link_attributes, len(self.edges)))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Skeletons(Graph):
    """Trees; the edges are (child, parent) wherever the store tells which is which."""

    kind: ClassVar[str] = names.SKELETON

    @classmethod
    def from_parents(cls, positions: ArrayLike, parents: ArrayLike, **kwargs: Any) -> Self:
        """A batch from a parent row for each node, -1 for roots, as in SWC files; `kwargs` as for the constructor."""
        where = to_array(positions, "positions")
        up = as_array(parents, "parents", np.int64, (len(where) if where.ndim else None,))
        children = np.flatnonzero(up >= 0)
        return cls(where, edges=np.stack((children, up[children]), axis=1), **kwargs)

    @property
    def parents(self) -> NDArray[np.int64]:
        """Parent row of each vertex, (N,) int64, -1 for roots and for nodes whose parent was not read.

        Raises
        ------
        DamagedError
            The edges are no forest.
        """
        try:
            return parents_from_links(len(self.positions), self.edges)
        except InvalidInputError as error:
            raise DamagedError(
                "skeleton", found=str(error), expected="a forest: one parent a node, no cycle"
            ) from error


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Mesh(Pieces):
    """Vertices joined by faces of L corners, at least 3; stores hold faces of up to 8.

    Attributes
    ----------
    faces : (F, L) int64 array
        Rows of `positions`, in winding order.
    link_attributes : mapping of str to (F,) or (F, C) array
        Values per face.
    """

    kind: ClassVar[str] = names.MESH

    faces: NDArray[np.int64] = field(default=None)  # type: ignore[arg-type]
    link_attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        Pieces.__post_init__(self)
        faces = np.empty((0, 3), np.int64) if self.faces is None else to_array(self.faces, "faces")
        if faces.ndim != 2 or faces.shape[1] < 3:
            raise InvalidInputError(f"faces have shape {faces.shape}, expected (F, L) with L >= 3")
        self._set("faces", _rows(faces, "faces", len(self.positions), faces.shape[1]))
        self._set("link_attributes", _link_values(self.link_attributes, len(self.faces)))


_TYPES: dict[str, type[Batch]] = {t.kind: t for t in (Points, Lines, Polylines, Streamlines, Graph, Skeletons, Mesh)}


def batch_type(kind: str) -> type[Batch]:
    """The batch type of a geometry type of the specification."""
    if not isinstance(kind, str) or kind not in _TYPES:
        raise MissingError("kind", kind, _TYPES)
    return _TYPES[kind]


def _typed(
    attributes: Mapping[str, ArrayLike], categories: Mapping[str, Categories]
) -> tuple[dict[str, NDArray[Any]], dict[str, Categories]]:
    """Attributes as numeric arrays; text becomes codes and labels."""
    values, labels = {}, dict(as_mapping(categories, "categories"))
    for name, entry in labels.items():
        check_type(entry, f"categories of {name!r}", Categories, "Categories")
    for name, value in as_mapping(attributes, "attributes").items():
        array = to_array(value, f"attribute {name!r}")
        if array.dtype.kind in "OUST":
            array, labels[name] = encode_categories(array)
        values[name] = array
    return values, labels


def _check_rows(what: str, values: Mapping[str, NDArray[Any]], rows: int) -> None:
    for name, value in values.items():
        if value.ndim not in (1, 2) or len(value) != rows:
            raise InvalidInputError(f"{what} {name!r} has shape {value.shape}, expected ({rows},) or ({rows}, C)")


def _link_values(attributes: Mapping[str, ArrayLike], rows: int) -> dict[str, NDArray[Any]]:
    given = as_mapping(attributes, "link_attributes")
    values = {name: to_array(value, f"link attribute {name!r}") for name, value in given.items()}
    _check_rows("link attribute", values, rows)
    return values


def _rows(value: ArrayLike, what: str, limit: int, width: int) -> NDArray[np.int64]:
    array = as_array(value, what, np.int64, (None, width))
    if not len(array):
        return array
    if array.min() < 0 or array.max() >= limit:
        raise InvalidInputError(f"{what} name rows {array.min()} to {array.max()}, expected 0 to {limit - 1}")
    return array
