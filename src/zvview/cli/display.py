"""What a window needs, found out before one is opened: packages, system libraries, a display."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from zvview.errors import UnsupportedError

__all__ = ["check_packages", "has_display", "require_display", "virtual_display"]

_BINDINGS: Final = ("PyQt6", "PySide6", "PyQt5")
_SCREEN: Final = "1600x1000x24"
_START_S: Final = 20.0
_INSTALL: Final = 'pip install "zvview[all]"'


def check_packages() -> None:
    """Refuse to go on without napari, or without a Qt for it.

    Raises
    ------
    UnsupportedError
    """
    if importlib.util.find_spec("napari") is None:
        raise UnsupportedError(f"napari is not installed: {_INSTALL}")
    if not any(importlib.util.find_spec(name) for name in _BINDINGS):
        raise UnsupportedError(f"napari has no Qt to draw its window with: {_INSTALL}")


def has_display() -> bool:
    """Whether a window can be seen: always on Windows and macOS, elsewhere where a display is named that answers."""
    if not sys.platform.startswith("linux"):
        return True
    if os.environ.get("WAYLAND_DISPLAY"):
        return True
    return bool(os.environ.get("DISPLAY")) and _answers()


def require_display() -> None:
    """Refuse to go on without a display, or without what Qt needs to open a window there: it would end the process.

    Raises
    ------
    UnsupportedError
    """
    if not has_display():
        named = os.environ.get("DISPLAY")
        found = f"the display {named} does not answer" if named else "there is no display (DISPLAY is not set)"
        raise UnsupportedError(f"{found}: a window needs one. 'zvview demo' plays without one, where Xvfb is installed")
    _require_cursor_library()


@contextmanager
def virtual_display() -> Iterator[None]:
    """A display that nobody sees, for as long as the context lasts; with napari's own settings kept out of it.

    Raises
    ------
    UnsupportedError
        Xvfb is not installed, or does not start.
    """
    if shutil.which("Xvfb") is None:
        raise UnsupportedError("there is no display, and no Xvfb to take its place (Debian: apt-get install xvfb)")
    _require_cursor_library()
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", _SCREEN, "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=(write,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    before = {name: os.environ.get(name) for name in ("DISPLAY", "QT_QPA_PLATFORM", "NAPARI_CONFIG")}
    try:
        ready, _, _ = select.select([read], [], [], _START_S)
        number = os.read(read, 16).decode().strip() if ready else ""
        if not number:
            raise UnsupportedError("there is no display, and Xvfb, which would take its place, does not start")
        with tempfile.TemporaryDirectory(prefix="zvview-") as folder:
            os.environ |= {"DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb"}
            os.environ.setdefault("NAPARI_CONFIG", str(Path(folder) / "settings.yaml"))
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        os.close(read)
        server.terminate()
        server.wait()


def _answers() -> bool:
    """Whether the X display that the environment names lets us in; taken for granted where it cannot be asked."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = (ctypes.c_void_p,)
    connection = xcb.xcb_connect(None, None)
    has_failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not has_failed


def _require_cursor_library() -> None:
    if not sys.platform.startswith("linux") or os.environ.get("WAYLAND_DISPLAY"):
        return
    try:
        ctypes.CDLL("libxcb-cursor.so.0")
    except OSError:
        raise UnsupportedError("Qt lacks the library libxcb-cursor (Debian: apt-get install libxcb-cursor0)") from None
