"""Growing the grid of a store, so that it holds more of space: cells are renamed, none is decoded.

The grid is sized by the bounds (format reference 4.2). Where it grows below, every array index moves, and with it the
key of every cell. The store is made anew beside itself, in a folder of links to the very same files, and takes its own
place as a whole, like any store that is written (:mod:`zvview.store.places.folder_sink`): a reader sees the old or
the new. At an address, where nothing is renamed, it is a commit like others (:mod:`zvview.store.committing`): of
documents alone where the grid grows above, of copies of all cells where it grows below.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import UnsupportedError
from zvview.format import documents, names
from zvview.format.grid import grid_of_bounds
from zvview.format.metadata import LevelMetadata, RootMetadata
from zvview.geometry.arguments import as_box
from zvview.store.cell_arrays import key_encoding
from zvview.store.committing.opening import open_commit
from zvview.store.editing.commit_names import COMMITS_KEY
from zvview.store.hierarchy import document_key
from zvview.store.index import IndexedLevel, build_index
from zvview.store.index_view import IndexView
from zvview.store.places.memory import MemorySink
from zvview.store.places.open import Place, open_source
from zvview.store.places.redo_log import COMMIT_FOLDER
from zvview.store.places.remote import RemoteSource
from zvview.store.places.source import Sink, Source
from zvview.store.remaking import carry, open_remaking, read_documents, true_index
from zvview.store.writing.partition import check_reach

__all__ = ["Growth", "grow", "grow_by_commit", "plan_growth"]

_DOING: Final = "growing its grid"
_INSTEAD: Final = "grow a copy in a folder with zvview.grow, and copy that to its place"
_MOST_MOVED: Final = 512 << 20  # held in memory, and in the log of the commit


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
        A store in the layout of 0.7.0 or before, behind a zarr store object, or with links inside; one at an address
        that has too much to be copied there, or on a web server.
    ConflictError
        Another process is changing the store, or did so meanwhile; it is as that change left it.
    """
    with contextlib.closing(open_source(place, storage_options=storage_options)) as found:
        if isinstance(found, RemoteSource):
            grow_by_commit(found, bounds)
            return
    with open_remaking(place, _DOING, storage_options=storage_options) as remaking:
        source, keys = remaking.source, remaking.keys
        nodes, stored = read_documents(source, keys)
        growth = plan_growth(nodes, bounds)
        if not growth.nodes:
            return
        index = true_index(source, stored)
        with remaking.replace() as sink:
            _carry_cells(source, sink, keys, growth)
            _write_documents(sink, nodes, stored, growth, index)


def grow_by_commit(place: Source, bounds: tuple[ArrayLike, ArrayLike]) -> None:
    """Widen the bounds of a store that is not replaced as a whole: at an address, or a member of a collection.

    Parameters
    ----------
    place : Source
    bounds : (lo, hi)
        As :func:`grow` takes them.

    Raises
    ------
    ZvviewError
        As of :func:`grow`.
    """
    with open_commit(place, _DOING) as commit:
        source = commit.source
        if not source.can_list:
            raise UnsupportedError(f"{source.place} cannot list what it holds, so that it cannot grow; {_INSTEAD}")
        keys = [key for key in source.list_keys("") if not key.startswith(f"{COMMIT_FOLDER}/")]
        nodes, stored = read_documents(source, keys)
        growth = plan_growth(nodes, bounds)
        if not growth.nodes:
            return
        moved = [(key, new) for key in keys if (new := growth.new_key(key)) != key]
        _refuse_too_much(source, [key for key, _ in moved])
        made: dict[str, bytes] = {}
        sink = MemorySink(made)
        _write_documents(sink, nodes, stored, growth, true_index(source, stored))
        carry(source, sink, moved)
        sink.commit()
        index = [key for key in keys if key.startswith(f"{names.INDEX}/") and key != COMMITS_KEY]
        before = {document_key(path): data for path, data in stored.items()}
        changes: dict[str, bytes | None] = dict.fromkeys((*(old for old, _ in moved), *index))
        changes |= {key: data for key, data in made.items() if before.get(key) != data}
        commit.apply(changes)


def _refuse_too_much(source: Source, keys: Sequence[str]) -> None:
    """Raise if the cells that get other keys, which an address can only take as copies, are too much for one commit."""
    size = sum(size or 0 for size in source.stat_many(keys))
    if size > _MOST_MOVED:
        raise UnsupportedError(
            f"{source.place}: where a grid grows below, all cells get other keys, and {size >> 20:,} MB are too "
            f"much to be copied in one commit; {_INSTEAD}"
        )


def plan_growth(nodes: Mapping[str, Mapping[str, Any]], bounds: tuple[ArrayLike, ArrayLike]) -> Growth:
    """What has to change for the store with these documents to hold `bounds`; nothing where it does already.

    Parameters
    ----------
    nodes : mapping of str to dict
        Every document of the store by path, the root's under ``""``.
    bounds : (lo, hi)
        Each (D,), in world coordinates.
    """
    root = RootMetadata.parse(nodes[""]["attributes"])
    if root.is_old_layout:
        raise UnsupportedError("a store in the layout of 0.7.0 has no grid: 'zvview upgrade' makes it anew in 0.9")
    shift = np.zeros(root.ndim) if root.offset is None else root.offset
    lo, hi = as_box(bounds, "bounds", root.ndim, is_finite=True)
    check_reach(lo - shift, hi - shift, root.chunk_shape.tolist())
    least, most = np.minimum(root.lo, lo - shift), np.maximum(root.hi, hi - shift)
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


def _carry_cells(source: Source, sink: Sink, keys: Sequence[str], growth: Growth) -> None:
    """All cells under their new keys; zvview's own index is made anew."""
    index = f"{names.INDEX}/"
    cells = [key for key in keys if key.rpartition("/")[2] != names.ZARR_JSON and not key.startswith(index)]
    carry(source, sink, [(key, growth.new_key(key)) for key in cells])
    carry(source, sink, [(key, key) for key in keys if key == COMMITS_KEY])


def _write_documents(
    sink: Sink,
    nodes: Mapping[str, dict[str, Any]],
    stored: Mapping[str, bytes],
    growth: Growth,
    index: IndexView | None,
) -> None:
    """Every document, those that do not change as they were, and the index of them all; the root's last."""
    encoded = {**stored, **{path: documents.encode_document(document) for path, document in growth.nodes.items()}}
    root = encoded.pop("")
    sink.put_many((document_key(path), (data,)) for path, data in encoded.items())
    if index is not None:
        everything = {path: growth.nodes.get(path, nodes[path]) for path in encoded}
        levels = [
            IndexedLevel(k, index.chunks[k], index.counts[k], index.statistics.get(k, {})) for k in sorted(index.chunks)
        ]
        added, cells = build_index(everything, encoded, levels)
        sink.put_many((document_key(path), (documents.encode_document(d),)) for path, d in added.items())
        sink.put_many(cells)
    sink.put_many([(document_key(""), (root,))])
