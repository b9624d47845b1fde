"""How the layer is shown: slab, level and sizes, and the truth about what is on screen."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QLabel, QPushButton, QVBoxLayout, QWidget

__all__ = ["SIZES", "StatusLabel", "ViewPanel"]

SIZES = {
    "current_size": ("Point si&ze", "Diameter of points, in units of the data"),
    "edge_width": ("Line wi&dth", "Width of lines, in pixels"),
    "node_size": ("&Node size", "Diameter of the vertices of lines, in pixels; 0 draws none"),
}
"""Sizes that some layers have: the name of the property, its title and its tip."""

_MOST = 1e12


class ViewPanel(QWidget):
    """Shows how a layer is shown, and tells what the user wants.

    Signals
    -------
    slab_wanted : float
        Thickness of what is shown along the slider.
    level_wanted : int or None
    size_wanted : str, float
        One of :data:`SIZES`, and its value.
    retry_wanted : no value
    """

    slab_wanted = Signal(float)
    level_wanted = Signal(object)
    size_wanted = Signal(str, float)
    retry_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slab = _spin_box("Thickness of what a 2-D view shows along the slider")
        self.slab.valueChanged.connect(self.slab_wanted)
        self.level = QComboBox()
        self.level.setToolTip("Level of detail: by the zoom, or always the same; 0 is everything that the store holds")
        self.level.activated.connect(lambda row: self.level_wanted.emit(self._levels[row]))
        self._levels: list[int | None] = []
        self.sizes = {name: _spin_box(tip) for name, (_, tip) in SIZES.items()}
        for name, box in self.sizes.items():
            box.valueChanged.connect(lambda value, name=name: self.size_wanted.emit(name, value))
        self.retry = QPushButton("&Read again")
        self.retry.setToolTip("Ask again for what could not be read")
        self.retry.clicked.connect(self.retry_wanted)
        self._form = QFormLayout()
        self._form.addRow("&Slab", self.slab)
        self._form.addRow("L&evel", self.level)
        for name, (title, _) in SIZES.items():
            self._form.addRow(title, self.sizes[name])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._form)
        layout.addWidget(self.retry)

    def show_slab(self, thickness: float | None, unit: str) -> None:
        """Show the thickness; None where no slider cuts the layer."""
        self._form.setRowVisible(self.slab, thickness is not None)
        if thickness is not None:
            self.slab.setSuffix(f" {unit}" if unit and unit != "pixel" else "")
            _show(self.slab, thickness)

    def show_levels(self, levels: Sequence[int], locked: int | None) -> None:
        """Show the levels that there are, and the one that is kept."""
        choices = [None, *levels]
        with QSignalBlocker(self.level):
            if choices != self._levels:
                self._levels = choices
                self.level.clear()
                self.level.addItems(["by the zoom", *map(str, levels)])
            self.level.setCurrentIndex(choices.index(locked) if locked in choices else 0)

    def show_size(self, name: str, value: float | None) -> None:
        """Show a size; None where the layer has none of that name."""
        self._form.setRowVisible(self.sizes[name], value is not None)
        if value is not None:
            _show(self.sizes[name], value)


class StatusLabel(QLabel):
    """What is shown, of how much, and what there is to know of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setAccessibleName("Status")

    def show_status(self, text: str, notes: Sequence[str]) -> None:
        """Show a status, and notes below it."""
        self.setText("\n".join([text, *(f"\u26a0 {note}" for note in notes)]))


class _NumberBox(QDoubleSpinBox):
    """Shows numbers without the zeros that would fill up their decimals."""

    def textFromValue(self, value: float) -> str:  # noqa: N802 - a name of Qt
        return self.locale().toString(value, "g", 6)


def _spin_box(tip: str) -> QDoubleSpinBox:
    box = _NumberBox()
    box.setRange(0, _MOST)
    box.setDecimals(6)
    box.setKeyboardTracking(False)
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    box.setToolTip(tip)
    return box


def _show(box: QDoubleSpinBox, value: float) -> None:
    if not box.hasFocus() and abs(box.value() - value) > 1e-9:
        with QSignalBlocker(box):
            box.setValue(value)
