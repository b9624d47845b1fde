"""Questions about edits that are not saved."""

from __future__ import annotations

from enum import Enum
from typing import Any

from qtpy.QtWidgets import QMessageBox, QWidget

__all__ = ["Choice", "ask_left_behind", "ask_reload", "ask_unsaved"]


class Choice(Enum):
    """What to do with edits that are not saved."""

    SAVE = "save"
    RESTORE = "restore"
    KEEP = "keep"
    DISCARD = "discard"
    CANCEL = "cancel"


def ask_unsaved(text: str, *, can_cancel: bool, parent: QWidget | None = None) -> Choice:
    """Ask what to do with edits that are not saved, before what shows them is gone."""
    box = QMessageBox(parent)
    box.setWindowTitle("Edits are not saved")
    box.setIcon(QMessageBox.Icon.Question)
    box.setText(text)
    box.setInformativeText("Kept edits are offered again when the store is opened to be edited the next time.")
    buttons: list[tuple[Any, Choice]] = [
        (box.addButton("&Save", QMessageBox.ButtonRole.AcceptRole), Choice.SAVE),
        (box.addButton("&Keep for later", QMessageBox.ButtonRole.AcceptRole), Choice.KEEP),
        (box.addButton("&Discard", QMessageBox.ButtonRole.DestructiveRole), Choice.DISCARD),
    ]
    if can_cancel:
        buttons.append((box.addButton(QMessageBox.StandardButton.Cancel), Choice.CANCEL))
    box.setDefaultButton(buttons[0][0])
    box.exec()
    clicked = box.clickedButton()
    return next(
        (choice for button, choice in buttons if button is clicked), Choice.CANCEL if can_cancel else Choice.KEEP
    )


def ask_reload(text: str, parent: QWidget | None = None) -> bool:
    """Ask whether to read a store anew that another one changed, and to make the edits again."""
    box = QMessageBox(parent)
    box.setWindowTitle("The store was changed by others")
    box.setIcon(QMessageBox.Icon.Warning)
    box.setText(text)
    box.setInformativeText("Read the store again and make your edits anew where that can be? Nothing is saved yet.")
    again = box.addButton("&Read again", QMessageBox.ButtonRole.AcceptRole)
    box.addButton("&Leave it", QMessageBox.ButtonRole.RejectRole)
    box.exec()
    return box.clickedButton() is again


def ask_left_behind(text: str, parent: QWidget | None = None) -> Choice:
    """Ask what to do with edits that an earlier session left behind: to restore, to discard, or to keep them."""
    box = QMessageBox(parent)
    box.setWindowTitle("There are edits that were not saved")
    box.setIcon(QMessageBox.Icon.Question)
    box.setText(text)
    buttons: list[tuple[Any, Choice]] = [
        (box.addButton("&Restore", QMessageBox.ButtonRole.AcceptRole), Choice.RESTORE),
        (box.addButton("&Keep for later", QMessageBox.ButtonRole.RejectRole), Choice.KEEP),
        (box.addButton("&Discard", QMessageBox.ButtonRole.DestructiveRole), Choice.DISCARD),
    ]
    box.setDefaultButton(buttons[0][0])
    box.exec()
    clicked = box.clickedButton()
    return next((choice for button, choice in buttons if button is clicked), Choice.KEEP)
