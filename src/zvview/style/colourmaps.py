"""Colour maps for numbers and colours for categories and identifiers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import MissingError

__all__ = ["MISSING_COLOUR", "colour_codes", "colour_ids", "colourmap_names", "map_colours", "parse_hex"]

MISSING_COLOUR: Final = (0.5, 0.5, 0.5, 1.0)
"""Of values that are absent or not finite."""

_STEPS = 256
# Nine colours at equal steps each; what lies between is interpolated, which the eye cannot tell from the full tables.
_ANCHORS: Final = {
    "viridis": "440154 472d7b 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725",
    "inferno": "000004 210c4a 57106e 8a226a bc3754 e45a31 f98e09 f9cb35 fcffa4",
    "gray": "000000 202020 404040 606060 808080 9f9f9f bfbfbf dfdfdf ffffff",
    "coolwarm": "3b4cc0 6788ee 9abbff c9d7f0 dddddd f7c4a8 f39879 dd5f4b b40426",
    "turbo": "30123b 4669e0 28bceb 32f298 a4fc3c eecf3a fb7e21 d02f05 7a0403",
}
# Twenty colours that differ in hue and lightness and stand out on black and on grey.
_CATEGORIES: Final = (
    "e6194b 3cb44b ffe119 4f7cff f58231 c65bff 46f0f0 f032e6 bcf60c fabebe "
    "1fa8a8 e6beff c08552 fffac8 ff6f61 aaffc3 a8a82b ffd8b1 7f8bff d0d0d0"
)
_GOLDEN = 0.6180339887498949  # multiples of it, modulo one, keep their distance: hues of neighbouring ids differ


def colourmap_names() -> tuple[str, ...]:
    """Names that :func:`map_colours` knows."""
    return tuple(_ANCHORS)


def parse_hex(text: str) -> NDArray[np.float32]:
    """Colours written as hexadecimal numbers with spaces between, as (n, 4) float32 with alpha 1."""
    rgb = np.array([[int(word[i : i + 2], 16) for i in (0, 2, 4)] for word in text.split()], np.float32) / 255
    return np.concatenate((rgb, np.ones((len(rgb), 1), np.float32)), axis=1)


def _make_table(name: str) -> NDArray[np.float32]:
    anchors = parse_hex(_ANCHORS[name])
    at = np.linspace(0, len(anchors) - 1, _STEPS)
    columns = [np.interp(at, np.arange(len(anchors)), anchors[:, c]) for c in range(4)]
    return np.stack(columns, axis=1).astype(np.float32)


_TABLES: Final = {name: _make_table(name) for name in _ANCHORS}
_PALETTE: Final = parse_hex(_CATEGORIES)


def map_colours(values: NDArray[Any], limits: tuple[float, float], name: str = "viridis") -> NDArray[np.float32]:
    """Colours of numbers: the first of the map at or below the lower limit, the last at or above the upper one.

    Parameters
    ----------
    values : (N,) array of numbers or booleans
    limits : (float, float)
        Equal ones give the middle of the map to all.
    name : str
        One of :func:`colourmap_names`.

    Returns
    -------
    (N, 4) float32 array
        :data:`MISSING_COLOUR` where a value is not finite.

    Raises
    ------
    MissingError
        There is no such map.
    """
    if name not in _TABLES:
        raise MissingError("colour map", name, _TABLES)
    low, high = limits
    scaled: NDArray[np.floating] = np.asarray(values, np.float64 if values.dtype.itemsize > 4 else np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        share = (scaled - low) / (high - low) if high > low else np.full(len(scaled), 0.5)
        steps = np.clip(np.nan_to_num(share, nan=0.0), 0, 1) * (_STEPS - 1)
    out: NDArray[np.float32] = _TABLES[name][np.rint(steps).astype(np.intp)]
    is_missing = ~np.isfinite(scaled)
    if is_missing.any():
        out[is_missing] = MISSING_COLOUR
    return out


def colour_codes(codes: NDArray[np.integer], missing: int | None = None) -> NDArray[np.float32]:
    """Colours of category codes (N,) as (N, 4) float32; the palette repeats after twenty."""
    codes = np.asarray(codes, np.int64)
    out: NDArray[np.float32] = _PALETTE[codes % len(_PALETTE)]
    is_missing = codes < 0 if missing is None else (codes < 0) | (codes == missing)
    if is_missing.any():
        out[is_missing] = MISSING_COLOUR
    return out


def colour_ids(ids: ArrayLike) -> NDArray[np.float32]:
    """Colours of identifiers (N,) as (N, 4) float32: the same id has the same colour everywhere; -1 is missing."""
    numbers = np.asarray(ids, np.int64)
    starts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1])) if len(numbers) else numbers
    if 2 * len(starts) < len(numbers):  # vertices and edges of one object stand together
        return np.repeat(colour_ids(numbers[starts]), np.diff(np.append(starts, len(numbers))), axis=0)
    low = numbers & 0xFFFFFFFF  # products of larger numbers would lose the fraction that makes the hue
    hue = np.mod(low * _GOLDEN + 0.1, 1.0)
    value = 0.8 + 0.2 * np.mod(low * 0.7548776662466927, 1.0)
    saturation = 0.55 + 0.35 * np.mod(low * 0.5698402909980532, 1.0)
    # the usual hue-saturation-value formula: f(n) = v - v s max(0, min(k, 4 - k, 1)), k = (n + 6 h) mod 6
    k = np.mod(np.array([5.0, 3.0, 1.0]) + 6 * hue[:, None], 6)
    rgb = value[:, None] * (1 - saturation[:, None] * np.clip(np.minimum(k, 4 - k), 0, 1))
    out = np.ones((len(numbers), 4), np.float32)
    out[:, :3] = rgb
    out[numbers < 0] = MISSING_COLOUR
    return out
