"""A list of labels that can be ticked, with swatches and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from zvview.napari.dock.facts import Label
from zvview.napari.dock.pictures import swatch

__all__ = ["TickList"]

_MOST_ROWS: Final = 1000  # making one takes some microseconds of the thread of the window
_MOST_VISIBLE: Final = 9
_MISSING_TEXT: Final = "(missing)"
_TIP: Final = (
    "Untick to hide. Space ticks, Enter or a double click shows this one alone, and again all.\n"
    "Numbers are vertices of categories and objects of groups, in the whole store."
)

Colour = tuple[float, float, float, float]


class TickList(QWidget):
    """Labels, each with a swatch, a count, and a tick that says whether it is shown.

    Signals
    -------
    ticked : list of bool
        The user changed which are shown; one for each label.
    """

    ticked = Signal(list)

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = QListWidget()
        self.list.setAccessibleName(title)
        self.list.setToolTip(_TIP)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setUniformItemSizes(True)
        self.list.itemChanged.connect(self._item_changed)
        self.list.itemActivated.connect(self._item_activated)
        self.all_button, self.none_button = QPushButton("All"), QPushButton("None")
        self.all_button.setToolTip(f"Show all of {title}")
        self.none_button.setToolTip(f"Hide all of {title}")
        self.all_button.clicked.connect(lambda: self._tell([True] * len(self._shown)))
        self.none_button.clicked.connect(lambda: self._tell([False] * len(self._shown)))
        buttons = QHBoxLayout()
        buttons.addWidget(self.all_button)
        buttons.addWidget(self.none_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list)
        layout.addLayout(buttons)
        self._labels: tuple[Label, ...] = ()
        self._colours: tuple[Colour, ...] = ()
        self._shown: list[bool] = []

    def show_labels(self, labels: Sequence[Label], shown: Sequence[bool], colours: Sequence[Colour] = ()) -> None:
        """Show labels and which of them are ticked; fewer colours than labels leave the rest without swatch."""
        with QSignalBlocker(self.list):
            if (tuple(labels), tuple(colours)) != (self._labels, self._colours):
                self._labels, self._colours = tuple(labels), tuple(colours)
                self._fill()
            elif list(shown) == self._shown:
                return
            self._shown = list(shown)
            for row in range(min(len(self._labels), _MOST_ROWS)):
                state = Qt.CheckState.Checked if self._shown[row] else Qt.CheckState.Unchecked
                self.list.item(row).setCheckState(state)

    def _fill(self) -> None:
        self.list.clear()
        for row, label in enumerate(self._labels[:_MOST_ROWS]):
            text = _MISSING_TEXT if label.text is None else label.text
            item = QListWidgetItem(text if label.count is None else f"{text}  \u00b7  {label.count:,}")
            if row < len(self._colours):
                item.setIcon(swatch(self._colours[row]))
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked)
            self.list.addItem(item)
        if len(self._labels) > _MOST_ROWS:
            more = QListWidgetItem(f"and {len(self._labels) - _MOST_ROWS:,} more")
            more.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(more)
        rows = min(max(self.list.count(), 1), _MOST_VISIBLE)
        height = self.list.sizeHintForRow(0) if self.list.count() else self.fontMetrics().height()
        self.list.setFixedHeight(rows * height + 2 * self.list.frameWidth() + 4)

    def _item_changed(self, item: QListWidgetItem) -> None:
        row = self.list.row(item)
        if row < len(self._shown):
            is_shown = item.checkState() == Qt.CheckState.Checked
            self._tell([*self._shown[:row], is_shown, *self._shown[row + 1 :]])

    def _item_activated(self, item: QListWidgetItem) -> None:
        row = self.list.row(item)
        alone = [at == row for at in range(len(self._shown))]
        if row < len(self._shown):
            self._tell([True] * len(self._shown) if self._shown == alone else alone)

    def _tell(self, shown: list[bool]) -> None:
        if shown != self._shown:
            self.show_labels(self._labels, shown, self._colours)
            self.ticked.emit(shown)
