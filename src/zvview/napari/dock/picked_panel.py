"""What was clicked on, and what can be done with it."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from zvview.napari.describing import Description

__all__ = ["PickedPanel"]

_HINT = "Click on something in the picture: what it is stays here."


class PickedPanel(QWidget):
    """Shows the description of a vertex until another one is clicked.

    Signals
    -------
    zoom_wanted, alone_wanted : int
        The object to move the camera to, or to show alone.
    """

    zoom_wanted = Signal(object)
    alone_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picked: Description | None = None
        self.title = QLabel(_HINT)
        self.title.setWordWrap(True)
        self.title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.zoom_button, self.alone_button = QPushButton("&Zoom to it"), QPushButton("Show only &it")
        self.zoom_button.setToolTip("Move the camera to the object")
        self.alone_button.setToolTip("Hide all other objects; the filter below brings them back")
        self.zoom_button.clicked.connect(lambda: self._tell(self.zoom_wanted))
        self.alone_button.clicked.connect(lambda: self._tell(self.alone_wanted))
        self._values = QFormLayout()
        self._values.setVerticalSpacing(2)
        buttons = QHBoxLayout()
        buttons.addWidget(self.zoom_button)
        buttons.addWidget(self.alone_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.title)
        layout.addLayout(self._values)
        layout.addLayout(buttons)
        self.show_picked(None)

    def show_picked(self, picked: Description | None) -> None:
        """Show what was picked; None is nothing."""
        self.picked = picked
        while self._values.rowCount():
            self._values.removeRow(0)
        has_object = picked is not None and picked.object_id is not None
        self.zoom_button.setVisible(has_object)
        self.alone_button.setVisible(has_object)
        if picked is None:
            self.title.setText(_HINT)
            return
        self.title.setText(f"<b>Object {picked.object_id}</b>" if has_object else "<b>A vertex</b>")
        rows = [*picked.values, *([("group", ", ".join(picked.groups))] if picked.groups else [])]
        for name, text in rows:
            value = QLabel(text)
            value.setWordWrap(True)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._values.addRow(name, value)

    def _tell(self, signal: object) -> None:
        if self.picked is not None and self.picked.object_id is not None:
            signal.emit(self.picked.object_id)  # type: ignore[attr-defined]
