"""Cells of the layout before 0.8: each a 1-D uint8 array, named by its dotted chunk coordinate (reference 18)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError, UnsupportedError
from zvview.format.cells import FARTHEST_CHUNK
from zvview.format.grid import format_chunk_keys, parse_chunk_keys, sort_chunks
from zvview.format.values import as_int_list, as_mapping, wrong
from zvview.store.cell_arrays import CellPlan, Place, key_encoding
from zvview.store.codecs import CodecChain, parse_codecs
from zvview.store.hierarchy import Hierarchy, document_key, parse_document
from zvview.store.packed_cells import PACKED_PREFIX, PackedCells
from zvview.store.places.source import Request

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["DottedCells", "list_children"]

_COORDINATE = re.compile(r"(?:0|-?[1-9]\d{0,17})(?:\.(?:0|-?[1-9]\d{0,17}))*", re.ASCII)
_NONE = CodecChain()


def list_children(hierarchy: Hierarchy, path: str) -> list[str]:
    """Names under `path`, whether or not the group itself or they have a document.

    Raises
    ------
    UnsupportedError
        The place cannot list.
    """
    names = hierarchy.names(path)
    if names is None:
        raise UnsupportedError(
            f"{hierarchy.source.place} cannot be listed, and before format 0.8 nothing but a listing tells what is in "
            f"{path!r}; copy the store to a folder, or open it through an address that can list"
        )
    return names


@dataclass(frozen=True, slots=True)
class _Cell:
    """What the ``zarr.json`` of one cell says: the key of its object under the cell, its size in bytes, its codecs."""

    key: str
    size: int
    chain: CodecChain

    @classmethod
    def parse(cls, data: Buffer, path: str) -> _Cell:
        """Read it, not trusting it."""
        document, part = parse_document(data, path), "array metadata"
        try:
            if document["node_type"] != "array" or document.get("data_type") != "uint8":
                raise wrong(part, "data_type", document.get("data_type"), "an array of uint8")
            (size,) = as_int_list(document.get("shape"), part, "shape", 1)
            grid = as_mapping(document.get("chunk_grid"), part, "chunk_grid")
            configuration = as_mapping(grid.get("configuration"), part, "chunk_grid")
            (chunk,) = as_int_list(configuration.get("chunk_shape"), part, "chunk_shape", 1)
            if size < 0 or (size and chunk != size):
                raise wrong(part, "chunk_shape", chunk, f"one chunk of all {size} bytes")
            if document.get("fill_value") not in (0, None):
                raise wrong(part, "fill_value", document.get("fill_value"), "0")
            _, prefix = key_encoding(document)
        except DamagedError as error:
            raise error.at(path) from None
        codecs = parse_codecs(document.get("codecs") or [], array=path)
        if codecs.serializer != "bytes" or codecs.shard is not None:
            raise UnsupportedError(f"{path} is encoded by {codecs.serializer!r}; zvview reads unsharded 'bytes' there")
        return cls(f"{prefix}0", size, codecs.chain)


class DottedCells:
    """One family of cells of the layout before 0.8; a :class:`zvview.store.cell_arrays.CellArray`.

    What is there is listed once. The document of each cell is read in the wave before the cell's own, and kept.

    Parameters
    ----------
    hierarchy : Hierarchy
    path : str
        The family's group, which need not have a document.
    attributes : mapping
        Those of the group.
    sid_ndim : int
        Components of a chunk coordinate.
    position_ndim : int, optional
        D, where cells hold positions. Then only the chunk at zero can hold nothing but zeros, and elsewhere a missing
        object is damage.
    """

    is_vlen = False

    def __init__(
        self,
        hierarchy: Hierarchy,
        path: str,
        attributes: Mapping[str, Any],
        sid_ndim: int,
        *,
        position_ndim: int | None = None,
    ) -> None:
        self.path, self.attributes = path, attributes
        self._hierarchy, self._sid, self._ndim = hierarchy, sid_ndim, position_ndim
        self._cells: dict[str, _Cell | DamagedError | None] = {}
        self._parsed: dict[bytes, _Cell] = {}  # cells of one size share their document
        self._listed: tuple[frozenset[str], PackedCells] | None = None
        self._chunks: NDArray[np.int64] | None = None

    def _is_key(self, name: str) -> bool:
        """Whether a name is a chunk coordinate of this grid, as the writer spells it."""
        return _COORDINATE.fullmatch(name) is not None and name.count(".") == self._sid - 1

    def _list(self) -> tuple[frozenset[str], PackedCells]:
        """Keys of the cells that are arrays of their own, and the packed ones."""
        if self._listed is None:
            names = list_children(self._hierarchy, self.path)
            astray = next((n for n in names if _COORDINATE.fullmatch(n) and not self._is_key(n)), None)
            if astray is not None:
                expected = f"chunk coordinates of {self._sid} components"
                raise DamagedError("cell", found=f"the name {astray!r}", expected=expected, array=self.path)
            packed = PackedCells(
                self._hierarchy, self.path, [n for n in names if n.startswith(PACKED_PREFIX)], self._is_key
            )
            self._listed = frozenset(filter(self._is_key, names)), packed
        return self._listed

    @property
    def chunks(self) -> NDArray[np.int64]:
        """Coordinates of the cells that are there, (K, sid), in numeric order."""
        if self._chunks is None:
            own, packed = self._list()
            keys = list(own.union(packed.keys))
            chunks = sort_chunks(parse_chunk_keys(keys, self._sid, "cell"))
            if chunks.size and max(-int(chunks.min()), int(chunks.max())) > FARTHEST_CHUNK:
                expected = "chunks of the grid"
                raise DamagedError("cell", found="a chunk beyond 2**53", expected=expected, array=self.path)
            self._chunks = chunks
        return self._chunks

    def preparation(self, coords: NDArray[np.int64]) -> list[Request]:
        """Documents of cells that are not known yet."""
        own, _ = self._list()
        keys = dict.fromkeys(k for k in format_chunk_keys(coords) if k in own and k not in self._cells)
        return [(document_key(f"{self.path}/{key}"), None) for key in keys]

    def prepare(self, requests: Sequence[Request], answers: Sequence[Buffer | None]) -> None:
        """Read the documents and keep what they say; of a damaged one the error, for :meth:`plan` to raise."""
        for (name, _), data in zip(requests, answers, strict=True):
            path = name.rpartition("/")[0]
            self._cells[path.rpartition("/")[2]] = self._miss(path) if data is None else self._parse(bytes(data), path)

    def _miss(self, path: str) -> DamagedError | None:
        """Why a listed cell has no document: it was lost, or only an empty folder is left of the cell."""
        if not self._hierarchy.source.list_names(path):
            return None
        return DamagedError("cell", found="no document", expected="an array", array=document_key(path))

    def _parse(self, data: bytes, path: str) -> _Cell | DamagedError:
        if data not in self._parsed:
            try:
                self._parsed[data] = _Cell.parse(data, path)
            except DamagedError as error:
                return error
        return self._parsed[data]

    def plan(self, coords: NDArray[np.int64]) -> CellPlan:
        """Where the cells of `coords` lie; packed ones, which are read here, are given as they are.

        Raises
        ------
        DamagedError
            Its ``cells`` are those whose document or packed array is damaged.
        """
        requests: list[Request] = []
        places: list[Place] = []
        chains: list[CodecChain] = []
        sizes: list[int] = []
        bad: dict[int, DamagedError] = {}
        for i, key in enumerate(format_chunk_keys(coords)):
            cell = self._cells.get(key)
            if isinstance(cell, DamagedError):
                bad[i] = cell
            elif cell is None:
                try:
                    payload = self._read_packed(key)
                except DamagedError as error:
                    bad[i] = error
                    continue
                places.append(payload)
                chains.append(_NONE)
                sizes.append(0 if payload is None else len(payload))
            else:
                places.append((len(requests), 0, None) if cell.size else None)
                requests += [(f"{self.path}/{key}/{cell.key}", None)] if cell.size else []
                chains.append(cell.chain)
                sizes.append(cell.size)
        if bad:
            first = next(iter(bad.values()))
            raise DamagedError(first.part, found=first.found, expected=first.expected, cells=bad, array=self.path)
        away = coords[:, self._sid - self._ndim :].any(axis=1) if self._ndim else np.zeros(len(coords), bool)
        return CellPlan(requests, places, chains, sizes, frozenset(np.flatnonzero(away).tolist()))

    def _read_packed(self, key: str) -> NDArray[np.uint8] | None:
        _, packed = self._list()
        return packed.read(key) if key in packed else None
