"""Where surfaces are in a picture, and whether what is there has their colour."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import zvview
from tests.neuroglancer.browser.pages import HEIGHT, WIDTH, Picture

_LEAST_DARK, _ALIKE = 0.15, 0.12  # of the colour: shading leaves as much, and its hue


def outlines(picture: Picture, batch: zvview.Mesh, axes: list[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pixels that lie inside of what the faces of an object cover, by a pixel or more, and those that touch it."""
    at, rows = picture.find(batch.positions, axes)
    assert len(rows) == len(batch), "all of it is in view"
    image = Image.new("1", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(image)
    for face in at[batch.faces]:
        draw.polygon([(int(column), int(row)) for row, column in face], fill=1, outline=1)
    covered = np.asarray(image)
    padded = np.pad(covered, 2)
    shifted = [padded[2 + i : 2 + i + HEIGHT, 2 + j : 2 + j + WIDTH] for i in range(-2, 3) for j in range(-2, 3)]
    return np.logical_and.reduce(shifted), np.logical_or.reduce(shifted)


def has_hue(pixels: NDArray[np.uint8], colour: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Whether pixels are a colour, or a darker tone of it."""
    brightness = pixels.max(axis=-1, keepdims=True) / colour.max()
    distance = np.abs(pixels - brightness * colour).max(axis=-1) / colour.max()
    return np.asarray((distance < _ALIKE) & (brightness[..., 0] > _LEAST_DARK))
