"""Growing the grid of a store, so that it holds more of space: cells are renamed, none is decoded.

The grid is sized by the bounds (format reference 4.2). Where it grows below, every array index moves, and with it the
key of every cell. The store is made anew beside itself, in a folder of links to the very same files, and takes its own
place as a whole, like any store that is written (:mod:`zvview.store.places.folder_sink`): a reader sees the old or
the new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError, NotZarrVectorsError, UnsupportedError
from zvview.format import documents, names
from zvview.format.grid import grid_of_bounds
from zvview.format.metadata import LevelMetadata, RootMetadata
from zvview.store.cell_arrays import key_encoding
from zvview.store.hierarchy import document_key, fingerprint, parse_document
from zvview.store.index import IndexedLevel, build_index
from zvview.store.index_view import IndexView, read_index
from zvview.store.places.folder import FolderSource
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.open import Place, open_sink, open_source
from zvview.store.places.source import Sink, Source
from zvview.store.writing.partition import check_reach

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Growth", "grow", "plan_growth"]

_WAVE_KEYS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """What changes when a grid grows.

    Attributes
    ----------
    nodes : mapping of str to dict
        The documents that change, by path; the root's among them.
    shifts : mapping of str to (sid,) int64 array
        By path of an array, what is added to the indices in the keys of its cells (or shards).
    """

    nodes: Mapping[str, dict[str, Any]]
    shifts: Mapping[str, NDArray[np.int64]]

    def new_key(self, key: str) -> str:
        """The key under which the object at `key` stands afterwards."""
        path, cell, index = key.rpartition("/c/")  # an attribute may be named c as well
        shift = self.shifts.get(path) if cell else None
        if shift is None or not shift.any():
            return key
        return f"{path}/c/" + "/".join(str(int(i) + s) for i, s in zip(index.split("/"), shift.tolist(), strict=True))


def grow(
    place: Place, bounds: tuple[ArrayLike, ArrayLike], *, storage_options: Mapping[str, Any] | None = None
) -> None:
    """Widen the bounds of the store at `place`, and the grid of every level with them.

    Parameters
    ----------
    place : str, path, mapping or zarr store
    bounds : (lo, hi)
        Inclusive corners that the store must hold, in world coordinates; what it holds already it goes on holding.
    storage_options : mapping, optional

    Raises
    ------
    InvalidInputError
        Not two corners of finite numbers.
    UnsupportedError
        A store in the layout of 0.7.0 or before, or a place whose objects cannot be listed.
    """
    source = open_source(place, storage_options=storage_options)
    try:
        keys = source.list_keys("")
        nodes = _read_nodes(source, keys)
        if "" not in nodes:
            raise NotZarrVectorsError(f"{source.place} holds no zarr.json: there is no store to grow")
        growth = plan_growth(nodes, *_corners(bounds))
        if not growth.nodes:
            return
        index = _true_index(source, nodes)
        sink = open_sink(place, overwrite=True, storage_options=storage_options)
        try:
            _write(source, sink, keys, nodes, growth, index)
            sink.commit()
        except BaseException:
            sink.abort()
            raise
    finally:
        source.close()


def _corners(bounds: object) -> tuple[ArrayLike, ArrayLike]:
    if not isinstance(bounds, Sequence | np.ndarray) or isinstance(bounds, str) or len(bounds) != 2:
        raise InvalidInputError(f"bounds {bounds!r}: expected a least and a greatest corner")
    return bounds[0], bounds[1]


def plan_growth(nodes: Mapping[str, Mapping[str, Any]], lo: ArrayLike, hi: ArrayLike) -> Growth:
    """What has to change for the store with these documents to hold `lo`..`hi`; nothing where it does already.

    Parameters
    ----------
    nodes : mapping of str to dict
        Every document of the store by path, the root's under ``""``.
    lo, hi : (D,)
        In world coordinates.
    """
    root = RootMetadata.parse(nodes[""]["attributes"])
    if root.is_old_layout:
        raise UnsupportedError("a store in the layout of 0.7.0 has no grid; rewrite it in format 0.9 first")
    shift = np.zeros(root.ndim) if root.offset is None else root.offset
    try:
        corners = [np.asarray(corner, np.float64) for corner in (lo, hi)]
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"bounds {lo!r}, {hi!r}: expected two corners of numbers") from error
    if any(c.shape != (root.ndim,) or not np.isfinite(c).all() for c in corners) or (corners[0] > corners[1]).any():
        raise InvalidInputError(
            f"bounds {lo!r}, {hi!r}: expected a least and a greatest corner of {root.ndim} finite numbers"
        )
    check_reach(corners[0] - shift, corners[1] - shift, root.chunk_shape.tolist())
    least, most = np.minimum(root.lo, corners[0] - shift), np.maximum(root.hi, corners[1] - shift)
    if (least == root.lo).all() and (most == root.hi).all():
        return Growth({}, {})
    changed: dict[str, dict[str, Any]] = {"": _with_bounds(nodes[""], least, most)}
    shifts = {}
    for level in sorted(int(p) for p in nodes if p.isdigit()):
        metadata = LevelMetadata.parse(nodes[str(level)]["attributes"], level, root)
        grids = {p: d for p, d in nodes.items() if p.startswith(f"{level}/") and _is_grid(d, metadata.sid_ndim)}
        step = np.ones(metadata.sid_ndim, np.int64)
        for path, document in grids.items():
            step = np.lcm(step, _outer_shape(path, document))  # shards move as wholes
        origin, shape = grid_of_bounds(least, most, metadata.chunk_shape)
        for path, document in grids.items():
            changed[path], shifts[path] = _regrid(document, path, origin, origin + shape, step)
    return Growth(changed, shifts)


def _with_bounds(document: Mapping[str, Any], lo: NDArray[np.float64], hi: NDArray[np.float64]) -> dict[str, Any]:
    attributes = dict(document["attributes"])
    attributes[names.ROOT] = {**attributes[names.ROOT], "bounds": [lo.tolist(), hi.tolist()]}
    kept = {k: v for k, v in document.items() if k != "consolidated_metadata"}  # copies that would be stale
    return {**kept, "attributes": attributes}


def _is_grid(document: Mapping[str, Any], sid_ndim: int) -> bool:
    """Whether an array has one cell for each chunk of its level."""
    is_bytes = document.get("node_type") == "array" and document.get("data_type") == "variable_length_bytes"
    return is_bytes and len(document["shape"]) == sid_ndim and names.NONEMPTY_CHUNKS in document["attributes"]


def _outer_shape(path: str, document: Mapping[str, Any]) -> NDArray[np.int64]:
    """Cells of one stored object along each axis."""
    if key_encoding(document) != ("/", "c/"):
        raise UnsupportedError(f"{path} has keys of another form than c/0/0/0; rewrite the store to grow it")
    return np.array(document["chunk_grid"]["configuration"]["chunk_shape"], np.int64)


def _regrid(
    document: Mapping[str, Any],
    path: str,
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    step: NDArray[np.int64],
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """A grid array's document for a grid that holds `first`..`stop` as well, and the shift of its keys."""
    attributes = document["attributes"]
    shape = np.array(document["shape"], np.int64)
    origin = np.array(attributes.get(names.CHUNK_GRID_ORIGIN) or [0] * len(shape), np.int64)
    spatial = slice(len(shape) - len(first), None)
    below, above = np.zeros_like(shape), np.zeros_like(shape)
    below[spatial] = np.maximum(0, origin[spatial] - first)
    above[spatial] = np.maximum(0, stop - (origin + shape)[spatial])
    below = -(-below // step) * step
    grown = {
        **document,
        "shape": (shape + below + above).tolist(),
        "attributes": {**attributes, names.CHUNK_GRID_ORIGIN: (origin - below).tolist()},
    }
    return grown, below // _outer_shape(path, document)


def _read_nodes(source: Source, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Every document of the store by path; those of zvview's own index are left out."""
    paths = [k.removesuffix(names.ZARR_JSON).rstrip("/") for k in keys if k.rpartition("/")[2] == names.ZARR_JSON]
    paths = [p for p in paths if p.split("/", 1)[0] != names.INDEX]
    answers = source.get_many([(document_key(p), None) for p in paths])
    return {p: parse_document(data, p) for p, data in zip(paths, answers, strict=True) if data is not None}


def _true_index(source: Source, nodes: Mapping[str, Mapping[str, Any]]) -> IndexView | None:
    """The index, if it is still that of the store."""
    index = read_index(source)
    if index is None:
        return None
    paths = [p for p in nodes if p]
    answers = source.get_many([(document_key(p), None) for p in paths])
    found = {p: fingerprint(data) for p, data in zip(paths, answers, strict=True) if data is not None}
    return index if found == dict(index.fingerprints) else None


def _write(
    source: Source,
    sink: Sink,
    keys: Sequence[str],
    nodes: Mapping[str, Mapping[str, Any]],
    growth: Growth,
    index: IndexView | None,
) -> None:
    """The whole store under its new keys, the root's document last."""
    own = f"{names.INDEX}/"
    rewritten = {document_key(path) for path in growth.nodes}
    _carry(source, sink, [(k, growth.new_key(k)) for k in keys if not k.startswith(own) and k not in rewritten])
    everything = {path: growth.nodes.get(path, dict(document)) for path, document in nodes.items()}
    root = everything.pop("")
    encoded = {path: documents.encode_document(everything[path]) for path in growth.nodes if path}
    sink.put_many((document_key(path), (data,)) for path, data in encoded.items())
    if index is not None:
        unchanged = [p for p in everything if p not in encoded]
        answers = source.get_many([(document_key(p), None) for p in unchanged])
        encoded |= {p: bytes(data) for p, data in zip(unchanged, answers, strict=True) if data is not None}
        levels = [
            IndexedLevel(k, index.chunks[k], index.counts[k], index.statistics.get(k, {})) for k in sorted(index.chunks)
        ]
        added, cells = build_index(everything, encoded, levels)
        sink.put_many((document_key(path), (documents.encode_document(d),)) for path, d in added.items())
        sink.put_many(cells)
    sink.put_many([(document_key(""), (documents.encode_document(root),))])


def _carry(source: Source, sink: Sink, moves: Sequence[tuple[str, str]]) -> None:
    """The same objects under other keys: links to the files of a folder, copies elsewhere."""
    if isinstance(source, FolderSource) and isinstance(sink, FolderSink):
        sink.link_many((new, source.path_of(old)) for old, new in moves)
        return
    for start in range(0, len(moves), _WAVE_KEYS):
        wave = moves[start : start + _WAVE_KEYS]
        answers = source.get_many([(old, None) for old, _ in wave])
        sink.put_many(_pairs(wave, answers))


def _pairs(
    wave: Sequence[tuple[str, str]], answers: Sequence[Buffer | None]
) -> Iterable[tuple[str, tuple[Buffer, ...]]]:
    return [(new, (data,)) for (_, new), data in zip(wave, answers, strict=True) if data is not None]
