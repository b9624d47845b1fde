"""Editing in a real napari window: what each edit takes of the window's thread, from the hand to the picture.

``python benchmarks/napari_edit.py``. 100,000 points are edited with the tools of their layer, and 50,000 vertices of a
mesh by their handles; what is selected was selected before. Without a display it starts an Xvfb of its own.

Each edit is measured until the layer shows it with all edits. What counts is the longest piece of work of the thread
of the window: the tool itself, or what is done with an answer that comes back. It is measured as time of the processor,
since painting is done by other threads in software there and holds this one up; what this one does in a paint is taken
out. Beside it stands how long the tool itself took by the clock.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from harness import Claim, save, timed
from napari_browse import Window, display

import zvview
from zvview.geometry.batches import Mesh
from zvview.testing import make_store

ROUNDS = 5
POINTS = 100_000
SIDE = 224
"""Of the sheet that is the mesh: 224 x 224 vertices, 50,176 in all."""
ASKED_S = 0.05


@dataclass
class Stretches:
    """The longest pieces of work, and what the tools took by the clock; in seconds."""

    longest: list[float] = field(default_factory=list)
    by_clock: list[float] = field(default_factory=list)


class WatchedWindow(Window):
    """A window that tells what its paints take of the processor."""

    painted_s = 0.0
    """In all, of the thread of the window."""

    def _begin_paint(self, event: Any) -> None:
        self._begun = time.thread_time()

    def _end_paint(self, event: Any) -> None:
        self.painted_s += time.thread_time() - self._begun


class Editor:
    """A layer being edited in a window."""

    def __init__(self, window: WatchedWindow, place: str) -> None:
        from zvview.napari.editing.attaching import editing_of
        from zvview.napari.editing.editing import Phase

        self.window = window
        self.layer, *_ = window.open(place)
        found = editing_of(self.layer)
        assert found is not None
        self.editing: Any = found
        found.start()
        window.wait(lambda: found.phase is Phase.ON)
        self.settle()
        self.found: dict[str, Stretches] = {}

    def is_settled(self) -> bool:
        """Whether the layer shows all edits."""
        update, session = self.layer.stream.update, self.editing.session
        is_shown = update.edits is not None and update.edits.edits is session.edits
        return is_shown and not self.editing.is_busy and self.layer.stream.is_settled

    def settle(self) -> None:
        """Wait until the layer shows all edits, and a little longer."""
        self.window.wait(self.is_settled)
        self.window.live(0.2)

    def measure(self, name: str, edit: Callable[[], object]) -> None:
        """Do something, and note the longest stretch until it is shown."""
        window = self.window
        begun, clock = time.thread_time(), time.perf_counter()
        edit()
        longest, by_clock = time.thread_time() - begun, time.perf_counter() - clock
        while not self.is_settled():
            if time.perf_counter() > clock + 60:
                raise SystemExit(f"{name} is not shown after a minute")
            begun, painted = time.thread_time(), window.painted_s
            window._app.processEvents()
            longest = max(longest, time.thread_time() - begun - (window.painted_s - painted))
            time.sleep(0.001)
        stretches = self.found.setdefault(name, Stretches())
        stretches.longest.append(longest)
        stretches.by_clock.append(by_clock)
        self.settle()
        assert name.startswith("undo") != self.editing.is_changed, f"{name}: {self.editing.review}"

    def select(self, points: Any, rows: set[int]) -> None:
        """What the edit that follows is done to."""
        points.selected_data = rows
        points._drag_start = None
        points._set_drag_start(points.selected_data, np.zeros(points.ndim))
        self.window.live(0.2)


def move(points: Any) -> None:
    """Drag what is selected, in one step, from where it was pressed."""
    indices = tuple(points.selected_data)
    points.events.data(value=points.data, action="changing", data_indices=indices, vertex_indices=((),))
    points._move(points.selected_data, np.full(points.ndim, 3.0))
    points._drag_start = None


def points_edited(window: WatchedWindow, folder: Path) -> dict[str, Stretches]:
    """Edits of points."""
    place = str(folder / "points.zarrvectors")
    make_store(place, "point_cloud", size=POINTS, seed=1).close()
    editor = Editor(window, place)
    layer, editing = editor.layer, editor.editing
    everything = set(range(POINTS))
    layer.mode = "select"
    for _ in range(ROUNDS + 1):
        editor.select(layer, {5})
        editor.measure("move one", lambda: move(layer))
        editor.measure("undo: move one", editing.undo)
        editor.measure("delete one", layer.remove_selected)
        editor.measure("undo: delete one", editing.undo)
        editor.select(layer, {5, 8, 9})
        layer._copy_data()
        editor.measure("paste three", layer._paste_data)
        editor.measure("undo: paste three", editing.undo)
        editor.measure("add one", lambda: layer.add(np.full(3, 300.0)))
        editor.measure("undo: add one", editing.undo)
        editor.select(layer, everything)
        editor.measure("move all", lambda: move(layer))
        editor.measure("undo: move all", editing.undo)
        editor.select(layer, everything)
        editor.measure("attribute of all", lambda: editing.set_feature("intensity", np.arange(POINTS), 0.5))
        editor.measure("undo: attribute of all", editing.undo)
        editor.select(layer, everything)
        editor.measure("delete all", layer.remove_selected)
        editor.measure("undo: delete all", editing.undo)
    window.close_layers()
    return editor.found


def sheet() -> Mesh:
    """A bent sheet of triangles, one object."""
    u, v = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    positions = np.stack((u, v, 10 * np.sin(u / 20)), axis=-1).reshape(-1, 3)
    first = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
    halves = [(first, first + 1, first + SIDE + 1), (first, first + SIDE + 1, first + SIDE)]
    faces = np.concatenate([np.stack(half, axis=1) for half in halves])
    return Mesh(positions.astype(np.float32), faces=faces, offsets=[0, len(positions)], object_ids=[1])


def mesh_edited(window: WatchedWindow, folder: Path) -> dict[str, Stretches]:
    """Edits of the vertices of a mesh."""
    place = str(folder / "mesh.zarrvectors")
    with zvview.create(place, kind="mesh", axes="xyz") as store:
        store.write(sheet())
    editor = Editor(window, place)
    editing = editor.editing
    editing.choose((1,))
    window.wait(lambda: editing.handles is not None)
    editor.settle()
    handles = editing.handles
    corner = {0, 1, SIDE, SIDE + 1}
    for _ in range(ROUNDS + 1):
        editor.select(handles, {5})
        editor.measure("move one", lambda: move(handles))
        editor.measure("undo: move one", editing.undo)
        editor.measure("delete one", handles.remove_selected)
        editor.measure("undo: delete one", editing.undo)
        editor.select(handles, corner)
        editing.run("copy")
        editor.measure("paste four", lambda: editing.run("paste"))
        editor.measure("undo: paste four", editing.undo)
        editor.select(handles, set(range(len(handles.data))))
        editor.measure("move all", lambda: move(handles))
        editor.measure("undo: move all", editing.undo)
    window.close_layers()
    return editor.found


def claims_of(found: dict[str, dict[str, Stretches]]) -> Iterator[Claim]:
    """The claims that the measurements come to; the first round does not count."""
    facts = {"napari": version("napari"), "vispy": version("vispy")}
    for what, edits in found.items():
        for name, stretches in edits.items():
            longest, by_clock = stretches.longest[1:], statistics.median(stretches.by_clock[1:])
            how = f"worst of {ROUNDS} {timed(max(longest))}; the tool itself {timed(by_clock)} by the clock"
            yield Claim(f"{name}, {what}", statistics.median(longest), ASKED_S, "s", "at most", how, facts)


def main(folder: Path) -> None:
    """Measure and save the claims."""
    with display():
        window = WatchedWindow()
        found = {
            f"{POINTS:,} points": points_edited(window, folder),
            f"mesh of {SIDE * SIDE:,} handles": mesh_edited(window, folder),
        }
        window.close()
    save("napari_edit", list(claims_of(found)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as own:
        os.environ["NAPARI_CONFIG"] = str(Path(own, "settings.yaml"))  # read when napari is first imported
        os.environ["ZVVIEW_STATE"] = own
        main(Path(own))
