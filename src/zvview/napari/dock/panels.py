"""All panels of the dock, one below the other, in sections that can be folded away."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from zvview.napari.dock.colour_panel import ColourPanel
from zvview.napari.dock.edit_panel import EditPanel
from zvview.napari.dock.filter_panel import FilterPanel
from zvview.napari.dock.find_panel import FindPanel
from zvview.napari.dock.legend_panel import LegendPanel
from zvview.napari.dock.picked_panel import PickedPanel
from zvview.napari.dock.section import Section
from zvview.napari.dock.view_panel import StatusLabel, ViewPanel

__all__ = ["PanelsWidget"]

_WIDTH = 310
_BAR = 16  # of the scroll area, which lies over what stands at its edge


class PanelsWidget(QWidget):
    """The name of a layer and its status, and below them the panels, which scroll."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name, self.status = QLabel(), StatusLabel()
        self.name.setWordWrap(True)
        self.picked, self.colour, self.legend = PickedPanel(), ColourPanel(), LegendPanel()
        self.filter, self.find, self.view = FilterPanel(), FindPanel(), ViewPanel()
        self.edit = EditPanel()
        parts = {
            "Picked": (self.picked, True),
            "Edit": (self.edit, True),
            "Colour": (self.colour, True),
            "Legend": (self.legend, True),
            "Filter": (self.filter, True),
            "Find": (self.find, True),
            "View": (self.view, False),
        }
        self.sections = {title: Section(title, panel, is_open=is_open) for title, (panel, is_open) in parts.items()}
        self.body = QWidget()
        inner = QVBoxLayout(self.body)
        inner.setContentsMargins(4, 0, _BAR, 0)
        for section in self.sections.values():
            inner.addWidget(section)
        inner.addStretch(1)
        self.scroll = QScrollArea()
        self.scroll.setWidgetResizable(True)
        self.scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll.setWidget(self.body)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        for widget in (self.name, self.status, self.scroll):
            layout.addWidget(widget)
        self.setMinimumWidth(_WIDTH)
