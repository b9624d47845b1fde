"""The threads that a layer has while it streams."""

from __future__ import annotations

import threading
import time

from qtpy.QtWidgets import QApplication

__all__ = ["running", "wait_for_silence"]

_OURS = ("zvview-stream", "zvview-prepare", "zvview-read", "zvview-open")


def running() -> list[str]:
    """Names of ours that run."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(_OURS)]


def wait_for_silence(seconds: float = 5) -> None:
    """Let the window live until none of ours is left."""
    deadline = time.monotonic() + seconds
    while running():
        assert time.monotonic() < deadline, running()
        QApplication.processEvents()
        time.sleep(0.01)
