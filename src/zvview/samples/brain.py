"""The surface of a folded brain: two hemispheres with gyri, sulci and temporal lobes."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.batches import Mesh
from zvview.samples.curves import ease, unit_vectors
from zvview.testing.meshes import make_icosphere

__all__ = ["make_brain"]

_VERTICES: Final = 20_500  # of a hemisphere, at most
_RADII: Final = np.array([34.0, 84.0, 56.0])  # millimetres: to the side, forward, up
_GAP: Final = 1.5  # between the hemispheres
_FOLD: Final = 0.12  # folds in each millimetre
_DEEP: Final = 6.5
_WAVES: Final = 48


def make_brain(rng: np.random.Generator) -> Mesh:
    """Left and right hemisphere as objects 0 and 1, 40,000 vertices.

    Attributes, in millimetres: ``convexity``, 0 on gyri and below it in sulci; ``thickness`` of the cortex.
    """
    unit, faces = make_icosphere(_VERTICES)
    shape = _hemisphere(unit)
    normals = _normals(shape, faces)
    positions, depths = [], []
    for side in (-1.0, 1.0):
        field = _field(rng, shape)
        depth = np.exp(-((field / 0.5) ** 2))  # narrow valleys where the field is zero: they branch and never cross
        sunk = shape - normals * (_DEEP * depth * _folded_share(unit))[:, None]
        positions.append((sunk + np.array((_GAP, 0, 0))) * np.array((side, 1, 1)))
        depths.append(depth * _folded_share(unit))
    depth = np.concatenate(depths)
    mirrored = faces[:, ::-1]  # of the left side, so that its faces look outward
    thickness = 2.9 - 0.7 * depth + rng.normal(0, 0.06, len(depth))
    return Mesh(
        np.concatenate(positions).astype(np.float32),
        faces=np.concatenate((mirrored, faces + len(unit))),
        offsets=np.array([0, len(unit), 2 * len(unit)]),
        object_ids=np.array([0, 1]),
        attributes={
            "convexity": (-_DEEP * depth).astype(np.float32),
            "thickness": thickness.astype(np.float32),
        },
    )


def _hemisphere(unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """The right hemisphere without folds: flat towards the middle, hollow beneath, with a temporal lobe at its side."""
    x, y, z = unit.T
    side = np.where(x > 0, x, 0.12 * x)
    taper = 1 - 0.16 * np.abs(y) ** 3 - 0.08 * y
    out: NDArray[np.float64] = np.stack((side * taper, y, z * taper), axis=1) * _RADII
    below = ease((-0.1 - z) / 0.5)
    out[:, 2] += below * 20 * np.exp(-(((y + 0.1) / 0.8) ** 2)) * (1 - ease(x / 0.55))
    lobe = np.exp(-(((y - 0.18) / 0.5) ** 2) - (((z + 0.55) / 0.28) ** 2)) * ease(x / 0.5)
    out += lobe[:, None] * (7.0, 9.0, -9.0)
    valley = np.exp(-(((z + 0.18 - 0.28 * y) / 0.07) ** 2) - (((y - 0.1) / 0.5) ** 2)) * ease(x / 0.4)
    out[:, 0] -= 9.0 * valley  # the fissure above the temporal lobe
    return out


def _folded_share(unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far folds go: none where the hemispheres meet the stem."""
    out: NDArray[np.float64] = 1 - 0.9 * ease((-0.35 - unit[:, 2]) / 0.4) * (1 - ease(unit[:, 0] / 0.35))
    return out


def _field(rng: np.random.Generator, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """A random field (V,) of unit variance with one wavelength in all directions, which winds as cortex does."""
    waves = rng.normal(size=(_WAVES, 3))
    waves *= 2 * np.pi * _FOLD / 2 / np.linalg.norm(waves, axis=1, keepdims=True)
    phases = rng.uniform(0, 2 * np.pi, _WAVES)
    out: NDArray[np.float64] = np.sqrt(2 / _WAVES) * np.cos(positions @ waves.T + phases).sum(axis=1)
    return out


def _normals(positions: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Unit normals of vertices, weighted by the areas of their faces, (V, 3)."""
    a, b, c = (positions[faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    sums: NDArray[np.float64] = np.stack(
        [np.bincount(faces.ravel(), np.repeat(across[:, d], 3), len(positions)) for d in range(3)], axis=1
    )
    return unit_vectors(sums)
