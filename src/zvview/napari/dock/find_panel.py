"""Finding an object, a group or the whole layer, and moving the camera there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from zvview.errors import InvalidInputError
from zvview.napari.dock.facts import StoreFacts
from zvview.napari.dock.identifiers import parse_ids

__all__ = ["FindPanel", "Wanted"]


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """What to look for.

    Attributes
    ----------
    object_ids : (n,) int64 array or None
    group : int or None
        Its number; with neither it is the whole layer.
    """

    object_ids: NDArray[np.int64] | None = None
    group: int | None = None


class FindPanel(QWidget):
    """Tells what the user wants to see from near.

    Signals
    -------
    wanted : Wanted
    stopped : no value
        The user waits no longer.
    """

    wanted = Signal(object)
    stopped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.objects, self.groups = QLineEdit(), QComboBox()
        self.objects.setPlaceholderText("an id, or 1-5, 9")
        self.objects.setToolTip("Objects to move the camera to; Enter goes there")
        self.groups.setToolTip("Group to move the camera to")
        self.groups.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.object_button, self.group_button = QPushButton("Zoom to"), QPushButton("Zoom to")
        self.layer_button, self.stop_button = QPushButton("Zoom to the &whole layer"), QPushButton("Stop")
        self.stop_button.setToolTip("Stop looking for the place")
        self.objects.returnPressed.connect(self._find_objects)
        self.object_button.clicked.connect(self._find_objects)
        self.group_button.clicked.connect(lambda: self.wanted.emit(Wanted(group=self.groups.currentIndex())))
        self.layer_button.clicked.connect(lambda: self.wanted.emit(Wanted()))
        self.stop_button.clicked.connect(self.stopped)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self._object_row, self._group_row = QHBoxLayout(), QHBoxLayout()
        for row, widget, button in (
            (self._object_row, self.objects, self.object_button),
            (self._group_row, self.groups, self.group_button),
        ):
            row.addWidget(widget, 1)
            row.addWidget(button)
        self._form = QFormLayout()
        self._form.addRow("Ob&ject", self._object_row)
        self._form.addRow("&Group", self._group_row)
        for row, widget in ((self._object_row, self.objects), (self._group_row, self.groups)):
            label = self._form.labelForField(row)
            if isinstance(label, QLabel):
                label.setBuddy(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._form)
        for widget in (self.layer_button, self.message, self.stop_button):
            layout.addWidget(widget)
        self._titles: list[str] = []
        self.show_message("", is_busy=False)

    def show_state(self, facts: StoreFacts) -> None:
        """Show what there is to find."""
        titles = [label.text or "" for label in facts.groups]
        if titles != self._titles:
            self._titles = titles
            self.groups.clear()
            self.groups.addItems(titles)
        self._form.setRowVisible(self._object_row, facts.has_objects)
        self._form.setRowVisible(self._group_row, bool(titles))

    def show_message(self, text: str, *, is_busy: bool) -> None:
        """Show what came of it, or that it goes on."""
        self.message.setText(text)
        self.message.setVisible(bool(text))
        self.stop_button.setVisible(is_busy)

    def _find_objects(self) -> None:
        try:
            ids = parse_ids(self.objects.text())
        except InvalidInputError as error:
            self.show_message(str(error), is_busy=False)
            return
        if ids is None:
            self.show_message("Write the id of an object first.", is_busy=False)
        else:
            self.wanted.emit(Wanted(object_ids=ids))
