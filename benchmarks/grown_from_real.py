"""Large stores grown from small real data: synapses and a neuropil that navis ships, the fornix that dipy ships."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from real_files import package_file

import zvview
from zvview.convert.converting import convert
from zvview.geometry.batches import Batch

__all__ = ["fornix", "neuropil", "synapse_bounds", "synapses"]

_PART = 2_000_000
_WIDTH = 60.0  # voxels of 8 nm: how far grown synapses lie from their seed


def _seeds() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8], tuple[str, ...]]:
    """Positions, confidences and type codes of the real synapses, and the labels of the types."""
    rows = []
    for path in sorted(package_file("navis", "data", "synapses").glob("*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            rows += [(r["type"], r["x"], r["y"], r["z"], r["confidence"]) for r in csv.DictReader(file)]
    labels = sorted({row[0] for row in rows})
    codes = np.array([labels.index(row[0]) for row in rows], np.uint8)
    values = np.array([row[1:] for row in rows], np.float32)
    return values[:, :3], values[:, 3], codes, tuple(labels)


def synapse_bounds() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A box around all that :func:`synapses` gives."""
    positions = _seeds()[0]
    lo, hi = positions.min(axis=0) - 8 * _WIDTH, positions.max(axis=0) + 8 * _WIDTH
    return tuple(lo.tolist()), tuple(hi.tolist())


def synapses(total: int) -> Iterator[zvview.Points]:
    """`total` points around real synapses, with their confidence and type, two million at a time."""
    rng = np.random.default_rng(7)
    positions, confidence, codes, labels = _seeds()
    lo, hi = (np.array(side, np.float32) for side in synapse_bounds())
    while total:
        n = min(total, _PART)
        total -= n
        seed = rng.integers(0, len(positions), n)
        grown = positions[seed] + rng.standard_normal((n, 3), np.float32) * np.float32(_WIDTH)
        trusted = np.clip(confidence[seed] + rng.normal(0, 0.02, n).astype(np.float32), 0, 1)
        attributes = {"confidence": trusted, "type": codes[seed]}
        categories = {"type": zvview.Categories(labels)}
        yield zvview.Points(np.clip(grown, lo, hi), attributes=attributes, categories=categories)


def fornix(count: int) -> zvview.Streamlines:
    """`count` streamlines, about 49 vertices each: between two of the fornix, with a shift of their own."""
    rng = np.random.default_rng(7)
    real = _read(package_file("dipy", "data", "files", "tracks300.trk"))
    assert isinstance(real, zvview.Streamlines)
    sizes = np.diff(real.offsets)
    pick = rng.integers(0, len(sizes), count)
    offsets = np.concatenate(([0], np.cumsum(sizes[pick])))
    rows = np.arange(offsets[-1]) + np.repeat(real.offsets[pick] - offsets[:-1], sizes[pick])
    shifts = rng.normal(0, 8, (count, 3)).astype(np.float32)
    positions = real.positions[rows].astype(np.float32) + np.repeat(shifts, sizes[pick], axis=0)
    return zvview.Streamlines(positions, offsets=offsets, object_ids=np.arange(count))


def neuropil(divisions: int) -> zvview.Mesh:
    """The surface of 18,000 faces, each face divided into four `divisions` times."""
    real = _read(package_file("navis", "data", "volumes", "neuropil.obj"))
    assert isinstance(real, zvview.Mesh)
    positions, faces = real.positions.astype(np.float32), real.faces
    for _ in range(divisions):
        positions, faces = _divided(positions, faces)
    return zvview.Mesh(positions, faces=faces, object_ids=np.zeros(1, np.int64))


def _divided(positions: NDArray[np.float32], faces: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Four faces for each, cut at the middles of the edges."""
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    known, at = np.unique(edges[:, 0] * len(positions) + edges[:, 1], return_inverse=True)
    middles = (positions[known // len(positions)] + positions[known % len(positions)]) / 2
    ab, bc, ca = (at.reshape(-1, 3) + len(positions)).T
    a, b, c = faces.T
    quarters = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.concatenate((positions, middles)), np.concatenate([np.stack(q, axis=1) for q in quarters])


def _read(path: Path) -> Batch:
    """The whole content of a foreign file."""
    place: dict[str, bytes] = {}
    convert(str(path), place)
    with zvview.open(place) as store:
        return store.level(0).read()
