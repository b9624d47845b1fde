"""Where the edits of this user that are not saved are kept: in the folder that the system has for such state."""

from __future__ import annotations

import os
import sys

__all__ = ["journal_folder"]


def journal_folder() -> str:
    """The folder of the journals; it need not exist.

    ``$ZVVIEW_STATE`` where that is set; else ``zvview`` in ``$XDG_STATE_HOME``, in the local application data of
    Windows, in ``~/Library/Application Support`` of macOS, or in ``~/.local/state``.
    """
    told = os.environ.get("ZVVIEW_STATE")
    return os.path.join(told or os.path.join(_system_folder(), "zvview"), "journals")


def _system_folder() -> str:
    if told := os.environ.get("XDG_STATE_HOME"):
        return told
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local")
    parts = ("Library", "Application Support") if sys.platform == "darwin" else (".local", "state")
    return os.path.join(os.path.expanduser("~"), *parts)
