"""A range of an attribute, chosen with two handles."""

from __future__ import annotations

from typing import Final

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget
from superqt import QLabeledDoubleRangeSlider

__all__ = ["RangeRow"]

_STEPS: Final = 1000
_LABEL: Final = 18  # pixels that the label of a handle reaches beyond it
_REST_MS: Final = 80  # of the handle, before what it means is asked for


class RangeRow(QWidget):
    """A name and a range slider; a handle at its end means that there is no limit on this side.

    Parameters
    ----------
    name : str
    ends : (float, float)
        Least and greatest value.
    unit : str or None
    is_whole : bool
        Whether values are whole numbers, and limits are so too.

    Signals
    -------
    chosen : (float, float)
    """

    chosen = Signal(tuple)

    def __init__(
        self,
        name: str,
        ends: tuple[float, float],
        unit: str | None,
        *,
        is_whole: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.name, self._is_whole = name, is_whole
        low, high = ends if ends[0] < ends[1] else (ends[0], ends[0] + 1)
        self.slider = QLabeledDoubleRangeSlider(Qt.Orientation.Horizontal)
        self.slider.setEdgeLabelMode(QLabeledDoubleRangeSlider.EdgeLabelMode.NoLabel)
        decimals = 0 if is_whole else int(np.clip(3 - np.floor(np.log10(high - low)), 0, 12))
        margin = 0.0 if is_whole else 10.0**-decimals  # the labels round: the ends themselves must be reachable
        step = (high - low) / _STEPS
        self.ends = low - margin, high + margin
        self.slider.setDecimals(decimals)
        self.slider.setRange(*self.ends)
        self.slider.setSingleStep(max(1.0, np.rint(step)) if is_whole else step)
        self.slider.setValue(self.ends)
        self.slider.setAccessibleName(f"Range of {name}")
        self.slider.setToolTip(f"Vertices whose {name} lies between the two; at its end a handle hides nothing")
        title = QLabel(f"{name} ({unit})" if unit else name)
        title.setBuddy(self.slider)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.slider.setContentsMargins(_LABEL, 0, _LABEL, 0)  # the labels of the handles would be cut off
        layout.setSpacing(0)
        layout.addWidget(title)
        layout.addWidget(self.slider)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._tell)
        self.slider.valueChanged.connect(lambda: self._rest.start())

    def show_range(self, wanted: tuple[float, float] | None) -> None:
        """Show a range, infinite sides at the ends; None is no limit."""
        if self._rest.isActive():
            return  # the user is at it
        low, high = self.ends if wanted is None else np.clip(wanted, *self.ends)
        with QSignalBlocker(self.slider):
            self.slider.setValue((float(low), float(high)))

    def _tell(self) -> None:
        low, high = self.slider.value()  # of whole numbers as well it may stand in between, and show the nearest
        self.chosen.emit((round(low), round(high)) if self._is_whole else (low, high))
