"""What the colours mean: labels to tick for categories and groups, a bar for numbers, swatches for directions."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from zvview.napari.dock.facts import Label
from zvview.napari.dock.pictures import colour_bar
from zvview.napari.dock.tick_list import TickList
from zvview.style import Colouring, LegendEntry

__all__ = ["LegendPanel"]

_BAR = 220, 14


class LegendPanel(QWidget):
    """Shows the legend of a colouring.

    Signals
    -------
    ticked : list of bool
        The user changed which labels are shown; one for each label.
    """

    ticked = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = TickList("the legend")
        self.list.ticked.connect(self.ticked)
        self.bar, self.low, self.high = QLabel(), QLabel(), QLabel()
        self.bar.setScaledContents(True)
        self.bar.setFixedHeight(_BAR[1])
        self.high.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._scale = QWidget()
        grid = QGridLayout(self._scale)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.bar, 0, 0, 1, 2)
        grid.addWidget(self.low, 1, 0)
        grid.addWidget(self.high, 1, 1)
        self.words = QLabel()
        self.words.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.list, self._scale, self.words):
            layout.addWidget(widget)
        self._bar_name = ""

    def show_labels(self, labels: Sequence[Label], shown: Sequence[bool], entries: Sequence[LegendEntry]) -> None:
        """Show labels with the colours of a legend."""
        self._reveal(self.list)
        self.list.show_labels(labels, shown, [entry.colour for entry in entries])

    def show_entries(self, by: Colouring, entries: Sequence[LegendEntry]) -> None:
        """Show a legend without labels to tick: of numbers, of directions, or of nothing that has a name."""
        if by.mode == "attribute" and len(entries) == 2:
            self._reveal(self._scale)
            if by.colourmap != self._bar_name:
                self._bar_name = by.colourmap
                self.bar.setPixmap(colour_bar(by.colourmap, *_BAR))
            self.low.setText(entries[0].label)
            self.high.setText(entries[1].label)
            return
        self._reveal(self.words)
        if entries:
            parts = [f'<span style="color:{_hex(e.colour)}">\u25a0</span> {e.label}' for e in entries]
            self.words.setText(" &nbsp; ".join(parts))
        else:
            each = {"object": "Each object has a colour of its own.", "constant": "All have one colour."}
            self.words.setText(each.get(by.mode, "The limits are being read."))

    def _reveal(self, shown: QWidget) -> None:
        for widget in (self.list, self._scale, self.words):
            widget.setVisible(widget is shown)


def _hex(colour: Sequence[float]) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour[:3])
