"""Streamlines of a whole brain: the large tracts of both hemispheres, drawn after their textbook courses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.geometry.batches import Streamlines
from zvview.samples.curves import ease, smooth_curve

__all__ = ["make_tracts"]

_VERTICES: Final = 60  # of a streamline


@dataclass(frozen=True, slots=True)
class _Tract:
    """Points that a tract passes (millimetres: x to the right, y forward, z up), and how far its streamlines lie apart.

    Attributes
    ----------
    name : str
    count : int
        Streamlines.
    points : tuple of three floats each
    apart : (float, float, float)
        At the beginning, in the middle and at the end.
    stretch : (float, float, float)
        Of that distance along x, y and z.
    """

    name: str
    count: int
    points: tuple[tuple[float, float, float], ...]
    apart: tuple[float, float, float]
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)


_BOTH_SIDES: Final = (
    _Tract(
        "corticospinal",
        520,
        ((22, -22, 62), (24, -20, 32), (20, -18, 6), (9, -26, -28), (4, -34, -62)),
        (9, 1.6, 2),
        (1, 1, 0.5),
    ),
    _Tract("arcuate", 430, ((46, 22, 14), (38, 2, 30), (36, -30, 32), (44, -48, 12), (54, -30, -6)), (6.5, 2.6, 7)),
    _Tract("cingulum", 330, ((8, 46, -2), (8, 34, 24), (9, 0, 38), (9, -34, 36), (22, -40, -12)), (3.5, 1.6, 3.5)),
    _Tract(
        "inferior longitudinal",
        320,
        ((30, -84, 2), (38, -58, -4), (42, -30, -12), (42, -4, -26), (36, 12, -34)),
        (7, 2.4, 5),
    ),
    _Tract("fronto-occipital", 360, ((26, 50, 4), (32, 24, 0), (34, -6, -4), (34, -46, 2), (20, -88, 6)), (9, 1.8, 8)),
    _Tract("uncinate", 240, ((24, 40, -8), (32, 24, -10), (36, 10, -12), (38, 4, -24), (36, 8, -34)), (6, 1.6, 4.5)),
    _Tract(
        "optic radiation", 260, ((22, -24, -2), (38, -20, -6), (36, -48, 0), (22, -72, 4), (8, -88, 4)), (2, 2.4, 6)
    ),
    _Tract("fornix", 180, ((28, -24, -14), (22, -36, 4), (4, -18, 18), (3, 2, 12), (3, 2, -6)), (2.5, 0.9, 1.2)),
)
_CROSSING: Final = (
    _Tract(
        "forceps major", 520, ((28, -92, 8), (24, -66, 14), (0, -40, 20), (-24, -66, 14), (-28, -92, 8)), (9, 2.6, 9)
    ),
    _Tract("forceps minor", 520, ((26, 62, 4), (18, 42, 8), (0, 30, 10), (-18, 42, 8), (-26, 62, 4)), (9, 2.6, 9)),
    _Tract(
        "callosal body",
        1500,
        ((40, -12, 58), (24, -10, 42), (0, -8, 27), (-24, -10, 42), (-40, -12, 58)),
        (18, 12, 18),
        (0.55, 1, 0.3),
    ),
)


def make_tracts(rng: np.random.Generator) -> tuple[Streamlines, dict[str, NDArray[np.int64]]]:
    """8,000 streamlines and the tract that each belongs to, by name. Attribute: ``fa``, the anisotropy."""
    tracts = [replace(tract, name=f"{tract.name} right") for tract in _BOTH_SIDES]
    tracts += [_mirrored(tract) for tract in _BOTH_SIDES]
    tracts += _CROSSING
    ends = np.cumsum([tract.count for tract in tracts])
    members = {tract.name: np.arange(end - tract.count, end) for tract, end in zip(tracts, ends, strict=True)}
    count = int(ends[-1])
    positions = np.concatenate([_draw(rng, tract) for tract in tracts]).reshape(-1, 3)
    along = np.tile(np.linspace(-1, 1, _VERTICES), count)
    anisotropy = 0.72 - 0.4 * along**2 + rng.normal(0, 0.04, len(along))
    batch = Streamlines(
        positions.astype(np.float32),
        offsets=np.arange(count + 1) * _VERTICES,
        object_ids=np.arange(count),
        attributes={"fa": np.clip(anisotropy, 0, 1).astype(np.float32)},
    )
    return batch, members


def _mirrored(tract: _Tract) -> _Tract:
    return replace(tract, name=f"{tract.name} left", points=tuple((-x, y, z) for x, y, z in tract.points))


def _draw(rng: np.random.Generator, tract: _Tract) -> NDArray[np.float64]:
    """Streamlines (count, V, 3) beside the smooth curve through the tract's points, which fan out towards its ends.

    Each lies to one side all the way, turned a little on its way, so that neighbours stay neighbours.
    """
    count = tract.count
    t = np.linspace(0, 1, _VERTICES)
    centre = smooth_curve(np.array(tract.points), t)
    first, middle, last = tract.apart
    spread = np.where(t < 0.5, first + (middle - first) * ease(2 * t), middle + (last - middle) * ease(2 * t - 1))
    beside = rng.normal(0, 1, (count, 1, 3))
    drift = rng.normal(0, 0.35, (count, 2, 3))
    weights = np.stack((np.cos(np.pi * t), np.sin(np.pi * t)))
    shift = beside + np.einsum("nkd,kv->nvd", drift, weights)
    waver = 0.25 * np.sin(2 * np.pi * (t * rng.uniform(1, 2.5, (count, 1)) + rng.random((count, 1))))
    lines = centre + shift * spread[:, None] * tract.stretch + waver[..., None] * rng.normal(0, 1, (count, 1, 3))
    ends = rng.uniform(0, 0.12, (count, 2))  # not all reach the cortex
    where = ends[:, :1] + t * (1 - ends.sum(axis=1, keepdims=True))
    at = where * (_VERTICES - 1)
    low = np.minimum(at.astype(np.intp), _VERTICES - 2)
    share = (at - low)[..., None]
    row = np.arange(count)[:, None]
    out: NDArray[np.float64] = lines[row, low] * (1 - share) + lines[row, low + 1] * share
    return out
