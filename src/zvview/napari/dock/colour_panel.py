"""What the layer is coloured by: attribute, category, object, group, direction or one colour."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import QSignalBlocker, QSize, Signal
from qtpy.QtGui import QColor, QDoubleValidator, QIcon
from qtpy.QtWidgets import QColorDialog, QComboBox, QFormLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QWidget

from zvview.napari.dock.facts import StoreFacts
from zvview.napari.dock.pictures import colour_bar, swatch
from zvview.napari.dock.wishes import colour_choices, same_choice
from zvview.style import Colouring, colourmap_names

__all__ = ["ColourPanel"]


class ColourPanel(QWidget):
    """Shows a colouring, and tells which one the user wants.

    Signals
    -------
    wanted : Colouring
    """

    wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choices: list[tuple[str, Colouring]] = []
        self._by = Colouring()
        self.choice = QComboBox()
        self.choice.setToolTip("What the colours of the layer stand for")
        self.choice.activated.connect(self._choose)
        self.colourmap = QComboBox()
        self.colourmap.setToolTip("Colours from the lower to the upper limit")
        self.colourmap.setIconSize(QSize(72, 12))
        for name in colourmap_names():
            self.colourmap.addItem(QIcon(colour_bar(name, 72, 12)), name)
        self.colourmap.activated.connect(lambda: self._tell(colourmap=self.colourmap.currentText()))
        self.lower, self.upper = QLineEdit(), QLineEdit()
        for edit, word in ((self.lower, "Lower"), (self.upper, "Upper")):
            edit.setValidator(QDoubleValidator(edit))
            edit.setToolTip(f"{word} limit: the value at this end of the colour map")
            edit.setAccessibleName(f"{word} limit")
            edit.editingFinished.connect(self._change_limits)
        self.from_store = QPushButton("From the store")
        self.from_store.setToolTip("Limits that hold 98 % of the values of the whole store")
        self.from_store.clicked.connect(lambda: self._tell(limits=None))
        self.colour = QPushButton()
        self.colour.setToolTip("Choose the colour")
        self.colour.clicked.connect(self._choose_colour)
        limits = QHBoxLayout()
        for widget in (self.lower, QLabel("to"), self.upper):
            widget.setMinimumWidth(20)
            limits.addWidget(widget, int(isinstance(widget, QLineEdit)))
        for box in (self.choice, self.colourmap):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.addRow("&Colour by", self.choice)
        self._form.addRow("Colour &map", self.colourmap)
        self._form.addRow("Limits", limits)
        self._form.addRow("", self.from_store)
        self._form.addRow("C&olour", self.colour)
        self._limits_row = limits
        self.show_state(StoreFacts(), Colouring())

    def show_state(self, facts: StoreFacts, by: Colouring) -> None:
        """Show what there is to choose from, and what is chosen."""
        choices = colour_choices(facts)
        if not any(same_choice(by, choice) for _, choice in choices):
            choices.append((by.name or by.mode, by))
        with QSignalBlocker(self.choice):
            if [title for title, _ in choices] != [title for title, _ in self._choices]:
                self.choice.clear()
                self.choice.addItems([title for title, _ in choices])
            at = next(i for i, (_, choice) in enumerate(choices) if same_choice(by, choice))
            self.choice.setCurrentIndex(at)
        self._choices, self._by = choices, by
        is_number = by.mode == "attribute"
        for row in (self.colourmap, self._limits_row, self.from_store):
            self._form.setRowVisible(row, is_number)
        self._form.setRowVisible(self.colour, by.mode == "constant")
        self.colourmap.setCurrentText(by.colourmap)
        for edit, limit in zip((self.lower, self.upper), by.limits or (None, None), strict=True):
            if not edit.hasFocus() or not edit.isModified():  # what is being typed stays
                edit.setText(_text(limit))
        self.colour.setIcon(swatch(by.colour))
        self.colour.setText(QColor.fromRgbF(*by.colour).name())

    def _choose(self, row: int) -> None:
        chosen = self._choices[row][1]
        if not same_choice(chosen, self._by):
            self._by = replace(chosen, colourmap=self._by.colourmap)
            self.wanted.emit(self._by)

    def _change_limits(self) -> None:
        if not (self.lower.isModified() or self.upper.isModified()):
            return
        known = self._by.limits or (None, None)
        low, high = (_number(edit, limit) for edit, limit in zip((self.lower, self.upper), known, strict=True))
        if low is not None and high is not None and low < high:
            self._tell(limits=(low, high))
        for edit, limit in zip((self.lower, self.upper), self._by.limits or (None, None), strict=True):
            edit.setText(_text(limit))

    def _choose_colour(self) -> None:
        chosen = QColorDialog.getColor(QColor.fromRgbF(*self._by.colour), self, "Colour")
        if chosen.isValid():
            red, green, blue, _ = chosen.getRgbF()
            self._tell(colour=(red or 0.0, green or 0.0, blue or 0.0, self._by.colour[3]))

    def _tell(self, **changes: object) -> None:
        wanted = replace(self._by, **changes)  # type: ignore[arg-type]
        if wanted != self._by:
            self._by = wanted  # a second change may come before the first one is shown
            self.wanted.emit(wanted)


def _number(edit: QLineEdit, known: float | None) -> float | None:
    """What was typed, or else the limit that is in force, which the text only rounds."""
    if not edit.isModified():
        return known
    try:
        return float(edit.text())
    except ValueError:
        return None


def _text(limit: float | None) -> str:
    return "" if limit is None else f"{limit:.6g}"
