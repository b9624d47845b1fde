"""Waiting for work on another thread while the window lives: it is drawn, says how far the work is, and can stop it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from qtpy.QtCore import QEventLoop, Qt
from qtpy.QtWidgets import QApplication, QProgressDialog, QWidget

from zvview.cancel import CancelToken
from zvview.napari.courier import Courier
from zvview.napari.writing.saving import Progress

__all__ = ["wait_for"]

T = TypeVar("T")

_PATIENCE_S: Final = 0.15
"""What is done sooner shows nothing."""


def wait_for(title: str, work: Callable[[Progress, CancelToken], T]) -> T:
    """What `work` gives, or the error that it raises; called on the thread of the window.

    Work that takes longer is waited for behind a dialog, which keeps hands off the layers that are saved. Where no
    window is open there is nobody to show it to.
    """
    return _Waiting(title, work).wait()


class _Waiting(Generic[T]):
    def __init__(self, title: str, work: Callable[[Progress, CancelToken], T]) -> None:
        self._title, self._work = title, work
        self._cancel = CancelToken()
        self._loop = QEventLoop()
        self._courier = Courier(self._take)
        self._dialog: QProgressDialog | None = None
        self._is_done = threading.Event()
        self._found: list[T] = []
        self._error: BaseException | None = None

    def wait(self) -> T:
        thread = threading.Thread(target=self._run, name="zvview-save")
        thread.start()
        window = _open_window()
        if window is None:
            thread.join()
        elif not self._is_done.wait(_PATIENCE_S):
            self._show(window)
        thread.join()
        if self._error is not None:
            raise self._error
        return self._found[0]

    def _run(self) -> None:
        try:
            self._found.append(self._work(self._tell, self._cancel))
        except BaseException as error:
            self._error = error
        finally:
            self._is_done.set()
            self._courier.send(None)

    def _tell(self, done: int, total: int, text: str) -> None:
        self._courier.send((done, total, text))

    def _show(self, window: QWidget) -> None:
        """Let the window live until the work is done."""
        dialog = self._dialog = QProgressDialog(self._title, "Stop", 0, 0, window)
        dialog.setWindowTitle("Save layers")
        dialog.setWindowModality(Qt.WindowModality.ApplicationModal)
        dialog.setMinimumDuration(0)
        dialog.setAutoReset(False)
        dialog.setAutoClose(False)
        dialog.canceled.connect(self._stop)
        dialog.show()
        try:
            while not self._is_done.is_set():  # the last message may have been taken already
                self._loop.exec()
        finally:
            self._dialog = None
            dialog.canceled.disconnect(self._stop)
            dialog.close()
            dialog.deleteLater()

    def _stop(self) -> None:
        self._cancel.cancel()

    def _take(self, told: Any) -> None:
        """On the thread of the window."""
        if told is None:
            self._loop.quit()
        elif self._dialog is not None and not self._cancel.is_cancelled:
            done, total, text = told
            self._dialog.setLabelText(f"{self._title}\n{text}")
            self._dialog.setRange(0, min(total, 2**31 - 1))
            self._dialog.setValue(min(done, total))


def _open_window() -> QWidget | None:
    """A window that is seen, if there is one."""
    application = QApplication.instance()
    if application is None or threading.current_thread() is not threading.main_thread():
        return None
    seen = [widget for widget in QApplication.topLevelWidgets() if widget.isVisible()]
    return QApplication.activeWindow() or (seen[0] if seen else None)
