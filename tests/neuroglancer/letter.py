"""Reading annotations and skeletons by the letter of the formats, with nothing of what writes them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_TYPES: Final = {
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
_VECTORS: Final = {"POINT": 1, "LINE": 2, "ELLIPSOID": 2}


@dataclass(frozen=True)
class Annotation:
    """One record: its vectors, (n, rank), the values of its properties, and its bytes."""

    geometry: NDArray[np.float32]
    values: Mapping[str, NDArray[Any]]
    record: bytes


def read_record(info: Mapping[str, Any], data: bytes, at: int) -> tuple[Annotation, int]:
    """The record at a place, and where the next begins."""
    rank, start = len(info["dimensions"]), at
    if info["annotation_type"] == "POLYLINE":
        (count,) = struct.unpack_from("<I", data, at)
        at += 4
    else:
        count = _VECTORS[info["annotation_type"]]
    geometry = np.frombuffer(data, "<f4", count * rank, at).reshape(count, rank)
    at += geometry.nbytes
    first, values = at, {}
    for size in (4, 2, 1):
        for told in info["properties"]:
            code, width = _TYPES[told["type"]]
            if np.dtype(code).itemsize == size:
                values[told["id"]] = np.frombuffer(data, code, width, at)
                at += size * width
    at = first + -(-(at - first) // 4) * 4
    return Annotation(geometry, values, data[start:at]), at


def read_list(info: Mapping[str, Any], data: bytes) -> list[tuple[int, Annotation]]:
    """Ids and annotations of a spatial cell, or of an object."""
    (count,) = struct.unpack_from("<Q", data)
    found, at = [], 8
    for _ in range(count):
        one, at = read_record(info, data, at)
        found.append(one)
    ids = np.frombuffer(data, "<u8", count, at).tolist()
    assert at + 8 * count == len(data)
    return list(zip(ids, found, strict=True))


def read_by_id(info: Mapping[str, Any], data: bytes) -> tuple[Annotation, list[list[int]]]:
    """What the index by id holds of one: it, and the segments of each relationship."""
    one, at = read_record(info, data, 0)
    related = []
    for _ in info["relationships"]:
        (count,) = struct.unpack_from("<I", data, at)
        related.append(np.frombuffer(data, "<u8", count, at + 4).tolist())
        at += 4 + 8 * count
    assert at == len(data)
    return one, related


def read_skeleton(
    info: Mapping[str, Any], data: bytes
) -> tuple[NDArray[np.float64], NDArray[np.uint32], dict[str, NDArray[Any]]]:
    """Positions in nanometres, edges, and values of vertices by name."""
    vertices, edges = struct.unpack_from("<II", data)
    stored = np.frombuffer(data, "<f4", 3 * vertices, 8).reshape(-1, 3)
    at = 8 + stored.nbytes
    joined = np.frombuffer(data, "<u4", 2 * edges, at).reshape(-1, 2)
    at += joined.nbytes
    values = {}
    for told in info["vertex_attributes"]:
        code, width = _TYPES[told["data_type"]][0], told["num_components"]
        values[told["id"]] = np.frombuffer(data, code, width * vertices, at).reshape(-1, width)
        at += values[told["id"]].nbytes
    assert at == len(data)
    matrix = np.reshape(info["transform"], (3, 4))
    return stored.astype(np.float64) @ matrix[:, :3].T + matrix[:, 3], joined, values
