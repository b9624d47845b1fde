"""Small pictures of colours: swatches of labels, and bars of colour maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QImage, QPainter, QPixmap

from zvview.style import map_colours

__all__ = ["colour_bar", "swatch"]

_SWATCH = 14


def swatch(colour: Sequence[float]) -> QIcon:
    """A square of a colour (red, green, blue, alpha)."""
    picture = QPixmap(_SWATCH, _SWATCH)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor.fromRgbF(*(float(part) for part in colour)))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.drawRoundedRect(1, 1, _SWATCH - 2, _SWATCH - 2, 3, 3)
    painter.end()
    icon = QIcon(picture)
    icon.addPixmap(picture, QIcon.Mode.Selected)  # Qt would tint it
    return icon


def colour_bar(name: str, width: int, height: int) -> QPixmap:
    """A colour map from left to right."""
    colours = map_colours(np.linspace(0, 1, width), (0.0, 1.0), name)
    row = np.rint(colours * 255).astype(np.uint8)
    pixels: NDArray[np.uint8] = np.ascontiguousarray(np.broadcast_to(row, (height, width, 4)))
    image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
    return QPixmap.fromImage(image.copy())  # the image only borrows the bytes
