"""Arrays of cells: which keys and byte ranges hold the cells of given chunks (format reference 4).

A :class:`CellArray` never reads cells itself. It says what has to be asked for (:class:`CellPlan`) and
:mod:`zvview.store.waves` asks for many arrays at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError, UnsupportedError
from zvview.format import names
from zvview.format.cells import FARTHEST_CHUNK
from zvview.format.grid import ChunkTable, format_chunk_keys, list_chunks, parse_chunk_keys, sort_chunks
from zvview.format.sequences import group_rows
from zvview.format.values import as_int_list, as_mapping, wrong
from zvview.store.codecs import CodecChain, ShardLayout, parse_codecs
from zvview.store.places.source import Request, Source
from zvview.store.shard_index import MISSING, decode_shard_index, shard_index_bytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["CellArray", "CellPlan", "GridArray", "Place", "key_encoding"]

_NEAR_BYTES = 32 << 10  # ranges of one object closer than this are read as one (zarrita, object_store)
_MOST_PROBED = 1 << 14  # cells of a grid without any list of what is there that are asked one by one


Place: TypeAlias = tuple[int, int, int | None] | NDArray[np.uint8] | None
"""Where a cell lies: request, start and stop in what it delivers (None: to the end); or its bytes, where they are in
memory; None where there is no cell."""


@dataclass(frozen=True, slots=True)
class CellPlan:
    """What to ask for the cells of some chunks, and where each cell then lies.

    Attributes
    ----------
    requests : list of Request
    places : list of Place
        Of the cell of each chunk.
    chains : list of CodecChain
        How each cell was encoded.
    sizes : list of int or None
        Bytes of each decoded cell, where the array tells. An object that is missing then stands for zeros, which Zarr
        does not store.
    nonzero : set of int
        Cells that cannot be zeros, so that a missing object is damage.
    """

    requests: list[Request]
    places: list[Place]
    chains: list[CodecChain]
    sizes: list[int] | None = None
    nonzero: frozenset[int] = frozenset()


class CellArray(Protocol):
    """One payload of bytes for each chunk of a level: vertices, fragments, an attribute, a segment of links."""

    path: str
    attributes: Mapping[str, Any]
    is_vlen: bool
    """Whether a cell carries the vlen-bytes header around its payload."""

    @property
    def chunks(self) -> NDArray[np.int64]:
        """Coordinates of the cells that are there, (K, sid), in numeric order."""
        ...

    def preparation(self, coords: NDArray[np.int64]) -> list[Request]:
        """What has to be read before :meth:`plan` can place the cells of `coords`; empty when nothing is missing."""
        ...

    def prepare(self, requests: Sequence[Request], answers: Sequence[Buffer | None]) -> None:
        """Take the answers to :meth:`preparation`."""
        ...

    def plan(self, coords: NDArray[np.int64]) -> CellPlan:
        """Where the cells of `coords` (M, sid) lie."""
        ...


class GridArray:
    """A vlen grid array of format 0.9: one Zarr array with one cell for each chunk, sharded or not.

    Parameters
    ----------
    source : Source
    path : str
    document : mapping
        Its ``zarr.json``.
    is_presence_listed : bool
        Whether ``nonempty_chunks`` may be believed; it is not while a level is being built (10.5).
    """

    is_vlen = True

    def __init__(
        self, source: Source, path: str, document: Mapping[str, Any], *, is_presence_listed: bool = True
    ) -> None:
        self.path = path
        self.attributes: Mapping[str, Any] = document["attributes"]
        self._source, self._is_presence_listed = source, is_presence_listed
        part = "array metadata"
        try:
            if document.get("node_type") != "array" or document.get("data_type") not in _BYTES_TYPES:
                raise wrong(part, "data_type", document.get("data_type"), "an array of 'variable_length_bytes'")
            shape = as_int_list(document.get("shape"), part, "shape")
            grid = as_mapping(document.get("chunk_grid"), part, "chunk_grid")
            outer = as_int_list(
                as_mapping(grid.get("configuration"), part, "chunk_grid").get("chunk_shape"),
                part,
                "chunk_shape",
                len(shape),
            )
            self._separator, self._prefix = key_encoding(document)
            codecs = parse_codecs(document.get("codecs") or [], array=path)
            origin = self.attributes.get(names.CHUNK_GRID_ORIGIN)
            self._origin = np.array(
                [0] * len(shape) if origin is None else as_int_list(origin, part, names.CHUNK_GRID_ORIGIN, len(shape)),
                np.int64,
            )
            cell = codecs.shard.chunk_shape if codecs.shard else outer
            if not shape or any(n < 1 for n in (*shape, *outer)) or any(n != 1 for n in cell):
                raise wrong(part, "chunk_shape", cell, "one cell for each chunk of the level")
            if any(abs(int(o)) + n > FARTHEST_CHUNK for o, n in zip(self._origin, shape, strict=True)):
                raise wrong(part, "shape", shape, "a grid whose coordinates stay below 2**53")
        except DamagedError as error:
            raise error.at(path) from None
        if codecs.serializer != "vlen-bytes":
            raise UnsupportedError(f"{path} is encoded by {codecs.serializer!r}; zvview reads 'vlen-bytes' cells")
        self._shape = np.array(shape, np.int64)
        self._chain = codecs.chain
        self._shard: ShardLayout | None = codecs.shard
        self._outer = np.array(outer, np.int64)
        if self._shard is not None and prod(outer) > 1 << 24:
            raise DamagedError(part, found=f"shards of {outer} cells", expected="at most 2**24 cells", array=path)
        self._indexes: dict[str, NDArray[np.uint64] | DamagedError | None] = {}
        self._chunks: NDArray[np.int64] | None = None

    @property
    def ndim(self) -> int:
        """Components of a chunk coordinate."""
        return len(self._shape)

    @property
    def chunks(self) -> NDArray[np.int64]:
        """Coordinates of the cells that are there, (K, sid), in numeric order."""
        if self._chunks is None:
            listed = self.attributes.get(names.NONEMPTY_CHUNKS) if self._is_presence_listed else None
            if isinstance(listed, np.ndarray):  # from the index, already parsed
                self._chunks = listed
            elif isinstance(listed, list):
                try:
                    self._chunks = list_chunks(listed, self.ndim)
                except DamagedError as error:
                    raise error.at(self.path) from None
            elif listed is None:
                self._chunks = self._find_chunks()
            else:
                raise wrong("array metadata", names.NONEMPTY_CHUNKS, listed, "a list of chunk keys").at(self.path)
        return self._chunks

    def _find_chunks(self) -> NDArray[np.int64]:
        """What is there, from the keys: the list is missing while a level is being built (10.5)."""
        if self._source.can_list and self._shard is None:
            root = f"{self.path}/{self._prefix}"
            found = (k[len(root) :] for k in self._source.list_keys(self.path) if k.startswith(root))
            cell = re.compile(re.escape(self._separator).join([r"\d{1,15}"] * self.ndim), re.ASCII)
            keys = [k.replace(self._separator, ".") for k in found if cell.fullmatch(k)]
            index = parse_chunk_keys(keys, self.ndim)
            return sort_chunks(index[(index < self._shape).all(axis=1)] + self._origin)
        if prod(self._shape.tolist()) > _MOST_PROBED:
            raise DamagedError(
                "presence of cells",
                found=f"no {names.NONEMPTY_CHUNKS} and a grid of {self._shape.tolist()} that cannot be listed",
                expected=f"{names.NONEMPTY_CHUNKS} on the array",
                array=self.path,
            )
        every = np.stack(np.unravel_index(np.arange(self._shape.prod()), self._shape.tolist()), axis=1) + self._origin
        if self._shard is None:
            return every[[size is not None for size in self._source.stat_many(self._keys(every - self._origin))]]
        requests = self.preparation(every)
        self.prepare(requests, self._source.get_many(requests))
        return every[[place is not None for place in self.plan(every).places]]

    def _cells(self, coords: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Array indices of chunk coordinates and whether the grid holds them."""
        inside = np.asarray(((coords >= self._origin) & (coords < self._origin + self._shape)).all(axis=1))
        return np.where(inside[:, None], coords - self._origin, 0), inside

    def _keys(self, index: NDArray[np.int64]) -> list[str]:
        stem = f"{self.path}/{self._prefix}"
        ends = _key_ends(np.ascontiguousarray(index).tobytes(), index.shape[1], self._separator)
        return [stem + end for end in ends]

    def preparation(self, coords: NDArray[np.int64]) -> list[Request]:
        """Shard indexes that are not known yet."""
        if self._shard is None:
            return []
        index, inside = self._cells(coords)
        size = shard_index_bytes(prod(self._outer.tolist()), self._shard.has_crc)
        span = (-size, 0) if self._shard.index_at_end else (0, size)
        keys = dict.fromkeys(self._keys(sort_chunks(index[inside] // self._outer)))
        return [(key, span) for key in keys if key not in self._indexes]

    def prepare(self, requests: Sequence[Request], answers: Sequence[Buffer | None]) -> None:
        """Decode and keep shard indexes; a damaged one is kept as the error, for :meth:`plan` to raise."""
        assert self._shard is not None
        for (key, _), footer in zip(requests, answers, strict=True):
            try:
                self._indexes[key] = (
                    None
                    if footer is None
                    else decode_shard_index(footer, prod(self._outer.tolist()), self._shard.has_crc, None)
                )
            except DamagedError as error:
                self._indexes[key] = error

    def plan(self, coords: NDArray[np.int64]) -> CellPlan:
        """Where the cells of `coords` lie."""
        index, inside = self._cells(coords)
        if self._shard is None:
            keys = self._keys(index if inside.all() else index[inside])
            requests: list[Request] = [(key, None) for key in keys]
            at = (np.cumsum(inside) - 1).tolist()
            places: list[Place] = [(i, 0, None) if ok else None for i, ok in zip(at, inside.tolist(), strict=True)]
            return CellPlan(requests, places, [self._chain] * len(coords))
        return self._plan_in_shards(index, inside)

    def _plan_in_shards(self, index: NDArray[np.int64], inside: NDArray[np.bool_]) -> CellPlan:
        """All shards at once: an edit of many cells has to do with hundreds of shards, of few cells each."""
        inner = np.ravel_multi_index(tuple((index % self._outer).T), tuple(self._outer.tolist()))
        shards = ChunkTable.of((index // self._outer)[inside])
        keys, of = self._keys(shards.coords), shards.find(np.where(inside[:, None], index // self._outer, -1))
        tables = [self._indexes.get(key) for key in keys]
        behind: dict[int, DamagedError] = {}
        pairs = np.full((len(index), 2), MISSING, np.uint64)
        for rows, table in zip(group_rows(of, len(keys)), tables, strict=True):
            if isinstance(table, DamagedError):
                behind |= dict.fromkeys(rows.tolist(), table)
            elif table is not None:
                pairs[rows] = table.take(inner[rows], axis=0)
        if behind:
            error = behind[min(behind)]
            raise DamagedError(error.part, found=error.found, expected=error.expected, cells=behind, array=self.path)
        return CellPlan(*_plan_spans(keys, of, pairs), [self._chain] * len(index))


def _plan_spans(
    keys: Sequence[str], of: NDArray[np.int64], pairs: NDArray[np.uint64]
) -> tuple[list[Request], list[Place]]:
    """Few requests for some cells of shards, and where each cell then lies.

    Parameters
    ----------
    keys : sequence of str
        Of the shards.
    of : (n,) int64
        Which of them holds each cell.
    pairs : (n, 2) uint64
        Offset and size of each cell, or :data:`MISSING`.
    """
    places: list[Place] = [None] * len(of)
    there = np.flatnonzero(pairs[:, 0] != np.uint64(MISSING))
    if not len(there):
        return [], places
    there = there[np.lexsort((pairs[there, 0], of[there]))]
    starts, sizes = pairs[there].astype(np.int64).T
    stops, shards = starts + sizes, of[there]
    is_first = np.ones(len(there), bool)
    is_first[1:] = (shards[1:] != shards[:-1]) | (starts[1:] - _reach(stops, shards)[:-1] > _NEAR_BYTES)
    firsts = np.flatnonzero(is_first)
    ends = np.maximum.reduceat(stops, firsts).tolist()
    number = np.cumsum(is_first) - 1
    begin = starts[firsts][number]
    for row, *place in zip(*(c.tolist() for c in (there, number, starts - begin, stops - begin)), strict=True):
        places[row] = (place[0], place[1], place[2])
    spans = zip(shards[firsts].tolist(), starts[firsts].tolist(), ends, strict=True)
    return [(keys[shard], (start, stop)) for shard, start, stop in spans], places


def _reach(stops: NDArray[np.int64], shards: NDArray[np.int64]) -> NDArray[np.int64]:
    """How far the cells of a shard up to each reach, given shard by shard: the greatest end so far.

    Cells of a sound shard do not overlap, and ends then ascend; of others the running maximum is taken in each shard.
    """
    if ((stops[1:] >= stops[:-1]) | (shards[1:] != shards[:-1])).all():
        return stops
    parts = np.split(stops, np.flatnonzero(shards[1:] != shards[:-1]) + 1)
    return np.concatenate([np.maximum.accumulate(part) for part in parts])


@lru_cache(maxsize=8)
def _key_ends(index: bytes, ndim: int, separator: str) -> list[str]:
    """What the keys of some cells end with: the same for all arrays of a level, which are read together."""
    return format_chunk_keys(np.frombuffer(index, np.int64).reshape(-1, ndim), separator)


_BYTES_TYPES = ("variable_length_bytes", "bytes")


def key_encoding(document: Mapping[str, Any]) -> tuple[str, str]:
    """Separator and prefix of the keys of a Zarr array's chunks."""
    part = "array metadata"
    encoding = as_mapping(document.get("chunk_key_encoding") or {"name": "default"}, part, "chunk_key_encoding")
    name = encoding.get("name")
    configuration = as_mapping(encoding.get("configuration") or {}, part, "chunk_key_encoding")
    separator = configuration.get("separator", "/" if name == "default" else ".")
    if name not in ("default", "v2") or separator not in ("/", "."):
        raise wrong(part, "chunk_key_encoding", encoding, "'default' or 'v2' with '/' or '.'")
    return str(separator), f"c{separator}" if name == "default" else ""
