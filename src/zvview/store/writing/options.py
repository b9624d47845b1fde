"""What a caller asks of a new store, checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from types import NoneType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from zvview.errors import InvalidInputError
from zvview.format import names
from zvview.format.metadata import MAX_AXES, Axis
from zvview.geometry.arguments import as_array, as_box, as_list, as_mapping, as_names, check_choice, check_type
from zvview.store.codecs import codec_document

__all__ = [
    "AttributeSpec",
    "CodecSpec",
    "WriteOptions",
    "as_axes",
    "bins_of_chunk",
    "check_name",
    "check_shards",
    "codecs_of",
]

CodecSpec: TypeAlias = str | dict[str, Any] | Sequence[dict[str, Any]] | None

_DEFAULT_AXES = "xyzw"
_MOST_SHARD_CELLS = 1 << 24  # the index of a shard has 16 bytes for each
_MOST_BINS = 1 << 20  # of one chunk, each a fragment there
_REMOTE_CODEC = "zstd"  # in remote places a byte costs more than its decoding


@dataclass(frozen=True, slots=True)
class AttributeSpec:
    """What the values of an attribute cannot tell about themselves.

    Attributes
    ----------
    unit : str or None
        UDUNITS-2 name.
    description : str or None
    channel_names : tuple of str
        One for each column of an (N, C) attribute.
    is_ordered : bool
        Whether the labels of a categorical attribute have an order.
    """

    unit: str | None = None
    description: str | None = None
    channel_names: tuple[str, ...] = ()
    is_ordered: bool = False

    def __post_init__(self) -> None:
        for what in ("unit", "description"):
            check_type(getattr(self, what), what, (str, NoneType), "text")
        check_type(self.is_ordered, "is_ordered", bool, "a boolean")
        object.__setattr__(self, "channel_names", as_names(self.channel_names, "channel_names"))

    def document(self) -> dict[str, Any]:
        """The keys that are set, as they stand in the attributes of an array."""
        out: dict[str, Any] = {"channel_names": list(self.channel_names)} if self.channel_names else {}
        out |= {"unit": self.unit} if self.unit else {}
        return out | ({"description": self.description} if self.description else {})

    def declaration(self, dtype: np.dtype[Any], width: int, *, is_categorical: bool = False) -> dict[str, Any]:
        """What the root declares of the attribute (``attribute_specs`` of 2.1)."""
        out: dict[str, Any] = {"dtype": "str" if dtype.kind == "U" else dtype.name}
        out |= {"channels": width} if width != 1 else {}
        out |= {"categorical": True} if is_categorical else {}
        return out | {key: value for key, value in self.document().items() if key != "channel_names"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WriteOptions:
    """How a store is written.

    Attributes
    ----------
    kind : str
        Geometry type of the store, such as ``"point_cloud"``.
    axes : sequence of str, dict or Axis, optional
        One for each coordinate; default x, y, z, w.
    bounds : pair of D floats, optional
        Inclusive corners that hold all vertices; default those of the data.
    chunk_shape : D floats, optional
        Edge lengths of chunks; default from the data, for cells of 0.25 to 1 MB.
    bin_shape : D floats, optional
        Edge lengths of bins; divides `chunk_shape` exactly. Default a quarter of a chunk for points, an eighth else.
    dtype : dtype, optional
        float32 or float64, of the stored positions; default that of the first batch.
    vertex_attributes, object_attributes, link_attributes : mapping of str to AttributeSpec
        Units and the like, by name; attributes not named here are written all the same.
    codec : None, "raw", "zstd", "blosc", "gzip", dict or list of dict
        Compression of cells. None: raw in local places, zstd in remote ones.
    shards : None, bool, int or D ints
        Cells of a shard along each axis. None: above 20,000 cells in the smallest shards that leave fewer files, of up
        to 64 cells; True: always, in the largest of these.
    name : str, optional
        How collections show the store; default the last part of its place.
    crs : optional
        Coordinate reference system, any JSON.
    memory_bytes : int
        What is kept in memory before runs go to a temporary folder.
    has_index : bool
        Whether zvview's own index is written.
    """

    kind: str
    axes: Sequence[str | Mapping[str, str] | Axis] | None = None
    bounds: tuple[Sequence[float], Sequence[float]] | None = None
    chunk_shape: Sequence[float] | None = None
    bin_shape: Sequence[float] | None = None
    dtype: DTypeLike | None = None
    vertex_attributes: Mapping[str, AttributeSpec] = field(default_factory=dict)
    object_attributes: Mapping[str, AttributeSpec] = field(default_factory=dict)
    link_attributes: Mapping[str, AttributeSpec] = field(default_factory=dict)
    codec: CodecSpec = None
    shards: bool | int | Sequence[int] | None = None
    name: str | None = None
    crs: object = None
    memory_bytes: int = 256 << 20
    has_index: bool = True

    def __post_init__(self) -> None:
        check_choice(self.kind, "kind", tuple(names.KINDS))
        if self.dtype is not None and _as_dtype(self.dtype) not in (np.float32, np.float64):
            raise InvalidInputError(f"positions are stored as float32 or float64, not {np.dtype(self.dtype)}")
        check_type(self.name, "name", (str, NoneType), "text")
        check_type(self.memory_bytes, "memory_bytes", int, "a number of bytes")
        if self.memory_bytes <= 0:
            raise InvalidInputError(f"memory_bytes is {self.memory_bytes}, expected more than 0")
        codecs_of(self.codec, is_local=True)
        axes = None if self.axes is None else as_axes(self.axes)
        lengths = {} if axes is None else {"axes": len(axes)}
        for what in ("chunk_shape", "bin_shape"):
            edges = getattr(self, what)
            if edges is not None:
                object.__setattr__(self, what, _edge_lengths(edges, what))
                lengths[what] = len(getattr(self, what))
        if self.bin_shape is not None:
            if self.chunk_shape is None:
                raise InvalidInputError("bin_shape without chunk_shape: bins divide chunks, so give both")
            bins_of_chunk(self.chunk_shape, self.bin_shape)
        if self.bounds is not None:
            lo, hi = as_box(self.bounds, "bounds", is_finite=True)
            object.__setattr__(self, "bounds", (tuple(lo.tolist()), tuple(hi.tolist())))
            lengths["bounds"] = len(lo)
        if not isinstance(self.shards, bool | None):
            edges = np.asarray(self.shards).tolist() if isinstance(self.shards, np.generic) else self.shards
            if not isinstance(edges, int):
                edges = tuple(as_array(edges, "shards", np.int64, (None,)).tolist())
                lengths["shards"] = len(edges)
            object.__setattr__(self, "shards", edges)
        check_shards(self.shards, next(iter(lengths.values()), None))
        if len(set(lengths.values())) > 1:
            raise InvalidInputError("different numbers of axes: " + ", ".join(f"{k} {n}" for k, n in lengths.items()))

    @property
    def ndim(self) -> int | None:
        """Number of axes where the options tell it."""
        for value in (self.axes, self.chunk_shape, self.bounds and self.bounds[0], self.shards):
            if isinstance(value, Sequence):
                return len(value)
        return None


def as_axes(axes: Sequence[str | Mapping[str, str] | Axis] | None, ndim: int | None = None) -> tuple[Axis, ...]:
    """Axes as the metadata has them; the default ones of `ndim` coordinates where not given.

    Raises
    ------
    InvalidInputError
        Too many, two of one name, unknown keys, or another number than `ndim`.
    """
    if axes is None:
        if ndim is None or ndim > len(_DEFAULT_AXES):
            raise InvalidInputError(f"positions with {ndim} coordinates: give their axes")
        return tuple(Axis(name) for name in _DEFAULT_AXES[:ndim])
    out = tuple(
        _as_axis(axis) for axis in as_list([*axes] if isinstance(axes, str) else axes, "axes", "a list of axes")
    )
    if not 1 <= len(out) <= MAX_AXES or len({axis.name for axis in out}) < len(out):
        raise InvalidInputError(f"axes {[axis.name for axis in out]}: expected 1 to {MAX_AXES} different names")
    if ndim is not None and len(out) != ndim:
        raise InvalidInputError(f"{len(out)} axes for positions with {ndim} coordinates")
    return out


def codecs_of(spec: CodecSpec, *, is_local: bool) -> list[dict[str, Any]]:
    """Compressors of cells as in ``zarr.json``, for what was asked; None asks for what suits the place.

    Raises
    ------
    InvalidInputError
        An unknown name, or a codec that is not from bytes to bytes.
    """
    if spec is None:
        spec = "raw" if is_local else _REMOTE_CODEC
    if isinstance(spec, str) and spec == "raw":
        return []
    if not isinstance(spec, str | dict):
        spec = as_list(spec, "codec", "a name, a codec or a list of codecs")
        for codec in spec:
            as_mapping(codec, "codec")
    return codec_document(spec)


def bins_of_chunk(chunk_shape: Sequence[float], bin_shape: Sequence[float]) -> tuple[int, ...]:
    """Bins along each axis of a chunk.

    Raises
    ------
    InvalidInputError
        A bin does not divide its chunk, or a chunk has more than 2**20 bins.
    """
    if len(chunk_shape) != len(bin_shape):
        raise InvalidInputError(f"chunks of {tuple(chunk_shape)} and bins of {tuple(bin_shape)}: different axes")
    with np.errstate(over="ignore"):
        is_within = np.prod(np.maximum(1, np.divide(chunk_shape, bin_shape))) < _MOST_BINS + 0.5
    if not is_within:
        raise InvalidInputError(
            f"bins of {tuple(bin_shape)}: more than {_MOST_BINS} in a chunk of {tuple(chunk_shape)}"
        )
    counts = tuple(round(c / b) for c, b in zip(chunk_shape, bin_shape, strict=True))
    for chunk, edge, count in zip(chunk_shape, bin_shape, counts, strict=True):
        # 0.3 / 0.1 is not 3 in floats, but it is the nearest that such numbers come
        if count < 1 or abs(count * edge - chunk) > 1e-12 * chunk:
            raise InvalidInputError(f"a bin of {edge} does not divide a chunk of {chunk} into whole numbers")
    return counts


def check_shards(shards: bool | int | Sequence[int] | None, ndim: int | None) -> None:
    """Refuse shards of no cells, or of more than 2**24; of an edge for all axes that needs their number.

    Raises
    ------
    InvalidInputError
    """
    if shards is None or isinstance(shards, bool):
        return
    edges = (shards,) * (ndim or 1) if isinstance(shards, int) else shards
    if not edges or min(edges) < 1 or prod(edges) > _MOST_SHARD_CELLS:
        raise InvalidInputError(
            f"shards = {shards!r}: expected 1 cell or more along each axis, and at most {_MOST_SHARD_CELLS} in a shard"
        )


def check_name(what: str, name: object) -> None:
    """Refuse a name that cannot be a node's: empty, with a slash or backslash, or a step in a path.

    Raises
    ------
    InvalidInputError
    """
    if not isinstance(name, str) or not name or name in (".", "..", names.ZARR_JSON) or set(name) & set("/\\\0"):
        raise InvalidInputError(f"{what} {name!r}: not a name that a store can hold")


def _as_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        return np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError) as error:
        raise InvalidInputError(f"dtype = {dtype!r}, expected float32 or float64") from error


def _as_axis(axis: str | Mapping[str, str] | Axis) -> Axis:
    if isinstance(axis, str):
        axis = Axis(axis, "time" if axis in ("t", "time") else "space")
    if isinstance(axis, Mapping):
        if "name" not in axis or set(axis) - {"name", "type", "unit"}:
            raise InvalidInputError(f"axis {dict(axis)!r}: expected the keys name, type and unit")
        axis = Axis(axis["name"], axis.get("type", "space"), axis.get("unit"))
    if not isinstance(axis, Axis):
        raise InvalidInputError(f"axis {axis!r}: expected a name, or the keys name, type and unit")
    is_text = isinstance(axis.name, str) and isinstance(axis.type, str) and isinstance(axis.unit, str | None)
    if not is_text or not axis.name:
        raise InvalidInputError(f"axis {axis!r}: expected text for name, type and unit")
    return axis


def _edge_lengths(values: Sequence[float], what: str) -> tuple[float, ...]:
    out = tuple(as_array(values, what, np.float64, (None,)).tolist())
    if not out or not np.isfinite(out).all() or min(out) <= 0:
        raise InvalidInputError(f"{what} {out}: expected finite numbers above 0")
    return out
