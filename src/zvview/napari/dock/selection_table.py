"""What the selected points carry, as a table that can be written in; its first row stands for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem, QWidget

from zvview.format.attributes import Categories

__all__ = ["SelectionTable"]

_MOST_ROWS: Final = 200
_HEIGHT: Final = 170


class SelectionTable(QTableWidget):
    """Shows values of some points, in columns by name.

    Signals
    -------
    written : (str, (k,) int64 array, object)
        Name of the column, which of the points that are shown, and the value that was written: text or a number.
    """

    written = Signal(str, object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 0, parent)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setFixedHeight(_HEIGHT)
        self._count = 0
        self._is_filling = False
        self.cellChanged.connect(self._write)

    def show_values(self, columns: Mapping[str, NDArray[Any]], labels: Mapping[str, Categories], count: int) -> None:
        """Show the values of `count` points, all of one length; codes of those that have `labels` as these."""
        self._is_filling = True
        self._count = count
        shown = min(count, _MOST_ROWS)
        self.clear()
        self.setColumnCount(len(columns))
        self.setRowCount(shown + 1 if count else 0)
        self.setHorizontalHeaderLabels(list(columns))
        for column, (name, values) in enumerate(columns.items()):
            texts = _texts(values[:shown], labels.get(name))
            same = texts[0] if count and count <= _MOST_ROWS and len(set(texts)) == 1 else ""
            for row, text in enumerate([same, *texts] if count else []):
                self.setItem(row, column, QTableWidgetItem(text))
        if count:
            self.setVerticalHeaderLabels([f"all {count:,}", *(str(row + 1) for row in range(shown))])
        self.resizeColumnsToContents()
        self._is_filling = False

    def _write(self, row: int, column: int) -> None:
        header, item = self.horizontalHeaderItem(column), self.item(row, column)
        if self._is_filling or header is None or item is None or not item.text().strip():
            return
        rows = np.arange(self._count) if row == 0 else np.array([row - 1])
        self.written.emit(header.text(), rows, _parsed(item.text().strip()))

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802 - a name of Qt
        """Keep what is typed here from the canvas: Delete there would delete points."""
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            event.accept()


def _texts(values: NDArray[Any], categories: Categories | None) -> list[str]:
    if categories is None:
        return [f"{value:.7g}" if isinstance(value, float) else str(value) for value in values.tolist()]
    names = dict(enumerate(categories.labels))
    return [names.get(code, "") for code in values.tolist()]


def _parsed(text: str) -> int | float | str:
    """A number where the text is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
