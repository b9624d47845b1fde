"""Commands of napari's menus: open what the window shows in Neuroglancer, and take the view back."""

from __future__ import annotations

import importlib.util

import napari
from napari.utils.notifications import show_error, show_info

from zvview.errors import InvalidInputError, ZvviewError

__all__ = ["open_in_neuroglancer", "take_drawn", "take_view_back"]


def open_in_neuroglancer() -> None:
    """Show what the current window shows in Neuroglancer's client, in the browser."""
    _do("open")


def take_view_back() -> None:
    """Show in the current window what its client shows."""
    _do("take_back")


def take_drawn() -> None:
    """Add what was drawn in the client to the current window; the first time, add a layer there to draw in."""
    _do("take_drawn")


def _do(what: str) -> None:
    viewer = napari.current_viewer()
    if viewer is None:
        return
    if importlib.util.find_spec("neuroglancer") is None:
        show_error('Neuroglancer is not installed: pip install "zvview[neuroglancer]"')
        return
    from zvview.handover.twins import twin_of

    try:
        getattr(twin_of(viewer), what)()
    except InvalidInputError as error:
        show_info(str(error))
    except ZvviewError as error:
        show_error(str(error))
