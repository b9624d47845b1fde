"""A titled part of the dock that can be folded away.

superqt's QCollapsible fixes the height of its content when it opens, and cuts off what grows later, as lists here do.
"""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

__all__ = ["Section"]


class Section(QWidget):
    """A title, and below it a widget that is there while the section is open.

    Signals
    -------
    opened : no value
    """

    opened = Signal()

    def __init__(self, title: str, content: QWidget, *, is_open: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.content = content
        self.title = QToolButton()
        self.title.setText(title)
        self.title.setCheckable(True)
        self.title.setChecked(is_open)
        self.title.setAutoRaise(True)
        self.title.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.title.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.title.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.title.setStyleSheet("QToolButton { font-weight: bold; text-align: left; border: none; padding: 2px; }")
        self.title.toggled.connect(self._toggle)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(2)
        layout.addWidget(self.title)
        layout.addWidget(content)
        self._toggle(is_open)

    @property
    def is_open(self) -> bool:
        """Whether the content is there."""
        return self.title.isChecked()

    def _toggle(self, is_open: bool) -> None:
        self.title.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self.content.setVisible(is_open)
        if is_open:
            self.opened.emit()
