"""Pictures of batches by a small rasteriser, and how alike two pictures are: no viewer, no window, the same everywhere.

Everything is drawn as samples: points as they are, segments and faces as samples half a pixel apart. A sample fills a
square of pixels. Surfaces hide what is behind them. Points and lines hide what was drawn before them, in an order drawn
by lot, as viewers show them with depth off: the colour of a pixel is then that of any of its samples, all alike likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import zvview

__all__ = ["Camera", "Picture", "coverage_iou", "dilate", "draw", "histogram_l1", "peak_ratio", "sample_batch"]

_DOT = 2  # pixels, the edge of a sample's square


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """An orthographic camera.

    Attributes
    ----------
    axes : (3, D) float64
        World directions of the picture's x, y and depth.
    origin : (3,) float64
        Picture coordinates, in world units, of the corner of pixel (0, 0).
    pixels_per_unit : float
    shape : (int, int)
        Rows and columns.
    """

    axes: NDArray[np.float64]
    origin: NDArray[np.float64]
    pixels_per_unit: float
    shape: tuple[int, int]

    @classmethod
    def around(cls, lo: NDArray[np.float64], hi: NDArray[np.float64], pixels_per_unit: float) -> Camera:
        """A camera that sees a box from an oblique direction."""
        a, b = 0.6, 0.4
        turn = np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])
        tilt = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
        axes = tilt @ turn
        corners = np.array(np.meshgrid(*zip(lo, hi, strict=True), indexing="ij")).reshape(3, -1).T @ axes.T
        low, high = corners.min(axis=0), corners.max(axis=0)
        margin = 8 / pixels_per_unit
        size = np.ceil((high - low + 2 * margin) * pixels_per_unit).astype(int)
        return cls(axes, low - margin, pixels_per_unit, (int(size[1]), int(size[0])))


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What a camera sees.

    Attributes
    ----------
    mask : (rows, columns) bool
        Pixels that something fills.
    values : (rows, columns) float64
        Value of what is in front; NaN where nothing is.
    density : (rows, columns) float64
        Samples in each pixel.
    """

    mask: NDArray[np.bool_]
    values: NDArray[np.float64]
    density: NDArray[np.float64]


def sample_batch(
    batch: zvview.Batch, values: NDArray[np.floating], step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions and values of samples of a batch, at most `step` apart along segments and faces."""
    positions, values = batch.positions.astype(np.float64), np.asarray(values, np.float64)
    if isinstance(batch, zvview.Mesh):
        return _sample_faces(positions, values, batch.faces, step)
    if isinstance(batch, zvview.Graph):
        return _sample_segments(positions, values, batch.edges, step)
    if isinstance(batch, zvview.Polylines):
        first = np.ones(len(positions), bool)
        first[batch.offsets[:-1][np.diff(batch.offsets) > 0]] = False
        ends = np.flatnonzero(first)
        return _sample_segments(positions, values, np.stack((ends - 1, ends), axis=1), step)
    return positions, values


def draw(
    camera: Camera,
    positions: NDArray[np.float64],
    values: NDArray[np.float64],
    *,
    is_surface: bool = False,
    lot: int = 0,
) -> Picture:
    """The picture of samples; `lot` draws the order of points and lines."""
    at = (positions @ camera.axes.T - camera.origin) * camera.pixels_per_unit
    column, row = np.floor(at[:, :2]).astype(np.int64).T
    rows, columns = camera.shape
    density = np.bincount(row * columns + column, minlength=rows * columns).reshape(rows, columns).astype(float)
    rank = at[:, 2] if is_surface else np.random.default_rng(lot).random(len(at))
    order = np.argsort(-rank, kind="stable")  # far ones first: the last that is written is in front
    seen = np.full((rows, columns), np.nan)
    depth = np.full((rows, columns), np.inf)
    for dy in range(_DOT):
        for dx in range(_DOT):
            r, c = np.minimum(row[order] + dy, rows - 1), np.minimum(column[order] + dx, columns - 1)
            layer, near = np.full((rows, columns), np.nan), np.full((rows, columns), np.inf)
            layer[r, c], near[r, c] = values[order], rank[order]
            front = near < depth
            seen[front], depth[front] = layer[front], near[front]
    return Picture(~np.isnan(seen), seen, density)


def dilate(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """The mask grown by a disc."""
    padded = np.pad(mask, radius)
    out = np.zeros_like(mask)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dy * dy + dx * dx <= radius * radius:
                out |= padded[radius + dy :, radius + dx :][: mask.shape[0], : mask.shape[1]]
    return out


def coverage_iou(a: Picture, b: Picture, radius: int = 4) -> float:
    """Intersection over union of what is covered, both grown by `radius` pixels."""
    one, two = dilate(a.mask, radius), dilate(b.mask, radius)
    return float((one & two).sum() / max(1, (one | two).sum()))


def histogram_l1(a: Sequence[Picture], b: Sequence[Picture], bins: int = 16) -> float:
    """Sum of differences between the shares of colours in pictures of two levels, 0 to 2."""
    one, two = (np.concatenate([p.values[p.mask] for p in pictures]) for pictures in (a, b))
    edges = np.linspace(min(one.min(), two.min()), max(one.max(), two.max()) + 1e-9, bins + 1)
    shares = [np.histogram(v, edges)[0] / max(1, len(v)) for v in (one, two)]
    return float(np.abs(shares[0] - shares[1]).sum())


def peak_ratio(picture: Picture, period: float) -> float:
    """The strongest spectral peak of the density near a period in pixels, over the mean of the ring around it."""
    image = picture.density - picture.density.mean()
    image *= np.hanning(image.shape[0])[:, None] * np.hanning(image.shape[1])[None]
    power = np.abs(np.fft.fft2(image)) ** 2
    fy, fx = np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1])[None]
    radius = np.hypot(fy, fx)
    smooth = _smooth(power)
    near = np.abs(radius - 1 / period) < 0.1 / period
    around = (np.abs(radius - 1 / period) < 0.3 / period) & ~near
    return float(smooth[near].max() / smooth[around].mean())


def _smooth(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of 5 x 5 neighbours: single entries of a periodogram scatter as much as they are large."""
    out = np.zeros_like(power)
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            out += np.roll(power, (dy, dx), axis=(0, 1))
    return out / 25


def _sample_segments(
    positions: NDArray[np.float64], values: NDArray[np.float64], ends: NDArray[np.int64], step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = ends.T
    counts = np.maximum(1, np.ceil(np.linalg.norm(positions[b] - positions[a], axis=1) / step)).astype(np.int64)
    owner = np.repeat(np.arange(len(ends)), counts)
    inside = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    t = (inside + 0.5) / counts[owner]
    where = positions[a[owner]] * (1 - t)[:, None] + positions[b[owner]] * t[:, None]
    return where, values[a[owner]] * (1 - t) + values[b[owner]] * t


def _sample_faces(
    positions: NDArray[np.float64], values: NDArray[np.float64], faces: NDArray[np.int64], step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    corners = positions[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    counts = np.maximum(1, np.ceil(4 * area / step**2)).astype(np.int64)
    owner = np.repeat(np.arange(len(faces)), counts)
    u, v = rng.random((2, len(owner)))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    weights = np.stack((1 - u - v, u, v), axis=1)
    return np.einsum("nk,nkd->nd", weights, corners[owner]), (weights * values[faces][owner]).sum(axis=1)
