"""A display for the windows, napari's settings kept out of the way, and hands to drop, turn the wheel and look."""

from __future__ import annotations

import faulthandler
import importlib.util
import os
import select
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

os.environ["NAPARI_CONFIG"] = ""  # settings are not kept; read when napari is first imported
os.environ.setdefault("QT_API", "pyqt6" if importlib.util.find_spec("PyQt6") else "pyside6")

with warnings.catch_warnings():  # those of other packages, once, while they are imported
    warnings.simplefilter("ignore")
    import napari
    import npe2
    from napari._qt import qt_main_window, qt_viewer  # noqa: F401
    from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
    from qtpy.QtGui import QDropEvent, QWheelEvent
    from qtpy.QtWidgets import QApplication

    import zvview.napari.reader  # noqa: F401
    from zvview.napari.editing import closing, editing
    from zvview.napari.editing.asking import Choice
    from zvview.testing import make_store

HERE = Path(__file__).parent
MANIFEST = HERE.parents[1] / "src" / "zvview" / "napari.yaml"
_SECONDS_MS, _SLICE_MS = 1000, 10
_HANG_S = 240


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Warnings of napari and of what it uses are not ours to mend; ours stay errors."""
    for item in items:
        if HERE in item.path.parents:
            for module in ("napari", "vispy", "pydantic", "npe2", "app_model", "superqt", "qtpy", "pint", "psygnal"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore:::{module}"))


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """A display: the one that there is, else an Xvfb of our own, ended with the session."""
    if os.environ.get("DISPLAY") or os.name == "nt" or shutil.which("Xvfb") is None:
        yield os.environ.get("DISPLAY", "")
        return
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        ready, _, _ = select.select([read], [], [], 20)
        number = os.read(read, 16).decode().strip() if ready else ""
        assert number, "Xvfb did not start"
        os.environ["DISPLAY"] = f":{number}"
        yield os.environ["DISPLAY"]
    finally:
        os.environ.pop("DISPLAY", None)
        os.close(read)
        server.terminate()
        server.wait(10)


@pytest.fixture(scope="session")
def qapp_cls(display: str) -> type[QApplication]:  # pytest-qt asks for it before it makes the application
    assert display or os.name == "nt"
    return QApplication


@pytest.fixture(scope="session", autouse=True)
def plugins_found_once() -> Iterator[None]:
    """Each window looks for plugins in all that is installed; what there is does not change from test to test."""
    found = list(npe2.PluginManifest.discover())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npe2.PluginManifest, "discover", lambda paths=(): iter(found))
        yield


@pytest.fixture
def plugin() -> str:
    """The name of the plugin, which napari knows from here on, installed or not."""
    manager = npe2.PluginManager.instance()
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    if manifest.name not in {known.name for known in manager.iter_manifests()}:
        manager.register(manifest)
    return manifest.name


@pytest.fixture(autouse=True)
def bounded(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that hangs ends the run, and tells where all threads are."""
    faulthandler.dump_traceback_later(_HANG_S, exit=True, file=request.config.stash.get(fault_handler_stderr_fd_key, 2))
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def unanswered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question of the edit mode that nobody answers would wait for ever."""

    def ask(text: str) -> None:
        pytest.fail(f"a question nobody answers: {text}")

    monkeypatch.setattr(editing, "ask_left_behind", ask)
    monkeypatch.setattr(editing, "ask_reload", ask)


@pytest.fixture(autouse=True)
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows close with unsaved edits in them and nobody there to answer."""
    monkeypatch.setattr(closing, "ask_unsaved", lambda text, *, can_cancel: Choice.KEEP)


class Window:
    """A viewer in a real window, and what a user's hands and eyes do with it."""

    def __init__(self, viewer: Any, qtbot: Any) -> None:
        self.viewer, self._qtbot = viewer, qtbot

    @property
    def _qt_viewer(self) -> Any:
        return self.viewer.window._qt_viewer

    def drop(self, *places: object) -> None:
        """Drop paths or addresses on the canvas."""
        texts = [str(place) for place in places]
        urls = [QUrl(text) if "://" in text else QUrl.fromLocalFile(text) for text in texts]
        data = QMimeData()
        data.setUrls(urls)
        event = QDropEvent(
            QPointF(50, 50),
            Qt.DropAction.CopyAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        self._qt_viewer.dropEvent(event)

    def turn_wheel(self, notches: int, at: tuple[int, int] | None = None) -> None:
        """Turn the wheel over the canvas, a notch at a time; by default over its middle."""
        canvas = self._qt_viewer.canvas.native
        point = QPoint(*at) if at else canvas.rect().center()
        for _ in range(abs(notches)):
            event = QWheelEvent(
                QPointF(point),
                QPointF(canvas.mapToGlobal(point)),
                QPoint(0, 0),
                QPoint(0, 120 if notches > 0 else -120),
                Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            )
            QApplication.sendEvent(canvas, event)
            QApplication.processEvents()

    def wait(self, condition: Callable[[], Any], seconds: float = 15) -> None:
        """Let the window live until something is true, for so many slices of time as come to `seconds`.

        What counts is how long it could live: a machine that stands still for a while takes one slice.
        """
        for _ in range(int(seconds * _SECONDS_MS / _SLICE_MS)):
            if condition():
                return
            self._qtbot.wait(_SLICE_MS)
        found = [layer.stream.update for layer in self.viewer.layers if hasattr(layer, "stream")]
        assert condition(), f"not so after {seconds} s; the layers show {found}"

    def live(self, seconds: float) -> None:
        """Let the window live for a while."""
        self._qtbot.wait(int(seconds * _SECONDS_MS))

    def settle(self, *layers: Any) -> None:
        """Wait until what is in view of the layers, by default all, has come and is shown."""
        shown = layers or tuple(layer for layer in self.viewer.layers if hasattr(layer, "stream"))
        self.live(0.08)  # twice the throttle of the views
        for layer in shown:
            self.wait(lambda layer=layer: layer.stream.update is not None and layer.stream.is_settled)

    def look(self, name: str | None = None) -> np.ndarray:
        """The canvas as (height, width, 3) uint8; kept under `name` where the environment names a folder for it."""
        for _ in range(3):
            QApplication.processEvents()
        folder = os.environ.get("ZVVIEW_SCREENSHOTS")
        path = None if name is None or not folder else str(Path(folder) / f"{name}.png")
        return np.asarray(self.viewer.screenshot(path, flash=False))[..., :3]


@pytest.fixture
def window(make_napari_viewer: Any, qtbot: Any, plugin: str) -> Iterator[Window]:
    """A shown viewer that knows the plugin and asks no questions about it."""
    viewer = make_napari_viewer(show=True)
    napari.settings.get_settings().plugins.extension2reader = {"*.zarrvectors*": plugin, "*.zv*": plugin}
    opened = Window(viewer, qtbot)
    yield opened
    viewer.layers.clear()
    QApplication.processEvents()


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 4,000 points."""
    place = tmp_path_factory.mktemp("stores") / "cells.zarrvectors"
    make_store(str(place), "point_cloud", size=4_000, seed=3, chunk_shape=(250,) * 3).close()
    return place


@pytest.fixture
def layer(window: Window, cells: Path) -> Any:
    """The layer of that store, settled in 3-D."""
    window.drop(cells)
    window.viewer.dims.ndisplay = 3
    window.settle()
    return window.viewer.layers[0]


@pytest.fixture
def pixels_lit() -> Callable[[np.ndarray], int]:
    return lambda image: int((image.sum(axis=-1) > 60).sum())
