"""Cells of a folded strip of cortex, each of a type that its depth decides, as spatial transcriptomics finds them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import Categories
from zvview.geometry.batches import Points

__all__ = ["make_cells"]

_COUNT: Final = 240_000
_LENGTH: Final = 4200.0  # micrometres along the strip
_THICKNESS: Final = 900.0  # of the cortex; the white matter beneath it takes the rest of the depth
_WHITE: Final = 1.35  # depth, in thicknesses, at which the tissue ends
_SLICE: Final = 240.0

# Type, share of all cells, and the depths between which most lie: 0 is the surface, 1 where white matter begins.
_TYPES: Final = (
    ("L1 neuron", 0.02, 0.00, 0.10),
    ("L2/3 IT", 0.19, 0.10, 0.36),
    ("L4 IT", 0.14, 0.37, 0.49),
    ("L5 IT", 0.08, 0.50, 0.70),
    ("L5 ET", 0.04, 0.54, 0.68),
    ("L6 CT", 0.14, 0.72, 0.95),
    ("L6b", 0.02, 0.94, 1.01),
    ("Pvalb", 0.045, 0.20, 0.95),
    ("Sst", 0.035, 0.15, 0.98),
    ("Vip", 0.025, 0.10, 0.45),
    ("astrocyte", 0.09, 0.00, 1.30),
    ("oligodendrocyte", 0.14, 0.90, 1.35),
    ("endothelial", 0.04, 0.00, 1.30),
)


def make_cells(rng: np.random.Generator) -> Points:
    """240,000 cells with their ``type`` and the number of ``transcripts`` that was counted in each."""
    shares = np.array([share for _, share, _, _ in _TYPES])
    kinds = rng.choice(len(_TYPES), _COUNT, p=shares / shares.sum()).astype(np.uint8)
    top, bottom = np.array([(top, bottom) for _, _, top, bottom in _TYPES]).T
    depth = top[kinds] + (bottom - top)[kinds] * rng.random(_COUNT)
    depth = np.abs(depth + rng.normal(0, 0.012, _COUNT))  # layers shade into each other
    depth = np.where(depth > _WHITE, 2 * _WHITE - depth, depth)
    along = rng.random(_COUNT)
    positions = _fold_strip(along, depth, rng.random(_COUNT) * _SLICE)
    size = np.where(np.isin(kinds, (3, 4)), 1.8, np.where(kinds >= 10, 0.45, 1.0))  # pyramidal cells of layer 5 lead
    transcripts = rng.gamma(4.0, 220.0, _COUNT) * size
    return Points(
        positions.astype(np.float32),
        attributes={"type": kinds, "transcripts": np.rint(transcripts).astype(np.float32)},
        categories={"type": Categories(tuple(name for name, *_ in _TYPES))},
    )


def _fold_strip(
    along: NDArray[np.float64], depth: NDArray[np.float64], across: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Positions (N, 3) in micrometres of what lies at a share of the strip's length and at a depth below its surface.

    The surface is an arch with two gyri; depth goes along its normal, so that sulci widen and gyri narrow the layers.
    """

    def surface(s: NDArray[np.float64]) -> NDArray[np.float64]:
        angle = np.pi * (1.04 - 1.08 * s)
        radius = 0.5 * _LENGTH * (0.86 + 0.10 * np.cos(4 * np.pi * s) + 0.03 * np.sin(10 * np.pi * s))
        sway = 40 * np.sin(across / _SLICE * np.pi)
        return np.stack((radius * np.cos(angle), 0.8 * radius * np.sin(angle) + sway), axis=1)

    at = surface(along)
    step = surface(along + 1e-4) - surface(along - 1e-4)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    inward = np.stack((step[:, 1], -step[:, 0]), axis=1)
    flat = at + inward * (depth * _THICKNESS)[:, None]
    flat += np.array((0.5, 0.3)) * _LENGTH
    return np.column_stack((flat, across))
