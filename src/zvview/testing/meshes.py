"""Meshes: closed surfaces, packed without touching: bodies of cells, and rings."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.geometry.batches import Mesh
from zvview.testing.recipe import EXTENT, Recipe

__all__ = ["GROUP_NAMES", "make_icosphere", "make_mesh", "make_torus"]

GROUP_NAMES: Final = ("astrocyte", "microglia", "neuron")
_LEAST = {"ellipsoids": 12, "tori": 9}  # vertices of the smallest surface
_VERTICES = 2500  # of a surface, on average
_TUBE = 0.35  # radius of a torus' tube as a share of that of its ring
_FREQUENCY_LIMIT = 2000


def make_mesh(recipe: Recipe) -> Mesh:
    """Stretched icospheres (``ellipsoids``) or rings (``tori``), all of one resolution, with at most `size` vertices.

    Attributes: the true mean ``curvature`` (float32, 1 / unit) and ``normal`` (N, 3) float32 of vertices, ``area``
    (float32) of faces.
    """
    form = recipe.choose("ellipsoids", "tori")
    recipe.need_axes(3, 3)
    count = recipe.count_objects(recipe.size // _VERTICES, _LEAST[form])
    rng = recipe.rng
    middles, room = _places(rng, count)
    turns = _rotations(rng, count)
    scale = room * rng.uniform(0.5, 1.0, count)
    if form == "ellipsoids":
        unit, corners = make_icosphere(recipe.size // count)
        axes = scale[:, None] * rng.uniform(0.5, 1.0, (count, 3))
        local = unit * axes[:, None]
        slope = unit / axes[:, None]
        steepness = np.linalg.norm(slope, axis=2)
        # Mean curvature of an ellipsoid: |x|^2 - a^2 - b^2 - c^2 over 2 (abc)^2 (x^2/a^4 + y^2/b^4 + z^2/c^4)^(3/2).
        square = np.sum(axes**2, axis=1)[:, None] - np.sum(local**2, axis=2)
        curvature = square / (2 * np.prod(axes, axis=1)[:, None] ** 2 * steepness**3)
        normals = slope / steepness[..., None]
    else:
        unit, corners, normal, bend = make_torus(recipe.size // count)
        local = scale[:, None, None] * unit
        normals = np.broadcast_to(normal, local.shape)
        curvature = bend / scale[:, None]
    vertices = len(unit)
    positions = (np.einsum("onj,oij->oni", local, turns) + middles[:, None]).astype(np.float32).reshape(-1, 3)
    faces = (corners + vertices * np.arange(count)[:, None, None]).reshape(-1, 3)
    values: dict[str, NDArray[Any]] = {}
    link_values: dict[str, NDArray[Any]] = {}
    if recipe.with_attributes:
        values["curvature"] = curvature.astype(np.float32).ravel()
        values["normal"] = np.einsum("onj,oij->oni", normals, turns).astype(np.float32).reshape(-1, 3)
        link_values["area"] = _areas(positions, faces)
    return Mesh(
        positions,
        faces=faces,
        offsets=np.arange(count + 1) * vertices,
        object_ids=np.arange(count),
        attributes=values,
        link_attributes=link_values,
    )


def make_icosphere(most: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The finest icosphere of at most `most` vertices: unit vectors (V, 3) and faces (F, 3), outward.

    Each face of an icosahedron is cut into ``f * f`` triangles: V = 10 f^2 + 2, F = 20 f^2.
    """
    if most < _LEAST["ellipsoids"]:
        raise InvalidInputError(f"an icosphere takes {_LEAST['ellipsoids']} vertices or more, not {most}")
    f = min(int(np.sqrt((most - 2) / 10)), _FREQUENCY_LIMIT)
    corners, triangles = _icosahedron()
    j, i = np.meshgrid(np.arange(f + 1), np.arange(f + 1))
    i, j = i[i + j <= f], j[i + j <= f]
    weights = np.stack((f - i - j, i, j), axis=1)
    # A point is named by the corners of the icosahedron that it lies between and its share of each.
    share = np.zeros((len(triangles), len(weights), len(corners)), np.int64)
    share[np.arange(len(triangles))[:, None, None], np.arange(len(weights))[:, None], triangles[:, None]] = weights
    points = share.reshape(-1, len(corners))
    names = points @ np.random.default_rng(0).integers(0, 1 << 40, len(corners))  # sorting one column beats twelve
    _, first, row = np.unique(names, return_index=True, return_inverse=True)
    unit = points[first] @ corners
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    at = np.full((f + 1, f + 1), -1)
    at[i, j] = np.arange(len(i))
    up = np.stack((at[:-1, :-1], at[1:, :-1], at[:-1, 1:]), axis=-1).reshape(-1, 3)
    down = np.stack((at[1:, :-1], at[1:, 1:], at[:-1, 1:]), axis=-1).reshape(-1, 3)
    small = np.concatenate((up[(up >= 0).all(axis=1)], down[(down >= 0).all(axis=1)]))
    faces = row[small + len(weights) * np.arange(len(triangles))[:, None, None]].reshape(-1, 3)
    return unit, faces


def make_torus(
    most: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """A torus of at most `most` vertices inside the unit sphere: vertices, faces, unit normals and mean curvature.

    Mean curvature at angle v around the tube: (R + 2 r cos v) / (2 r (R + r cos v)).
    """
    if most < _LEAST["tori"]:
        raise InvalidInputError(f"a torus takes {_LEAST['tori']} vertices or more, not {most}")
    around = max(3, int(np.sqrt(most * _TUBE)))
    along = most // around
    u, v = np.meshgrid(np.arange(along) * (2 * np.pi / along), np.arange(around) * (2 * np.pi / around), indexing="ij")
    u, v = u.ravel(), v.ravel()
    ring = 1 / (1 + _TUBE)
    tube = _TUBE * ring
    normals = np.stack((np.cos(v) * np.cos(u), np.cos(v) * np.sin(u), np.sin(v)), axis=1)
    centre = np.stack((np.cos(u), np.sin(u), np.zeros_like(u)), axis=1) * ring
    grid = np.arange(along * around).reshape(along, around)
    a, b = grid, np.roll(grid, -1, axis=0)
    c, d = np.roll(b, -1, axis=1), np.roll(a, -1, axis=1)
    faces = np.concatenate([np.stack(t, axis=-1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    curvature = (ring + 2 * tube * np.cos(v)) / (2 * tube * (ring + tube * np.cos(v)))
    return centre + tube * normals, faces, normals, curvature


def _icosahedron() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Corners (12, 3) and triangles (20, 3) of a regular icosahedron: those corners that are nearest to each other."""
    golden = (1 + 5**0.5) / 2
    signs = np.array([(a, b) for a in (-1, 1) for b in (-golden, golden)])
    flat = np.column_stack((np.zeros(4), signs))
    corners = np.concatenate([np.roll(flat, axis, axis=1) for axis in range(3)])
    is_near = np.abs(np.linalg.norm(corners[:, None] - corners, axis=2) - 2) < 1e-9
    i, j, k = np.nonzero(is_near[:, :, None] & is_near[None] & is_near[:, None])
    is_outward = np.linalg.det(corners[np.stack((i, j, k), axis=1)]) > 0
    is_first = (i < j) & (i < k)
    return corners, np.stack((i, j, k), axis=1)[is_outward & is_first]


def _places(rng: np.random.Generator, count: int) -> tuple[NDArray[np.float64], float]:
    """Middles (count, 3) in separate cells of a grid, and the radius of the ball that each has for itself."""
    per_axis = int(np.ceil(round(count ** (1 / 3), 9)))
    cell = EXTENT / per_axis
    chosen = rng.choice(per_axis**3, count, replace=False)
    corner = np.stack(np.unravel_index(chosen, (per_axis,) * 3), axis=1)
    room = 0.4 * cell
    return corner * cell + cell / 2 + rng.uniform(-0.09, 0.09, (count, 3)) * cell, room


def _rotations(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Rotation matrices (count, 3, 3) in all directions alike, from unit quaternions."""
    q = rng.standard_normal((count, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return np.moveaxis(np.array(rows), 2, 0)


def _areas(positions: NDArray[np.float32], faces: NDArray[np.int64]) -> NDArray[np.float32]:
    """Area of each face."""
    a, b, c = (positions[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    area: NDArray[np.float32] = np.sqrt(np.einsum("nd,nd->n", normal, normal)) / np.float32(2)
    return area
