"""The window of ``zvview open`` and ``zvview demo``: a viewer of our own, with stores or a sample in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import napari
from napari.layers import Layer

from zvview.napari.flight import StopFigures, play
from zvview.napari.opening import open_stores
from zvview.napari.settings import read_settings
from zvview.napari.showing import add_sample, add_stores, check_level, has_space
from zvview.samples import Sample

__all__ = ["play_sample", "run", "show_sample", "show_stores"]

_SIZE: Final = (1400, 900)


def show_stores(
    places: Sequence[str], *, level: int | None = None, slab: float | None = None, is_flat: bool | None = None
) -> Any:
    """A shown viewer with the stores at some places, which begins in 3-D where one of them has three axes of space.

    Raises
    ------
    ZvviewError
        As for :func:`zvview.open`; no window is opened then.
    """
    keep_order = read_settings().keep_axis_order
    opened = [found for place in places for found in open_stores(place, keep_order=keep_order)]
    check_level(opened, level)
    viewer = _new_viewer("zvview")
    add_stores(viewer, opened, level=level, slab=slab)
    if has_space(opened) if is_flat is None else not is_flat:
        viewer.dims.ndisplay = 3
        viewer.reset_view()
    return viewer


def show_sample(sample: Sample, place: Path) -> Any:
    """A shown viewer with the stores of a sample."""
    viewer, _ = _open_sample(sample, place)
    return viewer


def play_sample(sample: Sample, place: Path, folder: Path) -> list[StopFigures]:
    """Fly through a sample in a window that is closed afterwards; pictures are kept in `folder`, which is there."""
    viewer, layers = _open_sample(sample, place)
    try:
        return play(viewer, layers, sample.stops, folder)
    finally:
        viewer.close()


def _open_sample(sample: Sample, place: Path) -> tuple[Any, list[Layer]]:
    opened = open_stores(str(place), keep_order=read_settings().keep_axis_order)
    viewer = _new_viewer(sample.title)
    return viewer, add_sample(viewer, sample, opened)


def run() -> None:
    """Let the window live until the user closes it."""
    napari.run()


def _new_viewer(title: str) -> Any:
    viewer = napari.Viewer(title=title, show=True)
    viewer.window.resize(*_SIZE)
    return viewer
