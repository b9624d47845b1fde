"""Which vertices are shown: ranges of attributes, categories, groups and objects."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from zvview.errors import InvalidInputError
from zvview.napari.dock.facts import StoreFacts
from zvview.napari.dock.identifiers import format_ids, parse_ids
from zvview.napari.dock.range_row import RangeRow
from zvview.napari.dock.tick_list import TickList
from zvview.napari.dock.wishes import (
    shown_groups,
    shown_labels,
    with_groups,
    with_labels,
    with_objects,
    with_range,
)
from zvview.stream import Filter

__all__ = ["FilterPanel"]

GROUPS = "groups"


class FilterPanel(QWidget):
    """Shows a filter, and tells which one the user wants.

    Signals
    -------
    wanted : Filter
    """

    wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._facts: StoreFacts | None = None
        self._filter = Filter()
        self.ranges: dict[str, RangeRow] = {}
        self.lists: dict[str, TickList] = {}
        self._titles: dict[str, QLabel] = {}
        self.objects = QLineEdit()
        self.objects.setPlaceholderText("all, or 1-5, 9")
        self.objects.setClearButtonEnabled(True)
        self.objects.setToolTip("Ids of the only objects to show, and ranges of ids; Enter applies")
        self.objects.editingFinished.connect(self._change_objects)
        self.complaint = QLabel()
        self.complaint.setWordWrap(True)
        self.complaint.setStyleSheet("color: #e2604d")
        self.complaint.hide()
        self.clear_button = QPushButton("Show a&ll")
        self.clear_button.setToolTip("Drop the filter")
        self.clear_button.clicked.connect(lambda: self._tell(Filter()))
        self._rows = QVBoxLayout()
        self._form = QFormLayout()
        self._form.addRow("O&bjects", self.objects)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._rows)
        layout.addLayout(self._form)
        layout.addWidget(self.complaint)
        layout.addWidget(self.clear_button)

    def show_state(self, facts: StoreFacts, filter: Filter, legend: str | None) -> None:
        """Show what there is to filter by, and the filter.

        Parameters
        ----------
        legend : str or None
            The attribute, or ``groups``, that the legend lists already.
        """
        if facts is not self._facts:
            self._facts = facts
            self._build(facts)
        self._filter = filter
        for name, row in self.ranges.items():
            row.show_range(filter.ranges.get(name))
        for name, ticks in self.lists.items():
            labels = facts.groups if name == GROUPS else facts.categories[name]
            shown = shown_groups(filter, labels) if name == GROUPS else shown_labels(filter, name, labels)
            ticks.show_labels(labels, shown)
            self._titles[name].setVisible(name != legend)
            ticks.setVisible(name != legend)
        self._form.setRowVisible(self.objects, facts.has_objects)
        if not (self.objects.hasFocus() and self.objects.isModified()):  # what is being typed stays
            ids = filter.object_ids
            self.objects.setText("" if ids is None else format_ids(np.asarray(ids, np.int64)))
        self.clear_button.setEnabled(not filter.is_empty)

    def _build(self, facts: StoreFacts) -> None:
        while (item := self._rows.takeAt(0)) is not None:
            item.widget().deleteLater()
        self.complaint.hide()
        self.objects.setModified(False)
        self.ranges = {
            name: RangeRow(name, ends, facts.units.get(name), is_whole=name in facts.wholes)
            for name, ends in facts.ranges.items()
        }
        self.lists, self._titles = {}, {}
        for row in self.ranges.values():
            row.chosen.connect(lambda chosen, row=row: self._tell(with_range(self._filter, row.name, chosen, row.ends)))
            self._rows.addWidget(row)
        for name in (*facts.categories, *((GROUPS,) if facts.groups else ())):
            self._titles[name] = QLabel(name)
            self.lists[name] = TickList(name)
            self.lists[name].ticked.connect(lambda shown, name=name: self.tick(name, shown))
            self._rows.addWidget(self._titles[name])
            self._rows.addWidget(self.lists[name])

    def tick(self, name: str, shown: list[bool]) -> None:
        """Take over which labels of an attribute, or which ``groups``, are to be shown."""
        if self._facts is None:
            return
        if name == GROUPS:
            self._tell(with_groups(self._filter, shown))
        else:
            self._tell(with_labels(self._filter, name, self._facts.categories[name], shown))

    def _change_objects(self) -> None:
        if not self.objects.isModified():
            return
        self.objects.setModified(False)
        try:
            ids = parse_ids(self.objects.text())
        except InvalidInputError as error:
            self.complaint.setText(str(error))
            self.complaint.show()
            return
        self.complaint.hide()
        self._tell(with_objects(self._filter, ids))

    def _tell(self, wanted: Filter) -> None:
        if wanted != self._filter:
            self._filter = wanted
            self.wanted.emit(wanted)
