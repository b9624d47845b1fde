"""What a user does to open a window in Neuroglancer, and how long they wait."""

from __future__ import annotations

from typing import Any

from zvview.handover.twins import Twin
from zvview.neuroglancer.viewing import View

__all__ = ["opened"]


def opened(window: Any, twin: Twin) -> View:
    """The client, when it shows what the window shows now."""
    before = None if twin.view is None else twin.view.state()
    twin.open()
    window.wait(lambda: twin.view is not None and twin.view.state() != before, 30)
    assert twin.view is not None
    return twin.view
