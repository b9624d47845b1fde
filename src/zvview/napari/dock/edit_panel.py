"""Part of the dock that edits: begins and ends it, tells what is not saved, takes back, saves, and sets values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from weakref import ref

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from zvview.napari.dock.selection_table import SelectionTable
from zvview.napari.editing.attaching import editing_of, find_editing
from zvview.napari.editing.command import Command
from zvview.napari.editing.editing import Editing, Phase

__all__ = ["EditPanel"]

_COLUMNS: Final = 3  # of buttons
_HINT: Final = "Editing changes the store once the edits are saved."
_BUSY: Final = {
    Phase.OPENING: "Looking what there is to edit\u2026",
    Phase.WAITING: "Reading what is to be edited\u2026",
    Phase.ON: "The tools of the layer change the store.",
    Phase.SAVING: "Saving\u2026",
}


class EditPanel(QWidget):
    """Edits the store of one layer; it is told which."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layer: Any = lambda: None
        self._editing: Editing | None = None
        self._rows = np.empty(0, np.int64)
        self._commands: dict[str, Command] = {}
        self.edit_button = QPushButton("&Edit")
        self.edit_button.setCheckable(True)
        self.go_button = QPushButton("&Zoom in and edit")
        self.note, self.review = QLabel(_HINT), QLabel()
        for label in (self.note, self.review):
            label.setWordWrap(True)
        self.undo_button, self.redo_button = QPushButton("&Undo"), QPushButton("&Redo")
        self.save_button, self.discard_button = QPushButton("&Save edits"), QPushButton("&Discard edits")
        self.undo_button.setToolTip("Ctrl+Z on the canvas")
        self.redo_button.setToolTip("Ctrl+Shift+Z on the canvas")
        self.save_button.setToolTip("Write the edits into the store: Ctrl+Shift+D on the canvas")
        self.table = SelectionTable()
        self.commands = QGridLayout()
        self._connect()
        self._lay_out()
        self._show_state()

    def _connect(self) -> None:
        self.edit_button.clicked.connect(self._toggle)
        self.go_button.clicked.connect(lambda: self._call("go_and_start"))
        self.undo_button.clicked.connect(lambda: self._call("undo"))
        self.redo_button.clicked.connect(lambda: self._call("redo"))
        self.save_button.clicked.connect(lambda: self._call("save"))
        self.discard_button.clicked.connect(lambda: self._call("discard"))
        # later: what is written makes the table anew, which must not happen while Qt still writes into it
        self.table.written.connect(self._write, Qt.ConnectionType.QueuedConnection)

    def _lay_out(self) -> None:
        begin, grid = QHBoxLayout(), QGridLayout()
        begin.addWidget(self.edit_button)
        begin.addWidget(self.go_button)
        grid.addWidget(self.undo_button, 0, 0)
        grid.addWidget(self.redo_button, 0, 1)
        grid.addWidget(self.save_button, 1, 0)
        grid.addWidget(self.discard_button, 1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(begin)
        layout.addWidget(self.note)
        layout.addLayout(self.commands)
        layout.addWidget(self.review)
        layout.addLayout(grid)
        layout.addWidget(self.table)

    def show_layer(self, layer: Layer | None) -> None:
        """Edit this layer's store from now on."""
        if layer is not self._layer():
            self._layer = (lambda: None) if layer is None else ref(layer)
        self._follow(None if layer is None else find_editing(layer))
        self._show_state()

    def _follow(self, editing: Editing | None) -> None:
        if editing is self._editing:
            return
        if self._editing is not None:
            self._editing.changed.disconnect(self._show_state, missing_ok=True)
        self._editing = editing
        if editing is not None:
            editing.changed.connect(self._show_state)

    def _toggle(self) -> None:
        layer = self._layer()
        editing = None if layer is None else editing_of(layer)
        self._follow(editing)
        if editing is None:
            self._show_state()
        elif editing.phase is Phase.OFF:
            editing.start()
        else:
            editing.stop()
        self._show_state()

    def _call(self, name: str) -> None:
        if self._editing is not None:
            getattr(self._editing, name)()

    def _write(self, name: str, rows: NDArray[np.int64], value: object) -> None:
        if self._editing is not None:
            self._editing.set_feature(name, self._rows[rows], value)

    def _show_state(self) -> None:
        if not isalive(self.edit_button):  # the window is gone, and the edits are settled after it
            self._follow(None)
            return
        editing = self._editing
        phase = Phase.OFF if editing is None else editing.phase
        self.edit_button.setChecked(phase is not Phase.OFF)
        self.edit_button.setText("Stop &editing" if phase is Phase.ON else "&Edit")
        self.go_button.setVisible(phase is Phase.OFF and getattr(editing, "needed_zoom", None) is not None)
        note = "" if editing is None else editing.note
        self.note.setText(note or _BUSY.get(phase, _HINT))
        session = None if editing is None else editing.session
        is_changed = editing is not None and editing.is_changed
        self.review.setText(f"Not saved: {editing.review}." if editing is not None and is_changed else "")
        self.review.setVisible(is_changed)
        is_free = phase is not Phase.SAVING
        self.undo_button.setEnabled(is_free and session is not None and session.can_undo)
        self.redo_button.setEnabled(is_free and session is not None and session.can_redo)
        self.save_button.setEnabled(is_free and is_changed)
        self.discard_button.setEnabled(is_free and is_changed)
        self._show_commands({} if editing is None else editing.commands)
        self._show_table(editing if phase is Phase.ON else None)

    def _show_commands(self, commands: Mapping[str, Command]) -> None:
        if commands == self._commands:
            return
        self._commands = dict(commands)
        while (item := self.commands.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        for number, (name, command) in enumerate(commands.items()):
            button = QPushButton(command.title)
            button.setToolTip(f"{command.key.replace('Control', 'Ctrl').replace('-', '+')} on the canvas")
            button.clicked.connect(lambda _=False, name=name: self._run(name))
            self.commands.addWidget(button, *divmod(number, _COLUMNS))

    def _run(self, command: str) -> None:
        if self._editing is not None:
            self._editing.run(command)

    def _show_table(self, editing: Editing | None) -> None:
        self.table.setVisible(editing is not None)
        if editing is None or editing.session is None:
            return
        self._rows, features = editing.selection
        known = editing.session.schema.columns
        labels = {name: known[name].categories for name in features if name in known}
        self.table.show_values(features, {n: c for n, c in labels.items() if c is not None}, len(self._rows))
