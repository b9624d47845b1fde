"""The ``zarr.json`` documents of every node of a store, built from plain values (format reference 1 to 4, 7, 8).

Nothing is written here: each function gives a dictionary, and :func:`encode_document` its bytes, which are the same for
the same dictionary, so that fingerprints and pinned stores hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError
from zvview.format import names
from zvview.format.attributes import absent_value
from zvview.format.metadata import Axis

__all__ = [
    "CHECKED_ZSTD",
    "PLAIN_CHUNK_ROWS",
    "ZSTD",
    "encode_document",
    "grid_array",
    "group",
    "level_attributes",
    "list_datasets",
    "object_array",
    "plain_array",
    "root_attributes",
    "row_array",
]

PLAIN_CHUNK_ROWS = 65536
"""Rows in a zarr chunk of a plain array (7.4)."""

ZSTD: tuple[dict[str, Any], ...] = ({"name": "zstd", "configuration": {"level": 0, "checksum": False}},)
"""Compressor of plain arrays and of the rows of manifests and groups: zarr's default."""

CHECKED_ZSTD: tuple[dict[str, Any], ...] = ({"name": "zstd", "configuration": {"level": 0, "checksum": True}},)
"""Of what nothing else would tell that it is damaged, since it is believed: zvview's own index."""

_VLEN: dict[str, Any] = {"name": "vlen-bytes", "configuration": {}}
_BYTES: dict[str, Any] = {"name": "bytes", "configuration": {"endian": "little"}}


def encode_document(document: Mapping[str, Any]) -> bytes:
    """UTF-8 bytes of a document; NaN and infinity must stand as the words that zarr uses, not as bare tokens.

    Raises
    ------
    InvalidInputError
        The document holds what JSON cannot.
    """
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"metadata cannot be stored as JSON: {error}") from error


def group(attributes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A group with these attributes."""
    return {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes or {})}


def grid_array(
    attributes: Mapping[str, Any],
    *,
    origin: Sequence[int],
    shape: Sequence[int],
    keys: Sequence[str],
    codecs: Sequence[Mapping[str, Any]] = (),
    shard_shape: Sequence[int] | None = None,
) -> dict[str, Any]:
    """One array of cells, a cell for each chunk (4.1, 4.5).

    Parameters
    ----------
    attributes : mapping
        The array's own, with its ``zv_array``.
    origin, shape : sid integers
        Grid of the level: chunk of array index 0, and chunks along each axis.
    keys : sequence of str
        Chunks that are there, as dot-joined absolute coordinates, sorted as strings.
    codecs : sequence of dict
        Compressors of the cells.
    shard_shape : sid integers, optional
        Cells of a shard; default one object for each cell.
    """
    cell = [1] * len(shape)
    inner: list[dict[str, Any]] = [_VLEN, *map(dict, codecs)]
    outer = inner
    if shard_shape is not None:
        sharding = {
            "chunk_shape": cell,
            "codecs": inner,
            "index_codecs": [_BYTES, {"name": "crc32c"}],
            "index_location": "end",
        }
        outer = [{"name": "sharding_indexed", "configuration": sharding}]
    own = {**attributes, names.NONEMPTY_CHUNKS: list(keys), names.CHUNK_GRID_ORIGIN: [int(o) for o in origin]}
    return _array(shape, "variable_length_bytes", cell if shard_shape is None else shard_shape, "", outer, own)


def plain_array(
    values: NDArray[Any],
    attributes: Mapping[str, Any] | None = None,
    *,
    fill_value: object = None,
    chunk_shape: Sequence[int] | None = None,
    codecs: Sequence[Mapping[str, Any]] = ZSTD,
) -> dict[str, Any]:
    """A typed array of the shape and dtype of `values`, whose bytes are stored little-endian in C order.

    Parameters
    ----------
    values : array
        Numbers, booleans or fixed-width text.
    fill_value : optional
        Default zero, false or no text.
    chunk_shape : sequence of int, optional
        Default :data:`PLAIN_CHUNK_ROWS` rows of full width.
    """
    dtype = values.dtype
    data_type: object = dtype.name
    if dtype.kind == "U":
        data_type = {"name": "fixed_length_utf32", "configuration": {"length_bytes": dtype.itemsize}}
    elif dtype.kind not in "biuf":
        raise InvalidInputError(f"an array of dtype {dtype} cannot be stored; give numbers, booleans or text")
    fill = ("" if dtype.kind == "U" else dtype.type(0)) if fill_value is None else fill_value
    chunks = [PLAIN_CHUNK_ROWS, *values.shape[1:]] if chunk_shape is None else chunk_shape
    return _array(values.shape, data_type, chunks, _fill(fill), [_BYTES, *map(dict, codecs)], attributes or {})


def object_array(name: str, values: NDArray[Any], attributes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An attribute of objects, one row for each object row; the fill value marks absent rows (7.4)."""
    own = {
        names.ZV_ARRAY: "object_attribute",
        "name": name,
        "dtype": "str" if values.dtype.kind == "U" else values.dtype.name,
        "shape": list(values.shape),
        "fill_sentinel_meaning": names.ABSENT,
        **(attributes or {}),
    }
    return plain_array(values, own, fill_value=absent_value(values.dtype))


def row_array(
    rows: int,
    chunk_rows: int,
    attributes: Mapping[str, Any] | None = None,
    *,
    codecs: Sequence[Mapping[str, Any]] = ZSTD,
) -> dict[str, Any]:
    """A 1-D array of `rows` byte strings, `chunk_rows` in a cell: manifests, groups, names."""
    return _array([rows], "variable_length_bytes", [chunk_rows], "", [_VLEN, *map(dict, codecs)], attributes or {})


def list_datasets(scales: Mapping[str, Sequence[float]], base_bin: Sequence[float]) -> list[dict[str, Any]]:
    """The entries of ``multiscales[0].datasets`` (2.2).

    Parameters
    ----------
    scales : mapping of str to D floats
        Bin of each level over the bin of level 0, by the level's path.
    base_bin : D floats
        Bin of level 0.
    """
    entries = []
    for path, scale in scales.items():
        half = [float(s) * float(b) / 2 for s, b in zip(scale, base_bin, strict=True)]
        transforms = [
            {"type": "scale", "scale": [float(s) for s in scale]},
            {"type": "translation", "translation": half},
        ]
        entries.append({"path": path, "coordinateTransformations": transforms})
    return entries


def root_attributes(
    *,
    kind: str,
    axes: Sequence[Axis],
    chunk_shape: Sequence[float],
    bin_shape: Sequence[float],
    bounds: ArrayLike,
    scales: Mapping[str, Sequence[float]],
    name: str,
    crs: object = None,
    capabilities: Sequence[str] = ("fragment_index",),
    attribute_specs: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
) -> dict[str, Any]:
    """Attributes of the root group: ``zarr_vectors``, ``multiscales`` and ``ome`` (2).

    Parameters
    ----------
    kind : str
        The one geometry type of the store.
    chunk_shape, bin_shape : D floats
        Of level 0.
    bounds : (2, D)
        Inclusive corners that hold the vertices of all levels.
    scales : mapping
        Of every level, see :func:`list_datasets`.
    name : str
        How an OME collection shows the store.
    """
    lo, hi = np.asarray(bounds, np.float64).tolist()
    own: dict[str, Any] = {
        "zv_version": names.WRITTEN_VERSION,
        "format_capabilities": list(capabilities),
        "chunk_shape": [float(c) for c in chunk_shape],
        "bounds": [lo, hi],
        "geometry_types": [kind],
        "base_bin_shape": [float(b) for b in bin_shape],
        "links_convention": names.CONVENTION_OF_KIND[kind],
        "object_index_convention": "standard",
        "cross_chunk_strategy": "explicit_links",
        "cross_level_depth": 1,
        "cross_level_storage": "none",
    }
    if crs is not None:
        own["crs"] = crs
    if attribute_specs:
        own["attribute_specs"] = {scope: {n: dict(s) for n, s in e.items()} for scope, e in attribute_specs.items()}
    axis_documents = [axis.document() for axis in axes]
    multiscale = {
        "version": "0.4",
        "name": "default",
        "axes": axis_documents,
        "datasets": list_datasets(scales, bin_shape),
        "metadata": {"format": "zarr_vectors"},
    }
    scene = {"coordinateSystems": [{"name": "world", "axes": axis_documents}], "coordinateTransformations": []}
    ome = {
        "version": names.OME_VERSION,
        "type": names.OME_COLLECTION,
        "name": name,
        "attributes": {"scene": scene},
        "nodes": [{"type": names.OME_LEVEL_NODE, "name": path} for path in scales],
    }
    return {names.ROOT: own, names.MULTISCALES: [multiscale], names.OME: ome}


def level_attributes(
    level: int,
    *,
    vertex_count: int,
    arrays_present: Sequence[str],
    parent_level: int | None = None,
    coarsening_method: str = "none",
    object_sparsity: float = 1.0,
    chunk_shape: Sequence[float] | None = None,
    inherited_num_objects: int | None = None,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Attributes of a level group whose fragments tile their chunks (3).

    Parameters
    ----------
    chunk_shape : D floats, optional
        Only where it differs from the root's.
    inherited_num_objects : int, optional
        Object rows of the parent level, where this level keeps its ids.
    more : mapping, optional
        Further keys of ``zarr_vectors_level``.
    """
    own: dict[str, Any] = {
        "level": level,
        "vertex_count": vertex_count,
        "arrays_present": list(arrays_present),
        "object_sparsity": float(object_sparsity),
        "coarsening_method": coarsening_method,
        "parent_level": parent_level,
        "fragments_tile": True,
    }
    if chunk_shape is not None:
        own["chunk_shape"] = [float(c) for c in chunk_shape]
    if inherited_num_objects is not None:
        own |= {"preserves_object_ids": True, "inherited_num_objects": inherited_num_objects}
    return {names.LEVEL: own | dict(more or {})}


def _array(
    shape: Sequence[int],
    data_type: object,
    chunk_shape: Sequence[int],
    fill_value: object,
    codecs: Sequence[Mapping[str, Any]],
    attributes: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [int(n) for n in shape],
        "data_type": data_type,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [int(n) for n in chunk_shape]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill_value,
        "codecs": list(codecs),
        "storage_transformers": [],
        "attributes": dict(attributes),
    }


def _fill(value: Any) -> object:
    """A fill value as zarr writes it in JSON."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and not math.isfinite(plain):
        return "NaN" if math.isnan(plain) else ("Infinity" if plain > 0 else "-Infinity")
    return plain
